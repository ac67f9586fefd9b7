/* The sessions a publisher is heard from about (private to the publisher). See sessions.c. */
#ifndef CASEBUS_PUBLISHER_SESSIONS_H
#define CASEBUS_PUBLISHER_SESSIONS_H

#include <casebus/publisher.h>

struct heard {
    char agency[CASEBUS_AGENCY_MAX + 1];
    char id[CASEBUS_SEGMENT_MAX + 1];
    bool stopping; /* the caller knows that it is to stop */
    uint64_t end;  /* the number of the report that ends it; 0: it goes on */
};

struct sessions {
    struct heard *list;
    size_t count, room;
    size_t next; /* where the share of the next poll begins */
};

void casebus_sessions_clear(struct sessions *self);

/* Room for one more: 0, CASEBUS_ETOOMANY or CASEBUS_ENOMEM. */
int casebus_sessions_reserve(struct sessions *self);
/* There is room, and the names are valid. One that is there already stays as it is, and
 * one that was about to end begins anew. */
void casebus_sessions_add(struct sessions *self, const char *agency, const char *id);
/* It ends with that report. Until this is confirmed it is heard from. */
void casebus_sessions_end(struct sessions *self, const char *agency, const char *id,
                          uint64_t number);
void casebus_sessions_confirmed(struct sessions *self, uint64_t number);

/* Those the next poll names, at most CASEBUS_SESSIONS_PER_POLL, borrowed until one is added or
 * removed; the poll after it names the ones behind them. */
const struct heard *casebus_sessions_share(struct sessions *self, size_t *count);
/* How long a poll may wait, so that each session is named in CASEBUS_POLL_MAX_MS. */
unsigned casebus_sessions_wait_ms(const struct sessions *self);

/* What a confirmation says is to stop, an encoded array or absent: the caller is told of those
 * that are ours and that he does not know of. */
void casebus_sessions_stop(struct sessions *self, struct casebus_bytes stop,
                           const struct casebus_publisher_options *options);

#endif
