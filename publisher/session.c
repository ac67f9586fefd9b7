/* Sessions: the reports that open, move and end one, packed for the caller; and the question
 * whether the broker knows one.
 *
 * They are reports like all others (numbered, kept, confirmed), so a session ends after
 * everything sent before its end. The question waits for its answer while the reports go on. */
#include <casebus/publisher.h>

#include "handle.h"

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
    return send_pairs(self, CASEBUS_REPORT_SESSION_STARTED, agency, session, pairs,
                      sizeof pairs / sizeof pairs[0], timeout_ms);
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
    return send_pairs(self, CASEBUS_REPORT_SESSION_ENDED, agency, session, pairs, 2,
                      timeout_ms);
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
    int error = casebus_publisher_turn(self, casebus_publisher_now());
    while (!error && !self->ask_answered) {
        int64_t now = casebus_publisher_now();
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

int casebus_publisher_session_known(struct casebus_publisher *self, const char *agency,
                                    const char *session, int timeout_ms)
{
    msgpack_sbuffer request;
    msgpack_sbuffer_init(&request);
    encode_session_get(&request, agency, session);
    self->ask_answered = false;
    int error = wait_for_answer(self, &request, casebus_publisher_until(timeout_ms));
    msgpack_sbuffer_destroy(&request);
    self->ask_key = 0;
    if (error) {
        return error;
    }
    struct casebus_reply reply;
    struct casebus_fault fault;
    struct casebus_bytes body =
        casebus_bytes(zmq_msg_data(&self->ask_answer), zmq_msg_size(&self->ask_answer));
    error = casebus_reply_decode(body, &reply, &fault);
    if (error) {
        return error;
    }
    return reply.error == CASEBUS_ENOTFOUND ? 0 : reply.error ? reply.error : 1;
}
