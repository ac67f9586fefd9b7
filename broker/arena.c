/* Chunks of a megabyte, in the order in which they were taken; see arena.h. */
#include "arena.h"

#include <stdlib.h>

#define CHUNK_SIZE (1024 * 1024)

void arena_free(struct arena *self)
{
    while (self->chunks) {
        struct arena_chunk *next = self->chunks->next;
        free(self->chunks);
        self->chunks = next;
    }
    self->current = NULL;
}

void arena_clear(struct arena *self)
{
    struct arena_chunk **p = &self->chunks;
    while (*p) {
        struct arena_chunk *c = *p;
        if (c->size > CHUNK_SIZE) {
            *p = c->next;
            free(c);
        } else {
            c->used = 0;
            p = &c->next;
        }
    }
    self->current = self->chunks;
}

static struct arena_chunk *add_chunk(struct arena *self, size_t size)
{
    struct arena_chunk *c = malloc(sizeof *c + size);
    if (c) {
        *c = (struct arena_chunk){.size = size};
        *(self->current ? &self->current->next : &self->chunks) = c;
        self->current = c;
    }
    return c;
}

void *arena_alloc_elsewhere(struct arena *self, size_t size)
{
    struct arena_chunk *c = self->current;
    while (c && c->size - c->used < size && c->next) {
        c = self->current = c->next;
    }
    if (!c || c->size - c->used < size) {
        c = add_chunk(self, size > CHUNK_SIZE ? size : CHUNK_SIZE);
    }
    if (!c) {
        return NULL;
    }
    c->used += size;
    return c->data + c->used - size;
}
