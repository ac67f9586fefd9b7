/* How long an upload waits: for confirmations, for its rate, for its input.
 *
 * Calls of the library wait in slices, and between two slices the same questions are asked: has
 * anything been confirmed, has anybody pressed Ctrl-C, is the bar to be drawn. The clock of
 * --timeout runs only while something is unconfirmed; with an outbox, which takes records
 * whether they are confirmed or not, only while one finds no room or the input has ended. */
#include "upload.h"

#include "clock.h"
#include "scrape.h"
#include "stop.h"

#define GRACE_US 3000000   /* for confirmations after Ctrl-C */
#define CATCH_UP_US 100000 /* of a rate, where waiting took too long */

bool upload_is_in_the_way(int rc)
{
    return rc == CASEBUS_ETIMEDOUT || rc == CASEBUS_EINTR || rc == CASEBUS_EIO ||
           rc == CASEBUS_ENOMEM || rc == CASEBUS_ENOSPC || rc == CASEBUS_ECORRUPT ||
           upload_has_no_session(rc);
}

bool upload_has_no_session(int stuck)
{
    return stuck == CASEBUS_ENOTFOUND || stuck == CASEBUS_EENDED;
}

void upload_watch(struct upload *self)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    int64_t now = clock_mono_us();
    if (stats->confirmed != self->seen || stats->confirmed == stats->sent) {
        self->moved_at = now;
    }
    self->seen = stats->confirmed;
    ledger_confirm(&self->ledger, stats->confirmed);
    if (self->stop_at == 0 && stop_requested()) {
        self->stop_at = now;
    }
    say_progress(&self->voice, now / 1000, self->input ? input_share(self->input) : -1,
                 self->ledger.sent, self->ledger.confirmed);
}

bool upload_again(struct upload *self, int64_t rc)
{
    upload_watch(self);
    if (rc != CASEBUS_ETIMEDOUT && rc != CASEBUS_EINTR) {
        return false;
    }
    int64_t now = clock_mono_us();
    if (self->stop_at && now - self->stop_at >= GRACE_US) {
        return false;
    }
    return now - self->moved_at < (int64_t)self->options->timeout_ms * 1000;
}

bool upload_is_over(struct upload *self)
{
    bool stopped = false;
    if (self->scrapes && !self->stuck) {
        self->stuck = scrapes_tend(self, &stopped);
    }
    return self->stuck || stopped || stop_requested();
}

void upload_hold_back(struct upload *self)
{
    if (self->options->rate <= 0) {
        return;
    }
    int64_t now = clock_mono_us();
    while (now < self->next_at && !upload_is_over(self)) {
        int64_t left = (self->next_at - now + 999) / 1000;
        int rc = casebus_publisher_pump(self->publisher,
                                        left < UPLOAD_SLICE_MS ? (int)left : UPLOAD_SLICE_MS);
        if (rc < 0 && rc != CASEBUS_EINTR) {
            return; /* the next send says so */
        }
        upload_watch(self);
        now = clock_mono_us();
    }
}

void upload_went(struct upload *self)
{
    int64_t now = clock_mono_us();
    if (self->options->outbox) {
        self->moved_at = now;
    }
    if (self->options->rate > 0) {
        int64_t least = now - CATCH_UP_US;
        self->next_at = (self->next_at > least ? self->next_at : least) +
                        (int64_t)(1e6 / self->options->rate);
    }
}

bool upload_idle(void *arg)
{
    struct upload *self = arg;
    if (!self->publisher) {
        return upload_is_over(self);
    }
    int rc = casebus_publisher_pump(self->publisher, 0);
    if (rc < 0 && rc != CASEBUS_EINTR) {
        self->stuck = rc;
        return true;
    }
    if (self->options->outbox) {
        self->moved_at = clock_mono_us(); /* the input is waited for, not the broker */
    }
    if (!upload_again(self, CASEBUS_ETIMEDOUT)) {
        self->stuck = CASEBUS_ETIMEDOUT;
        return true;
    }
    return upload_is_over(self);
}
