/* Names of fields as files use them: those of the case record, and for every field in pence the
 * same name without `_pence`, which holds pounds as registers print them. */
#include "fields.h"

#include <stdio.h>
#include <string.h>

#define PENCE "_pence"

const struct casebus_field *field_find(const struct casebus_field *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

void field_pounds_name(const struct casebus_field *field, char *out, size_t size)
{
    size_t length = strlen(field->name), tail = strlen(PENCE);
    out[0] = '\0';
    if (field->type == CASEBUS_TYPE_PENCE && length > tail &&
        strcmp(field->name + length - tail, PENCE) == 0) {
        snprintf(out, size, "%.*s", (int)(length - tail), field->name);
    }
}

const struct casebus_field *field_of_pounds(const struct casebus_field *table, const char *name)
{
    char pounds[64];
    for (; table->name; table++) {
        field_pounds_name(table, pounds, sizeof pounds);
        if (pounds[0] && strcmp(pounds, name) == 0) {
            return table;
        }
    }
    return NULL;
}

bool field_is_known(const struct casebus_field *table, const char *name)
{
    return field_find(table, name) || field_of_pounds(table, name);
}
