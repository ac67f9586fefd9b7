/* Times to wait until, on a clock that nobody sets. A negative timeout never ends. */
#ifndef CASEBUS_DEADLINE_H
#define CASEBUS_DEADLINE_H

#include "clock.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

static inline int64_t deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
}

/* What is left, as zmq_poll() takes it. */
static inline int deadline_left(int64_t deadline)
{
    if (deadline == INT64_MAX) {
        return -1;
    }
    int64_t left = deadline - clock_mono_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* A timeout that begins when somebody is about to wait: for what is there already no clock is
 * read. */
struct patience {
    int timeout_ms;
    bool begun;
    int64_t deadline;
};

static inline struct patience patience_of(int timeout_ms)
{
    return (struct patience){.timeout_ms = timeout_ms};
}

static inline int patience_left(struct patience *self)
{
    if (!self->begun) {
        self->begun = true;
        self->deadline = deadline_after(self->timeout_ms);
    }
    return deadline_left(self->deadline);
}

#endif
