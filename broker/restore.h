/* A store built beside the one in a folder, and put in its place in one step.
 *
 * Inside the folder, `restoring` holds what is being made: while it is made, the folder's own
 * store is as it was, and one rename of its file is the step. What stood there is kept, in
 * replaced-<UTC time>. */
#ifndef BROKER_RESTORE_H
#define BROKER_RESTORE_H

#include "backup.h"

struct place {
    char folder[FOLDER_PATH_MAX];   /* where the store belongs */
    char beside[FOLDER_PATH_MAX];   /* where the new one is built: an empty folder */
    char replaced[FOLDER_PATH_MAX]; /* where the old one is now; empty: there was none */
    char restoring[FOLDER_PATH_MAX];
    int lock, building;
};

/* Locks the folder (made where it is missing) against brokers, and makes room beside. */
int place_open(struct place *self, const char *folder, char *why, size_t why_size);
/* Puts what was built in its place, for good; what was there goes to `replaced`. */
int place_take(struct place *self, char *why, size_t why_size);
/* Always after place_open(): removes what was not taken, and lets the lock go. */
void place_close(struct place *self);

/* Copies the store in `from` into the place under a new epoch, checks the copy, and takes
 * it. */
int restore_store(struct place *place, const char *from, struct backup_report *report);

#endif
