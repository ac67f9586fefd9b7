/* LMDB behind the store's own words; see store.h for what users may rely on.
 *
 * Durability: default flags only, so a commit returns after data and meta page are synced. Before a
 * commit writes, file space for everything it can need is reserved (fallocate keeping the size): a
 * full disk is met there, where nothing has been touched, and not as EIO inside the commit. */
#include "store.h"

#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL /* short inputs: the call costs more than the hash */
#include <xxhash.h>

#define CHECKSUM_SIZE 8
#define RESERVE_STEP (16ull << 20)
/* Pages a put may dirty: its leaf, and a split or a branch above; the rest of a path is shared. */
#define PAGES_PER_PUT 2
#define READERS_MAX 64

struct store {
    MDB_env *env;
    MDB_dbi dbi[TREE_COUNT];
    char *dir;
    int lock_fd, data_fd;
    uint64_t page_size, map_bytes;
    uint64_t reserved; /* file bytes allocated so far */
};

struct txn {
    struct store *store;
    MDB_txn *mdb;
    struct overlay *overlay; /* NULL: a read */
    bool renewable;          /* a read that was reset, not aborted */
    unsigned flushes;        /* of this write */
    int error;
};

/* The one place where LMDB's codes become ours. */
static int mapped(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return CASEBUS_ENOTFOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        return CASEBUS_ENOSPC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return CASEBUS_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return CASEBUS_ESCHEMA;
    case ENOMEM:
        return CASEBUS_ENOMEM;
    case MDB_PANIC:
    case EIO:
        return CASEBUS_EIO;
    default:
        return rc > 0 ? CASEBUS_EIO : CASEBUS_EINTERNAL;
    }
}

/* --- opening ---------------------------------------------------------------------------- */

static int take_lock(struct store *self, char *why, size_t why_size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/broker.lock", self->dir);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return CASEBUS_EIO;
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        snprintf(why, why_size, "%s: another casebus-broker runs on this store", self->dir);
        return CASEBUS_ELOCKED;
    }
    return 0;
}

static int open_env(struct store *self, bool read_only, char *why, size_t why_size)
{
    int rc = mdb_env_create(&self->env);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(self->env, self->map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(self->env, TREE_COUNT);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(self->env, READERS_MAX);
    }
    if (rc == 0) {
        rc = mdb_env_open(self->env, self->dir, MDB_NOTLS | (read_only ? MDB_RDONLY : 0u), 0600);
    }
    if (rc != 0) {
        snprintf(why, why_size, "%s: cannot open the store: %s", self->dir, mdb_strerror(rc));
        return mapped(rc);
    }
    MDB_stat st;
    mdb_env_stat(self->env, &st);
    self->page_size = st.ms_psize;
    mdb_env_get_fd(self->env, &self->data_fd);
    return 0;
}

static int open_trees(struct store *self, bool read_only, char *why, size_t why_size)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(self->env, NULL, read_only ? MDB_RDONLY : 0u, &txn);
    if (rc != 0) {
        snprintf(why, why_size, "%s: %s", self->dir, mdb_strerror(rc));
        return mapped(rc);
    }
    for (int t = 0; rc == 0 && t < TREE_COUNT; t++) {
        rc = mdb_dbi_open(txn, tree_names[t], read_only ? 0u : MDB_CREATE, &self->dbi[t]);
        if (rc != 0) {
            snprintf(why, why_size, "%s: tree %s: %s", self->dir, tree_names[t],
                     mdb_strerror(rc));
        }
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return mapped(rc);
    }
    rc = mdb_txn_commit(txn);
    if (rc != 0) {
        snprintf(why, why_size, "%s: %s", self->dir, mdb_strerror(rc));
    }
    return mapped(rc);
}

static const struct key *state_key(void)
{
    static const struct key key = {5, "state"};
    return &key;
}

