/* What a reader has: a position per stream, and per topic for patterns of one topic. Private.
 *
 * No sockets and no clock: it is told of events, heads and pages of the log, and says what is
 * new, what was there before, what is missing, and up to where nothing is. */
#ifndef CASEBUS_HAVE_H
#define CASEBUS_HAVE_H

#include <casebus/subscriber.h>

struct have;

enum have_verdict {
    HAVE_NEW,       /* take it; the position is its seq now, and the claim if it is the next */
    HAVE_DUPLICATE, /* it was there before */
    HAVE_HOLE,      /* do not take it: something before it is missing */
    HAVE_FOREIGN,   /* no pattern covers it, or there are more streams than can be */
    HAVE_NO_MEMORY
};

int casebus_have_new(struct have **self_p);
void casebus_have_destroy(struct have **self_p);

/* Adds a pattern's prefix (it ends with ':'): of up to three segments it covers whole streams,
 * of four one topic. CASEBUS_ETOOMANY past CASEBUS_PATTERNS_MAX, CASEBUS_EINVAL for no
 * prefix. */
int casebus_have_cover(struct have *self, struct casebus_bytes prefix);
/* Does a pattern of whole streams cover this stream? */
bool casebus_have_covers(const struct have *self, struct casebus_bytes stream);
/* All patterns lie in one stream or are one topic: its events come in order by themselves. */
bool casebus_have_is_one(const struct have *self);
/* Everything up to `base` is there, in every stream, and nothing is known of what follows. */
void casebus_have_reset(struct have *self, uint64_t base);

/* --- what arrives ----------------------------------------------------------------------- */

enum have_verdict casebus_have_event(struct have *self, const struct casebus_event *event);
/* `stream` goes up to `head` at least. CASEBUS_ENOMEM: it could not be noted. */
int casebus_have_head(struct have *self, struct casebus_bytes stream, uint64_t head);
/* All heads up to `seq` that are above `before` have been named (`before` 0: all there are). */
void casebus_have_claim(struct have *self, uint64_t before, uint64_t seq);
/* Everything up to this seq is there, in every stream; it never falls but by a reset. */
uint64_t casebus_have_base(struct have *self);

/* --- what is missing -------------------------------------------------------------------- */

/* Streams and topics of which something is missing; and topics of which something may be: a
 * head above their position can be another topic's event, only the log knows. */
size_t casebus_have_holes(const struct have *self);
size_t casebus_have_doubts(const struct have *self);

/* What to ask log.replay for, at most `limit` patterns (room for CASEBUS_PATTERNS_MAX),
 * borrowed until the next reset; `after` is the lowest of their positions. Those patterns are
 * asked for until the answer. */
size_t casebus_have_ask(struct have *self, size_t limit, bool doubts_too,
                        const char *patterns[], uint64_t *after);
/* An event of the answer, in order: HAVE_NEW, or HAVE_DUPLICATE also where nobody asked. */
enum have_verdict casebus_have_logged(struct have *self, const struct casebus_event *event);
/* What was asked for, a single pattern, may be lost up to `gone`: true and the range, which
 * counts as had from here on; false where it was there already. */
bool casebus_have_gone(struct have *self, uint64_t gone, struct casebus_gap *gap);
/* The answer ends: all that was asked for is there up to `through` (0: there was no answer). */
void casebus_have_answered(struct have *self, uint64_t through);

#endif
