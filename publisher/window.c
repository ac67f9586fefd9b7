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
 * room, and read a report only until the next push or drop. */
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

static struct kept *place(const struct window *self, uint64_t number)
{
    return &self->ring[number % (self->places + 1)];
}

struct kept *casebus_window_next(struct window *self)
{
    return place(self, self->first + self->count);
}

void casebus_window_push(struct window *self,
                         const unsigned char next_check[CASEBUS_CHECK_SIZE])
{
    struct kept *kept = casebus_window_next(self);
    memcpy(kept->check, self->next_check, CASEBUS_CHECK_SIZE);
    memcpy(self->next_check, next_check, CASEBUS_CHECK_SIZE);
    self->count++;
    self->bytes += kept_size(kept);
}

void casebus_window_pop(struct window *self)
{
    struct kept *kept = place(self, window_last(self));
    memcpy(self->next_check, kept->check, CASEBUS_CHECK_SIZE);
    self->bytes -= kept_size(kept);
    self->count--;
    kept_close(kept);
}

void casebus_window_move(struct window *from, struct window *to)
{
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

const unsigned char *casebus_window_check(const struct window *self, uint64_t number)
{
    if (number < self->first || number - self->first > self->count) {
        return NULL;
    }
    if (number - self->first == self->count) {
        return self->next_check;
    }
    return place(self, number)->check;
}

void casebus_window_drop(struct window *self, uint64_t through)
{
    while (self->count > 0 && self->first <= through) {
        struct kept *kept = place(self, self->first);
        self->bytes -= kept_size(kept);
        kept_close(kept);
        self->first++;
        self->count--;
    }
}