/* A new store gets its epoch here, outside of apply: it is the id of a history, not part of it. */
static int check_state(struct store *self, bool read_only, char *why, size_t why_size)
{
    struct txn *txn = NULL;
    struct state state;
    int rc = read_only ? txn_new_read(self, &txn) : txn_new_write(self, &txn);
    if (rc == 0) {
        rc = txn_begin(txn);
    }
    if (rc == 0 && !txn_state(txn, &state)) {
        rc = txn_error(txn);
        if (rc == 0 && read_only) {
            rc = CASEBUS_ENOTFOUND;
        } else if (rc == 0) {
            memset(&state, 0, sizeof state);
            state.schema = SCHEMA_VERSION;
            randombytes_buf(state.epoch, sizeof state.epoch);
            txn_set_state(txn, &state);
            rc = txn_commit(txn);
        }
    }
    if (rc == 0 && state.schema != SCHEMA_VERSION) {
        rc = CASEBUS_ESCHEMA;
    }
    if (rc != 0) {
        snprintf(why, why_size, "%s: %s", self->dir, casebus_strerror(rc));
    }
    txn_destroy(&txn);
    return rc;
}

int store_open(struct store **self_p, const struct store_options *options, char *why,
               size_t why_size)
{
    struct store *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->lock_fd = -1;
    self->map_bytes = options->map_bytes ? options->map_bytes : STORE_MAP_DEFAULT;
    self->dir = strdup(options->dir);
    int rc = self->dir ? 0 : CASEBUS_ENOMEM;
    if (rc == 0 && !options->read_only && mkdir(self->dir, 0700) < 0 && errno != EEXIST) {
        snprintf(why, why_size, "%s: cannot create the folder: %s", self->dir, strerror(errno));
        rc = CASEBUS_EIO;
    }
    if (rc == 0 && !options->read_only) {
        rc = take_lock(self, why, why_size);
    }
    if (rc == 0) {
        rc = open_env(self, options->read_only, why, why_size);
    }
    if (rc == 0) {
        store_reader_check(self);
        rc = open_trees(self, options->read_only, why, why_size);
    }
    if (rc == 0) {
        rc = check_state(self, options->read_only, why, why_size);
    }
    if (rc != 0) {
        store_close(&self);
    }
    *self_p = self;
    return rc;
}

void store_close(struct store **self_p)
{
    struct store *self = *self_p;
    if (!self) {
        return;
    }
    if (self->env) {
        mdb_env_close(self->env);
    }
    if (self->lock_fd >= 0) {
        close(self->lock_fd);
    }
    free(self->dir);
    free(self);
    *self_p = NULL;
}

const char *store_dir(const struct store *self)
{
    return self->dir;
}

void store_reader_check(struct store *self)
{
    int dead;
    mdb_reader_check(self->env, &dead);
}

int store_measure(struct txn *read, struct store_sizes *sizes)
{
    struct store *store = read->store;
    MDB_envinfo info;
    struct stat st;
    memset(sizes, 0, sizeof *sizes);
    mdb_env_info(store->env, &info);
    sizes->map_bytes = info.me_mapsize;
    sizes->used_bytes = (info.me_last_pgno + 1) * store->page_size;
    if (fstat(store->data_fd, &st) == 0) {
        sizes->file_bytes = (uint64_t)st.st_size;
    }
    for (int t = 0; t < TREE_COUNT; t++) {
        MDB_stat ms;
        int rc = mdb_stat(read->mdb, store->dbi[t], &ms);
        if (rc != 0) {
            return mapped(rc);
        }
        sizes->entries[t] = ms.ms_entries;
    }
    return 0;
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
    free(self);
    *self_p = NULL;
}

