/* What a reader has: a position per stream, and per topic for patterns of one topic. Private.
 *
 * No sockets and no clock: it is told of events and heads, and says what is new, what was there
 * before and what is missing. What it calls missing it then takes for had, so every hole is
 * named once. */
#ifndef CASEBUS_HAVE_H
#define CASEBUS_HAVE_H

#include <casebus/subscriber.h>

struct have;

enum have_verdict {
    HAVE_NEW,       /* take it; the position is its seq now */
    HAVE_DUPLICATE, /* it was there before */
    HAVE_HOLE,      /* *gap is missing, and named now; offer the event again to take it */
    HAVE_FOREIGN    /* no pattern covers it, or there are more streams than can be */
};

int casebus_have_new(struct have **self_p);
void casebus_have_destroy(struct have **self_p);

/* Adds a pattern's prefix (it ends with ':'): of up to three segments it covers whole streams,
 * of four one topic. CASEBUS_ETOOMANY past CASEBUS_PATTERNS_MAX, CASEBUS_EINVAL for no prefix.
 */
int casebus_have_cover(struct have *self, struct casebus_bytes prefix);
/* Everything up to `base` is there, in every stream. */
void casebus_have_reset(struct have *self, uint64_t base);

enum have_verdict casebus_have_event(struct have *self, const struct casebus_event *event,
                                     struct casebus_gap *gap);
/* `stream` ends at `head`, said by a message behind all events up to `seq`. HAVE_HOLE or
 * HAVE_NEW (nothing is missing, or only a question can tell: see below). */
enum have_verdict casebus_have_head(struct have *self, struct casebus_bytes stream,
                                    uint64_t head, uint64_t seq, struct casebus_gap *gap);

/* A head above the position of a single topic may be some other topic's event: the log knows.
 * casebus_have_doubts() gives the patterns in doubt (room for CASEBUS_PATTERNS_MAX) and the
 * lowest of their positions; each event of the answer goes to casebus_have_found(), its
 * `through` to casebus_have_answered(); casebus_have_missed() then gives what was missing, a
 * gap a call. */
size_t casebus_have_doubts(struct have *self, const char *patterns[], uint64_t *after);
void casebus_have_found(struct have *self, struct casebus_bytes topic, uint64_t seq);
void casebus_have_answered(struct have *self, uint64_t through);
bool casebus_have_missed(struct have *self, struct casebus_gap *gap);

#endif
