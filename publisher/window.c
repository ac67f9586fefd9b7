/* The reports that are not confirmed yet, in memory.
 *
 * A publisher that sends again must have what it sent, byte for byte. This is where it is: a
 * ring of reports under consecutive numbers, which grows at its end (push), is read anywhere
 * (at) and is let go of at its beginning (drop). Nothing else is asked of it, so that a folder
 * on disk can take its place without anybody else noticing.
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

struct kept *casebus_window_at(struct window *self, uint64_t number)
{
    if (number < self->first || number - self->first >= self->count) {
        return NULL;
    }
    return place(self, number);
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
