/* What store.c, store_space.c, txn.c, txn_flush.c, cursor.c and copy.c share. Private to them:
 * nobody else knows LMDB. */
#ifndef BROKER_STORE_PRIVATE_H
#define BROKER_STORE_PRIVATE_H

#include "lmdb_error.h"
#include "overlay.h"
#include "placed_key.h"
#include "store.h"

#include <lmdb.h>
#include <stdatomic.h>

#define SNAPSHOTS_MAX 8

struct store {
    MDB_env *env;
    MDB_dbi dbi[TREE_COUNT]; /* one for those that share */
    char *dir;
    int lock_fd, data_fd;
    uint64_t page_size, map_bytes;
    uint64_t reserved; /* file bytes allocated so far */
    uint64_t wanted;   /* what the newest commit asked for behind what was used */
    uint64_t used;     /* when the newest write began; 0: none has */
    uint64_t written;  /* up to where zeros were written ahead */
    atomic_uint_fast64_t snapshot[SNAPSHOTS_MAX]; /* seq + 1 of those that run; 0: free */
};

struct txn {
    struct store *store;
    MDB_txn *mdb;
    struct overlay *overlay;        /* NULL: a read */
    MDB_cursor *lookup[TREE_COUNT]; /* of a write: where it has read last; NULL: nowhere */
    unsigned char *encoded;         /* room for the entry that is handed to LMDB */
    size_t encoded_capacity;
    bool renewable;                /* a read that was reset, not aborted */
    unsigned flushes;              /* of this write */
    uint64_t put_bytes, put_count; /* by all of them: what a commit has to write */
    int error;
    struct ahead { /* of a read: events found before they are taken */
        uint64_t seq;
        MDB_val value;
    } ahead[LOG_AHEAD_MAX];
    unsigned ahead_count, ahead_taken;
};

/* What the transaction has looked up is found anew: before the trees change, and before it
 * ends.
 */
void txn_close_lookups(struct txn *txn);
/* Does a search find the key at this place? Not where a page of another place, or of another
 * time, stands: there a tree would seem to end where another of those that share begins. */
bool store_stands_at(const struct txn *txn, enum tree tree, MDB_val key, MDB_val value);
/* While a store is opened: what is wrong with the folder that was named, CASEBUS_EINVAL, is no
 * failure of the disk. */
int store_open_error(int lmdb_code);
/* Makes sure that the file has room for all that a commit of this transaction can write. */
int store_reserve(struct txn *txn);
/* Writes ahead what file this transaction, which has just begun, is likely to need: 0, or as
 * store_reserve() CASEBUS_ENOSPC, CASEBUS_EIO. */
int store_write_ahead(struct txn *txn);
/* Takes the checksum off a value that LMDB gave; CASEBUS_ECORRUPT. */
int store_open_value(enum tree tree, struct casebus_bytes key, MDB_val v,
                     struct casebus_bytes *value);
/* The checksum of a value; `place` is overlay_hash() of its tree and key. */
uint64_t store_checksum(uint64_t place, const void *value, size_t size);
#define CHECKSUM_SIZE 8

#endif
