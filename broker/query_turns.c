/* Whose turn it is: new requests, in two lines.
 *
 * Most are answered at once, in the order they come in. Those that walk far through the store
 * take milliseconds each: they wait in a line of their own and are answered a hand's worth at a
 * time, while nobody else is there; who comes meanwhile waits for those at hand and no others.
 * Who has a request in that line has his later ones put behind it, so that his answers come in
 * order. The line is never still for long, whoever else comes, and where it is full nobody is
 * taken in before it has moved. */
#include "query.h"

#include "log.h"

#include <sched.h>

#define HELP_LEAST 4 /* requests, and so long for one hand: the others are called */
#define HELP_US 400
#define COMMIT_THREADS 2
#define COMMITS_SEEN_MS 100
#define TAKE_MS 4
#define SLICE_MS 10
#define STILL_MS 50 /* at most, of the line */
#define SOON_US 500

/* --- the line of those that walk far ----------------------------------------------------- */

/* A hash of the asker's name. Two askers that share a number wait for each other's turn;
 * nothing worse comes of it. */
static unsigned number_of(struct casebus_bytes asker)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < asker.size; i++) {
        h = (h ^ asker.data[i]) * 16777619u;
    }
    return (h ^ h >> 16) % LINE_ASKERS;
}

static bool line_is_full(const struct line *line)
{
    return line->count == LINE_PLACES || line->bytes >= LINE_BYTES;
}

static bool line_is_due(const struct line *line)
{
    return line->count > 0 && (line_is_full(line) || zclock_mono() >= line->due);
}

static struct asked *line_at(struct line *line, unsigned n)
{
    return &line->place[(line->first + n) % LINE_PLACES];
}

/* Takes the request over. */
static void line_put(struct line *line, struct asked *a)
{
    struct asked *last = line_at(line, line->count);
    if (line->count++ == 0) {
        line->due = zclock_mono() + STILL_MS;
    }
    envelope_move(&last->envelope, &a->envelope);
    zmq_msg_init(&last->body);
    zmq_msg_move(&last->body, &a->body);
    zmq_msg_close(&a->body);
    last->asker = a->asker;
    last->size = a->size;
    last->op = a->op;
    line->bytes += a->size;
    line->of_asker[a->asker]++;
}

/* The first has its answer. */
static void line_pass(struct line *line)
{
    const struct asked *first = line_at(line, 0);
    line->bytes -= first->size;
    line->of_asker[first->asker]--;
    line->first = (line->first + 1) % LINE_PLACES;
    line->count--;
}

/* --- taken in ---------------------------------------------------------------------------- */

/* A request whose way back is too long to be kept cannot be answered, and is dropped. */
static void drop(struct queries *self, zmq_msg_t *body)
{
    count_refusal(self->options->counters, CASEBUS_ETOOMANY);
    log_limited(&self->dropped, LEVEL_WARNING,
                "a request was dropped: more than %d frames or %d bytes come before its body",
                ENVELOPE_FRAMES - 1, ENVELOPE_BYTES);
    zmq_msg_close(body);
}

/* The request becomes the newest of `asked`, or goes to the line. */
static void sort_in(struct queries *self, struct asked *a)
{
    a->asker = number_of(envelope_asker(&a->envelope));
    a->size = ENVELOPE_BYTES + zmq_msg_size(&a->body);
    a->op = op_of(casebus_bytes(zmq_msg_data(&a->body), zmq_msg_size(&a->body)));
    if (walks_far(a->op) || self->line.of_asker[a->asker] > 0) {
        line_put(&self->line, a);
    } else {
        self->asked_count++;
    }
}

static bool are_all_answered(const struct queries *self)
{
    return self->answered == self->asked_count;
}

/* Takes in what has come, where all before it has been answered and the line need not move. */
static void gather(struct queries *self, unsigned most)
{
    if (!are_all_answered(self) || line_is_due(&self->line)) {
        return;
    }
    self->answered = self->asked_count = 0;
    size_t bytes = 0;
    for (unsigned n = 0; n < most && bytes < ASKED_BYTES && !line_is_full(&self->line); n++) {
        struct asked *a = &self->asked[self->asked_count];
        if (!envelope_receive(&self->inlets[ROUTER], &a->envelope, &a->body)) {
            return;
        }
        bytes += zmq_msg_size(&a->body);
        if (a->envelope.count > 0) {
            sort_in(self, a);
        } else {
            drop(self, &a->body);
        }
    }
}

/* --- answered ---------------------------------------------------------------------------- */

/* Where one hand answers all, in their order: what was found for this one, together with those
 * next to it. */
static const struct found_case *found_for(struct queries *self, struct reader *reader,
                                          unsigned item)
{
    const unsigned place = item % LOG_AHEAD_MAX, left = self->alone - item;
    if (place == 0) {
        look_ahead(reader, &self->turn[item], left < LOG_AHEAD_MAX ? left : LOG_AHEAD_MAX);
    }
    return &reader->ahead[place];
}

/* Several are answered by all hands. Then they are sent in the order they came in, one behind
 * the other, so that the thread that writes them wakes up once for all. */
void answer_one(void *arg, unsigned hand, unsigned item)
{
    struct queries *self = arg;
    struct asked *a = self->turn[item];
    struct reader *reader = &self->readers[hand];
    struct query q = {.self = self, .reader = reader, .only_reads = true};
    q.ahead = self->alone > 0 ? found_for(self, reader, item) : NULL;
    a->rc = answer(&q, envelope_asker(&a->envelope), &a->body, &a->reply);
}

