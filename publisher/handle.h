/* What a publisher consists of (private to the publisher): publisher.c takes reports from the
 * caller, keep.c keeps them, gather.c gives them to the socket, progress.c sees them through,
 * answer.c says what follows from a confirmation, diverge.c what follows where there is none to
 * be had; session.c packs the reports of sessions, sessions.c knows which of them the broker is
 * to hear from.
 *
 * Numbers are the caller's, and never change; the broker's are lower by `base`. From low to
 * high:
 *
 *   stats.confirmed  decided and told to the caller; what is above is kept
 *   decided          decided, but refusals in between may still have to be fetched
 *   cursor           given to the socket in this pass; sending again sets it back
 *   highest          given to the socket, as far as is known
 *   window_last()    in memory, ready to be sent
 *   stats.stored     kept: with an outbox, on the disk
 *   stats.sent       taken from the caller; with an outbox, the last may still be staged */
#ifndef CASEBUS_PUBLISHER_HANDLE_H
#define CASEBUS_PUBLISHER_HANDLE_H

#include "compose.h"
#include "confirm.h"
#include "ingest.h"
#include "outbox.h"
#include "pace.h"
#include "query.h"
#include "window.h"

struct casebus_publisher {
    struct casebus_publisher_options options;
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    void *context;
    struct ingest ingest;
    struct query query;
    struct outbox *outbox; /* NULL: memory only */
    struct window staged;  /* with an outbox: what is not on the disk yet */
    struct window window;  /* what is being sent: with an outbox, the oldest on the disk */
    struct pace pace;
    /* What the last confirmation left behind; with an outbox it may be ahead of the disk, and
     * goes there with the next commit. */
    struct outbox_settled settled;
    bool split_told; /* of the divergence noted in the outbox */

    uint64_t base;
    uint64_t decided, cursor, highest;
    uint64_t granted; /* `after` of the newest poll the broker has answered: it takes no number
                         more than a window above */
    uint64_t lag;     /* how many were under way when the broker answered last */
    bool blocked;     /* the socket had no place for the report after the cursor */
    uint64_t bundled; /* how many the last bundle had that was full, as the next may have */
    bool met;         /* what an outbox brought along is sent once the broker has said what it
                         knows of it */
    int dead;         /* CASEBUS_EIO or the like, for good */

    bool poll_out;       /* a poll is at the broker, under ... */
    uint64_t poll_key;   /* ... this key, asked for ... */
    uint64_t poll_after; /* ... what comes after this number ... */
    int64_t poll_retry;  /* ... and given up then */
    int64_t poll_sent;   /* when the last one was */
    int64_t poll_due;    /* when the next may be sent */
    bool poll_gathers;   /* ... unless it is hurried: the last one brought news */
    bool poll_unsent;    /* there was no connection for it */

    struct sessions sessions; /* named in polls, until they are ended */

    uint64_t ask_key; /* of a request the caller waits for; 0: none */
    bool ask_answered;
    zmq_msg_t ask_answer;

    unsigned untended;  /* reports since the last turn */
    uint64_t tended_at; /* when one of them last made a turn, by the clock of sent_at */
    struct composer composer;
    msgpack_sbuffer request, bundle; /* scratch */
    struct casebus_fault fault;
    struct casebus_publisher_stats stats;
};

/* --- keep.c ------------------------------------------------------------------------------- */

/* Opens the outbox, if there is to be one. */
int casebus_publisher_open_outbox(struct casebus_publisher *self);
/* Where the next report is to be made. */
static inline struct window *publisher_tail(struct casebus_publisher *self)
{
    return self->outbox ? &self->staged : &self->window;
}
bool casebus_publisher_has_room(const struct casebus_publisher *self, size_t size);
/* What can be done for room without waiting. */
int casebus_publisher_make_room(struct casebus_publisher *self);
/* Takes what was made in the tail: it is kept now, or where this fails it is not. */
int casebus_publisher_take(struct casebus_publisher *self, size_t check_at);
/* One commit of the outbox: what is staged, if `reports`, and what is settled. */
int casebus_publisher_store(struct casebus_publisher *self, bool reports,
                            const struct outbox_settled *settled,
                            struct casebus_bytes refusals);
/* Brings into the window what there is room for. */
int casebus_publisher_feed(struct casebus_publisher *self, int64_t now);
/* The caller hears what the outbox still has to tell. */
int casebus_publisher_tell_kept(struct casebus_publisher *self);
void casebus_publisher_tell(struct casebus_publisher *self,
                            const struct casebus_refusal *refusal);

/* --- answer.c, diverge.c ------------------------------------------------------------------ */

/* A confirmation came. 0, or the code that ends the handle. */
int casebus_publisher_answered(struct casebus_publisher *self, struct casebus_bytes body,
                               int64_t now);
/* A fresh id for everything that is unconfirmed. 0 or a code; then nothing has changed. */
int casebus_publisher_diverge(struct casebus_publisher *self, const struct broker_state *broker,
                              int64_t now);
/* A void for a report that is damaged in the outbox. */
int casebus_publisher_mend(struct casebus_publisher *self, const struct outbox_damage *damage);
/* No space, no memory: it is noted and tried again later, 0. Other codes are given back. */
int casebus_publisher_postpone(struct casebus_publisher *self, int error);

/* --- gather.c ----------------------------------------------------------------------------- */

/* How many are under way, as far as is known. */
static inline uint64_t publisher_undecided(const struct casebus_publisher *self)
{
    return self->cursor > self->decided ? self->cursor - self->decided : 0;
}
/* The highest number that may be under way now. */
uint64_t casebus_publisher_sendable(const struct casebus_publisher *self);
/* A report of this size was taken: no more of them than it says fit one bundle with it. */
void casebus_publisher_expect(struct casebus_publisher *self, size_t size);
/* Gives the socket what it has not been given and will take; if it gathers and there is a
 * flood, without what may wait for more. 0 or CASEBUS_EIO. */
int casebus_publisher_flush(struct casebus_publisher *self, bool gathers);

/* --- progress.c --------------------------------------------------------------------------- */

/* Everything from `number` on is to be sent again. */
void casebus_publisher_go_back(struct casebus_publisher *self, uint64_t number, int64_t now);
/* Everything that is due, without waiting: answers, links, timers, the next poll, flush. */
int casebus_publisher_turn(struct casebus_publisher *self, int64_t now);
/* The same from within send(), behind which most likely the next report comes. */
int casebus_publisher_turn_in_flood(struct casebus_publisher *self, int64_t now);
/* Waits for the sockets or the next timer, at most until `until`, then a turn. Call it after a
 * turn, and only while that has not brought what is waited for. 0, self->dead or
 * CASEBUS_EINTR. */
int casebus_publisher_step(struct casebus_publisher *self, int64_t until);
/* Somebody waits for what the next poll brings: it is not put off. */
void casebus_publisher_hurry(struct casebus_publisher *self, int64_t now);
/* The instant `timeout_ms` from now; negative: the end of time. */
int64_t casebus_publisher_until(int timeout_ms);

#endif
