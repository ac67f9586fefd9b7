/* The reports that are not confirmed yet, in memory.
 *
 * A publisher that sends again must have what it sent, byte for byte. This is where it is: a
 * ring of reports under consecutive numbers, which grows at its end (push), is read anywhere
 * (at) and is let go of at its beginning (drop). With an outbox it holds the oldest of what is
 * on the disk, and is fed from there.
 *
 * A report is held as the two messages that are sent: sending one is a copy that shares the
 * bytes, and libzmq counts who still has them. Its messages are made in the ring itself, at the
 * place behind the last, so that keeping it copies nothing. Users push only where there is
 * room, and read a report only until the next push or drop.
 *
 * Each report's check is made of all before it, its hash of its own bytes without the check. So
 * what is pushed may stay untied until somebody looks at it, or at the check of the number
 * behind it: then all that are untied are hashed, together, which takes a fraction of the time,
 * and tied one to the other. Nobody has seen their bytes before, so these may still change. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

int casebus_window_init(struct window *self, size_t places, size_t bytes_max)
{
    *self = (struct window){.places = places, .first = 1, .bytes_max = bytes_max};
    self->ring = calloc(places + 1, sizeof *self->ring);
    return self->ring ? 0 : CASEBUS_ENOMEM;
}

void casebus_window_clear(struct window *self)
{
    if (self->ring) {
        casebus_window_drop(self, window_last(self));
        free(self->ring);
        self->ring = NULL;
    }
}

/* --- ties ------------------------------------------------------------------------------- */

static struct kept *place(const struct window *self, uint64_t number)
{
    return &self->ring[number % (self->places + 1)];
}

/* The check that a report was made without. */
static void put_check(struct kept *kept, const unsigned char check[CASEBUS_CHECK_SIZE])
{
    unsigned char *pair = (unsigned char *)zmq_msg_data(&kept->body) + kept->check_at;
    memcpy(kept->check, check, CASEBUS_CHECK_SIZE);
    memcpy(pair + CASEBUS_CHECK_KEY_SIZE, check, CASEBUS_CHECK_SIZE);
}

static void tie_some(struct window *self, uint64_t first, size_t count)
{
    struct casebus_hashed reports[CASEBUS_TIED_MAX] = {{.check_at = 0}};
    for (size_t i = 0; i < count; i++) {
        struct kept *kept = place(self, first + i);
        reports[i] = (struct casebus_hashed){kept_topic(kept), kept_body(kept), kept->check_at,
                                             kept->hash};
    }
    casebus_report_hashes(reports, count);
    for (size_t i = 0; i < count; i++) {
        struct kept *kept = place(self, first + i);
        put_check(kept, self->next_check);
        casebus_check_next(self->next_check, kept->hash);
    }
}

static void tie(struct window *self)
{
    while (self->untied > 0) {
        size_t count = self->untied < CASEBUS_TIED_MAX ? self->untied : CASEBUS_TIED_MAX;
        tie_some(self, window_last(self) + 1 - self->untied, count);
        self->untied -= count;
    }
}

static bool is_untied(const struct window *self, uint64_t number)
{
    return self->untied > 0 && number > window_last(self) - self->untied;
}

/* --- keeping ---------------------------------------------------------------------------- */

void casebus_window_restart(struct window *self, uint64_t first,
                            const unsigned char check[CASEBUS_CHECK_SIZE])
{
    casebus_window_drop(self, window_last(self));
    self->first = first;
    memcpy(self->next_check, check, CASEBUS_CHECK_SIZE);
}

bool casebus_window_has_room(const struct window *self, size_t size)
{
    if (self->count == 0) {
        return true;
    }
    return self->count < self->places && size <= self->bytes_max &&
           self->bytes <= self->bytes_max - size;
}

struct kept *casebus_window_next(struct window *self)
{
    return place(self, self->first + self->count);
}

static void push(struct window *self)
{
    self->bytes += kept_size(casebus_window_next(self));
    self->count++;
}

void casebus_window_push(struct window *self,
                         const unsigned char next_check[CASEBUS_CHECK_SIZE])
{
    tie(self);
    memcpy(casebus_window_next(self)->check, self->next_check, CASEBUS_CHECK_SIZE);
    memcpy(self->next_check, next_check, CASEBUS_CHECK_SIZE);
    push(self);
}

void casebus_window_push_untied(struct window *self, size_t check_at)
{
    casebus_window_next(self)->check_at = check_at;
    push(self);
    self->untied++;
}

void casebus_window_pop(struct window *self)
{
    tie(self);
    struct kept *kept = place(self, window_last(self));
    memcpy(self->next_check, kept->check, CASEBUS_CHECK_SIZE);
    self->bytes -= kept_size(kept);
    self->count--;
    kept_close(kept);
}

void casebus_window_move(struct window *from, struct window *to)
{
    tie(from);
    struct kept *kept = place(from, from->first);
    from->bytes -= kept_size(kept);
    *casebus_window_next(to) = *kept;
    casebus_window_push(to, casebus_window_check(from, from->first + 1));
    from->first++;
    from->count--;
}

struct kept *casebus_window_at(struct window *self, uint64_t number)
{
    if (number < self->first || number - self->first >= self->count) {
        return NULL;
    }
    if (is_untied(self, number)) {
        tie(self);
    }
    return place(self, number);
}

void casebus_window_replace(struct window *self, uint64_t number, struct kept *kept)
{
    struct kept *old = casebus_window_at(self, number);
    self->bytes -= kept_size(old);
    kept_close(old);
    *old = *kept;
    self->bytes += kept_size(old);
}

const unsigned char *casebus_window_check(struct window *self, uint64_t number)
{
    if (number < self->first || number - self->first > self->count) {
        return NULL;
    }
    if (is_untied(self, number)) {
        tie(self);
    }
    if (number - self->first == self->count) {
        return self->next_check;
    }
    return place(self, number)->check;
}

void casebus_window_drop(struct window *self, uint64_t through)
{
    if (is_untied(self, through)) {
        tie(self);
    }
    while (self->count > 0 && self->first <= through) {
        struct kept *kept = place(self, self->first);
        self->bytes -= kept_size(kept);
        kept_close(kept);
        self->first++;
        self->count--;
    }
}
