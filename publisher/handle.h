/* What a publisher consists of (private to the publisher): publisher.c takes reports from the
 * caller, progress.c sees them through, session.c packs those of sessions.
 *
 * Numbers, from low to high:
 *
 *   stats.confirmed  decided and told to the caller; what is above is in the window
 *   decided          decided, but refusals in between may still have to be fetched
 *   cursor           given to the socket in this pass; sending again sets it back
 *   highest          given to the socket ever
 *   stats.sent       taken from the caller */
#ifndef CASEBUS_PUBLISHER_HANDLE_H
#define CASEBUS_PUBLISHER_HANDLE_H

#include "compose.h"
#include "confirm.h"
#include "ingest.h"
#include "pace.h"
#include "query.h"
#include "window.h"

struct casebus_publisher {
    struct casebus_publisher_options options;
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    void *context;
    struct ingest ingest;
    struct query query;
    struct window window;
    struct pace pace;
    struct broker_state broker;

    uint64_t decided, cursor, highest;
    uint64_t told;    /* the highest number whose refusal the caller has got */
    uint64_t granted; /* `after` of the newest poll the broker has answered: it takes no number
                         more than a window above */
    bool blocked;     /* the socket had no place for the report after the cursor */
    int dead;         /* CASEBUS_EDIVERGED or CASEBUS_EIO, for good */

    bool poll_out;       /* a poll is at the broker, under ... */
    uint64_t poll_key;   /* ... this key, asked for ... */
    uint64_t poll_after; /* ... what comes after this number ... */
    int64_t poll_retry;  /* ... and given up then */
    int64_t poll_due;    /* when the next may be sent */
    bool poll_unsent;    /* there was no connection for it */

    uint64_t ask_key; /* of a request the caller waits for; 0: none */
    bool ask_answered;
    zmq_msg_t ask_answer;

    unsigned untended;  /* reports since the last turn */
    uint64_t tended_at; /* when one of them last made a turn, by the clock of sent_at */
    struct composer composer;
    msgpack_sbuffer request; /* scratch */
    struct casebus_fault fault;
    struct casebus_publisher_stats stats;
};

/* Milliseconds since some instant. */
int64_t casebus_publisher_now(void);

/* Gives the socket what it has not been given and will take. */
int casebus_publisher_flush(struct casebus_publisher *self);
/* Everything that is due, without waiting: answers, links, timers, the next poll, flush. */
int casebus_publisher_turn(struct casebus_publisher *self, int64_t now);
/* Waits for the sockets or the next timer, at most until `until`, then a turn. Call it after a
 * turn, and only while that has not brought what is waited for. 0, self->dead or
 * CASEBUS_EINTR. */
int casebus_publisher_step(struct casebus_publisher *self, int64_t until);
/* The instant `timeout_ms` from now; negative: the end of time. */
int64_t casebus_publisher_until(int timeout_ms);

#endif
