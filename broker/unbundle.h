/* A bundle of reports that is being taken apart. Of the bus's thread; see unbundle.c. */
#ifndef BROKER_UNBUNDLE_H
#define BROKER_UNBUNDLE_H

#include "committer.h"

#include <casebus/bundle.h>

struct unbundling {
    bool open; /* there is more to come of one; all else is its own then */
    zmq_msg_t topic, body;
    struct casebus_frames frames;
    const struct batch *holder; /* the newest batch with reports of it */
};

/* Is a received message a bundle? Then its frames are taken over, and the next reports are its
 * own. None may be open. */
bool unbundle_begin(struct unbundling *self, struct item *item);
/* The next report of the bundle that is open, as if it had come alone: topic and body of the
 * entry, and frames that keep them and say who has sent it. False: none is open. */
bool unbundle_next(struct unbundling *self, struct item *item);
/* The bytes that the batch holds by the report that came last: its frame's, which count once.
 */
size_t unbundle_weight(struct unbundling *self, const struct batch *batch);
void unbundle_end(struct unbundling *self);

#endif