int txn_begin(struct txn *self)
{
    self->error = 0;
    self->flushes = 0;
    int rc;
    if (self->renewable) {
        rc = mdb_txn_renew(self->mdb);
        self->renewable = rc != 0;
    } else {
        rc = mdb_txn_begin(self->store->env, NULL, self->overlay ? 0u : MDB_RDONLY, &self->mdb);
    }
    self->error = mapped(rc);
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

struct txn_mark txn_mark(const struct txn *self)
{
    return (struct txn_mark){overlay_mark(self->overlay), self->flushes};
}

bool txn_rollback(struct txn *self, struct txn_mark mark)
{
    if (self->flushes != mark.flushes) {
        return false;
    }
    overlay_rollback(self->overlay, mark.undo);
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

/* Over tree, key and value; the first two as the overlay has hashed them already. */
static uint64_t checksum(uint64_t place, const void *value, size_t size)
{
    return XXH3_64bits_withSeed(value, size, place);
}

/* Takes the checksum off a value that LMDB gave. */
static int open_value(enum tree tree, struct casebus_bytes key, MDB_val v,
                      struct casebus_bytes *value)
{
    uint64_t sum;
    if (v.mv_size < CHECKSUM_SIZE) {
        return CASEBUS_ECORRUPT;
    }
    size_t size = v.mv_size - CHECKSUM_SIZE;
    memcpy(&sum, (const char *)v.mv_data + size, sizeof sum);
    if (sum != checksum(overlay_hash(tree, key), v.mv_data, size)) {
        return CASEBUS_ECORRUPT;
    }
    *value = casebus_bytes(v.mv_data, size);
    return 0;
}

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

bool txn_get(struct txn *self, enum tree tree, struct casebus_bytes key,
             struct casebus_bytes *value)
{
    if (self->error != 0 || key.size == 0 || key.size > KEY_MAX) {
        return false;
    }
    const struct overlay_item *item =
        self->overlay ? overlay_get(self->overlay, tree, key) : NULL;
    if (item) {
        *value = item->state == OVERLAY_ENTRY ? encoded(self, item) : item->data;
        return item->state != OVERLAY_DELETED && self->error == 0;
    }
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v;
    int rc = mdb_get(self->mdb, self->store->dbi[tree], &k, &v);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    rc = rc == 0 ? open_value(tree, key, v, value) : mapped(rc);
    if (rc != 0) {
        txn_fail(self, rc);
    } else if (self->overlay && self->flushes > 0) {
        *value = txn_copy(self, *value); /* a page of this transaction may still change */
    }
    return self->error == 0;
}

bool txn_load(struct txn *self, enum tree tree, const struct key *key, enum entry_type type,
              void *entry)
{
    struct casebus_bytes value;
    const struct overlay_item *item =
        self->overlay ? overlay_get(self->overlay, tree, key_bytes(key)) : NULL;
    if (item && item->state == OVERLAY_ENTRY && item->type == type && self->error == 0) {
        memcpy(entry, item->data.data, item->data.size);
        return true;
    }
    if (!txn_get(self, tree, key_bytes(key), &value)) {
        return false;
    }
    int rc = entry_decode(type, value, entry);
    if (rc != 0) {
        txn_fail(self, rc);
    }
    return rc == 0;
}

static void set(struct txn *self, enum tree tree, struct casebus_bytes key,
                enum overlay_state state, enum entry_type type, struct casebus_bytes data)
{
    if (self->error == 0) {
        txn_fail(self, overlay_set(self->overlay, tree, key, state, type, data));
    }
}

void txn_put(struct txn *self, enum tree tree, struct casebus_bytes key,
             struct casebus_bytes value)
{
    set(self, tree, key, OVERLAY_BYTES, ENTRY_TYPE_COUNT, txn_copy(self, value));
}

void txn_put_ours(struct txn *self, enum tree tree, const struct key *key,
                  struct casebus_bytes value)
{
    set(self, tree, key_bytes(key), OVERLAY_BYTES, ENTRY_TYPE_COUNT, value);
}

void txn_save(struct txn *self, enum tree tree, const struct key *key, enum entry_type type,
              const void *entry)
{
    struct casebus_bytes copy =
        txn_copy(self, casebus_bytes(entry, entry_struct_size(type)));
    set(self, tree, key_bytes(key), OVERLAY_ENTRY, type, copy);
}

void txn_delete(struct txn *self, enum tree tree, const struct key *key)
{
    set(self, tree, key_bytes(key), OVERLAY_DELETED, ENTRY_TYPE_COUNT, casebus_bytes(NULL, 0));
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
        uint64_t sum = checksum(item->hash, value.data, value.size);
        memcpy(v.mv_data, value.data, value.size);
        memcpy((char *)v.mv_data + value.size, &sum, sizeof sum);
    }
    return rc;
}

static int put_item(struct txn *self, MDB_cursor *cursor, const struct overlay_item *item)
{
    MDB_val k = {item->key.size, (void *)(uintptr_t)item->key.data};
    if (item->state == OVERLAY_DELETED) {
        return delete_item(cursor, &k);
    }
    struct casebus_bytes value =
        item->state == OVERLAY_ENTRY ? encoded(self, item) : item->data;
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
    rc = mdb_cursor_open(self->mdb, self->store->dbi[tree], &cursor);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_item(self, cursor, items[i]);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return mapped(rc);
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

/* The disk says no here or nowhere: space for all that this commit can write is reserved before
 * LMDB writes its first page. */
static int reserve(struct txn *self)
{
    struct store *store = self->store;
    MDB_envinfo info;
    mdb_env_info(store->env, &info);
    uint64_t need = (info.me_last_pgno + 1) * store->page_size +
                    overlay_bytes(self->overlay) * 2 +
                    overlay_count(self->overlay) * PAGES_PER_PUT * store->page_size +
                    (1u << 20);
    if (need > store->map_bytes) {
        return CASEBUS_ENOSPC;
    }
    if (need <= store->reserved) {
        return 0;
    }
    uint64_t to = (need / RESERVE_STEP + 1) * RESERVE_STEP;
    if (to > store->map_bytes) {
        to = store->map_bytes;
    }
    if (fallocate(store->data_fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)to) < 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            store->reserved = to; /* a file system that cannot: then the commit itself tells */
            return 0;
        }
        return mapped(errno);
    }
    store->reserved = to;
    return 0;
}

