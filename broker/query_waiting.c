/* Requests that wait: long polls, decisions, runs that take their time.
 *
 * They stand in a bounded list. The bus's notices and answers, the end of a run and their own
 * deadlines bring them back; each time they are asked anew, from the newest commit, and may be
 * put aside once more. */
#include "query.h"

#include "backup.h"
#include "hash.h"
#include "verify.h"

/* --- put aside --------------------------------------------------------------------------- */

static void count_waiting(struct queries *self)
{
    struct counters *c = self->options->counters;
    atomic_store(&c->polls, self->waiting_count - self->submissions);
    atomic_store(&c->submissions, self->submissions);
}

int find_place(struct query *q)
{
    const struct queries *self = q->self;
    if (q->resumed) {
        return 0; /* it waited before, so its place is free */
    }
    if (q->size > CASEBUS_WAITING_MAX) { /* as a request it may be within its limit */
        snprintf(q->text, sizeof q->text,
                 "a request that waits for its answer has at most %d bytes",
                 CASEBUS_WAITING_MAX);
        return CASEBUS_ETOOLARGE;
    }
    if (self->waiting_count == WAITING_MAX || self->waiting_bytes + q->size > WAITING_BYTES) {
        return CASEBUS_EBUSY;
    }
    return check_waiting(q);
}

/* 0, and it waits; or why it cannot. */
static int put_aside(struct queries *self, struct query *q, struct envelope *e, zmq_msg_t *body)
{
    int rc = find_place(q);
    struct waiting *w = rc == 0 ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        return rc ? rc : CASEBUS_ENOMEM;
    }
    w->size = q->size;
    self->waiting_bytes += q->size;
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

void handle(struct queries *self, struct envelope *e, zmq_msg_t *body, struct query *q)
{
    zmq_msg_t reply;
    q->self = self;
    q->reader = &self->readers[0];
    q->size = zmq_msg_size(body);
    for (unsigned i = 0; i < e->count; i++) {
        q->size += zmq_msg_size(&e->frame[i]);
    }
    reader_refresh(q->reader);
    int rc = answer(q, envelope_asker(e), body, &reply);
    if (rc == QUERY_WAITS) {
        int refused = put_aside(self, q, e, body);
        rc = refused ? finish(q, refused, envelope_asker(e), &reply) : rc;
    }
    if (rc == 0) {
        envelope_send(self, e, &reply);
    }
    zmq_msg_close(body);
    envelope_close(e);
}

/* --- asked again ------------------------------------------------------------------------- */

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

int64_t next_deadline(struct queries *self, int64_t now)
{
    bool at_work = runs(self, WAITING_VERIFY) || runs(self, WAITING_BACKUP);
    int64_t next = now + (at_work ? 50 : 1000);
    next = self->tick_at < next ? self->tick_at : next;
    return self->earliest < next ? self->earliest : next;
}

void resume_overdue(struct queries *self, int64_t now)
{
    if (now < self->earliest) {
        return;
    }
    self->earliest = INT64_MAX; /* what is put aside from here on is counted there */
    /* From the end: what is put aside again comes behind, what replaces this one was looked at.
     */
    for (size_t i = self->waiting_count; i-- > 0;) {
        int64_t until = self->waiting[i]->until;
        if (until <= now) {
            resume(self, i, NULL, true);
        } else if (until < self->earliest) {
            self->earliest = until;
        }
    }
}

static void resume_waiters(struct queries *self, enum waiting_kind kind)
{
    for (size_t i = self->waiting_count; i-- > 0;) {
        if (self->waiting[i]->kind == kind) {
            resume(self, i, NULL, false);
        }
    }
}

void resume_ended(struct queries *self)
{
    const enum waiting_kind kinds[] = {WAITING_VERIFY, WAITING_BACKUP};
    for (unsigned i = 0; i < 2; i++) {
        if (!runs(self, kinds[i])) {
            resume_waiters(self, kinds[i]);
        }
    }
}

/* Asks all that wait again, by the new table of actors. A request that has been submitted
 * already is not judged again: it is told what came of it. */
void judge_anew(struct queries *self)
{
    for (size_t i = self->waiting_count; i-- > 0;) {
        if (self->waiting[i]->kind != WAITING_SUBMISSION) {
            resume(self, i, NULL, false);
        }
    }
}

/* --- what the bus says ------------------------------------------------------------------- */

void take_answer(struct queries *self, const struct submission_result *answer)
{
    if (answer->id == self->tick_under_way) {
        tick_done(self, answer);
        return;
    }
    for (size_t i = 0; i < self->waiting_count; i++) {
        if (self->waiting[i]->kind == WAITING_SUBMISSION &&
            self->waiting[i]->id == answer->id) {
            resume(self, i, answer, false);
            return;
        }
    }
}

static unsigned set_of(const unsigned char *publisher)
{
    return hash_64(publisher, CASEBUS_PUBLISHER_SIZE, 0) % ARRIVED_SETS;
}

const struct noticed *find_arrived(const struct queries *self, struct casebus_bytes actor,
                                   const unsigned char *publisher)
{
    const struct arrived *set = &self->arrived[set_of(publisher)];
    for (unsigned i = 0; i < set->count; i++) {
        const struct noticed *n = &set->publisher[i];
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
    struct arrived *set = &self->arrived[set_of(noticed->publisher)];
    unsigned at = known ? (unsigned)(known - set->publisher) : set->next;
    struct noticed now = known ? *known : *noticed;
    if (noticed->arrived > 0) { /* not the highest ever: a publisher may have started over */
        now.arrived = noticed->arrived;
    }
    noticed_add(&now, noticed);
    if (!known) {
        set->next = (set->next + 1) % ARRIVED_WAYS;
        set->count += set->count < ARRIVED_WAYS;
    }
    set->publisher[at] = now;
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

void take_notice(struct queries *self, struct notice *n)
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

void waiting_end(struct queries *self)
{
    while (self->waiting_count > 0) {
        struct waiting *w = self->waiting[--self->waiting_count];
        envelope_close(&w->envelope);
        zmq_msg_close(&w->body);
        free(w);
    }
}
