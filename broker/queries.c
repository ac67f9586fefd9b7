/* The query thread's loop: requests in, answers out, and those that wait.
 *
 * Each request is answered from the newest commit there is after it arrived: whoever asks about an event
 * he has seen finds at least what it said, because events are sent after their commit. Long polls
 * and decisions wait in a bounded list; the bus's notices and their own deadlines bring them back. */
#include "query.h"

#include "backup.h"
#include "log.h"
#include "ports.h"
#include "verify.h"

static query_fn *const operations[CASEBUS_OP_COUNT] = {
    [CASEBUS_OP_CASE_GET] = query_case_get,
    [CASEBUS_OP_CASE_GET_MANY] = query_case_get_many,
    [CASEBUS_OP_CASE_KNOWN] = query_case_known,
    [CASEBUS_OP_CASE_RECENT] = query_case_recent,
    [CASEBUS_OP_CASE_LIST] = query_case_list,
    [CASEBUS_OP_CASE_HISTORY] = query_case_history,
    [CASEBUS_OP_OFFENDER_GET] = query_offender_get,
    [CASEBUS_OP_AGENCY_LIST] = query_agency_list,
    [CASEBUS_OP_LOG_REPLAY] = query_log_replay,
    [CASEBUS_OP_LOG_CASES] = query_log_cases,
    [CASEBUS_OP_HEADS] = query_heads,
    [CASEBUS_OP_SESSION_GET] = query_session_get,
    [CASEBUS_OP_SESSION_LIST] = query_session_list,
    [CASEBUS_OP_SESSION_CASES] = query_session_cases,
    [CASEBUS_OP_SESSION_STOP] = query_session_stop,
    [CASEBUS_OP_QUARANTINE_LIST] = query_quarantine_list,
    [CASEBUS_OP_QUARANTINE_ACCEPT] = query_quarantine_accept,
    [CASEBUS_OP_QUARANTINE_REJECT] = query_quarantine_reject,
    [CASEBUS_OP_PUBLISHER_CONFIRM] = query_publisher_confirm,
    [CASEBUS_OP_REJECTS_LIST] = query_rejects_list,
    [CASEBUS_OP_STORE_VERIFY] = query_store_verify,
    [CASEBUS_OP_STORE_BACKUP] = query_store_backup,
    [CASEBUS_OP_BROKER_STATUS] = query_broker_status,
    [CASEBUS_OP_ACTOR_WHOAMI] = query_actor_whoami,
    [CASEBUS_OP_ACTOR_CAN] = query_actor_can,
};

#define DENIALS_PER_S 1000 /* that are logged */

/* --- envelopes -------------------------------------------------------------------------- */

static void envelope_close(struct envelope *e)
{
    for (unsigned i = 0; i < e->count; i++) {
        zmq_msg_close(&e->frame[i]);
    }
    e->count = 0;
}

/* Reads one request: its last frame is the body, all before it the way back. False: nothing is there.
 * With more of them than an envelope may have, the request is dropped: e->count is 0. */
