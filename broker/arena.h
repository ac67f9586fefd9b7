/* Memory that one batch fills piece by piece and gives back as a whole: the next one uses it
 * again. */
#ifndef BROKER_ARENA_H
#define BROKER_ARENA_H

#include <stddef.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    unsigned char data[];
};

/* All zeros is an empty one. */
struct arena {
    struct arena_chunk *chunks, *current;
};

void arena_free(struct arena *self);
/* Keeps ordinary chunks for the next batch, gives back what a large record made it take. */
void arena_clear(struct arena *self);

/* Of arena_alloc(): where the chunk at hand is full. */
void *arena_alloc_elsewhere(struct arena *self, size_t size);

/* What keeps the next allocation aligned. */
static inline size_t arena_rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

/* NULL: no memory. */
static inline void *arena_alloc(struct arena *self, size_t size)
{
    struct arena_chunk *c = self->current;
    size = arena_rounded(size);
    if (!c || c->size - c->used < size) {
        return arena_alloc_elsewhere(self, size);
    }
    c->used += size;
    return c->data + c->used - size;
}

/* Gives back the end of the newest allocation, of which `used` bytes are wanted. */
static inline void arena_trim(struct arena *self, const void *newest, size_t used)
{
    struct arena_chunk *c = self->current;
    c->used = (size_t)((const unsigned char *)newest - c->data) + arena_rounded(used);
}

#endif
