/* What of its replies each peer has not read, and each actor by all its peers: bounded in
 * bytes; libzmq only counts messages.
 *
 * A reply is counted when it is handed to libzmq and taken off when libzmq lets go of it, on a
 * thread of its own: it has been sent, or the peer is gone. Peers and actors are told apart by
 * a hash of their names: two that share a place share its bound. Small replies are not counted,
 * the mark bounds them. */
#ifndef BROKER_UNREAD_H
#define BROKER_UNREAD_H

#include <casebus/msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <zmq.h>

#define UNREAD_SMALL 1024

struct unread;

struct unread *unread_new(void);
/* Messages that libzmq still has may outlive it. */
void unread_destroy(struct unread **self_p);
/* Has a reply found no room since less than half of what there may be was unread? Then there is
 * no point in making another. From any thread. */
bool unread_is_full(struct unread *self, struct casebus_bytes actor, struct casebus_bytes peer);
/* Makes a message of so many bytes to the peer, whose actor has that name; the caller writes
 * them. 0; CASEBUS_EBUSY: he has not read what he was sent; CASEBUS_ENOMEM. From any thread. */
int unread_message(struct unread *self, struct casebus_bytes actor, struct casebus_bytes peer,
                   size_t size, zmq_msg_t *message);

#endif
