/* When to send again: a plain timer, and what the broker asks for. And how much at once.
 *
 * Reports get lost before the broker has subscribed, when a connection breaks, past a full
 * queue. The broker names the number it misses (`want`) once a later one has arrived; if none
 * has, only time tells. So when nothing is confirmed for a while everything unconfirmed goes
 * out again, and if that does not help either, the while doubles: a broker that is slow must
 * not be buried under copies of what it has yet to read.
 *
 * The broker drops what comes out of order, so behind a lost report all others are lost as
 * well. How many may be under way is therefore halved with each loss and grows again with what
 * is decided; without losses it is the whole window.
 *
 * A `want` is answered with everything from there on, and for as long as that is under way
 * every poll brings the same `want` again. It is served once an interval.
 *
 * Jitter (a quarter up or down) keeps the workers of a restarted broker apart. */
#include "pace.h"

void casebus_pace_init(struct pace *self, unsigned first_ms, unsigned max_ms,
                       uint64_t flight_max)
{
    *self = (struct pace){
        .first_ms = first_ms,
        .max_ms = max_ms,
        .flight = flight_max,
        .flight_max = flight_max,
    };
    casebus_pace_moved(self, 0, 0);
}

void casebus_pace_moved(struct pace *self, uint64_t reports, int64_t now)
{
    uint64_t room = self->flight_max - self->flight;
    self->flight += reports < room ? reports : room;
    self->step_ms = self->first_ms;
    self->interval_ms = self->first_ms;
    self->since = now;
}

void casebus_pace_resent(struct pace *self, int64_t now, uint32_t random)
{
    self->step_ms = self->step_ms * 2 < self->max_ms ? self->step_ms * 2 : self->max_ms;
    self->interval_ms = self->step_ms - self->step_ms / 4 + random % (self->step_ms / 2 + 1);
    self->since = now;
    uint64_t half = self->flight / 2;
    uint64_t least = self->flight < PACE_FLIGHT_MIN ? self->flight : PACE_FLIGHT_MIN;
    self->flight = half > least ? half : least;
}

int64_t casebus_pace_due(const struct pace *self)
{
    return self->since + self->interval_ms;
}

bool casebus_pace_serve(struct pace *self, uint64_t number, int64_t now)
{
    if (number == self->want && now < casebus_pace_due(self)) {
        return false;
    }
    self->want = number;
    return true;
}
