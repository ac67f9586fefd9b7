/* The bus thread: drain, commit, publish.
 *
 * The promise this file keeps: nothing is confirmed and nothing is published before it is
 * durable. Reports are received into a batch as large as what has queued while the last one was
 * committed; the committer decides and commits it in one transaction; then its events go out in
 * seq order. There is no timer: an idle broker commits one report at once. Two batches take
 * turns: one is being committed while the other fills, and this thread is never away from its
 * sockets, however slow the disk is. */
#include "bus_private.h"

#include "clock.h"
#include "log.h"
#include "ports.h"

/* --- publish ---------------------------------------------------------------------------- */

/* Of which agency it is; absent: of none, as a report whose topic no report can have, which
 * anybody may send. */
static struct casebus_bytes agency_of(const struct apply_entry *entry)
{
    struct casebus_topic topic;
    enum casebus_report_kind kind;
    if (entry->kind != APPLY_REPORT) {
        return casebus_as_str(casebus_map_get(entry->body, "agency"));
    }
    return casebus_topic_report(entry->topic, &topic, &kind) == 0 ? topic.segment[2]
                                                                  : casebus_bytes(NULL, 0);
}

/* What the batch has changed without events is named by its heads. */
static void name_quiet(struct bus *self, const struct batch *b)
{
    for (size_t i = b->first; i < b->end; i++) {
        if (b->items[i].result.quiet) {
            fanout_quiet(self->fanout, agency_of(&b->items[i].entry),
                         apply_state(b->apply)->entry);
        }
    }
}

/* The events of a committed batch, in seq order. */
static int publish(struct bus *self, const struct batch *b)
{
    size_t n = 0;
    const struct apply_event *events = b->committed ? apply_events(b->apply, &n) : NULL;
    uint64_t now = clock_utc_us();
    if (b->committed && b->quiet > 0) {
        name_quiet(self, b);
    }
    int rc = fanout_publish(self->fanout, events, n, self->admission.table);
    for (size_t i = 0; i < n; i++) {
        count_event(self->options->counters, events[i].kind, now);
    }
    count(&self->options->counters->events, n);
    return rc;
}

/* --- batches ---------------------------------------------------------------------------- */

/* What makes the log shorter goes with a batch, or as one of its own; not when the broker is
 * about to leave. */
static void add_trimming(struct bus *self, struct batch *b)
{
    if (!self->stop) {
        trimming_add(&self->trimming, b, clock_utc_us());
    }
}

static void give_range(struct bus *self, size_t first, size_t end)
{
    self->busy->first = first;
    self->busy->end = end;
    health_works(&self->options->counters->health, WORKER_STORE);
    committer_give(self->committer, self->busy);
}

/* Neither space nor I/O: some report in the batch cannot be carried out. */
static bool is_a_reports_fault(int rc)
{
    return rc == CASEBUS_EINTERNAL || rc == CASEBUS_ECORRUPT || rc == CASEBUS_ETOOMANY;
}

/* The next part of a batch that is committed in parts, as large as the one before. */
static void give_next_part(struct bus *self, const struct batch *b)
{
    size_t end = b->end + (b->end - b->first);
    give_range(self, b->end, end < b->count ? end : b->count);
}

/* A batch that failed for a report's sake comes again one report at a time: the culprit is
 * refused, its neighbours are not harmed. */
static int again_one_by_one(struct bus *self, struct batch *b)
{
    if (b->end - b->first > 1) {
        give_range(self, b->first, b->first + 1);
        return 0;
    }
    if (b->items[b->first].entry.refused) {
        return b->result; /* not even refusing it works */
    }
    log_error("a report could not be carried out and is refused: %s",
              casebus_strerror(b->result));
    b->items[b->first].entry.refused = true;
    give_range(self, b->first, b->end);
    return 0;
}

/* The filling batch goes to the committer, where there is one and it is free. */
static void give(struct bus *self)
{
    if (bus_is_read_only(self)) { /* then none is busy */
        self->filling->first = 0;
        bus_hold(self, self->filling);
        return;
    }
    if (!self->busy) {
        add_trimming(self, self->filling);
    }
    if (!self->busy && self->filling->count > 0) {
        self->busy = self->filling;
        self->filling = self->spare;
        self->spare = NULL;
        give_range(self, 0, self->busy->count);
    }
}

/* --- done -------------------------------------------------------------------------------- */

/* A batch is durable: only now does anybody see what is in it. */
static int finish(struct bus *self, struct batch *b)
{
    int rc = publish(self, b);
    bus_tell(self, b);
    batch_reset(b);
    return rc;
}

static void end_batch(struct bus *self, struct batch *b)
{
    self->busy = NULL;
    self->spare = b;
    batch_clear(b);
}

/* No space: the batch comes again without what trims the log, if that was in it, or in parts of
 * half the size. */
static void again_smaller(struct bus *self, struct batch *b)
{
    if (trimming_withdraw(&self->trimming, b)) {
        if (b->first < b->count) {
            give_range(self, b->first, b->count);
        } else {
            end_batch(self, b);
        }
    } else if (b->end - b->first > 1) {
        give_range(self, b->first, b->first + (b->end - b->first) / 2);
    } else {
        bus_set_read_only(self, true);
        bus_hold(self, b);
        end_batch(self, b);
    }
}

