/* Fan-out; see fanout.h. */
#include "fanout.h"

#include "bundles.h"
#include "heads.h"
#include "patterns.h"
#include "zap.h"

#include <casebus/bundle.h>
#include <sys/socket.h>

/* However many ask for heads, everybody gets them: not more often than this. */
#define HEADS_LEAST_MS 20
#define SUBSCRIPTIONS_AT_ONCE 64
#define SUBSCRIPTIONS_READ 1000
#define KEPT_OUT_MS 60000 /* who had more patterns than he may */

struct outlet {
    zsock_t *socket;
    struct inlet out; /* the libzmq socket, for the hot path; subscriptions come in there */
    char *bound;
    bool unbound; /* to be bound again */
    const struct scope *scope;
    bool wants_single, wants_bundles; /* somebody has subscribed to events in that form */
    uint64_t named;                   /* seq of the last batch whose heads went out here */
    int64_t heads_at;                 /* monotonic ms: next sys:heads:all: */
    int64_t heads_sent;               /* the last one */
    uint64_t quiet;     /* the entry that last changed something without an event */
    int64_t quiet_at;   /* monotonic ms: that is to be said then; INT64_MAX: it has been */
    int64_t quiet_sent; /* when heads were last sent for it alone */
};

struct fanout {
    struct outlet outlet[OUTLETS_MAX];
    unsigned outlets;
    const struct gate *gate;
    struct patterns *patterns;
    struct quota *quota;
    struct heads *heads;
    struct bundles *bundles;
    uint64_t seq, entry; /* entry: the newest when the broker began */
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    msgpack_sbuffer streams, body, formed;
};

/* --- what is subscribed to ---------------------------------------------------------------- */

static void hurry(struct outlet *o)
{
    if (o->heads_sent + HEADS_LEAST_MS < o->heads_at) {
        o->heads_at = o->heads_sent + HEADS_LEAST_MS;
    }
}

/* libzmq's thread may have closed the connection meanwhile, and taken another under the same
 * descriptor: its peer then loses it, and connects again. Whatever else has it by now is no
 * socket with a peer, and is left alone. */
static void cut_off(int descriptor)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (getpeername(descriptor, (struct sockaddr *)&peer, &size) == 0) {
        shutdown(descriptor, SHUT_RDWR);
    }
}

static const struct actor *subscriber(const struct actor_table *actors, zmq_msg_t *frame)
{
    const char *id = zmq_msg_gets(frame, "User-Id");
    const struct actor *actor = id ? actor_by_key(actors, id) : NULL;
    return actor || !id ? actor : actor_by_name(actors, casebus_cstr(id));
}

/* An actor whose key is gone meanwhile would not be let in again anyway. */
static void refuse_patterns(struct fanout *self, const struct outlet *o,
                            const struct actor *actor, uint64_t limit)
{
    if (actor) {
        char where[320];
        snprintf(where, sizeof where, "at=%s: cut off, and kept out of fan-out for %d s",
                 o->bound, KEPT_OUT_MS / 1000);
        struct account *account = quota_account(self->quota, actor->name);
        kept_out_add(self->gate->kept_out, actor->name, zclock_mono() + KEPT_OUT_MS);
        quota_refuse(self->quota, account, LIMIT_PATTERNS, limit, quota_now(), where);
    }
}

/* Counts the patterns of the connection that a subscription came from. One without a number is
 * of a connection that has ended. */
static void watch(struct fanout *self, const struct outlet *o, const struct actor_table *actors,
                  zmq_msg_t *frame)
{
    const uint64_t limit = limit_of(self->gate->limits, LIMIT_PATTERNS);
    const char *number = limit > 0 ? zmq_msg_gets(frame, CONNECTION_NUMBER) : NULL;
    const size_t size = zmq_msg_size(frame);
    const struct connection from = {.descriptor = number ? zmq_msg_get(frame, ZMQ_SRCFD) : -1,
                                    .number = number ? strtoull(number, NULL, 10) : 0};
    if (from.descriptor < 0 || size == 0) {
        return;
    }
    const unsigned char *data = zmq_msg_data(frame);
    const struct casebus_bytes pattern = casebus_bytes(data + 1, size - 1);
    if (data[0] == 0) {
        patterns_unsubscribe(self->patterns, from, pattern);
    } else if (data[0] == 1 && patterns_subscribe(self->patterns, from, pattern, limit)) {
        refuse_patterns(self, o, subscriber(actors, frame), limit);
        cut_off(from.descriptor);
    }
}

