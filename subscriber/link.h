/* Sockets as every part of the subscriber library wants them. Private. */
#ifndef CASEBUS_LINK_H
#define CASEBUS_LINK_H

#include <casebus/errors.h>

#define LINK_MESSAGE_MAX (8 * 1024 * 1024) /* larger than any reply: a peer cannot fill us */

/* A socket that leaves at once, notices a dead peer and takes no giant message; NULL: errno. */
void *casebus_link_open(void *zmq, int type);
int casebus_link_set(void *socket, int option, int value);
/* ZeroMQ's errno as a code of ours. */
int casebus_link_error(void);

#endif