int txn_commit(struct txn *self)
{
    if (self->error == 0) {
        txn_fail(self, reserve(self));
    }
    if (self->error == 0) {
        txn_flush(self);
    }
    if (self->error == 0) {
        MDB_txn *mdb = self->mdb;
        self->mdb = NULL; /* gone, whatever the commit says */
        txn_fail(self, mapped(mdb_txn_commit(mdb)));
    }
    return self->error;
}

/* --- cursors ---------------------------------------------------------------------------- */

void cursor_open(struct cursor *c, struct txn *txn, enum tree tree)
{
    MDB_cursor *mdb = NULL;
    if (txn->error == 0) {
        txn_fail(txn, mapped(mdb_cursor_open(txn->mdb, txn->store->dbi[tree], &mdb)));
    }
    *c = (struct cursor){.txn = txn, .mdb = mdb, .tree = tree};
}

void cursor_close(struct cursor *c)
{
    if (c->mdb) {
        mdb_cursor_close(c->mdb);
        c->mdb = NULL;
    }
}

static bool move_to(struct cursor *c, MDB_cursor_op op, struct casebus_bytes key)
{
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v;
    c->key = c->value = casebus_bytes(NULL, 0);
    if (!c->mdb || c->txn->error != 0) {
        return false;
    }
    int rc = mdb_cursor_get(c->mdb, &k, &v, op);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    struct casebus_bytes found = casebus_bytes(k.mv_data, k.mv_size);
    if (rc == 0) {
        c->key = found;
        rc = open_value(c->tree, found, v, &c->value);
    } else {
        rc = mapped(rc);
    }
    if (rc != 0) {
        txn_fail(c->txn, rc);
    }
    return rc == 0;
}

bool cursor_seek(struct cursor *c, struct casebus_bytes key)
{
    return move_to(c, MDB_SET_RANGE, key);
}

bool cursor_last(struct cursor *c)
{
    return move_to(c, MDB_LAST, casebus_bytes(NULL, 0));
}

bool cursor_next(struct cursor *c)
{
    return move_to(c, MDB_NEXT, casebus_bytes(NULL, 0));
}

bool cursor_prev(struct cursor *c)
{
    return move_to(c, MDB_PREV, casebus_bytes(NULL, 0));
}

bool cursor_before(struct cursor *c, struct casebus_bytes key)
{
    return cursor_seek(c, key) ? cursor_prev(c) : c->txn->error == 0 && cursor_last(c);
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

bool txn_log(struct txn *self, uint64_t seq, struct log_entry *entry)
{
    struct key key = key_number(seq);
    return txn_load(self, TREE_LOG, &key, ENTRY_LOG, entry);
}
