/* What the bus has noticed of a publisher's numbered reports, and the queries know: what its
 * polls are told by. */
#ifndef BROKER_NOTICED_H
#define BROKER_NOTICED_H

#include "actors.h"
#include "apply.h"
#include "quota.h"

/* A report that was not taken: its actor lacks a verb, or is over a limit. */
struct untaken {
    uint64_t number; /* 0: there is none */
    enum {
        DENIED,
        LIMITED
    } why;
    enum verb verb; /* DENIED: he lacks it, for this agency */
    char agency[CASEBUS_AGENCY_MAX + 1];
    enum limit limit; /* LIMITED: he was over it */
};

struct noticed {
    /* of this actor: an id is nobody's secret */
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE];
    char actor[ACTOR_NAME_SIZE];
    uint64_t arrived;     /* the highest number taken in, decided or not; 0: none */
    uint64_t decided;     /* the one decided last; 0: none */
    struct untaken first; /* the lowest above `decided`: others may have come behind it */
    struct untaken then;  /* the lowest behind that, since `first` came last */
};

/* Of the same publisher, noticed afterwards: what is decided and what was not taken. What has
 * `arrived` its owner says. */
void noticed_add(struct noticed *self, const struct noticed *more);

#endif
