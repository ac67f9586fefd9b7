/* CSV: a header, then records, which may go over several lines where a cell is quoted.
 *
 * libcsv takes bytes and calls back for every cell and at the end of every record. It is fed
 * one line (or what lies between two line ends) at a time, so that at most one record ends in a
 * call, and the line on which a record began is known. Blanks around cells are kept: text is
 * stored as the register has it.
 *
 * A quote that is never closed makes one cell of the rest of the file: at INPUT_RECORD_MAX the
 * record is given up; there is no telling where the next one begins, so reading ends. Where
 * cells behind it are quoted, one of theirs may close it: then it has text behind the quote
 * that would be its end, and the record is refused if it has taken in more than that line. */
#include "csv_input.h"

#include "column.h"

#include <casebus/errors.h>
#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cell {
    size_t at, size;
};

struct quote {
    size_t cell;        /* it opens */
    unsigned long line; /* it is on; 0: there is none */
};

struct csv_input {
    struct source *source;
    struct csv_parser parser;
    unsigned long line;  /* of the next byte */
    unsigned long begin; /* of the record under way */
    unsigned long last;  /* of the last byte */
    struct quote opened; /* the last that opened a cell */
    struct quote stray; /* the first of the record whose cell has a quote that is not doubled */
    bool after_return;  /* the last byte was a CR: an LF belongs to it */
    bool row_done, ended;
    int error; /* from inside a callback */

    struct cell *cells; /* of the record under way, their bytes one after another */
    size_t cell_count, cell_room;
    char *text;
    size_t text_size, text_room;

    struct column *columns;
    size_t column_count;
};

/* --- one record of cells ------------------------------------------------------------------ */

static bool reserve(void *array_p, size_t *room, size_t wanted, size_t item)
{
    void **array = array_p;
    if (wanted <= *room) {
        return true;
    }
    size_t larger = wanted * 2;
    void *moved = realloc(*array, larger * item);
    if (!moved) {
        return false;
    }
    *array = moved;
    *room = larger;
    return true;
}

static void on_cell(void *data, size_t size, void *arg)
{
    struct csv_input *self = arg;
    void *cells = self->cells, *text = self->text;
    bool fits = reserve(&cells, &self->cell_room, self->cell_count + 1, sizeof(struct cell));
    self->cells = cells;
    fits = fits && reserve(&text, &self->text_room, self->text_size + size + 1, 1);
    self->text = text;
    if (!fits) {
        self->error = CASEBUS_ENOMEM;
        return;
    }
    if (size > 0) {
        memcpy(self->text + self->text_size, data, size);
    }
    self->text[self->text_size + size] = '\0';
    self->cells[self->cell_count++] = (struct cell){self->text_size, size};
    self->text_size += size + 1;
}

static void on_row(int end, void *arg)
{
    (void)end;
    ((struct csv_input *)arg)->row_done = true;
}

/* The bytes up to and with the next CR or LF. */
static size_t piece(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' || data[i] == '\r') {
            return i + 1;
        }
    }
    return size;
}

/* An LF right behind a CR is the same line's end. */
static void count_lines(struct csv_input *self, const unsigned char *data, size_t size)
{
    unsigned char last = data[size - 1];
    bool is_rest = self->after_return && data[0] == '\n';
    self->after_return = last == '\r';
    if (!is_rest) {
        self->last = self->line;
        self->line += last == '\n' || last == '\r' ? 1 : 0;
    }
}

/* Parses bytes of one line; less than all: see csv_error(). */
static size_t parse(struct csv_input *self, const unsigned char *data, size_t size)
{
    size_t cells = self->cell_count;
    bool was_open = self->parser.quoted;
    size_t done = csv_parse(&self->parser, data, size, on_cell, on_row, self);
    if (self->parser.quoted && (!was_open || self->cell_count != cells)) {
        self->opened = (struct quote){self->cell_count, self->line};
    }
    return done;
}

/* The same, but a quote that is neither doubled nor at an end of its cell is text, and noted
 * where the cell is a quoted one. Less than all: out of memory. */
static size_t parse_on(struct csv_input *self, const unsigned char *data, size_t size)
{
    size_t done = parse(self, data, size);
    while (done < size && csv_error(&self->parser) == CSV_EPARSE) {
        if (self->parser.quoted && self->stray.line == 0) {
            self->stray = self->opened;
        }
        csv_set_opts(&self->parser, 0);
        done += parse(self, data + done, 1);
        csv_set_opts(&self->parser, CSV_STRICT);
        done += parse(self, data + done, size - done);
    }
    return done;
}

/* What is left in the parser at the end of the file. */
static int finish(struct csv_input *self)
{
    if (self->ended) {
        return 0;
    }
    self->ended = true;
    csv_set_opts(&self->parser, CSV_STRICT | CSV_STRICT_FINI); /* is a quote still open? */
    int rc = csv_fini(&self->parser, on_cell, on_row, self);
    if (rc) {
        return CASEBUS_EMALFORMED;
    }
    return self->error ? self->error : self->row_done ? 1 : 0;
}

