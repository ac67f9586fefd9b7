/* Requests to the broker, answered later (private to the publisher). See query.c. */
#ifndef CASEBUS_PUBLISHER_QUERY_H
#define CASEBUS_PUBLISHER_QUERY_H

#include <casebus/keys.h>
#include <casebus/msgpack.h>
#include <zmq.h>

struct query {
    void *socket;
    uint64_t keys; /* given so far */
};

/* 0, CASEBUS_EINVAL (an impossible endpoint) or CASEBUS_EIO. */
int casebus_query_open(struct query *self, void *context,
                       const struct casebus_credentials *credentials, const char *endpoint);
void casebus_query_close(struct query *self);

/* Sends an encoded request; *key is what its answer will be known by. 1: sent; 0: there is no
 * connection now; or CASEBUS_EIO. */
int casebus_query_ask(struct query *self, struct casebus_bytes request, uint64_t *key);
/* The next answer, without waiting: 1, its body in *answer (the caller closes it), or 0. */
int casebus_query_answer(struct query *self, uint64_t *key, zmq_msg_t *answer);

#endif
