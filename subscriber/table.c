/* Tables for people.
 *
 * Cells are kept in one text until the last is there, because a column is as wide as its widest
 * cell. Where the terminal is too narrow the flexible columns give room, the widest first; what
 * is cut ends in "…". A file or a pipe gets everything. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define GAP 2             /* columns between two columns */
#define FLEXIBLE_LEAST 10 /* what a flexible column keeps */
#define COLUMNS_MAX 16

void table_init(struct table *self, const struct column *columns, size_t count)
{
    *self = (struct table){.columns = columns,
                           .column_count = count < COLUMNS_MAX ? count : COLUMNS_MAX};
}

void table_free(struct table *self)
{
    text_free(&self->cells);
    free(self->ends);
    *self = (struct table){0};
}

static void end_cell(struct table *self)
{
    if (self->cell_count > 0) {
        self->ends[self->cell_count - 1] = self->cells.size;
    }
}

struct text *table_cell(struct table *self)
{
    end_cell(self);
    if (self->cell_count == self->room) {
        const size_t room = self->room == 0 ? 256 : self->room * 2;
        size_t *ends = realloc(self->ends, room * sizeof *ends);
        if (ends == NULL) {
            self->cells.failed = true;
            return &self->cells;
        }
        self->ends = ends;
        self->room = room;
    }
    self->cell_count++;
    return &self->cells;
}

static struct casebus_bytes cell_at(const struct table *self, size_t index)
{
    const size_t start = index == 0 ? 0 : self->ends[index - 1];
    return casebus_bytes(text_get(&self->cells) + start, self->ends[index] - start);
}

static void measure(const struct table *self, size_t *widths)
{
    for (size_t i = 0; i < self->column_count; i++) {
        widths[i] = strlen(self->columns[i].title);
    }
    for (size_t i = 0; i < self->cell_count; i++) {
        const struct casebus_bytes cell = cell_at(self, i);
        const size_t width = text_width((const char *)cell.data, cell.size);
        size_t *const widest = &widths[i % self->column_count];
        *widest = width > *widest ? width : *widest;
    }
}

/* The widest column that can still give room; NULL: none. */
static size_t *widest_flexible(const struct table *self, size_t *widths)
{
    size_t *widest = NULL;
    for (size_t i = 0; i < self->column_count; i++) {
        if (self->columns[i].flexible && widths[i] > FLEXIBLE_LEAST &&
            (widest == NULL || widths[i] > *widest)) {
            widest = &widths[i];
        }
    }
    return widest;
}

static void shrink(const struct table *self, size_t *widths, size_t width)
{
    size_t total = GAP * (self->column_count - 1);
    for (size_t i = 0; i < self->column_count; i++) {
        total += widths[i];
    }
    for (size_t *widest; total > width && (widest = widest_flexible(self, widths)) != NULL;) {
        *widest -= 1;
        total -= 1;
    }
}

static void pad(struct text *out, size_t columns)
{
    text_format(out, "%*s", (int)columns, "");
}

static void print_cell(const struct column *column, struct casebus_bytes cell, size_t width,
                       struct text *out)
{
    const char *const text = (const char *)cell.data;
    const size_t wide = text_width(text, cell.size);
    if (wide > width) {
        text_add_bytes(out, text, text_fit(text, cell.size, width - 1));
        text_add(out, "…");
    } else if (column->right) {
        pad(out, width - wide);
        text_add_bytes(out, text, cell.size);
    } else {
        text_add_bytes(out, text, cell.size);
        pad(out, width - wide);
    }
}

static void end_line(struct text *out)
{
    while (out->size > 0 && out->data[out->size - 1] == ' ') {
        out->size--;
    }
    text_add(out, "\n");
}

/* Row 0 has the titles. The last row may lack cells. */
static struct casebus_bytes cell_in_row(const struct table *self, size_t row, size_t column)
{
    if (row == 0) {
        return casebus_cstr(self->columns[column].title);
    }
    const size_t index = (row - 1) * self->column_count + column;
    return index < self->cell_count ? cell_at(self, index) : casebus_cstr("");
}

static void print_row(const struct table *self, size_t row, const size_t *widths,
                      struct text *out)
{
    for (size_t i = 0; i < self->column_count; i++) {
        if (i > 0) {
            pad(out, GAP);
        }
        print_cell(&self->columns[i], cell_in_row(self, row, i), widths[i], out);
    }
    end_line(out);
}

void table_print(struct table *self, size_t width, struct text *out)
{
    size_t widths[COLUMNS_MAX];
    if (self->cells.failed) {
        out->failed = true;
        return;
    }
    end_cell(self);
    measure(self, widths);
    if (width > 0) {
        shrink(self, widths, width);
    }
    const size_t rows = (self->cell_count + self->column_count - 1) / self->column_count;
    for (size_t row = 0; row <= rows; row++) {
        print_row(self, row, widths, out);
    }
}