static size_t pending(const struct csv_input *self)
{
    return self->text_size + self->parser.entry_pos;
}

/* Reads on to the end of a record: 1; 0 at the end of the file; or a code: EMALFORMED for a
 * quote not closed, ETOOLARGE, ENOMEM; CASEBUS_EINTR and CASEBUS_EIO of the source. */
static int read_row(struct csv_input *self)
{
    self->cell_count = self->text_size = 0;
    self->row_done = false;
    self->stray.line = 0;
    self->begin = self->line;
    while (!self->row_done) {
        const unsigned char *data;
        size_t size;
        int rc = source_peek(self->source, &data, &size);
        if (rc <= 0) {
            return rc == 0 ? finish(self) : rc;
        }
        size = piece(data, size);
        if (parse_on(self, data, size) != size) {
            return CASEBUS_ENOMEM;
        }
        count_lines(self, data, size);
        source_take(self->source, size);
        if (self->error || pending(self) > INPUT_RECORD_MAX) {
            return self->error ? self->error : CASEBUS_ETOOLARGE;
        }
        if (pending(self) == 0 && self->cell_count == 0 && !self->parser.quoted) {
            self->begin = self->line; /* an empty line: nothing has begun */
        }
    }
    return 1;
}

/* --- the header --------------------------------------------------------------------------- */

static char *trimmed(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1])) {
        text[--size] = '\0';
    }
    return text;
}

static int header_fault(struct row_fault *why, const char *column, const char *reason)
{
    return row_fault_set(why, column[0] ? column : "header", "%s", reason);
}

/* The field a column's name stands for. */
static const char *translate(const char *column, const struct column_name *names, size_t count,
                             bool *used)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].column, column) == 0) {
            used[i] = true;
            return names[i].field;
        }
    }
    return column;
}

