/* Fan-out; see fanout.h. */
#include "fanout.h"

#include "heads.h"
#include "ports.h"

/* However many ask for heads, everybody gets them: not more often than this. */
#define HEADS_LEAST_MS 20
#define SUBSCRIPTIONS_AT_ONCE 64

struct outlet {
    zsock_t *socket;
    void *out; /* the libzmq socket, for the hot path */
    char *bound;
    bool unbound; /* to be bound again */
    const struct scope *scope;
    uint64_t named;     /* seq of the last batch whose heads went out here */
    int64_t heads_at;   /* monotonic ms: next sys:heads:all: */
    int64_t heads_sent; /* the last one */
};

struct fanout {
    struct outlet outlet[OUTLETS_MAX];
    unsigned outlets;
    struct heads *heads;
    uint64_t seq;
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    msgpack_sbuffer streams, body, formed;
};

/* --- sending ---------------------------------------------------------------------------- */

static void send_two(struct outlet *o, struct casebus_bytes topic, struct casebus_bytes body)
{
    if (zmq_send(o->out, topic.data, topic.size, ZMQ_SNDMORE) >= 0) {
        zmq_send(o->out, body.data, body.size, 0);
    }
}

static void send_heads(struct fanout *self, struct outlet *o, bool batch, const char *held)
{
    msgpack_packer pk;
    msgpack_sbuffer_clear(&self->streams);
    msgpack_packer_init(&pk, &self->streams, msgpack_sbuffer_write);
    heads_pack(self->heads, batch, o->scope, &pk);
    struct casebus_heads heads = {
        .seq = self->seq,
        .before = batch ? o->named : 0,
        .is_batch = batch,
        .streams = casebus_bytes(self->streams.data, self->streams.size),
    };
    if (!batch && held) {
        heads.held = casebus_cstr(held);
    }
    memcpy(heads.epoch, self->epoch, sizeof heads.epoch);
    msgpack_sbuffer_clear(&self->body);
    if (casebus_heads_encode(&heads, &self->body) == 0) {
        send_two(o, casebus_cstr(batch ? CASEBUS_TOPIC_HEADS_BATCH : CASEBUS_TOPIC_HEADS_ALL),
                 casebus_bytes(self->body.data, self->body.size));
    }
}

/* Between the batch before that touched a stream of this outlet and this one nothing happened
 * that it may know of: its `before` is the former's seq. */
static void send_batch_heads(struct fanout *self, struct outlet *o)
{
    send_heads(self, o, true, NULL);
    o->named = self->seq;
}

/* What of the batch the outlet's scope covers. */
static void publish_to(struct fanout *self, struct outlet *o, const struct apply_event *events,
                       size_t count)
{
    bool touched = false;
    for (size_t i = 0; i < count; i++) {
        struct casebus_bytes sent;
        if (scope_covers_topic(o->scope, events[i].topic)) {
            touched = true;
            if (scope_event(o->scope, events[i].topic, events[i].body, &self->formed, &sent) ==
                0) {
                send_two(o, events[i].topic, sent);
            }
        }
    }
    if (touched) {
        send_batch_heads(self, o);
    }
}

int fanout_publish(struct fanout *self, const struct apply_event *events, size_t count)
{
    struct outlet *first = &self->outlet[0];
    for (size_t i = 0; i < count; i++) {
        send_two(first, events[i].topic, events[i].body);
        self->seq = events[i].seq;
        int rc = heads_move(self->heads, events[i].topic, events[i].seq);
        if (rc != 0) {
            return rc;
        }
    }
    if (count > 0) {
        send_batch_heads(self, first);
        for (unsigned i = 1; i < self->outlets; i++) {
            publish_to(self, &self->outlet[i], events, count);
        }
        heads_settle(self->heads);
    }
    return 0;
}

/* --- when ------------------------------------------------------------------------------- */

int64_t fanout_due(const struct fanout *self)
{
    int64_t due = self->outlet[0].heads_at;
    for (unsigned i = 1; i < self->outlets; i++) {
        due = self->outlet[i].heads_at < due ? self->outlet[i].heads_at : due;
    }
    return due;
}

void fanout_send_due(struct fanout *self, int64_t now, const char *held)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        struct outlet *o = &self->outlet[i];
        if (now >= o->heads_at) {
            send_heads(self, o, false, held);
            o->heads_sent = now;
            o->heads_at = now + CASEBUS_HEADS_INTERVAL_MS;
        }
    }
}

static void hurry(struct outlet *o)
{
    if (o->heads_sent + HEADS_LEAST_MS < o->heads_at) {
        o->heads_at = o->heads_sent + HEADS_LEAST_MS;
    }
}

void fanout_hurry(struct fanout *self)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        hurry(&self->outlet[i]);
    }
}

