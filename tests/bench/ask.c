/* Asking as fast as a server answers; see ask.h. */
#include "ask.h"
#include "round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define PATIENCE_MS 300000 /* a store of the bare server is filled first */

const char *const asked_words[ASKED_COUNT] = {"casebus", "bare REQ/REP", "bare ROUTER"};

void asker_init(struct asker *self, enum asked asked, unsigned cases, unsigned seed)
{
    *self = (struct asker){.asked = asked, .cases = cases, .random = 88172645463325252u + seed};
    if (casebus_call_new(&self->call) != 0) {
        round_fail("request", "no memory");
    }
}

void asker_end(struct asker *self)
{
    casebus_call_destroy(&self->call);
}

/* One of those that are there: xorshift64. */
static unsigned any_case(struct asker *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->cases > 0 ? (unsigned)(self->random % self->cases) : 0;
}

/* --- ways of asking ----------------------------------------------------------------------- */

static void encode(struct asker *self)
{
    struct casebus_bytes request;
    if (casebus_call_encoded(self->call, &request) != 0 ||
        request.size > sizeof self->request) {
        round_fail("request", "cannot be encoded");
    }
    memcpy(self->request, request.data, request.size);
    self->request_size = request.size;
}

static void make_get(struct asker *self)
{
    char id[ASK_ID_SIZE + 1];
    snprintf(id, sizeof id, ASK_ID, 0u);
    casebus_call_begin(self->call, CASEBUS_OP_CASE_GET);
    casebus_call_text(self->call, "id", id);
    encode(self);
}

static void make_many(struct asker *self)
{
    char id[ASK_ID_SIZE + 1];
    const char *texts[ASK_MANY];
    snprintf(id, sizeof id, ASK_ID, 0u);
    for (unsigned i = 0; i < ASK_MANY; i++) {
        texts[i] = id;
    }
    casebus_call_begin(self->call, CASEBUS_OP_CASE_GET_MANY);
    casebus_call_texts(self->call, "ids", texts, ASK_MANY);
    encode(self);
}

/* Other ids, written over those that stand there: encoding is not what is measured. */
static void turn_to_others(struct asker *self, unsigned ids)
{
    unsigned char *end = self->request + self->request_size;
    for (; ids > 0; ids--, end -= ASK_ID_STRIDE) {
        unsigned n = any_case(self);
        for (unsigned i = 1; i <= ASK_ID_DIGITS; i++, n /= 10) {
            end[-(int)i] = (unsigned char)('0' + n % 10);
        }
    }
}

static void make_recent(struct asker *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_CASE_RECENT);
    casebus_call_uint(self->call, "limit", 100);
    encode(self);
}

static void make_list(struct asker *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_CASE_LIST);
    casebus_call_text(self->call, "agency", "hse");
    casebus_call_text(self->call, "from", "2024-01-01");
    casebus_call_text(self->call, "to", "2024-12-31");
    casebus_call_text(self->call, "order", "date");
    casebus_call_uint(self->call, "limit", 50);
    encode(self);
}

static void make_replay(struct asker *self)
{
    static const char *const patterns[] = {"case"};
    casebus_call_begin(self->call, CASEBUS_OP_LOG_REPLAY);
    casebus_call_uint(self->call, "after", any_case(self));
    casebus_call_texts(self->call, "patterns", patterns, 1);
    casebus_call_uint(self->call, "limit", 500);
    encode(self);
}

const struct way ways[] = {
    {"get, lock-step", 1, 1, make_get, 1, ASKED_ECHO},
    {"get, lock-step beside a lookup", 1, 1, make_get, 1, ASKED_ROUTER},
    {"get, pipelined", 100, 1, make_get, 1, ASKED_ROUTER},
    {"get_many(50), lock-step", 1, ASK_MANY, make_many, ASK_MANY, ASKED_CASEBUS},
    {"get_many(50), pipelined", 100, ASK_MANY, make_many, ASK_MANY, ASKED_ROUTER},
    {"recent(100), lock-step", 1, 100, make_recent, 0, ASKED_CASEBUS},
    {"recent(100), pipelined", 10, 100, make_recent, 0, ASKED_CASEBUS},
    {"list(50), lock-step", 1, 50, make_list, 0, ASKED_CASEBUS},
    {"list(50), pipelined", 10, 50, make_list, 0, ASKED_CASEBUS},
    {"replay(500), lock-step", 1, 500, make_replay, 0, ASKED_CASEBUS},
    {"replay(500), pipelined", 10, 500, make_replay, 0, ASKED_CASEBUS},
};
const unsigned ways_count = sizeof ways / sizeof *ways;

const struct way *way_named(const char *name)
{
    for (unsigned i = 0; i < ways_count; i++) {
        if (strcmp(ways[i].name, name) == 0) {
            return &ways[i];
        }
    }
    round_fail(name, "there is no such way of asking");
}

/* --- asking ------------------------------------------------------------------------------- */

/* Where servers are compared, their answers are looked at alike: an error is shorter than a
 * record. */
static bool is_answered(const struct asker *self, const struct way *way, zmq_msg_t *m)
{
    struct casebus_reply reply;
    struct casebus_fault fault;
    const struct casebus_bytes body = casebus_bytes(zmq_msg_data(m), zmq_msg_size(m));
    if (way->against != ASKED_CASEBUS) {
        return body.size >= (self->cases > 0 ? (size_t)way->records * BARE_RECORD_SIZE : 0);
    }
    return casebus_reply_decode(body, &reply, &fault) == 0 &&
           (reply.error == 0 || (reply.error == CASEBUS_ENOTFOUND && self->cases == 0));
}

static void send_next(struct asker *self, const struct way *way, void *s)
{
    if (way->ids == 0) {
        way->make(self);
    }
    turn_to_others(self, way->ids);
    if (way->in_flight > 1) {
        zmq_send(s, "", 0, ZMQ_SNDMORE); /* of a DEALER, which makes no envelope by itself */
    }
    zmq_send(s, self->request, self->request_size, 0);
}

static void receive(const struct asker *self, const struct way *way, void *s)
{
    zmq_msg_t m;
    zmq_msg_init(&m);
    do {
        if (zmq_msg_recv(&m, s, 0) < 0) {
            round_fail("asker", zmq_strerror(errno));
        }
    } while (zmq_msg_more(&m));
    if (!is_answered(self, way, &m)) {
        round_fail("asker", "an answer is none");
    }
    zmq_msg_close(&m);
}

void *asker_connect(struct asker *self, void *context, const char *endpoint,
                    const struct way *way)
{
    void *s = zmq_socket(context, way->in_flight == 1 ? ZMQ_REQ : ZMQ_DEALER);
    int none = 0, patience = PATIENCE_MS;
    zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    if (zmq_connect(s, endpoint) != 0) {
        round_fail(endpoint, zmq_strerror(errno));
    }
    way->make(self);
    for (unsigned i = 0; i < way->in_flight; i++) {
        send_next(self, way, s);
    }
    return s;
}

void asker_exchange(struct asker *self, const struct way *way, void *s)
{
    receive(self, way, s);
    send_next(self, way, s);
}
