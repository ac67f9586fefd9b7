/* A broker's sockets in the hands of a test. */
#include "peer.h"

#include <casebus/bundle.h>
#include <stdio.h>
#include <stdlib.h>

static void *bind_socket(struct peer *self, int type, const char *endpoint)
{
    const int patience = PEER_PATIENCE_MS, none = 0;
    void *socket = zmq_socket(self->zmq, type);
    assert_non_null(socket);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(zmq_bind(socket, endpoint), 0);
    return socket;
}

int peer_setup(void **state)
{
    struct peer *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return -1;
    }
    self->zmq = zmq_ctx_new();
    self->fanout = bind_socket(self, ZMQ_XPUB, PEER_FANOUT);
    self->query = bind_socket(self, ZMQ_ROUTER, PEER_QUERY);
    self->epoch = "epoch-1";
    zmq_msg_init(&self->request);
    *state = self;
    return 0;
}

static void drop_envelope(struct peer *self)
{
    while (self->envelopes > 0) {
        zmq_msg_close(&self->envelope[--self->envelopes]);
    }
}

int peer_teardown(void **state)
{
    struct peer *self = *state;
    drop_envelope(self);
    zmq_msg_close(&self->request);
    zmq_close(self->fanout);
    zmq_close(self->query);
    zmq_ctx_term(self->zmq);
    free(self);
    return 0;
}

/* --- fan-out ---------------------------------------------------------------------------- */

const char *peer_subscription(struct peer *self)
{
    static char text[CASEBUS_TOPIC_MAX + 2];
    const int size = zmq_recv(self->fanout, text, sizeof text - 1, 0);
    assert_true(size > 0 && size < (int)sizeof text);
    assert_int_equal(text[0], 1);
    text[size] = '\0';
    return text + 1;
}

void peer_joined(struct peer *self)
{
    while (strcmp(peer_subscription(self), CASEBUS_TOPIC_HEADS_ALL) != 0) {
    }
}

void peer_send(struct peer *self, const char *topic, struct casebus_bytes body)
{
    assert_true(zmq_send(self->fanout, topic, strlen(topic), ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(self->fanout, body.data, body.size, 0) >= 0);
}

static void encode_event(const struct peer *self, const struct peer_logged *logged,
                         msgpack_sbuffer *out)
{
    struct casebus_event event =
        make_event(logged->topic, logged->seq, logged->prev, logged->prev_topic);
    memcpy(event.epoch, self->epoch, sizeof event.epoch);
    assert_int_equal(casebus_event_encode(&event, out), 0);
}

void peer_event(struct peer *self, const char *topic, uint64_t seq, uint64_t prev,
                uint64_t prev_topic)
{
    const struct peer_logged logged = {topic, seq, prev, prev_topic};
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    encode_event(self, &logged, &body);
    peer_send(self, topic, casebus_bytes(body.data, body.size));
    msgpack_sbuffer_destroy(&body);
    peer_bundle(self, topic, &logged, 1);
}

void peer_bundle(struct peer *self, const char *stream, const struct peer_logged *events,
                 size_t count)
{
    char topic[CASEBUS_TOPIC_BUNDLE_SIZE + CASEBUS_TOPIC_MAX];
    msgpack_sbuffer bundle, body;
    msgpack_sbuffer_init(&bundle);
    msgpack_sbuffer_init(&body);
    snprintf(topic, sizeof topic, CASEBUS_TOPIC_BUNDLE "%.*s",
             (int)casebus_topic_stream(casebus_cstr(stream)).size, stream);
    assert_int_equal(casebus_bundle_begin(&bundle, CASEBUS_EVENT_BUNDLE_MAX), 0);
    for (size_t i = 0; i < count; i++) {
        msgpack_sbuffer_clear(&body);
        encode_event(self, &events[i], &body);
        assert_int_equal(casebus_bundle_add(&bundle, casebus_cstr(events[i].topic),
                                            casebus_bytes(body.data, body.size)),
                         0);
    }
    peer_send(self, topic, casebus_bytes(bundle.data, bundle.size));
    msgpack_sbuffer_destroy(&bundle);
    msgpack_sbuffer_destroy(&body);
}

static void send_heads(struct peer *self, struct casebus_heads heads, const char *streams)
{
    msgpack_sbuffer map, body;
    msgpack_sbuffer_init(&map);
    msgpack_sbuffer_init(&body);
    memcpy(heads.epoch, self->epoch, sizeof heads.epoch);
    heads.streams = pack(&map, streams);
    heads.quiet = self->quiet;
    assert_int_equal(casebus_heads_encode(&heads, &body), 0);
    peer_send(self, heads.is_batch ? CASEBUS_TOPIC_HEADS_BATCH : CASEBUS_TOPIC_HEADS_ALL,
              casebus_bytes(body.data, body.size));
    msgpack_sbuffer_destroy(&map);
    msgpack_sbuffer_destroy(&body);
}

void peer_heads(struct peer *self, uint64_t seq, const char *streams)
{
    send_heads(self, (struct casebus_heads){.seq = seq}, streams);
}

void peer_heads_batch(struct peer *self, uint64_t before, uint64_t seq, const char *streams)
{
    send_heads(self, (struct casebus_heads){.before = before, .seq = seq, .is_batch = true},
               streams);
}

/* --- requests --------------------------------------------------------------------------- */

bool peer_is_asked(struct peer *self, int timeout_ms)
{
    zmq_pollitem_t item = {.socket = self->query, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, timeout_ms) > 0;
}

struct casebus_bytes peer_request(struct peer *self)
{
    drop_envelope(self);
    for (;;) {
        assert_true(zmq_msg_recv(&self->request, self->query, 0) >= 0);
        if (!zmq_msg_more(&self->request)) {
            break;
        }
        assert_true(self->envelopes < 3);
        zmq_msg_init(&self->envelope[self->envelopes]);
        zmq_msg_move(&self->envelope[self->envelopes++], &self->request);
    }
    return casebus_bytes(zmq_msg_data(&self->request), zmq_msg_size(&self->request));
}

static void send_reply(struct peer *self, const struct casebus_reply *reply)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    assert_int_equal(casebus_reply_encode(reply, &body), 0);
    for (int i = 0; i < self->envelopes; i++) {
        assert_true(zmq_msg_send(&self->envelope[i], self->query, ZMQ_SNDMORE) >= 0);
    }
    self->envelopes = 0;
    assert_true(zmq_send(self->query, body.data, body.size, 0) >= 0);
    msgpack_sbuffer_destroy(&body);
}

