/* The way out for reports (private to the publisher). See ingest.c. */
#ifndef CASEBUS_PUBLISHER_INGEST_H
#define CASEBUS_PUBLISHER_INGEST_H

#include <casebus/keys.h>
#include <casebus/msgpack.h>
#include <stdbool.h>
#include <zmq.h>

/* Messages that wait for the connection to take them, at most; then there is no place. */
#define INGEST_QUEUE 512

struct ingest {
    void *socket;
    unsigned subscriptions; /* the broker's, on the connection there is now */
};

/* 0, CASEBUS_EINVAL (an impossible endpoint) or CASEBUS_EIO. */
int casebus_ingest_open(struct ingest *self, void *context,
                        const struct casebus_credentials *credentials, const char *endpoint);
void casebus_ingest_close(struct ingest *self);

/* Takes in what the broker says of its subscriptions; true: a connection is new, and what went
 * into the one before may be lost. Does not wait. */
bool casebus_ingest_listen(struct ingest *self);
static inline bool ingest_linked(const struct ingest *self)
{
    return self->subscriptions > 0;
}
/* Sends both frames; the messages stay the caller's. 1: sent; 0: no place now; or CASEBUS_EIO.
 * Only while linked. */
int casebus_ingest_put(struct ingest *self, zmq_msg_t *topic, zmq_msg_t *body);
/* The same of a bundle of reports, whose memory is taken. */
int casebus_ingest_put_bundle(struct ingest *self, msgpack_sbuffer *bundle);

#endif
