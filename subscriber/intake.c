/* A reader: every event once, and in order.
 *
 * An event is taken where nothing is missing before it in its stream (have.c). One that is not
 * taken is parked: the log is asked for what is missing, and when the answer has come the
 * parked ones are offered again, so a stream that goes on while it is repaired is not repaired
 * for ever.
 *
 * A reader that waits for proof (ordered, of more than one stream) keeps what it has taken
 * until everything before it, in every stream, is there: that is the base of have.c, which
 * heads move, normally with each batch. When more waits than it may, it drops all of it and
 * pulls: it reads the log from its cursor, all patterns, page by page, each of which proves
 * itself. Starting from the log is the same. Meanwhile what comes live is dropped: the pages
 * will have it, and what they end before is found missing by its heads.
 *
 * Other readers hand over what they have taken at once.
 *
 * Contract: what was handed over is never handed over again, and nothing is passed over but
 * what has been told as gone. */
#include "intake.h"

#include <string.h>

#define QUESTION_INTERVAL_MS 1000 /* about a topic that may lack nothing */
#define BEHIND_MS 100             /* before a broker that is behind is asked again */
#define REFUSED_MS 500
#define NEVER_MET (UINT64_MAX - 1) /* as an `after` it is answered at once, without events */

void intake_init(struct intake *self, struct have *have, const char *const *patterns,
                 size_t count, const struct casebus_subscriber_options *options)
{
    memset(self, 0, sizeof *self);
    hold_init(&self->hold);
    self->have = have;
    self->pattern = patterns;
    self->patterns = count;
    self->hold_events = options->hold_events;
    self->hold_bytes = options->hold_bytes;
    self->unordered = options->unordered;
    self->one = casebus_have_is_one(have);
    self->waits = !self->unordered && !self->one;
}

static void recycle(struct intake *self, struct slot **slot)
{
    if (*slot != NULL) {
        hold_recycle(&self->hold, *slot);
        *slot = NULL;
    }
}

void intake_end(struct intake *self)
{
    recycle(self, &self->blank);
    recycle(self, &self->current);
    hold_end(&self->hold);
    casebus_have_destroy(&self->have);
}

static void drop_all(struct intake *self)
{
    hold_drop(&self->hold, &self->hold.ready);
    hold_drop(&self->hold, &self->hold.parked);
}

void intake_begin(struct intake *self, const unsigned char *epoch, uint64_t seq, bool from_log)
{
    drop_all(self);
    memmove(self->epoch, epoch, sizeof self->epoch); /* it may be the same */
    casebus_have_reset(self->have, seq);
    self->proved = self->handed = self->pulled = seq;
    self->pulling = from_log;
    self->pull_repairs = self->epoch_doubt = self->one_by_one = false;
    self->asked = ASKED_NOTHING;
    self->ask_at = self->doubt_at = 0;
}

static bool is_mine(struct intake *self, const unsigned char *epoch)
{
    bool mine = memcmp(self->epoch, epoch, sizeof self->epoch) == 0;
    self->epoch_doubt = self->epoch_doubt || !mine;
    return mine;
}

/* --- bounds ----------------------------------------------------------------------------- */

/* Too much waits. What waits for proof is read again from the cursor; where nothing waits for
 * it, only what is parked can be many, and that was not taken: it is missing, and will be asked
 * for as such. */
static void keep_bounds(struct intake *self)
{
    if (self->hold.count <= self->hold_events && self->hold.bytes <= self->hold_bytes) {
        return;
    }
    if (!self->waits) {
        hold_drop(&self->hold, &self->hold.parked);
        return;
    }
    const uint64_t cursor = intake_cursor(self);
    intake_begin(self, self->epoch, cursor, true);
    self->pull_repairs = true;
    self->stats.overflows++;
}

/* --- live ------------------------------------------------------------------------------- */

struct slot *intake_slot(struct intake *self)
{
    if (self->blank == NULL) {
        self->blank = hold_slot(&self->hold);
    }
    return self->blank;
}

/* Judges the event of a slot, which goes where it belongs. */
static int offer(struct intake *self, struct slot *slot)
{
    switch (casebus_have_event(self->have, &slot->event)) {
    case HAVE_NEW:
        hold_add(&self->hold, &self->hold.ready, slot);
        return 0;
    case HAVE_HOLE:
        hold_add(&self->hold, &self->hold.parked, slot);
        return 0;
    case HAVE_NO_MEMORY:
        hold_recycle(&self->hold, slot); /* its heads will show it missing */
        return CASEBUS_ENOMEM;
    case HAVE_DUPLICATE:
        self->stats.duplicates++;
        hold_recycle(&self->hold, slot);
        return 0;
    case HAVE_FOREIGN:
    default:
        self->stats.undecodable++;
        hold_recycle(&self->hold, slot);
        return 0;
    }
}

