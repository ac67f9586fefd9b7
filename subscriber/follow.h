/* A subscriber's inside, shared by the handle (subscriber.c) and its way through the messages
 * (follow.c). Private. */
#ifndef CASEBUS_FOLLOW_H
#define CASEBUS_FOLLOW_H

#include <casebus/replay.h>
#include <casebus/subscriber.h>

#include "deadline.h"
#include "intake.h"

#include <zmq.h>

enum stage {
    FRESH,   /* patterns are being added */
    JOINING, /* waiting for the heads message that proves the subscriptions */
    FOLLOWING
};

struct casebus_subscriber {
    struct casebus_subscriber_options options;
    char *fanout, *query, *audience, *secret, *server; /* what the options point to, kept */
    void *zmq;
    bool zmq_is_mine;
    void *socket;
    char *pattern[CASEBUS_PATTERNS_MAX];
    size_t patterns;

    enum stage stage;
    bool from_log;   /* begin with what the log holds */
    bool has_cursor; /* in this history */
    struct casebus_cursor from;
    uint64_t seq, head;
    struct have *have; /* until the start, then the intake's */
    struct intake intake;
    struct casebus_heads heads;
    char held[128]; /* why nothing is stored for now; "": it is */

    struct casebus_client *client;
    struct casebus_replay *replay;
    bool has_first;       /* of the next message, in the intake's slot */
    bool has_yielded;     /* the processor, since the last message */
    uint64_t undecodable; /* messages */
    int64_t asked_at;     /* the log, last */
    int64_t quiet_since;  /* nothing has come while it waited; 0: something has */
    int64_t quiet_looked; /* when that was looked at last */
    bool has_grace;       /* it was away until the time was over */
    bool is_silent;       /* for so long that the connection was made again */
};

/* Waits for the first heads message: 1, 0 the time is up, or a code. */
int casebus_follow_join(struct casebus_subscriber *self, struct patience *patience);
/* 1 an event; 0 the time is up; or a code. */
int casebus_follow(struct casebus_subscriber *self, const struct casebus_event **event,
                   struct patience *patience);
/* Has the log been asked, and not answered for long? */
bool casebus_follow_is_unanswered(const struct casebus_subscriber *self);

#endif
