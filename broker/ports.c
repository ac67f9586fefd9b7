/* Binding sockets; see ports.h.
 *
 * Peers that are gone without a word (a machine switched off) are found by TCP itself. Not by
 * the heartbeats of libzmq: in 4.3.4 one that is due ends the process (an assertion) where a
 * connection has broken whose messages are not taken because their queue is full, and any peer
 * can bring that about by sending much and leaving. */
#include "ports.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

/* libzmq's zmq.h calls it a draft, and its library has it all the same. Without it libzmq lets
 * in everybody where no handler answers. */
#define ZAP_ENFORCE_DOMAIN 93

bool port_has_keys(const char *endpoint, const struct gate *gate)
{
    return gate->keys && strncmp(endpoint, "tcp://", 6) == 0;
}

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

/* To be called before bind: libzmq applies options only to connections that are made later. */
static void set_options(void *socket, const struct port *port)
{
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &port->largest, sizeof port->largest);
    set_int(socket, ZMQ_RCVHWM, port->receiving);
    set_int(socket, ZMQ_SNDHWM, port->sending);
    set_int(socket, ZMQ_HANDSHAKE_IVL, 5000);
    set_int(socket, ZMQ_BACKLOG, BACKLOG);
    keep_alive(socket);
    set_int(socket, ZMQ_LINGER, 500);
    if (port->type == ZMQ_XPUB) { /* patterns are counted where it is known whose they are */
        set_int(socket, port->gate->guarded ? ZMQ_XPUB_VERBOSER : ZMQ_XPUB_VERBOSE, 1);
    }
}

#define PORT_EVENTS                                                                            \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |                          \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

static bool monitor(void *socket, const char *domain)
{
    char endpoint[PORT_MONITOR_SIZE];
    snprintf(endpoint, sizeof endpoint, PORT_MONITOR, domain);
    return zmq_socket_monitor(socket, endpoint, PORT_EVENTS) == 0;
}

/* False: it would not be safe to bind. */
static bool set_gate(void *socket, const struct port *port)
{
    const struct gate *gate = port->gate;
    int on = 1;
    if (!gate->guarded) {
        return true;
    }
    if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, port->domain, strlen(port->domain)) != 0 ||
        zmq_setsockopt(socket, ZAP_ENFORCE_DOMAIN, &on, sizeof on) != 0) {
        return false;
    }
    return !port_has_keys(port->endpoint, gate) ||
           (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on) == 0 &&
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gate->keys->secret_key,
                           CASEBUS_KEY_SIZE + 1) == 0 &&
            monitor(socket, port->domain));
}

/* A ROUTER names its peers by a counter that begins at random(), and ends the process (an
 * assertion) where that comes to a name that a peer has given itself. czmq seeds random() with
 * the time in seconds, so that any peer could count along: from here on nobody can. */
static void hide_names(void)
{
    zsys_init(); /* else czmq's seed would come behind this one */
    srandom(randombytes_random());
}

zsock_t *port_bind(const struct port *port, char **bound, char *why, size_t why_size)
{
    hide_names();
    zsock_t *s = zsock_new(port->type);
    if (!s) {
        snprintf(why, why_size, "no socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    set_options(zsock_resolve(s), port);
    if (!set_gate(zsock_resolve(s), port)) {
        snprintf(why, why_size, "cannot guard %s: %s", port->endpoint,
                 zmq_strerror(zmq_errno()));
        zsock_destroy(&s);
        return NULL;
    }
    if (zsock_bind(s, "%s", port->endpoint) < 0) {
        snprintf(
            why, why_size, "cannot bind %s: %s%s", port->endpoint, zmq_strerror(zmq_errno()),
            zmq_errno() == EADDRINUSE
                ? ": another program is there, a broker that runs already? (ss -lntp, ss -lxp "
                  "show which)"
                : "");
        zsock_destroy(&s);
        return NULL;
    }
    char last[256];
    size_t size = sizeof last;
    zmq_getsockopt(zsock_resolve(s), ZMQ_LAST_ENDPOINT, last, &size);
    *bound = strdup(last);
    return s;
}

void port_unbind(zsock_t *socket, const char *bound)
{
    zmq_unbind(zsock_resolve(socket), bound);
}

bool port_rebind(zsock_t *socket, const char *bound)
{
    return zmq_bind(zsock_resolve(socket), bound) == 0;
}

/* libzmq's own event of a connection it could not take comes each time it looks, which is
 * without pause: asked here instead. */
void port_watch_descriptors(bool *none_left)
{
    int spare = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    bool none = spare < 0 && (errno == EMFILE || errno == ENFILE);
    if (spare >= 0) {
        close(spare);
    }
    if (none && !*none_left) {
        log_error(
            "no file descriptor is left of %ld: nobody new can connect; find who holds so "
            "many connections, or raise the limit (LimitNOFILE=, ulimit -n)",
            sysconf(_SC_OPEN_MAX));
    } else if (!none && *none_left) {
        log_info("there are file descriptors again: others can connect");
    }
    *none_left = none;
}
