/* Asking the broker without waiting.
 *
 * One DEALER socket. Each request has a number, which goes along as an envelope frame and comes
 * back with the reply, whatever the order. A request that dies with its connection dies without
 * a word, so it is sent again after a while; a reply that comes twice finds nobody the second
 * time. The broker takes a hundred requests of one asker at a time, so fewer are on their way
 * and the others stand in line.
 *
 * Contract: one thread; `done` may ask again, and may forget others. */
#include "asker.h"

#include "../deadline.h"
#include "../link.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#define ON_THEIR_WAY_MAX 64
#define WAITING_MAX 4096
#define RESEND_MS 1500
#define AGAIN_MS 300 /* after an answer that it is not the time for it */
#define RETRY_MS 50  /* a broker that is not there may come */
#define ENVELOPE sizeof(uint64_t)

struct ask {
    struct ask *next;
    uint64_t number;
    bool insists;
    bool sent;                 /* and takes a place of those on their way */
    int error;                 /* what it ends in at its deadline */
    int64_t deadline, send_at; /* send_at: not before; 0: at any time */
    asker_done *done;
    void *arg;
    size_t size;
    unsigned char request[];
};

struct asker {
    void *socket;
    uint64_t number;
    struct ask *first, **last; /* oldest first */
    unsigned count, on_their_way;
    int64_t retry_at;
};

int asker_new(struct asker **self_p, void *zmq, const char *endpoint, const char *secret,
              const char *server)
{
    *self_p = NULL;
    struct asker *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->last = &self->first;
    self->retry_at = INT64_MAX;
    int rc =
        casebus_link_open(&self->socket, zmq, ZMQ_DEALER, (struct link_keys){secret, server});
    if (rc == 0) {
        rc = casebus_link_set(self->socket, ZMQ_IMMEDIATE, 1);
    }
    if (rc == 0 && zmq_connect(self->socket, endpoint) != 0) {
        rc = casebus_link_error();
    }
    if (rc != 0) {
        asker_destroy(&self);
    }
    *self_p = self;
    return rc;
}

void asker_destroy(struct asker **self_p)
{
    struct asker *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    while (self->first != NULL) {
        struct ask *const ask = self->first;
        self->first = ask->next;
        free(ask);
    }
    if (self->socket != NULL) {
        zmq_close(self->socket);
    }
    free(self);
}

void *asker_socket(const struct asker *self)
{
    return self->socket;
}

/* --- sending ---------------------------------------------------------------------------- */