static void finish_one(struct queries *self, struct asked *a)
{
    if (a->rc == QUERY_APART) {
        struct query q = {.resumed = NULL};
        handle(self, &a->envelope, &a->body, &q);
        return;
    }
    if (a->rc == 0) { /* otherwise there is no memory: he asks again */
        envelope_send(self, &a->envelope, &a->reply);
    }
    zmq_msg_close(&a->body);
    envelope_close(&a->envelope);
}

/* Do all hands see the same commit, and judge by the same actors? Otherwise who asks twice
 * could be told less the second time, or more. */
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

/* Those in `turn`, for a slice; how many have been begun, and so were done. */
static unsigned answer_turn(struct queries *self, unsigned count, unsigned hands, int64_t now)
{
    hands = refresh_readers(self, hands) ? hands : 1;
    self->alone = hands == 1 && count > 1 ? count : 0;
    return crew_do(self->crew, count, hands, now + SLICE_MS);
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

/* The time that a request takes a hand, as of the last dozen turns. */
static void learn_cost(struct queries *self, unsigned done, unsigned hands, int64_t took_us)
{
    const int64_t ns = took_us * 1000 * hands / done;
    self->cost_ns += (ns - self->cost_ns) / 8;
}

/* For a heap of small requests nobody is called: what the others would take off this hand they
 * take from the thread that sends the answers meanwhile, and from who asks. */
static unsigned hands_for(struct queries *self, unsigned count, int64_t now)
{
    const bool help = count >= HELP_LEAST && count * self->cost_ns >= HELP_US * 1000;
    return help ? free_hands(self, now) : 1;
}

static void answer_asked(struct queries *self)
{
    unsigned count = self->asked_count - self->answered;
    if (count == 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        self->turn[i] = &self->asked[self->answered + i];
    }
    const int64_t began = zclock_usecs(), now = began / 1000;
    const unsigned hands = hands_for(self, count, now);
    unsigned done = answer_turn(self, count, hands, now);
    const int64_t took = zclock_usecs() - began;
    learn_cost(self, done, hands, took);
    set_take(self, count, done, took / 1000);
    for (; done > 0; done--) {
        finish_one(self, &self->asked[self->answered++]);
    }
}

/* Answers so many of the line that each hand has one request that walks far, together with
 * those that stand between them. */
static void answer_line(struct queries *self)
{
    struct line *line = &self->line;
    int64_t now = zclock_mono();
    unsigned hands = free_hands(self, now), count = 0, far = 0;
    for (; count < line->count && count < ASKED_MAX; count++) {
        struct asked *a = line_at(line, count);
        if (walks_far(a->op) && far == hands) {
            break;
        }
        far += walks_far(a->op);
        self->turn[count] = a;
    }
    for (unsigned done = answer_turn(self, count, far > 0 ? far : 1, now); done > 0; done--) {
        finish_one(self, line_at(line, 0));
        line_pass(line);
    }
    line->due = zclock_mono() + STILL_MS;
}

/* --- waited for -------------------------------------------------------------------------- */

static bool has_something(const struct queries *self)
{
    bool something = false;
    for (unsigned i = 0; i < INLETS; i++) {
        something = something || self->inlets[i].may_have;
    }
    return something;
}

/* Who asks one thing after the other asks again as soon as he has his answer. A thread that has
 * gone to sleep is woken late, and finds cold what it then touches: both take longer than the
 * answer. So where requests come soon one behind the other, and a processor is free, it looks
 * for the next one before it sleeps (busy polling); whoever stops asking costs SOON_US of it.
 */
void turns_await(struct queries *self, int64_t now, int64_t ms)
{
    struct inlet *inlets[INLETS];
    for (unsigned i = 0; i < INLETS; i++) {
        inlets[i] = &self->inlets[i];
    }
    if (ms <= 0 || has_something(self)) {
        inlets_wait(inlets, INLETS, 0);
        return;
    }
    const int64_t soon = zclock_usecs() + SOON_US;
    if (self->asked_soon && free_hands(self, now) > 1) {
        do {
            sched_yield();
            inlets_wait(inlets, INLETS, 0);
        } while (!has_something(self) && zclock_usecs() < soon);
    }
    if (!has_something(self)) {
        inlets_wait(inlets, INLETS, ms);
    }
    self->asked_soon = self->inlets[ROUTER].may_have && zclock_usecs() < soon;
}

/* --- a turn ------------------------------------------------------------------------------ */

static bool is_lines_turn(const struct queries *self)
{
    const struct line *line = &self->line;
    return line->count > 0 && are_all_answered(self) &&
           (!self->inlets[ROUTER].may_have || line_is_due(line));
}

/* A slice, so that the bus's notices and deadlines are not starved by a flood of requests. Who
 * asks alone has his answer before anybody looks whether there are more. */
void turns_take(struct queries *self)
{
    gather(self, 1);
    answer_asked(self);
    gather(self, self->take);
    answer_asked(self);
    if (is_lines_turn(self)) {
        answer_line(self);
    }
    if (!are_all_answered(self) || self->line.count > 0) {
        inlet_used(&self->inlets[ROUTER]); /* there are some, though not in the socket */
    }
}

void turns_end(struct queries *self)
{
    while (!are_all_answered(self)) {
        struct asked *a = &self->asked[self->answered++];
        envelope_close(&a->envelope);
        zmq_msg_close(&a->body);
    }
    for (; self->line.count > 0; line_pass(&self->line)) {
        struct asked *a = line_at(&self->line, 0);
        envelope_close(&a->envelope);
        zmq_msg_close(&a->body);
    }
}
