/* The JSON API: what the broker answers, under the protocol's names.
 *
 * Reading routes ask one thing and answer with what came. Those that change something take a
 * JSON object, which may be empty. */
#include "routes.h"

#include "channel.h"
#include "streams.h"

#include <jansson.h>
#include <string.h>

/* The second step of every route here. */
static bool answered(struct request *request)
{
    if (request->step > 0) {
        request_answer_result(request);
    }
    return request->step > 0;
}

void api_recent(struct request *request)
{
    if (!answered(request)) {
        ask_recent(request, 0, 0);
    }
}

void api_cases(struct request *request)
{
    if (!answered(request)) {
        ask_cases(request, 0);
    }
}

void api_case(struct request *request)
{
    if (!answered(request)) {
        ask_case(request, 0, request_segment(request, 2));
    }
}

void api_offenders(struct request *request)
{
    if (!answered(request)) {
        ask_offender(request, 0);
    }
}

void api_agencies(struct request *request)
{
    if (!answered(request)) {
        ask_simple(request, 0, CASEBUS_OP_AGENCY_LIST);
    }
}

void api_sessions(struct request *request)
{
    if (!answered(request)) {
        (void)ask_sessions(request, 0, NULL);
    }
}

void api_session(struct request *request)
{
    if (!answered(request)) {
        ask_session(request, 0, request_segment(request, 2), request_segment(request, 3));
    }
}

void api_session_cases(struct request *request)
{
    if (!answered(request)) {
        ask_session_cases(request, 0, request_segment(request, 2), request_segment(request, 3),
                          0);
    }
}

void api_quarantine(struct request *request)
{
    if (!answered(request)) {
        ask_quarantine(request, 0);
    }
}

/* What this process does, beside what the broker says of itself. */
static void add_ourselves(struct json *json, const struct dashboard *dashboard)
{
    struct casebus_views_stats views;
    struct channels_stats channels;
    casebus_views_stats(channels_views(dashboard->channels), &views);
    channels_stats(dashboard->channels, &channels);
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"streams", streams_count(dashboard->streams)},
        {"views", channels.channels},
        {"listeners", channels.listeners},
        {"messages", channels.messages},
        {"resets", channels.resets},
        {"heads", views.heads},
        {"moves", views.moves},
        {"requests", views.requests},
        {"saved", views.saved},
        {"epochs", views.epochs},
    };
    json_key(json, casebus_cstr("dashboard"));
    json_open(json, '{');
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_key(json, casebus_cstr(counts[i].key));
        json_uint(json, counts[i].value);
    }
    json_close(json, '}');
}

/* Counts of this process tell of the traffic of all agencies, as the broker's do: they are for
 * those to whom it shows its own. */
void api_status(struct request *request)
{
    struct json json;
    if (request->step == 0) {
        ask_simple(request, 0, CASEBUS_OP_BROKER_STATUS);
    } else if (request_begin_result(request, &json)) {
        if (request_result(request, 0, "minutes").data != NULL) {
            add_ourselves(&json, request->dashboard);
        }
        request_end_result(request, &json);
    }
}

/* --- what changes something --------------------------------------------------------------- */

/* The body, an object whose members are all among `known` (up to a NULL) and texts; an empty
 * body is an empty object. NULL after a refusal. */
static json_t *read_body(struct request *request, const char *const *known)
{
    const char *key;
    json_t *value, *body;
    body = request->upload.size == 0 ? json_object()
                                     : json_loadb(request->upload.data, request->upload.size,
                                                  JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        json_decref(body);
        request_refuse_text(request, 400, "malformed", "the body is not a JSON object");
        return NULL;
    }
    json_object_foreach(body, key, value)
    {
        const char *const *name = known;
        while (*name != NULL && strcmp(*name, key) != 0) {
            name++;
        }
        if (*name == NULL || !json_is_string(value)) {
            request_refuse(
                request, 400, *name == NULL ? "bad_argument" : "wrong_type",
                casebus_cstr(*name == NULL ? "not a member of this request" : "is not text"),
                casebus_cstr(key));
            json_decref(body);
            return NULL;
        }
    }
    return body;
}

void api_stop(struct request *request)
{
    static const char *const known[] = {NULL};
    if (answered(request)) {
        return;
    }
    json_t *const body = read_body(request, known);
    if (body != NULL) {
        struct casebus_call *const call = request_call(request, CASEBUS_OP_SESSION_STOP);
        casebus_call_text(call, "agency", request_segment(request, 2));
        casebus_call_text(call, "session_id", request_segment(request, 3));
        request_fetch(request, 0, call);
        json_decref(body);
    }
}

/* The number in the path; false after a refusal. */
static bool add_quarantine(struct request *request, struct casebus_call *call)
{
    uint64_t number;
    if (!text_read_number(request_segment(request, 2), &number) || number == 0) {
        request_refuse_text(request, 404, "not_found", "a quarantined report has a number");
        return false;
    }
    casebus_call_uint(call, "quarantine", number);
    return true;
}

void api_accept(struct request *request)
{
    static const char *const known[] = {"as", NULL};
    if (answered(request)) {
        return;
    }
    json_t *const body = read_body(request, known);
    struct casebus_call *const call = request_call(request, CASEBUS_OP_QUARANTINE_ACCEPT);
    if (body != NULL && add_quarantine(request, call)) {
        const json_t *const as = json_object_get(body, "as");
        if (as != NULL) {
            casebus_call_str(call, "as",
                             casebus_bytes(json_string_value(as), json_string_length(as)));
        }
        request_fetch(request, 0, call);
    }
    json_decref(body);
}

void api_reject(struct request *request)
{
    static const char *const known[] = {NULL};
    if (answered(request)) {
        return;
    }
    json_t *const body = read_body(request, known);
    struct casebus_call *const call = request_call(request, CASEBUS_OP_QUARANTINE_REJECT);
    if (body != NULL && add_quarantine(request, call)) {
        request_fetch(request, 0, call);
    }
    json_decref(body);
}
