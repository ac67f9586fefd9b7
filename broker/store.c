/* LMDB behind the store's own words; see store.h for what users may rely on.
 *
 * Durability: default flags only, so a commit returns after data and meta page are synced.
 * Where its pages go is store_space.c's. */
#include "compare.h"
#include "folder.h"
#include "hash.h"
#include "pages.h"
#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS_MAX 64
#define READERS_BYTES (16 << 10) /* more than their table needs */

int store_open_error(int rc)
{
    switch (rc) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case EROFS:
        return CASEBUS_EINVAL;
    default:
        return lmdb_error(rc);
    }
}

/* --- opening ---------------------------------------------------------------------------- */

/* LMDB maps its table of readers and writes to it: on a full disk a hole in that file would
 * end the process by a signal. Its blocks are there before LMDB is. */
static int reserve_readers(struct store *self, char *why, size_t why_size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock.mdb", self->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = fd < 0 ? errno : fallocate(fd, 0, 0, READERS_BYTES) < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    if (rc == 0 || rc == EOPNOTSUPP || rc == ENOSYS) {
        return 0;
    }
    snprintf(why, why_size, "%s: %s", path, strerror(rc));
    return store_open_error(rc);
}

static int open_env(struct store *self, const char *path, unsigned flags, char *why,
                    size_t why_size)
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
        rc = mdb_env_open(self->env, path, MDB_NOTLS | flags, 0600);
    }
    if (rc != 0) {
        snprintf(why, why_size, "%s: cannot open the store: %s", self->dir, mdb_strerror(rc));
        return store_open_error(rc);
    }
    MDB_stat st;
    mdb_env_stat(self->env, &st);
    self->page_size = st.ms_psize;
    mdb_env_get_fd(self->env, &self->data_fd);
    return 0;
}

/* LMDB's own order of keys, a shorter one first: whoever opens the store without this finds the
 * same. A search compares a dozen times, and nearly all of our keys differ in their first
 * sixteen bytes: two steps, where LMDB calls memcmp(). */
static int compare_keys(const MDB_val *a, const MDB_val *b)
{
    return compare_strings(casebus_bytes(a->mv_data, a->mv_size),
                           casebus_bytes(b->mv_data, b->mv_size));
}

/* Only a store in the making gets trees: in another's environment none of ours are made. */
static int open_trees(struct store *self, bool read_only, unsigned flags, char *why,
                      size_t why_size)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(self->env, NULL, read_only ? MDB_RDONLY : 0u, &txn);
    if (rc != 0) {
        snprintf(why, why_size, "%s: %s", self->dir, mdb_strerror(rc));
        return lmdb_error(rc);
    }
    for (int t = 0; rc == 0 && t < TREE_COUNT; t++) {
        rc = mdb_dbi_open(txn, tree_place((enum tree)t), flags, &self->dbi[t]);
        rc = rc ? rc : mdb_set_compare(txn, self->dbi[t], compare_keys);
        if (rc != 0) {
            snprintf(why, why_size, "%s: tree %s: %s", self->dir, tree_place((enum tree)t),
                     rc == MDB_NOTFOUND
                         ? "missing: this is not a store of casebus-broker, or a damaged one"
                         : mdb_strerror(rc));
        }
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return lmdb_error(rc);
    }
    rc = mdb_txn_commit(txn);
    if (rc != 0) {
        snprintf(why, why_size, "%s: %s", self->dir, mdb_strerror(rc));
    }
    return lmdb_error(rc);
}

/* LMDB goes on from an older commit where the newest is hidden: what was confirmed since would
 * be gone, and its seqs would be given again. */
static int check_metas(const struct store *self, char *why, size_t why_size)
{
    if (!store_hides_commit(self)) {
        return 0;
    }
    snprintf(why, why_size,
             "%s: a meta page of data.mdb is damaged, and the newest commit may be hidden; "
             "--restore puts a backup back, --repair goes on from what is seen, in a new epoch",
             self->dir);
    return CASEBUS_ECORRUPT;
}

/* A new store gets its epoch here, outside of apply: it is the id of a history, not part of it.
 */
static int put_first_state(struct store *self)
{
    struct txn *txn = NULL;
    struct state state = {.schema = SCHEMA_VERSION};
    randombytes_buf(state.epoch, sizeof state.epoch);
    int rc = txn_new_write(self, &txn);
    if (rc == 0) {
        rc = txn_begin(txn);
    }
    if (rc == 0) {
        txn_set_state(txn, &state);
        rc = txn_commit(txn);
    }
    txn_destroy(&txn);
    return rc;
}

static int give_name(struct store *self, const char *from, const char *to)
{
    int rc = rename(from, to) < 0 ? store_open_error(errno) : 0;
    rc = rc ? rc : folder_sync(self->dir);
    return rc ? rc : folder_sync_parent(self->dir);
}

/* Makes the store where there is none: under another name, which becomes its own when it is
 * complete and on the disk. Whenever the power fails, there is a whole store or none. */