/* Notes in which form events are wanted: in bundles, or each alone. Once somebody has asked for
 * a form it goes out for good, for libzmq does not always tell who has left, and keeps
 * subscriptions past an unbind. A form that nobody takes any more costs the bus some 300 ns an
 * event. */
static void note_wanted(struct outlet *o, zmq_msg_t *frame)
{
    const unsigned char *data = zmq_msg_data(frame);
    const size_t size = zmq_msg_size(frame);
    if (size > 0 && data[0] == 1) {
        const struct casebus_bytes prefix = casebus_bytes(data + 1, size - 1);
        const bool bundles = casebus_topic_is_bundle(prefix);
        o->wants_bundles = o->wants_bundles || bundles;
        o->wants_single = o->wants_single || !(bundles || casebus_topic_is_heads(prefix));
    }
}

static bool asks_for_heads(zmq_msg_t *frame)
{
    static const char heads[] = "\x01" CASEBUS_TOPIC_HEADS_ALL;
    const size_t size = zmq_msg_size(frame);
    return size > 0 && memcmp(zmq_msg_data(frame), heads,
                              size < sizeof heads - 1 ? size : sizeof heads - 1) == 0;
}

/* XPUB hands us each subscription. False: there may be more. */
static bool read_subscriptions(struct fanout *self, struct outlet *o,
                               const struct actor_table *actors)
{
    zmq_msg_t frame;
    int n = 0;
    zmq_msg_init(&frame);
    for (; n < SUBSCRIPTIONS_READ && inlet_receive(&o->out, &frame); n++) {
        note_wanted(o, &frame);
        if (asks_for_heads(&frame)) {
            hurry(o);
        }
        if (self->gate->guarded) {
            watch(self, o, actors, &frame);
        }
    }
    zmq_msg_close(&frame);
    return n < SUBSCRIPTIONS_READ;
}

/* --- sending ---------------------------------------------------------------------------- */

static void send_two(struct outlet *o, struct casebus_bytes topic, struct casebus_bytes body)
{
    inlet_used(&o->out);
    if (zmq_send(o->out.socket, topic.data, topic.size, ZMQ_SNDMORE) >= 0) {
        zmq_send(o->out.socket, body.data, body.size, 0);
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
        .quiet = o->quiet,
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

/* `before` is the seq of the last batch that touched a stream of this outlet: nothing that its
 * readers may know of happened between that one and this. */
static void send_batch_heads(struct fanout *self, struct outlet *o)
{
    send_heads(self, o, true, NULL);
    o->named = self->seq;
    o->quiet_at = INT64_MAX;
}

/* Sends each event that the outlet's scope covers by itself, where somebody wants that. True:
 * it covers one at least. */
static bool send_single(struct fanout *self, struct outlet *o, bool wanted,
                        const struct apply_event *events, size_t count)
{
    bool covers = false;
    for (size_t i = 0; i < count; i++) {
        struct casebus_bytes sent;
        if (scope_covers_topic(o->scope, events[i].topic)) {
            covers = true;
            if (!wanted) {
                break;
            }
            if (scope_event(o->scope, events[i].topic, events[i].body, &self->formed, &sent) ==
                0) {
                send_two(o, events[i].topic, sent);
            }
        }
    }
    return covers;
}

static void send_bundle(void *outlet, struct casebus_bytes topic, zmq_msg_t *body)
{
    struct outlet *o = outlet;
    inlet_used(&o->out);
    if (zmq_send(o->out.socket, topic.data, topic.size, ZMQ_SNDMORE) >= 0) {
        zmq_msg_send(body, o->out.socket, 0);
    }
}

/* Sends what the outlet's scope covers of the batch. Subscriptions are read first: heads prove
 * to a subscriber that his are in place, and libzmq may know of one that has not been read here
 * yet. */
static void publish_to(struct fanout *self, struct outlet *o, const struct apply_event *events,
                       size_t count, const struct actor_table *actors)
{
    const bool all = !read_subscriptions(self, o, actors);
    if (send_single(self, o, all || o->wants_single, events, count)) {
        if (all || o->wants_bundles) {
            bundles_form(self->bundles, events, o->scope, send_bundle, o);
        }
        send_batch_heads(self, o);
    }
}

static int move_heads(struct fanout *self, const struct apply_event *events, size_t count)
{
    int rc = bundles_begin(self->bundles, count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t stream = 0;
        rc = heads_move(self->heads, events[i].topic, events[i].seq, &stream);
        rc = rc ? rc : bundles_add(self->bundles, stream, heads_streams(self->heads));
        self->seq = events[i].seq;
    }
    return rc;
}

int fanout_publish(struct fanout *self, const struct apply_event *events, size_t count,
                   const struct actor_table *actors)
{
    const int rc = count > 0 ? move_heads(self, events, count) : 0;
    if (rc != 0 || count == 0) {
        return rc;
    }
    for (unsigned i = 0; i < self->outlets; i++) {
        publish_to(self, &self->outlet[i], events, count, actors);
    }
    heads_settle(self->heads);
    return 0;
}

void fanout_quiet(struct fanout *self, struct casebus_bytes agency, uint64_t entry)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        struct outlet *o = &self->outlet[i];
        if (scope_covers(o->scope, agency)) {
            o->quiet = entry;
            o->quiet_at = o->quiet_sent + HEADS_LEAST_MS;
        }
    }
}

