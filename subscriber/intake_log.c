/* A reader's questions about the log, and what it makes of the answers; see intake.c. */
#include "intake.h"

#include <string.h>

#define QUESTION_INTERVAL_MS 1000 /* about a topic that may lack nothing */
#define BEHIND_MS 100             /* before a broker that is behind is asked again */
#define REFUSED_MS 500
#define NEVER_MET (UINT64_MAX - 1) /* as an `after` it is answered at once, without events */

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
    struct slot *slot;
    if (self->asked == ASKED_NOTHING) {
        return 0; /* the bounds, or no memory, ended it */
    }
    const int rc = intake_copy(self, topic, body, &slot);
    if (rc == CASEBUS_ENOMEM) { /* the answer ends here, and is asked for again */
        self->asked = ASKED_NOTHING;
        casebus_have_answered(self->have, 0);
        return rc;
    }
    if (rc != 0) {
        self->stats.undecodable++;
    } else if (!is_new(self, &slot->event)) {
        self->stats.duplicates++;
        hold_recycle(&self->hold, slot);
    } else {
        slot->origin =
            self->asked == ASKED_REPAIR || self->pull_repairs ? FROM_REPAIR : FROM_LOG;
        self->pulled = self->asked == ASKED_PULL ? slot->event.seq : self->pulled;
        hold_add(&self->hold, &self->hold.ready, slot);
        if (self->asked == ASKED_REPAIR) {
            intake_keep_bounds(self);
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
        (void)intake_offer(self, hold_take(&self->hold, &parked));
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
