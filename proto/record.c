/* Checking maps against the tables, and taking a case record apart.
 *
 * Everything is read once: a value is checked while the reader passes it, and what the reader
 * has passed is the value as encoded. Keys usually come in the table's order, so the search for
 * a field begins behind the one found before. Paths are built on the way out of a failure. */
#include "fault.h"
#include "text.h"
#include "unscanned.h"
#include "wire.h"

#include <casebus/schema.h>
#include <casebus/topic.h>
#include <string.h>

#define WHOLE_MAX ((UINT64_C(1) << 53) - 1) /* what every language's numbers hold exactly */

/* What is asked of a map. */
enum {
    FROM_REPORT = 1, /* a nil clears, and what the store keeps is refused */
    UNSCANNED = 2    /* no scan has passed it: what one would ask is asked here too */
};

static inline int check_value(struct casebus_reader *r, const struct casebus_field *field,
                              unsigned how, struct casebus_fault *fault);

/* --- values --------------------------------------------------------------------------- */

static int check_case_ids(struct casebus_reader *r, uint32_t count,
                          const struct casebus_field *field, struct casebus_fault *fault)
{
    if (count > field->max) {
        return casebus_fault_set(fault, CASEBUS_ETOOMANY, "");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct casebus_bytes agency, regulator_id, id = casebus_read_str(r);
        int error = r->error;
        if (!error && casebus_case_id_split(id, &agency, &regulator_id) != 0) {
            error = CASEBUS_EVALUE;
        }
        if (error) {
            casebus_fault_set(fault, error, "");
            casebus_fault_under_index(fault, i);
            return error;
        }
    }
    return 0;
}

static inline bool is_named(const struct casebus_field *field, struct casebus_bytes name)
{
    return field->name_size == name.size && field->name &&
           wire_same((const unsigned char *)field->name, name.data, name.size);
}

/* A map's way through its table. */
struct walk {
    const struct casebus_field *schema, *next;
    unsigned how;
    uint32_t seen; /* a bit for each field of the table */
};

_Static_assert(CASEBUS_CASE_FIELD_COUNT <= 32, "a bit each in walk.seen");

static inline struct walk walk_of(const struct casebus_field *schema, unsigned how)
{
    return (struct walk){.schema = schema, .next = schema, .how = how};
}

/* The field of that name; the search begins behind the one that a table's order would have, and
 * behind the end is the beginning. */
static const struct casebus_field *find(const struct walk *walk, struct casebus_bytes name)
{
    const struct casebus_field *field = walk->next;
    do {
        field = field->name ? field + 1 : walk->schema;
        if (is_named(field, name)) {
            return field;
        }
    } while (field != walk->next);
    return NULL;
}

/* The field whose key the reader passes; NULL: the table has none of that name, or the reader
 * has failed. No key comes twice where a scan has been. */
static inline const struct casebus_field *walk_on(struct walk *walk, struct casebus_reader *r)
{
    struct casebus_bytes name = wire_read_name(r);
    const struct casebus_field *field =
        is_named(walk->next, name) ? walk->next : find(walk, name);
    if (!field) {
        if (walk->how & UNSCANNED) {
            wire_fail(r, CASEBUS_EVALUE);
        }
        return NULL;
    }
    uint32_t bit = UINT32_C(1) << (field - walk->schema);
    if (walk->seen & bit) {
        wire_fail(r, CASEBUS_EDUPLICATE);
        return NULL;
    }
    walk->seen |= bit;
    walk->next = field + 1;
    return field;
}

static int check_required(struct casebus_bytes map, const struct casebus_field *schema,
                          struct casebus_fault *fault)
{
    for (const struct casebus_field *field = schema; field->name; field++) {
        if (field->required && !casebus_map_get(map, field->name).data) {
            return casebus_fault_set(fault, CASEBUS_EMISSING, field->name);
        }
    }
    return 0;
}

