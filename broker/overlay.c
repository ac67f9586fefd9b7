/* The write buffer of a transaction; see overlay.h. Items live in one array; nothing is freed
 * before the transaction ends.
 *
 * Most trees get their keys in order: of such a tree the list of its items is all that is
 * needed, and one comparison with the highest says that a key is new. The first key that comes
 * out of order puts the tree's items, from then on all of them, into an open hash table of
 * their indexes. */
#include "overlay.h"

#include "arena.h"
#include "compare.h"
#include "hash.h"

#include <stdlib.h>
#include <string.h>

/* An item as it was when the step began. */
struct undo {
    uint32_t item;
    unsigned char state, type;
    struct casebus_bytes data;
    size_t kept; /* where in `kept` the struct is that `data` points to; SIZE_MAX: unchanged */
};

struct overlay {
    struct arena arena;
    struct overlay_item *items;
    size_t count, capacity;
    uint32_t *slots; /* index + 1 into items; 0: free */
    size_t slot_count, slots_used;
    struct of_tree { /* the items of one tree, as indexes */
        uint32_t *list;
        size_t count, capacity;
        uint32_t last; /* index + 1 of the one asked for last: mostly it is asked for again */
        bool hashed;   /* they are in the table; else they are in key order */
    } of_tree[TREE_COUNT];
    uint32_t step;
    size_t first_of_step; /* items from here on have been added by it */
    struct undo *undo;    /* of those before */
    size_t undo_count, undo_capacity;
    unsigned char *kept;
    size_t kept_size, kept_capacity;
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
    arena_free(&self->arena);
    for (int t = 0; t < TREE_COUNT; t++) {
        free(self->of_tree[t].list);
    }
    free(self->items);
    free(self->slots);
    free(self->undo);
    free(self->kept);
    free(self->sorted);
    free(self);
    *self_p = NULL;
}

void overlay_forget(struct overlay *self)
{
    if (self->slots_used > 0) {
        memset(self->slots, 0, self->slot_count * sizeof *self->slots);
    }
    for (int t = 0; t < TREE_COUNT; t++) {
        self->of_tree[t].count = self->of_tree[t].last = 0;
        self->of_tree[t].hashed = false;
    }
    self->count = self->slots_used = 0;
    self->bytes = 0;
    overlay_step(self);
}

void overlay_clear(struct overlay *self)
{
    overlay_forget(self);
    arena_clear(&self->arena);
}

void *overlay_alloc(struct overlay *self, size_t size)
{
    return arena_alloc(&self->arena, size);
}

void overlay_trim(struct overlay *self, void *newest, size_t used)
{
    arena_trim(&self->arena, newest, used);
}

uint64_t overlay_hash(enum tree tree, struct casebus_bytes key)
{
    return hash_64(key.data, key.size, (uint64_t)tree);
}