/* --- when ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t fanout_due(const struct fanout *self)
{
    int64_t due = INT64_MAX;
    for (unsigned i = 0; i < self->outlets; i++) {
        due = earlier(due, earlier(self->outlet[i].heads_at, self->outlet[i].quiet_at));
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
        if (now >= o->quiet_at) {
            send_batch_heads(self, o);
            o->quiet_sent = now;
        }
    }
}

void fanout_hurry(struct fanout *self)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        hurry(&self->outlet[i]);
    }
}

void fanout_read_subscriptions(struct fanout *self, const struct actor_table *actors)
{
    for (unsigned i = 0; i < self->outlets; i++) {
        if (self->outlet[i].out.may_have) {
            read_subscriptions(self, &self->outlet[i], actors);
        }
    }
}

unsigned fanout_inlets(struct fanout *self, struct inlet *inlets[OUTLETS_MAX])
{
    for (unsigned i = 0; i < self->outlets; i++) {
        inlets[i] = &self->outlet[i].out;
    }
    return self->outlets;
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
    o->out = inlet_of(zsock_resolve(o->socket));
    o->scope = scope;
    o->named = self->seq;
    o->quiet = self->entry; /* what it was before the start is not stored */
    o->quiet_at = INT64_MAX;
    self->outlets++;
    return true;
}

static bool bind_all(struct fanout *self, const struct fanout_options *options, char *why,
                     size_t why_size)
{
    bool good = bind_outlet(self, options->gate, NULL, options->endpoint, &scope_everything,
                            why, why_size);
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
    self->gate = options->gate;
    self->patterns = patterns_new();
    self->bundles = bundles_new();
    self->quota = options->quota;
    msgpack_sbuffer_init(&self->streams);
    msgpack_sbuffer_init(&self->body);
    msgpack_sbuffer_init(&self->formed);
    memcpy(self->epoch, options->epoch, sizeof self->epoch);
    self->seq = options->seq;
    self->entry = options->entry;
    bool good = self->patterns != NULL && self->bundles != NULL;
    if (!good) {
        snprintf(why, why_size, "%s", casebus_strerror(CASEBUS_ENOMEM));
    }
    good = good && bind_all(self, options, why, why_size);
    if (!good) {
        fanout_destroy(self_p);
    }
    return good;
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
            inlet_used(&o->out);
            o->unbound = true;
        }
    }
}

bool fanout_rebind(struct fanout *self)
{
    bool all = true;
    for (unsigned i = 0; i < self->outlets; i++) {
        struct outlet *o = &self->outlet[i];
        if (o->unbound) {
            o->unbound = !port_rebind(o->socket, o->bound);
            inlet_used(&o->out);
        }
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
        bundles_destroy(&self->bundles);
        patterns_destroy(&self->patterns);
        msgpack_sbuffer_destroy(&self->streams);
        msgpack_sbuffer_destroy(&self->body);
        msgpack_sbuffer_destroy(&self->formed);
        free(self);
        *self_p = NULL;
    }
}
