/* Peers that are gone without a word (a machine switched off) are found by TCP itself.
 *
 * Not by the heartbeats of libzmq: in 4.3.4 one that is due ends the process (an assertion)
 * where a connection has broken whose messages are not taken because their queue is full, and
 * any peer can bring that about by sending much and leaving. */
#ifndef CASEBUS_KEEPALIVE_H
#define CASEBUS_KEEPALIVE_H

#include <stddef.h>
#include <zmq.h>

/* Before bind. A silent peer is asked after 5 s and cut off after 6 more. */
static inline void keep_alive(void *socket)
{
    static const int options[][2] = {{ZMQ_TCP_KEEPALIVE, 1},
                                     {ZMQ_TCP_KEEPALIVE_IDLE, 5},
                                     {ZMQ_TCP_KEEPALIVE_INTVL, 2},
                                     {ZMQ_TCP_KEEPALIVE_CNT, 3}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        zmq_setsockopt(socket, options[i][0], &options[i][1], sizeof options[i][1]);
    }
}

#endif
