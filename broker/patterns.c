/* Patterns by connection; see patterns.h.
 *
 * The hashes of a connection stand in a table of their own, open and at most half full. They
 * are keyed, with a key that nobody is told: otherwise patterns could be made that count as
 * one. */
#include "patterns.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 16
#define DESCRIPTORS_MAX (1 << 20)

struct watched {
    uint64_t number; /* of the connection; 0: none was there yet */
    bool over;
    size_t count, room; /* a power of two */
    uint64_t *hash;     /* 0: free */
};

struct patterns {
    unsigned char key[crypto_shorthash_KEYBYTES];
    size_t count;
    struct watched *watched; /* by descriptor */
    struct watched past;     /* of connections whose descriptor another has by now */
};

struct patterns *patterns_new(void)
{
    struct patterns *self = calloc(1, sizeof *self);
    if (self) {
        crypto_shorthash_keygen(self->key);
        self->past.over = true;
    }
    return self;
}

void patterns_destroy(struct patterns **self_p)
{
    struct patterns *self = *self_p;
    if (self) {
        for (size_t i = 0; i < self->count; i++) {
            free(self->watched[i].hash);
        }
        free(self->watched);
        free(self);
        *self_p = NULL;
    }
}

/* --- the hashes of a connection ----------------------------------------------------------- */

/* Where it stands, or would. */
static size_t find(const struct watched *w, uint64_t hash)
{
    size_t at = hash & (w->room - 1);
    while (w->hash[at] != 0 && w->hash[at] != hash) {
        at = (at + 1) & (w->room - 1);
    }
    return at;
}

static bool make_room(struct watched *w)
{
    if (2 * (w->count + 1) <= w->room) {
        return true;
    }
    struct watched larger = *w;
    larger.room = w->room ? 2 * w->room : ROOM_MIN;
    larger.hash = calloc(larger.room, sizeof *larger.hash);
    if (!larger.hash) {
        return false;
    }
    for (size_t i = 0; i < w->room; i++) {
        if (w->hash[i] != 0) {
            larger.hash[find(&larger, w->hash[i])] = w->hash[i];
        }
    }
    free(w->hash);
    *w = larger;
    return true;
}

static bool add(struct watched *w, uint64_t hash)
{
    if (!make_room(w)) {
        return false;
    }
    size_t at = find(w, hash);
    w->count += w->hash[at] == 0;
    w->hash[at] = hash;
    return true;
}

/* Those behind it that stand where they do on its account move up. */
static void take_out(struct watched *w, uint64_t hash)
{
    size_t hole = w->room > 0 ? find(w, hash) : 0, mask = w->room - 1;
    if (w->room == 0 || w->hash[hole] == 0) {
        return;
    }
    for (size_t at = (hole + 1) & mask; w->hash[at] != 0; at = (at + 1) & mask) {
        size_t home = w->hash[at] & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            w->hash[hole] = w->hash[at];
            hole = at;
        }
    }
    w->hash[hole] = 0;
    w->count--;
}

/* --- connections -------------------------------------------------------------------------- */

static void begin_anew(struct watched *w, uint64_t number)
{
    free(w->hash);
    *w = (struct watched){.number = number};
}

static bool reach(struct patterns *self, size_t descriptor)
{
    if (descriptor < self->count) {
        return true;
    }
    size_t count = descriptor + descriptor / 2 + 64;
    struct watched *more =
        descriptor < DESCRIPTORS_MAX ? realloc(self->watched, count * sizeof *more) : NULL;
    if (!more) {
        return false;
    }
    memset(more + self->count, 0, (count - self->count) * sizeof *more);
    self->watched = more;
    self->count = count;
    return true;
}

/* NULL: no memory. */
static struct watched *watched_of(struct patterns *self, struct connection from)
{
    if (!reach(self, (size_t)from.descriptor)) {
        return NULL;
    }
    struct watched *w = &self->watched[from.descriptor];
    if (w->number < from.number) {
        begin_anew(w, from.number);
    }
    return w->number == from.number ? w : &self->past;
}

static uint64_t hash_of(const struct patterns *self, struct casebus_bytes pattern)
{
    uint64_t hash;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "a hash is a number");
    crypto_shorthash((unsigned char *)&hash, pattern.data, pattern.size, self->key);
    return hash ? hash : 1;
}

bool patterns_subscribe(struct patterns *self, struct connection from,
                        struct casebus_bytes pattern, uint64_t limit)
{
    struct watched *w = watched_of(self, from);
    if (w && (w->over || (add(w, hash_of(self, pattern)) && w->count <= limit))) {
        return false;
    }
    if (w) {
        begin_anew(w, from.number);
        w->over = true;
    }
    return true;
}

void patterns_unsubscribe(struct patterns *self, struct connection from,
                          struct casebus_bytes pattern)
{
    struct watched *w = watched_of(self, from);
    if (w && !w->over) {
        take_out(w, hash_of(self, pattern));
    }
}
