/* Names of fields as files use them (private to casebus-publish). See fields.c. */
#ifndef CASEBUS_PUBLISH_FIELDS_H
#define CASEBUS_PUBLISH_FIELDS_H

#include <casebus/schema.h>

/* The field of a table with this name; NULL: none. */
const struct casebus_field *field_find(const struct casebus_field *table, const char *name);
/* The pence field that `name` gives in pounds: offence_fine for offence_fine_pence; or NULL. */
const struct casebus_field *field_of_pounds(const struct casebus_field *table,
                                            const char *name);
/* Writes the name a pence field has in pounds; "" for all other fields. */
void field_pounds_name(const struct casebus_field *field, char *out, size_t size);
/* Does a file's key mean a field of the table, in pence or in pounds? */
bool field_is_known(const struct casebus_field *table, const char *name);

#endif
