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
 * Every event of the patterns is handed over once, in the order of seq, across lost
 * connections, restarts of the broker and the subscriber's own high-water mark: what got lost
 * on the way is found by the heads that the broker sends, and fetched from its log. An event is
 * handed over when everything before it is there: where it is the very next one, at once,
 * otherwise normally with its batch; while something is fetched what follows waits, bounded.
 * Where the log no longer has it, or the broker has another history, that is told, with the
 * range.
 *
 * A program that saves casebus_subscriber_cursor() together with what it made of the events,
 * and begins there the next time, has every event exactly once for as long as the log reaches
 * back.
 *
 * No thread of its own: everything happens inside the calls. A program that stays away for long
 * misses events and gets them from the log when it comes back.
 *
 * A handle belongs to one thread. Times are in milliseconds; negative: no limit. */
#ifndef CASEBUS_SUBSCRIBER_H
#define CASEBUS_SUBSCRIBER_H

#include <casebus/event.h>

struct casebus_subscriber;

struct casebus_subscriber_options {
    const char *fanout;   /* the broker's endpoint for events */
    const char *query;    /* and for requests */
    const char *secret;   /* file of our own key pair, see casebus/keys.h; NULL: plain */
    const char *server;   /* file of the broker's public key; with `secret` */
    const char *audience; /* of the broker's, whose endpoint `fanout` is; NULL: everybody's */
    int hwm;              /* messages that may wait in the socket: events of up to 16 KiB, or
                           * bundles of up to 32; below CASEBUS_HWM a burst makes work for the log */
    bool unordered;       /* hand an event over as soon as its own stream is complete before it:
                           * order within a stream only, and no cursor where there are several */
    /* Events that may wait for something missing, and their bytes; past either they are
     * dropped and all is read from the log. Below the largest batch (2,048 events, 32 MiB) that
     * is done again and again. */
    size_t hold_events, hold_bytes;
    void *context; /* a ZeroMQ context to share; NULL: one of its own */
};
/* The defaults: ports on this machine, plain, ordered, CASEBUS_HWM, 40,960 events or 64 MiB
 * that may wait. */
struct casebus_subscriber_options casebus_subscriber_options(void);

/* 0, CASEBUS_EINVAL (an option out of its range), CASEBUS_EKEY (a key file;
 * casebus_credentials_read() says why), CASEBUS_ENOMEM. An impossible endpoint is told by the
 * start. */
int casebus_subscriber_new(struct casebus_subscriber **self_p,
                           struct casebus_subscriber_options options);
void casebus_subscriber_destroy(struct casebus_subscriber **self_p);

/* Before the start, up to CASEBUS_PATTERNS_MAX times. CASEBUS_EPATTERN, CASEBUS_ETOOMANY: *why
 * (may be NULL) says what is wrong and what would be right, in static storage. CASEBUS_EINVAL.
 */
int casebus_subscriber_subscribe(struct casebus_subscriber *self, const char *pattern,
                                 const char **why);

/* Where a reader is: in this history everything up to `seq` has been handed over. */
struct casebus_cursor {
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t seq;
};

/* From now on. CASEBUS_EINVAL: an impossible endpoint, nothing is subscribed, started
 * before. */
int casebus_subscriber_start(struct casebus_subscriber *self);
/* First what the log holds after `after` (0: from the beginning), then live, without hole or
 * double between the two. */
int casebus_subscriber_start_at(struct casebus_subscriber *self, uint64_t after);
/* The same, from a cursor. If that is of another history, CASEBUS_EEPOCH says so. */
int casebus_subscriber_start_cursor(struct casebus_subscriber *self,
                                    const struct casebus_cursor *cursor);

/* Waits until the subscriptions are proved to be in place: 1; 0: time up; or CASEBUS_EINTR.
 * casebus_subscriber_next() does it by itself; a program that wants to ask or to say something
 * in between waits here. */
int casebus_subscriber_join(struct casebus_subscriber *self, int timeout_ms);

