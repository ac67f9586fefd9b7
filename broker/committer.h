/* The committer: the thread that decides and commits, one batch at a time.
 *
 * The bus fills a batch, gives it, and goes on serving its sockets: they never wait for the
 * disk. A batch belongs to the committer from committer_give() to committer_take(), to the bus
 * otherwise; the hand-over in both directions is one atomic pointer and an eventfd. The events
 * of a taken batch are in its transaction's memory until batch_reset(). */
#ifndef BROKER_COMMITTER_H
#define BROKER_COMMITTER_H

#include "apply.h"

#include <zmq.h>

#define NOBODY_ASKED UINT64_MAX

struct item {
    zmq_msg_t topic, body; /* out of a bundle: empty, but for the body that batch.frame is of */
    struct apply_entry entry;
    char actor[64];      /* of a report: what entry.actor points to */
    uint64_t submission; /* id to answer, or NOBODY_ASKED; 0: a report */
    bool by_people;      /* of a report in order: an edit, a deletion or a redaction */
    struct apply_prepared prepared;
    struct apply_result result;
};

struct batch {
    struct item *items; /* CASEBUS_BATCH_MAX of them, and one of the broker's own */
    size_t count, bytes;
    const void *frame; /* the bundle's that came last, where the batch keeps it; else NULL */
    size_t first, end; /* what is to be committed of it, in one transaction */
    struct txn *txn;
    struct apply *apply;
    int result;     /* of the commit: 0, or the error */
    size_t quiet;   /* how many of its results are */
    bool committed; /* there was something to commit: apply_events() has what to publish */
};

int batch_new(struct batch **self_p, struct store *store);
void batch_destroy(struct batch **self_p);
/* After its events have been sent. */
void batch_reset(struct batch *self);
/* Closes its messages. */
void batch_clear(struct batch *self);

struct committer;

int committer_new(struct committer **self_p);
/* Waits for the batch at hand. */
void committer_destroy(struct committer **self_p);
/* One batch at a time: not while another is given and not yet taken. */
void committer_give(struct committer *self, struct batch *batch);
/* The batch that is done, or NULL. */
struct batch *committer_take(struct committer *self);
/* Is there one? It costs no call into the kernel. */
bool committer_is_done(struct committer *self);
/* Readable when a batch is done. */
int committer_fd(const struct committer *self);

#endif