static int make(struct store *self, char *why, size_t why_size)
{
    char path[4096], unfinished[4096];
    snprintf(path, sizeof path, "%s/data.mdb", self->dir);
    snprintf(unfinished, sizeof unfinished, "%s/data.mdb.new", self->dir);
    if (access(path, F_OK) == 0) {
        return 0;
    }
    unlink(unfinished);
    why[0] = '\0';
    int rc = open_env(self, unfinished, MDB_NOSUBDIR | MDB_NOLOCK, why, why_size);
    rc = rc ? rc : open_trees(self, false, MDB_CREATE, why, why_size);
    rc = rc ? rc : put_first_state(self);
    if (self->env) {
        mdb_env_close(self->env);
        self->env = NULL;
    }
    self->reserved = self->used = self->written = 0; /* of a file that is opened again */
    rc = rc ? rc : give_name(self, unfinished, path);
    if (rc != 0 && !why[0]) {
        snprintf(why, why_size, "%s: cannot make the store: %s", self->dir,
                 casebus_strerror(rc));
    }
    return rc;
}

/* What a start finds may be in the page cache alone, left there by a process that was killed
 * between writing its meta page and syncing it, or whose disk failed then. A commit of our
 * own makes sure of all of it before anything is confirmed; where there is no space for one,
 * the sync before it is what can be had. That sync is first, for the commit writes over free
 * pages: where LMDB took back a meta page that the disk had failed to write, and only the page
 * cache knows, they are pages in use to whoever finds the other one after a failure of power.
 */
static int make_sure(struct store *self, struct txn *txn, const struct state *state)
{
    if (fdatasync(self->data_fd) < 0) {
        return lmdb_error(errno);
    }
    txn_set_state(txn, state);
    int rc = txn_commit(txn);
    return rc != CASEBUS_ENOSPC ? rc : 0;
}

static int check_state(struct store *self, bool read_only, char *why, size_t why_size)
{
    struct txn *txn = NULL;
    struct state state;
    int rc = read_only ? txn_new_read(self, &txn) : txn_new_write(self, &txn);
    if (rc == 0) {
        rc = txn_begin(txn);
    }
    if (rc == 0 && !txn_state(txn, &state)) {
        rc = txn_error(txn) ? txn_error(txn) : read_only ? CASEBUS_ENOTFOUND : CASEBUS_ECORRUPT;
    }
    if (rc == 0 && state.schema != SCHEMA_VERSION) {
        rc = CASEBUS_ESCHEMA;
    }
    if (rc == 0 && !read_only) {
        rc = make_sure(self, txn, &state);
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
    if (rc == 0 && !options->read_only) {
        rc = folder_make(self->dir, why, why_size);
    }
    if (rc == 0 && !options->read_only) {
        rc = folder_lock(self->dir, &self->lock_fd, why, why_size);
    }
    if (rc == 0 && !options->read_only) {
        rc = reserve_readers(self, why, why_size);
    }
    if (rc == 0 && !options->read_only) {
        rc = make(self, why, why_size);
    }
    if (rc == 0) {
        rc = open_env(self, self->dir, options->read_only ? MDB_RDONLY : 0u, why, why_size);
    }
    if (rc == 0 && !options->read_only) {
        rc = check_metas(self, why, why_size);
    }
    if (rc == 0) {
        store_reader_check(self);
        rc = open_trees(self, options->read_only, 0, why, why_size);
    }
    if (rc == 0 && !options->any_state) {
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

int store_snapshot_begin(struct store *self, uint64_t seq)
{
    for (int i = 0; i < SNAPSHOTS_MAX; i++) {
        uint_fast64_t unused = 0;
        if (atomic_compare_exchange_strong(&self->snapshot[i], &unused, seq + 1)) {
            return i;
        }
    }
    return CASEBUS_EBUSY;
}

void store_snapshot_end(struct store *self, int number)
{
    if (number >= 0) {
        atomic_store(&self->snapshot[number], 0);
    }
}

uint64_t store_snapshot_lowest(const struct store *self)
{
    uint64_t lowest = UINT64_MAX;
    for (int i = 0; i < SNAPSHOTS_MAX; i++) {
        uint64_t next = atomic_load(&self->snapshot[i]);
        if (next > 0 && next - 1 < lowest) {
            lowest = next - 1;
        }
    }
    return lowest;
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
    for (int t = TREE_SHARED_LAST; t < TREE_COUNT; t++) {
        MDB_stat ms;
        int rc = mdb_stat(read->mdb, store->dbi[t], &ms);
        if (rc != 0) {
            return lmdb_error(rc);
        }
        sizes->entries[t] = ms.ms_entries;
    }
    return 0;
}

int store_check_pages(struct store *self, void (*fault)(void *arg, const char *what), void *arg)
{
    const struct pages_watcher watcher = {.fault = fault, .arg = arg};
    return lmdb_error(pages_check(self->env, &watcher));
}

bool store_hides_commit(const struct store *self)
{
    return !pages_metas_agree(self->env);
}

/* --- what transactions ask of the store -------------------------------------------------- */

/* Over tree, key and value; the first two as the overlay has hashed them already. */
uint64_t store_checksum(uint64_t place, const void *value, size_t size)
{
    return hash_64(value, size, place);
}

/* Takes the checksum off a value that LMDB gave. */
int store_open_value(enum tree tree, struct casebus_bytes key, MDB_val v,
                     struct casebus_bytes *value)
{
    uint64_t sum;
    if (v.mv_size < CHECKSUM_SIZE) {
        return CASEBUS_ECORRUPT;
    }
    size_t size = v.mv_size - CHECKSUM_SIZE;
    memcpy(&sum, (const char *)v.mv_data + size, sizeof sum);
    if (sum != store_checksum(overlay_hash(tree, key), v.mv_data, size)) {
        return CASEBUS_ECORRUPT;
    }
    *value = casebus_bytes(v.mv_data, size);
    return 0;
}
