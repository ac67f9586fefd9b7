/* The pages that show one thing: the front page, a case, an offender, a session. */
#include "routes.h"

#include "chart.h"
#include "pages.h"
#include "rows.h"

#include <casebus/topic.h>
#include <stdio.h>

#include <string.h>

#define RECENT_ROWS 100
#define SESSION_ROWS 50

/* What a list knows of itself when it leaves here; with a script it goes on from there. */
void page_state(struct page *page, const char *slot, const struct fetch *fetch)
{
    struct text *const out = page_slot(page, slot);
    if (!fetch->asked) {
        return;
    }
    if (fetch->error == 0) {
        text_format(out, "complete through #%llu", (unsigned long long)fetch->reply.seq);
    } else {
        text_add(out, "connecting: ");
        html_add(out, fetch->reply.error_text.size > 0
                          ? fetch->reply.error_text
                          : casebus_cstr(casebus_strerror(fetch->error)));
    }
}

void page_answer(struct request *request, struct page *page, const char *name,
                 const char *title)
{
    page_write(page, name, title, &request->body);
    request_answer(request, 200, "text/html; charset=utf-8");
}

/* --- the front page ----------------------------------------------------------------------- */

enum home_slot {
    HOME_RECENT,
    HOME_SESSIONS,
    HOME_STATUS,
    HOME_AGENCIES,
    HOME_SESSION,
    HOME_MET
};

/* The session whose cases are listed: the one that was asked for, or the newest that is
 * active. Its parts are put into `agency` and `id`; false: none. */
static bool choose_session(struct request *request, char *agency, char *id)
{
    struct casebus_bytes chosen[2] = {{NULL, 0}, {NULL, 0}};
    const char *const asked = request_parameter(request, "session");
    struct rows rows = rows_of(request_result(request, HOME_SESSIONS, "rows"));
    struct casebus_bytes row;
    if (asked != NULL) {
        if (casebus_case_id_split(casebus_cstr(asked), &chosen[0], &chosen[1]) != 0) {
            return false;
        }
    } else if (rows_next(&rows, &row)) {
        chosen[0] = row_text(row, "agency");
        chosen[1] = row_text(row, "session_id");
    } else {
        return false;
    }
    snprintf(agency, CASEBUS_AGENCY_MAX + 1, "%.*s", (int)chosen[0].size,
             (const char *)chosen[0].data);
    snprintf(id, CASEBUS_SEGMENT_MAX + 1, "%.*s", (int)chosen[1].size,
             (const char *)chosen[1].data);
    return true;
}

/* "50 of 213", and how the session is called in links, events and words. */
static void fill_met(struct page *page, const struct request *request, unsigned session,
                   unsigned met)
{
    const struct casebus_bytes entry = request_result(request, session, "session");
    const struct casebus_bytes agency = row_text(entry, "agency");
    const struct casebus_bytes id = row_text(entry, "session_id");
    const struct casebus_bytes rows = request_result(request, met, "rows");
    if (entry.data == NULL) {
        return;
    }
    struct text *const view = page_slot(page, "session_view");
    text_add(view, "session/");
    url_add(view, agency);
    text_add(view, "/");
    url_add(view, id);
    rows_add_session_link(page_slot(page, "session_link"), agency, id);
    rows_add_met(page_slot(page, "session_rows"), rows);
    text_format(page_slot(page, "session_of"), "%u of %llu", rows_of(rows).left,
                (unsigned long long)row_number(entry, "cases_found"));
}

static void show_home(struct request *request)
{
    struct page page = {0};
    rows_add_cases(page_slot(&page, "recent_rows"),
                   request_result(request, HOME_RECENT, "rows"));
    page_state(&page, "recent_state", &request->fetch[HOME_RECENT]);
    rows_add_sessions(page_slot(&page, "sessions_rows"),
                      request_result(request, HOME_SESSIONS, "rows"));
    page_state(&page, "sessions_state", &request->fetch[HOME_SESSIONS]);
    fill_met(&page, request, HOME_SESSION, HOME_MET);
    page_state(&page, "session_state", &request->fetch[HOME_MET]);
    chart_minutes(page_slot(&page, "chart_minutes"),
                  request_result(request, HOME_STATUS, "minutes"));
    chart_agencies(page_slot(&page, "chart_agencies"),
                   request_result(request, HOME_AGENCIES, "rows"));
    page_answer(request, &page, "home", "Court cases");
}

