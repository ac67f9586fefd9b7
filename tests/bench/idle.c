/* Idle subscribers; see idle.h. */
#include "idle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void *open_one(void *context, const struct round *round, unsigned number)
{
    static const char heads[] = "sys:heads:all:";
    char prefix[64];
    int size = snprintf(prefix, sizeof prefix, "case:created:hse:idle-%u:", number);
    void *s = zmq_socket(context, ZMQ_SUB);
    if (!s || zmq_setsockopt(s, ZMQ_SUBSCRIBE, prefix, (size_t)size) != 0 ||
        zmq_setsockopt(s, ZMQ_SUBSCRIBE, heads, sizeof heads - 1) != 0 ||
        zmq_connect(s, round->fanout) != 0) {
        round_fail("idle subscriber", zmq_strerror(errno));
    }
    return s;
}

/* False: nothing was there. */
static bool take_frame(void *s, int flags)
{
    char frame[256]; /* heads are longer, and cut off: nobody looks at them */
    const int size = zmq_recv(s, frame, sizeof frame, flags);
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
        round_fail("idle subscriber", zmq_strerror(errno));
    }
    return size >= 0;
}

void idle_watch(const struct round *round, unsigned index)
{
    const unsigned first = index * IDLE_EACH;
    const unsigned count = round->idle - first < IDLE_EACH ? round->idle - first : IDLE_EACH;
    void *sockets[IDLE_EACH], *context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, IDLE_EACH + 1);
    for (unsigned i = 0; i < count; i++) {
        sockets[i] = open_one(context, round, first + i);
    }
    for (unsigned i = 0; i < count; i++) { /* heads prove that a subscription has arrived */
        while (!take_frame(sockets[i], 0)) {
        }
    }
    round_watch();
    for (;;) { /* all hear the same heads: the first one tells when */
        take_frame(sockets[0], 0);
        for (unsigned i = 0; i < count; i++) {
            while (take_frame(sockets[i], ZMQ_DONTWAIT)) {
            }
        }
    }
}
