/* The pages that list: search, an offender, sessions, quarantine. */
#include "routes.h"

#include "pages.h"
#include "view_names.h"

#include <string.h>

/* What stands in place of rows where the first page has none. */
static const char *of_first(const struct request *request, const char *words)
{
    return request_parameter(request, "next") != NULL ? PAGE_NONE_HERE : words;
}

/* --- cases -------------------------------------------------------------------------------- */

/* <option>s of the agencies there are; the one asked for is selected. */
static void add_agencies(struct text *out, const struct request *request, unsigned slot)
{
    const char *const asked = request_parameter(request, "agency");
    struct list list = list_of(request_result(request, slot, "rows"));
    struct casebus_bytes row;
    while (list_next(&list, &row)) {
        const struct casebus_bytes code = member_text(row, "code");
        text_add(out, "<option value=\"");
        html_add(out, code);
        text_add(out, asked != NULL && casebus_bytes_is(code, asked) ? "\" selected>" : "\">");
        name_agency(out, row);
        text_add(out, "</option>");
    }
}

/* "50 cases, as of #123; 3 newer", where there are other pages "50 cases on this page, …", or
 * what is wrong with the question. */
static void fill_words(struct slots *slots, const struct request *request, uint32_t count)
{
    struct text *const words = slot_get(slots, "words");
    const struct fetch *const fetch = &request->fetch[0];
    const uint64_t newer = casebus_as_uint(request_result(request, 0, "newer"), 0);
    const uint64_t as_of =
        casebus_as_uint(request_result(request, 0, "as_of"), fetch->reply.seq);
    if (page_is_unreached(fetch)) {
        page_state(slots, "words", fetch);
    } else if (fetch->error != 0) {
        text_add(slot_get(slots, "problem"), "<p class=\"problem\" role=\"alert\">");
        page_state(slots, "problem", fetch);
        text_add(slot_get(slots, "problem"), "</p>");
    } else {
        const bool others = request_parameter(request, "next") != NULL ||
                            request_result(request, 0, "next").data != NULL;
        text_format(words, "%u case%s%s, as of #%llu", count, count == 1 ? "" : "s",
                    others ? " on this page" : "", (unsigned long long)as_of);
        if (newer > 0) {
            text_format(words, newer >= 1000 ? "; %llu or more newer" : "; %llu newer",
                        (unsigned long long)newer);
        }
    }
}

/* With the filters only: the file refuses what it does not take. */
static void add_csv_link(struct text *out, const struct request *request)
{
    static const char *const names[] = {"agency", "from",    "to", "offender",
                                        "order",  "session", "id"};
    text_add(out, "/cases.csv?");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        page_add_parameter(out, names[i], request_parameter(request, names[i]));
    }
}

static void show_cases(struct request *request)
{
    static const char *const form[] = {"from", "to", "offender", "id"};
    struct slots slots = {0};
    const struct casebus_bytes one = request_result(request, 0, "case");
    const struct casebus_bytes rows = request_result(request, 0, "rows");
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        slot_words(&slots, form[i], casebus_cstr(request_parameter(request, form[i])));
    }
    add_agencies(slot_get(&slots, "agency_options"), request, 1);
    fill_words(&slots, request, one.data != NULL ? 1 : list_of(rows).left);
    add_csv_link(slot_get(&slots, "csv"), request);
    if (one.data != NULL) {
        list_case(slot_get(&slots, "rows"), one);
    } else {
        list_cases(slot_get(&slots, "rows"), rows, casebus_bytes(NULL, 0));
    }
    if (slot_get(&slots, "problem")->size == 0) {
        page_empty(&slots, "empty", &request->fetch[0], of_first(request, "No case matches."));
    }
    page_turns(&slots, request, 0, "/cases");
    page_answer(request, &slots, request_status(&request->fetch[0]), "cases",
                casebus_cstr("Cases"));
}

void page_cases(struct request *request)
{
    if (request->step > 0) {
        show_cases(request);
    } else if (ask_cases(request, 0)) {
        ask_simple(request, 1, CASEBUS_OP_AGENCY_LIST);
    }
}

