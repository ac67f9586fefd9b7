/* Sessions: the reports that open, move and end one, packed for the caller; and the question
 * where one stands that somebody else has left.
 *
 * They are reports like all others (numbered, kept, confirmed), so a session ends after
 * everything sent before its end. The question waits for its answer while the reports go on.
 * From its start or this question until its end, a session is heard from (sessions.c). */
#include <casebus/publisher.h>

#include "clock.h"
#include "handle.h"

#include <stdio.h>

#define ASK_AGAIN_MS 2000
#define NO_LINK_MS 20

/* One pair of a session's data; one without a text and a count is left out. */
struct pair {
    const char *key;
    const char *text;
    uint64_t count;
};

static bool is_named(const struct pair *pair)
{
    return pair->text || pair->count;
}

static void pack_pairs(const struct pair *pairs, size_t size, msgpack_sbuffer *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    size_t named = 0;
    for (size_t i = 0; i < size; i++) {
        named += is_named(&pairs[i]) ? 1 : 0;
    }
    msgpack_pack_map(&pk, named);
    for (size_t i = 0; i < size; i++) {
        if (is_named(&pairs[i])) {
            casebus_pack_text(&pk, pairs[i].key);
            if (pairs[i].text) {
                casebus_pack_text(&pk, pairs[i].text);
            } else {
                msgpack_pack_uint64(&pk, pairs[i].count);
            }
        }
    }
}

static int64_t send_pairs(struct casebus_publisher *self, enum casebus_report_kind kind,
                          const char *agency, const char *session, const struct pair *pairs,
                          size_t size, int timeout_ms)
{
    msgpack_sbuffer data;
    msgpack_sbuffer_init(&data);
    pack_pairs(pairs, size, &data);
    int64_t number = casebus_publisher_send(self, kind, casebus_cstr(agency),
                                            casebus_cstr(session), casebus_bytes(NULL, 0),
                                            casebus_bytes(data.data, data.size), timeout_ms);
    msgpack_sbuffer_destroy(&data);
    if (!self->dead) { /* mostly the last report of a page, which people look at: it goes out
                          without waiting for others */
        self->dead = casebus_publisher_flush(self, false);
    }
    return number;
}

int64_t casebus_publisher_session_start(struct casebus_publisher *self, const char *agency,
                                        const char *session,
                                        const struct casebus_session_start *start,
                                        int timeout_ms)
{
    const struct pair pairs[] = {
        {"database", start->database, 0},      {"start_page", NULL, start->start_page},
        {"max_pages", NULL, start->max_pages}, {"date_from", start->date_from, 0},
        {"date_to", start->date_to, 0},        {"requested_by", start->requested_by, 0},
        {"worker", start->worker, 0},          {"run", start->run, 0},
    };
    int error = casebus_sessions_reserve(&self->sessions);
    if (error) {
        return error;
    }
    int64_t number = send_pairs(self, CASEBUS_REPORT_SESSION_STARTED, agency, session, pairs,
                                sizeof pairs / sizeof pairs[0], timeout_ms);
    if (number > 0) {
        casebus_sessions_add(&self->sessions, agency, session);
    }
    return number;
}

int64_t casebus_publisher_session_progress(struct casebus_publisher *self, const char *agency,
                                           const char *session, uint64_t page,
                                           uint64_t page_errors, int timeout_ms)
{
    const struct pair pairs[] = {{"page", NULL, page}, {"page_errors", NULL, page_errors}};
    return send_pairs(self, CASEBUS_REPORT_SESSION_PROGRESSED, agency, session, pairs, 2,
                      timeout_ms);
}

int64_t casebus_publisher_session_end(struct casebus_publisher *self, const char *agency,
                                      const char *session, const char *status,
                                      const char *reason, int timeout_ms)
{
    const struct pair pairs[] = {{"status", status, 0}, {"reason", reason, 0}};
    int64_t number =
        send_pairs(self, CASEBUS_REPORT_SESSION_ENDED, agency, session, pairs, 2, timeout_ms);
    if (number > 0) {
        casebus_sessions_end(&self->sessions, agency, session, (uint64_t)number);
        casebus_sessions_confirmed(&self->sessions, self->stats.confirmed); /* meanwhile */
    }
    return number;
}

