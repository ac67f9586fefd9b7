/* Copying a store key by key; see copy.h. */
#include "copy.h"

#include "folder.h"
#include "store_private.h"

#include <casebus/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Copied between two commits: what LMDB holds in memory, and what a sync has to write at once
 * beside the commits of a broker at work. */
#define STEP_BYTES (16u << 20)

struct copying {
    struct txn *from;
    const struct copy_options *options;
    struct copy_progress *progress;
    char *why;
    size_t why_size;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi[TREE_COUNT];
    MDB_cursor *out;
    size_t since_commit;
    unsigned char *scratch; /* a value being rewritten */
    size_t scratch_size;
};

static int fail(struct copying *c, int code, const char *what)
{
    snprintf(c->why, c->why_size, "%s", what);
    return code;
}

static int fail_lmdb(struct copying *c, int rc)
{
    const char *what = rc == MDB_BAD_TXN ? "a page could not be read" : mdb_strerror(rc);
    return rc == 0 ? 0 : fail(c, lmdb_error(rc), what);
}

/* --- a new epoch ------------------------------------------------------------------------ */

static unsigned char *scratch(struct copying *c, size_t size)
{
    if (size > c->scratch_size) {
        unsigned char *p = realloc(c->scratch, size);
        if (!p) {
            return NULL;
        }
        c->scratch = p;
        c->scratch_size = size;
    }
    return c->scratch;
}

static int rewrite_state(struct copying *c, struct casebus_bytes value, size_t *size)
{
    struct state state;
    if (entry_decode(ENTRY_STATE, value, &state) != 0) {
        return fail(c, CASEBUS_ECORRUPT, "meta state: cannot be decoded");
    }
    memcpy(state.epoch, c->options->epoch, sizeof state.epoch);
    unsigned char *out = scratch(c, entry_size(ENTRY_STATE, &state) + CHECKSUM_SIZE);
    if (!out) {
        return fail(c, CASEBUS_ENOMEM, "out of memory");
    }
    *size = entry_encode(ENTRY_STATE, &state, out);
    return 0;
}

/* An event says of which epoch it is, in bytes that never change their number. */
static int rewrite_event(struct copying *c, struct casebus_bytes value, size_t *size)
{
    struct log_entry log;
    struct casebus_bytes epoch = casebus_bytes(NULL, 0);
    if (entry_decode(ENTRY_LOG, value, &log) == 0) {
        epoch = casebus_as_bin(casebus_map_get(log.body, "epoch"));
    }
    if (epoch.size != CASEBUS_EPOCH_SIZE) {
        return fail(c, CASEBUS_ECORRUPT, "log: holds what is not an event");
    }
    unsigned char *out = scratch(c, value.size + CHECKSUM_SIZE);
    if (!out) {
        return fail(c, CASEBUS_ENOMEM, "out of memory");
    }
    memcpy(out, value.data, value.size);
    memcpy(out + (epoch.data - value.data), c->options->epoch, CASEBUS_EPOCH_SIZE);
    *size = value.size;
    return 0;
}

/* Makes *v the value as it is in another epoch. */
static int rewrite(struct copying *c, enum tree tree, struct casebus_bytes key,
                   struct casebus_bytes value, MDB_val *v)
{
    size_t size = 0;
    int rc = 0;
    if (tree != TREE_LOG && tree != TREE_META) {
        return 0;
    }
    rc = tree == TREE_LOG ? rewrite_event(c, value, &size) : rewrite_state(c, value, &size);
    if (rc == 0) {
        uint64_t sum = store_checksum(overlay_hash(tree, key), c->scratch, size);
        memcpy(c->scratch + size, &sum, sizeof sum);
        *v = (MDB_val){size + CHECKSUM_SIZE, c->scratch};
    }
    return rc;
}

/* --- a tree ----------------------------------------------------------------------------- */

static void close_out(struct copying *c)
{
    if (c->out) {
        mdb_cursor_close(c->out);
        c->out = NULL;
    }
}

static int commit(struct copying *c)
{
    MDB_txn *txn = c->txn;
    close_out(c);
    c->txn = NULL;
    c->since_commit = 0;
    return fail_lmdb(c, mdb_txn_commit(txn));
}

static int begin(struct copying *c)
{
    return fail_lmdb(c, mdb_txn_begin(c->env, NULL, 0, &c->txn));
}

static int commit_step(struct copying *c, enum tree tree)
{
    if (c->since_commit < STEP_BYTES) {
        return 0;
    }
    int rc = commit(c);
    rc = rc ? rc : begin(c);
    return rc ? rc : fail_lmdb(c, mdb_cursor_open(c->txn, c->dbi[tree], &c->out));
}

static int damaged(struct copying *c, enum tree tree, struct casebus_bytes key)
{
    if (c->options->damaged) {
        c->options->damaged(c->options->arg, tree, key);
        return 0;
    }
    char shown[KEY_SHOWN_MAX];
    snprintf(c->why, c->why_size, "%s %s: bytes do not match their checksum", tree_names[tree],
             key_shown(tree, key, shown));
    return CASEBUS_ECORRUPT;
}

/* A page of another place, or of another time, stands where this tree's should. */
static int out_of_order(struct copying *c, enum tree tree, struct casebus_bytes key)
{
    char shown[KEY_SHOWN_MAX];
    snprintf(c->why, c->why_size, "%s %s: keys are out of order, its pages are damaged",
             tree_names[tree], key_shown(tree, key, shown));
    return CASEBUS_ECORRUPT;
}

/* The state comes last, and before all that share its tree. */
static unsigned put_flags(enum tree tree)
{
    return tree == TREE_META ? 0 : MDB_APPEND;
}

