/* Lists of rows. Private to views.
 *
 * A row is held: views that show the same one share it, and a row that a fetch has not changed
 * is the one that was held before, so that lists are mostly compared by pointer. */
#ifndef CASEBUS_ROWS_H
#define CASEBUS_ROWS_H

#include <casebus/view.h>

struct held {
    size_t refs;
    const char *key;
    struct casebus_bytes data;
    /* Both follow. */
};

/* Held once; NULL: no memory. A NUL is put behind the key. */
struct held *held_new(struct casebus_bytes key, struct casebus_bytes data);
struct held *held_keep(struct held *self);
void held_drop(struct held *self);

struct rows {
    struct casebus_row *row; /* as callers see them */
    struct held **held;      /* the same, in the same order */
    size_t count, room;
    uint32_t *slot; /* of a table by key: place + 1, or 0 */
    size_t slots;   /* a power of two */
};

/* All zero is an empty list. */
void rows_clear(struct rows *self);
/* Adds a row behind the others and holds it. A key stands in a list once: that is its user's
 * promise. 0 or CASEBUS_ENOMEM. */
int rows_add(struct rows *self, struct held *row, bool gone);
/* Its place; SIZE_MAX: not there. */
size_t rows_find(const struct rows *self, const char *key);

/* What leads from one list to the other: *changes is to be freed; its rows are those of the
 * lists. 0 or CASEBUS_ENOMEM. */
int rows_diff(const struct rows *old, const struct rows *now, struct casebus_change **changes,
              size_t *count);

#endif
