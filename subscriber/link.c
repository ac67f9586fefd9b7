/* Sockets as every part of the subscriber library wants them.
 *
 * A peer that dies without a word (a cable, a laptop closed) would otherwise be waited for as
 * long as TCP does, hours; heartbeats make it six seconds, and libzmq connects again by itself.
 * A SUB socket has none: libzmq 4.3.4 ends the process (an assertion) when a connection breaks
 * whose messages are not taken, because their queue is full, and its next heartbeat is due. The
 * broker's heads are its heartbeat instead (follow.c). */
#include "link.h"

#include <errno.h>
#include <stdint.h>

#define HEARTBEAT_INTERVAL_MS 2000
#define HEARTBEAT_TIMEOUT_MS 6000

int casebus_link_error(void)
{
    switch (zmq_errno()) {
    case EINTR:
        return CASEBUS_EINTR;
    case ENOMEM:
        return CASEBUS_ENOMEM;
    case EINVAL:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
    case ENODEV:
        return CASEBUS_EINVAL;
    default:
        return CASEBUS_EIO;
    }
}

int casebus_link_set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0 ? 0 : casebus_link_error();
}

int casebus_link_connect(void *socket, const char *endpoint)
{
    int rc;
    do {
        rc = zmq_connect(socket, endpoint);
    } while (rc != 0 && zmq_errno() == EINTR);
    return rc == 0 ? 0 : casebus_link_error();
}

/* One that is not connected, because that failed the last time, is connected. */
int casebus_link_reconnect(void *socket, const char *endpoint)
{
    int rc;
    do {
        rc = zmq_disconnect(socket, endpoint);
    } while (rc != 0 && zmq_errno() == EINTR);
    return rc == 0 || zmq_errno() == ENOENT ? casebus_link_connect(socket, endpoint) : 0;
}

int casebus_link_frame(void *socket, zmq_msg_t *frame)
{
    int rc;
    do {
        rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0 ? 0 : casebus_link_error();
}

void casebus_link_end(void *zmq)
{
    while (zmq_ctx_term(zmq) != 0 && zmq_errno() == EINTR) {
    }
}

static int set_keys(void *socket, struct link_keys keys)
{
    struct casebus_credentials credentials;
    int rc = casebus_credentials_read(&credentials, keys.secret, keys.server, NULL, 0);
    if (rc == 0) {
        rc = casebus_credentials_set(&credentials, socket);
    }
    casebus_credentials_forget(&credentials);
    return rc;
}

static int set_limits(void *socket, int type)
{
    const int64_t largest = LINK_MESSAGE_MAX;
    const int interval = type == ZMQ_SUB || type == ZMQ_XSUB ? 0 : HEARTBEAT_INTERVAL_MS;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0) {
        return casebus_link_error();
    }
    int rc = casebus_link_set(socket, ZMQ_LINGER, 0);
    rc = rc ? rc : casebus_link_set(socket, ZMQ_HEARTBEAT_IVL, interval);
    return rc ? rc : casebus_link_set(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
}

int casebus_link_open(void **socket_p, void *zmq, int type, struct link_keys keys)
{
    *socket_p = NULL;
    void *socket = zmq_socket(zmq, type);
    if (socket == NULL) {
        return casebus_link_error();
    }
    int rc = set_limits(socket, type);
    rc = rc ? rc : set_keys(socket, keys);
    if (rc != 0) {
        zmq_close(socket);
        return rc;
    }
    *socket_p = socket;
    return 0;
}
