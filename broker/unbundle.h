/* A bundle of reports that is being taken apart. Of the bus's thread; see unbundle.c. */
#ifndef BROKER_UNBUNDLE_H
#define BROKER_UNBUNDLE_H

#include "committer.h"

#include <casebus/bundle.h>

struct unbundling {
    bool open;             /* there is more to come of one; all else is its own then */
    zmq_msg_t topic, body; /* its frames, which say who has sent it */
    struct casebus_frames frames;
    size_t unpaid; /* of its bytes, those that no report in it has counted with */
    size_t share;  /* and those of the report that came last */
};

/* Is a received message a bundle? Then its frames are taken over, and the next reports are its
 * own. None may be open. */
bool unbundle_begin(struct unbundling *self, struct item *item);
/* The next report of the bundle that is open, as topic and body of the entry, which are in the
 * bundle's frame; the item's own frames are empty. False: none is open. */
bool unbundle_next(struct unbundling *self, struct item *item);
/* The report that came last stays in this batch, and with it the bundle's frame. How many bytes
 * more the batch holds. */
size_t unbundle_keep(struct unbundling *self, struct batch *batch, struct item *item);
void unbundle_end(struct unbundling *self);

#endif
