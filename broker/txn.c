/* Transactions: what is read through them, what is gathered, and how it reaches LMDB; see
 * store.h for what users may rely on. Errors are sticky: the first one stays and everything
 * after it does nothing. */
#include "prefetch.h"
#include "store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_AHEAD 256    /* bytes of an item: a struct, or the beginning of a value */
#define RECORD_AHEAD 1024 /* bytes of a record */

static const struct key *state_key(void)
{
    static const struct key key = {5, "state"};
    return &key;
}

/* --- transactions ----------------------------------------------------------------------- */

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
    self->error = store_error(rc);
    if (self->error == 0 && self->overlay) {
        txn_fail(self, store_write_ahead(self));
    }
    return self->error;
}

void txn_end(struct txn *self)
{
    if (self->overlay) {
        if (self->mdb) {
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

static bool get_stored(struct txn *self, enum tree tree, struct casebus_bytes key,
                       struct casebus_bytes *value)
{
    if (self->error != 0 || key.size == 0 || key.size > KEY_MAX) {
        return false;
    }
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v;
    int rc = mdb_get(self->mdb, self->store->dbi[tree], &k, &v);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    rc = rc == 0 ? store_open_value(tree, key, v, value) : store_error(rc);
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

/* --- writing ---------------------------------------------------------------------------- */

/* Trees whose new keys are always the highest: appending fills their pages. */
static bool grows_at_end(enum tree tree)
{
    return tree == TREE_LOG || tree == TREE_CREATED || tree == TREE_STARTED ||
           tree == TREE_REJECT || tree == TREE_CONFLICT;
}

static int delete_item(MDB_cursor *cursor, MDB_val *key)
{
    MDB_val v;
    int rc = mdb_cursor_get(cursor, key, &v, MDB_SET);
    return rc == 0 ? mdb_cursor_del(cursor, 0) : rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_value(MDB_cursor *cursor, const struct overlay_item *item,
                     struct casebus_bytes value)
{
    MDB_val k = {item->key.size, (void *)(uintptr_t)item->key.data};
    MDB_val v = {value.size + CHECKSUM_SIZE, NULL};
    int rc = MDB_KEYEXIST;
    if (grows_at_end(item->tree)) {
        rc = mdb_cursor_put(cursor, &k, &v, MDB_RESERVE | MDB_APPEND);
    }
    if (rc == MDB_KEYEXIST) { /* not the highest after all: an older one is rewritten */
        v.mv_size = value.size + CHECKSUM_SIZE;
        rc = mdb_cursor_put(cursor, &k, &v, MDB_RESERVE);
    }
    if (rc == 0) {
        uint64_t sum = store_checksum(item->hash, value.data, value.size);
        memcpy(v.mv_data, value.data, value.size);
        memcpy((char *)v.mv_data + value.size, &sum, sizeof sum);
    }
    return rc;
}

/* Valid until the next one: a page takes it at once, and memory that is at hand still is used
 * again for all of them. */
static struct casebus_bytes encoded_for_page(struct txn *self, const struct overlay_item *item)
{
    enum entry_type type = (enum entry_type)item->type;
    size_t size = entry_size(type, item->data.data);
    if (size > self->encoded_capacity) {
        free(self->encoded);
        self->encoded = malloc(size);
        self->encoded_capacity = self->encoded ? size : 0;
    }
    return self->encoded ? casebus_bytes(self->encoded,
                                         entry_encode(type, item->data.data, self->encoded))
                         : casebus_bytes(NULL, 0);
}

static int put_item(struct txn *self, MDB_cursor *cursor, const struct overlay_item *item)
{
    MDB_val k = {item->key.size, (void *)(uintptr_t)item->key.data};
    if (item->state == OVERLAY_DELETED) {
        return delete_item(cursor, &k);
    }
    struct casebus_bytes value =
        item->state == OVERLAY_ENTRY ? encoded_for_page(self, item) : item->data;
    self->put_bytes += k.mv_size + value.size;
    return value.data ? put_value(cursor, item, value) : ENOMEM;
}

static int flush_tree(struct txn *self, enum tree tree)
{
    size_t count;
    int rc;
    const struct overlay_item *const *items = overlay_sorted(self->overlay, tree, &count, &rc);
    if (rc != 0 || count == 0) {
        return rc;
    }
    MDB_cursor *cursor;
    self->put_count += count;
    rc = mdb_cursor_open(self->mdb, self->store->dbi[tree], &cursor);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (i + OVERLAY_AHEAD < count) {
            const struct casebus_bytes ahead = items[i + OVERLAY_AHEAD]->data;
            prefetch(ahead.data, ahead.size, ITEM_AHEAD);
        }
        rc = put_item(self, cursor, items[i]);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return store_error(rc);
}

int txn_flush(struct txn *self)
{
    for (int t = 0; self->error == 0 && t < TREE_COUNT; t++) {
        txn_fail(self, flush_tree(self, (enum tree)t));
    }
    overlay_forget(self->overlay);
    self->flushes++;
    return self->error;
}

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
        txn_fail(self, rc == ENOSPC || rc == EDQUOT ? CASEBUS_EIO : store_error(rc));
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
