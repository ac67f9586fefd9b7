/* A publisher at a desk: numbered reports with their checks, its polls as they are recorded,
 * its end. */
#ifndef TESTS_SENDER_H
#define TESTS_SENDER_H

#include "desk.h"

struct sender {
    const char *actor;
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE];
    uint64_t number; /* of the last one sent */
    unsigned char check[CASEBUS_CHECK_SIZE];
};

/* The body of a numbered report with the sender's check. */
void sender_encode(const struct sender *s, uint64_t number, const char *data,
                   msgpack_sbuffer *body);
/* The sender's check and number move on by this report. */
void sender_advance(struct sender *s, const char *topic, struct casebus_bytes body);
/* Applies a body as the sender's actor; it is copied. */
void sender_apply(struct desk *d, const struct sender *s, const char *topic,
                  const msgpack_sbuffer *body);
/* Sends the next number and moves on. */
void sender_next(struct desk *d, struct sender *s, const char *topic, const char *data);
/* Sends a number without moving. */
void sender_again(struct desk *d, const struct sender *s, uint64_t number, const char *topic,
                  const char *data);
/* What a poll says, as an entry at the desk's time. */
void sender_ack(struct desk *d, const struct sender *s, uint64_t after, bool outbox);
void sender_retire(struct desk *d, const struct sender *s);
/* What the store keeps of it; decided 0: nothing. */
struct publisher_entry sender_progress(struct desk *d, const struct sender *s);

#endif
