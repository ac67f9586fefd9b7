/* How often something may be tried: so many times at once under one key, then one each so
 * often.
 *
 * Keys are hashed into a table of a fixed size; where it is full the key that has tried least
 * lately goes. One thread. */
#ifndef CASEBUS_DASHBOARD_THROTTLE_H
#define CASEBUS_DASHBOARD_THROTTLE_H

#include <stddef.h>
#include <stdint.h>

struct throttle;

/* `burst` tries at once, from 1; then one each `refill_ms`. CASEBUS_ENOMEM. */
int throttle_new(struct throttle **self_p, unsigned burst, int64_t refill_ms);
void throttle_destroy(struct throttle **self_p);
/* 0: tried, which counts; otherwise how many milliseconds to wait, and it does not count. */
int64_t throttle_try(struct throttle *self, const void *key, size_t size, int64_t now);
/* The try was a good one and does not count. */
void throttle_give_back(struct throttle *self, const void *key, size_t size);

#endif
