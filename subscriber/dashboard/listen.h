/* The address to serve on. */
#ifndef CASEBUS_DASHBOARD_LISTEN_H
#define CASEBUS_DASHBOARD_LISTEN_H

#include <stdbool.h>

struct listening {
    int fd; /* -1: none */
    unsigned port;
    char host[64];    /* "127.0.0.1", "[::1]" */
    char address[80]; /* with the port */
};

/* "127.0.0.1:7480", "localhost:0", "[::1]:7480"; others than loopback only where `beyond`. 0;
 * CASEBUS_EINVAL: *why says what is wrong with it; CASEBUS_ELOCKED: taken; CASEBUS_EIO: errno.
 */
int listen_on(struct listening *self, const char *address, bool beyond, const char **why);
void listen_close(struct listening *self);

#endif
