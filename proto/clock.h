/* What time it is, in one number. */
#ifndef CASEBUS_CLOCK_H
#define CASEBUS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* On a clock that nobody sets: to wait by. */
static inline int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static inline int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

/* Microseconds since 1970, as all times of the protocol are. */
static inline uint64_t clock_utc_us(void)
{
    return (uint64_t)clock_us(CLOCK_REALTIME);
}

#endif
