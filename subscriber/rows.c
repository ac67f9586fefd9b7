/* Lists of rows, and what has changed from one to the next.
 *
 * A row has moved where its place among those that stayed is another: a row that was only
 * pushed down by new ones has not. The rows that have not moved are a longest run of those that
 * stayed whose order is the same in both lists; so of ten rows the one that went to the front
 * is told, not the nine that it passed. */
#include "rows.h"

#include <stdlib.h>

/* --- a row ------------------------------------------------------------------------------ */

struct held *held_new(struct casebus_bytes key, struct casebus_bytes data)
{
    struct held *self = malloc(sizeof *self + key.size + 1 + data.size);
    if (self == NULL) {
        return NULL;
    }
    unsigned char *at = (unsigned char *)(self + 1);
    memcpy(at, data.data, data.size);
    memcpy(at + data.size, key.data, key.size);
    at[data.size + key.size] = '\0';
    self->refs = 1;
    self->data = casebus_bytes(at, data.size);
    self->key = (const char *)at + data.size;
    return self;
}

struct held *held_keep(struct held *self)
{
    self->refs++;
    return self;
}

void held_drop(struct held *self)
{
    if (--self->refs == 0) {
        free(self);
    }
}

/* --- a list ----------------------------------------------------------------------------- */

void rows_clear(struct rows *self)
{
    for (size_t i = 0; i < self->count; i++) {
        held_drop(self->held[i]);
    }
    free(self->row);
    free(self->held);
    free(self->slot);
    *self = (struct rows){0};
}

static size_t hash(const char *key)
{
    uint64_t mix = 14695981039346656037u;
    for (; *key != '\0'; key++) {
        mix = (mix ^ (unsigned char)*key) * 1099511628211u;
    }
    return (size_t)(mix ^ mix >> 32);
}

static void note(struct rows *self, size_t place)
{
    size_t at = hash(self->row[place].key) & (self->slots - 1);
    while (self->slot[at] != 0) {
        at = (at + 1) & (self->slots - 1);
    }
    self->slot[at] = (uint32_t)place + 1;
}

static int grow(struct rows *self)
{
    const size_t room = self->room == 0 ? 16 : self->room * 2;
    struct casebus_row *row = realloc(self->row, room * sizeof *row);
    self->row = row != NULL ? row : self->row;
    struct held **held = realloc(self->held, room * sizeof *held);
    self->held = held != NULL ? held : self->held;
    uint32_t *slot = calloc(room * 2, sizeof *slot);
    if (row == NULL || held == NULL || slot == NULL) {
        free(slot);
        return CASEBUS_ENOMEM;
    }
    free(self->slot);
    self->slot = slot;
    self->slots = room * 2;
    self->room = room;
    for (size_t i = 0; i < self->count; i++) {
        note(self, i);
    }
    return 0;
}

int rows_add(struct rows *self, struct held *row, bool gone)
{
    if (self->count == self->room && grow(self) != 0) {
        return CASEBUS_ENOMEM;
    }
    self->held[self->count] = held_keep(row);
    self->row[self->count] =
        (struct casebus_row){.key = row->key, .data = row->data, .gone = gone};
    note(self, self->count++);
    return 0;
}

size_t rows_find(const struct rows *self, const char *key)
{
    if (self->slots == 0) {
        return SIZE_MAX;
    }
    for (size_t at = hash(key) & (self->slots - 1); self->slot[at] != 0;
         at = (at + 1) & (self->slots - 1)) {
        const size_t place = self->slot[at] - 1;
        if (strcmp(self->row[place].key, key) == 0) {
            return place;
        }
    }
    return SIZE_MAX;
}

/* --- two lists -------------------------------------------------------------------------- */

static bool is_changed(const struct rows *old, size_t from, const struct rows *now, size_t to)
{
    return old->row[from].gone != now->row[to].gone ||
           (old->held[from] != now->held[to] &&
            !casebus_bytes_equal(old->row[from].data, now->row[to].data));
}

/* Marks in `stays` the rows of the new list that are a longest rising run of `from`. `tail`
 * holds, by length, where the run of that length with the lowest end ends; `before` the row
 * before each in its run. */
static void find_run(const size_t *from, size_t count, size_t *tail, size_t *before,
                     bool *stays)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        if (from[i] == SIZE_MAX) {
            continue;
        }
        size_t low = 0, high = longest;
        while (low < high) {
            const size_t middle = (low + high) / 2;
            if (from[tail[middle]] < from[i]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        before[i] = low > 0 ? tail[low - 1] : SIZE_MAX;
        tail[low] = i;
        longest = low == longest ? longest + 1 : longest;
    }
    for (size_t i = longest > 0 ? tail[longest - 1] : SIZE_MAX; i != SIZE_MAX; i = before[i]) {
        stays[i] = true;
    }
}

struct comparison {
    const struct rows *old, *now;
    size_t *from; /* by row of the new list: its place in the old one, or SIZE_MAX */
    bool *stays;
    struct casebus_change *change;
    size_t count;
};

static void tell(struct comparison *c, enum casebus_change_kind kind, size_t from, size_t to)
{
    c->change[c->count++] = (struct casebus_change){
        .kind = kind,
        .from = from,
        .to = to,
        .old = from != SIZE_MAX ? &c->old->row[from] : NULL,
        .now = to != SIZE_MAX ? &c->now->row[to] : NULL,
    };
}

static void tell_all(struct comparison *c)
{
    for (size_t i = 0; i < c->old->count; i++) {
        if (rows_find(c->now, c->old->row[i].key) == SIZE_MAX) {
            tell(c, CASEBUS_ROW_REMOVED, i, SIZE_MAX);
        }
    }
    for (size_t i = 0; i < c->now->count; i++) {
        if (c->from[i] == SIZE_MAX) {
            tell(c, CASEBUS_ROW_ADDED, SIZE_MAX, i);
        } else if (is_changed(c->old, c->from[i], c->now, i)) {
            tell(c, CASEBUS_ROW_CHANGED, c->from[i], i);
        } else if (!c->stays[i]) {
            tell(c, CASEBUS_ROW_MOVED, c->from[i], i);
        }
    }
}

int rows_diff(const struct rows *old, const struct rows *now, struct casebus_change **changes,
              size_t *count)
{
    struct comparison c = {.old = old, .now = now};
    size_t *places = calloc(3 * now->count + 1, sizeof *places);
    c.stays = calloc(now->count + 1, sizeof *c.stays);
    c.change = calloc(old->count + now->count + 1, sizeof *c.change);
    *changes = c.change;
    *count = 0;
    if (places == NULL || c.stays == NULL || c.change == NULL) {
        free(places);
        free(c.stays);
        free(c.change);
        *changes = NULL;
        return CASEBUS_ENOMEM;
    }
    c.from = places;
    for (size_t i = 0; i < now->count; i++) {
        c.from[i] = rows_find(old, now->row[i].key);
    }
    find_run(c.from, now->count, places + now->count, places + 2 * now->count, c.stays);
    tell_all(&c);
    *count = c.count;
    free(places);
    free(c.stays);
    return 0;
}
