/* The outbox: a folder with one LMDB environment, in which reports are durable.
 *
 * A commit returns after its pages and its meta page are synced (LMDB's default flags), and
 * what a torn commit leaves is not there at the next start. State in memory follows the disk:
 * it is what the last commit that succeeded wrote.
 *
 * File space for everything a commit can need is reserved before it writes (fallocate): so a
 * full disk is met where nothing has happened, and the caller is told that a report was not
 * taken. The commit that lets reports go has room set aside.
 *
 * One process has the folder at a time (flock); no transaction outlives the call it was made
 * in. */
#include "outbox_private.h"

#include "lmdb_error.h"
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESERVE_STEP (4ull << 20)
#define PAGES_LEAST 64     /* of any commit: free list, roots, branches, the state */
#define READERS_BYTES 4096 /* of LMDB's table of them: room for more than we are */

int outbox_error(int rc)
{
    int error = lmdb_error(rc);
    return error == CASEBUS_EINTERNAL ? CASEBUS_EIO : error;
}

/* --- commits ------------------------------------------------------------------------------ */

static int reserve(struct outbox *self, uint64_t more)
{
    return space_reserve(self->env, self->map_bytes, RESERVE_STEP, more, &self->reserved);
}

int outbox_begin(struct outbox *self, MDB_txn **txn)
{
    self->written = self->deleted = self->spare = 0;
    return outbox_error(mdb_txn_begin(self->env, NULL, 0, txn));
}

/* A record may lie on a page half empty, or on pages of its own of which the last one is. Of
 * deleted ones the leaves are written again, as many as hold them. */
static int reserve_for_commit(struct outbox *self)
{
    uint64_t leaves = self->state.bytes / (self->page_size / 2);
    uint64_t pages = PAGES_LEAST + (self->deleted < leaves ? self->deleted : leaves);
    return reserve(self, 4 * self->written + pages * self->page_size + self->spare);
}

static int put_state(struct outbox *self, MDB_txn *txn, const struct outbox_state *state)
{
    unsigned char bytes[OUTBOX_STATE_SIZE];
    char name[] = "state";
    outbox_pack_state(state, bytes);
    MDB_val key = {sizeof name - 1, name}, value = {sizeof bytes, bytes};
    return outbox_error(mdb_put(txn, self->states, &key, &value, 0));
}

int outbox_end(struct outbox *self, MDB_txn *txn, int error, const struct outbox_state *state)
{
    error = error ? error : put_state(self, txn, state);
    error = error ? error : reserve_for_commit(self);
    if (error) {
        mdb_txn_abort(txn);
        return error;
    }
    error = outbox_error(mdb_txn_commit(txn));
    if (error == 0) {
        self->state = *state;
    }
    return error;
}

/* --- opening ------------------------------------------------------------------------------ */

static int take_lock(struct outbox *self)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/outbox.lock", self->options.folder);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) {
        return outbox_error(errno);
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        return errno == EWOULDBLOCK ? CASEBUS_ELOCKED : CASEBUS_EIO;
    }
    return 0;
}

/* Pages behind the end of the file are mapped, and to touch one ends the process. A file that
 * lost its end gets it back, empty, and what was there is found damaged. */
static int mend_size(struct outbox *self)
{
    MDB_envinfo info;
    struct stat file;
    mdb_env_info(self->env, &info);
    uint64_t used = (info.me_last_pgno + 1) * self->page_size;
    if (fstat(self->data_fd, &file) < 0 ||
        ((uint64_t)file.st_size < used && ftruncate(self->data_fd, (off_t)used) < 0)) {
        return outbox_error(errno);
    }
    return 0;
}

/* LMDB maps its table of readers and writes to it: on a full disk a hole in that file would
 * end the process by a signal. What we touch of it is there before LMDB is. */
static int reserve_readers(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock.mdb", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = fd < 0 || fallocate(fd, 0, 0, READERS_BYTES) < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    errno = rc; /* what casebus_outbox_open() leaves there for its caller */
    return rc == EOPNOTSUPP || rc == ENOSYS ? 0 : outbox_error(rc);
}

