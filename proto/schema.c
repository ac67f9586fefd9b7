/* The tables: what every field is. How they are used is record.c's.
 *
 * The `setter` of a member says what a nil in a report means for it: of an offender, whose keys
 * merge, it clears the key (SET_REPORT); elsewhere nil is refused. */
#include <casebus/schema.h>

#define IN_SET(setter_, type_, name_, max_)                                                    \
    {                                                                                          \
        CASEBUS_FIELD_NAME(name_), .type = CASEBUS_TYPE_##type_,                               \
                                   .setter = CASEBUS_SET_##setter_, .max = (max_)              \
    }

static const char *const business_types[] = {
    "limited_company", "individual", "partnership", "plc", "other", NULL};
static const char *const end_statuses[] = {"completed", "failed", "stopped", NULL};

const struct casebus_field casebus_offender_schema[] = {
    {CASEBUS_FIELD_NAME("name"), .type = CASEBUS_TYPE_TEXT, .setter = CASEBUS_SET_REPORT,
     .max = 512, .required = true},
    IN_SET(REPORT, TEXT, "local_authority", 256),
    IN_SET(REPORT, TEXT, "town", 256),
    IN_SET(REPORT, TEXT, "county", 256),
    IN_SET(REPORT, TEXT, "country", 256),
    IN_SET(REPORT, TEXT, "postcode", 16),
    IN_SET(REPORT, TEXT, "main_activity", 512),
    IN_SET(REPORT, TEXT, "industry", 256),
    IN_SET(REPORT, TEXT, "sic_code", 32),
    {CASEBUS_FIELD_NAME("business_type"), .type = CASEBUS_TYPE_CHOICE,
     .setter = CASEBUS_SET_REPORT, .choices = business_types},
    IN_SET(REPORT, TEXT, "company_number", 32),
    {.name = NULL},
};

const struct casebus_field casebus_offence_schema[] = {
    IN_SET(SOURCE, COUNT, "number", 0),        IN_SET(SOURCE, TEXT, "description", 16384),
    IN_SET(SOURCE, TEXT, "legislation", 2048), IN_SET(SOURCE, TEXT, "part", 512),
    IN_SET(SOURCE, PENCE, "fine_pence", 0),    IN_SET(SOURCE, TEXT, "result", 1024),
    IN_SET(SOURCE, DATE, "hearing_date", 0),   {.name = NULL},
};

const struct casebus_field casebus_source_schema[] = {
    IN_SET(SOURCE, COUNT, "page", 0),
    IN_SET(SOURCE, COUNT, "row", 0),
    IN_SET(SOURCE, INSTANT, "fetched_at", 0),
    IN_SET(SOURCE, TEXT, "parser", 128),
    {.name = NULL},
};

