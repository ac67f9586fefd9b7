/* A case's page: every field, its offender with his other cases, its history. */
#include "routes.h"

#include "pages.h"

#include <string.h>

#define OTHER_ROWS 20

enum case_slot {
    CASE_ITSELF,
    CASE_HISTORY,
    CASE_OFFENDER
};

static void fill_key_facts(struct slots *slots, struct casebus_bytes record)
{
    static const struct {
        const char *slot, *field;
    } facts[] = {
        {"fine", "offence_fine_pence"},
        {"costs", "offence_costs_pence"},
        {"action_date", "offence_action_date"},
        {"hearing_date", "offence_hearing_date"},
        {"result", "offence_result"},
        {"version", "version"},
        {"seen", "seen_count"},
        {"added", "inserted_at"},
        {"changed", "updated_at"},
        {"synced", "last_synced_at"},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        slot_member(slots, facts[i].slot, record, facts[i].field);
    }
}

/* Nothing where he is not shown by name, for then they cannot be asked for. */
static void add_others(struct text *out, const struct request *request,
                       struct casebus_bytes record)
{
    const struct fetch *const fetch = &request->fetch[CASE_OFFENDER];
    struct slots slots = {0};
    if (!fetch->asked || fetch->error == CASEBUS_EDENIED) {
        return;
    }
    struct text *const more = slot_get(&slots, "more");
    list_cases(slot_get(&slots, "rows"), request_result(request, CASE_OFFENDER, "rows"),
               member_text(record, "id"));
    page_empty(&slots, "empty", fetch, "None.");
    text_add(more, "<a href=\"");
    address_offender(more, record);
    text_add(more, "\">All cases of this offender</a>");
    template_fill("case_others", &slots, out);
    slots_free(&slots);
}

/* A part of the page for a list that a record may have. One that has none looks like one of
 * which it is not shown, so nothing is said of either. */
static void add_part(struct text *out, const char *name,
                     void (*list)(struct text *out, struct casebus_bytes rows),
                     struct casebus_bytes rows)
{
    struct slots slots = {0};
    if (list_of(rows).left > 0) {
        list(slot_get(&slots, "rows"), rows);
        template_fill(name, &slots, out);
    }
    slots_free(&slots);
}

/* A page of it, and whether there is more, or was. */
static void fill_history(struct slots *slots, const struct request *request,
                         struct casebus_bytes id)
{
    const uint64_t floor = casebus_as_uint(request_result(request, CASE_HISTORY, "floor"), 0);
    struct text *const words = slot_get(slots, "history_words");
    struct text path = {0};
    list_history(slot_get(slots, "history"), request_result(request, CASE_HISTORY, "events"));
    page_empty(slots, "empty_history", &request->fetch[CASE_HISTORY],
               "No event of this case is there.");
    if (request_result(request, CASE_HISTORY, "next").data != NULL) {
        text_add(words, "older events are on the next page");
    } else if (floor > 0) {
        text_format(words, "down to #%llu, older events are not kept",
                    (unsigned long long)floor);
    }
    address_case(&path, id);
    page_turns(slots, request, CASE_HISTORY, text_get(&path));
    text_free(&path);
}

static void fill_head(struct slots *slots, const struct fetch *fetch, struct casebus_bytes id)
{
    slot_words(slots, "id", id);
    text_add(slot_get(slots, "view"), "case/");
    url_add(slot_get(slots, "view"), id);
    page_state(slots, "state", fetch);
}

static void show_case(struct request *request)
{
    static const char *const elsewhere[] = {"offender", "offences", "related_cases", NULL};
    struct slots slots = {0};
    const struct casebus_bytes record = request_result(request, CASE_ITSELF, "case");
    const struct casebus_bytes id = member_text(record, "id");
    fill_head(&slots, &request->fetch[CASE_ITSELF], id);
    link_offender(slot_get(&slots, "offender"), record);
    fill_key_facts(&slots, record);
    list_fields(slot_get(&slots, "facts"), record, elsewhere);
    list_fields(slot_get(&slots, "offender_facts"),
                request_result(request, CASE_ITSELF, "offender_record"), NULL);
    list_fields(slot_get(&slots, "agency_facts"),
                request_result(request, CASE_ITSELF, "agency_record"), NULL);
    add_part(slot_get(&slots, "offences"), "case_offences", list_offences,
             casebus_map_get(record, "offences"));
    add_part(slot_get(&slots, "related"), "case_related", list_related,
             casebus_map_get(record, "related_cases"));
    add_others(slot_get(&slots, "others"), request, record);
    fill_history(&slots, request, id);
    page_answer(request, &slots, 200, "case", id);
}

/* Who it was, and when, is in the history of one that was deleted or redacted. */
static bool is_gone(const struct request *request)
{
    const int error = request->fetch[CASE_ITSELF].error;
    return (error == CASEBUS_EDELETED || error == CASEBUS_EREDACTED) &&
           request->fetch[CASE_HISTORY].error == 0;
}

static void show_gone(struct request *request)
{
    const struct fetch *const fetch = &request->fetch[CASE_ITSELF];
    const struct casebus_bytes id = casebus_cstr(request_segment(request, 1));
    struct slots slots = {0};
    fill_head(&slots, &request->fetch[CASE_HISTORY], id);
    slot_words(&slots, "text", request_reason(fetch));
    fill_history(&slots, request, id);
    page_answer(request, &slots, request_status(fetch), "case_gone", id);
}

static void ask_others(struct request *request)
{
    const struct casebus_bytes record = request_result(request, CASE_ITSELF, "case");
    const struct casebus_bytes offender = casebus_map_get(record, "offender");
    const struct casebus_bytes name = member_text(offender, "name");
    const struct casebus_bytes postcode = member_text(offender, "postcode");
    if (name.size == 0) {
        return;
    }
    struct casebus_call *const call = request_call(request, CASEBUS_OP_OFFENDER_GET);
    casebus_call_str(call, "agency", member_text(record, "agency"));
    casebus_call_str(call, "name", name);
    if (postcode.size > 0) {
        casebus_call_str(call, "postcode", postcode);
    }
    casebus_call_uint(call, "limit", OTHER_ROWS);
    request_fetch(request, CASE_OFFENDER, call);
}

void page_case(struct request *request)
{
    if (request->step == 0) {
        if (ask_history(request, CASE_HISTORY, request_segment(request, 1))) {
            ask_case(request, CASE_ITSELF, request_segment(request, 1));
        }
    } else if (is_gone(request)) {
        show_gone(request);
    } else if (request->fetch[CASE_ITSELF].error != 0) {
        request_refuse_fetch(request, CASE_ITSELF);
    } else if (request->step == 1) {
        ask_others(request);
    } else {
        show_case(request);
    }
}
