/* Why a record of a file is refused, in words for whoever made the file.
 *
 * The check is the broker's own, and its codes are for programs. Who has a register's dates as
 * 31/12/2020 needs to know what a date looks like here; the case record's table knows it. */
#include "reason.h"

#include "fields.h"

#include <casebus/errors.h>
#include <stdio.h>
#include <string.h>

/* The field a path names, a place in an array being of the array's field; NULL: none. */
static const struct casebus_field *find(const char *path)
{
    const struct casebus_field *table = casebus_case_schema, *field = NULL;
    while (table) {
        char name[96];
        const size_t size = strcspn(path, ".[");
        snprintf(name, sizeof name, "%.*s", (int)size, path);
        field = field_find(table, name);
        path += size;
        path += strcspn(path, ".");
        if (*path == '\0') {
            return field;
        }
        path++;
        table = field ? field->members : NULL;
    }
    return NULL;
}

static void list_choices(const struct casebus_field *field, char out[REASON_SIZE])
{
    size_t used = (size_t)snprintf(out, REASON_SIZE, "must be one of");
    for (const char *const *word = field->choices; *word && used < REASON_SIZE; word++) {
        used += (size_t)snprintf(out + used, REASON_SIZE - used, "%s %s",
                                 word == field->choices ? "" : ",", *word);
    }
}

static const char *wrong_identity(const struct casebus_field *field)
{
    return field == &casebus_case_schema[CASEBUS_CASE_AGENCY]
               ? "not an agency's code, a lower-case letter and then a-z, 0-9 or _, as in hse"
               : "must not be empty, nor have a ':', a '*' or control characters";
}

/* NULL: the code says as much as is known. */
static const char *wrong_value(const struct casebus_field *field)
{
    static const char *const by_type[] = {
        [CASEBUS_TYPE_TEXT] = "must not have control characters but tab and line ends",
        [CASEBUS_TYPE_DATE] = "not a date, as in 2025-03-31",
        [CASEBUS_TYPE_PENCE] = "not pence, a whole number from 0 on",
        [CASEBUS_TYPE_COUNT] = "not a whole number from 0 on",
        [CASEBUS_TYPE_INSTANT] = "not microseconds since 1970, nor as in 2025-03-01T10:20:30Z",
        [CASEBUS_TYPE_URL] = "must begin with http:// or https:// and have no blanks",
        [CASEBUS_TYPE_CASE_IDS] = "not a case id, as in hse:4812345",
    };
    if (field->setter == CASEBUS_SET_STORE) {
        return "only the broker sets this; leave it out (--help shows how, with all such "
               "fields)";
    }
    if (field->setter == CASEBUS_SET_IDENTITY) {
        return wrong_identity(field);
    }
    if (field == &casebus_case_schema[CASEBUS_CASE_OFFENCE_HEARING_DATE]) {
        return "not a date, as in 2025-03-31, or before offence_action_date";
    }
    if (field->type == CASEBUS_TYPE_TEXT && field->required) {
        return "must not be blank, nor have control characters";
    }
    return (size_t)field->type < sizeof by_type / sizeof *by_type ? by_type[field->type] : NULL;
}

static const char *wrong_type(const struct casebus_field *field)
{
    switch (field->type) {
    case CASEBUS_TYPE_PENCE:
    case CASEBUS_TYPE_COUNT:
    case CASEBUS_TYPE_INSTANT:
        return "must be a whole number";
    case CASEBUS_TYPE_MAP:
        return "must be an object, as in {\"name\": ...}";
    case CASEBUS_TYPE_MAPS:
        return "must be an array of objects";
    case CASEBUS_TYPE_CASE_IDS:
        return "must be an array of case ids, as in [\"hse:4812345\"]";
    default:
        return "must be text, in quotes";
    }
}

static const char *missing(const struct casebus_field *field)
{
    return field == &casebus_case_schema[CASEBUS_CASE_AGENCY]
               ? "is required, in each record or as --agency"
               : NULL;
}

static const char *find_words(int code, const struct casebus_field *field)
{
    switch (code) {
    case CASEBUS_EVALUE:
        return wrong_value(field);
    case CASEBUS_ETYPE:
        return wrong_type(field);
    case CASEBUS_EMISSING:
        return missing(field);
    default:
        return NULL;
    }
}

void reason_write(int code, const char *field, char out[REASON_SIZE])
{
    const struct casebus_field *known = find(field);
    const char *words = known ? find_words(code, known) : NULL;
    if (known && code == CASEBUS_EVALUE && known->type == CASEBUS_TYPE_CHOICE) {
        list_choices(known, out);
    } else if (known && code == CASEBUS_ETOOLONG) {
        snprintf(out, REASON_SIZE, "longer than %u bytes", (unsigned)known->max);
    } else {
        snprintf(out, REASON_SIZE, "%s", words ? words : casebus_strerror(code));
    }
}
