/* When to send again (private to the publisher). See pace.c. Times are milliseconds of one
 * clock that does not jump. */
#ifndef CASEBUS_PUBLISHER_PACE_H
#define CASEBUS_PUBLISHER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_FLIGHT_MIN 64

struct pace {
    int64_t first_ms, max_ms; /* the shortest and the longest silence */
    int64_t step_ms;          /* without jitter: doubles with each silence */
    int64_t interval_ms;      /* the silence allowed now */
    int64_t since;            /* when something last moved, or was sent again */
    uint64_t want;            /* the last number asked for and served */
    uint64_t flight;          /* how many reports may be under way */
    uint64_t flight_max;
};

void casebus_pace_init(struct pace *self, unsigned first_ms, unsigned max_ms,
                       uint64_t flight_max);
/* So many reports more are decided; 0: the first of something undecided went out. */
void casebus_pace_moved(struct pace *self, uint64_t reports, int64_t now);
/* What is undecided is sent again now; `random` is any number. */
void casebus_pace_resent(struct pace *self, int64_t now, uint32_t random);
/* When the silence will have been too long. */
int64_t casebus_pace_due(const struct pace *self);
/* The broker asks for `number`: is it to be sent again now? Then it is noted as served. */
bool casebus_pace_serve(struct pace *self, uint64_t number, int64_t now);

#endif