/* The `count` pairs the reader is at. */
static int check_members(struct casebus_reader *r, uint32_t count,
                         const struct casebus_field *schema, unsigned how,
                         struct casebus_fault *fault)
{
    struct walk walk = walk_of(schema, how);
    for (uint32_t i = 0; i < count && !r->error; i++) {
        const struct casebus_field *field = walk_on(&walk, r);
        if (!field) {
            casebus_skip(r);
            continue;
        }
        int error = check_value(r, field, how, fault);
        if (error) {
            return error;
        }
    }
    return r->error ? casebus_fault_set(fault, r->error, "") : 0;
}

/* A whole map that must have what its table requires. */
static int check_whole_map(struct casebus_reader *r, const struct casebus_field *schema,
                           unsigned how, struct casebus_fault *fault)
{
    const unsigned char *begin = r->at;
    uint32_t count = casebus_read_map(r);
    int error = check_members(r, count, schema, how, fault);
    if (error) {
        return error;
    }
    return check_required(casebus_bytes(begin, (size_t)(r->at - begin)), schema, fault);
}

static int check_maps(struct casebus_reader *r, uint32_t count,
                      const struct casebus_field *field, unsigned how,
                      struct casebus_fault *fault)
{
    if (count > field->max) {
        return casebus_fault_set(fault, CASEBUS_ETOOMANY, "");
    }
    for (uint32_t i = 0; i < count; i++) {
        int error = check_whole_map(r, field->members, how & UNSCANNED, fault);
        if (error) {
            casebus_fault_under_index(fault, i);
            return error;
        }
    }
    return 0;
}

/* A map without a table: any keys and values. */
static int check_free_map(struct casebus_reader *r, unsigned how, struct casebus_fault *fault)
{
    struct casebus_bytes map = casebus_read_raw(r);
    if (r->error) {
        return casebus_fault_set(fault, r->error, "");
    }
    struct casebus_scan_limits limits = casebus_scan_limits();
    limits.depth -= 2; /* the body's and data's */
    return how & UNSCANNED ? casebus_scan(map, limits, fault) : 0;
}

/* A map's pairs. One that will be merged with another (an offender) need not have what is
 * required, and its nils clear. */
static int check_map(struct casebus_reader *r, uint32_t count,
                     const struct casebus_field *field, unsigned how,
                     const unsigned char *begin, struct casebus_fault *fault)
{
    if (!field->members) {
        r->at = begin;
        return check_free_map(r, how, fault);
    }
    bool merged = field->setter == CASEBUS_SET_MERGED;
    int error = check_members(r, count, field->members, merged ? how : how & UNSCANNED, fault);
    if (error || merged) {
        return error;
    }
    return check_required(casebus_bytes(begin, (size_t)(r->at - begin)), field->members, fault);
}

static int check_read_str(struct casebus_bytes text, const struct casebus_field *field,
                          unsigned how)
{
    bool scanned = !(how & UNSCANNED) || text_is_simple(text) || casebus_utf8_valid(text);
    return scanned ? casebus_text_fits(text, field) : CASEBUS_EUTF8;
}

/* What each type is in msgpack, and the largest number. */
static const struct {
    enum casebus_kind kind;
    uint64_t max;
} types[] = {
    [CASEBUS_TYPE_TEXT] = {CASEBUS_STR, 0},
    [CASEBUS_TYPE_DATE] = {CASEBUS_STR, 0},
    [CASEBUS_TYPE_PENCE] = {CASEBUS_UINT, CASEBUS_PENCE_MAX},
    [CASEBUS_TYPE_COUNT] = {CASEBUS_UINT, WHOLE_MAX},
    [CASEBUS_TYPE_INSTANT] = {CASEBUS_UINT, WHOLE_MAX},
    [CASEBUS_TYPE_URL] = {CASEBUS_STR, 0},
    [CASEBUS_TYPE_CHOICE] = {CASEBUS_STR, 0},
    [CASEBUS_TYPE_MAP] = {CASEBUS_MAP, 0},
    [CASEBUS_TYPE_MAPS] = {CASEBUS_ARRAY, 0},
    [CASEBUS_TYPE_CASE_IDS] = {CASEBUS_ARRAY, 0},
};