static size_t find_slot(const struct overlay *self, uint64_t hash, enum tree tree,
                        struct casebus_bytes key)
{
    size_t mask = self->slot_count - 1, at = hash & mask;
    while (self->slots[at]) {
        const struct overlay_item *i = &self->items[self->slots[at] - 1];
        if (i->hash == hash && i->tree == tree && equal_strings(i->key, key)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

struct place {
    size_t item;   /* SIZE_MAX: none */
    bool above;    /* none, and all others of the tree are lower */
    uint64_t hash; /* where it was looked for in the table */
};

/* How many of the lowest `count` keys of the tree are lower. It nearly always comes behind the
 * newest: from there backwards in steps that double. */
static size_t count_lower(const struct overlay *self, const struct of_tree *tree, size_t count,
                          struct casebus_bytes key)
{
    size_t back = 1;
    while (back <= count &&
           compare_strings(self->items[tree->list[count - back]].key, key) >= 0) {
        back *= 2;
    }
    size_t low = back <= count ? count - back + 1 : 0;
    size_t high = count - back / 2;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_strings(self->items[tree->list[middle]].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct place find_in_order(const struct overlay *self, const struct of_tree *tree,
                                  struct casebus_bytes key)
{
    if (tree->count == 0) {
        return (struct place){.item = SIZE_MAX, .above = true};
    }
    const uint32_t highest = tree->list[tree->count - 1];
    const int order = compare_strings(key, self->items[highest].key);
    if (order >= 0) {
        return (struct place){.item = order == 0 ? highest : SIZE_MAX, .above = order > 0};
    }
    const uint32_t item = tree->list[count_lower(self, tree, tree->count - 1, key)];
    const bool here = equal_strings(self->items[item].key, key);
    return (struct place){.item = here ? item : SIZE_MAX};
}

static struct place find(const struct overlay *self, enum tree tree, struct casebus_bytes key)
{
    const struct of_tree *of_tree = &self->of_tree[tree];
    uint32_t last = of_tree->last;
    if (last && equal_strings(self->items[last - 1].key, key)) {
        return (struct place){.item = last - 1};
    }
    if (!of_tree->hashed) {
        return find_in_order(self, of_tree, key);
    }
    uint64_t hash = overlay_hash(tree, key);
    size_t slot = find_slot(self, hash, tree, key);
    return (struct place){.item = self->slots[slot] ? self->slots[slot] - 1 : SIZE_MAX,
                          .hash = hash};
}

const struct overlay_item *overlay_get(struct overlay *self, enum tree tree,
                                       struct casebus_bytes key)
{
    size_t i = self->count > 0 ? find(self, tree, key).item : SIZE_MAX;
    if (i == SIZE_MAX) {
        return NULL;
    }
    self->of_tree[tree].last = (uint32_t)i + 1;
    return self->items[i].state != OVERLAY_UNKNOWN ? &self->items[i] : NULL;
}

/* --- putting ---------------------------------------------------------------------------- */

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

static void put_in_slot(uint32_t *slots, size_t slot_count, uint64_t hash, size_t item)
{
    size_t at = hash & (slot_count - 1);
    while (slots[at]) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = (uint32_t)item + 1;
}

/* So many more items leave half of the table free. */
static int reserve_slots(struct overlay *self, size_t more)
{
    size_t wider = self->slot_count;
    while ((self->slots_used + more) * 2 > wider) {
        wider *= 2;
    }
    if (wider == self->slot_count) {
        return 0;
    }
    uint32_t *slots = calloc(wider, sizeof *slots);
    if (!slots) {
        return CASEBUS_ENOMEM;
    }
    for (size_t i = 0; i < self->count; i++) {
        if (self->of_tree[self->items[i].tree].hashed) {
            put_in_slot(slots, wider, self->items[i].hash, i);
        }
    }
    free(self->slots);
    self->slots = slots;
    self->slot_count = wider;
    return 0;
}

/* The order of the tree's keys ends here. */
static int hash_tree(struct overlay *self, struct of_tree *tree)
{
    if (reserve_slots(self, tree->count) < 0) {
        return CASEBUS_ENOMEM;
    }
    for (size_t i = 0; i < tree->count; i++) {
        const uint32_t item = tree->list[i];
        put_in_slot(self->slots, self->slot_count, self->items[item].hash, item);
    }
    self->slots_used += tree->count;
    tree->hashed = true;
    return 0;
}

/* Room for one more item of the tree. */
static int make_room(struct overlay *self, struct of_tree *tree)
{
    if (self->count == self->capacity && grow((void **)&self->items, &self->capacity,
                                              self->count + 1, sizeof *self->items) < 0) {
        return CASEBUS_ENOMEM;
    }
    if (tree->count == tree->capacity &&
        grow((void **)&tree->list, &tree->capacity, tree->count + 1, sizeof *tree->list) < 0) {
        return CASEBUS_ENOMEM;
    }
    return tree->hashed ? reserve_slots(self, 1) : 0;
}

static struct casebus_bytes copy(struct overlay *self, const void *data, size_t size)
{
    unsigned char *p = arena_alloc(&self->arena, size + 1);
    if (p && size > 0) {
        memcpy(p, data, size);
    }
    return casebus_bytes(p, p ? size : 0);
}

static int add_item(struct overlay *self, enum tree tree, struct casebus_bytes key,
                    struct place *place)
{
    struct of_tree *of_tree = &self->of_tree[tree];
    struct casebus_bytes own_key = copy(self, key.data, key.size);
    if (!own_key.data || (!of_tree->hashed && !place->above && hash_tree(self, of_tree) < 0) ||
        make_room(self, of_tree) < 0) {
        return CASEBUS_ENOMEM;
    }
    place->item = self->count++;
    self->items[place->item] =
        (struct overlay_item){.hash = place->hash ? place->hash : overlay_hash(tree, key),
                              .tree = (unsigned char)tree,
                              .state = OVERLAY_UNKNOWN,
                              .step = self->step,
                              .key = own_key};
    of_tree->list[of_tree->count++] = (uint32_t)place->item;
    if (of_tree->hashed) {
        put_in_slot(self->slots, self->slot_count, self->items[place->item].hash, place->item);
        self->slots_used++;
    }
    return 0;
}

/* The item under that key, found or added, and the newest of its tree. NULL: no memory. */
static struct overlay_item *item_of(struct overlay *self, enum tree tree,
                                    struct casebus_bytes key)
{
    struct place place = find(self, tree, key);
    if (place.item == SIZE_MAX && add_item(self, tree, key, &place) < 0) {
        return NULL;
    }
    self->of_tree[tree].last = (uint32_t)place.item + 1;
    return &self->items[place.item];
}

static int keep(struct overlay *self, struct casebus_bytes data, size_t *at)
{
    *at = self->kept_size;
    if (grow((void **)&self->kept, &self->kept_capacity, self->kept_size + data.size, 1) < 0) {
        return CASEBUS_ENOMEM;
    }
    memcpy(self->kept + self->kept_size, data.data, data.size);
    self->kept_size += data.size;
    return 0;
}

/* Remembers how the item is, once a step: with the struct it has, where that is written over.
 */
static int remember(struct overlay *self, struct overlay_item *item, bool written_over)
{
    struct undo u = {(uint32_t)(item - self->items), item->state, item->type, item->data,
                     SIZE_MAX};
    if (item->step == self->step) {
        return 0;
    }
    if (grow((void **)&self->undo, &self->undo_capacity, self->undo_count + 1,
             sizeof *self->undo) < 0 ||
        (written_over && keep(self, item->data, &u.kept) < 0)) {
        return CASEBUS_ENOMEM;
    }
    self->undo[self->undo_count++] = u;
    item->step = self->step;
    return 0;
}

static int set(struct overlay *self, struct overlay_item *item, enum overlay_state state,
               enum entry_type type, struct casebus_bytes data)
{
    if (remember(self, item, false) < 0) {
        return CASEBUS_ENOMEM;
    }
    item->data = data;
    item->state = (unsigned char)state;
    item->type = (unsigned char)type;
    self->bytes += item->key.size + data.size;
    return 0;
}

int overlay_set(struct overlay *self, enum tree tree, struct casebus_bytes key,
                enum overlay_state state, struct casebus_bytes data)
{
    struct overlay_item *item = item_of(self, tree, key);
    return item ? set(self, item, state, ENTRY_TYPE_COUNT, data) : CASEBUS_ENOMEM;
}

int overlay_save(struct overlay *self, enum tree tree, struct casebus_bytes key,
                 enum entry_type type, const void *entry)
{
    struct overlay_item *item = item_of(self, tree, key);
    if (!item) {
        return CASEBUS_ENOMEM;
    }
    if (item->state == OVERLAY_ENTRY && item->type == type) {
        if (remember(self, item, true) < 0) {
            return CASEBUS_ENOMEM;
        }
        memcpy((void *)(uintptr_t)item->data.data, entry, item->data.size);
        return 0;
    }
    struct casebus_bytes data = copy(self, entry, entry_struct_size(type));
    return data.data ? set(self, item, OVERLAY_ENTRY, type, data) : CASEBUS_ENOMEM;
}

/* --- steps ------------------------------------------------------------------------------ */

uint32_t overlay_step(struct overlay *self)
{
    self->undo_count = self->kept_size = 0;
    self->first_of_step = self->count;
    return ++self->step;
}

bool overlay_rollback(struct overlay *self, uint32_t step)
{
    if (step != self->step) {
        return false;
    }
    for (size_t i = self->first_of_step; i < self->count; i++) {
        self->items[i].state = OVERLAY_UNKNOWN;
    }
    while (self->undo_count > 0) {
        const struct undo *u = &self->undo[--self->undo_count];
        struct overlay_item *item = &self->items[u->item];
        item->data = u->data;
        item->state = u->state;
        item->type = u->type;
        item->step = self->step - 1;
        if (u->kept != SIZE_MAX) {
            memcpy((void *)(uintptr_t)u->data.data, self->kept + u->kept, u->data.size);
        }
    }
    self->kept_size = 0;
    return true;
}

/* --- handing on ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct overlay_item *const *x = a, *const *y = b;
    return compare_strings((*x)->key, (*y)->key);
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
    for (size_t i = 0; i < of_tree->count; i++) {
        const struct overlay_item *item = &self->items[of_tree->list[i]];
        if (i + OVERLAY_AHEAD < of_tree->count) {
            __builtin_prefetch(self->items[of_tree->list[i + OVERLAY_AHEAD]].key.data);
        }
        if (item->state != OVERLAY_UNKNOWN) {
            self->sorted[(*count)++] = item;
        }
    }
    if (of_tree->hashed) {
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
