/* Transactions: what is read through them, what is gathered, and how it is committed; see
 * store.h for what users may rely on. Errors are sticky: the first one stays and everything
 * after it does nothing. */
#include "prefetch.h"
#include "store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_AHEAD 1024 /* bytes of a record */

static const struct key *state_key(void)
{
    static const struct key key = {5, "state"};
    return &key;
}

/* --- transactions ----------------------------------------------------------------------- */

void txn_close_lookups(struct txn *self)
{
    for (int t = 0; t < TREE_COUNT; t++) {
        if (self->lookup[t]) {
            mdb_cursor_close(self->lookup[t]);
            self->lookup[t] = NULL;
        }
    }
}

static int txn_new(struct store *store, bool write, struct txn **self_p)
{
    struct txn *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (self && write) {
        self->overlay = overlay_new();
    }
    if (!self || (write && !self->overlay)) {
        free(self);
        return CASEBUS_ENOMEM;
    }
    self->store = store;
    *self_p = self;
    return 0;
}

int txn_new_write(struct store *store, struct txn **self_p)
{
    return txn_new(store, true, self_p);
}

int txn_new_read(struct store *store, struct txn **self_p)
{
    return txn_new(store, false, self_p);
}

void txn_destroy(struct txn **self_p)
{
    struct txn *self = *self_p;
    if (!self) {
        return;
    }
    if (self->mdb) {
        txn_close_lookups(self);
        mdb_txn_abort(self->mdb);
    }
    overlay_destroy(&self->overlay);
    free(self->encoded);
    free(self);
    *self_p = NULL;
}

int txn_begin(struct txn *self)
{
    self->error = 0;
    self->flushes = 0;
    self->put_bytes = self->put_count = 0;
    self->ahead_count = 0;
    int rc;
    if (self->renewable) {
        rc = mdb_txn_renew(self->mdb);
        self->renewable = rc != 0;
    } else {
        rc = mdb_txn_begin(self->store->env, NULL, self->overlay ? 0u : MDB_RDONLY, &self->mdb);
    }
    self->error = lmdb_error(rc);
    if (self->error == 0 && self->overlay) {
        txn_fail(self, store_write_ahead(self));
    }
    return self->error;
}

void txn_end(struct txn *self)
{
    if (self->overlay) {
        if (self->mdb) {
            txn_close_lookups(self);
            mdb_txn_abort(self->mdb);
            self->mdb = NULL;
        }
        overlay_clear(self->overlay);
    } else if (self->mdb && !self->renewable) {
        mdb_txn_reset(self->mdb);
        self->renewable = true;
    }
    self->error = 0;
}

int txn_refresh(struct txn *self)
{
    MDB_envinfo info;
    bool begun = self->mdb && !self->renewable;
    if (begun && mdb_env_info(self->store->env, &info) == 0 &&
        info.me_last_txnid == mdb_txn_id(self->mdb)) {
        self->error = 0;
        return 0;
    }
    txn_end(self);
    return txn_begin(self);
}

uint64_t txn_snapshot(const struct txn *self)
{
    return mdb_txn_id(self->mdb);
}

int txn_error(const struct txn *self)
{
    return self->error;
}

void txn_fail(struct txn *self, int error)
{
    if (self->error == 0) {
        self->error = error;
    }
}

void txn_forgive(struct txn *self)
{
    self->error = 0;
}

struct txn_mark txn_mark(struct txn *self)
{
    return (struct txn_mark){overlay_step(self->overlay), self->flushes};
}

bool txn_rollback(struct txn *self, struct txn_mark mark)
{
    if (self->flushes != mark.flushes || !overlay_rollback(self->overlay, mark.step)) {
        return false;
    }
    self->error = 0;
    return true;
}

void *txn_alloc(struct txn *self, size_t size)
{
    void *p = overlay_alloc(self->overlay, size);
    if (!p) {
        txn_fail(self, CASEBUS_ENOMEM);
    }
    return p;
}

void txn_trim(struct txn *self, void *newest, size_t used)
{
    overlay_trim(self->overlay, newest, used);
}

