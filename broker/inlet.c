/* Sockets that are waited for by their descriptors; see inlet.h. */
#include "inlet.h"

#include <errno.h>
#include <poll.h>

struct inlet inlet_of(void *socket)
{
    struct inlet self = {.socket = socket, .may_have = true};
    size_t size = sizeof self.fd;
    zmq_getsockopt(socket, ZMQ_FD, &self.fd, &size);
    return self;
}

struct inlet inlet_of_descriptor(int fd)
{
    return (struct inlet){.fd = fd, .may_have = true};
}

static int events_of(const struct inlet *self)
{
    int events = 0;
    size_t size = sizeof events;
    zmq_getsockopt(self->socket, ZMQ_EVENTS, &events, &size);
    return events;
}

void inlet_blocked(struct inlet *self)
{
    self->may_have = (events_of(self) & (ZMQ_POLLIN | ZMQ_POLLOUT)) != 0;
}

void inlet_attend(struct inlet *self)
{
    self->may_have = (events_of(self) & ZMQ_POLLIN) != 0;
}

bool inlet_receive(struct inlet *self, zmq_msg_t *frame)
{
    bool received = zmq_msg_recv(frame, self->socket, ZMQ_DONTWAIT) >= 0;
    self->may_have = received || zmq_errno() != EAGAIN;
    return received;
}

void inlets_wait(struct inlet *const *inlets, unsigned count, int64_t ms)
{
    struct pollfd fds[INLETS_MAX];
    for (unsigned i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = inlets[i]->fd, .events = POLLIN};
        ms = inlets[i]->may_have || ms < 0 ? 0 : ms;
    }
    if (poll(fds, count, (int)ms) <= 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        inlets[i]->may_have = inlets[i]->may_have || fds[i].revents != 0;
    }
}
