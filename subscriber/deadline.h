/* Times to wait until, on a clock that nobody sets. A negative timeout never ends. */
#ifndef CASEBUS_DEADLINE_H
#define CASEBUS_DEADLINE_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
}

/* What is left, as zmq_poll() takes it. */
static inline int deadline_left(int64_t deadline)
{
    if (deadline == INT64_MAX) {
        return -1;
    }
    int64_t left = deadline - now_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

#endif
