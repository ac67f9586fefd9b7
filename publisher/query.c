/* Requests to the broker, answered later.
 *
 * A DEALER socket: the publisher goes on sending reports while its poll waits at the broker.
 * Each request has in front of it a frame with a number of our own, the key, and an empty
 * frame; the broker's answer comes back with both. So an answer that comes after we have given
 * up on it and asked again is recognised and left alone, and answers may come in any order.
 *
 * ZMQ_IMMEDIATE: without a connection a request is refused at once, instead of queueing to be
 * asked by the dozen when a broker comes back. */
#include "query.h"

#include "socket.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MAX (8 * 1024 * 1024) /* a thousand refusals with their reasons fit in it */

int casebus_query_open(struct query *self, void *context,
                       const struct casebus_credentials *credentials, const char *endpoint)
{
    static const struct socket_option options[] = {
        {ZMQ_LINGER, 0}, {ZMQ_SNDHWM, 16}, {ZMQ_RCVHWM, 16}, {ZMQ_IMMEDIATE, 1}, {0, 0},
    };
    self->keys = 0;
    return casebus_socket_open(&self->socket, context, ZMQ_DEALER, options, ANSWER_MAX,
                               credentials, endpoint);
}

void casebus_query_close(struct query *self)
{
    casebus_socket_close(&self->socket);
}

static int put(void *socket, const void *data, size_t size, int flags)
{
    int rc;
    do {
        rc = zmq_send(socket, data, size, flags | ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0 ? 1 : zmq_errno() == EAGAIN ? 0 : CASEBUS_EIO;
}

int casebus_query_ask(struct query *self, struct casebus_bytes request, uint64_t *key)
{
    uint64_t next = self->keys + 1;
    int rc = put(self->socket, &next, sizeof next, ZMQ_SNDMORE);
    if (rc <= 0) {
        return rc;
    }
    self->keys = next;
    /* The connection that the first frame has chosen may end before the last one. libzmq then
     * refuses a frame, forgets those before it and swallows those behind it; or swallows the
     * rest and says nothing, which is a request without an answer like any other. */
    int rest = put(self->socket, "", 0, ZMQ_SNDMORE);
    int last = put(self->socket, request.data, request.size, 0);
    rc = rest < last ? rest : last;
    if (rc == 1) {
        *key = next;
    }
    return rc;
}

/* Reads frames into `frame` until the last of the message; how many there were, 0: no message.
 * The last one stays in `frame`, the first is looked at for the key. */
static unsigned read_message(void *socket, uint64_t *key, zmq_msg_t *frame)
{
    unsigned count = 0;
    do {
        int rc;
        do { /* the rest of a message that a signal has cut would pass for the next one */
            rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
        } while (rc < 0 && zmq_errno() == EINTR);
        if (rc < 0) {
            return 0;
        }
        if (count == 0 && zmq_msg_size(frame) == sizeof *key) {
            memcpy(key, zmq_msg_data(frame), sizeof *key);
        }
        count++;
    } while (zmq_msg_more(frame));
    return count;
}

int casebus_query_answer(struct query *self, uint64_t *key, zmq_msg_t *answer)
{
    zmq_msg_init(answer);
    for (;;) {
        *key = 0;
        unsigned frames = read_message(self->socket, key, answer);
        if (frames == 0) {
            zmq_msg_close(answer);
            return 0;
        }
        if (frames == 3 && *key != 0) {
            return 1;
        }
    }
}
