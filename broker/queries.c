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
static bool receive_request(struct inlet *router, struct envelope *e, zmq_msg_t *body)
{
    bool too_many = false;
    size_t size = 0;
    e->count = 0;
    zmq_msg_init(body);
    if (!inlet_receive(router, body)) {
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
        if (zmq_msg_recv(body, router->socket, 0) < 0) {
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

/* Takes envelope and reply. Where it cannot be sent the asker is gone. */
static void send_reply(struct queries *self, struct envelope *e, zmq_msg_t *reply)
{
    struct inlet *router = &self->inlets[ROUTER];
    bool sent = true;
    inlet_used(router);
    for (unsigned i = 0; sent && i < e->count; i++) {
        sent = zmq_msg_send(&e->frame[i], router->socket, ZMQ_SNDMORE) >= 0;
    }
    if (!sent || zmq_msg_send(reply, router->socket, 0) < 0) {
        zmq_msg_close(reply);
    }
    envelope_close(e);
}

/* --- one request ------------------------------------------------------------------------ */

static void count_waiting(struct queries *self)
{
    struct counters *c = self->options->counters;
    atomic_store(&c->polls, self->waiting_count - self->submissions);
    atomic_store(&c->submissions, self->submissions);
}

/* 0, and it waits; CASEBUS_EBUSY: there is no place; CASEBUS_ELIMITED: none for its actor. */
static int put_aside(struct queries *self, struct query *q, struct envelope *e, zmq_msg_t *body)
{
    size_t size = zmq_msg_size(body);
    int rc = check_waiting(q);
    if (rc != 0) {
        return rc;
    }
    for (unsigned i = 0; i < e->count; i++) {
        size += zmq_msg_size(&e->frame[i]);
    }
    bool room =
        self->waiting_count < WAITING_MAX && self->waiting_bytes + size <= WAITING_BYTES;
    struct waiting *w = room ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        return CASEBUS_EBUSY;
    }
    w->size = size;
    self->waiting_bytes += size;
    w->kind = q->wait_kind;
    w->until = q->wait_until;
    w->id = q->wait_id;
    memcpy(w->publisher, q->wait_publisher, sizeof w->publisher);
    memcpy(w->actor, q->who->name, sizeof w->actor);
    envelope_move(&w->envelope, e);
    zmq_msg_init(&w->body);
    zmq_msg_move(&w->body, body);
    self->waiting[self->waiting_count++] = w;
    self->earliest = w->until < self->earliest ? w->until : self->earliest;
    self->submissions += w->kind == WAITING_SUBMISSION;
    count_waiter(self, w->actor, 1);
    count_waiting(self);
    return 0;
}

/* Answers a request on this thread, or puts it aside; takes envelope and body. */
static void handle(struct queries *self, struct envelope *e, zmq_msg_t *body, struct query *q)
{
    zmq_msg_t reply;
    q->self = self;
    q->reader = &self->readers[0];
    reader_refresh(q->reader);
    int rc = answer(q, asker(e), body, &reply);
    if (rc == QUERY_WAITS) {
        int refused = put_aside(self, q, e, body);
        rc = refused ? finish(q, refused, asker(e), &reply) : rc;
    }
    if (rc == 0) {
        send_reply(self, e, &reply);
    }
    zmq_msg_close(body);
    envelope_close(e);
}

/* --- new requests ----------------------------------------------------------------------- */

/* Several are answered by all hands. Then they are sent in the order they came in, one behind
 * the other, so that the thread that writes them wakes up once for all. */
static void answer_one(void *arg, unsigned hand, unsigned item)
{
    struct queries *self = arg;
    struct asked *a = &self->asked[self->answered + item];
    struct query q = {.self = self, .reader = &self->readers[hand], .only_reads = true};
    a->rc = answer(&q, asker(&a->envelope), &a->body, &a->reply);
}

static void finish_one(struct queries *self, struct asked *a)
{
    if (a->rc == QUERY_APART) {
        struct query q = {.resumed = NULL};
        handle(self, &a->envelope, &a->body, &q);
        return;
    }
    if (a->rc == 0) { /* otherwise there is no memory: he asks again */
        send_reply(self, &a->envelope, &a->reply);
    }
    zmq_msg_close(&a->body);
    envelope_close(&a->envelope);
}

/* Do all hands see the same commit, and judge by the same actors? Otherwise who asks twice could
 * be told less the second time, or more. */
static bool refresh_readers(struct queries *self, unsigned hands)
{
    const struct reader *first = &self->readers[0];
    bool same = true;
    for (unsigned i = 0; same && i < hands; i++) {
        struct reader *r = &self->readers[i];
        reader_refresh(r);
        same = r->error == first->error && r->state_of == first->state_of &&
               r->table == first->table;
    }
    return same;
}

#define HELP_LEAST 4 /* requests for which the other hands are called */
#define COMMIT_THREADS 2
#define COMMITS_SEEN_MS 100
#define TAKE_MS 4
#define SLICE_MS 10

/* While reports are being committed, the bus and the committer have processors of their own. */
static unsigned free_hands(struct queries *self, int64_t now)
{
    const unsigned hands = crew_hands(self->crew);
    const uint64_t batches = counted(&self->options->counters->batches);
    if (batches != self->batches) {
        self->batches = batches;
        self->committing_until = now + COMMITS_SEEN_MS;
    }
    return now >= self->committing_until ? hands
           : hands > COMMIT_THREADS      ? hands - COMMIT_THREADS
                                         : 1;
}

/* Of costly requests few are taken in at a time: who comes next is not to wait for many. */
static void set_take(struct queries *self, unsigned count, unsigned done, int64_t took_ms)
{
    if (took_ms > TAKE_MS) {
        self->take = done > 1 ? done / 2 : 1;
    } else if (count == self->take && took_ms < TAKE_MS / 2) {
        self->take = 2 * count < ASKED_MAX ? 2 * count : ASKED_MAX;
    }
}

static void answer_asked(struct queries *self)
{
    unsigned count = self->asked_count - self->answered;
    if (count == 0) {
        return;
    }
    int64_t now = zclock_mono();
    unsigned hands = count >= HELP_LEAST ? free_hands(self, now) : 1;
    hands = refresh_readers(self, hands) ? hands : 1;
    unsigned done = crew_do(self->crew, count, hands, now + SLICE_MS);
    set_take(self, count, done, zclock_mono() - now);
    for (; done > 0; done--) {
        finish_one(self, &self->asked[self->answered++]);
    }
}

/* Nobody can be answered whose way back is not kept. */
static void drop(struct queries *self, zmq_msg_t *body)
{
    count_refusal(self->options->counters, CASEBUS_ETOOMANY);
    log_limited(&self->dropped, LEVEL_WARNING,
                "a request was dropped: more than %d frames or %d bytes come before its body",
                ENVELOPE_FRAMES - 1, ENVELOPE_BYTES);
    zmq_msg_close(body);
}

/* Takes in what has come, where all before it has been answered. */
static void gather(struct queries *self, unsigned most)
{
    if (self->answered < self->asked_count) {
        return;
    }
    self->answered = self->asked_count = 0;
    for (unsigned n = 0; n < most; n++) {
        struct asked *a = &self->asked[self->asked_count];
        if (!receive_request(&self->inlets[ROUTER], &a->envelope, &a->body)) {
            return;
        }
        if (a->envelope.count > 0) {
            self->asked_count++;
        } else {
            drop(self, &a->body);
        }
    }
}

/* A slice, so that the bus's notices and deadlines are not starved by a flood of requests. Who
 * asks alone has his answer before anybody looks whether there are more. */
static void handle_new(struct queries *self)
{
    gather(self, 1);
    answer_asked(self);
    gather(self, self->take);
    answer_asked(self);
    if (self->answered < self->asked_count) {
        inlet_used(&self->inlets[ROUTER]); /* there are some, though not in the socket */
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
    count_waiter(self, w->actor, -1);
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

static int64_t next_deadline(struct queries *self, int64_t now)
{
    bool at_work = runs(self, WAITING_VERIFY) || runs(self, WAITING_BACKUP);
    int64_t next = now + (at_work ? 50 : 1000);
    next = self->tick_at < next ? self->tick_at : next;
    return self->earliest < next ? self->earliest : next;
}

static void resume_overdue(struct queries *self, int64_t now)
{
    if (now < self->earliest) {
        return;
    }
    self->earliest = INT64_MAX; /* what is put aside from here on is counted there */
    /* From the end: what is put aside again comes behind, what replaces this one was looked at. */
    for (size_t i = self->waiting_count; i-- > 0;) {
        int64_t until = self->waiting[i]->until;
        if (until <= now) {
            resume(self, i, NULL, true);
        } else if (until < self->earliest) {
            self->earliest = until;
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

const struct noticed *find_arrived(const struct queries *self, struct casebus_bytes actor,
                                   const unsigned char *publisher)
{
    for (size_t i = 0; i < self->arrived_count; i++) {
        const struct noticed *n = &self->arrived[i];
        if (memcmp(n->publisher, publisher, CASEBUS_PUBLISHER_SIZE) == 0 &&
            casebus_bytes_is(actor, n->actor)) {
            return n;
        }
    }
    return NULL;
}

static void note_arrived(struct queries *self, const struct noticed *noticed)
{
    const struct noticed *known =
        find_arrived(self, casebus_cstr(noticed->actor), noticed->publisher);
    size_t at = known ? (size_t)(known - self->arrived) : self->arrived_next;
    struct noticed now = known ? *known : *noticed;
    if (noticed->arrived > 0) { /* not the highest ever: a publisher may have started over */
        now.arrived = noticed->arrived;
    }
    noticed_add(&now, noticed);
    if (!known) {
        self->arrived_next = (self->arrived_next + 1) % ARRIVED_MAX;
        if (self->arrived_count < ARRIVED_MAX) {
            self->arrived_count++;
        }
    }
    self->arrived[at] = now;
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
    int rc = wait ? check_waiting(q) : 0; /* before anything comes of it */
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

/* The table of actors is another: what waits is judged by it now. What has been submitted was
 * judged before, and is told what comes of it. */
static void judge_anew(struct queries *self)
{
    for (size_t i = self->waiting_count; i-- > 0;) {
        if (self->waiting[i]->kind != WAITING_SUBMISSION) {
            resume(self, i, NULL, false);
        }
    }
}

/* The actor's owner sends QUERIES_ACTORS, or the command to end. */
static void read_pipe(struct queries *self)
{
    zmq_msg_t command;
    zmq_msg_init(&command);
    const bool received = inlet_receive(&self->inlets[PIPE], &command);
    if (received && casebus_bytes_is(casebus_bytes(zmq_msg_data(&command), zmq_msg_size(&command)),
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
        handle_new(self);
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
        inlets_wait(self->inlets, INLETS, next_deadline(self, now) - now);
        health_works(health, WORKER_QUERIES);
        read_inlets(self);
        now = zclock_mono();
        resume_overdue(self, now);
        resume_ended(self, WAITING_VERIFY);
        resume_ended(self, WAITING_BACKUP);
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
        rc = reader_open(&self->readers[i], self->options->store,
                         self->options->gate->actors);
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
    while (self->answered < self->asked_count) { /* they ask again when the broker is back */
        struct asked *a = &self->asked[self->answered++];
        envelope_close(&a->envelope);
        zmq_msg_close(&a->body);
    }
    while (self->waiting_count > 0) { /* and so do these */
        struct waiting *w = self->waiting[--self->waiting_count];
        envelope_close(&w->envelope);
        zmq_msg_close(&w->body);
        free(w);
    }
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
