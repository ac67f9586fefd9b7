/* Asking a broker: one request on its way at a time, sent again until it is answered.
 *
 * A REQ socket that may send anew without having had its reply (RELAXED), and that knows which
 * reply belongs to its last request (CORRELATE): a late reply to an earlier sending is dropped
 * by libzmq. It queues nothing for a broker that is not there (IMMEDIATE), so a request either
 * left or is still here, and "unreachable" and "timed out" mean what they say. A request that
 * left dies with its connection without a word; therefore it is sent again after a while, each
 * time after twice as long, so that a broker that is only slow is not asked for ever without
 * being listened to.
 *
 * Contract: one thread; a reply is borrowed until the next call on the same handle. */
#include <casebus/client.h>

#include "deadline.h"
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define RESEND_FIRST_MS 2000
#define RESEND_LAST_MS 8000

enum stage {
    IDLE,
    UNSENT,
    SENT
};

struct casebus_client {
    void *zmq;
    bool zmq_is_mine;
    void *socket;
    enum stage stage;
    msgpack_sbuffer request; /* kept for sending again */
    int64_t resend_at;
    int resend_after;
    zmq_msg_t answer;
};

struct casebus_client_options casebus_client_options(void)
{
    return (struct casebus_client_options){.query = CASEBUS_QUERY_DEFAULT, .context = NULL};
}

static int client_open(struct casebus_client *self,
                       const struct casebus_client_options *options)
{
    self->zmq = options->context != NULL ? options->context : zmq_ctx_new();
    self->zmq_is_mine = options->context == NULL;
    if (self->zmq == NULL) {
        return CASEBUS_ENOMEM;
    }
    const int on[] = {ZMQ_REQ_RELAXED, ZMQ_REQ_CORRELATE, ZMQ_IMMEDIATE};
    int rc = casebus_link_open(&self->socket, self->zmq, ZMQ_REQ,
                               (struct link_keys){options->secret, options->server});
    for (size_t i = 0; rc == 0 && i < sizeof on / sizeof *on; i++) {
        rc = casebus_link_set(self->socket, on[i], 1);
    }
    return rc != 0 ? rc : casebus_link_connect(self->socket, options->query);
}

int casebus_client_new(struct casebus_client **self_p, struct casebus_client_options options)
{
    *self_p = NULL;
    if (options.query == NULL) {
        return CASEBUS_EINVAL;
    }
    struct casebus_client *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    msgpack_sbuffer_init(&self->request);
    zmq_msg_init(&self->answer);
    int rc = client_open(self, &options);
    if (rc != 0) {
        casebus_client_destroy(&self);
        return rc;
    }
    *self_p = self;
    return 0;
}

void casebus_client_destroy(struct casebus_client **self_p)
{
    struct casebus_client *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    zmq_msg_close(&self->answer);
    if (self->socket != NULL) {
        zmq_close(self->socket);
    }
    if (self->zmq_is_mine && self->zmq != NULL) {
        casebus_link_end(self->zmq);
    }
    msgpack_sbuffer_destroy(&self->request);
    free(self);
}

void *casebus_client_socket(const struct casebus_client *self)
{
    return self->socket;
}

/* Sends what is kept, if somebody is there to send it to. */
static int send_kept(struct casebus_client *self)
{
    if (zmq_send(self->socket, self->request.data, self->request.size, ZMQ_DONTWAIT) < 0) {
        self->stage = UNSENT;
        return zmq_errno() == EAGAIN ? 0 : casebus_link_error();
    }
    self->stage = SENT;
    self->resend_at = clock_mono_ms() + self->resend_after;
    self->resend_after *= self->resend_after < RESEND_LAST_MS ? 2 : 1;
    return 0;
}

int casebus_client_send(struct casebus_client *self, struct casebus_bytes request)
{
    if (request.size == 0 || request.size > CASEBUS_REQUEST_MAX) {
        return request.size == 0 ? CASEBUS_EINVAL : CASEBUS_ETOOLARGE;
    }
    msgpack_sbuffer_clear(&self->request);
    if (msgpack_sbuffer_write(&self->request, (const char *)request.data, request.size) != 0) {
        self->stage = IDLE;
        return CASEBUS_ENOMEM;
    }
    self->resend_after = RESEND_FIRST_MS;
    return send_kept(self);
}

/* Takes the answer if it is there: 1, 0 or a code. An answer of several frames is none of
 * ours. */
static int take_answer(struct casebus_client *self)
{
    if (zmq_msg_recv(&self->answer, self->socket, ZMQ_DONTWAIT) < 0) {
        return zmq_errno() == EAGAIN ? 0 : casebus_link_error();
    }
    bool single = !zmq_msg_more(&self->answer);
    for (bool more = !single; more; more = zmq_msg_more(&self->answer)) {
        if (zmq_msg_recv(&self->answer, self->socket, ZMQ_DONTWAIT) < 0) {
            return casebus_link_error();
        }
    }
    self->stage = IDLE;
    return single ? 1 : CASEBUS_EPROTO;
}

static int read_answer(struct casebus_client *self, struct casebus_reply *reply)
{
    struct casebus_fault fault;
    const struct casebus_bytes body =
        casebus_bytes(zmq_msg_data(&self->answer), zmq_msg_size(&self->answer));
    if (casebus_reply_decode(body, reply, &fault) != 0) {
        memset(reply, 0, sizeof *reply);
        return CASEBUS_EPROTO;
    }
    return reply->error;
}

/* Waits for what the stage needs, at most until the deadline: 0 or a code. */
static int wait_for_peer(struct casebus_client *self, int64_t deadline)
{
    zmq_pollitem_t item = {.socket = self->socket, .events = ZMQ_POLLIN};
    int64_t until = deadline;
    if (self->stage == UNSENT) {
        item.events = ZMQ_POLLOUT;
    } else if (self->resend_at < until) {
        until = self->resend_at;
    }
    return zmq_poll(&item, 1, deadline_left(until)) < 0 ? casebus_link_error() : 0;
}

int casebus_client_receive(struct casebus_client *self, struct casebus_reply *reply,
                           int timeout_ms)
{
    memset(reply, 0, sizeof *reply);
    if (self->stage == IDLE) {
        return CASEBUS_EINVAL;
    }
    const int64_t deadline = deadline_after(timeout_ms);
    for (;;) {
        int rc = self->stage == SENT ? take_answer(self) : 0;
        if (rc != 0) {
            return rc > 0 ? read_answer(self, reply) : rc;
        }
        if (self->stage == UNSENT || clock_mono_ms() >= self->resend_at) {
            rc = send_kept(self);
            if (rc != 0) {
                return rc;
            }
        }
        if (clock_mono_ms() >= deadline) {
            return self->stage == UNSENT ? CASEBUS_EUNREACHABLE : CASEBUS_ETIMEDOUT;
        }
        rc = wait_for_peer(self, deadline);
        if (rc != 0) {
            return rc;
        }
    }
}

int casebus_client_call(struct casebus_client *self, struct casebus_bytes request,
                        struct casebus_reply *reply, int timeout_ms)
{
    memset(reply, 0, sizeof *reply);
    int rc = casebus_client_send(self, request);
    return rc != 0 ? rc : casebus_client_receive(self, reply, timeout_ms);
}
