/* What a write transaction has put so far: a hash table over (tree, key). What was put since
 * the newest step began can be taken back.
 *
 * Memory comes from an arena that one transaction fills and the next reuses. An entry that is
 * put again, as totals and counters are by every report, takes no more of it. */
#ifndef BROKER_OVERLAY_H
#define BROKER_OVERLAY_H

#include "entries.h"
#include "keys.h"

enum overlay_state {
    OVERLAY_UNKNOWN, /* taken back: what the store holds counts */
    OVERLAY_DELETED,
    OVERLAY_BYTES, /* `data` is the value */
    OVERLAY_ENTRY  /* `data` is a struct, encoded when it is written */
};

struct overlay_item {
    uint64_t hash; /* of tree and key */
    struct casebus_bytes key;
    struct casebus_bytes data;
    unsigned char tree, state, type; /* enum tree, overlay_state, entry_type */
    uint32_t step;                   /* of its newest change */
};

uint64_t overlay_hash(enum tree tree, struct casebus_bytes key);

struct overlay;

struct overlay *overlay_new(void); /* NULL: no memory */
void overlay_destroy(struct overlay **self_p);
void overlay_clear(struct overlay *self);
/* Forgets the items, keeps the arena: they have been handed to LMDB. */
void overlay_forget(struct overlay *self);

void *overlay_alloc(struct overlay *self, size_t size); /* NULL: no memory */
/* NULL: nothing was put or deleted under this key, or it was taken back. */
const struct overlay_item *overlay_get(struct overlay *self, enum tree tree,
                                       struct casebus_bytes key);
/* Copies the key; the data must live as long as the overlay's own memory. 0 or CASEBUS_ENOMEM.
 */
int overlay_set(struct overlay *self, enum tree tree, struct casebus_bytes key,
                enum overlay_state state, struct casebus_bytes data);
/* Copies key and struct. 0 or CASEBUS_ENOMEM. */
int overlay_save(struct overlay *self, enum tree tree, struct casebus_bytes key,
                 enum entry_type type, const void *entry);
/* Gives back the end of the newest allocation, of which `used` bytes are wanted. */
void overlay_trim(struct overlay *self, void *newest, size_t used);
/* Begins a step: what was put before stays. Its number. */
uint32_t overlay_step(struct overlay *self);
/* Takes back the step, if it is the newest. */
bool overlay_rollback(struct overlay *self, uint32_t step);

/* Who goes through a batch touches memory that was written a batch ago: so many items before it
 * is needed, it is asked for. */
#define OVERLAY_AHEAD 8

/* The items of one tree in key order: *count of them, valid until the next change. */
const struct overlay_item *const *overlay_sorted(struct overlay *self, enum tree tree,
                                                 size_t *count, int *error);
size_t overlay_bytes(const struct overlay *self); /* of keys and data put */
size_t overlay_count(const struct overlay *self);

#endif
