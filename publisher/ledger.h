/* Which number is which line (private to casebus-publish). See ledger.c. */
#ifndef CASEBUS_PUBLISH_LEDGER_H
#define CASEBUS_PUBLISH_LEDGER_H

#include <stddef.h>
#include <stdint.h>

struct ledger {
    unsigned long *line;      /* by number, in a ring; 0: not a record's */
    uint64_t room;            /* of it */
    uint64_t last;            /* the highest number noted */
    uint64_t sent, confirmed; /* records */
    uint64_t through;         /* the number up to which all is confirmed */
};

/* Numbers up to `through` are somebody else's. */
void ledger_begin(struct ledger *self, uint64_t through);
void ledger_end(struct ledger *self);
/* The report with this number, the next one, is the record on this line; 0: it is a session's.
 * 0 or CASEBUS_ENOMEM. */
int ledger_note(struct ledger *self, uint64_t number, unsigned long line);
/* Everything up to this number is confirmed. */
void ledger_confirm(struct ledger *self, uint64_t through);
/* What has a number above this one was never taken after all: it counts as not sent. */
void ledger_forget(struct ledger *self, uint64_t above);
/* The line of a number which is not confirmed yet; 0: it is no record's. */
unsigned long ledger_line(const struct ledger *self, uint64_t number);

#endif
