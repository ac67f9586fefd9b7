/* The store: an LMDB environment in a folder, its trees, and transactions on them.
 *
 * One process writes (a lock file says so), in one transaction at a time; any number of read
 * transactions run beside it and see what was committed when they began. Values carry a
 * checksum over key and value, checked at every read: a wrong byte is CASEBUS_ECORRUPT, never
 * an answer.
 *
 * A write transaction gathers its puts in memory and hands them to LMDB when it is flushed,
 * tree by tree in key order, so that neighbours share pages and what is written twice in a
 * batch is written once. Bytes borrowed from txn_get() stay valid for the whole transaction.
 * txn_rollback() takes back what one report has put.
 *
 * Errors are sticky in the transaction: the first one stays, everything after it does nothing,
 * and the commit returns it. LMDB's codes are mapped in one place,
 * proto/pages/lmdb_error.c.
 *
 * A store belongs to the process that opened it, a transaction to one thread. */
#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include "entries.h"
#include "keys.h"

#include <stdint.h>

struct store;
struct txn;

struct store_options {
    const char *dir;
    uint64_t map_bytes; /* the most the file can grow to: address space, not disk */
    bool read_only;     /* beside a running broker, or without one */
    bool any_state;     /* even where the state cannot be read: for repair */
};
#define STORE_MAP_DEFAULT (64ull << 30)

/* Opens the store in options->dir; creates folder and store where there is none, unless
 * read_only. On failure `why` says what and where, for people. */
int store_open(struct store **self_p, const struct store_options *options, char *why,
               size_t why_size);
void store_close(struct store **self_p);

struct store_sizes {
    uint64_t file_bytes, map_bytes, used_bytes;
    uint64_t entries[TREE_COUNT]; /* TREE_SHARED_LAST: of all trees that share */
};
int store_measure(struct txn *read, struct store_sizes *sizes);
/* Tells what is wrong with the pages of the newest snapshot (pages.h), beside a running broker
 * too: the first thing in each tree. 0, or an error that kept it from looking. */
int store_check_pages(struct store *self, void (*fault)(void *arg, const char *what),
                      void *arg);
/* May the newest commit be hidden by a damaged meta page (pages.h)? Asked while nobody commits;
 * a store that is opened to be written is not opened then. */
bool store_hides_commit(const struct store *self);
/* Clears readers that died with their process; called at start and each minute. */
void store_reader_check(struct store *self);
const char *store_dir(const struct store *self);
/* Is there room for what the newest commit asked for and, as more will come, for a few of the
 * largest? 0, or CASEBUS_ENOSPC; CASEBUS_EIO. And how many bytes that is. Not beside a
 * write. */
int store_has_room(struct store *self);
uint64_t store_room_wanted(const struct store *self);

/* Snapshots that run, of a check or a backup: while one does, the floor of the log does not
 * pass its seq. begin: the number to end it with, or CASEBUS_EBUSY where too many run. From any
 * thread. */
int store_snapshot_begin(struct store *self, uint64_t seq);
void store_snapshot_end(struct store *self, int number);
/* The lowest seq of a running snapshot; UINT64_MAX: none runs. */
uint64_t store_snapshot_lowest(const struct store *self);

/* The one write transaction, or a read transaction of its own. */
int txn_new_write(struct store *store, struct txn **self_p);
int txn_new_read(struct store *store, struct txn **self_p);
void txn_destroy(struct txn **self_p);

/* begin: a write waits for nobody, there is no other; a read sees the newest commit. */
int txn_begin(struct txn *self);
/* Begins a read, or goes on with the one that was begun where nothing has been committed
 * since. */
int txn_refresh(struct txn *self);
/* The number of the commit that a read which has begun sees: with the same number everything is
 * as it was. */
uint64_t txn_snapshot(const struct txn *self);
/* Ends a transaction: a read; a write that was committed, whose memory lives until here; or a
 * write without effect. */
void txn_end(struct txn *self);
/* Makes sure of file space, writes everything, syncs. After 0 it is durable. txn_end()
 * follows. */
int txn_commit(struct txn *self);
/* Hands what was gathered to LMDB, in the same transaction: before a cursor is used in a
 * write. */
int txn_flush(struct txn *self);
int txn_error(const struct txn *self);
void txn_fail(struct txn *self, int error); /* the first one stays */
/* Reads on after a corrupt value: for verify, and for what is to be deleted. A cursor then
 * stands on it, without a value. */
void txn_forgive(struct txn *self);

struct txn_mark {
    uint32_t step;
    unsigned flushes;
};
struct txn_mark txn_mark(struct txn *self);
/* Takes back every put since the mark, and an error that came with them. False where a flush or
 * another mark lies between: then only the whole transaction can be given up. */
bool txn_rollback(struct txn *self, struct txn_mark mark);

/* false: not there, or the transaction has failed. */
bool txn_get(struct txn *self, enum tree tree, struct casebus_bytes key,
             struct casebus_bytes *value);
bool txn_load(struct txn *self, enum tree tree, const struct key *key, enum entry_type type,
              void *entry);
/* The same by bytes that are a key as they are. */
bool txn_read(struct txn *self, enum tree tree, struct casebus_bytes key, enum entry_type type,
              void *entry);
/* Key and value are copied; of an entry that is saved only the struct is: what its byte strings
 * point to must live until the transaction ends (an entry being applied, memory of the
 * transaction, or what txn_get() lent do). */
void txn_put(struct txn *self, enum tree tree, struct casebus_bytes key,
             struct casebus_bytes value);
void txn_save(struct txn *self, enum tree tree, const struct key *key, enum entry_type type,
              const void *entry);
/* The value lies in memory of txn_alloc() and is not copied. */
void txn_put_ours(struct txn *self, enum tree tree, const struct key *key,
                  struct casebus_bytes value);
void txn_delete(struct txn *self, enum tree tree, const struct key *key);
/* Memory that lives until the transaction ends; NULL fails the transaction. */
void *txn_alloc(struct txn *self, size_t size);
/* Gives back what of the newest allocation is not used. */
void txn_trim(struct txn *self, void *newest, size_t used);
struct casebus_bytes txn_copy(struct txn *self, struct casebus_bytes bytes);

/* A cursor sees what LMDB holds: in a write, flush first. Valid while the transaction is. */
struct cursor {
    struct txn *txn;
    void *mdb; /* MDB_cursor */
    enum tree tree;
    struct casebus_bytes key, value; /* where it stands; key.data NULL: nowhere */
};
void cursor_open(struct cursor *c, struct txn *txn, enum tree tree);
void cursor_close(struct cursor *c);
bool cursor_seek(struct cursor *c, struct casebus_bytes key);   /* first key >= key */
bool cursor_before(struct cursor *c, struct casebus_bytes key); /* last key < key */
bool cursor_last(struct cursor *c);
bool cursor_next(struct cursor *c);
bool cursor_prev(struct cursor *c);
/* Does its key lead to where it stands? Not so in a tree whose branches are damaged: for verify
 * alone. */
bool cursor_found_by_key(const struct cursor *c);

/* The state record, and one event of the log. */
bool txn_state(struct txn *self, struct state *state);
void txn_set_state(struct txn *self, const struct state *state);
bool txn_log(struct txn *self, uint64_t seq, struct log_entry *entry);
/* For a read that is about to take these events in this order, up to LOG_AHEAD_MAX: they are
 * found now, and what they point at is on its way from memory while others are looked at. An
 * event that is then not taken, or not there, does no harm. */
#define LOG_AHEAD_MAX 16
void txn_log_ahead(struct txn *self, const uint64_t *seqs, unsigned count);

#endif
