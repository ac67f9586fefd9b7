/* A broker's sockets in the hands of a test: it says what the broker sends, and sees what
 * arrives there. Everything is in one process and one thread, so a test decides the order. */
#ifndef TESTS_SUBSCRIBER_PEER_H
#define TESTS_SUBSCRIBER_PEER_H

#include "pack.h"

#include <casebus/request.h>
#include <zmq.h>

#define PEER_FANOUT "inproc://fanout"
#define PEER_QUERY "inproc://query"
#define PEER_PATIENCE_MS 10000

struct peer {
    void *zmq, *fanout, *query;
    const char *epoch; /* 7 characters */
    uint64_t seq;      /* of replies */
    uint64_t entry;    /* of replies; 0: the seq */
    uint64_t quiet;    /* of heads */
    zmq_msg_t envelope[3];
    int envelopes;
    zmq_msg_t request;
};

/* For cmocka: *state is a struct peer. */
int peer_setup(void **state);
int peer_teardown(void **state);

/* The next subscription that arrives, its first byte gone; into a static buffer. */
const char *peer_subscription(struct peer *self);
/* Takes subscriptions until that of all heads, which comes last. */
void peer_joined(struct peer *self);

void peer_send(struct peer *self, const char *topic, struct casebus_bytes body);
/* As a broker sends it: alone, and in a bundle. */
void peer_event(struct peer *self, const char *topic, uint64_t seq, uint64_t prev,
                uint64_t prev_topic);
/* Of each event of a bundle, or a page of log.replay, the topic and its seq, prev and
 * prev_topic. */
struct peer_logged {
    const char *topic;
    uint64_t seq, prev, prev_topic;
};
void peer_bundle(struct peer *self, const char *stream, const struct peer_logged *events,
                 size_t count);
/* `streams` is JSON: {"case:created:hse:": 5}. */
void peer_heads(struct peer *self, uint64_t seq, const char *streams);
void peer_heads_batch(struct peer *self, uint64_t before, uint64_t seq, const char *streams);

/* A request is there. */
bool peer_is_asked(struct peer *self, int timeout_ms);
/* Takes it: its map, until the next. */
struct casebus_bytes peer_request(struct peer *self);
void peer_reply(struct peer *self, const char *result);
void peer_refuse(struct peer *self, int code, const char *text);
void peer_page(struct peer *self, const struct peer_logged *events, size_t count,
               uint64_t through, uint64_t gone);

#endif