/* --- an offender -------------------------------------------------------------------------- */

static void show_offender(struct request *request)
{
    struct slots slots = {0};
    const struct casebus_bytes record = request_result(request, 0, "offender_record");
    const uint64_t cases = member_number(record, "cases");
    struct casebus_bytes name = member_text(casebus_map_get(record, "offender"), "name");
    if (name.data == NULL) {
        name = casebus_cstr(request_parameter(request, "name"));
    }
    slot_words(&slots, "name", name);
    slot_member(&slots, "agency", record, "agency");
    text_add_count(slot_get(&slots, "cases"), cases);
    text_add(slot_get(&slots, "cases"), cases == 1 ? " case" : " cases");
    if (casebus_map_get(record, "fine_pence").data != NULL) {
        text_add(slot_get(&slots, "fines"), ", fines of ");
        slot_member(&slots, "fines", record, "fine_pence");
        text_add(slot_get(&slots, "fines"), " in all");
    }
    list_fields(slot_get(&slots, "facts"), record, NULL);
    list_cases(slot_get(&slots, "rows"), request_result(request, 0, "rows"),
               casebus_bytes(NULL, 0));
    page_turns(&slots, request, 0, "/offenders");
    page_answer(request, &slots, 200, "offender", name);
}

void page_offenders(struct request *request)
{
    if (request->step == 0) {
        ask_offender(request, 0);
    } else if (request->fetch[0].error != 0) {
        request_refuse_fetch(request, 0);
    } else {
        show_offender(request);
    }
}

/* --- sessions, quarantine ----------------------------------------------------------------- */

/* What the broker refuses is an error page; what it does not answer is a page that says so. */
static bool was_refused(struct request *request)
{
    if (request->fetch[0].error != 0 && !page_is_unreached(&request->fetch[0])) {
        request_refuse_fetch(request, 0);
        return true;
    }
    return false;
}

/* The page of a list below the active ones: of those that have ended, or of a status that was
 * asked for. */
static void fill_sessions(struct slots *slots, const struct request *request)
{
    const char *const status = request_parameter(request, "status");
    text_add(slot_get(slots, "title"), status != NULL ? "All that are " : "Ended");
    slot_words(slots, "title", casebus_cstr(status));
    list_sessions(slot_get(slots, "rows"), request_result(request, 0, "rows"));
    page_empty(slots, "empty", &request->fetch[0],
               of_first(request, status != NULL ? "There is none." : "None has ended yet."));
    page_turns(slots, request, 0, "/sessions");
}

void page_sessions(struct request *request)
{
    struct slots slots = {0};
    if (request->step == 0) {
        if (ask_sessions(request, 0, "ended")) {
            ask_newest_sessions(request, 1, "active", VIEW_ACTIVE_ROWS);
        }
        return;
    }
    if (!was_refused(request)) {
        page_state(&slots, "state", &request->fetch[1]);
        page_more(&slots, "state", request, 1);
        page_empty(&slots, "empty_active", &request->fetch[1], "No session is active.");
        list_sessions(slot_get(&slots, "rows_active"), request_result(request, 1, "rows"));
        fill_sessions(&slots, request);
        page_answer(request, &slots, request_status(&request->fetch[0]), "sessions",
                    casebus_cstr("Sessions"));
    }
}

void page_quarantine(struct request *request)
{
    struct slots slots = {0};
    if (request->step == 0) {
        ask_quarantine(request, 0);
        return;
    }
    if (!was_refused(request)) {
        page_state(&slots, "state", &request->fetch[0]);
        list_quarantine(slot_get(&slots, "items"), request_result(request, 0, "rows"));
        page_empty(&slots, "empty", &request->fetch[0],
                   of_first(request, "Nothing waits for a decision."));
        page_turns(&slots, request, 0, "/quarantine");
        page_answer(request, &slots, request_status(&request->fetch[0]), "quarantine",
                    casebus_cstr("Quarantine"));
    }
}