static int take(struct bus *self)
{
    if (!self->done.may_have && !committer_is_done(self->committer)) {
        return 0;
    }
    struct batch *b = committer_take(self->committer);
    self->done.may_have = false;
    if (!b) {
        return 0;
    }
    health_waits(&self->options->counters->health, WORKER_STORE);
    if (b->committed) {
        self->trimming.kept = *apply_state(b->apply);
    }
    if (b->result == CASEBUS_ENOSPC) {
        again_smaller(self, b);
        return 0;
    }
    if (b->result != 0) {
        return is_a_reports_fault(b->result) ? again_one_by_one(self, b) : b->result;
    }
    if (b->end < b->count) {
        int rc = finish(self, b);
        give_next_part(self, b);
        return rc;
    }
    self->busy = NULL;
    self->spare = b;
    struct batch *done = b;
    if (self->filling->count > 0) { /* the next is committed while this one is published */
        self->busy = self->filling;
        self->filling = done;
        self->spare = NULL;
        add_trimming(self, self->busy);
        give_range(self, 0, self->busy->count);
    }
    int rc = finish(self, done);
    batch_clear(done);
    return rc;
}

/* --- the loop --------------------------------------------------------------------------- */

/* Ends every connection, so that everybody has to show his key again, to the table that is in
 * force now. */
static void unbind(struct bus *self)
{
    inlet_used(&self->in);
    if (!self->ingest_unbound) {
        port_unbind(self->ingest, self->options->ingest_bound);
    }
    self->ingest_unbound = true;
    fanout_unbind(self->fanout);
}

/* False: something is still to be bound again. */
static bool rebind(struct bus *self)
{
    if (self->ingest_unbound) {
        self->ingest_unbound = !port_rebind(self->ingest, self->options->ingest_bound);
        inlet_used(&self->in);
    }
    return fanout_rebind(self->fanout) && !self->ingest_unbound;
}

static void read_pipe(struct bus *self)
{
    zmq_msg_t command;
    zmq_msg_init(&command);
    if (!inlet_receive(&self->command, &command)) {
        self->stop = self->stop || self->command.may_have; /* it has failed */
    } else if (casebus_bytes_is(casebus_bytes(zmq_msg_data(&command), zmq_msg_size(&command)),
                                BUS_REBIND)) {
        unbind(self);
    } else {
        self->stop = true;
    }
    zmq_msg_close(&command);
}

static void keep_time(struct bus *self)
{
    int64_t now = zclock_mono();
    fanout_send_due(self->fanout, now, held_reason(self->options->counters));
    if (now >= self->second_at) {
        struct counters *c = self->options->counters;
        uint64_t reports = counted(&c->reports), events = counted(&c->events);
        atomic_store(&c->reports_per_s, reports - self->second_reports);
        atomic_store(&c->events_per_s, events - self->second_events);
        self->second_reports = reports;
        self->second_events = events;
        self->second_at = now + 1000;
        port_watch_descriptors(&self->no_descriptor);
        self->seconds_unbound = self->bound ? 0 : self->seconds_unbound + 1;
        if (self->seconds_unbound > 1) {
            log_error(
                "an endpoint that was closed for keys to be checked again cannot be bound: "
                "is its port taken by another program?");
        }
        bus_look_for_space(self);
    }
}

/* How long there is nothing to do but wait. */
#define REBIND_MS 5
static long wait_ms(const struct bus *self, bool room)
{
    if (room && self->bundle.open) {
        return 0;
    }
    int64_t wait = fanout_due(self->fanout) - zclock_mono();
    if (!self->bound) {
        wait = wait > REBIND_MS ? REBIND_MS : wait;
    }
    return wait > 0 ? (long)wait : 0;
}

/* Everything the thread waits for, what fills a batch last; gives their number. */
static unsigned find_inlets(struct bus *self, struct inlet *inlets[INLETS_MAX])
{
    unsigned n = 0;
    _Static_assert(OUTLETS_MAX + 4 <= INLETS_MAX, "there is room for all");
    inlets[n++] = &self->command;
    inlets[n++] = &self->done;
    n += fanout_inlets(self->fanout, inlets + n);
    inlets[n++] = &self->in;
    inlets[n++] = &self->peer;
    return n;
}

/* How many of them are waited for now: those that fill a batch only while it has room. */
static unsigned wanted_inlets(const struct bus *self, unsigned all, bool room)
{
    return !room ? all - 2 : batch_takes_submissions(self->filling) ? all : all - 1;
}

/* Has it taken in anything that is not committed and told yet? */
static bool has_work(const struct bus *self)
{
    return self->busy || self->filling->count > 0 || self->bundle.open;
}

