/* Idle subscribers; see idle.h. */
#include "idle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define AT_ONCE 64

static void check(bool good)
{
    if (!good) {
        round_fail("idle subscriber", zmq_strerror(errno));
    }
}

/* A socket that will be connected, and where its connection is told of. */
struct joining {
    void *socket, *events;
};

static struct joining begin_one(void *context, const struct round *round, unsigned number)
{
    static const char heads[] = "sys:heads:all:";
    char prefix[64], monitor[64];
    int size = snprintf(prefix, sizeof prefix, "case:created:hse:idle-%u:", number);
    snprintf(monitor, sizeof monitor, "inproc://monitor-%u", number);
    struct joining one = {zmq_socket(context, ZMQ_SUB), zmq_socket(context, ZMQ_PAIR)};
    check(one.socket && one.events &&
          zmq_setsockopt(one.socket, ZMQ_SUBSCRIBE, prefix, (size_t)size) == 0 &&
          zmq_setsockopt(one.socket, ZMQ_SUBSCRIBE, heads, sizeof heads - 1) == 0 &&
          zmq_socket_monitor(one.socket, monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0 &&
          zmq_connect(one.events, monitor) == 0 && zmq_connect(one.socket, round->fanout) == 0);
    return one;
}

static void *end_one(const struct joining *one)
{
    zmq_msg_t event;
    zmq_msg_init(&event);
    while (zmq_msg_recv(&event, one->events, 0) < 0) {
        check(errno == EINTR);
    }
    zmq_msg_close(&event);
    zmq_socket_monitor(one->socket, NULL, 0);
    zmq_close(one->events);
    return one->socket;
}

/* Some at a time: of thousands that knock at once the kernel overhears most, and they try again
 * later and later. */
static void open_all(void *context, const struct round *round, unsigned first, unsigned count,
                     void **sockets)
{
    struct joining at_once[AT_ONCE];
    for (unsigned done = 0; done < count;) {
        const unsigned some = count - done < AT_ONCE ? count - done : AT_ONCE;
        for (unsigned i = 0; i < some; i++) {
            at_once[i] = begin_one(context, round, first + done + i);
        }
        for (unsigned i = 0; i < some; i++) {
            sockets[done++] = end_one(&at_once[i]);
        }
    }
}

/* False: nothing was there. */
static bool take_frame(void *s, int flags)
{
    char frame[256]; /* heads are longer, and cut off: nobody looks at them */
    const int size = zmq_recv(s, frame, sizeof frame, flags);
    check(size >= 0 || errno == EAGAIN || errno == EINTR);
    return size >= 0;
}

void idle_watch(const struct round *round, unsigned index)
{
    const unsigned first = index * IDLE_EACH;
    const unsigned count = round->idle - first < IDLE_EACH ? round->idle - first : IDLE_EACH;
    void *sockets[IDLE_EACH], *context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 2 * (IDLE_EACH + AT_ONCE));
    open_all(context, round, first, count, sockets);
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
