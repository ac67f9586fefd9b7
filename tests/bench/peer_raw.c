/* A bare zmq_proxy: promises nothing, and is the ceiling for everything made with ZeroMQ. The
 * time a message was sent is its first bytes. */
#include "round.h"
#include "sample.h"

#include <casebus/limits.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

static void *raw_socket(void *context, int type, const char *endpoint, bool binds)
{
    int hwm = CASEBUS_HWM, one = 1;
    void *s = zmq_socket(context, type);
    zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(s, ZMQ_RCVHWM, &hwm, sizeof hwm);
    if (type == ZMQ_XPUB) { /* nothing is to be lost in a benchmark */
        zmq_setsockopt(s, ZMQ_XPUB_NODROP, &one, sizeof one);
    }
    if ((binds ? zmq_bind(s, endpoint) : zmq_connect(s, endpoint)) != 0) {
        round_fail(endpoint, zmq_strerror(errno));
    }
    return s;
}

static pid_t serve(struct round *round)
{
    int ready[2];
    char byte;
    snprintf(round->ingest, sizeof round->ingest, "tcp://127.0.0.1:%d", round_free_port());
    snprintf(round->fanout, sizeof round->fanout, "tcp://127.0.0.1:%d", round_free_port());
    if (pipe(ready) != 0) {
        round_fail("pipe", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        void *context = zmq_ctx_new();
        void *in = raw_socket(context, ZMQ_XSUB, round->ingest, true);
        void *out = raw_socket(context, ZMQ_XPUB, round->fanout, true);
        if (write(ready[1], "r", 1) != 1) {
            _exit(1);
        }
        zmq_proxy(in, out, NULL);
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) {
        round_fail("proxy", "did not start");
    }
    close(ready[0]);
    return pid;
}

static void send_raw(void *s, const char *topic, const char *body, size_t size)
{
    while (zmq_send(s, topic, strlen(topic), ZMQ_SNDMORE) < 0) {
    }
    while (zmq_send(s, body, size, 0) < 0) {
    }
}

static void publish(const struct round *round, unsigned index)
{
    void *context = zmq_ctx_new();
    void *s = raw_socket(context, ZMQ_XPUB, round->ingest, false);
    char topic[64], body[REPORT_SIZE_MAX] = {0}, subscribed[64];
    if (zmq_recv(s, subscribed, sizeof subscribed, 0) < 0) { /* the link is up */
        round_fail("raw publisher", zmq_strerror(errno));
    }
    round_publish();
    for (unsigned n = 0; n < round_share(round, index); n++) {
        round_pace(round, n);
        const uint64_t now = round->rate > 0 ? round_clock() : 0;
        memcpy(body, &now, sizeof now);
        snprintf(topic, sizeof topic, "case:created:hse:%u-%08u:", index, n);
        send_raw(s, topic, body, round->report_size);
    }
    zmq_close(s);
    zmq_ctx_term(context);
}

static uint64_t receive(void *s, unsigned index, zmq_msg_t *m)
{
    uint64_t sent_at = 0;
    do {
        while (zmq_msg_recv(m, s, 0) < 0) {
            if (!round_waits(index)) {
                exit(1);
            }
        }
    } while (zmq_msg_more(m));
    memcpy(&sent_at, zmq_msg_data(m), sizeof sent_at);
    return sent_at;
}

static void watch(const struct round *round, unsigned index)
{
    void *context = zmq_ctx_new();
    void *s = raw_socket(context, ZMQ_SUB, round->fanout, false);
    int wait = 1000;
    zmq_msg_t m;
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_setsockopt(s, ZMQ_SUBSCRIBE, "case:created:", 13);
    zmq_msg_init(&m);
    round_watch();
    while (round_received(round, index, receive(s, index, &m))) {
    }
    zmq_msg_close(&m);
    zmq_close(s);
    zmq_ctx_term(context);
}

const struct peer peer_raw = {.name = "zmq_proxy",
                              .promise = "nothing",
                              .serve = serve,
                              .publish = publish,
                              .watch = watch};
