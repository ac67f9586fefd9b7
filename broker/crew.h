/* Hands that do a heap of small work together: the caller's own, and helpers that are threads.
 *
 * The caller never waits for a helper to come: he begins, and whoever comes before all is taken
 * helps. He waits only for what a helper has begun. */
#ifndef BROKER_CREW_H
#define BROKER_CREW_H

#include <stdint.h>

#define HANDS_MAX 4

struct crew;

/* Does one item. Hand 0 is the caller's; two hands never do the same item. */
typedef void crew_work(void *arg, unsigned hand, unsigned item);

/* So many hands, 1 to HANDS_MAX. NULL: no memory or threads. */
struct crew *crew_new(unsigned hands, crew_work *work, void *arg);
void crew_destroy(struct crew **self_p);
unsigned crew_hands(const struct crew *self);
/* Does items 0 to count - 1, begun in this order, by at most `hands` hands (1: alone). Past
 * `until` (monotonic ms) none is begun, but for each hand's first. Returns when what was begun
 * is done: how many. */
unsigned crew_do(struct crew *self, unsigned count, unsigned hands, int64_t until);

#endif
