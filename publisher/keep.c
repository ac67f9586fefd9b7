/* Keeping reports: in memory, or in an outbox on the disk.
 *
 * Without an outbox a report is made in the window and stays there until it is confirmed. With
 * one it is made in `staged`, goes to the disk with the others of its group, and only then into
 * the window, from which it is sent; where the window has no room for it, it is read from the
 * disk when it has. So nothing is given to a socket, nor a number to the caller for good,
 * before it is durable.
 *
 * What a confirmation leaves behind (settled) need not be on the disk at once: a process that
 * dies before asks the broker again. It goes with the next commit, or when it is much. */
#include "handle.h"

#include <string.h>

int casebus_publisher_postpone(struct casebus_publisher *self, int error)
{
    if (error == CASEBUS_ENOSPC || error == CASEBUS_ENOMEM) {
        self->stats.outbox_error = error;
        return 0;
    }
    return error;
}

/* Takes over what the outbox says of itself: at the beginning, and under a fresh id. */
static void adopt(struct casebus_publisher *self)
{
    const struct outbox_state *state = casebus_outbox_state(self->outbox);
    self->stats.outbox_salvaged = casebus_outbox_salvaged(self->outbox);
    memcpy(self->id, state->id, sizeof self->id);
    self->base = state->base;
    self->settled = state->settled;
    self->decided = self->cursor = self->granted = state->settled.through;
    self->highest = state->last; /* an earlier process may have sent it all */
    self->met = state->last == 0;
    self->stats.confirmed = state->settled.through;
    self->stats.sent = self->stats.stored = state->last;
    casebus_window_restart(&self->window, state->settled.through + 1, state->settled.check);
    casebus_window_restart(&self->staged, state->last + 1, state->next_check);
}

int casebus_publisher_open_outbox(struct casebus_publisher *self)
{
    const struct casebus_publisher_options *o = &self->options;
    if (!o->outbox) {
        return 0;
    }
    struct outbox_options options = {o->outbox, o->outbox_count, o->outbox_bytes};
    int error = casebus_window_init(&self->staged, o->outbox_group, o->window_bytes);
    error = error ? error : casebus_outbox_open(&self->outbox, &options);
    if (!error) {
        adopt(self);
        self->stats.left = self->stats.sent;
    }
    return error;
}

/* --- commits ------------------------------------------------------------------------------ */

/* Moves what is on the disk now from `staged` into the window, where that has room and is fed
 * up to there. */
static void unstage(struct casebus_publisher *self)
{
    while (self->staged.count > 0 && window_last(&self->window) + 1 == self->staged.first) {
        struct kept *kept = casebus_window_at(&self->staged, self->staged.first);
        if (!casebus_window_has_room(&self->window, kept_size(kept))) {
            break;
        }
        casebus_window_move(&self->staged, &self->window);
    }
    casebus_window_drop(&self->staged, window_last(&self->staged));
}

int casebus_publisher_store(struct casebus_publisher *self, bool reports,
                            const struct outbox_settled *settled, struct casebus_bytes refusals)
{
    struct outbox_change change = {
        .reports = reports ? &self->staged : NULL,
        .settled = settled,
        .refusals = refusals,
        .split_told = self->split_told,
    };
    int error = casebus_outbox_write(self->outbox, &change);
    if (error) {
        return error;
    }
    self->split_told = false;
    self->stats.outbox_error = 0;
    self->stats.stored = casebus_outbox_state(self->outbox)->last;
    if (reports) {
        unstage(self);
    }
    return 0;
}

static int store_staged(struct casebus_publisher *self)
{
    int error = casebus_publisher_store(self, true, &self->settled, casebus_bytes(NULL, 0));
    if (error && error != CASEBUS_ENOSPC && error != CASEBUS_ENOMEM) {
        self->dead = error;
    }
    return error;
}

int casebus_publisher_sync(struct casebus_publisher *self)
{
    if (self->dead || !self->outbox || self->staged.count == 0) {
        return self->dead;
    }
    return store_staged(self);
}

/* --- room --------------------------------------------------------------------------------- */

bool casebus_publisher_has_room(const struct casebus_publisher *self, size_t size)
{
    if (!self->outbox) {
        return casebus_window_has_room(&self->window, size);
    }
    return casebus_window_has_room(&self->staged, size) &&
           casebus_outbox_has_room(self->outbox, self->settled.through, self->staged.count + 1,
                                   self->staged.bytes + size);
}

int casebus_publisher_make_room(struct casebus_publisher *self)
{
    if (!self->outbox) {
        return 0;
    }
    const struct outbox_state *state = casebus_outbox_state(self->outbox);
    bool is_ahead = self->settled.through > state->settled.through ||
                    self->settled.taken > state->settled.taken;
    return self->staged.count > 0 || is_ahead ? store_staged(self) : 0;
}

int casebus_publisher_take(struct casebus_publisher *self, size_t check_at)
{
    casebus_window_push_untied(publisher_tail(self), check_at);
    if (!self->outbox) {
        self->stats.sent = self->stats.stored = window_last(&self->window);
        return 0;
    }
    uint64_t number = window_last(&self->staged);
    if (self->staged.count >= self->options.outbox_group ||
        self->staged.bytes >= self->options.window_bytes / 2) {
        int error = store_staged(self);
        if (error) {
            casebus_window_pop(&self->staged);
            return error;
        }
    }
    self->stats.sent = number;
    return 0;
}

/* --- reading on --------------------------------------------------------------------------- */

int casebus_publisher_feed(struct casebus_publisher *self, int64_t now)
{
    /* Until the broker has said what it knows, nobody can tell whether a damaged report is one
     * that it has. */
    while (self->outbox && self->met && window_last(&self->window) < self->stats.stored) {
        struct outbox_damage damage;
        int rc = casebus_outbox_feed(self->outbox, &self->window, &damage);
        if (rc == CASEBUS_ECORRUPT) {
            rc = casebus_publisher_mend(self, &damage);
        } else if (rc == CASEBUS_EDIVERGED) {
            rc = casebus_publisher_diverge(self, &self->settled.broker, now);
        } else {
            return casebus_publisher_postpone(self, rc);
        }
        if (rc) {
            return casebus_publisher_postpone(self, rc);
        }
    }
    return 0;
}

/* --- telling ------------------------------------------------------------------------------ */

void casebus_publisher_tell(struct casebus_publisher *self,
                            const struct casebus_refusal *refusal)
{
    self->stats.refusals++;
    if (self->options.refused) {
        self->options.refused(self->options.refused_arg, refusal);
    }
}

int casebus_publisher_tell_kept(struct casebus_publisher *self)
{
    if (!self->outbox) {
        return 0;
    }
    const struct outbox_state *state = casebus_outbox_state(self->outbox);
    if (state->split.last > 0 && !self->split_told) {
        struct casebus_divergence divergence = {state->split.id, state->split.first,
                                                state->split.last};
        self->split_told = true;
        if (self->options.diverged) {
            self->options.diverged(self->options.diverged_arg, &divergence);
        }
    }
    struct casebus_refusal refusal;
    uint64_t key;
    int rc;
    while ((rc = casebus_outbox_refusal(self->outbox, self->settled.taken, &key, &refusal)) ==
           1) {
        casebus_publisher_tell(self, &refusal);
        self->settled.taken = key;
    }
    return rc;
}
