/* What the parts of repair share. Private to repair*.c. */
#ifndef BROKER_REPAIRING_H
#define BROKER_REPAIRING_H

#include "record.h"
#include "repair.h"

struct repairing {
    struct repair_report *report;
    struct txn *old;   /* reads the store as it was */
    struct txn *from;  /* reads the copy of what is not derived */
    struct txn *write; /* builds what is, in the copy */
    struct state state;
    bool new_epoch; /* what the old one had come to is not known */
    unsigned puts;  /* since the last commit */
};

/* Says that something cannot be read, and what that means; or that it is left out. */
void not_read(struct repairing *r, enum tree tree, struct casebus_bytes key, const char *loss);
void left_out(struct repairing *r, enum tree tree, struct casebus_bytes key);
/* Where a walk of the old store has ended before its tree, because of a damaged page, says so.
 */
void not_read_on(struct repairing *r, const struct cursor *c);

/* Goes through a tree of `from` or `old`: first true for the first call. Unreadable values are
 * passed over; those of `from` have been named when they were copied. */
bool next_good(struct cursor *c, bool first, enum entry_type type, void *entry);
/* One entry built; commits now and then. 0 or an error. */
int built(struct repairing *r, enum tree tree, const struct key *key, enum entry_type type,
          const void *entry);
int built_bytes(struct repairing *r, enum tree tree, const struct key *key,
                struct casebus_bytes value);
/* What the old store has under a key, where that can be read. */
bool load_old(struct repairing *r, enum tree tree, const struct key *key, enum entry_type type,
              void *entry);
/* Commits, and lets `from` see it. */
int build_step(struct repairing *r);

int build_cases(struct repairing *r); /* date, offender, agency, created */
/* started, active, agency (those that were only set), conflict, actor; the state's counts */
int build_others(struct repairing *r);
int build_heads(struct repairing *r);

#endif
