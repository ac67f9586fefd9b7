/* What goes into the outbox and comes out of it: each function that writes is one commit, but
 * for what is let go on a full disk.
 *
 * Everything read is compared with its digest, and with the chain of checks that ties each
 * report to the one before it: a report that is damaged is never sent as it is. Where its hash
 * is still known (the chain says so) a void can take its place; where it is not, nobody can
 * continue the chain, and what is kept has to go under a fresh id. */
#include "compose.h"
#include "outbox_private.h"
#include "refusal.h"

#include <stdlib.h>
#include <string.h>

/* Kept free whenever reports are added, for the commit that lets them go. */
#define SPARE (1ull << 20)

int outbox_get(MDB_txn *txn, MDB_dbi dbi, uint64_t number, MDB_val *value)
{
    unsigned char bytes[8];
    MDB_val key = outbox_key(number, bytes);
    return outbox_error(mdb_get(txn, dbi, &key, value));
}

bool casebus_outbox_has_room(const struct outbox *self, uint64_t through, uint64_t count,
                             uint64_t bytes)
{
    uint64_t kept = self->state.last - through;
    uint64_t all = self->state.bytes + count * (OUTBOX_REPORT_HEAD + OUTBOX_DIGEST) + bytes;
    return (kept == 0 && count == 1) ||
           (kept + count <= self->options.count_max && all <= self->options.bytes_max);
}

/* --- writing ------------------------------------------------------------------------------ */

/* LMDB fills pages where what is put is behind all the rest, as it is here unless a key is
 * damaged. */
static int put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
    int rc = mdb_put(txn, dbi, key, value, flags);
    if (rc == MDB_KEYEXIST) {
        rc = mdb_put(txn, dbi, key, value, flags & ~(unsigned)MDB_APPEND);
    }
    return outbox_error(rc);
}

int outbox_put_report(struct outbox *self, MDB_txn *txn, uint64_t number,
                      const struct kept *kept, const unsigned char *check, unsigned flags)
{
    unsigned char bytes[8];
    MDB_val key = outbox_key(number, bytes), value = {outbox_report_size(kept), NULL};
    int error = put(txn, self->reports, &key, &value, MDB_RESERVE | flags);
    if (!error) {
        outbox_pack_report(kept, check, value.mv_data);
        self->written += value.mv_size;
    }
    return error;
}

static int put_refusal(struct outbox *self, MDB_txn *txn, struct outbox_state *state,
                       const struct casebus_refusal *refusal)
{
    unsigned char bytes[8];
    self->scratch.size = 0;
    outbox_pack_refusal(refusal, &self->scratch);
    MDB_val key = outbox_key(state->refusals + 1, bytes);
    MDB_val value = {self->scratch.size, self->scratch.data};
    int error = put(txn, self->refusals, &key, &value, MDB_APPEND);
    if (!error) {
        state->refusals++;
        self->written += value.mv_size;
        state->bytes += value.mv_size;
    }
    return error;
}

/* A report that is decided: is there anything to tell of it? Then that is written down. */
static int note_refusal(struct outbox *self, MDB_txn *txn, struct outbox_state *state,
                        struct refusal_walk *walk, uint64_t number, MDB_val value)
{
    struct outbox_report report;
    bool refused = casebus_walk_at(walk, number - state->base);
    if (!refused && state->voids == 0) {
        return 0;
    }
    (void)outbox_unpack_report(outbox_bytes(value), &report); /* as far as it can be read */
    if (report.cause != KEPT_WHOLE) {
        state->voids = outbox_less(state->voids, 1);
    }
    if (!refused) {
        return 0;
    }
    struct casebus_refusal refusal =
        casebus_refusal_told(&walk->next, report.cause, number, report.topic, report.body);
    return put_refusal(self, txn, state, &refusal);
}