static bool receive_request(void *router, struct envelope *e, zmq_msg_t *body)
{
    bool too_many = false;
    size_t size = 0;
    e->count = 0;
    zmq_msg_init(body);
    if (zmq_msg_recv(body, router, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(body);
        return false;
    }
    while (zmq_msg_more(body)) {
        size += e->count > 0 ? zmq_msg_size(body) : 0; /* the first is the asker's name */
        if (e->count < ENVELOPE_FRAMES && size <= ENVELOPE_BYTES) {
            zmq_msg_init(&e->frame[e->count]);
            zmq_msg_move(&e->frame[e->count++], body);
        } else {
            too_many = true;
        }
        if (zmq_msg_recv(body, router, 0) < 0) {
            too_many = true;
            break;
        }
    }
    if (too_many) {
        envelope_close(e);
    }
    return true;
}

static struct casebus_bytes asker(struct envelope *e)
{
    return casebus_bytes(zmq_msg_data(&e->frame[0]), zmq_msg_size(&e->frame[0]));
}

/* The frames change hands. */
static void envelope_move(struct envelope *to, struct envelope *from)
{
    for (unsigned i = 0; i < from->count; i++) {
        zmq_msg_init(&to->frame[i]);
        zmq_msg_move(&to->frame[i], &from->frame[i]);
        zmq_msg_close(&from->frame[i]);
    }
    to->count = from->count;
    from->count = 0;
}

static void send_one(void *router, struct outgoing *out)
{
    struct envelope *e = &out->envelope;
    for (unsigned i = 0; i < e->count; i++) {
        if (zmq_msg_send(&e->frame[i], router, ZMQ_SNDMORE) < 0) {
            zmq_msg_close(&out->body);
            envelope_close(e);
            return; /* the asker is gone */
        }
    }
    e->count = 0;
    if (zmq_msg_send(&out->body, router, 0) < 0) {
        zmq_msg_close(&out->body);
    }
}

static void send_replies(struct queries *self)
{
    for (size_t i = 0; i < self->outgoing_count; i++) {
        send_one(zsock_resolve(self->router), &self->outgoing[i]);
    }
    self->outgoing_count = 0;
}

static void add_reply(struct queries *self, struct envelope *e)
{
    if (self->outgoing_count == OUTGOING_MAX) {
        send_replies(self);
    }
    struct outgoing *out = &self->outgoing[self->outgoing_count];
    if (unread_message(self->unread, asker(e),
                       casebus_bytes(self->reply.data, self->reply.size), &out->body) < 0) {
        return; /* out of memory: the asker asks again */
    }
    envelope_move(&out->envelope, e);
    self->outgoing_count++;
}

/* --- one request ------------------------------------------------------------------------ */

static int check_after_seq(struct query *q)
{
    uint64_t after = 0;
    int rc = arg_number(q, "after_seq", 0, UINT64_MAX, 0, &after);
    return rc != 0 ? rc : after > q->state.seq ? CASEBUS_EBEHIND : 0;
}

static int carry_out(struct query *q, zmq_msg_t *body)
{
    struct casebus_fault fault = {.code = 0};
    int rc = casebus_request_decode(casebus_bytes(zmq_msg_data(body), zmq_msg_size(body)),
                                    &q->request, &fault);
    if (rc != 0) {
        snprintf(q->field, sizeof q->field, "%.63s", fault.field);
        return rc;
    }
    actors_refresh(q->self->options->gate->actors, &q->self->table);
    rc = identify(q, body);
    rc = rc ? rc : authorise(q);
    rc = rc ? rc : check_after_seq(q);
    if (rc == 0) {
        rc = operations[q->request.op](q);
    }
    if (rc == 0 && txn_error(q->txn) != 0) {
        rc = txn_error(q->txn);
    }
    return rc;
}

static void encode_reply(struct query *q, int rc)
{
    struct queries *self = q->self;
    struct casebus_reply reply = {.seq = q->state.seq, .entry = q->state.entry, .error = rc};
    memcpy(reply.epoch, q->state.epoch, sizeof reply.epoch);
    if (rc != 0) {
        if (rc == CASEBUS_ECORRUPT || rc == CASEBUS_EIO) {
            log_error("request %s failed: %s", casebus_op_name(q->request.op),
                      casebus_strerror(rc));
        }
        reply.error_text = q->text[0] ? casebus_cstr(q->text) : casebus_bytes(NULL, 0);
        reply.error_field = q->field[0] ? casebus_cstr(q->field) : casebus_bytes(NULL, 0);
    } else {
        reply.result = casebus_bytes(self->result.data, self->result.size);
    }
    msgpack_sbuffer_clear(&self->reply);
    casebus_reply_encode(&reply, &self->reply);
}

static void count_waiting(struct queries *self)
{
    struct counters *c = self->options->counters;
    atomic_store(&c->polls, self->waiting_count - self->submissions);
    atomic_store(&c->submissions, self->submissions);
}

static bool put_aside(struct queries *self, const struct query *q, struct envelope *e,
                      zmq_msg_t *body)
{
    size_t size = zmq_msg_size(body);
    for (unsigned i = 0; i < e->count; i++) {
        size += zmq_msg_size(&e->frame[i]);
    }
    bool room =
        self->waiting_count < WAITING_MAX && self->waiting_bytes + size <= WAITING_BYTES;
    struct waiting *w = room ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        return false;
    }
    w->size = size;
    self->waiting_bytes += size;
    w->kind = q->wait_kind;
    w->until = q->wait_until;
    w->id = q->wait_id;
    memcpy(w->publisher, q->wait_publisher, sizeof w->publisher);
    envelope_move(&w->envelope, e);
    zmq_msg_init(&w->body);
    zmq_msg_move(&w->body, body);
    self->waiting[self->waiting_count++] = w;
    self->submissions += w->kind == WAITING_SUBMISSION;
    count_waiting(self);
    return true;
}

