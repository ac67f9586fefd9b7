/* A record of a file as a report's data.
 *
 * The names and types are the case record's, in the table's order; only two things are written
 * otherwise in files. Money may be pounds, under the field's name without `_pence`; and a time
 * may be text. Everything else goes as it is, what the table does not know behind what it
 * knows, and whether it is right is for the check of the whole report to say, which is the
 * broker's own. */
#include "encode.h"

#include "fields.h"
#include "instant.h"

#include <casebus/limits.h>
#include <casebus/money.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct encoder {
    msgpack_packer pk;
    struct row_fault *fault;
};

static int fault_in(struct encoder *e, const char *path, const char *name, const char *reason)
{
    char field[96];
    snprintf(field, sizeof field, "%s%s", path, name);
    return row_fault_set(e->fault, field, "%s", reason);
}

/* --- as it is ----------------------------------------------------------------------------- */

static void pack_json(msgpack_packer *pk, const json_t *value);

static void pack_object(msgpack_packer *pk, const json_t *object)
{
    const char *key;
    json_t *value;
    msgpack_pack_map(pk, json_object_size(object));
    json_object_foreach((json_t *)object, key, value)
    {
        casebus_pack_text(pk, key);
        pack_json(pk, value);
    }
}

static void pack_array(msgpack_packer *pk, const json_t *array)
{
    size_t size = json_array_size(array);
    msgpack_pack_array(pk, size);
    for (size_t i = 0; i < size; i++) {
        pack_json(pk, json_array_get(array, i));
    }
}

/* As deep as jansson lets a file nest. */
static void pack_json(msgpack_packer *pk, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_object(pk, value);
        break;
    case JSON_ARRAY:
        pack_array(pk, value);
        break;
    case JSON_STRING:
        casebus_pack_str(pk,
                         casebus_bytes(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        break;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        break;
    case JSON_NULL:
        msgpack_pack_nil(pk);
        break;
    }
}

/* --- what files write otherwise ----------------------------------------------------------- */

/* A number of pounds as text; a fraction that is not of pence is not what the file meant. */
static bool pounds_text(const json_t *value, char *out, size_t size)
{
    if (json_is_integer(value)) {
        snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    }
    double pounds = json_real_value(value);
    int length = snprintf(out, size, "%.2f", pounds);
    return length > 0 && (size_t)length < size && strtod(out, NULL) == pounds;
}

static int pack_pounds(struct encoder *e, const json_t *value, const char *path,
                       const char *name)
{
    char number[32];
    struct casebus_bytes text;
    uint64_t pence;
    if (json_is_null(value)) {
        msgpack_pack_nil(&e->pk);
        return 0;
    }
    if (json_is_string(value)) {
        text = casebus_bytes(json_string_value(value), json_string_length(value));
    } else if (json_is_number(value) && pounds_text(value, number, sizeof number)) {
        text = casebus_cstr(number);
    } else {
        text = casebus_cstr("");
    }
    if (casebus_pence_from_text(text, &pence)) {
        return fault_in(e, path, name, "not an amount of money, as in £1,234.50");
    }
    msgpack_pack_uint64(&e->pk, pence);
    return 0;
}

static int pack_instant(struct encoder *e, const json_t *value, const char *path,
                        const char *name)
{
    uint64_t instant;
    if (instant_from_text(casebus_bytes(json_string_value(value), json_string_length(value)),
                          &instant)) {
        return fault_in(e, path, name, "not a time in UTC, as in 2025-03-01T10:20:30Z");
    }
    msgpack_pack_uint64(&e->pk, instant);
    return 0;
}

/* --- maps with a table -------------------------------------------------------------------- */

static int pack_map(struct encoder *e, const json_t *map, const struct casebus_field *table,
                    const char *path);

static int pack_maps(struct encoder *e, const json_t *array, const struct casebus_field *field,
                     const char *path)
{
    size_t size = json_array_size(array);
    int error = 0;
    msgpack_pack_array(&e->pk, size);
    for (size_t i = 0; i < size && !error; i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_object(item)) {
            char inner[96];
            snprintf(inner, sizeof inner, "%s%s[%zu].", path, field->name, i);
            error = pack_map(e, item, field->members, inner);
        } else {
            pack_json(&e->pk, item);
        }
    }
    return error;
}

static int pack_value(struct encoder *e, const json_t *value, const struct casebus_field *field,
                      const char *path)
{
    if (field->type == CASEBUS_TYPE_MAP && field->members && json_is_object(value)) {
        char inner[96];
        snprintf(inner, sizeof inner, "%s%s.", path, field->name);
        return pack_map(e, value, field->members, inner);
    }
    if (field->type == CASEBUS_TYPE_MAPS && json_is_array(value)) {
        return pack_maps(e, value, field, path);
    }
    if (field->type == CASEBUS_TYPE_INSTANT && json_is_string(value)) {
        return pack_instant(e, value, path, field->name);
    }
    pack_json(&e->pk, value);
    return 0;
}

static bool is_identity(const struct casebus_field *table, const struct casebus_field *field)
{
    return table == casebus_case_schema &&
           (field == &casebus_case_schema[CASEBUS_CASE_AGENCY] ||
            field == &casebus_case_schema[CASEBUS_CASE_REGULATOR_ID]);
}

static int pack_field(struct encoder *e, const json_t *map, const struct casebus_field *field,
                      const char *path)
{
    char pounds[64];
    field_pounds_name(field, pounds, sizeof pounds);
    const json_t *value = json_object_get(map, field->name);
    const json_t *in_pounds = pounds[0] ? json_object_get(map, pounds) : NULL;
    if (value && in_pounds) {
        return fault_in(e, path, pounds, "given twice, in pounds and in pence");
    }
    if (!value && !in_pounds) {
        return 0;
    }
    casebus_pack_text(&e->pk, field->name);
    return value ? pack_value(e, value, field, path) : pack_pounds(e, in_pounds, path, pounds);
}

static size_t count_left_out(const json_t *map, const struct casebus_field *table)
{
    size_t count = 0;
    for (const struct casebus_field *field = table; field->name; field++) {
        count += is_identity(table, field) && json_object_get(map, field->name) ? 1 : 0;
    }
    return count;
}

static int pack_map(struct encoder *e, const json_t *map, const struct casebus_field *table,
                    const char *path)
{
    const char *key;
    json_t *value;
    int error = 0;
    msgpack_pack_map(&e->pk, json_object_size(map) - count_left_out(map, table));
    for (const struct casebus_field *field = table; field->name && !error; field++) {
        error = is_identity(table, field) ? 0 : pack_field(e, map, field, path);
    }
    json_object_foreach((json_t *)map, key, value)
    {
        if (!error && !field_is_known(table, key)) {
            casebus_pack_text(&e->pk, key);
            pack_json(&e->pk, value);
        }
    }
    return error;
}

int encode_record(const json_t *record, msgpack_sbuffer *out, struct row_fault *fault)
{
    struct encoder e = {.fault = fault};
    msgpack_packer_init(&e.pk, out, msgpack_sbuffer_write);
    return pack_map(&e, record, casebus_case_schema, "");
}
