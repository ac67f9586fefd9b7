/* Which reports are taken in: those whose actor may send them, and so many. Of the bus's
 * thread. */
#ifndef BROKER_ADMISSION_H
#define BROKER_ADMISSION_H

#include "committer.h"
#include "counters.h"
#include "exchange.h"
#include "log.h"
#include "ports.h"

#include <casebus/request.h>

struct admission {
    const struct actor_table *table; /* kept up to date by its owner, with actors_refresh() */
    bool keyed;                      /* publishers have keys */
    const struct limits *limits;
    struct quota *quota;
    struct counters *counters;
    struct log_limit denials;
};

/* 0 or CASEBUS_ENOMEM. */
int admission_init(struct admission *self, const struct gate *gate, const char *ingest,
                   struct counters *counters);
void admission_end(struct admission *self);
/* Stamps a received and prepared report with its actor, who has sent the frame, and counts so
 * many bytes as his. False: he may not, or not so many; it is not to be decided, and *untaken
 * is what its publisher can be told, where it has a number. */
bool admit(struct admission *self, struct item *item, zmq_msg_t *from, size_t bytes,
           struct noticed *untaken);
/* What people have changed, unlike what scrapers saw, is said in the log once it is durable,
 * whether or not the one who asked for it is still there. */
void admission_audit(const struct item *item);

#endif
