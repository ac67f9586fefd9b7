/* What of its replies each peer has not read: bounded in bytes; libzmq only counts messages.
 *
 * A reply is counted when it is handed to libzmq and taken off when libzmq lets go of it, on a
 * thread of its own: it has been sent, or the peer is gone. Peers are told apart by a hash of
 * their names: two that share a place share its bound. Small replies are not counted, the mark
 * bounds them. */
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
/* Makes the message that carries these bytes to the peer. 0; CASEBUS_EBUSY: he has not read what
 * he was sent; CASEBUS_ENOMEM. From any thread. */
int unread_message(struct unread *self, struct casebus_bytes peer, struct casebus_bytes bytes,
                   zmq_msg_t *message);

#endif
