/* Which reports are taken in: those whose actor may send them. Of the bus's thread. */
#ifndef BROKER_ADMISSION_H
#define BROKER_ADMISSION_H

#include "committer.h"
#include "counters.h"
#include "exchange.h"
#include "log.h"
#include "ports.h"

struct admission {
    const struct actor_table *table; /* kept up to date by its owner, with actors_refresh() */
    bool keyed;                      /* publishers have keys */
    struct counters *counters;
    struct log_limit denials;
};

void admission_init(struct admission *self, const struct gate *gate, const char *ingest,
                    struct counters *counters);
/* Stamps a received and prepared report with its actor. False: he may not; it is not to be
 * decided, and *denied is what its publisher can be told, where it has a number. */
bool admit(struct admission *self, struct item *item, struct noticed *denied);
/* What people have changed, unlike what scrapers saw, is said in the log. */
void admission_audit(const struct item *item);

#endif
