/* The write buffer of a transaction; see overlay.h. Items live in one array, found through an
 * open hash table of their indexes; nothing is freed before the transaction ends. */
#include "overlay.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL /* short inputs: the call costs more than the hash */
#include <xxhash.h>

#define CHUNK_SIZE (1024 * 1024)

struct chunk {
    struct chunk *next;
    size_t size, used;
    unsigned char data[];
};

struct undo {
    size_t item;
    struct casebus_bytes data;
    unsigned char state, type;
};

struct overlay {
    struct chunk *chunks, *current;
    struct overlay_item *items;
    size_t count, capacity;
    uint32_t *slots; /* index + 1 into items; 0: free */
    size_t slot_count;
    struct of_tree { /* the items of one tree, as indexes */
        uint32_t *list;
        size_t count, capacity;
        uint32_t last; /* index + 1 of the one asked for last: mostly it is asked for again */
    } of_tree[TREE_COUNT];
    struct undo *undo;
    size_t undo_count, undo_capacity;
    const struct overlay_item **sorted;
    size_t sorted_capacity;
    size_t bytes;
};

struct overlay *overlay_new(void)
{
    struct overlay *self = calloc(1, sizeof *self);
    if (self) {
        self->slot_count = 4096;
        self->slots = calloc(self->slot_count, sizeof *self->slots);
        if (!self->slots) {
            free(self);
            self = NULL;
        }
    }
    return self;
}

void overlay_destroy(struct overlay **self_p)
{
    struct overlay *self = *self_p;
    if (!self) {
        return;
    }
    while (self->chunks) {
        struct chunk *next = self->chunks->next;
        free(self->chunks);
        self->chunks = next;
    }
    for (int t = 0; t < TREE_COUNT; t++) {
        free(self->of_tree[t].list);
    }
    free(self->items);
    free(self->slots);
    free(self->undo);
    free(self->sorted);
    free(self);
    *self_p = NULL;
}

void overlay_forget(struct overlay *self)
{
    memset(self->slots, 0, self->slot_count * sizeof *self->slots);
    for (int t = 0; t < TREE_COUNT; t++) {
        self->of_tree[t].count = self->of_tree[t].last = 0;
    }
    self->count = 0;
    self->undo_count = 0;
    self->bytes = 0;
}

