/* The bus's thread, and what its files share; see bus.c. */
#ifndef BROKER_BUS_PRIVATE_H
#define BROKER_BUS_PRIVATE_H

#include "bus.h"

#include "admission.h"
#include "committer.h"
#include "exchange.h"
#include "fanout.h"
#include "retention.h"
#include "unbundle.h"

static inline bool batch_has_room(const struct batch *batch)
{
    return batch->count < CASEBUS_BATCH_MAX && batch->bytes < CASEBUS_BATCH_BYTES;
}

/* The other half of a batch is for reports. */
static inline bool batch_takes_submissions(const struct batch *batch)
{
    return batch->count < CASEBUS_BATCH_MAX / 2;
}

struct bus {
    struct bus_options *options;
    zsock_t *pipe, *ingest, *exchange;
    struct admission admission;
    bool ingest_unbound, bound; /* to be bound again; all of them are */
    struct inlet in, peer;      /* the libzmq sockets, for the hot path */
    struct inlet command, done; /* the pipe; the committer has done a batch */
    struct unbundling bundle;   /* of reports: its next ones come before what is received */
    struct fanout *fanout;
    struct committer *committer;
    struct batch *filling, *spare, *busy; /* two batches: one of spare and busy is NULL */
    struct trimming trimming;
    int64_t second_at;
    uint64_t second_reports, second_events;
    bool no_descriptor;
    unsigned seconds_unbound;
    struct notice notice;                                 /* not handed over yet */
    struct submission_result unsent[SUBMISSIONS_MAX + 1]; /* found the pipe full */
    unsigned unsent_count;
    struct log_limit refusals;
    bool stop;
};

/* --- bus_receive.c ------------------------------------------------------------------------ */

/* A slice of what has queued, into the filling batch; once asked to stop, only of the bundle
 * that is open. */
void bus_receive(struct bus *self);

/* --- bus_space.c -------------------------------------------------------------------------- */

bool bus_is_read_only(const struct bus *self);
/* From now on; said in the log and in heads. */
void bus_set_read_only(struct bus *self, bool read_only);
/* Nothing of the batch from its first on is decided: counted, and whoever waits is told. */
void bus_hold(struct bus *self, struct batch *batch);
/* Ends being read-only where there is space again. */
void bus_look_for_space(struct bus *self);

/* --- bus_tell.c --------------------------------------------------------------------------- */

/* Something was noticed of a publisher, which its polls are to be told. */
void bus_notice(struct notice *n, const struct noticed *noticed);
/* This report, which has that number of that publisher, has arrived. */
void bus_note_arrived(struct bus *self, const struct item *item, const unsigned char *publisher,
                      uint64_t number, bool decided);
/* Who asked for it waits for the answer: it is told with the next hand-over. */
void bus_answer_submission(struct bus *self, const struct item *item);
/* What the queries are told, as far as the pipe has room: this thread never waits for theirs,
 * which may be about to wait for this one. */
void bus_hand_over(struct bus *self);
/* All there is to say of a batch that is durable, but its events. */
void bus_tell(struct bus *self, const struct batch *b);

#endif
