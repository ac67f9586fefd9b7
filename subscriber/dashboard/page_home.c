/* The front page, and a session's own: what is happening now.
 *
 * What it shows is asked for when it is asked for, so it is true without any script; a script
 * then keeps it true. */
#include "routes.h"

#include "chart.h"
#include "pages.h"
#include "view_names.h"

#include <casebus/topic.h>

#include <stdio.h>

#define RECENT_ROWS 100
#define MET_ROWS 50
#define CHOICE_ROWS 50 /* sessions to choose from, beside the active ones */

/* --- a session's cases ----------------------------------------------------------------------
 */

/* Which slots of the request hold what session_cases.html shows. */
struct met_slots {
    unsigned session, met, active, all;
};

static void add_option(struct text *out, struct casebus_bytes session,
                       struct casebus_bytes chosen)
{
    struct text id = {0};
    html_add(&id, member_text(session, "agency"));
    text_add(&id, ":");
    html_add(&id, member_text(session, "session_id"));
    const bool selected =
        casebus_bytes_equal(member_text(session, "session_id"),
                            member_text(chosen, "session_id")) &&
        casebus_bytes_equal(member_text(session, "agency"), member_text(chosen, "agency"));
    text_add(out, "<option value=\"");
    text_add(out, text_get(&id));
    text_add(out, selected ? "\" selected>" : "\">");
    text_add(out, text_get(&id));
    text_add(out, ", ");
    html_add(out, member_text(session, "status"));
    text_add(out, "</option>\n");
    text_free(&id);
}

/* The one that is shown, those that are active, and the newest of the others. */
static void add_options(struct text *out, const struct request *request,
                        const struct met_slots *slots)
{
    const struct casebus_bytes chosen = request_result(request, slots->session, "session");
    struct list list = list_of(request_result(request, slots->active, "rows"));
    struct casebus_bytes session;
    bool there = false;
    for (int pass = 0; pass < 2; pass++) {
        while (list_next(&list, &session)) {
            if (pass == 0 || !session_is_active(session)) {
                add_option(out, session, chosen);
                there = there || casebus_bytes_equal(member_text(session, "session_id"),
                                                     member_text(chosen, "session_id"));
            }
        }
        list = list_of(request_result(request, slots->all, "rows"));
    }
    if (!there) {
        add_option(out, chosen, chosen);
    }
}

/* Counters reach back to its start, its cases to the floor. */
static void add_floor(struct text *out, struct casebus_bytes session,
                      struct casebus_bytes floor)
{
    const uint64_t seq = casebus_as_uint(floor, 0);
    if (seq > member_number(session, "started_seq")) {
        text_format(out,
                    "<p class=\"note\">What it met before #%llu is not kept: only its "
                    "counters are.</p>",
                    (unsigned long long)seq);
    }
}

/* The one that was asked for is not there, or the lists of them are not; or nobody began one.
 */
static void add_no_session(struct text *out, const struct request *request,
                           const struct met_slots *in)
{
    const struct fetch *const chosen = &request->fetch[in->session];
    struct slots slots = {0};
    if (chosen->error == CASEBUS_ENOTFOUND) {
        text_add(slot_get(&slots, "why"), "There is no such session.");
    } else if (chosen->asked || request->fetch[in->all].error != 0) {
        page_empty(&slots, "why", chosen->asked ? chosen : &request->fetch[in->all], "");
    } else if (request_parameter(request, "session") != NULL) {
        text_add(slot_get(&slots, "why"),
                 "This names no session: its agency and id are wanted, as in hse:S1.");
    } else {
        text_add(slot_get(&slots, "why"), "There has been no scrape session yet. When one "
                                          "starts, its cases appear here.");
    }
    template_fill("no_session", &slots, out);
    slots_free(&slots);
}

static void add_met(struct text *out, const struct request *request, const struct met_slots *in)
{
    const struct casebus_bytes session = request_result(request, in->session, "session");
    const struct casebus_bytes agency = member_text(session, "agency");
    const struct casebus_bytes id = member_text(session, "session_id");
    const struct casebus_bytes rows = request_result(request, in->met, "rows");
    struct slots slots = {0};
    if (session.data == NULL) {
        add_no_session(out, request, in);
        return;
    }
    text_add(slot_get(&slots, "view"), "session/");
    url_add(slot_get(&slots, "view"), agency);
    text_add(slot_get(&slots, "view"), "/");
    url_add(slot_get(&slots, "view"), id);
    slot_words(&slots, "name", agency);
    text_add(slot_get(&slots, "name"), ":");
    slot_words(&slots, "name", id);
    address_session(slot_get(&slots, "path"), agency, id);
    add_options(slot_get(&slots, "options"), request, in);
    page_state(&slots, "state", &request->fetch[in->met]);
    list_met(slot_get(&slots, "rows"), rows);
    page_empty(&slots, "empty", &request->fetch[in->met], "Nothing to show yet.");
    add_floor(slot_get(&slots, "kept"), session, request_result(request, in->met, "floor"));
    text_format(slot_get(&slots, "count"), "%u of ", list_of(rows).left);
    text_add_count(slot_get(&slots, "count"), member_number(session, "cases_found"));
    template_fill("session_cases", &slots, out);
    slots_free(&slots);
}

/* --- the front page ----------------------------------------------------------------------- */

enum home_slot {
    HOME_RECENT,
    HOME_ACTIVE,
    HOME_ALL,
    HOME_STATUS,
    HOME_AGENCIES,
    HOME_SESSION,
    HOME_MET
};

struct chosen {
    char agency[CASEBUS_AGENCY_MAX + 1], id[CASEBUS_SEGMENT_MAX + 1];
};

/* The session whose cases are listed: the one that was asked for, the newest that is active, or
 * the newest. False: there is none. */
