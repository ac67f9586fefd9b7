/* What the broker counts: written by one thread, read by any. */
#ifndef BROKER_COUNTERS_H
#define BROKER_COUNTERS_H

#include <casebus/errors.h>
#include <casebus/outcome.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define COUNTER_CODES 64 /* error codes, negated, index the table */

struct counters {
    uint64_t started_at; /* microseconds UTC */
    atomic_uint_fast64_t outcome[CASEBUS_OUTCOME_COUNT];
    atomic_uint_fast64_t refused[COUNTER_CODES];
    atomic_uint_fast64_t duplicates, ahead, diverged;
    atomic_uint_fast64_t batches, events, reports;
    atomic_uint_fast64_t reports_per_s, events_per_s; /* of the last full second */
    atomic_uint_fast64_t polls, submissions;          /* waiting now */
    atomic_uint_fast64_t requests;
    atomic_bool read_only; /* no space is left: see "the disk says no" in bus.c */
    atomic_uint_fast64_t held, unstored; /* reports dropped for that: numbered; all others */
};

static inline void count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
static inline uint64_t counted(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
/* Why nothing is decided for now; NULL: it is. */
static inline const char *held_reason(const struct counters *c)
{
    return atomic_load(&c->read_only) ? "read-only: no space is left for the store" : NULL;
}
static inline void count_refusal(struct counters *c, int code)
{
    int i = -code;
    count(&c->refused[i > 0 && i < COUNTER_CODES ? i : 0], 1);
}

#endif
