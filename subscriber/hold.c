/* Events that wait.
 *
 * They nearly always come in the order of their seqs and go to the end of a queue. What a
 * repair brings goes between those that wait, in order too, so the place is looked for from the
 * last one that was found.
 *
 * Contract: a slot is in one queue, or spare, or the caller's. */
#include "hold.h"

#include "prefetch.h"

#include <stdlib.h>
#include <string.h>

#define SPARES_MAX 4096 /* kept for the next burst; a batch has up to 2,048 events */

/* Asks for a slot's bytes, which nobody has looked at for as long as a batch takes. */
CASEBUS_INLINE void expect(const struct slot *slot)
{
    if (slot != NULL) {
        prefetch(slot, sizeof *slot, sizeof *slot);
    }
}

void hold_init(struct hold *self)
{
    memset(self, 0, sizeof *self);
}

static void slot_free(struct slot *slot)
{
    zmq_msg_close(&slot->topic);
    zmq_msg_close(&slot->body);
    free(slot);
}

void hold_end(struct hold *self)
{
    hold_drop(self, &self->ready);
    hold_drop(self, &self->parked);
    while (self->spare != NULL) {
        struct slot *slot = self->spare;
        self->spare = slot->next;
        slot_free(slot);
    }
    self->spares = 0;
}

struct slot *hold_slot(struct hold *self)
{
    struct slot *slot = self->spare;
    if (slot != NULL) {
        self->spare = slot->next;
        self->spares--;
        expect(self->spare);
        slot->next = NULL;
        slot->origin = 0;
        return slot;
    }
    slot = calloc(1, sizeof *slot);
    if (slot != NULL) {
        zmq_msg_init(&slot->topic);
        zmq_msg_init(&slot->body);
    }
    return slot;
}

static void clear(zmq_msg_t *frame)
{
    if ((uintptr_t)zmq_msg_data(frame) - (uintptr_t)frame >= sizeof *frame) {
        zmq_msg_close(frame);
        zmq_msg_init(frame);
    }
}

/* A frame that is received into takes the place of the old one; until then that one's memory
 * would be kept. A topic of the usual size has none: it lies in the frame itself. */
static void slot_clear(struct slot *slot)
{
    clear(&slot->topic);
    zmq_msg_close(&slot->body);
    zmq_msg_init(&slot->body);
}

void hold_recycle(struct hold *self, struct slot *slot)
{
    if (self->spares == SPARES_MAX) {
        slot_free(slot);
        return;
    }
    slot_clear(slot);
    slot->next = self->spare;
    self->spare = slot;
    self->spares++;
}

static bool copy_frame(zmq_msg_t *frame, struct casebus_bytes bytes)
{
    zmq_msg_close(frame);
    if (zmq_msg_init_size(frame, bytes.size) != 0) {
        zmq_msg_init(frame);
        return false;
    }
    memcpy(zmq_msg_data(frame), bytes.data, bytes.size);
    return true;
}

bool slot_fill(struct slot *slot, struct casebus_bytes topic, struct casebus_bytes body)
{
    return copy_frame(&slot->topic, topic) && copy_frame(&slot->body, body);
}

static struct casebus_bytes bytes_of(zmq_msg_t *frame)
{
    return casebus_bytes(zmq_msg_data(frame), zmq_msg_size(frame));
}

void slot_look(struct slot *slot, struct casebus_bytes *topic, struct casebus_bytes *body)
{
    *topic = bytes_of(&slot->topic);
    *body = bytes_of(&slot->body);
    slot->bytes = sizeof *slot + topic->size + body->size;
}

/* The slot behind which this seq belongs; NULL: before all. */
static struct slot *seek(const struct queue *queue, uint64_t seq)
{
    struct slot *before = queue->hint;
    if (before == NULL || before->event.seq > seq) {
        before = queue->first;
    }
    if (before == NULL || before->event.seq > seq) {
        return NULL;
    }
    while (before->next != NULL && before->next->event.seq <= seq) {
        before = before->next;
    }
    return before;
}

void hold_add(struct hold *self, struct queue *queue, struct slot *slot)
{
    struct slot *before = queue->last;
    const uint64_t seq = slot->event.seq;
    if (before != NULL && before->event.seq >= seq) {
        before = seek(queue, seq);
        queue->hint = before;
    }
    if (before != NULL && before->event.seq == seq) {
        hold_recycle(self, slot);
        return;
    }
    struct slot **link = before != NULL ? &before->next : &queue->first;
    slot->next = *link;
    *link = slot;
    if (slot->next == NULL) {
        queue->last = slot;
    }
    self->count++;
    self->bytes += slot->bytes;
}

struct slot *hold_take(struct hold *self, struct queue *queue)
{
    struct slot *slot = queue->first;
    queue->first = slot->next;
    queue->last = queue->first != NULL ? queue->last : NULL;
    queue->hint = queue->hint != slot ? queue->hint : NULL;
    expect(queue->first != NULL ? queue->first->next : NULL);
    slot->next = NULL;
    self->count--;
    self->bytes -= slot->bytes;
    return slot;
}

void hold_drop(struct hold *self, struct queue *queue)
{
    while (queue->first != NULL) {
        hold_recycle(self, hold_take(self, queue));
    }
}