void page_home(struct request *request)
{
    char agency[CASEBUS_AGENCY_MAX + 1], id[CASEBUS_SEGMENT_MAX + 1];
    switch (request->step) {
    case 0:
        ask_recent(request, HOME_RECENT, RECENT_ROWS);
        ask_sessions(request, HOME_SESSIONS, "active");
        ask_simple(request, HOME_STATUS, CASEBUS_OP_BROKER_STATUS);
        ask_simple(request, HOME_AGENCIES, CASEBUS_OP_AGENCY_LIST);
        return;
    case 1:
        if (request->fetch[HOME_RECENT].error == 0 && choose_session(request, agency, id)) {
            ask_session(request, HOME_SESSION, agency, id);
            ask_session_cases(request, HOME_MET, agency, id, SESSION_ROWS);
        }
        return;
    default:
        show_home(request);
    }
}

/* --- a case ------------------------------------------------------------------------------- */

static void show_case(struct request *request)
{
    static const char *const elsewhere[] = {"id", "offender", "offences", "agency", NULL};
    struct page page = {0};
    struct text *other = page_slot(&page, "offender_link");
    const struct casebus_bytes record = request_result(request, 0, "case");
    const struct casebus_bytes id = row_text(record, "id");
    const struct casebus_bytes offender = request_result(request, 0, "offender_record");
    const struct casebus_bytes known = casebus_map_get(offender, "offender");
    page_words(&page, "id", id);
    text_add(page_slot(&page, "view"), "case/");
    url_add(page_slot(&page, "view"), id);
    rows_add_fields(page_slot(&page, "fields"), record, elsewhere);
    rows_add_fields(page_slot(&page, "offender"), casebus_map_get(record, "offender"), NULL);
    rows_add_fields(page_slot(&page, "agency"), request_result(request, 0, "agency_record"),
                    NULL);
    text_add(other, "<a href=\"/offenders?agency=");
    url_add(other, row_text(record, "agency"));
    text_add(other, "&amp;name=");
    url_add(other, row_text(known.data != NULL ? known : casebus_map_get(record, "offender"),
                            "name"));
    text_format(other, "\">all cases of this offender (%llu)</a>",
                (unsigned long long)row_number(offender, "cases"));
    rows_add_offences(page_slot(&page, "offences"), casebus_map_get(record, "offences"));
    rows_add_history(page_slot(&page, "history_rows"), request_result(request, 0, "history"));
    page_state(&page, "state", &request->fetch[0]);
    struct text title = {0};
    text_add_foreign(&title, id);
    page_answer(request, &page, "case", text_get(&title));
    text_free(&title);
}

void page_case(struct request *request)
{
    if (request->step == 0) {
        ask_case(request, 0, request_segment(request, 1));
    } else if (request->fetch[0].error != 0) {
        request_refuse_fetch(request, 0);
    } else {
        show_case(request);
    }
}

/* --- a session ---------------------------------------------------------------------------- */

static void show_session(struct request *request)
{
    static const char *const elsewhere[] = {"agency", "session_id", NULL};
    struct page page = {0};
    const struct casebus_bytes entry = request_result(request, 0, "session");
    fill_met(&page, request, 0, 1);
    rows_add_fields(page_slot(&page, "fields"), entry, elsewhere);
    rows_add_session(page_slot(&page, "row"), entry);
    page_state(&page, "session_state", &request->fetch[1]);
    struct text title = {0};
    text_add(&title, "Session ");
    text_add_foreign(&title, row_text(entry, "session_id"));
    page_answer(request, &page, "session", text_get(&title));
    text_free(&title);
}

void page_session(struct request *request)
{
    const char *const agency = request_segment(request, 1), *const id = request_segment(request, 2);
    if (request->step == 0) {
        ask_session(request, 0, agency, id);
        ask_session_cases(request, 1, agency, id, SESSION_ROWS);
    } else if (request->fetch[0].error != 0) {
        request_refuse_fetch(request, 0);
    } else {
        show_session(request);
    }
}
