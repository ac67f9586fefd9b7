/* What follows from a confirmation.
 *
 * In this order: is it an answer to us, newer than the last, and does the broker's history of
 * us agree with ours? Then what it refused is written down (with an outbox) or told to the
 * caller (without), then what is decided is let go of, and last, what it wants is sent again.
 * So a step that fails leaves everything as it was, and the next poll brings the same. */
#include "handle.h"
#include "refusal.h"

#include <string.h>

#define POLL_PAUSE_MS 20  /* after an answer without news */
#define POLL_GATHER_MS 5  /* from poll to poll after news, where nobody waits for the next */
#define POLL_ERROR_MS 500 /* after an answer that is an error, behind, or not storable */
#define SETTLE_EVERY 1024 /* decided reports stay on the disk at most so long */

/* check(number), from memory or from the disk; false: it is not known any more. */
static bool check_of(struct casebus_publisher *self, uint64_t number, unsigned char *check)
{
    const unsigned char *known = casebus_window_check(&self->window, number);
    if (known) {
        memcpy(check, known, CASEBUS_CHECK_SIZE);
        return true;
    }
    return self->outbox && casebus_outbox_check(self->outbox, number, check) == 0;
}

/* Has the broker decided what we sent? Then the number is one that we have sent and still know
 * the check of, and the checks are equal. */
static bool agrees(struct casebus_publisher *self, const struct confirm_answer *answer)
{
    unsigned char check[CASEBUS_CHECK_SIZE];
    if (answer->decided > self->highest - self->base ||
        answer->decided < self->stats.confirmed - self->base) {
        return false;
    }
    return check_of(self, self->base + answer->decided + 1, check) &&
           memcmp(check, answer->check, CASEBUS_CHECK_SIZE) == 0;
}

static bool is_behind(const struct broker_state *seen, const struct broker_state *now)
{
    return seen->known && memcmp(seen->epoch, now->epoch, CASEBUS_EPOCH_SIZE) == 0 &&
           now->entry < seen->entry;
}

/* --- what is decided ---------------------------------------------------------------------- */

/* Without an outbox: the caller hears of what is about to be let go of. */
static void tell_window(struct casebus_publisher *self, const struct confirm_answer *answer,
                        uint64_t through)
{
    struct refusal_walk walk;
    casebus_walk_begin(&walk, answer->refusals);
    for (uint64_t n = self->stats.confirmed + 1; n <= through; n++) {
        const struct kept *kept = casebus_window_at(&self->window, n);
        if (casebus_walk_at(&walk, n - self->base)) {
            struct casebus_refusal refusal = casebus_refusal_told(
                &walk.next, kept->cause, n, kept_topic(kept), kept_body(kept));
            casebus_publisher_tell(self, &refusal);
        }
    }
}

/* With an outbox: what there is to tell is on the disk before the broker may forget it. */
static int write_down(struct casebus_publisher *self, const struct confirm_answer *answer,
                      const struct outbox_settled *settled, bool refuses)
{
    const struct outbox_state *state = casebus_outbox_state(self->outbox);
    bool must = refuses || (state->voids > 0 && settled->through > self->stats.confirmed);
    if (!must && settled->through - state->settled.through < SETTLE_EVERY) {
        return 0;
    }
    int error = casebus_publisher_store(self, false, settled, answer->refusals);
    return must ? error : casebus_publisher_postpone(self, error);
}

static void count_outcomes(struct casebus_publisher *self, const struct confirm_answer *answer)
{
    bool is_left = self->stats.confirmed < self->stats.left;
    for (int i = 0; i < CASEBUS_OUTCOME_COUNT; i++) {
        if (answer->outcomes[i] > self->settled.outcomes[i]) {
            uint64_t more = answer->outcomes[i] - self->settled.outcomes[i];
            self->stats.outcomes[i] += more;
            self->stats.left_outcomes[i] += is_left ? more : 0;
        }
    }
}

