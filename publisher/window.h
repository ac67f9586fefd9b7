/* Reports in memory that are not confirmed yet (private to the publisher). See window.c. */
#ifndef CASEBUS_PUBLISHER_WINDOW_H
#define CASEBUS_PUBLISHER_WINDOW_H

#include <casebus/check.h>
#include <zmq.h>

/* Why a report goes as a void: not at all; its bytes are damaged; the caller withdrew it. */
enum kept_cause {
    KEPT_WHOLE,
    KEPT_DAMAGED,
    KEPT_WITHDRAWN
};

struct kept {
    zmq_msg_t topic, body;
    unsigned char check[CASEBUS_CHECK_SIZE]; /* of its own number */
    unsigned char hash[CASEBUS_HASH_SIZE];   /* of a void: of what it stands for */
    size_t check_at;                         /* until it is tied: where its check's pair is */
    enum kept_cause cause;
};
static inline size_t kept_size(const struct kept *kept)
{
    return zmq_msg_size(&kept->topic) + zmq_msg_size(&kept->body);
}
static inline struct casebus_bytes kept_topic(const struct kept *kept)
{
    zmq_msg_t *message = (zmq_msg_t *)&kept->topic; /* libzmq knows no const */
    return casebus_bytes(zmq_msg_data(message), zmq_msg_size(message));
}
static inline struct casebus_bytes kept_body(const struct kept *kept)
{
    zmq_msg_t *message = (zmq_msg_t *)&kept->body;
    return casebus_bytes(zmq_msg_data(message), zmq_msg_size(message));
}
static inline void kept_close(struct kept *kept)
{
    zmq_msg_close(&kept->topic);
    zmq_msg_close(&kept->body);
}

struct window {
    struct kept *ring; /* one place more than may be kept: the next report is made in it */
    size_t places;
    uint64_t first; /* the lowest number kept, or the next to be pushed */
    size_t count;
    size_t bytes, bytes_max;
    size_t untied; /* the last ones: their checks and hashes are not known yet */
    unsigned char
        next_check[CASEBUS_CHECK_SIZE]; /* of the number after the last that is tied */
};

int casebus_window_init(struct window *self, size_t places, size_t bytes_max);
/* Lets go of everything; the next report pushed is `first`, with this check. */
void casebus_window_restart(struct window *self, uint64_t first,
                            const unsigned char check[CASEBUS_CHECK_SIZE]);
void casebus_window_clear(struct window *self);

/* The highest number ever pushed; 0: none. */
static inline uint64_t window_last(const struct window *self)
{
    return self->first + self->count - 1;
}
/* Is there a place for a report of `size` bytes? An empty window has one for any. */
bool casebus_window_has_room(const struct window *self, size_t size);
/* Where the messages of the report window_last() + 1 are to be made: nothing is in it, and it
 * stays where it is while others are dropped. */
struct kept *casebus_window_next(struct window *self);
/* Keeps what was made there; `next_check` is the check behind it. There must be room. */
void casebus_window_push(struct window *self,
                         const unsigned char next_check[CASEBUS_CHECK_SIZE]);
/* Keeps what was made there with any check, which is put in by the time it is looked at. */
void casebus_window_push_untied(struct window *self, size_t check_at);
/* Lets go of the report pushed last, as if it had not been. */
void casebus_window_pop(struct window *self);
/* The first report of one becomes the last of the other, which has room and is there next. */
void casebus_window_move(struct window *from, struct window *to);
/* The report with this number; NULL: not kept. */
struct kept *casebus_window_at(struct window *self, uint64_t number);
/* Puts a void in the place of a report that is kept. */
void casebus_window_replace(struct window *self, uint64_t number, struct kept *kept);
/* check(number), for every number kept and the one after; NULL: not known any more. */
const unsigned char *casebus_window_check(struct window *self, uint64_t number);
/* Lets go of every report up to `through`, which is not above window_last(). */
void casebus_window_drop(struct window *self, uint64_t through);

#endif