/* The value whose head was `wire`, at `begin`; the reader is behind the head. */
static int check_typed(struct casebus_reader *r, const struct wire *wire,
                       const unsigned char *begin, const struct casebus_field *field,
                       unsigned how, struct casebus_fault *fault)
{
    int error = 0;
    if (wire->kind != types[field->type].kind) {
        bool negative = wire->kind == CASEBUS_INT && types[field->type].kind == CASEBUS_UINT;
        error = negative ? CASEBUS_EVALUE : CASEBUS_ETYPE;
    } else if (wire->kind == CASEBUS_STR) {
        error = check_read_str(casebus_bytes(r->at, wire->count), field, how);
        r->at += wire->count;
    } else if (wire->kind == CASEBUS_UINT) {
        error = wire->number <= types[field->type].max ? 0 : CASEBUS_EVALUE;
    } else if (wire->kind == CASEBUS_MAP) {
        return check_map(r, wire->count, field, how, begin, fault);
    } else if (field->type == CASEBUS_TYPE_MAPS) {
        return check_maps(r, wire->count, field, how, fault);
    } else {
        return check_case_ids(r, wire->count, field, fault);
    }
    return error ? casebus_fault_set(fault, error, "") : 0;
}

static inline bool is_usual_text(struct casebus_bytes text, const struct casebus_field *field)
{
    switch (field->type) {
    case CASEBUS_TYPE_TEXT:
        return text.size <= field->max && text_is_simple(text) &&
               !(field->required && casebus_text_is_blank(text));
    case CASEBUS_TYPE_DATE:
        return casebus_date_valid(text);
    default:
        return false;
    }
}

/* Passes a short text or a number that is as it should be, as most values are. */
static inline bool pass_usual(struct casebus_reader *r, const struct casebus_field *field)
{
    uint64_t number;
    size_t size = wire_short(r->at, r->end);
    if (size > 0) {
        if (!is_usual_text(casebus_bytes(r->at + 1, size), field)) {
            return false;
        }
        r->at += 1 + size;
        return true;
    }
    size = wire_uint(r->at, r->end, &number);
    if (size == 0 || types[field->type].kind != CASEBUS_UINT ||
        number > types[field->type].max) {
        return false;
    }
    r->at += size;
    return true;
}

static int check_any(struct casebus_reader *r, const struct casebus_field *field, unsigned how,
                     struct casebus_fault *fault)
{
    const unsigned char *begin = r->at;
    bool clears = field->setter == CASEBUS_SET_REPORT || field->setter == CASEBUS_SET_MERGED;
    struct wire wire;
    int error = wire_read(&r->at, r->end, &wire);
    if (error) {
        casebus_fault_set(fault, error, "");
    } else if (wire.kind != CASEBUS_NIL || !(how & FROM_REPORT) || !clears) {
        error = check_typed(r, &wire, begin, field, how, fault);
    }
    if (error) {
        casebus_fault_under(fault, casebus_cstr(field->name));
    }
    return error;
}

/* Checks the value the reader is at, and passes it. */
static inline int check_value(struct casebus_reader *r, const struct casebus_field *field,
                              unsigned how, struct casebus_fault *fault)
{
    return pass_usual(r, field) ? 0 : check_any(r, field, how, fault);
}

static inline unsigned how_scanned(bool from_report)
{
    return from_report ? FROM_REPORT : 0;
}

int casebus_value_check(struct casebus_bytes raw, const struct casebus_field *field,
                        bool from_report, struct casebus_fault *fault)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    return check_value(&r, field, how_scanned(from_report), fault);
}

int casebus_text_check(struct casebus_bytes text, const struct casebus_field *field)
{
    return casebus_text_fits(text, field);
}

