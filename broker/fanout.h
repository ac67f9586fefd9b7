/* Fan-out: events and heads, out to everybody who has subscribed. Used by the bus's thread
 * alone.
 *
 * The first outlet is for those who may see everything; each audience has one of its own, which
 * is sent the streams it covers, in its form, and heads of those. What goes out at the first
 * costs nothing more for there being others. A message that cannot be made or sent is left out:
 * its subscribers find the hole and ask for it. */
#ifndef BROKER_FANOUT_H
#define BROKER_FANOUT_H

#include "apply.h"
#include "audience.h"
#include "inlet.h"
#include "ports.h"

#include <czmq.h>

#define OUTLETS_MAX (1 + AUDIENCES_MAX)

struct fanout;

struct fanout_options {
    const char *endpoint;              /* of the first outlet */
    const struct audiences *audiences; /* NULL: none; outlive the fan-out */
    const struct gate *gate;
    struct quota *quota; /* of the bus's thread; outlives the fan-out */
    struct store *store;
    const unsigned char *epoch;
    uint64_t seq;   /* the newest event there is */
    uint64_t entry; /* and the newest entry */
};

/* Binds; false: `why` says why not. */
bool fanout_new(struct fanout **self_p, const struct fanout_options *options, char *why,
                size_t why_size);
void fanout_destroy(struct fanout **self_p);

/* Where an outlet is bound, the first being 0, the audiences' behind it in their order; to be
 * freed by the caller. */
char *fanout_bound(const struct fanout *self, unsigned outlet);
/* Ends all connections: the outlets are given up, and taken again by fanout_rebind() (false:
 * not all yet, call it again soon). */
void fanout_unbind(struct fanout *self);
bool fanout_rebind(struct fanout *self);
/* What tells that something has been subscribed to: fills in one for each outlet, borrowed, and
 * says how many they are. */
unsigned fanout_inlets(struct fanout *self, struct inlet *inlets[OUTLETS_MAX]);
/* Takes in what has been subscribed to; somebody who asks for heads gets them soon. A
 * connection that has more patterns than one may is cut off, and its actor kept out for a
 * while. */
void fanout_read_subscriptions(struct fanout *self, const struct actor_table *actors);

/* Something of this agency (absent: of none) has changed without an event of its own, in the
 * batch that is published next, which has been committed up to `entry`. Heads say so to those
 * who may know of the agency: those of the batch, or heads of their own soon: a flood of it is
 * few heads. */
void fanout_quiet(struct fanout *self, struct casebus_bytes agency, uint64_t entry);
/* Sends a committed batch's events, alone in the order of their seqs, in bundles in that order
 * within a stream, and the batch's heads. 0 or CASEBUS_ENOMEM: what subscribers would be told
 * is no longer known, the bus must not go on. */
int fanout_publish(struct fanout *self, const struct apply_event *events, size_t count,
                   const struct actor_table *actors);

/* Monotonic ms: when heads are due next, and sends those that are. `held`: why nothing is
 * stored for now, NULL: it is. */
int64_t fanout_due(const struct fanout *self);
void fanout_send_due(struct fanout *self, int64_t now, const char *held);
/* There is something that heads should say at once. */
void fanout_hurry(struct fanout *self);

#endif
