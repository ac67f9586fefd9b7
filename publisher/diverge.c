/* What cannot go as it is: reports under an id whose history is lost, reports that are damaged,
 * reports that are taken back.
 *
 * The broker decides a number once, and the checks tie each report to all before it. So where
 * its history and ours part (it was put back to an older store, we to an older outbox, or two
 * of us go on from one), nothing can be sent under that id again: everything unconfirmed goes
 * under a fresh one. With an outbox that is on the disk before anything goes out. What was
 * decided and not yet confirmed is then sent a second time, which the caller is told.
 *
 * One report that cannot be sent goes as a void under its number, with the hash of what it
 * stands for, so that the chain goes on. */
#include "handle.h"

#include <sodium.h>
#include <string.h>

#define REASON_MAX 256

/* --- a fresh id --------------------------------------------------------------------------- */

/* All of the window again, under another id. */
static int renumber_window(struct casebus_publisher *self, const unsigned char *id,
                           struct window *fresh)
{
    static const unsigned char zero[CASEBUS_CHECK_SIZE];
    int error = casebus_window_init(fresh, self->window.places, self->window.bytes_max);
    if (error) {
        return error;
    }
    casebus_window_restart(fresh, self->window.first, zero);
    while (!error && window_last(fresh) < window_last(&self->window)) {
        unsigned char next_check[CASEBUS_CHECK_SIZE];
        uint64_t number = window_last(fresh) + 1;
        struct casebus_report_parts parts = {.publisher = id,
                                             .number = number - self->stats.confirmed,
                                             .check = fresh->next_check};
        error = casebus_compose_again(casebus_window_at(&self->window, number), &parts,
                                      casebus_window_next(fresh), next_check);
        if (!error) {
            casebus_window_push(fresh, next_check);
        }
    }
    if (error) {
        casebus_window_clear(fresh);
    }
    return error;
}

/* Without an outbox: in memory, and told at once. */
static int diverge_in_memory(struct casebus_publisher *self, const unsigned char *id,
                             const struct broker_state *broker)
{
    struct window fresh;
    int error = renumber_window(self, id, &fresh);
    if (error) {
        return error;
    }
    unsigned char old_id[CASEBUS_PUBLISHER_SIZE];
    memcpy(old_id, self->id, sizeof old_id);
    memcpy(self->id, id, sizeof self->id);
    casebus_window_clear(&self->window);
    self->window = fresh;
    self->base = self->stats.confirmed;
    self->settled =
        (struct outbox_settled){.through = self->stats.confirmed, .broker = *broker};
    if (self->options.diverged) {
        struct casebus_divergence divergence = {old_id, self->base + 1, self->stats.sent};
        self->options.diverged(self->options.diverged_arg, &divergence);
    }
    return 0;
}

/* With one: what is staged and settled first, so that the disk has everything; then the rest is
 * one commit. It is told as what it has become on the disk. */
static int diverge_on_disk(struct casebus_publisher *self, const unsigned char *id,
                           const struct broker_state *broker)
{
    int error = casebus_publisher_store(self, true, &self->settled, casebus_bytes(NULL, 0));
    error = error ? error : casebus_outbox_renumber(self->outbox, id, broker);
    if (error) {
        return error;
    }
    const struct outbox_state *state = casebus_outbox_state(self->outbox);
    memcpy(self->id, state->id, sizeof self->id);
    self->base = state->base;
    self->settled = state->settled;
    casebus_window_restart(&self->window, state->base + 1, state->settled.check);
    casebus_window_restart(&self->staged, state->last + 1, state->next_check);
    return casebus_publisher_tell_kept(self);
}

int casebus_publisher_diverge(struct casebus_publisher *self, const struct broker_state *broker,
                              int64_t now)
{
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    randombytes_buf(id, sizeof id);
    struct broker_state state = *broker; /* which may be a part of what is changed below */
    int error =
        self->outbox ? diverge_on_disk(self, id, &state) : diverge_in_memory(self, id, &state);
    if (error) {
        return error;
    }
    self->decided = self->cursor = self->highest = self->granted = self->base;
    self->met = true;
    self->poll_out = false; /* the poll that is on its way is about the old id */
    self->poll_due = now;
    self->stats.diverged++;
    self->stats.held[0] = '\0';
    casebus_pace_init(&self->pace, self->options.resend_ms, self->options.resend_max_ms,
                      self->options.window);
    casebus_pace_moved(&self->pace, 0, now);
    return 0;
}

/* --- voids -------------------------------------------------------------------------------- */

/* Makes the void that goes in the place of `number`; kept->check and hash are those of the
 * report it stands for. */
static int make_void(struct casebus_publisher *self, uint64_t number,
                     struct casebus_bytes topic, const char *reason, enum kept_cause cause,
                     struct kept *kept)
{
    unsigned char hash[CASEBUS_HASH_SIZE];
    memcpy(hash, kept->hash, sizeof hash);
    struct casebus_report_parts parts = {
        .publisher = self->id,
        .number = number - self->base,
        .check = kept->check,
        .void_reason = casebus_cstr(reason),
        .void_hash = hash,
    };
    kept->cause = cause;
    return casebus_compose_void(topic, &parts, kept);
}

int casebus_publisher_mend(struct casebus_publisher *self, const struct outbox_damage *damage)
{
    struct kept kept;
    memcpy(kept.check, self->window.next_check, sizeof kept.check);
    memcpy(kept.hash, damage->hash, sizeof kept.hash);
    struct casebus_bytes topic =
        casebus_bytes(damage->topic_size ? damage->topic : NULL, damage->topic_size);
    int error = make_void(self, damage->number, topic, OUTBOX_DAMAGED, KEPT_DAMAGED, &kept);
    if (!error) {
        error = casebus_outbox_replace(self->outbox, damage->number, &kept);
        kept_close(&kept);
    }
    return error;
}

/* What a void for this report needs: its topic (the caller closes it), check and hash. */
static int find(struct casebus_publisher *self, uint64_t number, struct kept *found)
{
    struct kept *kept = casebus_window_at(&self->window, number);
    if (!kept) {
        return self->outbox ? casebus_outbox_read(self->outbox, number, found)
                            : CASEBUS_ENOTFOUND;
    }
    *found = *kept;
    return casebus_compose_copy(kept_topic(kept), kept_body(kept), found);
}

int casebus_publisher_withdraw(struct casebus_publisher *self, uint64_t number,
                               const char *reason)
{
    if (strlen(reason) > REASON_MAX || !casebus_utf8_valid(casebus_cstr(reason))) {
        return CASEBUS_EINVAL;
    }
    int error = casebus_publisher_sync(self);
    if (error || number <= self->stats.confirmed || number > self->stats.stored) {
        return error ? error : CASEBUS_ENOTFOUND;
    }
    struct kept old, kept;
    error = find(self, number, &old);
    if (error) {
        return error;
    }
    kept = old;
    error = make_void(self, number, kept_topic(&old), reason, KEPT_WITHDRAWN, &kept);
    kept_close(&old);
    if (error) {
        return error;
    }
    if (self->outbox) {
        error = casebus_outbox_replace(self->outbox, number, &kept);
    }
    if (!error && casebus_window_at(&self->window, number)) {
        casebus_window_replace(&self->window, number, &kept);
    } else {
        kept_close(&kept);
    }
    return error;
}
