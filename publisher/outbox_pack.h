/* The bytes of an outbox (private to the outbox). See outbox_pack.c. */
#ifndef CASEBUS_PUBLISHER_OUTBOX_PACK_H
#define CASEBUS_PUBLISHER_OUTBOX_PACK_H

#include "outbox.h"

#define OUTBOX_STATE_SIZE 240
#define OUTBOX_REPORT_HEAD 27
#define OUTBOX_DIGEST 16

void outbox_pack_state(const struct outbox_state *state, unsigned char out[OUTBOX_STATE_SIZE]);
/* 0, CASEBUS_ESCHEMA: another version; CASEBUS_ECORRUPT. */
int outbox_unpack_state(struct casebus_bytes bytes, struct outbox_state *state);

static inline size_t outbox_report_size(const struct kept *kept)
{
    return OUTBOX_REPORT_HEAD + kept_size(kept) + OUTBOX_DIGEST;
}
/* Into `out`, which has room for outbox_report_size(). */
void outbox_pack_report(const struct kept *kept, const unsigned char *check,
                        unsigned char *out);

/* A report where it lies on the disk. */
struct outbox_report {
    unsigned char check[CASEBUS_CHECK_SIZE];
    unsigned char hash[CASEBUS_HASH_SIZE];
    enum kept_cause cause;
    struct casebus_bytes topic, body;
};
/* 0, or CASEBUS_ECORRUPT: then check, hash and topic are what stands there, as far as it can be
 * one, and the body is absent. */
int outbox_unpack_report(struct casebus_bytes bytes, struct outbox_report *report);

/* A refusal and the data of what was refused. One that is damaged says so, and no number. */
void outbox_pack_refusal(const struct casebus_refusal *refusal, msgpack_sbuffer *out);
void outbox_unpack_refusal(struct casebus_bytes bytes, struct casebus_refusal *refusal);

#endif