const struct casebus_field casebus_case_schema[CASEBUS_CASE_FIELD_COUNT + 1] = {
    [CASEBUS_CASE_ID] = IN_SET(STORE, TEXT, "id", CASEBUS_CASE_ID_MAX),
    [CASEBUS_CASE_AGENCY] = IN_SET(IDENTITY, TEXT, "agency", CASEBUS_AGENCY_MAX),
    [CASEBUS_CASE_REGULATOR_ID] = IN_SET(IDENTITY, TEXT, "regulator_id", CASEBUS_SEGMENT_MAX),
    [CASEBUS_CASE_CASE_REFERENCE] = IN_SET(REPORT, TEXT, "case_reference", 128),
    [CASEBUS_CASE_OFFENDER] = {CASEBUS_FIELD_NAME("offender"), .type = CASEBUS_TYPE_MAP,
                               .setter = CASEBUS_SET_MERGED, .required = true,
                               .members = casebus_offender_schema},
    [CASEBUS_CASE_OFFENCE_ACTION_TYPE] = IN_SET(REPORT, TEXT, "offence_action_type", 256),
    [CASEBUS_CASE_OFFENCE_ACTION_DATE] = IN_SET(REPORT, DATE, "offence_action_date", 0),
    [CASEBUS_CASE_OFFENCE_HEARING_DATE] = IN_SET(REPORT, DATE, "offence_hearing_date", 0),
    [CASEBUS_CASE_OFFENCE_RESULT] = IN_SET(REPORT, TEXT, "offence_result", 1024),
    [CASEBUS_CASE_OFFENCE_FINE_PENCE] = IN_SET(REPORT, PENCE, "offence_fine_pence", 0),
    [CASEBUS_CASE_OFFENCE_COSTS_PENCE] = IN_SET(REPORT, PENCE, "offence_costs_pence", 0),
    [CASEBUS_CASE_OFFENCE_BREACHES] = IN_SET(REPORT, TEXT, "offence_breaches", 16384),
    [CASEBUS_CASE_REGULATOR_FUNCTION] = IN_SET(REPORT, TEXT, "regulator_function", 512),
    [CASEBUS_CASE_OFFENCES] = {CASEBUS_FIELD_NAME("offences"), .type = CASEBUS_TYPE_MAPS,
                               .setter = CASEBUS_SET_REPORT, .max = CASEBUS_OFFENCES_MAX,
                               .members = casebus_offence_schema},
    [CASEBUS_CASE_RELATED_CASES] =
        IN_SET(REPORT, CASE_IDS, "related_cases", CASEBUS_RELATED_MAX),
    [CASEBUS_CASE_URL] = IN_SET(REPORT, URL, "url", 2048),
    [CASEBUS_CASE_REGULATOR_URL] = IN_SET(REPORT, URL, "regulator_url", 2048),
    [CASEBUS_CASE_EXT] = IN_SET(MERGED, MAP, "ext", 0),
    [CASEBUS_CASE_SOURCE] = {CASEBUS_FIELD_NAME("source"), .type = CASEBUS_TYPE_MAP,
                             .setter = CASEBUS_SET_SOURCE, .members = casebus_source_schema},
    [CASEBUS_CASE_VERSION] = IN_SET(STORE, COUNT, "version", 0),
    [CASEBUS_CASE_INSERTED_AT] = IN_SET(STORE, INSTANT, "inserted_at", 0),
    [CASEBUS_CASE_UPDATED_AT] = IN_SET(STORE, INSTANT, "updated_at", 0),
    [CASEBUS_CASE_LAST_SYNCED_AT] = IN_SET(STORE, INSTANT, "last_synced_at", 0),
    [CASEBUS_CASE_SEEN_COUNT] = IN_SET(STORE, COUNT, "seen_count", 0),
    [CASEBUS_CASE_CREATED_SEQ] = IN_SET(STORE, COUNT, "created_seq", 0),
    [CASEBUS_CASE_UPDATED_SEQ] = IN_SET(STORE, COUNT, "updated_seq", 0),
    [CASEBUS_CASE_FIELD_COUNT] = {.name = NULL},
};

const struct casebus_field casebus_session_started_schema[] = {
    IN_SET(SOURCE, TEXT, "database", 128),
    IN_SET(SOURCE, COUNT, "start_page", 0),
    IN_SET(SOURCE, COUNT, "max_pages", 0),
    IN_SET(SOURCE, DATE, "date_from", 0),
    IN_SET(SOURCE, DATE, "date_to", 0),
    IN_SET(SOURCE, TEXT, "requested_by", 128),
    IN_SET(SOURCE, TEXT, "worker", 128),
    IN_SET(SOURCE, TEXT, "run", 128),
    {.name = NULL},
};

const struct casebus_field casebus_session_progressed_schema[] = {
    IN_SET(SOURCE, COUNT, "page", 0),
    IN_SET(SOURCE, COUNT, "page_errors", 0),
    {.name = NULL},
};

const struct casebus_field casebus_session_ended_schema[] = {
    {CASEBUS_FIELD_NAME("status"), .type = CASEBUS_TYPE_CHOICE, .setter = CASEBUS_SET_SOURCE,
     .required = true, .choices = end_statuses},
    IN_SET(SOURCE, TEXT, "reason", 512),
    {.name = NULL},
};

const struct casebus_field casebus_agency_schema[] = {
    IN_SET(SOURCE, TEXT, "name", 256),
    IN_SET(SOURCE, URL, "base_url", 2048),
    {.name = NULL},
};