static bool is_taken(const struct csv_input *self, const char *path)
{
    for (size_t i = 0; i < self->column_count; i++) {
        if (self->columns[i].path && strcmp(self->columns[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static int add_column(struct csv_input *self, const char *field, struct row_fault *why)
{
    const char *reason = NULL;
    if (is_taken(self, field)) {
        return header_fault(why, field, "two columns have this name");
    }
    struct column *column = &self->columns[self->column_count];
    int error = column_init(column, field, &reason);
    self->column_count++;
    return error ? header_fault(why, field, reason) : 0;
}

/* One column, whose name has what other programs separate columns with. */
static int check_separator(const struct csv_input *self, struct row_fault *why)
{
    const char *path = self->column_count == 1 ? self->columns[0].path : NULL;
    const char *other = path ? strpbrk(path, ";\t") : NULL;
    if (!other) {
        return 0;
    }
    return row_fault_set(why, "header",
                         "the columns seem to be separated by %s: casebus-publish reads commas",
                         *other == ';' ? "';'" : "tabs");
}

/* Another register's names: what the header has shows which. */
static int lacks_column(const struct csv_input *self, const char *field, struct row_fault *why)
{
    char there[120];
    size_t used = 0;
    for (size_t i = 0; i < self->cell_count && used < sizeof there; i++) {
        used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", i > 0 ? ", " : "",
                                 self->text + self->cells[i].at);
    }
    return row_fault_set(why, "header",
                         "no column is %s: --map COLUMN=%s says which is; there are: %s", field,
                         field, there);
}

static int take_header(struct csv_input *self, const struct input_options *options,
                       struct row_fault *why)
{
    const struct column_name *names = options->names;
    const size_t count = options->name_count;
    bool *used = calloc(count + 1, sizeof *used);
    self->columns = calloc(self->cell_count, sizeof *self->columns);
    int error = used && self->columns ? 0 : header_fault(why, "", "out of memory");
    for (size_t i = 0; i < self->cell_count && !error; i++) {
        char *text = self->text + self->cells[i].at;
        if (!casebus_utf8_valid(casebus_bytes(text, self->cells[i].size))) {
            error = header_fault(why, "", "a column's name is not valid UTF-8");
        } else {
            error = add_column(self, translate(trimmed(text), names, count, used), why);
        }
    }
    error = error ? error : check_separator(self, why);
    for (size_t i = 0; i < count && !error; i++) {
        if (!used[i]) {
            error = header_fault(why, names[i].column, "there is no such column");
        }
    }
    if (!error && options->required && !is_taken(self, options->required)) {
        error = lacks_column(self, options->required, why);
    }
    free(used);
    return error;
}

static int read_header(struct csv_input *self, const struct input_options *options,
                       struct row_fault *why)
{
    int rc = read_row(self);
    if (rc == 1) {
        return take_header(self, options, why);
    }
    if (rc == 0) {
        return row_fault_set(why, "-", "is empty: the first line must name the columns");
    }
    if (rc == CASEBUS_EMALFORMED || (rc == CASEBUS_ETOOLARGE && self->parser.quoted)) {
        return row_fault_set(why, "header", "the quote that opens on line %lu is not closed",
                             self->opened.line);
    }
    return header_fault(why, "", casebus_strerror(rc));
}

/* --- records ------------------------------------------------------------------------------ */

/* The field whose cell this is; "": none is. */
static const char *field_of_cell(const struct csv_input *self, size_t cell)
{
    const char *path = cell < self->column_count ? self->columns[cell].path : NULL;
    return path ? path : "";
}

/* Told on the line of the quote; what went with it is told by lines. */
static int refuse_quote(const struct csv_input *self, const struct quote *quote,
                        const char *what, struct row *row)
{
    unsigned long count = self->last - self->begin + 1;
    row->line = quote->line;
    return row_fault_set(&row->fault, field_of_cell(self, quote->cell),
                         "%s: all up to line %lu (%lu %s) was taken into this row, and none "
                         "of it is published",
                         what, self->last, count, count == 1 ? "line" : "lines");
}

static void refuse_too_large(struct csv_input *self, struct row *row)
{
    if (self->parser.quoted) {
        row->line = self->opened.line;
        row_fault_set(&row->fault, field_of_cell(self, self->cell_count),
                      "the quote that opens here is not closed within %d bytes: from line %lu "
                      "on nothing is read or published",
                      INPUT_RECORD_MAX, self->begin);
    } else {
        row_fault_set(&row->fault, field_of_cell(self, self->cell_count),
                      "longer than %d bytes: the rest is not read", INPUT_RECORD_MAX);
    }
    self->ended = true;
}

static void take_record(struct csv_input *self, struct row *row)
{
    if (self->stray.line > 0 && self->last > self->stray.line) {
        refuse_quote(self, &self->stray,
                     "the quote that opens here is not closed, or one behind it not doubled",
                     row);
        return;
    }
    if (self->cell_count != self->column_count) { /* fewer: a row that was cut off */
        row_fault_set(&row->fault, "-", "%zu %s where the header has %zu", self->cell_count,
                      self->cell_count == 1 ? "column" : "columns", self->column_count);
        return;
    }
    row->record = json_object();
    int error = row->record ? 0 : row_fault_set(&row->fault, "-", "out of memory");
    for (size_t i = 0; i < self->cell_count && !error; i++) {
        const struct cell *cell = &self->cells[i];
        if (cell->size > 0 && !self->columns[i].path) {
            row->unnamed = i + 1;
        } else if (cell->size > 0) {
            error = column_put(&self->columns[i], self->text + cell->at, cell->size,
                               row->record, &row->fault);
        }
    }
    if (error) {
        json_decref(row->record);
        row->record = NULL;
    }
}

int csv_input_next(struct csv_input *self, struct row *row)
{
    if (self->ended) {
        return 0;
    }
    int rc = read_row(self);
    row->line = self->begin;
    if (rc == 1) {
        take_record(self, row);
    } else if (rc == CASEBUS_EMALFORMED) {
        refuse_quote(self, &self->opened, "the quote that opens here is never closed", row);
        rc = 1;
    } else if (rc == CASEBUS_ETOOLARGE) {
        refuse_too_large(self, row);
        rc = 1;
    } else if (rc == CASEBUS_ENOMEM) {
        row_fault_set(&row->fault, "-", "out of memory: the rest is not read");
        self->ended = true;
        rc = 1;
    }
    return rc;
}

/* --- life --------------------------------------------------------------------------------- */

static int no_blank(unsigned char c)
{
    (void)c;
    return 0;
}

int csv_input_new(struct csv_input **self_p, struct source *source,
                  const struct input_options *options, struct row_fault *why)
{
    struct csv_input *self = calloc(1, sizeof *self);
    *self_p = self;
    if (!self) {
        return header_fault(why, "", "out of memory");
    }
    self->source = source;
    self->line = 1;
    csv_init(&self->parser, CSV_STRICT);
    csv_set_blk_size(&self->parser, 64 * 1024); /* what its buffer grows by */
    csv_set_space_func(&self->parser, no_blank);
    int error = read_header(self, options, why);
    if (error) {
        csv_input_destroy(self_p);
    }
    return error;
}

void csv_input_destroy(struct csv_input **self_p)
{
    struct csv_input *self = *self_p;
    if (!self) {
        return;
    }
    *self_p = NULL;
    for (size_t i = 0; i < self->column_count; i++) {
        column_clear(&self->columns[i]);
    }
    csv_free(&self->parser);
    free(self->columns);
    free(self->cells);
    free(self->text);
    free(self);
}
