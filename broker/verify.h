/* verify: proves that a store agrees with itself.
 *
 * One read transaction, its own thread in the broker (or the process of `casebus-broker --verify DIR`).
 * Checked: every checksum and encoding; seqs without holes; each event's place in the chains of its stream,
 * topic and session; heads against the log; case entries against the events they point to; every index in both
 * directions; totals of agencies, offenders and the store; sessions' counters against their events;
 * publishers' counts and refusals; that every entry is found by its key and every
 * page is used once (pages.h). A finding is a sentence that names the tree and the key. */
#ifndef BROKER_VERIFY_H
#define BROKER_VERIFY_H

#include "store.h"

#include <stdatomic.h>

#define FINDINGS_MAX 100

struct verify_report {
    atomic_uint_fast64_t checked, total; /* records; an estimate of all there are */
    atomic_int cancel;                   /* set to give up */
    uint64_t seq;                        /* of the snapshot */
    unsigned finding_count;              /* may go past FINDINGS_MAX: those are counted only */
    char *findings[FINDINGS_MAX];
};

/* Runs to the end: 0, the findings in the report; or an error that kept it from running. */
int verify_store(struct store *store, struct verify_report *report);
void verify_report_clear(struct verify_report *report);

/* The broker's one run at a time, in a thread of its own. */
struct verifier;
enum verify_state { VERIFY_NONE, VERIFY_RUNNING, VERIFY_PASSED, VERIFY_FAILED };

struct verifier *verifier_new(struct store *store); /* NULL: no memory */
void verifier_destroy(struct verifier **self_p);
/* Starts a run or joins the one that runs; its number, or an error. */
int64_t verifier_start(struct verifier *self);
enum verify_state verifier_state(const struct verifier *self, uint64_t *run);
const struct verify_report *verifier_report(const struct verifier *self);
/* Takes the result of a run that has ended; called now and then. */
void verifier_collect(struct verifier *self);

#endif