int outbox_open_env(struct outbox *self)
{
    const struct outbox_options *o = &self->options;
    MDB_stat stat;
    int error = reserve_readers(o->folder);
    if (error) {
        return error;
    }
    /* Twice for records on pages of their own, twice that while all are renumbered, and room
     * for pages that are not free yet. */
    self->map_bytes = 8 * o->bytes_max + (64ull << 20);
    int rc = mdb_env_create(&self->env);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(self->env, self->map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(self->env, 3);
    }
    if (rc == 0) {
        rc = mdb_env_open(self->env, o->folder, MDB_NOTLS, 0600);
    }
    if (rc != 0) {
        return outbox_error(rc);
    }
    /* What is found may be in the page cache alone: a meta page that the disk had failed to
     * write, and that LMDB took back. The first commit writes over pages which the other one
     * still uses; if the power failed then, that one would be found. */
    mdb_env_stat(self->env, &stat);
    self->page_size = stat.ms_psize;
    mdb_env_get_fd(self->env, &self->data_fd);
    return fdatasync(self->data_fd) < 0 ? outbox_error(errno) : mend_size(self);
}

int outbox_open_trees(struct outbox *self)
{
    MDB_txn *txn;
    MDB_envinfo info;
    mdb_env_info(self->env, &info);
    /* One that is not new is opened on a full disk too: nothing is written. Nor is anything
     * made in an environment that is somebody else's. */
    bool is_new = info.me_last_txnid == 0;
    const unsigned flags = is_new ? MDB_CREATE : 0;
    int error = is_new ? reserve_for_commit(self) : 0;
    error = error ? error : outbox_begin(self, &txn);
    if (error) {
        return error;
    }
    int rc = mdb_dbi_open(txn, "reports", flags, &self->reports);
    if (rc == 0) {
        rc = mdb_dbi_open(txn, "refusals", flags, &self->refusals);
    }
    if (rc == 0) {
        rc = mdb_dbi_open(txn, "state", flags, &self->states);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc == MDB_NOTFOUND ? CASEBUS_ESCHEMA : outbox_error(rc);
    }
    return outbox_error(mdb_txn_commit(txn));
}

/* A state that is not there or cannot be read is made again from the rest: which of the reports
 * the broker has decided is not known then, so that they go under a fresh id. */
static int read_state(struct outbox *self)
{
    MDB_txn *txn;
    char name[] = "state";
    MDB_val key = {sizeof name - 1, name}, value;
    int error = outbox_error(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn));
    if (error) {
        return error;
    }
    error = outbox_error(mdb_get(txn, self->states, &key, &value));
    if (!error) {
        error = outbox_unpack_state(casebus_bytes(value.mv_data, value.mv_size), &self->state);
    }
    mdb_txn_abort(txn);
    if (error == CASEBUS_ENOTFOUND || error == CASEBUS_ECORRUPT) {
        unsigned char id[CASEBUS_PUBLISHER_SIZE];
        randombytes_buf(id, sizeof id);
        error = outbox_rebuild(self, id);
    }
    return error;
}

/* The names of new files are as durable as what is in them. */
static int sync_folder(const char *folder, const char *relative)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", folder, relative);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int error = rc < 0 ? outbox_error(errno) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

int casebus_outbox_open(struct outbox **self_p, const struct outbox_options *options)
{
    struct outbox *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->options = *options;
    self->lock_fd = -1;
    msgpack_sbuffer_init(&self->scratch);
    int error = 0;
    if (mkdir(options->folder, 0700) < 0 && errno != EEXIST) {
        error = outbox_error(errno);
    }
    int (*const steps[])(struct outbox *) = {take_lock, outbox_open_env, outbox_check_pages,
                                             outbox_open_trees, read_state};
    for (size_t i = 0; !error && i < sizeof steps / sizeof steps[0]; i++) {
        error = steps[i](self);
    }
    error = error ? error : sync_folder(options->folder, "");
    error = error ? error : sync_folder(options->folder, "/..");
    if (error) {
        int why = errno;
        casebus_outbox_close(&self);
        errno = why;
    } else {
        self->options.folder = NULL; /* the caller's */
    }
    *self_p = self;
    return error;
}

void casebus_outbox_close(struct outbox **self_p)
{
    struct outbox *self = *self_p;
    if (!self) {
        return;
    }
    *self_p = NULL;
    if (self->env) {
        mdb_env_close(self->env);
    }
    if (self->lock_fd >= 0) {
        close(self->lock_fd);
    }
    msgpack_sbuffer_destroy(&self->scratch);
    free(self);
}

const struct outbox_state *casebus_outbox_state(const struct outbox *self)
{
    return &self->state;
}

bool casebus_outbox_salvaged(const struct outbox *self)
{
    return self->salvaged;
}
