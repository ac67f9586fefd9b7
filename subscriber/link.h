/* Sockets as every part of the subscriber library wants them. Private. */
#ifndef CASEBUS_LINK_H
#define CASEBUS_LINK_H

#include <casebus/keys.h>
#include <casebus/limits.h>
#include <zmq.h>

#define LINK_MESSAGE_MAX (8 * 1024 * 1024) /* larger than any reply: a peer cannot fill us */

/* Over a connection without heads for so long, ten messages that did not come, nothing comes
 * any more: it is made again. */
#define LINK_QUIET_MS (10 * CASEBUS_HEADS_INTERVAL_MS)

struct link_keys { /* key files; both NULL: plain */
    const char *secret, *server;
};

/* A socket that leaves at once, notices a dead peer and takes no giant message. 0;
 * CASEBUS_EKEY, CASEBUS_EINVAL (one key without the other), CASEBUS_ENOMEM, CASEBUS_EIO. */
int casebus_link_open(void **socket_p, void *zmq, int type, struct link_keys keys);
int casebus_link_set(void *socket, int option, int value);
/* Each does what it says also while signals come, which libzmq would let it be ended by. */
int casebus_link_connect(void *socket, const char *endpoint);
int casebus_link_reconnect(void *socket, const char *endpoint);
/* The next frame of a message whose first has been received. */
int casebus_link_frame(void *socket, zmq_msg_t *frame);
/* Ends a context; its sockets are closed. */
void casebus_link_end(void *zmq);
/* ZeroMQ's errno as a code of ours. */
int casebus_link_error(void);

#endif
