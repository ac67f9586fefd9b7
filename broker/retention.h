/* Retention, as the bus sees it: is the log longer than it may be, and the entry that says so.
 *
 * The settings are written by the main thread, at the start and at a SIGHUP, and read by the bus. What is
 * trimmed is decided in apply (apply_floor.c), in the store's thread; here it is only asked for, with
 * each batch as much as keeps up with what a batch can add, and some more where there is a backlog. */
#ifndef BROKER_RETENTION_H
#define BROKER_RETENTION_H

#include "committer.h"

#include <stdatomic.h>

struct retention {
    atomic_uint_fast64_t events, bytes; /* the log keeps at most; 0: no limit */
};

/* Is the log, as of that state, longer than it may be, and nobody in the way? */
bool retention_is_due(const struct retention *self, const struct state *state,
                      const struct store *store);
/* Adds the entry that trims the log, to a batch that is about to be given: it may then hold one more
 * than CASEBUS_BATCH_MAX items. Without memory it does not: another batch will. */
void retention_add(const struct retention *self, const struct store *store, struct batch *batch,
                   uint64_t now);

#endif
