/* Following what happens to cases, as it happens.
 *
 *   struct casebus_subscriber *subscriber;
 *   const struct casebus_event *event;
 *   casebus_subscriber_new(&subscriber, casebus_subscriber_options());
 *   casebus_subscriber_subscribe(subscriber, "case:created:hse", NULL);
 *   casebus_subscriber_start(subscriber);
 *   while ((rc = casebus_subscriber_next(subscriber, &event, 1000)) >= 0) {
 *       if (rc == 1) { … }
 *   }
 *
 * Every event of the patterns with a seq above casebus_subscriber_seq() is handed over once, as
 * it comes; overlapping patterns do not double it. What got lost on the way (a lost connection,
 * a reader too slow for its high-water mark) is found and reported, as a range of seqs, once;
 * it is not fetched again. Within a stream events come in the order of their seq. No thread of
 * its own: everything happens inside the calls, so a program that stays away long enough loses
 * events, and is told.
 *
 * A handle belongs to one thread. Times are in milliseconds; negative: no limit. */
#ifndef CASEBUS_SUBSCRIBER_H
#define CASEBUS_SUBSCRIBER_H

#include <casebus/event.h>

struct casebus_subscriber;

struct casebus_subscriber_options {
    const char *fanout; /* the broker's endpoint for events */
    const char *query;  /* and for requests; NULL: no replay, and holes in single topics are
                         * seen with the topic's next event only */
    int hwm;            /* events that may wait here; below CASEBUS_HWM a burst loses some */
    void *context;      /* a ZeroMQ context to share; NULL: one of its own */
};
struct casebus_subscriber_options casebus_subscriber_options(void); /* the defaults */

int casebus_subscriber_new(struct casebus_subscriber **self_p,
                           struct casebus_subscriber_options options);
void casebus_subscriber_destroy(struct casebus_subscriber **self_p);

/* Before the start, up to CASEBUS_PATTERNS_MAX times. CASEBUS_EPATTERN: *why (may be NULL) says
 * what is wrong and what would be right, in static storage. CASEBUS_ETOOMANY, CASEBUS_EINVAL.
 */
int casebus_subscriber_subscribe(struct casebus_subscriber *self, const char *pattern,
                                 const char **why);

/* From now on. CASEBUS_EINVAL: an impossible endpoint, nothing is subscribed, started before.
 */
int casebus_subscriber_start(struct casebus_subscriber *self);
/* First what the log holds after `after` (0: from the beginning), then live, without hole or
 * double between the two. */
int casebus_subscriber_start_at(struct casebus_subscriber *self, uint64_t after);

/* Waits until the subscriptions are proved to be in place: 1; 0: time up; or CASEBUS_EINTR.
 * casebus_subscriber_next() does it by itself; a program that wants to ask or to say something
 * in between waits here. */
int casebus_subscriber_join(struct casebus_subscriber *self, int timeout_ms);

/* 1 and the event, borrowed until the next call; 0: time up; or
 * CASEBUS_EGAP    casebus_subscriber_gap() is missing; the next call goes on behind it;
 * CASEBUS_EEPOCH  the broker has another history now: load anew what was made from events. The
 *                 subscriber joins again by itself, live, from casebus_subscriber_seq() of
 * then; CASEBUS_EINTR   a signal came; a refusal of the replay, CASEBUS_EPROTO, CASEBUS_EIO,
 * CASEBUS_ENOMEM. */
int casebus_subscriber_next(struct casebus_subscriber *self, const struct casebus_event **event,
                            int timeout_ms);

/* Events of `stream` after `after` and up to `through` are missing: of a stream
 * ("case:created:hse:"), of one topic ("case:created:hse:4812345:"), or, where it is empty, of
 * any pattern (the log was trimmed). Borrowed until the next call. */
struct casebus_gap {
    struct casebus_bytes stream;
    uint64_t after, through;
};
const struct casebus_gap *casebus_subscriber_gap(const struct casebus_subscriber *self);

/* The subscriptions are in place: nothing that happens now is missed silently. */
bool casebus_subscriber_is_live(const struct casebus_subscriber *self);
/* Events above it are handed over: where the broker stood when the subscriptions were proved,
 * or `after`. */
uint64_t casebus_subscriber_seq(const struct casebus_subscriber *self);
/* The newest seq the broker has named. */
uint64_t casebus_subscriber_head(const struct casebus_subscriber *self);
/* The history that is followed, CASEBUS_EPOCH_SIZE bytes; NULL before the subscriber is live.
 */
const unsigned char *casebus_subscriber_epoch(const struct casebus_subscriber *self);
/* For zmq_poll() with ZMQ_POLLIN, once casebus_subscriber_next() has given 0. */
void *casebus_subscriber_socket(const struct casebus_subscriber *self);

struct casebus_subscriber_stats {
    uint64_t events;      /* handed over */
    uint64_t replayed;    /* of these, out of the log */
    uint64_t duplicates;  /* dropped: taken before */
    uint64_t gaps;        /* reported */
    uint64_t undecodable; /* dropped: not an event, not heads */
    uint64_t heads;       /* heads messages */
    uint64_t epochs;      /* changes of history */
    uint64_t questions;   /* requests about single topics whose stream moved on */
};
void casebus_subscriber_stats(const struct casebus_subscriber *self,
                              struct casebus_subscriber_stats *stats);

#endif