static void let_go(struct casebus_publisher *self, const struct outbox_settled *settled)
{
    uint64_t taken = self->settled.taken;
    self->settled = *settled;
    self->settled.taken = taken;
    self->stats.confirmed = settled->through;
    casebus_sessions_confirmed(&self->sessions, settled->through);
    if (settled->through > window_last(&self->window)) {
        casebus_window_restart(&self->window, settled->through + 1, settled->check);
    } else {
        casebus_window_drop(&self->window, settled->through);
    }
    if (self->cursor < settled->through) {
        self->cursor = settled->through;
    }
}

/* 0, or a code: nothing of the answer has been taken. */
static int settle(struct casebus_publisher *self, const struct confirm_answer *answer)
{
    uint64_t refused;
    int error = casebus_refusals_check(answer->refusals, answer->decided, &refused);
    if (error) {
        return error;
    }
    struct outbox_settled settled = self->settled;
    uint64_t confirmed = self->stats.confirmed;
    bool refuses = refused > confirmed - self->base;
    if (!answer->more) {
        settled.through = self->base + answer->decided;
    } else if (refuses) { /* what was refused behind the last one comes with the next poll */
        settled.through = self->base + refused;
    }
    if (!check_of(self, settled.through + 1, settled.check)) {
        return CASEBUS_EPROTO;
    }
    settled.broker = answer->state;
    memcpy(settled.outcomes, answer->outcomes, sizeof settled.outcomes);
    if (self->outbox) {
        error = write_down(self, answer, &settled, refuses);
    } else {
        tell_window(self, answer, settled.through);
    }
    if (!error) {
        count_outcomes(self, answer);
        let_go(self, &settled);
        error = casebus_publisher_tell_kept(self);
    }
    return error;
}

/* --- the answer --------------------------------------------------------------------------- */

static void note_held(struct casebus_publisher *self, struct casebus_bytes held)
{
    size_t room = sizeof self->stats.held - 1, size = held.size < room ? held.size : room;
    if (size > 0) {
        memcpy(self->stats.held, held.data, size);
    }
    self->stats.held[size] = '\0';
}

static void serve(struct casebus_publisher *self, const struct confirm_answer *answer,
                  int64_t now)
{
    uint64_t want = self->base + answer->want;
    if (answer->want == answer->decided + 1 && want <= self->cursor &&
        casebus_pace_serve(&self->pace, want, now)) {
        casebus_publisher_go_back(self, want, now);
    }
}

/* Kept well below resend_ms, after which silence is taken for a loss. */
static int64_t gather_ms(const struct casebus_publisher *self)
{
    int64_t most = self->options.resend_ms / 4;
    return most < POLL_GATHER_MS ? most : POLL_GATHER_MS;
}

static int take(struct casebus_publisher *self, const struct confirm_answer *answer,
                int64_t now)
{
    uint64_t before = self->stats.confirmed;
    int error = settle(self, answer);
    if (error == CASEBUS_EPROTO) {
        self->stats.broker_error = error;
        return 0;
    }
    casebus_sessions_stop(&self->sessions, answer->stop, &self->options);
    if (error) {
        return casebus_publisher_postpone(self, error);
    }
    uint64_t decided = self->base + answer->decided;
    if (decided > self->decided) {
        casebus_pace_moved(&self->pace, decided - self->decided, now);
    }
    self->decided = decided;
    self->lag = publisher_undecided(self);
    self->granted = self->poll_after;
    self->met = true;
    self->poll_due = now + POLL_PAUSE_MS;
    self->poll_gathers = self->stats.confirmed > before;
    if (self->poll_gathers) {
        int64_t due = self->poll_sent + gather_ms(self);
        self->poll_due = due > now ? due : now;
    }
    note_held(self, answer->held);
    serve(self, answer, now);
    return 0;
}

int casebus_publisher_answered(struct casebus_publisher *self, struct casebus_bytes body,
                               int64_t now)
{
    struct confirm_answer answer;
    self->poll_out = false;
    self->poll_due = now + POLL_ERROR_MS;
    self->poll_gathers = false;
    self->stats.answers++;
    self->stats.broker_error = casebus_confirm_decode(body, self->id, &answer);
    if (self->stats.broker_error || is_behind(&self->settled.broker, &answer.state)) {
        return 0;
    }
    if (!agrees(self, &answer)) {
        return casebus_publisher_postpone(self,
                                          casebus_publisher_diverge(self, &answer.state, now));
    }
    return take(self, &answer, now);
}
