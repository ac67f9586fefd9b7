/* Requests to the broker that pages and JSON have in common.
 *
 * Arguments come from the query string under the protocol's names and go on as they are: the
 * broker checks them, and what it says of them goes back. */
#include "routes.h"

struct casebus_call *call_cases(struct request *request)
{
    static const char *const names[] = {"agency", "session", "offender", "from", "to"};
    struct casebus_call *const call = request_call(request, CASEBUS_OP_CASE_LIST);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        request_pass_text(request, call, names[i]);
    }
    const bool dated =
        request_parameter(request, "from") != NULL || request_parameter(request, "to") != NULL;
    if (request_parameter(request, "order") != NULL) {
        request_pass_text(request, call, "order");
    } else if (dated && request_parameter(request, "offender") == NULL) {
        casebus_call_text(call, "order", "date"); /* dates mean nothing in another order */
    }
    return call;
}

bool ask_cases(struct request *request, unsigned slot)
{
    const char *const id = request_parameter(request, "id");
    if (id != NULL) {
        ask_case(request, slot, id);
        return true;
    }
    struct casebus_call *const call = call_cases(request);
    if (!request_pass_page(request, call)) {
        return false;
    }
    request_fetch(request, slot, call);
    return true;
}

void ask_case(struct request *request, unsigned slot, const char *id)
{
    static const char *const load[] = {"agency", "offender", "history"};
    struct casebus_call *const call = request_call(request, CASEBUS_OP_CASE_GET);
    casebus_call_text(call, "id", id);
    casebus_call_texts(call, "load", load, 3);
    request_fetch(request, slot, call);
}

bool ask_history(struct request *request, unsigned slot, const char *id)
{
    struct casebus_call *const call = request_call(request, CASEBUS_OP_CASE_HISTORY);
    casebus_call_text(call, "id", id);
    if (!request_pass_page(request, call)) {
        return false;
    }
    request_fetch(request, slot, call);
    return true;
}

void ask_offender(struct request *request, unsigned slot)
{
    struct casebus_call *const call = request_call(request, CASEBUS_OP_OFFENDER_GET);
    request_pass_text(request, call, "agency");
    request_pass_text(request, call, "name");
    request_pass_text(request, call, "postcode");
    if (request_pass_page(request, call)) {
        request_fetch(request, slot, call);
    }
}

static struct casebus_call *call_sessions(struct request *request, const char *status)
{
    struct casebus_call *const call = request_call(request, CASEBUS_OP_SESSION_LIST);
    request_pass_text(request, call, "agency");
    if (status != NULL) {
        casebus_call_text(call, "status", status);
    }
    return call;
}

bool ask_sessions(struct request *request, unsigned slot, const char *status)
{
    const char *const asked = request_parameter(request, "status");
    struct casebus_call *const call = call_sessions(request, asked != NULL ? asked : status);
    if (!request_pass_page(request, call)) {
        return false;
    }
    request_fetch(request, slot, call);
    return true;
}

void ask_newest_sessions(struct request *request, unsigned slot, const char *status,
                         unsigned limit)
{
    struct casebus_call *const call = call_sessions(request, status);
    casebus_call_uint(call, "limit", limit);
    request_fetch(request, slot, call);
}

static struct casebus_call *call_session(struct request *request, enum casebus_op op,
                                         const char *agency, const char *id)
{
    struct casebus_call *const call = request_call(request, op);
    casebus_call_text(call, "agency", agency);
    casebus_call_text(call, "session_id", id);
    return call;
}

void ask_session(struct request *request, unsigned slot, const char *agency, const char *id)
{
    request_fetch(request, slot, call_session(request, CASEBUS_OP_SESSION_GET, agency, id));
}

void ask_session_cases(struct request *request, unsigned slot, const char *agency,
                       const char *id, unsigned limit)
{
    static const char *const load[] = {"agency", "offender"};
    struct casebus_call *const call =
        call_session(request, CASEBUS_OP_SESSION_CASES, agency, id);
    casebus_call_bool(call, "once", true);
    casebus_call_texts(call, "load", load, 2);
    if (limit != 0) {
        casebus_call_uint(call, "limit", limit);
    } else if (!request_pass_page(request, call)) {
        return;
    }
    request_fetch(request, slot, call);
}

void ask_recent(struct request *request, unsigned slot, unsigned limit)
{
    struct casebus_call *const call = request_call(request, CASEBUS_OP_CASE_RECENT);
    if (limit != 0) {
        casebus_call_uint(call, "limit", limit);
    } else if (!request_pass_page(request, call)) {
        return;
    }
    request_fetch(request, slot, call);
}

void ask_quarantine(struct request *request, unsigned slot)
{
    struct casebus_call *const call = request_call(request, CASEBUS_OP_QUARANTINE_LIST);
    request_pass_text(request, call, "agency");
    if (request_pass_page(request, call)) {
        request_fetch(request, slot, call);
    }
}

void ask_simple(struct request *request, unsigned slot, enum casebus_op op)
{
    request_fetch(request, slot, request_call(request, op));
}
