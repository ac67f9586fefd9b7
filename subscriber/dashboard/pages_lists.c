/* The pages that list: search, offenders, sessions, quarantine. */
#include "routes.h"

#include "pages.h"
#include "rows.h"

#include <string.h>

/* The query string as it was, but for `next` and `as_of`: how links and forms go on. */
static void add_query(const struct request *request, struct text *out)
{
    for (unsigned i = 0; i < request->url.parameter_count; i++) {
        const char *const name = request->url.parameter[i].name;
        const char *const value = request->url.parameter[i].value;
        if (*value != '\0' && strcmp(name, "next") != 0 && strcmp(name, "as_of") != 0) {
            url_add(out, casebus_cstr(name));
            text_add(out, "=");
            url_add(out, casebus_cstr(value));
            text_add(out, "&amp;");
        }
    }
}

/* A link to the page behind this one, if there is one. */
static void add_next(struct page *page, const struct request *request, const char *path)
{
    struct text *const out = page_slot(page, "next_link");
    const struct casebus_bytes next = casebus_as_bin(request_result(request, 0, "next"));
    const uint64_t as_of = casebus_as_uint(request_result(request, 0, "as_of"), 0);
    if (next.data == NULL) {
        return;
    }
    text_format(out, "<a rel=\"next\" href=\"%s?", path);
    add_query(request, out);
    text_add(out, "next=");
    text_add_hex(out, next);
    if (as_of != 0) {
        text_format(out, "&amp;as_of=%llu", (unsigned long long)as_of);
    }
    text_add(out, "\">Next page</a>");
}

/* Slots of the same names as the parameters, with what was asked for. */
static void add_form(struct page *page, const struct request *request,
                     const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        page_words(page, names[i], casebus_cstr(request_parameter(request, names[i])));
    }
}

/* <option>s of the agencies there are, in slot `fetch`; the one asked for is selected. */
static void add_agencies(struct page *page, const struct request *request, unsigned fetch)
{
    struct text *const out = page_slot(page, "agency_options");
    const char *const asked = request_parameter(request, "agency");
    struct rows rows = rows_of(request_result(request, fetch, "rows"));
    struct casebus_bytes row;
    text_add(out, "<option value=\"\">all agencies</option>");
    while (rows_next(&rows, &row)) {
        const struct casebus_bytes code = row_text(row, "code");
        text_add(out, "<option value=\"");
        html_add(out, code);
        text_add(out, asked != NULL && casebus_bytes_is(code, asked) ? "\" selected>" : "\">");
        html_add(out, code);
        text_add(out, "</option>");
    }
}

/* --- cases -------------------------------------------------------------------------------- */

static void show_cases(struct request *request)
{
    static const char *const names[] = {"agency", "from", "to", "offender", "id"};
    struct page page = {0};
    const struct casebus_bytes one = request_result(request, 0, "case");
    add_form(&page, request, names, sizeof names / sizeof *names);
    add_agencies(&page, request, 1);
    if (one.data != NULL) {
        rows_add_case(page_slot(&page, "rows"), one);
    } else {
        rows_add_cases(page_slot(&page, "rows"), request_result(request, 0, "rows"));
    }
    page_state(&page, "state", &request->fetch[0]);
    add_next(&page, request, "/cases");
    text_add(page_slot(&page, "csv_link"), "/cases.csv?");
    add_query(request, page_slot(&page, "csv_link"));
    page_answer(request, &page, "cases", "Cases");
}

void page_cases(struct request *request)
{
    const int error = request->fetch[0].error;
    if (request->step == 0) {
        if (ask_cases(request, 0)) {
            ask_simple(request, 1, CASEBUS_OP_AGENCY_LIST);
        }
    } else if (error != 0 && error != CASEBUS_EUNREACHABLE && error != CASEBUS_ETIMEDOUT) {
        request_refuse_fetch(request, 0);
    } else {
        show_cases(request);
    }
}

/* --- offenders ---------------------------------------------------------------------------- */

void page_offenders(struct request *request)
{
    static const char *const names[] = {"agency", "name", "postcode"};
    struct page page = {0};
    if (request->step == 0) {
        ask_offender(request, 0);
        return;
    }
    if (request->fetch[0].error != 0) {
        request_refuse_fetch(request, 0);
        return;
    }
    const struct casebus_bytes record = request_result(request, 0, "offender_record");
    add_form(&page, request, names, sizeof names / sizeof *names);
    rows_add_fields(page_slot(&page, "offender"), record, NULL);
    rows_add_cases(page_slot(&page, "rows"), request_result(request, 0, "rows"));
    page_state(&page, "state", &request->fetch[0]);
    add_next(&page, request, "/offenders");
    page_answer(request, &page, "offenders", "Offender");
}

/* --- sessions, quarantine ----------------------------------------------------------------- */

static void show_list(struct request *request, const char *name, const char *title,
                      const char *path,
                      void (*add)(struct text *out, struct casebus_bytes rows))
{
    static const char *const names[] = {"agency", "status"};
    const int error = request->fetch[0].error;
    struct page page = {0};
    if (error != 0 && error != CASEBUS_EUNREACHABLE && error != CASEBUS_ETIMEDOUT) {
        request_refuse_fetch(request, 0);
        return;
    }
    add_form(&page, request, names, sizeof names / sizeof *names);
    add(page_slot(&page, "rows"), request_result(request, 0, "rows"));
    page_state(&page, "state", &request->fetch[0]);
    add_next(&page, request, path);
    page_answer(request, &page, name, title);
}

void page_sessions(struct request *request)
{
    if (request->step == 0) {
        ask_sessions(request, 0, NULL);
    } else {
        show_list(request, "sessions", "Sessions", "/sessions", rows_add_sessions);
    }
}

void page_quarantine(struct request *request)
{
    if (request->step == 0) {
        ask_quarantine(request, 0);
    } else {
        show_list(request, "quarantine", "Quarantine", "/quarantine", rows_add_quarantine);
    }
}