/* --- session.get -------------------------------------------------------------------------- */

static void encode_session_get(msgpack_sbuffer *out, const char *agency, const char *session)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    casebus_request_begin(&pk, CASEBUS_OP_SESSION_GET, 2);
    casebus_pack_text(&pk, "agency");
    casebus_pack_text(&pk, agency);
    casebus_pack_text(&pk, "session_id");
    casebus_pack_text(&pk, session);
}

/* Sends the request under a new key; without a connection there is none, and nothing to wait
 * for until one is there. */
static int ask(struct casebus_publisher *self, const msgpack_sbuffer *request)
{
    self->ask_key = 0;
    self->ask_answered = false;
    int rc = casebus_query_ask(&self->query, casebus_bytes(request->data, request->size),
                               &self->ask_key);
    return rc < 0 ? rc : 0;
}

static int wait_for_answer(struct casebus_publisher *self, const msgpack_sbuffer *request,
                           int64_t until)
{
    int64_t again = 0;
    int error = casebus_publisher_turn(self, clock_mono_ms());
    while (!error && !self->ask_answered) {
        int64_t now = clock_mono_ms();
        if (now >= until) {
            return CASEBUS_ETIMEDOUT;
        }
        if (now >= again) {
            error = ask(self, request);
            again = now + (self->ask_key ? ASK_AGAIN_MS : NO_LINK_MS);
        }
        if (!error) {
            error = casebus_publisher_step(self, again < until ? again : until);
        }
    }
    return error;
}

static int ask_and_wait(struct casebus_publisher *self, const char *agency, const char *session,
                        int timeout_ms)
{
    msgpack_sbuffer request;
    msgpack_sbuffer_init(&request);
    encode_session_get(&request, agency, session);
    self->ask_answered = false;
    int error = wait_for_answer(self, &request, casebus_publisher_until(timeout_ms));
    msgpack_sbuffer_destroy(&request);
    self->ask_key = 0;
    return error;
}

static bool has_ended(struct casebus_bytes session)
{
    struct casebus_bytes status = casebus_as_str(casebus_map_get(session, "status"));
    return casebus_bytes_is(status, "completed") || casebus_bytes_is(status, "failed") ||
           casebus_bytes_is(status, "stopped");
}

/* The answer of session.get: 0 and the page, or a code. */
static int read_answer(struct casebus_publisher *self, uint64_t *page)
{
    struct casebus_reply reply;
    struct casebus_fault fault;
    struct casebus_bytes body =
        casebus_bytes(zmq_msg_data(&self->ask_answer), zmq_msg_size(&self->ask_answer));
    int error = casebus_reply_decode(body, &reply, &fault);
    if (error) {
        return error;
    }
    snprintf(self->stats.said, sizeof self->stats.said, "%.*s", (int)reply.error_text.size,
             reply.error_text.data ? (const char *)reply.error_text.data : "");
    if (reply.error) {
        return reply.error;
    }
    struct casebus_bytes session = casebus_map_get(reply.result, "session");
    *page = casebus_as_uint(casebus_map_get(session, "pages_processed"), 0);
    return !session.data ? CASEBUS_EPROTO : has_ended(session) ? CASEBUS_EENDED : 0;
}

int casebus_publisher_session_resume(struct casebus_publisher *self, const char *agency,
                                     const char *session, uint64_t *page, int timeout_ms)
{
    *page = 0;
    if (!casebus_agency_valid(casebus_cstr(agency)) ||
        !casebus_segment_valid(casebus_cstr(session))) {
        return CASEBUS_EINVAL;
    }
    int error = casebus_sessions_reserve(&self->sessions);
    error = error ? error : ask_and_wait(self, agency, session, timeout_ms);
    error = error ? error : read_answer(self, page);
    if (!error) {
        casebus_sessions_add(&self->sessions, agency, session);
    }
    return error;
}