static int let_go(struct outbox *self, MDB_txn *txn, struct outbox_state *state,
                  const struct outbox_change *change)
{
    struct refusal_walk walk;
    int error = 0;
    casebus_walk_begin(&walk, change->refusals);
    for (uint64_t n = state->settled.through + 1; !error && n <= change->settled->through;
         n++) {
        unsigned char bytes[8];
        MDB_val key = outbox_key(n, bytes), value;
        error = outbox_error(mdb_get(txn, self->reports, &key, &value));
        if (!error) {
            uint64_t size = value.mv_size;
            error = note_refusal(self, txn, state, &walk, n, value);
            error = error ? error : outbox_error(mdb_del(txn, self->reports, &key, NULL));
            state->bytes = outbox_less(state->bytes, size);
            self->deleted++;
        }
        error = error == CASEBUS_ENOTFOUND ? 0 : error;
    }
    return error;
}

static int let_go_of_refusals(struct outbox *self, MDB_txn *txn, struct outbox_state *state,
                              uint64_t taken)
{
    int error = 0;
    for (uint64_t n = state->settled.taken + 1; !error && n <= taken; n++) {
        unsigned char bytes[8];
        MDB_val key = outbox_key(n, bytes), value;
        error = outbox_error(mdb_get(txn, self->refusals, &key, &value));
        if (!error) {
            state->bytes = outbox_less(state->bytes, value.mv_size);
            self->deleted++;
            error = outbox_error(mdb_del(txn, self->refusals, &key, NULL));
        }
        error = error == CASEBUS_ENOTFOUND ? 0 : error;
    }
    return error;
}

static int add(struct outbox *self, MDB_txn *txn, struct outbox_state *state,
               struct window *reports)
{
    int error = 0;
    for (uint64_t n = state->last + 1; !error && n <= window_last(reports); n++) {
        const struct kept *kept = casebus_window_at(reports, n);
        error = outbox_put_report(self, txn, n, kept, kept->check, MDB_APPEND);
        state->bytes += outbox_report_size(kept);
    }
    state->last = window_last(reports);
    memcpy(state->next_check, reports->next_check, sizeof state->next_check);
    return error;
}

static int write_at_once(struct outbox *self, const struct outbox_change *change)
{
    struct outbox_state state = self->state;
    MDB_txn *txn;
    bool adds = change->reports && change->reports->count > 0;
    int error = outbox_begin(self, &txn);
    if (error) {
        return error;
    }
    self->spare = adds ? SPARE : 0;
    error = let_go(self, txn, &state, change);
    if (!error) {
        error = let_go_of_refusals(self, txn, &state, change->settled->taken);
    }
    struct outbox_settled before = state.settled;
    state.settled = *change->settled;
    if (state.settled.through < before.through) { /* a part was let go, and not the rest */
        state.settled.through = before.through;
        memcpy(state.settled.check, before.check, sizeof before.check);
    }
    if (!error && adds) {
        error = add(self, txn, &state, change->reports);
    }
    if (state.last == state.settled.through) { /* damage may have put them wrong */
        state.voids = 0;
        state.bytes = state.refusals == state.settled.taken ? 0 : state.bytes;
    }
    if (change->split_told) {
        state.split = (struct outbox_split){.last = 0};
    }
    return outbox_end(self, txn, error, &state);
}

/* What is set aside on a full disk may not do to let many reports go at once; part by part it
 * does, for each leaves its pages to those behind it. */
static int let_go_in_parts(struct outbox *self, const struct outbox_change *change)
{
    struct outbox_settled part = *change->settled;
    const struct outbox_change going = {.settled = &part, .refusals = change->refusals};
    const uint64_t through = change->settled->through;
    uint64_t size = through - self->state.settled.through;
    int error = CASEBUS_ENOSPC;
    part.taken = self->state.settled.taken;
    while (self->state.settled.through < through && (!error || size > 1)) {
        uint64_t left = through - self->state.settled.through;
        size = error ? size / 2 : size;
        part.through = self->state.settled.through + (size < left ? size : left);
        error = casebus_outbox_check(self, part.through + 1, part.check);
        error = error ? error : write_at_once(self, &going);
        if (error && error != CASEBUS_ENOSPC) {
            return error;
        }
    }
    return error;
}

