/* Is the broker getting on? Each of its threads says when it begins with something and when it
 * waits again; one that has been at one thing for very long is stuck.
 *
 * Written by the thread it is about (what the store is at: by the bus, which gives it batches
 * and takes them back), read by any. */
#ifndef BROKER_HEALTH_H
#define BROKER_HEALTH_H

#include "clock.h"

#include <stdatomic.h>
#include <stdint.h>

enum worker {
    WORKER_BUS,
    WORKER_STORE,
    WORKER_QUERIES,
    WORKER_COUNT
};

struct health {
    atomic_int_fast64_t since[WORKER_COUNT]; /* monotonic ms; 0: it waits */
};

static inline void health_works(struct health *self, enum worker worker)
{
    atomic_store_explicit(&self->since[worker], clock_mono_ms(), memory_order_relaxed);
}

static inline void health_waits(struct health *self, enum worker worker)
{
    atomic_store_explicit(&self->since[worker], 0, memory_order_relaxed);
}

/* Who has been at one thing for longer than that: "the store"; NULL: nobody. */
static inline const char *health_stuck(const struct health *self, int64_t longest_ms)
{
    static const char *const names[WORKER_COUNT] = {"the bus", "the store", "the queries"};
    int64_t now = clock_mono_ms();
    for (unsigned i = 0; i < WORKER_COUNT; i++) {
        int64_t since = atomic_load_explicit(&self->since[i], memory_order_relaxed);
        if (since != 0 && now - since > longest_ms) {
            return names[i];
        }
    }
    return NULL;
}

#endif