/* XPUB hands us each subscription. */
static void read_subscriptions(struct outlet *o)
{
    static const char heads[] = "\x01" CASEBUS_TOPIC_HEADS_ALL;
    char frame[64];
    for (int n = 0; n < 1000; n++) {
        int size = zmq_recv(o->out, frame, sizeof frame, ZMQ_DONTWAIT);
        if (size < 0) {
            return;
        }
        size_t shared = (size_t)size < sizeof heads - 1 ? (size_t)size : sizeof heads - 1;
        if (size > 0 && memcmp(frame, heads, shared) == 0) {
            hurry(o);
        }
    }
}

void fanout_read_subscriptions(struct fanout *self)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        read_subscriptions(&self->outlet[i]);
    }
}

int fanout_poll_items(const struct fanout *self, zmq_pollitem_t items[OUTLETS_MAX])
{
    for (unsigned i = 0; i < self->outlets; i++) {
        items[i] = (zmq_pollitem_t){self->outlet[i].out, 0, ZMQ_POLLIN, 0};
    }
    return (int)self->outlets;
}

/* --- start and end ---------------------------------------------------------------------- */

/* Subscriptions come up this way and nothing else. libzmq keeps fifty bytes and more for each
 * byte of one, and takes in all that a peer has queued before it gives this thread back: both
 * are bounded here. */
static bool bind_outlet(struct fanout *self, const struct gate *gate, const char *audience,
                        const char *endpoint, const struct scope *scope, char *why,
                        size_t why_size)
{
    char domain[DOMAIN_SIZE];
    audience_domain(audience, domain);
    struct outlet *o = &self->outlet[self->outlets];
    const struct port port = {.type = ZMQ_XPUB,
                              .endpoint = endpoint,
                              .largest = CASEBUS_SUBSCRIPTION_MAX,
                              .receiving = SUBSCRIPTIONS_AT_ONCE,
                              .sending = CASEBUS_HWM,
                              .domain = domain,
                              .gate = gate};
    o->socket = port_bind(&port, &o->bound, why, why_size);
    if (!o->socket) {
        return false;
    }
    o->out = zsock_resolve(o->socket);
    o->scope = scope;
    o->named = self->seq;
    self->outlets++;
    return true;
}

static bool bind_all(struct fanout *self, const struct fanout_options *options, char *why,
                     size_t why_size)
{
    bool good = bind_outlet(self, options->gate, NULL, options->endpoint, &scope_everything, why,
                            why_size);
    for (unsigned i = 0; good && options->audiences && i < options->audiences->count; i++) {
        const struct audience *a = &options->audiences->audience[i];
        good = bind_outlet(self, options->gate, a->name, a->endpoint, &a->scope, why, why_size);
    }
    return good;
}

bool fanout_new(struct fanout **self_p, const struct fanout_options *options, char *why,
                size_t why_size)
{
    struct fanout *self = *self_p = calloc(1, sizeof *self);
    int rc = self ? heads_new(&self->heads, options->store) : CASEBUS_ENOMEM;
    if (rc != 0) {
        snprintf(why, why_size, "%s", casebus_strerror(rc));
        free(self);
        *self_p = NULL;
        return false;
    }
    msgpack_sbuffer_init(&self->streams);
    msgpack_sbuffer_init(&self->body);
    msgpack_sbuffer_init(&self->formed);
    memcpy(self->epoch, options->epoch, sizeof self->epoch);
    self->seq = options->seq;
    if (!bind_all(self, options, why, why_size)) {
        fanout_destroy(self_p);
        return false;
    }
    return true;
}

char *fanout_bound(const struct fanout *self, unsigned outlet)
{
    return strdup(self->outlet[outlet].bound);
}

void fanout_unbind(struct fanout *self)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        struct outlet *o = &self->outlet[i];
        if (!o->unbound) {
            port_unbind(o->socket, o->bound);
            o->unbound = true;
        }
    }
}

bool fanout_rebind(struct fanout *self)
{
    bool all = true;
    for (unsigned i = 0; i < self->outlets; i++) {
        struct outlet *o = &self->outlet[i];
        o->unbound = o->unbound && !port_rebind(o->socket, o->bound);
        all = all && !o->unbound;
    }
    return all;
}

void fanout_destroy(struct fanout **self_p)
{
    struct fanout *self = *self_p;
    if (self) {
        for (unsigned i = 0; i < self->outlets; i++) {
            zsock_destroy(&self->outlet[i].socket);
            free(self->outlet[i].bound);
        }
        heads_destroy(&self->heads);
        msgpack_sbuffer_destroy(&self->streams);
        msgpack_sbuffer_destroy(&self->body);
        msgpack_sbuffer_destroy(&self->formed);
        free(self);
        *self_p = NULL;
    }
}