int casebus_outbox_write(struct outbox *self, const struct outbox_change *change)
{
    int error = write_at_once(self, change);
    if (error == CASEBUS_ENOSPC && change->settled->through > self->state.settled.through + 1) {
        error = let_go_in_parts(self, change);
        error = error ? error : write_at_once(self, change);
    }
    return error;
}

int casebus_outbox_replace(struct outbox *self, uint64_t number, const struct kept *kept)
{
    struct outbox_state state = self->state;
    MDB_txn *txn;
    MDB_val old;
    int error = outbox_begin(self, &txn);
    if (error) {
        return error;
    }
    error = outbox_get(txn, self->reports, number, &old);
    if (!error) {
        state.bytes = outbox_less(state.bytes, old.mv_size) + outbox_report_size(kept);
        state.voids++;
        error = outbox_put_report(self, txn, number, kept, kept->check, 0);
    }
    return outbox_end(self, txn, error, &state);
}

/* --- reading ------------------------------------------------------------------------------ */

int outbox_load(struct outbox *self, MDB_txn *txn, uint64_t number, struct kept *kept)
{
    struct outbox_report report = {.topic = {NULL, 0}};
    MDB_val value;
    int damage = outbox_get(txn, self->reports, number, &value);
    if (!damage) {
        damage = outbox_unpack_report(outbox_bytes(value), &report);
    }
    if (damage == CASEBUS_ENOTFOUND) {
        damage = CASEBUS_ECORRUPT;
    }
    if (damage && damage != CASEBUS_ECORRUPT) {
        return damage;
    }
    *kept = (struct kept){.cause = damage ? KEPT_DAMAGED : report.cause};
    memcpy(kept->check, report.check, sizeof kept->check);
    memcpy(kept->hash, report.hash, sizeof kept->hash);
    int error = casebus_compose_copy(report.topic, report.body, kept);
    return error ? error : damage;
}

static int check_at(struct outbox *self, MDB_txn *txn, uint64_t number, unsigned char *check)
{
    struct outbox_report report;
    MDB_val value;
    if (number == self->state.last + 1) {
        memcpy(check, self->state.next_check, CASEBUS_CHECK_SIZE);
        return 0;
    }
    int error = outbox_get(txn, self->reports, number, &value);
    error = error ? error : outbox_unpack_report(outbox_bytes(value), &report);
    if (!error) {
        memcpy(check, report.check, CASEBUS_CHECK_SIZE);
    }
    return error == CASEBUS_ENOTFOUND ? CASEBUS_ECORRUPT : error;
}

int casebus_outbox_check(struct outbox *self, uint64_t number,
                         unsigned char check[CASEBUS_CHECK_SIZE])
{
    struct outbox_report before;
    MDB_txn *txn;
    MDB_val value;
    int error = outbox_error(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn));
    if (error) {
        return error;
    }
    error = check_at(self, txn, number, check);
    if (error == CASEBUS_ECORRUPT && /* the check of the report before it says so too */
        outbox_get(txn, self->reports, number - 1, &value) == 0 &&
        outbox_unpack_report(outbox_bytes(value), &before) == 0) {
        memcpy(check, before.check, CASEBUS_CHECK_SIZE);
        casebus_check_next(check, before.hash);
        error = 0;
    }
    mdb_txn_abort(txn);
    return error;
}

int casebus_outbox_read(struct outbox *self, uint64_t number, struct kept *kept)
{
    MDB_txn *txn;
    if (number <= self->state.settled.through || number > self->state.last) {
        return CASEBUS_ENOTFOUND;
    }
    int error = outbox_error(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn));
    if (error) {
        return error;
    }
    error = outbox_load(self, txn, number, kept);
    if (error == CASEBUS_ECORRUPT) {
        kept_close(kept);
    }
    mdb_txn_abort(txn);
    return error;
}