/* 1 and the event, borrowed until the next call; 0: time up; or a code below. What is inside
 * its `changed` and `payload` was not looked into (casebus_event_check() does): most programs
 * look at a few names, and readers keep their bounds whatever is there.
 *
 * CASEBUS_EGAP    casebus_subscriber_gap() is gone for good: the log was trimmed. Load anew
 *                 what was made from events; the next call goes on behind it.
 * CASEBUS_EEPOCH  the broker has another history now, and what of the old one was not handed
 *                 over never will be. Load anew what was made from events; those above
 *                 casebus_subscriber_seq() of the new history follow.
 * CASEBUS_EINTR   a signal came.
 *
 * CASEBUS_EPROTO, CASEBUS_EIO, CASEBUS_ENOMEM, or the broker's refusal of a question about the
 * log: nothing is lost by it, the next call tries again. */
int casebus_subscriber_next(struct casebus_subscriber *self, const struct casebus_event **event,
                            int timeout_ms);

/* Events of `stream` after `after` and up to `through` are gone: of a stream
 * ("case:created:hse:"), of one topic ("case:created:hse:4812345:"), or, where it is empty, of
 * any pattern. Borrowed until the next call. */
struct casebus_gap {
    struct casebus_bytes stream;
    uint64_t after, through;
};
const struct casebus_gap *casebus_subscriber_gap(const struct casebus_subscriber *self);

/* What to save, and to start from the next time: everything up to it has been handed over, the
 * event of the last call included. It moves on also where nothing matched. CASEBUS_EINVAL: not
 * joined yet, or an unordered reader of several streams, which has none. */
int casebus_subscriber_cursor(struct casebus_subscriber *self, struct casebus_cursor *cursor);

enum casebus_subscriber_state {
    CASEBUS_SUBSCRIBER_CONNECTING,
    CASEBUS_SUBSCRIBER_CATCHING_UP, /* reading the log, as it was told to begin there */
    CASEBUS_SUBSCRIBER_REPAIRING,   /* something is missing and asked for */
    CASEBUS_SUBSCRIBER_UNANSWERED,  /* either, and for five seconds the broker has not answered;
                                     * it goes on trying */
    CASEBUS_SUBSCRIBER_LIVE,
    CASEBUS_SUBSCRIBER_SILENT /* it was, and nothing has come for ten seconds: no broker, or one
                               * that does not let it in any more; it goes on trying */
};
enum casebus_subscriber_state casebus_subscriber_state(const struct casebus_subscriber *self);
const char *casebus_subscriber_state_word(enum casebus_subscriber_state state);

/* Why the broker stores nothing for now, as it said last; NULL: it does. Borrowed until the
 * next call. */
const char *casebus_subscriber_held(const struct casebus_subscriber *self);

/* Events above it are handed over: where the broker stood when the subscriptions were proved,
 * or began a new history; or what it was told to start from. */
uint64_t casebus_subscriber_seq(const struct casebus_subscriber *self);
/* The newest seq the broker has named. */
uint64_t casebus_subscriber_head(const struct casebus_subscriber *self);
/* The history that is followed, CASEBUS_EPOCH_SIZE bytes; NULL before it has joined. */
const unsigned char *casebus_subscriber_epoch(const struct casebus_subscriber *self);
/* For zmq_poll() with ZMQ_POLLIN, once casebus_subscriber_next() has given 0. What it asked the
 * log for comes another way: call it now and then all the same, a few times a second while its
 * state is not live. */
void *casebus_subscriber_socket(const struct casebus_subscriber *self);

struct casebus_subscriber_stats {
    uint64_t received;   /* events handed over */
    uint64_t replayed;   /* of these, from the log because it was told to begin there */
    uint64_t repaired;   /* of these, missed and fetched from the log */
    uint64_t duplicates; /* dropped: taken before */
    uint64_t lost;       /* seqs in the ranges that were told as gone: at most so many events */
    uint64_t undecodable; /* dropped: not an event, not heads, of no pattern */
    uint64_t heads;       /* heads messages */
    uint64_t epochs;      /* changes of history */
    uint64_t questions;   /* requests */
    uint64_t overflows;   /* times more had to wait than may */
};
void casebus_subscriber_stats(const struct casebus_subscriber *self,
                              struct casebus_subscriber_stats *stats);

#endif
