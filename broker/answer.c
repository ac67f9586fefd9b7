/* One request's answer, from the newest commit its reader sees.
 *
 * What only reads may be answered by any hand of the crew, each with a reader of its own; what
 * waits, writes or starts something is done by the queries' own thread, apart. Whoever does it
 * asks first who asks and whether he may (query_actor.c): again each time a request is taken
 * up. */
#include "query.h"

#include "log.h"

/* What an operation does. */
enum {
    READS = 1, /* only, the store and the actors, through its reader, and counters */
    FAR = 2,   /* it may look at thousands of entries for one reply */
};

static const struct {
    query_fn *carry_out;
    unsigned does;
} operations[CASEBUS_OP_COUNT] = {
    [CASEBUS_OP_CASE_GET] = {query_case_get, READS},
    [CASEBUS_OP_CASE_GET_MANY] = {query_case_get_many, READS},
    [CASEBUS_OP_CASE_KNOWN] = {query_case_known, READS},
    [CASEBUS_OP_CASE_RECENT] = {query_case_recent, READS},
    [CASEBUS_OP_CASE_LIST] = {query_case_list, READS | FAR},
    [CASEBUS_OP_CASE_HISTORY] = {query_case_history, READS | FAR},
    [CASEBUS_OP_OFFENDER_GET] = {query_offender_get, READS | FAR},
    [CASEBUS_OP_AGENCY_LIST] = {query_agency_list, READS},
    [CASEBUS_OP_AGENCY_SET] = {query_agency_set, 0},
    [CASEBUS_OP_LOG_REPLAY] = {query_log_replay, READS | FAR},
    [CASEBUS_OP_LOG_CASES] = {query_log_cases, READS | FAR},
    [CASEBUS_OP_HEADS] = {query_heads, READS},
    [CASEBUS_OP_SESSION_GET] = {query_session_get, READS},
    [CASEBUS_OP_SESSION_LIST] = {query_session_list, READS | FAR},
    [CASEBUS_OP_SESSION_CASES] = {query_session_cases, READS | FAR},
    [CASEBUS_OP_SESSION_STOP] = {query_session_stop, 0},
    [CASEBUS_OP_QUARANTINE_LIST] = {query_quarantine_list, READS | FAR},
    [CASEBUS_OP_QUARANTINE_ACCEPT] = {query_quarantine_accept, 0},
    [CASEBUS_OP_QUARANTINE_REJECT] = {query_quarantine_reject, 0},
    [CASEBUS_OP_PUBLISHER_CONFIRM] = {query_publisher_confirm, 0},
    [CASEBUS_OP_REJECTS_LIST] = {query_rejects_list, READS | FAR},
    [CASEBUS_OP_STORE_VERIFY] = {query_store_verify, 0},
    [CASEBUS_OP_STORE_BACKUP] = {query_store_backup, 0},
    [CASEBUS_OP_BROKER_STATUS] = {query_broker_status, READS},
    [CASEBUS_OP_ACTOR_WHOAMI] = {query_actor_whoami, READS},
    [CASEBUS_OP_ACTOR_CAN] = {query_actor_can, READS},
};

enum casebus_op op_of(struct casebus_bytes body)
{
    return casebus_op_find(casebus_as_str(casebus_map_get(body, "op")));
}

bool walks_far(enum casebus_op op)
{
    return op < CASEBUS_OP_COUNT && (operations[op].does & FAR);
}

/* --- readers ---------------------------------------------------------------------------- */

#define DENIALS_PER_S 1000 /* that a hand logs */

int reader_open(struct reader *self, struct store *store, struct actors *actors)
{
    self->actors = actors;
    self->denials.per_s = DENIALS_PER_S;
    msgpack_sbuffer_init(&self->head);
    msgpack_sbuffer_init(&self->rows);
    msgpack_sbuffer_init(&self->reply);
    msgpack_sbuffer_init(&self->whole);
    msgpack_sbuffer_init(&self->formed);
    int rc = txn_new_read(store, &self->txn);
    if (rc == 0) {
        reader_refresh(self);
        txn_end(self->txn);
        rc = self->error;
    }
    return rc;
}