void overlay_clear(struct overlay *self)
{
    overlay_forget(self);
    /* Keep ordinary chunks for the next batch, give back what a large record made us take. */
    struct chunk **p = &self->chunks;
    while (*p) {
        struct chunk *c = *p;
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

void *overlay_alloc(struct overlay *self, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    while (self->current && self->current->size - self->current->used < size) {
        if (!self->current->next) {
            break;
        }
        self->current = self->current->next;
    }
    if (!self->current || self->current->size - self->current->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct chunk *c = malloc(sizeof *c + room);
        if (!c) {
            return NULL;
        }
        c->size = room;
        c->used = 0;
        c->next = NULL;
        if (self->current) {
            self->current->next = c;
        } else {
            self->chunks = c;
        }
        self->current = c;
    }
    void *p = self->current->data + self->current->used;
    self->current->used += size;
    return p;
}

void overlay_trim(struct overlay *self, void *newest, size_t used)
{
    size_t at = (size_t)((unsigned char *)newest - self->current->data);
    self->current->used = at + ((used + 15) & ~(size_t)15);
}

uint64_t overlay_hash(enum tree tree, struct casebus_bytes key)
{
    return XXH3_64bits_withSeed(key.data, key.size, (XXH64_hash_t)tree);
}

static size_t find_slot(const struct overlay *self, uint64_t hash, enum tree tree,
                        struct casebus_bytes key)
{
    size_t mask = self->slot_count - 1, at = hash & mask;
    while (self->slots[at]) {
        const struct overlay_item *i = &self->items[self->slots[at] - 1];
        if (i->hash == hash && i->tree == tree && casebus_bytes_equal(i->key, key)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

/* The index of an item, SIZE_MAX: there is none. The hash is asked for only where it is needed.
 */
static size_t find_item(const struct overlay *self, enum tree tree, struct casebus_bytes key,
                        uint64_t *hash)
{
    uint32_t last = self->of_tree[tree].last;
    if (last && casebus_bytes_equal(self->items[last - 1].key, key)) {
        return last - 1;
    }
    *hash = overlay_hash(tree, key);
    size_t at = find_slot(self, *hash, tree, key);
    return self->slots[at] ? self->slots[at] - 1 : SIZE_MAX;
}

const struct overlay_item *overlay_get(struct overlay *self, enum tree tree,
                                       struct casebus_bytes key)
{
    uint64_t hash;
    size_t i = self->count > 0 ? find_item(self, tree, key, &hash) : SIZE_MAX;
    if (i == SIZE_MAX) {
        return NULL;
    }
    self->of_tree[tree].last = (uint32_t)i + 1;
    return self->items[i].state != OVERLAY_UNKNOWN ? &self->items[i] : NULL;
}

static int grow(void **array, size_t *capacity, size_t need, size_t item)
{
    if (need <= *capacity) {
        return 0;
    }
    size_t wider = *capacity ? *capacity * 2 : 1024;
    while (wider < need) {
        wider *= 2;
    }
    void *p = realloc(*array, wider * item);
    if (!p) {
        return CASEBUS_ENOMEM;
    }
    *array = p;
    *capacity = wider;
    return 0;
}

static int widen_slots(struct overlay *self)
{
    if ((self->count + 1) * 2 <= self->slot_count) {
        return 0;
    }
    size_t wider = self->slot_count * 2;
    uint32_t *slots = calloc(wider, sizeof *slots);
    if (!slots) {
        return CASEBUS_ENOMEM;
    }
    for (size_t i = 0; i < self->count; i++) {
        size_t at = self->items[i].hash & (wider - 1);
        while (slots[at]) {
            at = (at + 1) & (wider - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    free(self->slots);
    self->slots = slots;
    self->slot_count = wider;
    return 0;
}

static struct casebus_bytes copy(struct overlay *self, struct casebus_bytes b)
{
    unsigned char *p = overlay_alloc(self, b.size + 1);
    if (p && b.size > 0) {
        memcpy(p, b.data, b.size);
    }
    return casebus_bytes(p, p ? b.size : 0);
}

static int add_item(struct overlay *self, uint64_t hash, enum tree tree,
                    struct casebus_bytes key, size_t *index)
{
    struct of_tree *of_tree = &self->of_tree[tree];
    if (widen_slots(self) < 0 ||
        grow((void **)&self->items, &self->capacity, self->count + 1, sizeof *self->items) <
            0 ||
        grow((void **)&of_tree->list, &of_tree->capacity, of_tree->count + 1,
             sizeof *of_tree->list) < 0) {
        return CASEBUS_ENOMEM;
    }
    struct overlay_item item = {.hash = hash,
                                .tree = (unsigned char)tree,
                                .state = OVERLAY_UNKNOWN,
                                .key = copy(self, key)};
    if (!item.key.data) {
        return CASEBUS_ENOMEM;
    }
    size_t at = find_slot(self, hash, tree, key);
    *index = self->count++;
    self->items[*index] = item;
    self->slots[at] = (uint32_t)*index + 1;
    of_tree->list[of_tree->count++] = (uint32_t)*index;
    return 0;
}

int overlay_set(struct overlay *self, enum tree tree, struct casebus_bytes key,
                enum overlay_state state, enum entry_type type, struct casebus_bytes data)
{
    uint64_t hash = 0;
    size_t index = find_item(self, tree, key, &hash);
    if (grow((void **)&self->undo, &self->undo_capacity, self->undo_count + 1,
             sizeof *self->undo) < 0) {
        return CASEBUS_ENOMEM;
    }
    if (index == SIZE_MAX && add_item(self, hash, tree, key, &index) < 0) {
        return CASEBUS_ENOMEM;
    }
    self->of_tree[tree].last = (uint32_t)index + 1;
    struct overlay_item *i = &self->items[index];
    self->undo[self->undo_count++] = (struct undo){index, i->data, i->state, i->type};
    i->data = data;
    i->state = (unsigned char)state;
    i->type = (unsigned char)type;
    self->bytes += key.size + data.size;
    return 0;
}

size_t overlay_mark(const struct overlay *self)
{
    return self->undo_count;
}

void overlay_rollback(struct overlay *self, size_t mark)
{
    while (self->undo_count > mark) {
        const struct undo *u = &self->undo[--self->undo_count];
        self->items[u->item].data = u->data;
        self->items[u->item].state = u->state;
        self->items[u->item].type = u->type;
    }
}

static int compare(const void *a, const void *b)
{
    const struct overlay_item *const *x = a, *const *y = b;
    return casebus_bytes_compare((*x)->key, (*y)->key);
}

const struct overlay_item *const *overlay_sorted(struct overlay *self, enum tree tree,
                                                 size_t *count, int *error)
{
    const struct of_tree *of_tree = &self->of_tree[tree];
    *count = 0;
    if (grow((void **)&self->sorted, &self->sorted_capacity, of_tree->count + 1,
             sizeof *self->sorted) < 0) {
        *error = CASEBUS_ENOMEM;
        return NULL;
    }
    bool in_order = true;
    for (size_t i = 0; i < of_tree->count; i++) {
        const struct overlay_item *item = &self->items[of_tree->list[i]];
        if (item->state == OVERLAY_UNKNOWN) {
            continue;
        }
        if (*count > 0 && casebus_bytes_compare(self->sorted[*count - 1]->key, item->key) > 0) {
            in_order = false;
        }
        self->sorted[(*count)++] = item;
    }
    if (!in_order) {
        qsort(self->sorted, *count, sizeof *self->sorted, compare);
    }
    *error = 0;
    return self->sorted;
}

size_t overlay_bytes(const struct overlay *self)
{
    return self->bytes;
}

size_t overlay_count(const struct overlay *self)
{
    return self->count;
}
