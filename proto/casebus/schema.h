/* The case record: one table that says what every field is.
 *
 * A report's data and a stored record are the same map, so one parser serves both. Fields the
 * table does not know are kept as they are (newer publishers, older brokers). A stored record
 * begins with its identity and what the store sets; then come reports' fields in the table's
 * order, then unknown ones in the order of their names. */
#ifndef CASEBUS_SCHEMA_H
#define CASEBUS_SCHEMA_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

enum casebus_type {
    CASEBUS_TYPE_TEXT,    /* UTF-8; max: bytes; no C0 control characters but \t \n \r */
    CASEBUS_TYPE_DATE,    /* "YYYY-MM-DD", a day of the Gregorian calendar, year 1000 to 9999 */
    CASEBUS_TYPE_PENCE,   /* integer 0 .. CASEBUS_PENCE_MAX */
    CASEBUS_TYPE_COUNT,   /* integer 0 .. 2^53 - 1 */
    CASEBUS_TYPE_INSTANT, /* microseconds since 1970 UTC, 0 .. 2^53 - 1 */
    CASEBUS_TYPE_URL,     /* text that starts with http:// or https:// */
    CASEBUS_TYPE_CHOICE,  /* one of the words in `choices` */
    CASEBUS_TYPE_MAP,     /* a map; `members` or, without them, any keys */
    CASEBUS_TYPE_MAPS,    /* an array of maps with `members`; max: entries */
    CASEBUS_TYPE_CASE_IDS /* an array of case ids; max: entries */
};

enum casebus_setter {
    CASEBUS_SET_IDENTITY, /* must equal the topic's where a report names it */
    CASEBUS_SET_REPORT,   /* a report sets it; replaced whole, nil clears */
    CASEBUS_SET_MERGED,   /* a report sets it; merged key by key, nil clears a key */
    CASEBUS_SET_SOURCE,   /* a report sets it; never makes a case updated */
    CASEBUS_SET_STORE     /* kept by the store; a report that names it is refused */
};

/* A name and its length, for the initialiser of a field: no search has to measure it. */
#define CASEBUS_FIELD_NAME(text) .name = (text), .name_size = sizeof(text) - 1

struct casebus_field {
    const char *name;
    uint32_t name_size;
    enum casebus_type type;
    enum casebus_setter setter;
    uint32_t max;
    bool required; /* in a new case (members: in every such map); required text is not blank */
    const struct casebus_field *members; /* ends with a NULL name */
    const char *const *choices;          /* ends with NULL */
};

/* The fields in the table's order. */
enum casebus_case_field {
    CASEBUS_CASE_ID,
    CASEBUS_CASE_AGENCY,
    CASEBUS_CASE_REGULATOR_ID,
    CASEBUS_CASE_CASE_REFERENCE,
    CASEBUS_CASE_OFFENDER,
    CASEBUS_CASE_OFFENCE_ACTION_TYPE,
    CASEBUS_CASE_OFFENCE_ACTION_DATE,
    CASEBUS_CASE_OFFENCE_HEARING_DATE,
    CASEBUS_CASE_OFFENCE_RESULT,
    CASEBUS_CASE_OFFENCE_FINE_PENCE,
    CASEBUS_CASE_OFFENCE_COSTS_PENCE,
    CASEBUS_CASE_OFFENCE_BREACHES,
    CASEBUS_CASE_REGULATOR_FUNCTION,
    CASEBUS_CASE_OFFENCES,
    CASEBUS_CASE_RELATED_CASES,
    CASEBUS_CASE_URL,
    CASEBUS_CASE_REGULATOR_URL,
    CASEBUS_CASE_EXT,
    CASEBUS_CASE_SOURCE,
    CASEBUS_CASE_VERSION,
    CASEBUS_CASE_INSERTED_AT,
    CASEBUS_CASE_UPDATED_AT,
    CASEBUS_CASE_LAST_SYNCED_AT,
    CASEBUS_CASE_SEEN_COUNT,
    CASEBUS_CASE_CREATED_SEQ,
    CASEBUS_CASE_UPDATED_SEQ,
    CASEBUS_CASE_FIELD_COUNT
};
extern const struct casebus_field casebus_case_schema[CASEBUS_CASE_FIELD_COUNT + 1];
extern const struct casebus_field casebus_offender_schema[];
extern const struct casebus_field casebus_offence_schema[];
extern const struct casebus_field casebus_source_schema[];
/* What session reports carry in `data`; which of them, the report's kind says. */
extern const struct casebus_field casebus_session_started_schema[];
extern const struct casebus_field casebus_session_progressed_schema[];
extern const struct casebus_field casebus_session_ended_schema[];
/* What is written of an agency, where anything is: an empty text takes it away instead. */
extern const struct casebus_field casebus_agency_schema[];

/* A case record or a report's data, taken apart. All borrowed. */
struct casebus_record {
    struct casebus_bytes field[CASEBUS_CASE_FIELD_COUNT]; /* as encoded; NULL data: not named */
    struct casebus_bytes encoded;                         /* the whole map */
    unsigned unknown_count;                               /* keys outside the table */
};

/* Takes a map apart and checks every named field against the table: `from_report` refuses
 * fields that the store keeps and accepts nil (clears a field); otherwise a stored record is
 * read. The map must have passed casebus_scan(). Also checked where both are named: hearing not
 * before action. Required fields are not demanded here: whether a case is new is apply's to
 * know. */
int casebus_record_parse(struct casebus_bytes map, bool from_report,
                         struct casebus_record *record, struct casebus_fault *fault);
/* Checks a map against a table of members (session data). */
int casebus_map_check(struct casebus_bytes map, const struct casebus_field *schema,
                      bool from_report, struct casebus_fault *fault);
/* One value against one field of a table. */
int casebus_value_check(struct casebus_bytes raw, const struct casebus_field *field,
                        bool from_report, struct casebus_fault *fault);
/* The same for a text that is not encoded (and is UTF-8). */
int casebus_text_check(struct casebus_bytes text, const struct casebus_field *field);
/* Names the first required field that `record` lacks: 0 or CASEBUS_EMISSING. */
int casebus_record_complete(const struct casebus_record *record, struct casebus_fault *fault);

bool casebus_date_valid(struct casebus_bytes text);

#endif
