/* What a column of a CSV file means: a field of the case record by its dotted name, and what
 * its cells become: whole numbers where the field has one, case ids separated by semicolons,
 * otherwise text. A cell that does not fit its field stays text and is refused with the record,
 * by the same check as all others. */
#include "column.h"

#include "fields.h"

#include <casebus/errors.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_DIGITS_MAX 18

static const struct casebus_field *field_of(const struct column *self)
{
    if (!self->map) {
        return field_find(casebus_case_schema, self->key);
    }
    const struct casebus_field *map = field_find(casebus_case_schema, self->map);
    return map->members ? field_find(map->members, self->key) : NULL;
}

/* Splits "offender.name"; a dot behind anything that is not a map belongs to the name. */
static int split(struct column *self, const char *name)
{
    self->path = strdup(name);
    if (!self->path) {
        return CASEBUS_ENOMEM;
    }
    self->key = self->path;
    const char *dot = strchr(name, '.');
    if (!dot || !dot[1]) {
        return 0;
    }
    char *map = strndup(name, (size_t)(dot - name));
    if (!map) {
        return CASEBUS_ENOMEM;
    }
    const struct casebus_field *field = field_find(casebus_case_schema, map);
    if (!field || field->type != CASEBUS_TYPE_MAP) {
        free(map);
        return 0;
    }
    self->map = map;
    self->key = self->path + (dot - name) + 1;
    return 0;
}

int column_init(struct column *self, const char *name, const char **why)
{
    *self = (struct column){0};
    if (!name[0]) {
        return 0;
    }
    int error = split(self, name);
    if (error) {
        *why = "out of memory";
        return error;
    }
    self->field = field_of(self);
    if (self->field && self->field->type == CASEBUS_TYPE_MAP) {
        *why = "is a map: name its parts, as in offender.name";
        return CASEBUS_EVALUE;
    }
    if (self->field && self->field->type == CASEBUS_TYPE_MAPS) {
        *why = "is a list of maps, which a CSV file cannot hold: use NDJSON";
        return CASEBUS_EVALUE;
    }
    return 0;
}

void column_clear(struct column *self)
{
    free(self->path);
    free(self->map);
    *self = (struct column){0};
}

/* --- cells -------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_blank(**text)) {
        ++*text;
        --*size;
    }
    while (*size > 0 && is_blank((*text)[*size - 1])) {
        --*size;
    }
}

/* The whole number a cell holds, or its text. */
static json_t *whole_number(const char *cell, size_t size)
{
    const char *text = cell;
    size_t length = size;
    trim(&text, &length);
    json_int_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || length > WHOLE_DIGITS_MAX) {
            return json_stringn(cell, size);
        }
        n = n * 10 + (text[i] - '0');
    }
    return length > 0 ? json_integer(n) : json_stringn(cell, size);
}

static json_t *text_list(const char *cell, size_t size)
{
    json_t *list = json_array();
    const char *end = cell + size;
    while (cell <= end) {
        const char *stop = memchr(cell, ';', (size_t)(end - cell));
        size_t length = (size_t)((stop ? stop : end) - cell);
        const char *text = cell;
        size_t text_size = length;
        trim(&text, &text_size);
        if (text_size > 0 && json_array_append_new(list, json_stringn(text, text_size))) {
            json_decref(list);
            return NULL;
        }
        cell += length + 1;
    }
    return list;
}

static json_t *cell_value(const struct casebus_field *field, const char *cell, size_t size)
{
    if (!field) {
        return json_stringn(cell, size);
    }
    switch (field->type) {
    case CASEBUS_TYPE_COUNT:
    case CASEBUS_TYPE_PENCE:
    case CASEBUS_TYPE_INSTANT:
        return whole_number(cell, size);
    case CASEBUS_TYPE_CASE_IDS:
        return text_list(cell, size);
    default:
        return json_stringn(cell, size);
    }
}

static json_t *map_in(json_t *record, const char *key)
{
    json_t *map = json_object_get(record, key);
    if (!map) {
        map = json_object();
        return json_object_set_new(record, key, map) ? NULL : map;
    }
    return map;
}

int column_put(const struct column *self, const char *cell, size_t size, json_t *record,
               struct row_fault *fault)
{
    if (!self->path) {
        return 0;
    }
    if (!casebus_utf8_valid(casebus_bytes(cell, size))) {
        row_fault_set(fault, self->path, "%s", casebus_strerror(CASEBUS_EUTF8));
        return CASEBUS_EUTF8;
    }
    json_t *into = self->map ? map_in(record, self->map) : record;
    if (!into || json_object_set_new(into, self->key, cell_value(self->field, cell, size))) {
        row_fault_set(fault, self->path, "%s", casebus_strerror(CASEBUS_ENOMEM));
        return CASEBUS_ENOMEM;
    }
    return 0;
}