void reader_close(struct reader *self)
{
    txn_destroy(&self->txn);
    actor_table_release(self->table);
    msgpack_sbuffer_destroy(&self->head);
    msgpack_sbuffer_destroy(&self->rows);
    msgpack_sbuffer_destroy(&self->reply);
    msgpack_sbuffer_destroy(&self->whole);
    msgpack_sbuffer_destroy(&self->formed);
}

static struct casebus_reply reply_of(const struct state *state)
{
    struct casebus_reply reply = {.seq = state->seq, .entry = state->entry};
    memcpy(reply.epoch, state->epoch, sizeof reply.epoch);
    return reply;
}

/* Makes the beginning that all replies from this state share. */
static int take_state(struct reader *self, const struct state *state)
{
    const struct casebus_reply reply = reply_of(state);
    msgpack_sbuffer_clear(&self->head);
    int rc = casebus_reply_begin(&reply, &self->head);
    self->state = rc == 0 ? *state : self->state;
    return rc;
}

/* A reply needs an epoch even where the store cannot be read: it keeps the one that was read
 * last. */
void reader_refresh(struct reader *self)
{
    struct state state;
    actors_refresh(self->actors, &self->table);
    self->error = txn_refresh(self->txn);
    if (self->error != 0 || self->state_of == txn_snapshot(self->txn)) {
        return;
    }
    self->error = txn_state(self->txn, &state) ? take_state(self, &state) : CASEBUS_ECORRUPT;
    self->state_of = self->error == 0 ? txn_snapshot(self->txn) : self->state_of;
}

/* --- what is not read --------------------------------------------------------------------- */

/* Unread replies count against whoever holds the connection, also where he asks on behalf of
 * others. */
static struct casebus_bytes reader_of(const struct query *q)
{
    const struct actor *reader = q->by ? q->by : q->who;
    return casebus_cstr(reader ? reader->name : "");
}

/* What was packed of the reply, with its rows where they belong. */
static int make_message(struct query *q, struct casebus_bytes asker, zmq_msg_t *reply)
{
    const struct reader *r = q->reader;
    const size_t before = r->rows_at, rows = before > 0 ? r->rows.size : 0;
    int rc = unread_message(q->self->unread, reader_of(q), asker, r->reply.size + rows, reply);
    if (rc == 0) {
        unsigned char *at = zmq_msg_data(reply);
        at = casebus_put_raw(at, casebus_bytes(r->reply.data, before));
        at = casebus_put_raw(at, casebus_bytes(r->rows.data, rows));
        casebus_put_raw(at, casebus_bytes(r->reply.data + before, r->reply.size - before));
    }
    return rc;
}

static int refuse_unread(struct query *q)
{
    struct casebus_bytes actor = reader_of(q);
    snprintf(q->text, sizeof q->text, "replies sent before have not been read");
    count_refusal(q->self->options->counters, CASEBUS_EBUSY);
    log_limited(&q->reader->unread, LEVEL_AUDIT, "busy actor=%.*s op=%s: %s", (int)actor.size,
                (const char *)actor.data, casebus_op_name(q->request.op), q->text);
    return CASEBUS_EBUSY;
}

/* Asked before the operation does any work: a peer that does not read its replies costs the
 * others nothing. */
static int check_unread(struct query *q, struct casebus_bytes asker)
{
    return (operations[q->request.op].does & READS) &&
                   unread_is_full(q->self->unread, reader_of(q), asker)
               ? refuse_unread(q)
               : 0;
}

/* --- one request ------------------------------------------------------------------------ */

static int check_after_seq(struct query *q)
{
    uint64_t after = 0;
    int rc = arg_number(q, "after_seq", 0, UINT64_MAX, 0, &after);
    return rc != 0 ? rc : after > q->state.seq ? CASEBUS_EBEHIND : 0;
}