/* A reply names the epoch even where the store cannot be read: the one read last. */
static int begin(struct queries *self, struct query *q)
{
    struct state state;
    bool moved;
    int rc = txn_refresh(self->txn, &moved);
    if (rc == 0 && moved && !txn_state(self->txn, &state)) {
        txn_end(self->txn);
        rc = CASEBUS_ECORRUPT;
    } else if (rc == 0 && moved) {
        self->state = state;
    }
    q->state = self->state;
    return rc;
}

/* Answers a request, or puts it aside; takes envelope and body. */
static void handle(struct queries *self, struct envelope *e, zmq_msg_t *body, struct query *q)
{
    q->self = self;
    q->txn = self->txn;
    msgpack_sbuffer_clear(&self->result);
    msgpack_sbuffer_clear(&self->rows);
    msgpack_packer_init(&q->pk, &self->result, msgpack_sbuffer_write);
    msgpack_packer_init(&q->rows_pk, &self->rows, msgpack_sbuffer_write);
    int rc = begin(self, q);
    if (rc == 0) {
        rc = carry_out(q, body);
    }
    if (rc == QUERY_WAITS && !put_aside(self, q, e, body)) {
        rc = CASEBUS_EBUSY;
    }
    if (rc != QUERY_WAITS) {
        encode_reply(q, rc);
        if (!unread_has_room(self->unread, asker(e), self->reply.size)) {
            snprintf(q->text, sizeof q->text, "replies sent before have not been read");
            encode_reply(q, CASEBUS_EBUSY);
        }
        add_reply(self, e);
        count(&self->options->counters->requests, 1);
    }
    zmq_msg_close(body);
    envelope_close(e);
}

/* A slice, so that the bus's notices and deadlines are not starved by a flood of requests. */
#define SLICE_REQUESTS 100
#define SLICE_MS 10

static void handle_new(struct queries *self)
{
    struct envelope envelope;
    zmq_msg_t body;
    void *router = zsock_resolve(self->router);
    int64_t start = zclock_mono(), now = start, sent_at = start;
    for (int n = 0; n < SLICE_REQUESTS && now <= start + SLICE_MS &&
                    receive_request(router, &envelope, &body);
         n++, now = zclock_mono()) {
        struct query q = {.resumed = NULL};
        if (envelope.count > 0) {
            handle(self, &envelope, &body, &q);
        } else {
            zmq_msg_close(&body);
        }
        if (n == 0 || now > sent_at) { /* who asks alone, or waited a ms, waits for no other */
            send_replies(self);
            sent_at = now;
        }
    }
}

/* --- those that wait -------------------------------------------------------------------- */

/* Takes one out of the list and asks again; it may be put aside once more. */
static void resume(struct queries *self, size_t index, const struct submission_result *answer,
                   bool time_up)
{
    struct waiting *w = self->waiting[index];
    self->waiting[index] = self->waiting[--self->waiting_count];
    self->waiting_bytes -= w->size;
    self->submissions -= w->kind == WAITING_SUBMISSION;
    count_waiting(self);
    struct query q = {.resumed = w, .answer = answer, .time_up = time_up};
    handle(self, &w->envelope, &w->body, &q);
    free(w);
}

static bool runs(struct queries *self, enum waiting_kind kind)
{
    const struct run *run =
        kind == WAITING_VERIFY ? verifier_run(self->verifier) : backup_run(self->backup);
    return run->state == RUN_RUNNING;
}

static int64_t next_deadline(struct queries *self)
{
    bool at_work = runs(self, WAITING_VERIFY) || runs(self, WAITING_BACKUP);
    int64_t next = zclock_mono() + (at_work ? 50 : 1000);
    next = self->tick_at < next ? self->tick_at : next;
    for (size_t i = 0; i < self->waiting_count; i++) {
        if (self->waiting[i]->until < next) {
            next = self->waiting[i]->until;
        }
    }
    return next;
}

static void resume_overdue(struct queries *self)
{
    int64_t now = zclock_mono();
    /* From the end: what is put aside again comes behind, what replaces this one was looked at. */
    for (size_t i = self->waiting_count; i-- > 0;) {
        if (self->waiting[i]->until <= now) {
            resume(self, i, NULL, true);
        }
    }
}