static struct casebus_reply begin_reply(const struct peer *self)
{
    struct casebus_reply reply = {.seq = self->seq,
                                  .entry = self->entry ? self->entry : self->seq};
    memcpy(reply.epoch, self->epoch, sizeof reply.epoch);
    return reply;
}

void peer_reply(struct peer *self, const char *result)
{
    struct casebus_reply reply = begin_reply(self);
    msgpack_sbuffer packed;
    msgpack_sbuffer_init(&packed);
    reply.result = pack(&packed, result);
    send_reply(self, &reply);
    msgpack_sbuffer_destroy(&packed);
}

void peer_refuse(struct peer *self, int code, const char *text)
{
    struct casebus_reply reply = begin_reply(self);
    reply.error = code;
    reply.error_text = casebus_cstr(text);
    send_reply(self, &reply);
}

void peer_page(struct peer *self, const struct peer_logged *events, size_t count,
               uint64_t through, uint64_t gone)
{
    struct casebus_reply reply = begin_reply(self);
    msgpack_sbuffer packed, body;
    msgpack_packer pk;
    msgpack_sbuffer_init(&packed);
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, gone > 0 ? 3 : 2);
    casebus_pack_text(&pk, "events");
    msgpack_pack_array(&pk, count);
    for (size_t i = 0; i < count; i++) {
        msgpack_sbuffer_clear(&body);
        encode_event(self, &events[i], &body);
        msgpack_pack_array(&pk, 2);
        casebus_pack_text(&pk, events[i].topic);
        casebus_pack_bin(&pk, casebus_bytes(body.data, body.size));
    }
    casebus_pack_text(&pk, "through");
    msgpack_pack_uint64(&pk, through);
    if (gone > 0) {
        casebus_pack_text(&pk, "gone");
        msgpack_pack_uint64(&pk, gone);
    }
    reply.result = casebus_bytes(packed.data, packed.size);
    send_reply(self, &reply);
    msgpack_sbuffer_destroy(&packed);
    msgpack_sbuffer_destroy(&body);
}