/* Known, and within his rate? */
static int check_asker(struct query *q, zmq_msg_t *body)
{
    int rc = identify(q, body);
    return rc || q->resumed ? rc : check_rate(q, zmq_msg_size(body));
}

/* What cannot be read is a request all the same: of whose connection it is. */
static int refuse_unreadable(struct query *q, zmq_msg_t *body, const struct casebus_fault *why)
{
    int rc = check_asker(q, body);
    if (rc != 0) {
        return rc;
    }
    snprintf(q->field, sizeof q->field, "%.63s", why->field);
    return why->code;
}

static int carry_out(struct query *q, struct casebus_bytes asker, zmq_msg_t *body)
{
    struct casebus_fault fault = {.code = 0};
    int rc = casebus_request_decode(casebus_bytes(zmq_msg_data(body), zmq_msg_size(body)),
                                    &q->request, &fault);
    if (rc != 0) {
        fault.code = rc;
        return refuse_unreadable(q, body, &fault);
    }
    if (q->only_reads && !(operations[q->request.op].does & READS)) {
        return QUERY_APART;
    }
    read_args(q);
    rc = check_asker(q, body);
    rc = rc ? rc : check_unread(q, asker);
    rc = rc ? rc : authorise(q);
    rc = rc ? rc : check_after_seq(q);
    if (rc == 0) {
        rc = operations[q->request.op].carry_out(q);
    }
    if (rc == 0 && txn_error(q->txn) != 0) {
        rc = txn_error(q->txn);
    }
    return rc;
}

/* The operation packs its result where it is sent from. */
static int begin_reply(struct query *q)
{
    struct reader *r = q->reader;
    msgpack_sbuffer_clear(&r->rows);
    msgpack_sbuffer_clear(&r->reply);
    r->rows_at = 0;
    msgpack_packer_init(&q->pk, &r->reply, msgpack_sbuffer_write);
    msgpack_packer_init(&q->rows_pk, &r->rows, msgpack_sbuffer_write);
    return msgpack_sbuffer_write(&r->reply, r->head.data, r->head.size) == 0 ? 0
                                                                             : CASEBUS_ENOMEM;
}

/* What was packed is taken back. */
static void refuse(struct query *q, int rc)
{
    struct casebus_reply reply = reply_of(&q->state);
    if (rc == CASEBUS_ECORRUPT || rc == CASEBUS_EIO) {
        log_error("request %s failed: %s", casebus_op_name(q->request.op),
                  casebus_strerror(rc));
    }
    reply.error = rc;
    reply.error_text = q->text[0] ? casebus_cstr(q->text) : casebus_bytes(NULL, 0);
    reply.error_field = q->field[0] ? casebus_cstr(q->field) : casebus_bytes(NULL, 0);
    msgpack_sbuffer_clear(&q->reader->reply);
    q->reader->rows_at = 0;
    casebus_reply_encode(&reply, &q->reader->reply);
}

int finish(struct query *q, int rc, struct casebus_bytes asker, zmq_msg_t *reply)
{
    if (rc != 0) {
        refuse(q, rc);
    }
    rc = make_message(q, asker, reply);
    if (rc == CASEBUS_EBUSY) {
        refuse(q, refuse_unread(q));
        rc = make_message(q, asker, reply);
    }
    count(&q->self->options->counters->requests, 1);
    return rc;
}

int answer(struct query *q, struct casebus_bytes asker, zmq_msg_t *body, zmq_msg_t *reply)
{
    q->txn = q->reader->txn;
    q->state = q->reader->state;
    txn_forgive(q->txn); /* what the request before this one met is not this one's */
    int rc = q->reader->error;
    rc = rc ? rc : begin_reply(q);
    rc = rc ? rc : carry_out(q, asker, body);
    return rc == QUERY_WAITS || rc == QUERY_APART ? rc : finish(q, rc, asker, reply);
}
