/* Tables for people, as wide as the terminal. */
#ifndef CASEBUS_TABLE_H
#define CASEBUS_TABLE_H

#include "text.h"

struct column {
    const char *title;
    bool right;    /* numbers */
    bool flexible; /* gives room where the terminal is too narrow */
};

struct table {
    const struct column *columns;
    size_t column_count;
    struct text cells; /* one behind the other */
    size_t *ends;      /* where each ends */
    size_t cell_count, room;
};

void table_init(struct table *self, const struct column *columns, size_t count);
void table_free(struct table *self);

/* Begins the next cell, of this row or a new one: what is added to the text until the next call
 * is its content. Only add to it. */
struct text *table_cell(struct table *self);
/* The whole, with its titles; `width` 0: as wide as it gets. */
void table_print(struct table *self, size_t width, struct text *out);

#endif
