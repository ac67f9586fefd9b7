/* Everything that is kept, under a fresh id: one commit, so there is never a mixture of two.
 *
 * The records keep their places; each body is written again with the new id, its number and
 * check, and the chain of checks begins anew. What cannot be read becomes a void. The same
 * makes a state where that was lost: which id the reports went under is not known then. */
#include "compose.h"
#include "outbox_private.h"

#include <string.h>

static int damaged_again(const struct kept *old, struct casebus_report_parts parts,
                         struct kept *kept, unsigned char *next_check)
{
    struct casebus_bytes topic = kept_topic(old);
    parts.void_reason = casebus_cstr(OUTBOX_DAMAGED);
    parts.void_hash = old->hash;
    *kept = (struct kept){.cause = KEPT_DAMAGED};
    int error = casebus_compose_void(topic.size ? topic : casebus_bytes(NULL, 0), &parts, kept);
    memmove(next_check, parts.check, CASEBUS_CHECK_SIZE);
    casebus_check_next(next_check, old->hash);
    return error;
}

/* One report under the state's new id; moves state->next_check behind it. */
static int renumber_one(struct outbox *self, MDB_txn *txn, struct outbox_state *state,
                        uint64_t number)
{
    unsigned char check[CASEBUS_CHECK_SIZE];
    struct kept old, kept;
    memcpy(check, state->next_check, sizeof check);
    struct casebus_report_parts parts = {
        .publisher = state->id, .number = number - state->base, .check = check};
    int error = outbox_load(self, txn, number, &old);
    if (error && error != CASEBUS_ECORRUPT) {
        return error;
    }
    bool damaged = error == CASEBUS_ECORRUPT;
    if (!damaged) {
        error = casebus_compose_again(&old, &parts, &kept, state->next_check);
        damaged = error == CASEBUS_ECORRUPT;
    }
    if (damaged) {
        error = damaged_again(&old, parts, &kept, state->next_check);
    }
    uint64_t before = damaged ? 0 : outbox_report_size(&old);
    kept_close(&old);
    if (error) {
        return error;
    }
    state->voids += kept.cause != KEPT_WHOLE;
    error = outbox_put_report(self, txn, number, &kept, check, 0);
    state->bytes = outbox_less(state->bytes, before) + outbox_report_size(&kept);
    kept_close(&kept);
    return error;
}

/* All of them; `state` becomes the outbox's. */
static int renumber(struct outbox *self, struct outbox_state *state, const unsigned char *id,
                    const struct broker_state *broker)
{
    MDB_txn *txn;
    int error = outbox_begin(self, &txn);
    if (error) {
        return error;
    }
    if (state->last > state->settled.through) {
        memcpy(state->split.id, state->id, sizeof state->split.id);
        state->split.first = state->settled.through + 1;
        state->split.last = state->last;
    }
    memcpy(state->id, id, sizeof state->id);
    state->base = state->settled.through;
    state->voids = 0;
    memset(state->next_check, 0, sizeof state->next_check);
    memset(state->settled.check, 0, sizeof state->settled.check);
    memset(state->settled.outcomes, 0, sizeof state->settled.outcomes);
    state->settled.broker = *broker;
    for (uint64_t n = state->base + 1; !error && n <= state->last; n++) {
        error = renumber_one(self, txn, state, n);
    }
    return outbox_end(self, txn, error, state);
}

int casebus_outbox_renumber(struct outbox *self, const unsigned char *id,
                            const struct broker_state *broker)
{
    struct outbox_state state = self->state;
    return renumber(self, &state, id, broker);
}

/* The lowest and highest key of a tree, and how many there are. */
static int extent(MDB_txn *txn, MDB_dbi dbi, uint64_t *first, uint64_t *last, uint64_t *count)
{
    MDB_cursor *cursor;
    MDB_stat stat;
    MDB_val key, value;
    *first = *last = *count = 0;
    int rc = mdb_stat(txn, dbi, &stat);
    if (rc == 0 && stat.ms_entries > 0) {
        *count = stat.ms_entries;
        rc = mdb_cursor_open(txn, dbi, &cursor);
        if (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)) == 0) {
            *first = outbox_number(key);
            rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
            *last = rc == 0 ? outbox_number(key) : 0;
        }
        if (cursor) {
            mdb_cursor_close(cursor);
        }
    }
    return outbox_error(rc);
}

static int survey(struct outbox *self, MDB_txn *txn, struct outbox_state *state)
{
    uint64_t first, count, ignored;
    MDB_val value;
    int error = extent(txn, self->refusals, &ignored, &state->refusals, &count);
    if (!error) {
        error = extent(txn, self->reports, &first, &state->last, &count);
    }
    if (!error && count > 0) {
        state->settled.through = first - 1;
        /* A gap between the numbers that is larger than what is there is damage: it is not
         * filled with voids. */
        error = first > 0 && state->last - first < 2 * count ? 0 : CASEBUS_ECORRUPT;
    }
    for (uint64_t n = state->settled.through + 1; !error && n <= state->last; n++) {
        error = outbox_get(txn, self->reports, n, &value);
        state->bytes += error ? 0 : value.mv_size;
        error = error == CASEBUS_ENOTFOUND ? 0 : error;
    }
    return error;
}

int outbox_rebuild(struct outbox *self, const unsigned char *id)
{
    struct outbox_state state = {.base = 0};
    struct broker_state nobody = {.known = false};
    MDB_txn *txn;
    int error = outbox_error(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn));
    if (error) {
        return error;
    }
    error = survey(self, txn, &state);
    mdb_txn_abort(txn);
    return error ? error : renumber(self, &state, id, &nobody);
}
