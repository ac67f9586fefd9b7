/* What a column of a CSV file means (private to casebus-publish's input). See column.c. */
#ifndef CASEBUS_PUBLISH_COLUMN_H
#define CASEBUS_PUBLISH_COLUMN_H

#include "row.h"

#include <casebus/schema.h>

struct column {
    char *path;                        /* "offender.name"; NULL: the column is left out */
    char *map;                         /* "offender"; NULL: a field of the record itself */
    const char *key;                   /* in the map or the record */
    const struct casebus_field *field; /* NULL: none of the table (extras, pounds) */
};

/* 0; CASEBUS_EVALUE with *why: no cell can be such a field; CASEBUS_ENOMEM. An empty name
 * leaves the column out. */
int column_init(struct column *self, const char *name, const char **why);
void column_clear(struct column *self);

/* Puts a cell, which is not empty, into the record under the column's name. 0 or a code with
 * the fault filled in. */
int column_put(const struct column *self, const char *cell, size_t size, json_t *record,
               struct row_fault *fault);

#endif
