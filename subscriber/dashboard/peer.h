/* Who is at the other end of a connection, behind a proxy or not. */
#ifndef CASEBUS_DASHBOARD_PEER_H
#define CASEBUS_DASHBOARD_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct peer {
    char address[INET6_ADDRSTRLEN]; /* the browser's */
    /* of who counts as one: an IPv4 address, an IPv6 network of 64 bits */
    unsigned char key[16];
    bool tls; /* it came to our proxy over TLS */
};

/* "192.0.2.1", "2001:db8::1": an address as --behind-proxy takes it. */
bool peer_is_address(const char *text);
/* AF_INET or AF_INET6, where an IPv4 address may be mapped into it. */
bool peer_is_loopback(const struct sockaddr *address);

/* Reads who it is. `proxy`: the address whose X-Forwarded-For (its last element) and
 * X-Forwarded-Proto are believed, and must be there; NULL: nobody's are. NULL, or a sentence
 * that says why the request cannot be served. */
const char *peer_read(struct peer *self, const struct sockaddr *from, const char *proxy,
                      const char *forwarded_for, const char *forwarded_proto);

#endif