/* Those who wait for a run that has ended. */
static void resume_ended(struct queries *self, enum waiting_kind kind)
{
    if (runs(self, kind)) {
        return;
    }
    for (size_t i = self->waiting_count; i-- > 0;) {
        if (self->waiting[i]->kind == kind) {
            resume(self, i, NULL, false);
        }
    }
}

static void take_answer(struct queries *self, const struct submission_result *answer)
{
    if (answer->id == self->tick_under_way) {
        tick_done(self, answer);
        return;
    }
    for (size_t i = 0; i < self->waiting_count; i++) {
        if (self->waiting[i]->kind == WAITING_SUBMISSION && self->waiting[i]->id == answer->id) {
            resume(self, i, answer, false);
            return;
        }
    }
}

const struct noticed *find_arrived(const struct queries *self, const unsigned char *publisher)
{
    for (size_t i = 0; i < self->arrived_count; i++) {
        if (memcmp(self->arrived[i].publisher, publisher, CASEBUS_PUBLISHER_SIZE) == 0) {
            return &self->arrived[i];
        }
    }
    return NULL;
}

static void note_arrived(struct queries *self, const struct noticed *noticed)
{
    const struct noticed *known = find_arrived(self, noticed->publisher);
    size_t at = known ? (size_t)(known - self->arrived) : self->arrived_next;
    if (!known) {
        self->arrived_next = (self->arrived_next + 1) % ARRIVED_MAX;
        if (self->arrived_count < ARRIVED_MAX) {
            self->arrived_count++;
        }
    }
    self->arrived[at] = *noticed; /* not the highest ever: a publisher may have started over */
}

/* A publisher's id comes first in what was noticed of it. */
static int compare_publishers(const void *a, const void *b)
{
    return memcmp(a, b, CASEBUS_PUBLISHER_SIZE);
}

static bool concerns(const struct notice *n, const struct waiting *w)
{
    return w->kind == WAITING_CONFIRM &&
           (n->everybody || bsearch(w->publisher, n->publisher, n->count, sizeof *n->publisher,
                                    compare_publishers));
}

static void take_notice(struct queries *self, struct notice *n)
{
    for (unsigned i = 0; i < n->count; i++) {
        note_arrived(self, &n->publisher[i]);
    }
    qsort(n->publisher, n->count, sizeof *n->publisher, compare_publishers);
    for (size_t i = self->waiting_count; i-- > 0;) {
        if (concerns(n, self->waiting[i])) {
            resume(self, i, NULL, false);
        }
    }
}

static void read_exchange(struct queries *self)
{
    union {
        enum exchange_kind kind;
        struct submission_result result;
        struct notice notice;
    } message;
    void *peer = zsock_resolve(self->exchange);
    for (int n = 0; n < 100; n++) {
        if (zmq_recv(peer, &message, sizeof message, ZMQ_DONTWAIT) < 0) {
            return;
        }
        if (message.kind == EXCHANGE_RESULT) {
            take_answer(self, &message.result);
        } else {
            take_notice(self, &message.notice);
        }
    }
}