static bool choose_session(struct request *request, struct chosen *chosen)
{
    struct casebus_bytes agency, id, row;
    const char *const asked = request_parameter(request, "session");
    struct list active = list_of(request_result(request, HOME_ACTIVE, "rows"));
    struct list all = list_of(request_result(request, HOME_ALL, "rows"));
    if (asked != NULL) {
        if (casebus_session_name_split(casebus_cstr(asked), &agency, &id) != 0) {
            return false;
        }
    } else if (list_next(&active, &row) || list_next(&all, &row)) {
        agency = member_text(row, "agency");
        id = member_text(row, "session_id");
    } else {
        return false;
    }
    snprintf(chosen->agency, sizeof chosen->agency, "%.*s", (int)agency.size,
             (const char *)agency.data);
    snprintf(chosen->id, sizeof chosen->id, "%.*s", (int)id.size, (const char *)id.data);
    return true;
}

/* Says why there is nothing to draw. */
static void add_reason(struct slots *slots, const char *slot, const struct fetch *fetch,
                       const char *words)
{
    struct text *const out = slot_get(slots, slot);
    text_add(out, "<p class=\"note\">");
    page_empty(slots, slot, fetch, words);
    text_add(out, "</p>");
}

static void add_charts(struct text *out, const struct request *request)
{
    const struct casebus_bytes minutes = request_result(request, HOME_STATUS, "minutes");
    const struct casebus_bytes agencies = request_result(request, HOME_AGENCIES, "rows");
    struct slots slots = {0};
    if (minutes.data != NULL) {
        chart_minutes(slot_get(&slots, "minutes"), minutes);
    } else {
        add_reason(&slots, "minutes", &request->fetch[HOME_STATUS],
                   "Events a minute are counted of all agencies, and not shown to you.");
    }
    if (agencies.data != NULL) {
        chart_agencies(slot_get(&slots, "agencies"), agencies);
    } else {
        add_reason(&slots, "agencies", &request->fetch[HOME_AGENCIES], "");
    }
    template_fill("charts", &slots, out);
    slots_free(&slots);
}

static void show_home(struct request *request)
{
    static const struct met_slots met = {HOME_SESSION, HOME_MET, HOME_ACTIVE, HOME_ALL};
    struct slots slots = {0};
    list_cases(slot_get(&slots, "rows_recent"), request_result(request, HOME_RECENT, "rows"),
               casebus_bytes(NULL, 0));
    page_state(&slots, "state_recent", &request->fetch[HOME_RECENT]);
    page_empty(&slots, "empty_recent", &request->fetch[HOME_RECENT],
               "No case yet. The first one appears here as soon as it is stored.");
    list_sessions(slot_get(&slots, "rows_sessions"),
                  request_result(request, HOME_ACTIVE, "rows"));
    page_state(&slots, "state_sessions", &request->fetch[HOME_ACTIVE]);
    page_more(&slots, "state_sessions", request, HOME_ACTIVE);
    page_empty(&slots, "empty_sessions", &request->fetch[HOME_ACTIVE], "No session is active.");
    add_met(slot_get(&slots, "session_cases"), request, &met);
    add_charts(slot_get(&slots, "charts"), request);
    page_answer(request, &slots, 200, "index", casebus_cstr("Live"));
}

void page_home(struct request *request)
{
    struct chosen chosen;
    if (request->step == 0) {
        ask_recent(request, HOME_RECENT, RECENT_ROWS);
        ask_newest_sessions(request, HOME_ACTIVE, "active", VIEW_ACTIVE_ROWS);
        ask_newest_sessions(request, HOME_ALL, NULL, CHOICE_ROWS);
        ask_simple(request, HOME_STATUS, CASEBUS_OP_BROKER_STATUS);
        ask_simple(request, HOME_AGENCIES, CASEBUS_OP_AGENCY_LIST);
    } else if (request->step == 1 && request->fetch[HOME_RECENT].error == 0 &&
               choose_session(request, &chosen)) {
        ask_session(request, HOME_SESSION, chosen.agency, chosen.id);
        ask_session_cases(request, HOME_MET, chosen.agency, chosen.id, MET_ROWS);
    } else {
        show_home(request);
    }
}

/* --- a session's page --------------------------------------------------------------------- */

static void show_session(struct request *request)
{
    static const struct met_slots met = {0, 1, 2, 3};
    struct slots slots = {0};
    const struct casebus_bytes session = request_result(request, 0, "session");
    const struct casebus_bytes agency = member_text(session, "agency");
    const struct casebus_bytes id = member_text(session, "session_id");
    slot_words(&slots, "name", agency);
    text_add(slot_get(&slots, "name"), ":");
    slot_words(&slots, "name", id);
    text_add(slot_get(&slots, "view"), "session/");
    url_add(slot_get(&slots, "view"), agency);
    text_add(slot_get(&slots, "view"), "/");
    url_add(slot_get(&slots, "view"), id);
    list_session(slot_get(&slots, "row"), session);
    list_fields(slot_get(&slots, "facts"), session, NULL);
    add_met(slot_get(&slots, "session_cases"), request, &met);
    page_answer(request, &slots, 200, "session", id);
}

void page_session(struct request *request)
{
    const char *const agency = request_segment(request, 1);
    const char *const id = request_segment(request, 2);
    if (request->step == 0) {
        ask_session(request, 0, agency, id);
        ask_session_cases(request, 1, agency, id, MET_ROWS);
        ask_newest_sessions(request, 2, "active", VIEW_ACTIVE_ROWS);
        ask_newest_sessions(request, 3, NULL, CHOICE_ROWS);
    } else if (request->fetch[0].error != 0) {
        request_refuse_fetch(request, 0);
    } else {
        show_session(request);
    }
}
