/* Which number is which line (private to casebus-publish). See ledger.c. */
#ifndef CASEBUS_PUBLISH_LEDGER_H
#define CASEBUS_PUBLISH_LEDGER_H

#include <casebus/limits.h>
#include <stdint.h>

struct ledger {
    unsigned long line[CASEBUS_PUBLISHER_WINDOW]; /* 0: a session's report */
    uint64_t sent, confirmed;                     /* records */
    uint64_t through;                             /* the number up to which all is confirmed */
};

/* The report with this number is the record on this line; 0: it is a session's. */
void ledger_note(struct ledger *self, uint64_t number, unsigned long line);
/* Everything up to this number is confirmed. */
void ledger_confirm(struct ledger *self, uint64_t through);
/* The line of a number which is not confirmed yet, or has just been. */
unsigned long ledger_line(const struct ledger *self, uint64_t number);

#endif
