/* A reader: messages and pages of the log go in, in whatever order and however many times;
 * every event comes out once. Private.
 *
 * No sockets and no clock. Its user receives into intake_slot(), says what it was, asks the
 * broker what intake_question() says, gives it the answers, and takes events with
 * intake_next(). PROTOCOL.md, "Heads", has the rules. */
#ifndef CASEBUS_INTAKE_H
#define CASEBUS_INTAKE_H

#include "have.h"
#include "hold.h"

#include <casebus/bundle.h>

enum intake_asked {
    ASKED_NOTHING,
    ASKED_PULL,   /* all patterns, page by page */
    ASKED_REPAIR, /* what is missing */
    ASKED_EPOCH   /* which history stands */
};

enum slot_origin {
    FROM_SOCKET,
    FROM_LOG,   /* as the reader began there */
    FROM_REPAIR /* it was missed */
};

/* A bundle whose events are looked at one by one, as they are asked for. */
struct bundle {
    zmq_msg_t frame;
    struct casebus_frames left;
    struct casebus_event event; /* the one looked at last */
};

struct intake {
    struct have *have;
    struct hold hold;
    struct slot *blank;   /* to be received into */
    struct slot *current; /* handed over last */
    struct bundle bundle; /* that came last */
    unsigned since_heads; /* events taken since the last heads */
    const char *const *pattern;
    size_t patterns;
    size_t hold_events, hold_bytes;
    bool unordered;
    bool one;   /* all patterns lie in one stream, or are one topic */
    bool waits; /* for proof: ordered, and more than one stream */

    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    bool epoch_doubt;  /* a message of another history came */
    bool pulling;      /* reading the log to its end; what comes live is not looked at */
    bool pull_repairs; /* because too much was missing */
    bool one_by_one;   /* some of what is missing is gone: ask for each alone */
    uint64_t pulled;   /* so far */
    uint64_t proved;   /* the base of `have`, or where it was when it was asked for last */
    uint64_t handed;   /* the seq handed over last, or where it all began */
    uint64_t answer_seq, answer_through;
    enum intake_asked asked;
    size_t asked_for; /* patterns */
    uint64_t asked_after;
    int64_t ask_at, doubt_at;
    struct casebus_gap gap;
    char gap_stream[CASEBUS_TOPIC_MAX];
    struct casebus_subscriber_stats stats;
};

/* The patterns, borrowed, have been covered in `have`, which becomes the intake's. */
void intake_init(struct intake *self, struct have *have, const char *const *patterns,
                 size_t count, const struct casebus_subscriber_options *options);
void intake_end(struct intake *self);
/* Everything up to `seq` of this history is there; with from_log what follows is pulled. */
void intake_begin(struct intake *self, const unsigned char *epoch, uint64_t seq, bool from_log);

/* --- live ------------------------------------------------------------------------------- */

/* To receive into, the same until one of the next two took it; NULL: no memory. */
struct slot *intake_slot(struct intake *self);
/* The slot's event is decoded: 0 or CASEBUS_ENOMEM. */
int intake_event(struct intake *self);
/* The slot has a bundle, whose events come with the next calls of intake_next(): only when that
 * has said false is there room for it. */
void intake_bundle(struct intake *self);
int intake_heads(struct intake *self, const struct casebus_heads *heads);
/* The next event, borrowed until the next call: true, or false. */
bool intake_next(struct intake *self, const struct casebus_event **event);

/* --- the log ---------------------------------------------------------------------------- */

struct question {
    const char *patterns[CASEBUS_PATTERNS_MAX];
    size_t count;
    uint64_t after;
};

struct answer {
    const unsigned char *epoch;
    uint64_t seq, through, gone;
    bool behind; /* it stands below `after` and has no events */
};

/* When there is something to ask, on the user's clock; INT64_MAX: nothing. */
int64_t intake_due(const struct intake *self);
/* What to ask; a question takes the place of one that is not answered. */
void intake_question(struct intake *self, int64_t now, struct question *question);
/* The answer: 0; CASEBUS_EGAP: intake.gap is gone for good; CASEBUS_EEPOCH: the broker has
 * another history, and the reader has begun anew at the answer's seq. Its events follow with
 * intake_logged(), also after CASEBUS_EGAP, and then intake_answered(). */
int intake_answer(struct intake *self, int64_t now, const struct answer *answer);
int intake_logged(struct intake *self, struct casebus_bytes topic, struct casebus_bytes body);
void intake_answered(struct intake *self, int64_t now);
/* There was no answer, or one that is none. */
void intake_refused(struct intake *self, int64_t now);

/* --- shared by intake.c, what comes live, and intake_log.c ----------------------------------
 */

void intake_recycle(struct intake *self, struct slot **slot);
/* A slot with a copy of these frames, and their event: 0, CASEBUS_ENOMEM, or the code of what
 * cannot be read. */
int intake_copy(struct intake *self, struct casebus_bytes topic, struct casebus_bytes body,
                struct slot **slot);
/* Judges the event of a slot, which goes where it belongs. 0 or CASEBUS_ENOMEM. */
int intake_offer(struct intake *self, struct slot *slot);
/* Too much waits. What waits for proof is read again from the cursor; where nothing waits for
 * it, only what is parked can be many, and that was not taken: it is missing, and will be asked
 * for as such. */
void intake_keep_bounds(struct intake *self);

/* --- where it stands -------------------------------------------------------------------- */

/* Everything up to here has been handed over. Of use only where `unordered` is false or `one`
 * is true. */
uint64_t intake_cursor(struct intake *self);
bool intake_is_repairing(const struct intake *self);

#endif