int intake_event(struct intake *self)
{
    struct slot *slot = self->blank;
    if (!is_mine(self, slot->event.epoch) || self->pulling) {
        return 0;
    }
    self->blank = NULL;
    slot->origin = FROM_SOCKET;
    const int rc = offer(self, slot);
    keep_bounds(self);
    return rc;
}

int intake_heads(struct intake *self, const struct casebus_heads *heads)
{
    self->stats.heads++;
    if (!is_mine(self, heads->epoch) || self->pulling) {
        return 0;
    }
    struct casebus_reader streams;
    casebus_reader_init(&streams, heads->streams);
    for (uint32_t left = casebus_read_map(&streams); left > 0; left--) {
        const struct casebus_bytes stream = casebus_read_str(&streams);
        const uint64_t head = casebus_read_uint(&streams);
        if (streams.error != 0 || casebus_have_head(self->have, stream, head) != 0) {
            return streams.error != 0 ? 0 : CASEBUS_ENOMEM; /* it claims nothing */
        }
    }
    casebus_have_claim(self->have, heads->is_batch ? heads->before : 0, heads->seq);
    (void)casebus_have_base(self->have);
    return 0;
}

static void count_event(struct intake *self, const struct slot *slot)
{
    self->stats.received++;
    self->stats.replayed += slot->origin == FROM_LOG;
    self->stats.repaired += slot->origin == FROM_REPAIR;
}

static bool is_proved(struct intake *self, uint64_t seq)
{
    if (seq > self->proved) {
        self->proved = casebus_have_base(self->have);
    }
    return seq <= self->proved;
}

bool intake_next(struct intake *self, const struct casebus_event **event)
{
    const struct slot *first = self->hold.ready.first;
    recycle(self, &self->current);
    if (first == NULL || (self->waits && !is_proved(self, first->event.seq))) {
        return false;
    }
    self->current = hold_take(&self->hold, &self->hold.ready);
    self->handed = self->current->event.seq;
    count_event(self, self->current);
    *event = &self->current->event;
    return true;
}

/* --- asking ----------------------------------------------------------------------------- */

int64_t intake_due(const struct intake *self)
{
    if (self->asked != ASKED_NOTHING) {
        return INT64_MAX;
    }
    if (self->pulling) { /* the next page while this one is handed over */
        return self->hold.count <= CASEBUS_REPLAY_MAX ? self->ask_at : INT64_MAX;
    }
    if (self->epoch_doubt || casebus_have_holes(self->have) > 0) {
        return self->ask_at;
    }
    if (casebus_have_doubts(self->have) > 0) {
        return self->doubt_at > self->ask_at ? self->doubt_at : self->ask_at;
    }
    return INT64_MAX;
}

static void ask_for_all(struct intake *self, struct question *question, uint64_t after)
{
    memcpy(question->patterns, self->pattern, self->patterns * sizeof *self->pattern);
    question->count = self->patterns;
    question->after = after;
}

static void ask_for_missing(struct intake *self, int64_t now, struct question *question)
{
    const size_t limit = self->one_by_one ? 1 : CASEBUS_PATTERNS_MAX;
    const bool doubts_too = now >= self->doubt_at;
    question->count =
        casebus_have_ask(self->have, limit, doubts_too, question->patterns, &question->after);
    if (doubts_too && casebus_have_doubts(self->have) > 0) {
        self->doubt_at = now + QUESTION_INTERVAL_MS;
    }
}

void intake_question(struct intake *self, int64_t now, struct question *question)
{
    self->stats.questions++;
    if (self->pulling) {
        self->asked = ASKED_PULL;
        ask_for_all(self, question, self->pulled);
    } else if (self->epoch_doubt) {
        self->asked = ASKED_EPOCH;
        ask_for_all(self, question, NEVER_MET);
    } else {
        self->asked = ASKED_REPAIR;
        ask_for_missing(self, now, question);
    }
    self->asked_for = question->count;
    self->asked_after = question->after;
    self->asked = question->count > 0 ? self->asked : ASKED_NOTHING;
}

/* --- answers ---------------------------------------------------------------------------- */

static int tell_gone(struct intake *self, struct casebus_gap gap)
{
    memcpy(self->gap_stream, gap.stream.data, gap.stream.size);
    gap.stream.data = (const unsigned char *)self->gap_stream;
    self->gap = gap;
    self->stats.lost += gap.through - gap.after;
    return CASEBUS_EGAP;
}

static int answer_pull(struct intake *self, const struct answer *answer)
{
    if (answer->gone <= self->pulled) {
        return 0;
    }
    const struct casebus_gap gap = {
        .stream = casebus_cstr(""), .after = self->pulled, .through = answer->gone};
    self->pulled = answer->gone;
    return tell_gone(self, gap);
}

