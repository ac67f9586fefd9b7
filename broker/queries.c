/* The query thread's loop: requests in, answers out.
 *
 * Each request is answered from the newest commit there is after it arrived: whoever asks about
 * an event he has seen finds at least what it said, because events are sent after their commit.
 * Whose turn it is says query_turns.c; query_waiting.c keeps those that are answered later. */
#include "query.h"

#include "backup.h"
#include "log.h"
#include "ports.h"
#include "verify.h"

/* --- with the bus ------------------------------------------------------------------------ */

static void read_exchange(struct queries *self)
{
    union {
        enum exchange_kind kind;
        struct submission_result result;
        struct notice notice;
    } message;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int n = 0; n < 100 && inlet_receive(&self->inlets[EXCHANGE], &frame); n++) {
        memcpy(&message, zmq_msg_data(&frame), zmq_msg_size(&frame));
        if (message.kind == EXCHANGE_RESULT) {
            take_answer(self, &message.result);
        } else {
            take_notice(self, &message.notice);
        }
    }
    zmq_msg_close(&frame);
}

static int send_submission(struct queries *self, const struct submission *s,
                           const msgpack_sbuffer *body)
{
    struct inlet *peer = &self->inlets[EXCHANGE];
    inlet_used(peer);
    if (zmq_send(peer->socket, s, sizeof *s, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        return CASEBUS_EBUSY;
    }
    zmq_send(peer->socket, body->data, body->size, 0);
    return 0;
}

int submit(struct query *q, enum apply_kind kind, const msgpack_sbuffer *body, bool wait)
{
    struct queries *self = q->self;
    if (wait && self->submissions == SUBMISSIONS_MAX) {
        return CASEBUS_EBUSY;
    }
    int rc = wait ? find_place(q) : 0;
    if (rc != 0) {
        return rc;
    }
    struct submission s = {.id = wait ? ++self->last_submission : 0, .kind = kind};
    memcpy(s.actor, q->who->name, sizeof s.actor);
    snprintf(s.by, sizeof s.by, "%s", q->by ? q->by->name : "");
    rc = send_submission(self, &s, body);
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

/* The actor's owner sends QUERIES_ACTORS, or the command to end. */
static void read_pipe(struct queries *self)
{
    zmq_msg_t command;
    zmq_msg_init(&command);
    const bool received = inlet_receive(&self->inlets[PIPE], &command);
    if (received &&
        casebus_bytes_is(casebus_bytes(zmq_msg_data(&command), zmq_msg_size(&command)),
                         QUERIES_ACTORS)) {
        judge_anew(self);
    } else {
        self->stop = received || zmq_errno() == ETERM;
    }
    zmq_msg_close(&command);
}

static void read_inlets(struct queries *self)
{
    const struct inlet *inlets = self->inlets;
    if (inlets[PIPE].may_have) {
        read_pipe(self);
    }
    if (inlets[EXCHANGE].may_have) {
        read_exchange(self);
    }
    if (inlets[ROUTER].may_have) {
        turns_take(self);
    }
}

static void keep_time(struct queries *self, int64_t now)
{
    retire_idle(self, now);
    make_tick(self, now);
    if (now >= self->reader_check_at) {
        store_reader_check(self->options->store);
        self->reader_check_at = now + 60000;
    }
}

static void end_reads(struct queries *self)
{
    for (unsigned i = 0; i < crew_hands(self->crew); i++) {
        txn_end(self->readers[i].txn);
    }
}

static void serve(struct queries *self)
{
    struct health *health = &self->options->counters->health;
    int64_t now = zclock_mono();
    while (!self->stop) {
        health_waits(health, WORKER_QUERIES);
        turns_await(self, now, next_deadline(self, now) - now);
        health_works(health, WORKER_QUERIES);
        read_inlets(self);
        now = zclock_mono();
        resume_overdue(self, now);
        resume_ended(self);
        end_reads(self);
        keep_time(self, now);
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
    self->router = port_bind(&port, &o->query_bound, o->why, sizeof o->why);
    return self->router != NULL;
}

static int start_readers(struct queries *self)
{
    int rc = 0;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const unsigned hands = processors < 1           ? 1
                           : processors > HANDS_MAX ? HANDS_MAX
                                                    : (unsigned)processors;
    self->crew = crew_new(hands, answer_one, self);
    for (unsigned i = 0; rc == 0 && self->crew && i < crew_hands(self->crew); i++) {
        rc = reader_open(&self->readers[i], self->options->store, self->options->gate->actors);
    }
    self->txn = self->readers[0].txn;
    return self->crew ? rc : CASEBUS_ENOMEM;
}

static bool start(struct queries *self)
{
    int rc = start_readers(self);
    self->exchange = zsock_new_pair(">" EXCHANGE_ENDPOINT);
    self->verifier = verifier_new(self->options->store);
    self->backup = backup_new(self->options->store);
    self->unread = unread_new();
    self->quota = quota_new(self->options->counters);
    if (rc != 0 || !self->exchange || !self->verifier || !self->backup || !self->unread ||
        !self->quota) {
        snprintf(self->options->why, sizeof self->options->why, "%s",
                 casebus_strerror(rc ? rc : CASEBUS_ENOMEM));
        return false;
    }
    if (!bind_router(self)) {
        return false;
    }
    self->inlets[ROUTER] = inlet_of(zsock_resolve(self->router));
    self->inlets[EXCHANGE] = inlet_of(zsock_resolve(self->exchange));
    self->inlets[PIPE] = inlet_of(zsock_resolve(self->pipe));
    return true;
}

static void end(struct queries *self)
{
    turns_end(self); /* no answer: who asked asks again when the broker is back */
    waiting_end(self);
    verifier_destroy(&self->verifier);
    backup_destroy(&self->backup);
    zsock_destroy(&self->router);
    unread_destroy(&self->unread);
    quota_destroy(&self->quota);
    pthread_mutex_destroy(&self->quota_lock);
    zsock_destroy(&self->exchange);
    crew_destroy(&self->crew);
    for (unsigned i = 0; i < HANDS_MAX; i++) {
        reader_close(&self->readers[i]);
    }
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
        pthread_mutex_init(&self->quota_lock, NULL);
        self->earliest = INT64_MAX;
        self->take = 1;
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
