/* What the caller is told of reports that were not taken as they were (private to the
 * publisher). See refusal.c. */
#ifndef CASEBUS_PUBLISHER_REFUSAL_H
#define CASEBUS_PUBLISHER_REFUSAL_H

#include "confirm.h"
#include "window.h"

/* Goes beside a walk over numbers from low to high. */
struct refusal_walk {
    struct refusal_reader reader;
    struct casebus_refusal next;
    bool there;
};
/* The refusals of an answer, in order: 0 and the last one's number (0: there are none), or
 * CASEBUS_EPROTO: not in order, or of a number above `decided`. */
int casebus_refusals_check(struct casebus_bytes refusals, uint64_t decided, uint64_t *last);
/* `refusals` were checked, or are absent. */
void casebus_walk_begin(struct refusal_walk *self, struct casebus_bytes refusals);
/* Did the broker refuse this number (as it counts)? What it said is in self->next. */
bool casebus_walk_at(struct refusal_walk *self, uint64_t number);

/* What there is to tell of a report that the broker refused: what it said, and the report; of a
 * void, which was its answer to ours, why we sent it. */
struct casebus_refusal casebus_refusal_told(const struct casebus_refusal *said,
                                            enum kept_cause cause, uint64_t number,
                                            struct casebus_bytes topic,
                                            struct casebus_bytes body);

#endif