struct casebus_bytes txn_copy(struct txn *self, struct casebus_bytes bytes)
{
    void *p = txn_alloc(self, bytes.size + 1);
    if (!p) {
        return casebus_bytes(NULL, 0);
    }
    if (bytes.size > 0) {
        memcpy(p, bytes.data, bytes.size);
    }
    return casebus_bytes(p, bytes.size);
}

/* In memory of the transaction: somebody has asked for its bytes. */
static struct casebus_bytes encoded(struct txn *self, const struct overlay_item *item)
{
    enum entry_type type = (enum entry_type)item->type;
    unsigned char *out = txn_alloc(self, entry_size(type, item->data.data));
    if (!out) {
        return casebus_bytes(NULL, 0);
    }
    size_t size = entry_encode(type, item->data.data, out);
    overlay_trim(self->overlay, out, size);
    return casebus_bytes(out, size);
}

/* What was put under the key in this transaction, if anything was, and if it can be read. */
static const struct overlay_item *gathered(struct txn *self, enum tree tree,
                                           struct casebus_bytes key)
{
    return self->overlay && self->error == 0 ? overlay_get(self->overlay, tree, key) : NULL;
}

static bool get_gathered(struct txn *self, const struct overlay_item *item,
                         struct casebus_bytes *value)
{
    *value = item->state == OVERLAY_ENTRY ? encoded(self, item) : item->data;
    return item->state != OVERLAY_DELETED && self->error == 0;
}

/* A write looks from where it found the last key of the tree: reports come in the order of
 * their ids mostly, so that two comparisons say that a key is on the same page, or above all.
 */
static int find_stored(struct txn *self, enum tree tree, MDB_val *key, MDB_val *value)
{
    MDB_cursor **cursor = &self->lookup[tree];
    if (!self->overlay) {
        return mdb_get(self->mdb, self->store->dbi[tree], key, value);
    }
    if (!*cursor) {
        MDB_val last;
        int rc = mdb_cursor_open(self->mdb, self->store->dbi[tree], cursor);
        if (rc != 0) {
            return rc;
        }
        /* It must stand somewhere: one that finds nothing begins at the root each time. */
        mdb_cursor_get(*cursor, &last, value, MDB_LAST);
    }
    int rc = mdb_cursor_get(*cursor, key, value, MDB_SET);
    if (rc != 0 && rc != MDB_NOTFOUND) { /* who knows where it stands now */
        mdb_cursor_close(*cursor);
        *cursor = NULL;
    }
    return rc;
}

static bool get_stored(struct txn *self, enum tree tree, struct casebus_bytes key,
                       struct casebus_bytes *value)
{
    if (self->error != 0 || key.size == 0 || key.size > tree_key_max(tree)) {
        return false;
    }
    struct placed_key room;
    MDB_val v;
    int rc = find_stored(self, tree, place_key(&room, tree, key), &v);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    rc = rc == 0 ? store_open_value(tree, key, v, value) : lmdb_error(rc);
    if (rc != 0) {
        txn_fail(self, rc);
    } else if (self->overlay && self->flushes > 0) {
        *value = txn_copy(self, *value); /* a page of this transaction may still change */
    }
    return self->error == 0;
}

bool txn_get(struct txn *self, enum tree tree, struct casebus_bytes key,
             struct casebus_bytes *value)
{
    const struct overlay_item *item = gathered(self, tree, key);
    return item ? get_gathered(self, item, value) : get_stored(self, tree, key, value);
}

static bool decode(struct txn *self, enum entry_type type, struct casebus_bytes value,
                   void *entry)
{
    txn_fail(self, entry_decode(type, value, entry));
    return self->error == 0;
}

bool txn_read(struct txn *self, enum tree tree, struct casebus_bytes key, enum entry_type type,
              void *entry)
{
    struct casebus_bytes value;
    return txn_get(self, tree, key, &value) && decode(self, type, value, entry);
}

bool txn_load(struct txn *self, enum tree tree, const struct key *key, enum entry_type type,
              void *entry)
{
    struct casebus_bytes value;
    const struct overlay_item *item = gathered(self, tree, key_bytes(key));
    if (item && item->state == OVERLAY_ENTRY && item->type == type) {
        memcpy(entry, item->data.data, item->data.size);
        return true;
    }
    return (item ? get_gathered(self, item, &value)
                 : get_stored(self, tree, key_bytes(key), &value)) &&
           decode(self, type, value, entry);
}

