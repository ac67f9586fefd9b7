/* verify: proves that a store agrees with itself.
 *
 * One read transaction, its own thread in the broker (or the process of `casebus-broker
 * --verify DIR`, which LMDB may end where pages are damaged; the broker goes no further there
 * than to the pages). Checked: every checksum and encoding; seqs without holes; each event's
 * place in the chains of its stream, topic and session, from the floor on; heads against the
 * log; case entries against the events they point to; every index in both directions; totals of
 * agencies, offenders and the store; sessions' counters against their events; publishers'
 * counts and refusals; that every entry is found by its key and every page is used once
 * (proto/pages). A finding is a sentence that names the tree and the key. */
#ifndef BROKER_VERIFY_H
#define BROKER_VERIFY_H

#include "run.h"
#include "store.h"

#define FINDINGS_MAX 100

struct verify_report {
    atomic_uint_fast64_t checked, total; /* records; an estimate of all there are */
    atomic_uint_fast64_t steps;          /* rises as long as the check gets on */
    atomic_int tree;                     /* enum tree: where it is */
    atomic_int cancel;                   /* set to give up */
    bool serving;                      /* of a broker: pages that are damaged must not end it */
    void (*said)(const char *finding); /* told each finding at once; NULL: nobody */
    uint64_t seq;                      /* of the snapshot */
    unsigned finding_count;            /* may go past FINDINGS_MAX: those are counted only */
    char *findings[FINDINGS_MAX];
};

/* Runs to the end: 0, the findings in the report; or an error that kept it from running. */
int verify_store(struct store *store, struct verify_report *report);
void verify_report_clear(struct verify_report *report);

/* The broker's one run at a time, in a thread of its own. */
struct verifier;

struct verifier *verifier_new(struct store *store); /* NULL: no memory */
void verifier_destroy(struct verifier **self_p);
/* Starts a run or joins the one that runs. 0 or CASEBUS_EBUSY. */
int verifier_start(struct verifier *self);
/* The latest run, as far as it is; its report once it has ended. */
const struct run *verifier_run(struct verifier *self);
const struct verify_report *verifier_report(const struct verifier *self);

#endif
