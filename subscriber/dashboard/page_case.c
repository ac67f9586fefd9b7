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

static void fill_others(struct slots *slots, const struct request *request,
                        struct casebus_bytes record)
{
    struct text *const more = slot_get(slots, "offender_more");
    list_cases(slot_get(slots, "offender_rows"), request_result(request, CASE_OFFENDER, "rows"),
               member_text(record, "id"));
    page_empty(slots, "empty_others", &request->fetch[CASE_OFFENDER], "None.");
    text_add(more, "<a href=\"");
    address_offender(more, record);
    text_add(more, "\">All cases of this offender</a>");
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

static void show_case(struct request *request)
{
    static const char *const elsewhere[] = {"offender", "offences", "related_cases", NULL};
    struct slots slots = {0};
    const struct casebus_bytes record = request_result(request, CASE_ITSELF, "case");
    const struct casebus_bytes id = member_text(record, "id");
    slot_words(&slots, "id", id);
    text_add(slot_get(&slots, "view"), "case/");
    url_add(slot_get(&slots, "view"), id);
    page_state(&slots, "state", &request->fetch[CASE_ITSELF]);
    slot_member(&slots, "offender", casebus_map_get(record, "offender"), "name");
    address_offender(slot_get(&slots, "offender_href"), record);
    fill_key_facts(&slots, record);
    list_fields(slot_get(&slots, "facts"), record, elsewhere);
    list_fields(slot_get(&slots, "offender_facts"),
                request_result(request, CASE_ITSELF, "offender_record"), NULL);
    list_fields(slot_get(&slots, "agency_facts"),
                request_result(request, CASE_ITSELF, "agency_record"), NULL);
    list_offences(slot_get(&slots, "offences"), casebus_map_get(record, "offences"));
    list_related(slot_get(&slots, "related"), casebus_map_get(record, "related_cases"));
    fill_others(&slots, request, record);
    fill_history(&slots, request, id);
    page_answer(request, &slots, 200, "case", id);
}

static void ask_others(struct request *request)
{
    const struct casebus_bytes record = request_result(request, CASE_ITSELF, "case");
    const struct casebus_bytes offender = casebus_map_get(record, "offender");
    const struct casebus_bytes postcode = member_text(offender, "postcode");
    struct casebus_call *const call = request_call(request, CASEBUS_OP_OFFENDER_GET);
    casebus_call_str(call, "agency", member_text(record, "agency"));
    casebus_call_str(call, "name", member_text(offender, "name"));
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
    } else if (request->fetch[CASE_ITSELF].error != 0) {
        request_refuse_fetch(request, CASE_ITSELF);
    } else if (request->step == 1) {
        ask_others(request);
    } else {
        show_case(request);
    }
}