/* Is the hash that stands in a damaged report its own? The chain of checks knows. */
static int look_at_damage(struct outbox *self, MDB_txn *txn, const struct window *window,
                          const struct outbox_report *report, struct outbox_damage *damage)
{
    unsigned char next[CASEBUS_CHECK_SIZE], behind[CASEBUS_CHECK_SIZE];
    damage->number = window_last(window) + 1;
    memcpy(damage->hash, report->hash, sizeof damage->hash);
    damage->topic_size = report->topic.size <= sizeof damage->topic ? report->topic.size : 0;
    if (damage->topic_size > 0) {
        memcpy(damage->topic, report->topic.data, damage->topic_size);
    }
    memcpy(next, window->next_check, sizeof next);
    casebus_check_next(next, report->hash);
    int error = check_at(self, txn, damage->number + 1, behind);
    if (error && error != CASEBUS_ECORRUPT) {
        return error;
    }
    return error || memcmp(next, behind, sizeof next) != 0 ? CASEBUS_EDIVERGED
                                                           : CASEBUS_ECORRUPT;
}

/* The report behind the window's last: 1, it is in the window; 0: there is no room for it; or
 * what is wrong. */
static int feed_one(struct outbox *self, MDB_txn *txn, struct window *window,
                    struct outbox_damage *damage)
{
    struct outbox_report report = {.topic = {NULL, 0}};
    MDB_val value;
    int error = outbox_get(txn, self->reports, window_last(window) + 1, &value);
    if (error && error != CASEBUS_ENOTFOUND) {
        return error;
    }
    error = error ? CASEBUS_ECORRUPT : outbox_unpack_report(outbox_bytes(value), &report);
    if (error || memcmp(report.check, window->next_check, CASEBUS_CHECK_SIZE) != 0) {
        return look_at_damage(self, txn, window, &report, damage);
    }
    if (!casebus_window_has_room(window, report.topic.size + report.body.size)) {
        return 0;
    }
    struct kept *kept = casebus_window_next(window);
    error = casebus_compose_copy(report.topic, report.body, kept);
    if (error) {
        return error;
    }
    unsigned char next[CASEBUS_CHECK_SIZE];
    kept->cause = report.cause;
    memcpy(kept->hash, report.hash, sizeof kept->hash);
    memcpy(next, report.check, sizeof next);
    casebus_check_next(next, report.hash);
    casebus_window_push(window, next);
    return 1;
}

int casebus_outbox_feed(struct outbox *self, struct window *window,
                        struct outbox_damage *damage)
{
    MDB_txn *txn;
    if (window_last(window) >= self->state.last || window->count >= window->places) {
        return 0;
    }
    int rc = outbox_error(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn));
    if (rc) {
        return rc;
    }
    do {
        rc = window_last(window) < self->state.last ? feed_one(self, txn, window, damage) : 0;
    } while (rc == 1);
    mdb_txn_abort(txn);
    return rc;
}

int casebus_outbox_refusal(struct outbox *self, uint64_t after, uint64_t *key,
                           struct casebus_refusal *refusal)
{
    MDB_txn *txn;
    MDB_val value;
    *key = after;
    while (*key < self->state.refusals) {
        int error = outbox_error(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn));
        if (error) {
            return error;
        }
        *key += 1;
        error = outbox_get(txn, self->refusals, *key, &value);
        self->scratch.size = 0;
        if (!error && value.mv_size > 0 &&
            msgpack_sbuffer_write(&self->scratch, value.mv_data, value.mv_size)) {
            error = CASEBUS_ENOMEM;
        }
        mdb_txn_abort(txn);
        if (!error) {
            outbox_unpack_refusal(casebus_bytes(self->scratch.data, self->scratch.size),
                                  refusal);
        }
        if (error != CASEBUS_ENOTFOUND) {
            return error ? error : 1;
        }
    }
    return 0;
}