static int answer_repair(struct intake *self, int64_t now, const struct answer *answer)
{
    struct casebus_gap gap;
    if (answer->behind) {
        self->ask_at = now + BEHIND_MS;
    }
    /* Which of several it is gone from, the answer does not say. */
    bool unclear = answer->gone > 0 && self->asked_for > 1;
    self->one_by_one = self->one_by_one || unclear;
    if (answer->behind || unclear) {
        self->asked = ASKED_NOTHING;
        casebus_have_answered(self->have, 0);
        return 0;
    }
    return casebus_have_gone(self->have, answer->gone, &gap) ? tell_gone(self, gap) : 0;
}

int intake_answer(struct intake *self, int64_t now, const struct answer *answer)
{
    if (self->asked == ASKED_NOTHING) {
        return 0;
    }
    if (memcmp(self->epoch, answer->epoch, sizeof self->epoch) != 0) {
        intake_begin(self, answer->epoch, answer->seq, false);
        self->stats.epochs++;
        return CASEBUS_EEPOCH;
    }
    self->epoch_doubt = false;
    self->answer_seq = answer->seq;
    self->answer_through = answer->through;
    switch (self->asked) {
    case ASKED_PULL:
        return answer_pull(self, answer);
    case ASKED_REPAIR:
        return answer_repair(self, now, answer);
    default: /* that message came from elsewhere, and more of them may */
        self->asked = ASKED_NOTHING;
        self->ask_at = now + BEHIND_MS;
        return 0;
    }
}

/* An answer is of one history, the one it names. */
static bool is_new(struct intake *self, const struct casebus_event *event)
{
    if (self->asked == ASKED_PULL) {
        return event->seq > self->pulled;
    }
    return casebus_have_logged(self->have, event) == HAVE_NEW;
}

int intake_logged(struct intake *self, struct casebus_bytes topic, struct casebus_bytes body)
{
    struct casebus_fault fault;
    struct slot *slot;
    if (self->asked == ASKED_NOTHING) {
        return 0; /* the bounds ended it */
    }
    slot = hold_slot(&self->hold);
    if (slot == NULL || !slot_fill(slot, topic, body)) {
        recycle(self, &slot);
        intake_begin(self, self->epoch, intake_cursor(self), true);
        return CASEBUS_ENOMEM;
    }
    slot_look(slot, &topic, &body);
    if (casebus_event_read(topic, body, &slot->event, &fault) != 0) {
        self->stats.undecodable++;
        hold_recycle(&self->hold, slot);
    } else if (!is_new(self, &slot->event)) {
        self->stats.duplicates++;
        hold_recycle(&self->hold, slot);
    } else {
        slot->origin =
            self->asked == ASKED_REPAIR || self->pull_repairs ? FROM_REPAIR : FROM_LOG;
        hold_add(&self->hold, &self->hold.ready, slot);
        if (self->asked == ASKED_REPAIR) {
            keep_bounds(self);
        }
    }
    return 0;
}

/* What was parked is offered again, in order: one event makes the next possible. */
static void offer_parked(struct intake *self)
{
    struct queue parked = self->hold.parked;
    self->hold.parked = (struct queue){0};
    while (parked.first != NULL) {
        (void)offer(self, hold_take(&self->hold, &parked));
    }
}

void intake_answered(struct intake *self, int64_t now)
{
    const enum intake_asked asked = self->asked;
    self->asked = ASKED_NOTHING;
    if (asked == ASKED_PULL) {
        if (self->answer_through > self->pulled) { /* or it is behind what is gone */
            self->pulled = self->answer_through;
        }
        casebus_have_reset(self->have, self->pulled);
        self->pulling = self->pulled < self->answer_seq; /* not where the broker is behind */
        self->pull_repairs = self->pull_repairs && self->pulling;
    } else if (asked == ASKED_REPAIR) {
        casebus_have_answered(self->have, self->answer_through);
        offer_parked(self);
        (void)casebus_have_base(self->have);
        self->one_by_one = self->one_by_one && casebus_have_holes(self->have) > 0;
        if (self->answer_through <= self->asked_after) {
            self->ask_at = now + BEHIND_MS; /* the broker is not there yet */
        }
    }
}

void intake_refused(struct intake *self, int64_t now)
{
    self->asked = ASKED_NOTHING;
    self->ask_at = now + REFUSED_MS;
    casebus_have_answered(self->have, 0);
}

/* --- where it stands -------------------------------------------------------------------- */

uint64_t intake_cursor(struct intake *self)
{
    const struct slot *next = self->hold.ready.first;
    const uint64_t base = casebus_have_base(self->have);
    if (base <= self->handed || (next != NULL && next->event.seq <= base)) {
        return self->handed;
    }
    return base;
}

bool intake_is_repairing(const struct intake *self)
{
    return casebus_have_holes(self->have) > 0 || self->epoch_doubt ||
           (self->pulling && self->pull_repairs);
}
