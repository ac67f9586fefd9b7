/* What the outbox consists of (private to outbox.c, which opens it and commits, and
 * outbox_reports.c, which says what is in a commit). */
#ifndef CASEBUS_PUBLISHER_OUTBOX_PRIVATE_H
#define CASEBUS_PUBLISHER_OUTBOX_PRIVATE_H

#include "outbox_pack.h"

#include <lmdb.h>

struct outbox {
    MDB_env *env;
    MDB_dbi reports, refusals, states;
    int lock_fd, data_fd;
    uint64_t page_size, map_bytes, reserved;
    struct outbox_options options;
    struct outbox_state state; /* as it is on the disk */
    /* Of the commit under way: bytes of new records, deleted records, bytes to be kept free. */
    uint64_t written, deleted, spare;
    msgpack_sbuffer scratch;   /* a refusal on its way in or out */
};

/* The one place where LMDB's codes become ours. */
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

/* A transaction to write in; what begins must end. */
int outbox_begin(struct outbox *self, MDB_txn **txn);
/* Where `error` is 0: reserves the space and commits, with the state; only then self->state is
 * that. */
int outbox_end(struct outbox *self, MDB_txn *txn, int error, const struct outbox_state *state);

/* Makes a state from what is there, under a fresh id. */
int outbox_rebuild(struct outbox *self, const unsigned char *id);

#endif