static void serve(struct bus *self)
{
    struct inlet *inlets[INLETS_MAX];
    struct health *health = &self->options->counters->health;
    const unsigned all = find_inlets(self, inlets);
    int rc = 0;
    /* Asked to stop, it finishes what it has taken in. */
    while (rc == 0 && (!self->stop || has_work(self))) {
        bool room = batch_has_room(self->filling) && (!self->stop || self->bundle.open);
        health_waits(health, WORKER_BUS);
        inlets_wait(inlets, wanted_inlets(self, all, room), wait_ms(self, room));
        health_works(health, WORKER_BUS);
        if (self->command.may_have) {
            read_pipe(self);
        }
        actors_refresh(self->options->gate->actors, &self->admission.table);
        self->bound = rebind(self);
        fanout_read_subscriptions(self->fanout, self->admission.table);
        keep_time(self);
        rc = take(self);
        if (room) {
            bus_receive(self);
        }
        bus_hand_over(self); /* what was not taken, and what found the pipe full */
        give(self);
    }
    health_waits(health, WORKER_BUS);
    self->options->failure = rc;
}

/* --- start and end ---------------------------------------------------------------------- */

static zsock_t *bind_ingest(struct bus *self)
{
    struct bus_options *o = self->options;
    const struct port port = {.type = ZMQ_XSUB,
                              .endpoint = o->ingest,
                              .largest = CASEBUS_FRAME_MAX,
                              .receiving = CASEBUS_INGEST_HWM,
                              .sending = CASEBUS_HWM,
                              .domain = "ingest",
                              .gate = o->gate};
    return port_bind(&port, &o->ingest_bound, o->why, sizeof o->why);
}

/* Binds the ends for events, and says where they are. */
static bool start_fanout(struct bus *self, const struct state *state)
{
    struct bus_options *o = self->options;
    const struct fanout_options options = {.endpoint = o->fanout,
                                           .audiences = o->audiences,
                                           .gate = o->gate,
                                           .quota = self->admission.quota,
                                           .store = o->store,
                                           .epoch = state->epoch,
                                           .seq = state->seq,
                                           .entry = state->entry};
    if (!fanout_new(&self->fanout, &options, o->why, sizeof o->why)) {
        return false;
    }
    o->fanout_bound = fanout_bound(self->fanout, 0);
    for (unsigned i = 0; o->audiences && i < o->audiences->count; i++) {
        o->audience_bound[i] = fanout_bound(self->fanout, 1 + i);
    }
    return true;
}

static int read_state(struct bus *self)
{
    struct txn *txn = NULL;
    struct state state;
    int rc = txn_new_read(self->options->store, &txn);
    if (rc == 0) {
        rc = txn_begin(txn);
    }
    if (rc == 0 && txn_state(txn, &state)) {
        self->trimming = (struct trimming){.retention = &self->options->retention,
                                           .store = self->options->store,
                                           .kept = state};
    } else if (rc == 0) {
        rc = CASEBUS_ECORRUPT;
    }
    txn_destroy(&txn);
    return rc;
}

static int start_store(struct bus *self)
{
    int rc = read_state(self);
    rc = rc ? rc : batch_new(&self->filling, self->options->store);
    rc = rc ? rc : batch_new(&self->spare, self->options->store);
    rc = rc ? rc : committer_new(&self->committer);
    rc = rc ? rc
            : admission_init(&self->admission, self->options->gate, self->options->ingest,
                             self->options->counters);
    if (rc != 0) {
        snprintf(self->options->why, sizeof self->options->why, "%s", casebus_strerror(rc));
    }
    return rc;
}

static bool start(struct bus *self)
{
    if (start_store(self) != 0) {
        return false;
    }
    self->exchange = zsock_new_pair("@" EXCHANGE_ENDPOINT);
    if (start_fanout(self, &self->trimming.kept)) {
        self->ingest = bind_ingest(self);
    }
    if (!self->exchange || !self->ingest) {
        return false;
    }
    self->command = inlet_of(zsock_resolve(self->pipe));
    self->done = inlet_of_descriptor(committer_fd(self->committer));
    self->in = inlet_of(zsock_resolve(self->ingest));
    self->peer = inlet_of(zsock_resolve(self->exchange));
    /* Everything: storing never depends on who watches. */
    zmq_send(self->in.socket, "\x01", 1, 0);
    return true;
}

static void end(struct bus *self)
{
    zsock_destroy(&self->ingest);
    unbundle_end(&self->bundle);
    fanout_destroy(&self->fanout);
    zsock_destroy(&self->exchange);
    committer_destroy(&self->committer);
    batch_destroy(&self->filling);
    batch_destroy(&self->spare);
    batch_destroy(&self->busy);
    admission_end(&self->admission);
}

void bus_actor(zsock_t *pipe, void *args)
{
    struct bus self = {.options = args, .pipe = pipe};
    log_name_thread("bus");
    self.notice.kind = EXCHANGE_NOTICE;
    bool started = start(&self);
    atomic_store(&self.options->serving, started);
    zsock_signal(pipe, 0);
    if (started) {
        serve(&self);
        if (self.options->failure != 0) {
            log_error("the store failed, the broker ends: %s",
                      casebus_strerror(self.options->failure));
        }
    }
    end(&self);
    atomic_store(&self.options->serving, false);
}
