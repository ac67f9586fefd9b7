/* publisher.confirm, asked and understood (private to the publisher). See confirm.c. */
#ifndef CASEBUS_PUBLISHER_CONFIRM_H
#define CASEBUS_PUBLISHER_CONFIRM_H

#include "sessions.h"

#include <casebus/request.h>

/* What the broker last said of itself; a lower entry of the same epoch is older than that. */
struct broker_state {
    bool known;
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t entry;
};

struct confirm_poll {
    const unsigned char *publisher;
    uint64_t after;
    unsigned wait_ms;
    bool outbox;                  /* the id outlives this process */
    const struct heard *sessions; /* that are heard from by it: so many */
    size_t session_count;
    const struct broker_state *state;
};
void casebus_confirm_encode(const struct confirm_poll *poll, msgpack_sbuffer *out);

struct confirm_answer {
    struct broker_state state;
    uint64_t decided;
    unsigned char check[CASEBUS_CHECK_SIZE]; /* of decided + 1 */
    uint64_t outcomes[CASEBUS_OUTCOME_COUNT];
    struct casebus_bytes refusals; /* encoded array; absent: NULL */
    struct casebus_bytes held;     /* why nothing is decided for now; absent: NULL */
    struct casebus_bytes stop;     /* encoded array of sessions; absent: NULL */
    uint64_t want;                 /* 0: nothing is missing */
    bool more;                     /* refusals up to `decided` are left */
};
/* Borrowed from the body. 0; the broker's error; or CASEBUS_EPROTO, CASEBUS_EMALFORMED: not an
 * answer of this protocol, or to somebody else. */
int casebus_confirm_decode(struct casebus_bytes body, const unsigned char *publisher,
                           struct confirm_answer *answer);

/* Walks the refusals: 1 and the next, 0 at the end, CASEBUS_EPROTO. */
struct refusal_reader {
    struct casebus_reader reader;
    uint32_t left;
};
int casebus_refusals_begin(struct refusal_reader *self, struct casebus_bytes refusals);
int casebus_refusals_next(struct refusal_reader *self, struct casebus_refusal *refusal);

#endif
