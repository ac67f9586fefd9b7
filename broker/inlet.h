/* Waiting for several sockets at little more than the price of one.
 *
 * zmq_poll() asks every socket before it waits and again behind it, two system calls each time,
 * also those to which nothing has happened: with three sockets, more than all else that a
 * request costs its thread. Here the descriptors of the sockets are waited for, and only those
 * are asked that may have something.
 *
 * A descriptor of libzmq's tells once that something has happened to its socket, and any use of
 * the socket may take that away unseen. So a socket may have a message from when its descriptor
 * tells, or it is used, until a receive has found nothing: who sends, says so (inlet_used).
 *
 * One thread, as a socket. */
#ifndef BROKER_INLET_H
#define BROKER_INLET_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

struct inlet {
    void *socket; /* libzmq's, borrowed */
    int fd;
    bool may_have;
};
#define INLETS_MAX 24

struct inlet inlet_of(void *socket);
/* Of what is no socket; who has read it says so: may_have = false. */
struct inlet inlet_of_descriptor(int fd);
/* After a send, or anything else that is done with the socket. */
static inline void inlet_used(struct inlet *self)
{
    self->may_have = true;
}
/* After a send that found it full, and will be tried again behind each wait: the wait ends when
 * there is room, or a message, and not before. */
void inlet_blocked(struct inlet *self);
/* Lets libzmq look at what has happened to the socket, as it does by itself once in a hundred
 * receives: whose messages are large, or of many parts, is not to be alone for as long. */
void inlet_attend(struct inlet *self);
/* The first frame of the next message, or false: there is none, or zmq_errno() says what is
 * wrong. The frames behind it, which are there with it, are received as ever. */
bool inlet_receive(struct inlet *self, zmq_msg_t *frame);
/* Until one of them may have a message, at most `ms`; returns at once if one may already. */
void inlets_wait(struct inlet *const *inlets, unsigned count, int64_t ms);

#endif