int casebus_map_check(struct casebus_bytes map, const struct casebus_field *schema,
                      bool from_report, struct casebus_fault *fault)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    return check_whole_map(&r, schema, how_scanned(from_report), fault);
}

/* --- the case record ------------------------------------------------------------------ */

static inline int parse_field(struct casebus_reader *r, const struct casebus_field *field,
                              unsigned how, struct casebus_record *record,
                              struct casebus_fault *fault)
{
    const unsigned char *begin = r->at;
    if (how & FROM_REPORT && field->setter == CASEBUS_SET_STORE) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, field->name);
    }
    int error = check_value(r, field, how, fault);
    if (!error) {
        record->field[field - casebus_case_schema] =
            casebus_bytes(begin, (size_t)(r->at - begin));
    }
    return error;
}

static int check_dates(const struct casebus_record *record, struct casebus_fault *fault)
{
    struct casebus_bytes action =
        casebus_as_str(record->field[CASEBUS_CASE_OFFENCE_ACTION_DATE]);
    struct casebus_bytes hearing =
        casebus_as_str(record->field[CASEBUS_CASE_OFFENCE_HEARING_DATE]);
    if (action.data && hearing.data && casebus_bytes_compare(hearing, action) < 0) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, "offence_hearing_date");
    }
    return 0;
}

/* The map the reader is at, into a record that is empty. */
static int parse(struct casebus_reader *r, unsigned how, struct casebus_record *record,
                 struct casebus_fault *fault)
{
    struct walk walk = walk_of(casebus_case_schema, how);
    uint32_t count = casebus_read_map(r);
    for (uint32_t i = 0; i < count && !r->error; i++) {
        const struct casebus_field *field = walk_on(&walk, r);
        if (!field) {
            record->unknown_count++;
            casebus_skip(r);
            continue;
        }
        int error = parse_field(r, field, how, record, fault);
        if (error) {
            return error;
        }
    }
    return r->error ? casebus_fault_set(fault, r->error, "") : check_dates(record, fault);
}

int casebus_record_parse(struct casebus_bytes map, bool from_report,
                         struct casebus_record *record, struct casebus_fault *fault)
{
    struct casebus_reader r;
    memset(record, 0, sizeof *record);
    record->encoded = map;
    casebus_reader_init(&r, map);
    return parse(&r, how_scanned(from_report), record, fault);
}

bool casebus_record_parse_unscanned(struct casebus_reader *r, struct casebus_record *record)
{
    const unsigned char *begin = r->at;
    if (parse(r, FROM_REPORT | UNSCANNED, record, NULL) != 0) {
        return false;
    }
    record->encoded = casebus_bytes(begin, (size_t)(r->at - begin));
    return true;
}

/* Names the first required member that `map` lacks, or has as nil. */
static int check_set(struct casebus_bytes map, const struct casebus_field *members,
                     struct casebus_fault *fault)
{
    for (const struct casebus_field *m = members; m && m->name; m++) {
        if (!m->required) {
            continue;
        }
        struct casebus_bytes member = casebus_map_get(map, m->name);
        if (!member.data || casebus_is_nil(member)) {
            return casebus_fault_set(fault, CASEBUS_EMISSING, m->name);
        }
    }
    return 0;
}

int casebus_record_complete(const struct casebus_record *record, struct casebus_fault *fault)
{
    for (size_t i = 0; i < CASEBUS_CASE_FIELD_COUNT; i++) {
        const struct casebus_field *field = &casebus_case_schema[i];
        if (!field->required) {
            continue;
        }
        struct casebus_bytes value = record->field[i];
        if (!value.data || casebus_is_nil(value)) {
            return casebus_fault_set(fault, CASEBUS_EMISSING, field->name);
        }
        if (check_set(value, field->members, fault) != 0) {
            casebus_fault_under(fault, casebus_cstr(field->name));
            return CASEBUS_EMISSING;
        }
    }
    return 0;
}