/* False: nobody is there to take it. */
static bool send_ask(struct asker *self, struct ask *ask)
{
    if (zmq_send(self->socket, &ask->number, ENVELOPE, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        self->retry_at = deadline_after(RETRY_MS);
        return false;
    }
    zmq_send(self->socket, "", 0, ZMQ_SNDMORE); /* behind a first frame the others go too */
    zmq_send(self->socket, ask->request, ask->size, 0);
    self->on_their_way += !ask->sent;
    ask->sent = true;
    ask->error = CASEBUS_ETIMEDOUT;
    ask->send_at = deadline_after(RESEND_MS);
    return true;
}

static bool has_place(const struct asker *self, const struct ask *ask)
{
    return ask->sent || self->on_their_way < ON_THEIR_WAY_MAX;
}

/* Those whose turn has come, and those that may have got lost. */
static void send_due(struct asker *self)
{
    const int64_t now = clock_mono_ms();
    self->retry_at = INT64_MAX;
    for (struct ask *ask = self->first; ask != NULL; ask = ask->next) {
        if (now >= ask->send_at && has_place(self, ask) && !send_ask(self, ask)) {
            return;
        }
    }
}

int asker_ask(struct asker *self, struct casebus_bytes request, int timeout_ms, bool insists,
              asker_done *done, void *arg)
{
    if (self->count == WAITING_MAX) {
        return CASEBUS_EBUSY;
    }
    struct ask *ask = malloc(sizeof *ask + request.size);
    if (ask == NULL) {
        return CASEBUS_ENOMEM;
    }
    *ask = (struct ask){.number = ++self->number,
                        .insists = insists,
                        .error = CASEBUS_EUNREACHABLE,
                        .deadline = deadline_after(timeout_ms),
                        .done = done,
                        .arg = arg,
                        .size = request.size};
    memcpy(ask->request, request.data, request.size);
    *self->last = ask;
    self->last = &ask->next;
    self->count++;
    if (has_place(self, ask)) {
        send_ask(self, ask);
    }
    return 0;
}

/* --- answering -------------------------------------------------------------------------- */

/* Out of the list, still allocated. */
static struct ask *unlink_ask(struct asker *self, struct ask **at)
{
    struct ask *const ask = *at;
    *at = ask->next;
    if (ask->next == NULL) {
        self->last = at;
    }
    self->count--;
    self->on_their_way -= ask->sent;
    return ask;
}

void asker_forget(struct asker *self, const void *arg)
{
    for (struct ask **at = &self->first; *at != NULL;) {
        if ((*at)->arg == arg) {
            free(unlink_ask(self, at));
        } else {
            at = &(*at)->next;
        }
    }
}

static struct ask **find(struct asker *self, const zmq_msg_t *envelope)
{
    struct ask **at = &self->first;
    uint64_t number = 0;
    if (zmq_msg_size(envelope) == ENVELOPE) {
        memcpy(&number, zmq_msg_data((zmq_msg_t *)envelope), ENVELOPE);
    }
    while (*at != NULL && (*at)->number != number) {
        at = &(*at)->next;
    }
    return at;
}

/* Puts the request off to a later time; its place among those under way goes to another one. */
static void put_off(struct asker *self, struct ask *ask, int error)
{
    self->on_their_way -= ask->sent;
    ask->sent = false;
    ask->error = error;
    ask->send_at = deadline_after(AGAIN_MS);
}

static void answer(struct asker *self, struct ask **at, struct casebus_bytes body)
{
    struct casebus_reply reply;
    struct casebus_fault fault;
    int rc = casebus_reply_decode(body, &reply, &fault);
    if (rc != 0) {
        memset(&reply, 0, sizeof reply);
        rc = CASEBUS_EPROTO;
    }
    if (rc == 0 && (*at)->insists && casebus_error_passes(reply.error)) {
        put_off(self, *at, reply.error);
        return;
    }
    struct ask *const ask = unlink_ask(self, at);
    ask->done(ask->arg, rc != 0 ? rc : reply.error, &reply, body);
    free(ask);
}

/* One message: number, empty frame, reply; false: there is none. */
static bool take_reply(struct asker *self)
{
    zmq_msg_t frames[3];
    unsigned count = 0;
    int rc = 0;
    for (bool more = true; more && rc >= 0; count++) {
        zmq_msg_t extra, *const frame = count < 3 ? &frames[count] : &extra;
        zmq_msg_init(frame);
        rc = zmq_msg_recv(frame, self->socket, ZMQ_DONTWAIT);
        more = rc >= 0 && zmq_msg_more(frame) != 0;
        if (frame == &extra) {
            zmq_msg_close(frame);
        }
    }
    if (rc >= 0 && count == 3) {
        struct ask **const at = find(self, &frames[0]);
        if (*at != NULL) {
            answer(self, at, casebus_bytes(zmq_msg_data(&frames[2]), zmq_msg_size(&frames[2])));
        }
    }
    for (unsigned i = 0; i < count && i < 3; i++) {
        zmq_msg_close(&frames[i]);
    }
    return rc >= 0;
}

/* Ends one request whose deadline has passed. One a call, for `done` may change the list.
 * False: there is none. */
static bool expire(struct asker *self, int64_t now)
{
    struct ask **at = &self->first;
    while (*at != NULL && (*at)->deadline > now) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return false;
    }
    static const struct casebus_reply none;
    struct ask *const ask = unlink_ask(self, at);
    ask->done(ask->arg, ask->error, &none, casebus_bytes(NULL, 0));
    free(ask);
    return true;
}

void asker_step(struct asker *self)
{
    while (take_reply(self)) {
    }
    const int64_t now = clock_mono_ms();
    while (expire(self, now)) {
    }
    send_due(self);
}

int asker_timeout(const struct asker *self)
{
    const bool there = self->retry_at == INT64_MAX; /* the broker; else all wait until then */
    int64_t first = self->first != NULL ? self->retry_at : INT64_MAX;
    for (const struct ask *ask = self->first; ask != NULL; ask = ask->next) {
        first = ask->deadline < first ? ask->deadline : first;
        first = there && has_place(self, ask) && ask->send_at < first ? ask->send_at : first;
    }
    return deadline_left(first);
}
