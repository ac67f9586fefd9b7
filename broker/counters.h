/* What the broker counts: written by one thread, read by any. */
#ifndef BROKER_COUNTERS_H
#define BROKER_COUNTERS_H

#include "health.h"

#include <casebus/errors.h>
#include <casebus/outcome.h>
#include <casebus/topic.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MINUTES_SHOWN 60
#define MINUTES_KEPT 64 /* more, so that none is begun while it may be read */

/* The events of one minute, by kind. */
struct minute {
    atomic_uint_fast64_t number; /* of the minute, since 1970 */
    atomic_uint_fast64_t events[CASEBUS_EVENT_KIND_COUNT];
};

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
    /* Of the keyed sockets: there now; ever taken; that ended before their handshake did. */
    atomic_uint_fast64_t connections_open, connections_opened, handshakes_unfinished;
    struct minute minute[MINUTES_KEPT];  /* minute n at n modulo their number */
    atomic_bool read_only;               /* no space is left: see "the disk says no" in bus.c */
    atomic_uint_fast64_t held, unstored; /* reports dropped for that: numbered; all others */
    struct health health;
};

static inline void count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
static inline uint64_t counted(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
#define MINUTE_US 60000000u
/* Counts an event that is sent at this time (microseconds UTC). */
static inline void count_event(struct counters *c, unsigned kind, uint64_t at)
{
    uint64_t number = at / MINUTE_US;
    struct minute *m = &c->minute[number % MINUTES_KEPT];
    if (counted(&m->number) != number) { /* it was another one, an hour ago */
        for (unsigned k = 0; k < CASEBUS_EVENT_KIND_COUNT; k++) {
            atomic_store(&m->events[k], 0);
        }
        atomic_store(&m->number, number);
    }
    count(&m->events[kind], 1);
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
