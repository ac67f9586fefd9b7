/* Bundles of a batch; see bundles.h. Its events are linked, each to the next of its stream, so
 * that many streams cost no more than one.
 *
 * A large bundle is sent in the memory it was made in, which is counted until libzmq gives it
 * back: what has not been is on its way, or waits for a reader who is slow or has stopped. His
 * queue is bounded in messages. So while much waits bundles are no larger than the largest
 * event is anyway, and what he keeps of them is bounded as if they never were. */
#include "bundles.h"

#include <casebus/bundle.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

/* An event of the batch. */
struct link {
    size_t next; /* of its stream, or NONE */
    bool begins; /* it is its stream's first */
};

struct bundles {
    struct link *link;
    size_t count, room;
    size_t *last; /* by stream: its newest event of this batch, or NONE */
    size_t streams;
    msgpack_sbuffer formed, bundle;
};

struct bundles *bundles_new(void)
{
    struct bundles *self = calloc(1, sizeof *self);
    if (self) {
        msgpack_sbuffer_init(&self->formed);
        msgpack_sbuffer_init(&self->bundle);
    }
    return self;
}

void bundles_destroy(struct bundles **self_p)
{
    struct bundles *self = *self_p;
    if (self) {
        free(self->link);
        free(self->last);
        msgpack_sbuffer_destroy(&self->formed);
        msgpack_sbuffer_destroy(&self->bundle);
        free(self);
        *self_p = NULL;
    }
}

/* --- a batch ------------------------------------------------------------------------------ */

int bundles_begin(struct bundles *self, size_t count)
{
    if (count > self->room) {
        struct link *more = realloc(self->link, count * sizeof *more);
        if (!more) {
            return CASEBUS_ENOMEM;
        }
        self->link = more;
        self->room = count;
    }
    for (size_t i = 0; i < self->streams; i++) {
        self->last[i] = NONE;
    }
    self->count = 0;
    return 0;
}

static bool reach(struct bundles *self, size_t streams)
{
    size_t *more = realloc(self->last, streams * sizeof *more);
    if (!more) {
        return false;
    }
    self->last = more;
    while (self->streams < streams) {
        self->last[self->streams++] = NONE;
    }
    return true;
}

int bundles_add(struct bundles *self, size_t stream, size_t streams)
{
    if (streams > self->streams && !reach(self, streams)) {
        return CASEBUS_ENOMEM;
    }
    const size_t before = self->last[stream], at = self->count++;
    self->link[at] = (struct link){.next = NONE, .begins = before == NONE};
    if (before != NONE) {
        self->link[before].next = at;
    }
    self->last[stream] = at;
    return 0;
}

/* --- bundles ------------------------------------------------------------------------------ */

struct sending {
    const struct apply_event *events;
    const struct scope *scope;
    bundles_send *send;
    void *arg;
};

/* Memory of bundles, of all threads that send. */
static atomic_size_t waiting;

static size_t largest(void)
{
    return atomic_load_explicit(&waiting, memory_order_relaxed) < CASEBUS_BUNDLES_WAITING
               ? CASEBUS_EVENT_BUNDLE_MAX
               : CASEBUS_FULL_EVENT_MAX;
}

/* In whatever thread libzmq has done with it. */
static void give_back(void *bundle, void *size)
{
    free(bundle);
    atomic_fetch_sub_explicit(&waiting, (size_t)(uintptr_t)size, memory_order_relaxed);
}

static bool make_copy(const msgpack_sbuffer *bundle, zmq_msg_t *message)
{
    if (zmq_msg_init_size(message, bundle->size) != 0) {
        return false;
    }
    memcpy(zmq_msg_data(message), bundle->data, bundle->size);
    return true;
}

/* Made of the bundle: of its memory where it fills half of that. */
static bool make_message(msgpack_sbuffer *bundle, zmq_msg_t *message)
{
    const size_t size = bundle->alloc;
    if (bundle->size < size / 2) {
        return make_copy(bundle, message);
    }
    if (zmq_msg_init_data(message, bundle->data, bundle->size, give_back,
                          (void *)(uintptr_t)size) != 0) {
        return false;
    }
    atomic_fetch_add_explicit(&waiting, size, memory_order_relaxed);
    (void)msgpack_sbuffer_release(bundle);
    return true;
}

static void send_bundle(struct bundles *self, const struct sending *to,
                        struct casebus_bytes stream)
{
    char topic[CASEBUS_TOPIC_BUNDLE_SIZE + CASEBUS_TOPIC_MAX] = CASEBUS_TOPIC_BUNDLE;
    zmq_msg_t body;
    if (casebus_bundle_count(&self->bundle) > 0 && make_message(&self->bundle, &body)) {
        memcpy(topic + CASEBUS_TOPIC_BUNDLE_SIZE, stream.data, stream.size);
        to->send(to->arg, casebus_bytes(topic, CASEBUS_TOPIC_BUNDLE_SIZE + stream.size), &body);
        zmq_msg_close(&body);
    }
}

/* The events of one stream, from its first. */
static void form_stream(struct bundles *self, const struct sending *to, size_t first)
{
    const struct casebus_bytes stream = casebus_topic_stream(to->events[first].topic);
    const size_t most = largest();
    if (casebus_bundle_begin(&self->bundle, most) != 0) {
        return;
    }
    for (size_t i = first; i != NONE; i = self->link[i].next) {
        const struct apply_event *event = &to->events[i];
        struct casebus_bytes body;
        if (scope_event(to->scope, event->topic, event->body, &self->formed, &body) != 0) {
            continue;
        }
        if (!casebus_bundle_has_room(&self->bundle, event->topic, body, most)) {
            send_bundle(self, to, stream);
            if (casebus_bundle_begin(&self->bundle, most) != 0) {
                return;
            }
        }
        (void)casebus_bundle_add(&self->bundle, event->topic, body);
    }
    send_bundle(self, to, stream);
}

void bundles_form(struct bundles *self, const struct apply_event *events,
                  const struct scope *scope, bundles_send *send, void *arg)
{
    const struct sending to = {events, scope, send, arg};
    for (size_t i = 0; i < self->count; i++) {
        if (self->link[i].begins && scope_covers_topic(scope, events[i].topic)) {
            form_stream(self, &to, i);
        }
    }
}
