/* What the outbox consists of: outbox.c opens it and commits, outbox_reports.c and
 * outbox_renumber.c say what is in a commit. */
#ifndef CASEBUS_PUBLISHER_OUTBOX_PRIVATE_H
#define CASEBUS_PUBLISHER_OUTBOX_PRIVATE_H

#include "outbox_pack.h"

#include <lmdb.h>

struct outbox {
    MDB_env *env;
    MDB_dbi reports, refusals, states;
    int lock_fd, data_fd;
    uint64_t page_size, map_bytes, reserved;
    bool salvaged; /* when it was opened */
    struct outbox_options options;
    struct outbox_state state; /* as it is on the disk */
    /* Of the commit under way: bytes of new records, deleted records, bytes to be kept free. */
    uint64_t written, deleted, spare;
    msgpack_sbuffer scratch; /* a refusal on its way in or out */
};

/* LMDB's codes as ours; what the outbox has no word for ends it as an I/O error does. */
int outbox_error(int rc);

static inline MDB_val outbox_key(uint64_t number, unsigned char bytes[8])
{
    (void)casebus_put_big_endian(bytes, number, 8);
    return (MDB_val){8, bytes};
}

static inline uint64_t outbox_number(MDB_val key)
{
    const unsigned char *at = key.mv_data;
    uint64_t n = 0;
    for (size_t i = 0; i < key.mv_size; i++) {
        n = n << 8 | at[i];
    }
    return n;
}

static inline struct casebus_bytes outbox_bytes(MDB_val value)
{
    return casebus_bytes(value.mv_data, value.mv_size);
}

/* Counts follow what is damaged, too, and must not wrap. */
static inline uint64_t outbox_less(uint64_t from, uint64_t by)
{
    return from > by ? from - by : 0;
}

/* A transaction to write in; what begins must end. */
int outbox_begin(struct outbox *self, MDB_txn **txn);
/* Where `error` is 0: reserves the space and commits, with the state; only then self->state is
 * that. */
int outbox_end(struct outbox *self, MDB_txn *txn, int error, const struct outbox_state *state);

/* --- outbox.c ---------------------------------------------------------------------------- */

/* Opens options.folder as LMDB's environment; then its trees. Those are made where they are not
 * there and it has never been written. */
int outbox_open_env(struct outbox *self);
int outbox_open_trees(struct outbox *self);

/* --- outbox_salvage.c -------------------------------------------------------------------- */

/* After outbox_open_env: nothing LMDB would trust is wrong with the file, or it has been put in
 * order. CASEBUS_ECORRUPT: it cannot be. */
int outbox_check_pages(struct outbox *self);

/* --- outbox_reports.c --------------------------------------------------------------------- */

int outbox_get(MDB_txn *txn, MDB_dbi dbi, uint64_t number, MDB_val *value);
int outbox_put_report(struct outbox *self, MDB_txn *txn, uint64_t number,
                      const struct kept *kept, const unsigned char *check, unsigned flags);
/* A copy of what is kept under a number, as far as it can be read: 0, or CASEBUS_ECORRUPT: then
 * kept->hash is what stands there; of the messages, both the caller's, the topic may be. */
int outbox_load(struct outbox *self, MDB_txn *txn, uint64_t number, struct kept *kept);

/* --- outbox_renumber.c -------------------------------------------------------------------- */

/* Makes a state from what is there, under a fresh id. */
int outbox_rebuild(struct outbox *self, const unsigned char *id);

#endif
