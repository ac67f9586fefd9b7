/* The way out for reports: a socket that knows whether somebody listens.
 *
 * A PUB socket drops what nobody has subscribed to yet and what its queue cannot take, and
 * tells nobody. XPUB is the same on the wire and says both: the broker's subscription arrives
 * as a frame to read, and ZMQ_XPUB_NODROP turns the full queue into EAGAIN. ZMQ_IMMEDIATE ties
 * queue and subscriptions to one connection: when it breaks, both are gone (a frame says so),
 * and the frame of the next one is the sign to begin again with what is not confirmed.
 *
 * All this only avoids work. That a report has left says nothing; what counts is the broker's
 * confirmation. */
#include "ingest.h"

#include "socket.h"

#include <casebus/bundle.h>
#include <casebus/errors.h>
#include <casebus/limits.h>

int casebus_ingest_open(struct ingest *self, void *context,
                        const struct casebus_credentials *credentials, const char *endpoint)
{
    static const struct socket_option options[] = {
        {ZMQ_LINGER, 0},      {ZMQ_SNDHWM, INGEST_QUEUE}, {ZMQ_IMMEDIATE, 1},
        {ZMQ_XPUB_NODROP, 1}, {ZMQ_XPUB_VERBOSER, 1},     {0, 0},
    };
    self->subscriptions = 0;
    return casebus_socket_open(&self->socket, context, ZMQ_XPUB, options, 4096, credentials,
                               endpoint);
}

void casebus_ingest_close(struct ingest *self)
{
    casebus_socket_close(&self->socket);
}

bool casebus_ingest_listen(struct ingest *self)
{
    bool fresh = false;
    unsigned char frame[1]; /* 1: subscribes, 0: does not any more; the prefix is cut off */
    int size;
    while ((size = zmq_recv(self->socket, frame, sizeof frame, ZMQ_DONTWAIT)) >= 0) {
        if (size > 0 && frame[0] == 1) {
            self->subscriptions++;
            fresh = true;
        } else if (size > 0 && frame[0] == 0 && self->subscriptions > 0) {
            self->subscriptions--;
        }
    }
    return fresh;
}

static int put_copy(void *socket, zmq_msg_t *message, int flags)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    if (zmq_msg_copy(&copy, message)) {
        return CASEBUS_EIO;
    }
    int rc;
    do {
        rc = zmq_msg_send(&copy, socket, flags | ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    if (rc >= 0) {
        return 1;
    }
    int error = zmq_errno();
    zmq_msg_close(&copy);
    return error == EAGAIN ? 0 : CASEBUS_EIO;
}

int casebus_ingest_put(struct ingest *self, zmq_msg_t *topic, zmq_msg_t *body)
{
    int rc = put_copy(self->socket, topic, ZMQ_SNDMORE);
    if (rc <= 0) {
        return rc;
    }
    /* The queue counts whole messages: where the first frame had a place, the last one has. */
    rc = put_copy(self->socket, body, 0);
    return rc == 0 ? CASEBUS_EIO : rc;
}

static void give_back(void *bundle, void *unused)
{
    (void)unused;
    free(bundle);
}

int casebus_ingest_put_bundle(struct ingest *self, msgpack_sbuffer *bundle)
{
    zmq_msg_t topic, body;
    if (zmq_msg_init_data(&body, bundle->data, bundle->size, give_back, NULL) != 0) {
        return 0;
    }
    (void)msgpack_sbuffer_release(bundle);
    zmq_msg_init_size(&topic, CASEBUS_TOPIC_BUNDLE_SIZE); /* kept in the message itself */
    memcpy(zmq_msg_data(&topic), CASEBUS_TOPIC_BUNDLE, CASEBUS_TOPIC_BUNDLE_SIZE);
    int rc = casebus_ingest_put(self, &topic, &body);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    return rc;
}