static int send_submission(struct queries *self, const struct submission *s,
                           const msgpack_sbuffer *body)
{
    void *peer = zsock_resolve(self->exchange);
    if (zmq_send(peer, s, sizeof *s, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        return CASEBUS_EBUSY;
    }
    zmq_send(peer, body->data, body->size, 0);
    return 0;
}

int submit(struct query *q, enum apply_kind kind, const msgpack_sbuffer *body, bool wait)
{
    struct queries *self = q->self;
    if (wait && self->submissions == SUBMISSIONS_MAX) {
        return CASEBUS_EBUSY;
    }
    struct submission s = {.id = wait ? ++self->last_submission : 0, .kind = kind};
    snprintf(s.actor, sizeof s.actor, "%.*s", (int)q->actor.size, (const char *)q->actor.data);
    int rc = send_submission(self, &s, body);
    q->wait_kind = WAITING_SUBMISSION;
    q->wait_id = s.id;
    q->wait_until = zclock_mono() + 60000;
    return rc == 0 && wait ? QUERY_WAITS : rc;
}

int submit_own(struct queries *self, enum apply_kind kind, const msgpack_sbuffer *body,
               uint64_t id)
{
    struct submission s = {.id = id, .kind = kind, .actor = "broker"};
    return send_submission(self, &s, body);
}

/* --- the loop --------------------------------------------------------------------------- */

static void serve(struct queries *self)
{
    zmq_pollitem_t items[] = {
        {zsock_resolve(self->router), 0, ZMQ_POLLIN, 0},
        {zsock_resolve(self->exchange), 0, ZMQ_POLLIN, 0},
        {zsock_resolve(self->pipe), 0, ZMQ_POLLIN, 0},
    };
    while (!self->stop) {
        int64_t wait = next_deadline(self) - zclock_mono();
        zmq_poll(items, 3, wait > 0 ? (long)wait : 0);
        if (items[2].revents & ZMQ_POLLIN) {
            char *command = zstr_recv(self->pipe);
            self->stop = !command || streq(command, "$TERM");
            zstr_free(&command);
        }
        if (items[1].revents & ZMQ_POLLIN) {
            read_exchange(self);
        }
        if (items[0].revents & ZMQ_POLLIN) {
            handle_new(self);
        }
        resume_overdue(self);
        resume_ended(self, WAITING_VERIFY);
        resume_ended(self, WAITING_BACKUP);
        send_replies(self);
        txn_end(self->txn);
        retire_idle(self);
        make_tick(self);
        if (zclock_mono() >= self->reader_check_at) {
            store_reader_check(self->options->store);
            self->reader_check_at = zclock_mono() + 60000;
        }
    }
}

/* --- start and end ---------------------------------------------------------------------- */

static bool bind_router(struct queries *self)
{
    struct queries_options *o = self->options;
    const struct port port = {.type = ZMQ_ROUTER,
                              .endpoint = o->query,
                              .largest = CASEBUS_REQUEST_MAX + 1024,
                              .receiving = CASEBUS_REQUESTS_QUEUED,
                              .sending = CASEBUS_REPLIES_QUEUED,
                              .domain = "query",
                              .gate = o->gate};
    self->keyed = port_has_keys(o->query, o->gate);
    self->denials.per_s = DENIALS_PER_S;
    self->router = port_bind(&port, &o->query_bound, o->why, sizeof o->why);
    return self->router != NULL;
}

static bool start(struct queries *self)
{
    int rc = txn_new_read(self->options->store, &self->txn);
    if (rc == 0) {
        struct query q = {.self = self};
        rc = begin(self, &q);
        txn_end(self->txn);
    }
    self->exchange = zsock_new_pair(">" EXCHANGE_ENDPOINT);
    self->verifier = verifier_new(self->options->store);
    self->backup = backup_new(self->options->store);
    self->unread = unread_new();
    if (rc != 0 || !self->exchange || !self->verifier || !self->backup || !self->unread) {
        snprintf(self->options->why, sizeof self->options->why, "%s",
                 casebus_strerror(rc ? rc : CASEBUS_ENOMEM));
        return false;
    }
    return bind_router(self);
}

static void end(struct queries *self)
{
    send_replies(self);
    while (self->waiting_count > 0) { /* they ask again when the broker is back */
        struct waiting *w = self->waiting[--self->waiting_count];
        envelope_close(&w->envelope);
        zmq_msg_close(&w->body);
        free(w);
    }
    verifier_destroy(&self->verifier);
    backup_destroy(&self->backup);
    zsock_destroy(&self->router);
    unread_destroy(&self->unread);
    zsock_destroy(&self->exchange);
    txn_destroy(&self->txn);
    actor_table_release(self->table);
    msgpack_sbuffer_destroy(&self->result);
    msgpack_sbuffer_destroy(&self->rows);
    msgpack_sbuffer_destroy(&self->reply);
    msgpack_sbuffer_destroy(&self->whole);
    msgpack_sbuffer_destroy(&self->formed);
    free(self);
}

void queries_actor(zsock_t *pipe, void *args)
{
    struct queries *self = calloc(1, sizeof *self);
    struct queries_options *options = args;
    log_name_thread("queries");
    if (self) {
        self->options = options;
        self->pipe = pipe;
        msgpack_sbuffer_init(&self->result);
        msgpack_sbuffer_init(&self->rows);
        msgpack_sbuffer_init(&self->reply);
        msgpack_sbuffer_init(&self->whole);
        msgpack_sbuffer_init(&self->formed);
        atomic_store(&options->serving, start(self));
    }
    zsock_signal(pipe, 0);
    if (atomic_load(&options->serving)) {
        serve(self);
    }
    if (self) {
        end(self);
    }
    atomic_store(&options->serving, false);
}
