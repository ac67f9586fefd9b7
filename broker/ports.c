/* Binding sockets; see ports.h.
 *
 * Peers that are gone without a word (a machine switched off) are found by TCP itself. Not by
 * the heartbeats of libzmq: in 4.3.4 one that is due ends the process (an assertion) where a
 * connection has broken whose messages are not taken because their queue is full, and any peer
 * can bring that about by sending much and leaving. */
#include "ports.h"

static void set_int(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

/* A silent peer is asked after 5 s and cut off after 6 more. */
static void keep_alive(void *socket)
{
    set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 5);
    set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 2);
    set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

/* After a restart all come at once. One for whom the kernel has no room in the queue is told
 * nothing, and knocks again after 1 s, 3 s, 7 s and so on. The kernel has a limit of its own,
 * net.core.somaxconn. */
#define BACKLOG 4096

/* All before bind: libzmq applies them to connections made later only. */
static void set_options(void *socket, const struct port *port)
{
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &port->largest, sizeof port->largest);
    set_int(socket, ZMQ_RCVHWM, port->receiving);
    set_int(socket, ZMQ_SNDHWM, port->sending);
    set_int(socket, ZMQ_HANDSHAKE_IVL, 5000);
    set_int(socket, ZMQ_BACKLOG, BACKLOG);
    keep_alive(socket);
    set_int(socket, ZMQ_LINGER, 500);
    if (port->type == ZMQ_XPUB) {
        set_int(socket, ZMQ_XPUB_VERBOSE, 1);
    }
}

zsock_t *port_bind(const struct port *port, char **bound, char *why, size_t why_size)
{
    zsock_t *s = zsock_new(port->type);
    if (!s) {
        snprintf(why, why_size, "no socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    set_options(zsock_resolve(s), port);
    if (zsock_bind(s, "%s", port->endpoint) < 0) {
        snprintf(why, why_size, "cannot bind %s: %s", port->endpoint,
                 zmq_strerror(zmq_errno()));
        zsock_destroy(&s);
        return NULL;
    }
    char last[256];
    size_t size = sizeof last;
    zmq_getsockopt(zsock_resolve(s), ZMQ_LAST_ENDPOINT, last, &size);
    *bound = strdup(last);
    return s;
}
