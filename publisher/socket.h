/* Opening a socket the way both of the publisher's are (private to the publisher). */
#ifndef CASEBUS_PUBLISHER_SOCKET_H
#define CASEBUS_PUBLISHER_SOCKET_H

#include <casebus/keys.h>
#include <stdint.h>
#include <zmq.h>

struct socket_option {
    int name, value; /* an int option; name 0 ends a table */
};

/* Sets what every connection of ours needs (reconnecting, heartbeats, the largest message
 * taken), the keys and `options`, then connects. 0, CASEBUS_EINVAL (an impossible endpoint) or
 * CASEBUS_EIO. */
int casebus_socket_open(void **socket_p, void *context, int type,
                        const struct socket_option *options, int64_t message_max,
                        const struct casebus_credentials *credentials, const char *endpoint);
void casebus_socket_close(void **socket_p);
/* Ends a context, also while signals come; its sockets are closed. */
void casebus_socket_end(void *context);

#endif
