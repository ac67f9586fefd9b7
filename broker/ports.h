/* The broker's sockets: bound with the limits that keep one peer from troubling the others. */
#ifndef BROKER_PORTS_H
#define BROKER_PORTS_H

#include <czmq.h>

struct port {
    int type; /* ZMQ_XSUB, ZMQ_XPUB, ZMQ_ROUTER */
    const char *endpoint;
    int64_t largest;        /* bytes of a frame; above, the peer is cut off */
    int receiving, sending; /* messages queued a peer */
};

/* Binds a socket; *bound is where, to be freed. NULL: `why` says why not. */
zsock_t *port_bind(const struct port *port, char **bound, char *why, size_t why_size);

#endif
