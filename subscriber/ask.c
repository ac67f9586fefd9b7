/* Requests of views: several on their way over one socket, each with a number in its envelope
 * by which its answer is known.
 *
 * The socket queues nothing for a broker that is not there (IMMEDIATE), so a request has left
 * or is still here. One that left dies with its connection without a word; it is sent again
 * after a while, under the same number: whichever answer comes first is taken, and another
 * finds nobody who waits for it. */
#include "view_private.h"

#include "link.h"

#include <errno.h>
#include <stdlib.h>

#define RESEND_FIRST_MS 2000
#define RESEND_LAST_MS 8000
#define UNSENT_MS 50   /* before it is tried again to send to a broker that is not there */
#define REPLY_FRAMES 4 /* more are none of ours */

void ask_end(struct ask *self)
{
    free(self->request);
    self->request = NULL;
}

static int put(void *socket, const void *data, size_t size, int flags)
{
    int rc;
    do { /* a message that a signal has cut would begin the next one */
        rc = zmq_send(socket, data, size, flags | ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc;
}

/* One message; a frame that follows the first finds its place in the same message. */
static int send_frames(struct casebus_views *hub, struct ask *self)
{
    if (put(hub->dealer, &self->token, sizeof self->token, ZMQ_SNDMORE) < 0 ||
        put(hub->dealer, "", 0, ZMQ_SNDMORE) < 0 ||
        put(hub->dealer, self->request, self->size, 0) < 0) {
        return zmq_errno() == EAGAIN ? CASEBUS_EUNREACHABLE : casebus_link_error();
    }
    return 0;
}

static int send_kept(struct casebus_views *hub, struct ask *self)
{
    const int rc = send_frames(hub, self);
    if (rc == 0) {
        self->again_at = hub_now(hub) + self->again_after;
        self->again_after *= self->again_after < RESEND_LAST_MS ? 2 : 1;
    } else {
        self->again_at = hub_now(hub) + UNSENT_MS;
    }
    return rc == CASEBUS_EUNREACHABLE ? 0 : rc;
}

int ask_begin(struct casebus_views *hub, struct ask *self, struct casebus_call *call)
{
    struct casebus_bytes request;
    const int rc = casebus_call_encoded(call, &request);
    if (rc != 0) {
        return rc;
    }
    unsigned char *kept = realloc(self->request, request.size);
    if (kept == NULL) {
        return CASEBUS_ENOMEM;
    }
    memcpy(kept, request.data, request.size);
    self->request = kept;
    self->size = request.size;
    self->token = ++hub->tokens;
    self->since = hub_now(hub);
    self->again_after = RESEND_FIRST_MS;
    hub->on_way++;
    hub->stats.requests++;
    return send_kept(hub, self);
}

int ask_again(struct casebus_views *hub, struct ask *self)
{
    return hub_now(hub) >= ask_due(self) ? send_kept(hub, self) : 0;
}

void ask_done(struct casebus_views *hub, struct ask *self)
{
    if (self->token != 0) {
        self->token = 0;
        hub->on_way--;
    }
}

int64_t ask_due(const struct ask *self)
{
    return self->token != 0 ? self->again_at : INT64_MAX;
}

/* Takes one message off the socket: its number of frames, 0 none, or a code. The last frame
 * stays in hub->reply. */
static int receive_frames(struct casebus_views *hub, uint64_t *token)
{
    *token = 0;
    if (zmq_msg_recv(&hub->reply, hub->dealer, ZMQ_DONTWAIT) < 0) {
        const int error = zmq_errno();
        return error == EAGAIN || error == EINTR ? 0 : casebus_link_error();
    }
    if (zmq_msg_size(&hub->reply) == sizeof *token) {
        memcpy(token, zmq_msg_data(&hub->reply), sizeof *token);
    }
    int frames = 1;
    while (zmq_msg_more(&hub->reply)) {
        const int rc = casebus_link_frame(hub->dealer, &hub->reply);
        if (rc != 0) {
            return rc;
        }
        frames += frames < REPLY_FRAMES ? 1 : 0;
    }
    return frames;
}

int ask_receive(struct casebus_views *hub, uint64_t *token, struct casebus_reply *reply)
{
    for (;;) {
        struct casebus_fault fault;
        const int frames = receive_frames(hub, token);
        if (frames <= 0) {
            return frames;
        }
        const struct casebus_bytes body =
            casebus_bytes(zmq_msg_data(&hub->reply), zmq_msg_size(&hub->reply));
        if (frames == 3 && *token != 0 && casebus_reply_decode(body, reply, &fault) == 0) {
            return 1;
        }
        hub->stats.undecodable++;
    }
}