static void set(struct txn *self, enum tree tree, struct casebus_bytes key,
                enum overlay_state state, struct casebus_bytes data)
{
    if (self->error == 0) {
        txn_fail(self, overlay_set(self->overlay, tree, key, state, data));
    }
}

void txn_put(struct txn *self, enum tree tree, struct casebus_bytes key,
             struct casebus_bytes value)
{
    set(self, tree, key, OVERLAY_BYTES, txn_copy(self, value));
}

void txn_put_ours(struct txn *self, enum tree tree, const struct key *key,
                  struct casebus_bytes value)
{
    set(self, tree, key_bytes(key), OVERLAY_BYTES, value);
}

void txn_save(struct txn *self, enum tree tree, const struct key *key, enum entry_type type,
              const void *entry)
{
    if (self->error == 0) {
        txn_fail(self, overlay_save(self->overlay, tree, key_bytes(key), type, entry));
    }
}

void txn_delete(struct txn *self, enum tree tree, const struct key *key)
{
    set(self, tree, key_bytes(key), OVERLAY_DELETED, casebus_bytes(NULL, 0));
}

/* --- committing ------------------------------------------------------------------------- */

int txn_commit(struct txn *self)
{
    if (self->error == 0) {
        txn_fail(self, store_reserve(self));
    }
    if (self->error == 0) {
        txn_flush(self); /* into LMDB's memory: it writes its file when it commits */
    }
    if (self->error == 0 || self->error == CASEBUS_ENOSPC) {
        txn_fail(self, store_reserve(self)); /* now that its size is known */
    }
    if (self->error == 0) {
        MDB_txn *mdb = self->mdb;
        self->mdb = NULL; /* gone, whatever the commit says */
        int rc = mdb_txn_commit(mdb);
        /* Space was made sure of: a disk that is full now has failed in the middle of a commit.
         */
        txn_fail(self, rc == ENOSPC || rc == EDQUOT ? CASEBUS_EIO : lmdb_error(rc));
    }
    return self->error;
}

/* --- what everybody reads --------------------------------------------------------------- */

bool txn_state(struct txn *self, struct state *state)
{
    return txn_load(self, TREE_META, state_key(), ENTRY_STATE, state);
}

void txn_set_state(struct txn *self, const struct state *state)
{
    txn_save(self, TREE_META, state_key(), ENTRY_STATE, state);
}

/* What was found ahead is checked when it is taken, as all that is read. */
static bool take_ahead(struct txn *self, struct casebus_bytes key, struct log_entry *entry)
{
    struct casebus_bytes value;
    const MDB_val found = self->ahead[self->ahead_taken++].value;
    int rc = store_open_value(TREE_LOG, key, found, &value);
    txn_fail(self, rc ? rc : entry_decode(ENTRY_LOG, value, entry));
    return self->error == 0;
}

bool txn_log(struct txn *self, uint64_t seq, struct log_entry *entry)
{
    unsigned char data[8];
    const struct casebus_bytes key = casebus_bytes(data, sizeof data);
    casebus_put_big_endian(data, seq, sizeof data);
    return self->ahead_taken < self->ahead_count && self->ahead[self->ahead_taken].seq == seq
               ? take_ahead(self, key, entry)
               : txn_read(self, TREE_LOG, key, ENTRY_LOG, entry);
}

void txn_log_ahead(struct txn *self, const uint64_t *seqs, unsigned count)
{
    self->ahead_count = self->ahead_taken = 0;
    for (unsigned i = 0; i < count && self->error == 0; i++) {
        struct ahead *ahead = &self->ahead[self->ahead_count];
        unsigned char data[8];
        casebus_put_big_endian(data, seqs[i], sizeof data);
        MDB_val key = {sizeof data, data};
        ahead->seq = seqs[i];
        if (mdb_get(self->mdb, self->store->dbi[TREE_LOG], &key, &ahead->value) == 0) {
            prefetch(ahead->value.mv_data, ahead->value.mv_size, RECORD_AHEAD);
            self->ahead_count++;
        }
    }
}
