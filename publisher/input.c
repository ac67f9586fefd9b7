/* Records out of a file: NDJSON, a JSON object a line; or CSV (csv_input.c), whose cells become
 * the same kind of object, so that everything behind this has one form to understand.
 *
 * A record that cannot be read is handed over like all others, with its line and what is wrong
 * with it, and reading goes on behind it. Memory is bounded by INPUT_RECORD_MAX. */
#include "input.h"

#include "csv_input.h"

#include <casebus/errors.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    struct source source;
    unsigned long line; /* that begins next */
    struct csv_input *csv;
    char *text; /* NDJSON: the line */
    size_t size;
    json_t *record; /* given out last */
};

int row_fault_set(struct row_fault *fault, const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->reason, sizeof fault->reason, format, args);
    va_end(args);
    snprintf(fault->field, sizeof fault->field, "%s", field[0] ? field : "-");
    return CASEBUS_EVALUE;
}

/* --- NDJSON ------------------------------------------------------------------------------- */

/* Adds to the line what is kept of it: one that is too long is only counted. */
static void line_add(struct input *self, const unsigned char *data, size_t size)
{
    if (self->size <= INPUT_RECORD_MAX) {
        size_t room = INPUT_RECORD_MAX + 1 - self->size;
        size = size < room ? size : room;
        memcpy(self->text + self->size, data, size);
        self->size += size;
    }
}

/* One line without its end: 1, or what source_peek gave. */
static int line_read(struct input *self)
{
    self->size = 0;
    bool any = false;
    for (;;) {
        const unsigned char *data;
        size_t size;
        int rc = source_peek(&self->source, &data, &size);
        if (rc <= 0) {
            return rc == 0 && any ? 1 : rc;
        }
        any = true;
        const unsigned char *end = memchr(data, '\n', size);
        size_t part = end ? (size_t)(end - data) : size;
        line_add(self, data, part);
        source_take(&self->source, end ? part + 1 : part);
        if (end) {
            return 1;
        }
    }
}

/* How many of the first bytes are blanks. */
static size_t blanks(const char *text, size_t size)
{
    size_t count = 0;
    while (count < size && text[count] != '\0' && strchr(" \t\r", text[count])) {
        count++;
    }
    return count;
}

/* An array of records, on one line or from here on. */
static bool begins_array(const char *text, size_t size)
{
    size_t at = blanks(text, size);
    if (at == size || text[at] != '[') {
        return false;
    }
    at++;
    at += blanks(text + at, size - at);
    return at == size || text[at] == '{' || text[at] == ']';
}

/* `error` NULL: it is JSON, but no object. */
static void refuse_line(const struct input *self, const json_error_t *error, struct row *row)
{
    if (begins_array(self->text, self->size)) {
        row_fault_set(&row->fault, "-",
                      "an array begins here: one object a line is expected, as "
                      "jq -c '.[]' file.json prints them");
    } else if (!error) {
        row_fault_set(&row->fault, "-", "not a JSON object");
    } else if (json_error_code(error) == json_error_null_character) {
        row_fault_set(&row->fault, "-",
                      "\\u0000 stands in a text or a name, which no field can have");
    } else {
        row_fault_set(&row->fault, "-", "not JSON: %s", error->text);
    }
}

static void parse_line(struct input *self, struct row *row)
{
    json_error_t error;
    if (self->size > INPUT_RECORD_MAX) {
        row_fault_set(&row->fault, "-", "longer than %d bytes", INPUT_RECORD_MAX);
        return;
    }
    json_t *value =
        json_loadb(self->text, self->size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value) {
        refuse_line(self, &error, row);
    } else if (!json_is_object(value)) {
        refuse_line(self, NULL, row);
        json_decref(value);
    } else {
        row->record = self->record = value;
    }
}

static int next_line(struct input *self, struct row *row)
{
    int rc;
    do {
        rc = line_read(self);
        row->line = self->line++;
    } while (rc == 1 && blanks(self->text, self->size) == self->size);
    if (rc == 1) {
        parse_line(self, row);
    }
    return rc;
}

/* --- both --------------------------------------------------------------------------------- */

static int open_format(struct input *self, const struct input_options *options,
                       struct row_fault *why)
{
    if (options->is_csv) {
        return csv_input_new(&self->csv, &self->source, options, why);
    }
    self->text = malloc(INPUT_RECORD_MAX + 1);
    return self->text ? 0 : row_fault_set(why, "-", "out of memory");
}

int input_open(struct input **self_p, const struct input_options *options,
               struct row_fault *why)
{
    *self_p = NULL;
    struct input *self = calloc(1, sizeof *self);
    if (!self) {
        return row_fault_set(why, "-", "out of memory");
    }
    self->line = 1;
    int error = source_open(&self->source, options->path, options->idle, options->idle_arg);
    if (error) {
        row_fault_set(why, "-", "%s", strerror(errno));
    } else {
        error = open_format(self, options, why);
    }
    if (error) {
        input_close(&self);
        return error;
    }
    *self_p = self;
    return 0;
}

void input_close(struct input **self_p)
{
    struct input *self = *self_p;
    if (!self) {
        return;
    }
    *self_p = NULL;
    json_decref(self->record);
    csv_input_destroy(&self->csv);
    source_close(&self->source);
    free(self->text);
    free(self);
}

int input_next(struct input *self, struct row *row)
{
    json_decref(self->record);
    self->record = NULL;
    *row = (struct row){0};
    if (!self->csv) {
        return next_line(self, row);
    }
    int rc = csv_input_next(self->csv, row);
    self->record = row->record;
    return rc;
}

double input_share(const struct input *self)
{
    if (self->source.size == 0) {
        return -1;
    }
    double share = (double)self->source.taken / (double)self->source.size;
    return share < 1 ? share : 1;
}
