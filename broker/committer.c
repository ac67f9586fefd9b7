/* The committer's thread; see committer.h. */
#include "committer.h"

#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct committer {
    pthread_t thread;
    int given_fd, done_fd;
    _Atomic(struct batch *) given, done;
    atomic_bool stop;
};

/* --- batches ---------------------------------------------------------------------------- */

int batch_new(struct batch **self_p, struct store *store)
{
    struct batch *self = calloc(1, sizeof *self);
    *self_p = self;
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->items = calloc(CASEBUS_BATCH_MAX + 1, sizeof *self->items);
    int rc = self->items ? txn_new_write(store, &self->txn) : CASEBUS_ENOMEM;
    if (rc == 0) {
        rc = apply_new(&self->apply, self->txn);
    }
    if (rc != 0) {
        batch_destroy(self_p);
    }
    return rc;
}

void batch_clear(struct batch *self)
{
    for (size_t i = 0; i < self->count; i++) {
        zmq_msg_close(&self->items[i].topic);
        zmq_msg_close(&self->items[i].body);
    }
    self->count = self->bytes = 0;
    self->frame = NULL;
}

void batch_reset(struct batch *self)
{
    txn_end(self->txn);
    self->committed = false;
}

void batch_destroy(struct batch **self_p)
{
    struct batch *self = *self_p;
    if (self) {
        batch_clear(self);
        apply_destroy(&self->apply);
        txn_destroy(&self->txn);
        free(self->items);
        free(self);
        *self_p = NULL;
    }
}

/* --- the thread ------------------------------------------------------------------------- */

static void wake(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void sleep_until_woken(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof n) < 0 && errno == EINTR) {
    }
}

/* Decides and commits items first to end. What is decided is durable when this returns 0. */
static int commit(struct batch *b)
{
    int rc = txn_begin(b->txn);
    if (rc == 0) {
        rc = apply_begin(b->apply);
    }
    b->quiet = 0;
    for (size_t i = b->first; rc == 0 && i < b->end; i++) {
        if (i + 1 < b->end) {
            apply_expect(b->apply, &b->items[i + 1].entry);
        }
        rc = apply_entry(b->apply, &b->items[i].entry, &b->items[i].result);
        b->quiet += b->items[i].result.quiet;
    }
    if (rc == 0) {
        rc = apply_finish(b->apply);
    }
    b->committed = rc == 0 && apply_changed(b->apply);
    return b->committed ? txn_commit(b->txn) : rc;
}

/* A write transaction belongs to this thread in LMDB: one that is not committed is given up
 * here. */
static void give_up_failed(struct batch *b)
{
    if (b->result != 0 || !b->committed) {
        b->committed = false;
        txn_end(b->txn);
    }
}

static void *run(void *arg)
{
    struct committer *self = arg;
    log_name_thread("store");
    for (;;) {
        sleep_until_woken(self->given_fd);
        struct batch *b = atomic_exchange(&self->given, NULL);
        if (b) {
            b->result = commit(b);
            give_up_failed(b);
            atomic_store(&self->done, b);
            wake(self->done_fd);
        }
        if (atomic_load(&self->stop)) { /* both may have come with one wake */
            return NULL;
        }
    }
}

int committer_new(struct committer **self_p)
{
    struct committer *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->given_fd = eventfd(0, EFD_CLOEXEC);
    self->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->given_fd < 0 || self->done_fd < 0 ||
        pthread_create(&self->thread, NULL, run, self) != 0) {
        close(self->given_fd);
        close(self->done_fd);
        free(self);
        return CASEBUS_EIO;
    }
    *self_p = self;
    return 0;
}

void committer_destroy(struct committer **self_p)
{
    struct committer *self = *self_p;
    if (self) {
        atomic_store(&self->stop, true);
        wake(self->given_fd);
        pthread_join(self->thread, NULL);
        close(self->given_fd);
        close(self->done_fd);
        free(self);
        *self_p = NULL;
    }
}

void committer_give(struct committer *self, struct batch *batch)
{
    atomic_store(&self->given, batch);
    wake(self->given_fd);
}

struct batch *committer_take(struct committer *self)
{
    uint64_t n;
    ssize_t ignored =
        read(self->done_fd, &n, sizeof n); /* does not block; it may come first or last */
    (void)ignored;
    return atomic_exchange(&self->done, NULL);
}

bool committer_is_done(struct committer *self)
{
    return atomic_load_explicit(&self->done, memory_order_relaxed) != NULL;
}

int committer_fd(const struct committer *self)
{
    return self->done_fd;
}
