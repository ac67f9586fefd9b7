/* The adversary of a reader: a broker and the way from it, drawn from a seed. */
#ifndef TESTS_SUBSCRIBER_ADVERSARY_H
#define TESTS_SUBSCRIBER_ADVERSARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_MAX 1200
#define PIPE_MAX 64
#define EPOCHS_MAX 8
#define STREAMS 4

extern const char *const streams[STREAMS];

/* From 0 to sides - 1; the seed decides all that follow. */
void chance_begin(uint64_t seed);
uint32_t chance(uint32_t sides);

struct entry {
    char topic[64];
    size_t stream;
    uint64_t prev, prev_topic;
};

struct message {
    enum {
        EVENT_MESSAGE,
        ALL_MESSAGE,
        BATCH_MESSAGE
    } kind;
    unsigned epoch;
    uint64_t seq, before;
    struct entry entry;
    uint64_t heads[STREAMS];
    bool touched[STREAMS];
};

struct broker {
    struct entry log[EVENTS_MAX + 1]; /* by seq */
    uint64_t committed, sent, before, floor;
    uint64_t heads[STREAMS], sent_heads[STREAMS];
    bool touched[STREAMS];
    unsigned epoch;
    struct message pipe[PIPE_MAX]; /* on their way to the reader */
    size_t waiting;
    struct message old; /* one of an earlier epoch, that may still arrive */
    bool has_old;

    bool (*is_subscribed)(const char *topic); /* the reader's patterns */
    bool batch_heads;                         /* and these */
};

extern struct broker broker;

/* Commits a batch once the last is sent. */
void broker_commit(void);
/* Sends what is committed and has not been sent, and its heads; some are lost, some come twice,
 * unless lossless. */
void broker_send_batch(bool lossless);
void broker_send(const struct message *message);
struct message broker_heads(bool batch);
/* All that is on its way is lost. */
void broker_cut(void);
void broker_trim(void);
/* Put back to an earlier state; its seqs come again, for other events: true, if it was done. */
bool broker_put_back(void);

#endif
