/* The reports that are not confirmed yet (private to the publisher). See window.c. */
#ifndef CASEBUS_PUBLISHER_WINDOW_H
#define CASEBUS_PUBLISHER_WINDOW_H

#include <casebus/check.h>
#include <zmq.h>

struct kept {
    zmq_msg_t topic, body;
    unsigned char check[CASEBUS_CHECK_SIZE]; /* of its own number */
};

struct window {
    struct kept *ring;
    size_t places;  /* of the ring */
    uint64_t first; /* the lowest number kept, or the next to be pushed */
    size_t count;
    size_t bytes, bytes_max;
    unsigned char next_check[CASEBUS_CHECK_SIZE]; /* of the number after the last */
};

int casebus_window_init(struct window *self, size_t places, size_t bytes_max);
void casebus_window_clear(struct window *self);

/* The highest number ever pushed; 0: none. */
static inline uint64_t window_last(const struct window *self)
{
    return self->first + self->count - 1;
}
/* Is there a place for a report of `size` bytes? An empty window has one for any. */
bool casebus_window_has_room(const struct window *self, size_t size);
/* Keeps a copy under the number window_last() + 1; `next_check` is the check behind it.
 * 0 or CASEBUS_ENOMEM, then nothing has changed. There must be room. */
int casebus_window_push(struct window *self, struct casebus_bytes topic,
                        struct casebus_bytes body,
                        const unsigned char next_check[CASEBUS_CHECK_SIZE]);
/* The report with this number; NULL: not kept. */
struct kept *casebus_window_at(struct window *self, uint64_t number);
/* check(number), for every number kept and the one after; NULL: not known any more. */
const unsigned char *casebus_window_check(const struct window *self, uint64_t number);
/* Lets go of every report up to `through`, which is not above window_last(). */
void casebus_window_drop(struct window *self, uint64_t through);

#endif
