/* Retention, as the bus sees it: is the log longer than it may be, and the entry that says so.
 *
 * What is trimmed is decided in apply (apply_floor.c), in the store's thread. Here it is only
 * asked for: with each batch as much as keeps up with what a batch can add, and some more where
 * there is a backlog. */
#ifndef BROKER_RETENTION_H
#define BROKER_RETENTION_H

#include "committer.h"

#include <stdatomic.h>

/* The settings: written by the main thread at the start and at a SIGHUP, read by the bus. */
struct retention {
    atomic_uint_fast64_t events, bytes; /* the log keeps at most; 0: no limit */
};

/* The bus's own. */
struct trimming {
    const struct retention *retention;
    const struct store *store;
    struct state kept;  /* as of the newest commit */
    bool failed;        /* the log could not be trimmed: not tried again */
    int64_t not_before; /* monotonic ms */
};

/* Adds the entry that trims the log, where it is due, to a batch that is about to be given: it
 * may then hold one more than CASEBUS_BATCH_MAX items. */
void trimming_add(const struct trimming *self, struct batch *batch, uint64_t now_us);
/* Trimming needs space before it makes any. Where a batch found none, takes the entry out of
 * it, for the rest may fit; false: there is none in it. */
bool trimming_withdraw(struct trimming *self, struct batch *batch);
/* The entry has been decided. */
void trimming_done(struct trimming *self, const struct item *item);

#endif
