/* Giving reports to the socket: one by one, or several in a message.
 *
 * A message costs each of the threads it goes through more than a report does. So reports that
 * are due together go in bundles, to which the broker does what it does to reports that come
 * alone. Whoever sends a report now and then notices nothing: one that is due alone goes alone,
 * and at once.
 *
 * In a flood reports are also waited for, until they fill a bundle; or until any other call
 * than send() looks at the sockets, or at the next report once TEND_US have passed
 * (publisher.c). It is a flood where more than half a commit is undecided, as far as is known:
 * the newest are decided with the commit behind that at best, and are not later for it. And it
 * is one where so many were undecided when the broker answered last that a bundle is the
 * GATHER_SHARE-th part of them: then a report waits that part of the time it takes anyhow.
 *
 * What is on its way is bounded: a report that goes alone shares its bytes with the window, a
 * bundle is a copy of fewer than CASEBUS_REPORT_BUNDLE_MAX. Of INGEST_QUEUE messages that wait
 * here that is less than 16 MiB; of CASEBUS_INGEST_HWM at the broker, where a message may be as
 * large as a frame, it is less than of as many reports alone. */
#include "handle.h"

#include "clock.h"

#include <casebus/bundle.h>

#define GATHER_BEHIND (CASEBUS_BATCH_MAX / 2) /* half of what a commit takes */
#define GATHER_SHARE 8

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t casebus_publisher_sendable(const struct casebus_publisher *self)
{
    uint64_t broker_takes = self->granted + CASEBUS_PUBLISHER_WINDOW;
    uint64_t in_flight = self->decided + self->pace.flight;
    /* The broker counts outcomes without numbers: those of what was left are known for theirs
     * only if nothing else is decided with it. */
    bool is_left = self->stats.confirmed < self->stats.left;
    uint64_t last = is_left ? lower(window_last(&self->window), self->stats.left)
                            : window_last(&self->window);
    return lower(last, lower(broker_takes, in_flight));
}

/* --- one message -------------------------------------------------------------------------- */

static bool is_large(const struct kept *kept)
{
    return kept_size(kept) >= CASEBUS_REPORT_BUNDLE_MAX;
}

static bool add(struct casebus_publisher *self, const struct kept *kept)
{
    const struct casebus_bytes topic = kept_topic(kept), body = kept_body(kept);
    return casebus_bundle_has_room(&self->bundle, topic, body, CASEBUS_REPORT_BUNDLE_MAX) &&
           casebus_bundle_add(&self->bundle, topic, body) == 0;
}

/* Makes a bundle of `first` and what comes behind it up to `end`, and gives its last number;
 * `first` is given where that goes alone: it is large, or nothing goes with it. */
static uint64_t bundle_up(struct casebus_publisher *self, uint64_t first, uint64_t end)
{
    uint64_t number = first;
    if (first == end || is_large(casebus_window_at(&self->window, first)) ||
        casebus_bundle_begin(&self->bundle, CASEBUS_REPORT_BUNDLE_MAX) != 0) {
        return first;
    }
    while (number <= end && add(self, casebus_window_at(&self->window, number))) {
        number++;
    }
    return number > first ? number - 1 : first;
}

static int put(struct casebus_publisher *self, uint64_t first, uint64_t last)
{
    struct kept *kept = casebus_window_at(&self->window, first);
    return first == last ? casebus_ingest_put(&self->ingest, &kept->topic, &kept->body)
                         : casebus_ingest_put_bundle(&self->ingest, &self->bundle);
}

/* --- all that is due ---------------------------------------------------------------------- */

static void move_cursor(struct casebus_publisher *self, uint64_t to)
{
    const uint64_t from = self->cursor;
    self->stats.resent += from < self->highest ? lower(to, self->highest) - from : 0;
    if (from >= self->highest && from + 1 == self->window.first) {
        casebus_pace_moved(&self->pace, 0, clock_mono_ms());
    }
    self->highest = to > self->highest ? to : self->highest;
    self->cursor = to;
}

static bool is_flood(const struct casebus_publisher *self)
{
    const uint64_t undecided = publisher_undecided(self);
    return undecided > GATHER_BEHIND ||
           (self->bundled > 1 && lower(self->lag, undecided) >= self->bundled * GATHER_SHARE);
}

/* Are there most likely too few reports for a bundle? Asked first, so that none is made in
 * vain. */
static bool are_few(const struct casebus_publisher *self)
{
    return self->blocked || window_last(&self->window) - self->cursor <= self->bundled;
}

void casebus_publisher_expect(struct casebus_publisher *self, size_t size)
{
    self->bundled = lower(self->bundled, CASEBUS_REPORT_BUNDLE_MAX / (size + 1));
}

/* Would a bundle that ends there have room for the next report? */
static bool has_room_behind(struct casebus_publisher *self, uint64_t first, uint64_t last)
{
    return last == window_last(&self->window) &&
           !is_large(casebus_window_at(&self->window, first));
}

int casebus_publisher_flush(struct casebus_publisher *self, bool gathers)
{
    const bool waits = gathers && is_flood(self);
    if (waits && are_few(self)) {
        return 0;
    }
    self->blocked = false;
    const uint64_t end =
        ingest_linked(&self->ingest) && self->met ? casebus_publisher_sendable(self) : 0;
    while (self->cursor < end) {
        const uint64_t first = self->cursor + 1, last = bundle_up(self, first, end);
        if (waits && has_room_behind(self, first, last)) {
            break;
        }
        int rc = put(self, first, last);
        if (rc <= 0) {
            self->blocked = rc == 0;
            return rc;
        }
        if (last < end) {
            self->bundled = last - self->cursor;
        }
        move_cursor(self, last);
    }
    return 0;
}
