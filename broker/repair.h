/* Repair: what is derived (indexes, totals, heads, the counts of the state) is dropped and
 * built again from what is not (the log, cases, sessions, publishers, quarantine).
 *
 * Values that do not match their checksum are carried along as they are, named, and left out of
 * what is built: nothing is made up for them, and verify goes on naming them. Pages that cannot
 * be read, where something kept stands on them, are no repair's: the store stays as it is. */
#ifndef BROKER_REPAIR_H
#define BROKER_REPAIR_H

#include "restore.h"

struct repair_report {
    struct backup_report copy;
    uint64_t damaged;               /* values named so far */
    uint64_t built[TREE_COUNT];     /* entries now of each tree that is built */
    void (*said)(const char *text); /* told of each damaged value; NULL: nobody */
};

/* Builds the store in the place's folder again and takes it there. 0; what verify has to say of
 * the result is in report->copy.verify. On failure report->copy.why says why, and nothing has
 * changed. */
int repair_store(struct place *place, struct repair_report *report);
/* Is this tree built from others? */
bool repair_builds(enum tree tree);

#endif
