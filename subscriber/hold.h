/* Events that wait: those that are taken, until they are handed over, and those that came
 * before something that is missing, until it is there. Private.
 *
 * A message is received into a slot and stays there, in its own memory, until its event has
 * been handed over: an event points into its frames, and a small frame lies in the slot itself,
 * so slots never move. Only an event of a bundle, or of the log, is copied into one. */
#ifndef CASEBUS_HOLD_H
#define CASEBUS_HOLD_H

#include <casebus/event.h>
#include <zmq.h>

struct slot {
    struct slot *next;
    zmq_msg_t topic, body;
    struct casebus_event event;
    size_t bytes;    /* that it holds, since they were looked at */
    unsigned origin; /* the user's mark; 0 in a new slot */
};

/* In the order of seq. */
struct queue {
    struct slot *first, *last, *hint;
};

struct hold {
    struct queue ready;  /* taken */
    struct queue parked; /* not taken */
    struct slot *spare;
    size_t spares;
    size_t count, bytes; /* of both queues */
};

void hold_init(struct hold *self);
void hold_end(struct hold *self);

/* An empty slot, the caller's until it is added or recycled; NULL: no memory. */
struct slot *hold_slot(struct hold *self);
void hold_recycle(struct hold *self, struct slot *slot);
/* Copies the two frames into the slot. */
bool slot_fill(struct slot *slot, struct casebus_bytes topic, struct casebus_bytes body);
/* The two frames, which lie where they are until it is recycled. */
void slot_look(struct slot *slot, struct casebus_bytes *topic, struct casebus_bytes *body);

/* Adds a slot that was looked at, which is recycled where the queue has its seq already. */
void hold_add(struct hold *self, struct queue *queue, struct slot *slot);
/* Takes the first slot out of the queue; it must have one. */
struct slot *hold_take(struct hold *self, struct queue *queue);
void hold_drop(struct hold *self, struct queue *queue);

#endif
