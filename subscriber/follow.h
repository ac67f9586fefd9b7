/* A subscriber's inside, shared by the handle (subscriber.c) and its way through the messages
 * (follow.c). Private. */
#ifndef CASEBUS_FOLLOW_H
#define CASEBUS_FOLLOW_H

#include <casebus/replay.h>
#include <casebus/subscriber.h>

#include "deadline.h"
#include "have.h"

#include <zmq.h>

/* Where a subscriber is. It goes down this list, and back to JOINING when the history changes.
 */
enum stage {
    FRESH,     /* patterns are being added */
    JOINING,   /* waiting for the heads message that proves the subscriptions */
    REPLAYING, /* handing over what the log holds; live events wait in the socket */
    LIVE
};

struct casebus_subscriber {
    struct casebus_subscriber_options options;
    char *fanout, *query; /* what the options point to, kept */
    void *zmq;
    bool zmq_is_mine;
    void *socket;
    char *pattern[CASEBUS_PATTERNS_MAX];
    size_t patterns;
    bool single_topics; /* a pattern of one topic is among them */

    enum stage stage;
    bool from_log;  /* replay before going live */
    uint64_t after; /* from here */
    uint64_t seq, head;
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    struct have *have;

    zmq_msg_t topic, body;
    struct casebus_event event;
    bool held; /* the event was decoded and is handed over with the next call */
    struct casebus_heads heads;
    struct casebus_reader streams; /* of heads: those not looked at yet */
    uint32_t streams_left;
    struct casebus_gap gap;

    struct casebus_client *client;
    struct casebus_replay *replay;
    bool asked;          /* a page or an answer is on its way */
    bool reading;        /* a page is there and not used up */
    bool in_doubt;       /* heads came, and a single topic may have been left behind */
    int64_t question_at; /* not to be asked before */
    struct casebus_subscriber_stats stats;
};

/* One stretch of the way: 1 an event; 0 the time is up; AGAIN the stage has changed; or a code.
 */
#define FOLLOW_AGAIN 2
int casebus_follow(struct casebus_subscriber *self, const struct casebus_event **event,
                   struct patience *patience);

#endif
