/* Opening a socket: every option is set before it connects, because ZeroMQ takes most of them
 * over when a connection is made and ignores them afterwards.
 *
 * Heartbeats end a connection whose other side is gone without a word (a machine switched off,
 * a cable pulled); reconnecting begins at 100 ms and slows down to one second. */
#include "socket.h"

#include <casebus/errors.h>
#include <errno.h>
#include <stddef.h>

static const struct socket_option common[] = {
    {ZMQ_RECONNECT_IVL, 100},
    {ZMQ_RECONNECT_IVL_MAX, 1000},
    {ZMQ_HEARTBEAT_IVL, 2000},
    {ZMQ_HEARTBEAT_TIMEOUT, 6000},
    {0, 0},
};

static int set_options(void *socket, const struct socket_option *options)
{
    for (; options->name; options++) {
        if (zmq_setsockopt(socket, options->name, &options->value, sizeof options->value)) {
            return CASEBUS_EIO;
        }
    }
    return 0;
}

/* A signal says nothing against the endpoint. */
static int connect_to(void *socket, const char *endpoint)
{
    int rc;
    do {
        rc = zmq_connect(socket, endpoint);
    } while (rc && zmq_errno() == EINTR);
    return rc;
}

int casebus_socket_open(void **socket_p, void *context, int type,
                        const struct socket_option *options, int64_t message_max,
                        const struct casebus_credentials *credentials, const char *endpoint)
{
    void *socket = zmq_socket(context, type);
    if (!socket) {
        return CASEBUS_EIO;
    }
    int error = set_options(socket, common);
    if (!error) {
        error = set_options(socket, options);
    }
    if (!error && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof message_max)) {
        error = CASEBUS_EIO;
    }
    if (!error) {
        error = casebus_credentials_set(credentials, socket);
    }
    if (!error && connect_to(socket, endpoint)) {
        error = CASEBUS_EINVAL;
    }
    if (error) {
        zmq_close(socket);
        return error;
    }
    *socket_p = socket;
    return 0;
}

void casebus_socket_close(void **socket_p)
{
    if (*socket_p) {
        zmq_close(*socket_p);
        *socket_p = NULL;
    }
}

void casebus_socket_end(void *context)
{
    while (zmq_ctx_term(context) && zmq_errno() == EINTR) {
    }
}
