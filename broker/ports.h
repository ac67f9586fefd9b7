/* The broker's sockets: bound with the limits that keep one peer from troubling the others. */
#ifndef BROKER_PORTS_H
#define BROKER_PORTS_H

#include "kept_out.h"
#include "quota.h"

#include <czmq.h>

/* What stands before the sockets. */
struct gate {
    struct actors *actors;
    const struct limits *limits;     /* of any one of them */
    struct kept_out *kept_out;       /* who may not subscribe for a while */
    const struct casebus_keys *keys; /* the broker's own; NULL: TCP is plain */
    bool guarded;                    /* the handler (zap.h) is asked about every connection */
};

struct port {
    int type; /* ZMQ_XSUB, ZMQ_XPUB, ZMQ_ROUTER */
    const char *endpoint;
    int64_t largest;        /* bytes of a frame; above, the peer is cut off */
    int receiving, sending; /* messages queued a peer */
    const char *domain;     /* what the handler is asked about */
    const struct gate *gate;
};

/* Where a keyed port tells of its connections (connections.h): libzmq's monitor events, inproc.
 */
#define PORT_MONITOR "inproc://handshakes-%s" /* its domain */
#define PORT_MONITOR_SIZE 128

/* Do its peers have keys? Their messages then have the User-Id that the handler gave. */
bool port_has_keys(const char *endpoint, const struct gate *gate);

/* Binds a socket; *bound is where, to be freed. NULL: `why` says why not. */
zsock_t *port_bind(const struct port *port, char **bound, char *why, size_t why_size);

/* Gives the endpoint up, which ends its connections; and takes it again (false: not yet, libzmq
 * lets go of a port a moment later). The peers that still may come back by themselves. */
void port_unbind(zsock_t *socket, const char *bound);
bool port_rebind(zsock_t *socket, const char *bound);

/* Says so in the log when the process has used up its file descriptors, so that libzmq can take
 * no connection more, and when it has some again. Call it each second; *none_left begins
 * false. */
void port_watch_descriptors(bool *none_left);

#endif
