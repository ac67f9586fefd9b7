/* The adversary of a reader. */
#include "adversary.h"

#include <stdio.h>
#include <string.h>

const char *const streams[STREAMS] = {
    "case:created:hse:", "case:created:ea:", "case:updated:hse:", "session:ended:hse:"};
#define KEYS 3

struct broker broker;

/* --- chance ----------------------------------------------------------------------------- */

static uint64_t dice;

void chance_begin(uint64_t seed)
{
    dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint32_t chance(uint32_t sides) /* xorshift64 */
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (uint32_t)(dice >> 33) % sides;
}

/* --- committing and sending -------------------------------------------------------------- */

static uint64_t last_of_topic(const char *topic, uint64_t below)
{
    for (uint64_t seq = below; seq > 0; seq--) {
        if (strcmp(broker.log[seq].topic, topic) == 0) {
            return seq;
        }
    }
    return 0;
}

static void commit_one(void)
{
    struct entry *entry = &broker.log[++broker.committed];
    /* Some streams are busy, some are not. */
    entry->stream = chance(4) > 0 ? chance(2) : chance(STREAMS);
    snprintf(entry->topic, sizeof entry->topic, "%sk%u:", streams[entry->stream],
             (unsigned)chance(KEYS));
    entry->prev = broker.heads[entry->stream];
    entry->prev_topic = last_of_topic(entry->topic, broker.committed - 1);
    broker.heads[entry->stream] = broker.committed;
}

void broker_commit(void)
{
    if (broker.sent == broker.committed && broker.committed + 8 < EVENTS_MAX) {
        for (uint32_t left = 1 + chance(6); left > 0; left--) {
            commit_one();
        }
    }
}

void broker_send(const struct message *message)
{
    if (broker.waiting < PIPE_MAX) {
        broker.pipe[broker.waiting++] = *message;
    }
}

struct message broker_heads(bool batch)
{
    struct message message = {.kind = batch ? BATCH_MESSAGE : ALL_MESSAGE,
                              .epoch = broker.epoch,
                              .seq = broker.sent,
                              .before = broker.before};
    memcpy(message.heads, broker.sent_heads, sizeof message.heads);
    for (size_t i = 0; i < STREAMS; i++) {
        message.touched[i] = batch ? broker.touched[i] : broker.sent_heads[i] > 0;
    }
    return message;
}

static void send_event(uint64_t seq, bool lossless)
{
    const struct entry *entry = &broker.log[seq];
    const struct message message = {
        .kind = EVENT_MESSAGE, .epoch = broker.epoch, .seq = seq, .entry = *entry};
    if (broker.is_subscribed(entry->topic) && (lossless || chance(6) > 0)) {
        broker_send(&message);
        if (!lossless && chance(12) == 0) {
            broker_send(&message);
        }
    }
}

/* One stream after the other, as bundles are sent. */
static void send_by_stream(uint64_t first, bool lossless)
{
    const uint32_t turn = chance(STREAMS);
    for (uint32_t i = 0; i < STREAMS; i++) {
        for (uint64_t seq = first; seq <= broker.committed; seq++) {
            if (broker.log[seq].stream == (i + turn) % STREAMS) {
                send_event(seq, lossless);
            }
        }
    }
}

static void send_in_order(uint64_t first, bool lossless)
{
    for (uint64_t seq = first; seq <= broker.committed; seq++) {
        send_event(seq, lossless);
    }
}

void broker_send_batch(bool lossless)
{
    const uint64_t first = broker.sent + 1;
    if (broker.sent == broker.committed) {
        return;
    }
    while (broker.sent < broker.committed) {
        const size_t stream = broker.log[++broker.sent].stream;
        broker.sent_heads[stream] = broker.sent;
        broker.touched[stream] = true;
    }
    if (chance(4) > 0) {
        send_by_stream(first, lossless);
    } else {
        send_in_order(first, lossless);
    }
    const struct message heads = broker_heads(true);
    if (broker.batch_heads && (lossless || chance(4) > 0)) {
        broker_send(&heads);
    }
    broker.before = broker.sent;
    memset(broker.touched, 0, sizeof broker.touched);
}

/* --- what goes wrong -------------------------------------------------------------------- */

void broker_cut(void)
{
    broker.waiting = 0;
}

void broker_trim(void)
{
    if (broker.floor + 5 < broker.sent) {
        broker.floor += 1 + chance((uint32_t)(broker.sent - broker.floor) / 2 + 1);
    }
}

bool broker_put_back(void)
{
    if (broker.epoch + 1 == EPOCHS_MAX || broker.sent != broker.committed ||
        broker.committed < 8) {
        return false;
    }
    broker.old = broker.waiting > 0 && chance(2) == 0
                     ? broker.pipe[chance((uint32_t)broker.waiting)]
                     : broker_heads(false);
    broker.has_old = true;
    if (chance(2) == 0) {
        broker_cut();
    }
    broker.committed -= chance(40) % broker.committed;
    broker.committed = broker.committed > broker.floor ? broker.committed : broker.floor;
    broker.epoch++;
    memset(broker.heads, 0, sizeof broker.heads);
    for (uint64_t seq = 1; seq <= broker.committed; seq++) {
        broker.heads[broker.log[seq].stream] = seq;
    }
    memcpy(broker.sent_heads, broker.heads, sizeof broker.heads);
    memset(broker.touched, 0, sizeof broker.touched);
    broker.sent = broker.before = broker.committed;
    return true;
}
