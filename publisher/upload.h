/* Publishing one file (private to casebus-publish). See upload.c. */
#ifndef CASEBUS_PUBLISH_UPLOAD_H
#define CASEBUS_PUBLISH_UPLOAD_H

#include "input.h"
#include "ledger.h"
#include "options.h"
#include "say.h"

#include <casebus/publisher.h>

struct scrapes;

struct upload {
    const struct options *options;
    struct voice voice;
    struct input *input;
    struct casebus_publisher *publisher; /* NULL: a dry run */
    struct ledger ledger;
    struct scrapes *scrapes; /* NULL: no sessions */
    json_t *unknown;         /* keys the schema does not know and people have been told of */
    bool unnamed_told;       /* that a column without a name is left out */
    msgpack_sbuffer data;    /* of the record under way */

    uint64_t left;         /* numbers up to here are of earlier runs (--outbox) */
    uint64_t left_open;    /* how many of them were not confirmed when this one began */
    uint64_t left_refused; /* ... and are refused since */

    uint64_t passed;           /* the local checks */
    uint64_t refused_here;     /* before sending */
    uint64_t refused_there;    /* by the broker; not what waits in quarantine */
    uint64_t sessions_refused; /* reports of sessions, rejected */
    uint64_t sessions_stopped; /* because somebody asked them to */
    unsigned long line;        /* read last */
    unsigned long done;        /* of the last record that was taken, refused or passed over */
    bool asks;                 /* the broker where a session stands, and has no answer yet */
    int stuck;                 /* why sending ended before its time; 0: it has not */
    bool unreadable;           /* reading did */
    bool cut_short;            /* Ctrl-C came before the end of the file */

    uint64_t seen;    /* confirmed when last looked */
    int64_t moved_at; /* when something was confirmed last, or nothing was left to be */
    int64_t stop_at;  /* when Ctrl-C was noticed; 0: not yet */
    int64_t next_at;  /* with a rate: when the next record may go, in us */
};

/* Everything from opening the file to the summary; the exit code. */
int upload_run(const struct options *options);

/* --- patience.c --------------------------------------------------------------------------- */

/* After a call of the library gave `rc`: is it to be made again? It is when only time ran out
 * and neither --timeout has passed without a confirmation nor Ctrl-C been pressed long ago. */
bool upload_again(struct upload *self, int64_t rc);
/* Is this what the library gives when sending cannot go on, whatever the report? */
bool upload_is_in_the_way(int rc);
/* Notes what has been confirmed, draws the bar. */
void upload_watch(struct upload *self);
/* Has the session to resume turned out not to be there, or to have ended? */
bool upload_has_no_session(int stuck);
/* Looks after the sessions. Is reading to end: sending cannot go on, Ctrl-C was pressed, or
 * every session there is was asked to stop? */
bool upload_is_over(struct upload *self);
/* Waits until the rate allows one more record. */
void upload_hold_back(struct upload *self);
/* A record went: the rate has it, and into an outbox nothing need be confirmed for the next. */
void upload_went(struct upload *self);
/* Between reads, while the input has nothing: true to stop reading. */
bool upload_idle(void *arg);

#define UPLOAD_SLICE_MS                                                                        \
    200 /* the longest a call of the library waits before upload_again()                       \
         */

#endif