static int copy_value(struct copying *c, enum tree tree, struct casebus_bytes key, MDB_val k,
                      MDB_val v)
{
    struct casebus_bytes value;
    int rc = store_open_value(tree, key, v, &value);
    if (rc != 0) {
        rc = damaged(c, tree, key);
    } else if (c->options->epoch) {
        rc = rewrite(c, tree, key, value, &v);
    }
    if (rc == 0) {
        int put = mdb_cursor_put(c->out, &k, &v, put_flags(tree));
        rc = put == MDB_KEYEXIST ? out_of_order(c, tree, key) : fail_lmdb(c, put);
    }
    c->since_commit += k.mv_size + v.mv_size;
    return rc != 0 ? rc : commit_step(c, tree);
}

static int copy_tree(struct copying *c, enum tree tree)
{
    MDB_cursor *in = NULL;
    struct placed_key room;
    struct casebus_bytes key;
    MDB_val k = *place_key(&room, tree, casebus_bytes(NULL, 0)), v;
    int rc = fail_lmdb(c, mdb_cursor_open(c->from->mdb, c->from->store->dbi[tree], &in));
    rc = rc ? rc : fail_lmdb(c, mdb_cursor_open(c->txn, c->dbi[tree], &c->out));
    atomic_store(&c->progress->tree, (int)tree);
    const MDB_cursor_op first = tree_shares(tree) ? MDB_SET_RANGE : MDB_FIRST;
    int at = rc == 0 ? mdb_cursor_get(in, &k, &v, first) : 0;
    while (rc == 0 && at == 0 && placed_key(tree, k, &key)) {
        rc = copy_value(c, tree, key, k, v);
        atomic_fetch_add_explicit(&c->progress->copied, 1, memory_order_relaxed);
        if (atomic_load_explicit(&c->progress->cancel, memory_order_relaxed)) {
            rc = fail(c, CASEBUS_EINTR, "given up");
        }
        at = mdb_cursor_get(in, &k, &v, MDB_NEXT);
    }
    if (rc == 0 && at == 0 && !store_stands_at(c->from, tree, k, v)) {
        rc = out_of_order(c, tree, casebus_bytes(k.mv_data, k.mv_size));
    } else if (rc == 0 && at != 0 && at != MDB_NOTFOUND) {
        rc = fail_lmdb(c, at);
    }
    close_out(c);
    if (in) {
        mdb_cursor_close(in);
    }
    return rc;
}

/* --- the whole -------------------------------------------------------------------------- */

/* How many bytes the trees take now, and how many records they hold. */
static int measure(struct copying *c, uint64_t *bytes)
{
    uint64_t pages = 0, records = 0;
    for (int t = TREE_SHARED_LAST; t < TREE_COUNT; t++) { /* all that share, once */
        MDB_stat st;
        int rc = mdb_stat(c->from->mdb, c->from->store->dbi[t], &st);
        if (rc != 0) {
            return fail_lmdb(c, rc);
        }
        pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
        records += st.ms_entries;
    }
    *bytes = pages * c->from->store->page_size;
    atomic_store(&c->progress->total, records);
    return 0;
}

static int check_space(struct copying *c, uint64_t bytes)
{
    struct statvfs fs;
    if (statvfs(c->options->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < bytes) {
        return fail(c, CASEBUS_ENOSPC, "the disk has less space left than the store takes");
    }
    return 0;
}

static int open_env(struct copying *c, uint64_t bytes)
{
    int rc = mdb_env_create(&c->env);
    rc = rc ? rc : mdb_env_set_mapsize(c->env, 2 * bytes + (256u << 20));
    rc = rc ? rc : mdb_env_set_maxdbs(c->env, TREE_COUNT);
    rc = rc ? rc : mdb_env_open(c->env, c->options->dir, MDB_NOLOCK, 0600);
    return fail_lmdb(c, rc);
}

static int make_trees(struct copying *c)
{
    int rc = begin(c);
    for (int t = 0; rc == 0 && t < TREE_COUNT; t++) {
        rc = fail_lmdb(c,
                       mdb_dbi_open(c->txn, tree_place((enum tree)t), MDB_CREATE, &c->dbi[t]));
    }
    return rc;
}

static bool wanted(const struct copying *c, int tree)
{
    return !c->options->left_out || !c->options->left_out[tree];
}

static int copy_all(struct copying *c)
{
    uint64_t bytes = 0;
    int rc = measure(c, &bytes);
    rc = rc ? rc : check_space(c, bytes);
    rc = rc ? rc : open_env(c, bytes);
    rc = rc ? rc : make_trees(c);
    for (int t = 0; rc == 0 && t < TREE_COUNT; t++) {
        rc = t != TREE_META && wanted(c, t) ? copy_tree(c, (enum tree)t) : 0;
    }
    rc = rc ? rc : commit(c);
    rc = rc ? rc : begin(c);
    rc = rc ? rc : wanted(c, TREE_META) ? copy_tree(c, TREE_META) : 0;
    rc = rc ? rc : commit(c);
    if (rc == 0 && folder_sync(c->options->dir) != 0) {
        rc = fail(c, CASEBUS_EIO, "the folder cannot be synced");
    }
    return rc;
}

int store_copy(struct txn *from, const struct copy_options *options,
               struct copy_progress *progress, char *why, size_t why_size)
{
    struct copying c = {.from = from,
                        .options = options,
                        .progress = progress,
                        .why = why,
                        .why_size = why_size};
    int rc = copy_all(&c);
    close_out(&c);
    if (c.txn) {
        mdb_txn_abort(c.txn);
    }
    if (c.env) {
        mdb_env_close(c.env);
    }
    free(c.scratch);
    return rc;
}
