/* Case records as CSV.
 *
 * A spreadsheet runs a cell that begins with one of = + - @, or with a character it skips
 * before looking; what somebody wrote on a web page is not to be run. Such a cell gets an
 * apostrophe, by which spreadsheets know text. The file begins with a byte order mark: without
 * one Excel takes UTF-8 for the code page of its machine, and "Siân" is "SiÃ¢n" there. */
#include "csv.h"

#include "../json.h"
#include "../show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void csv_add_cell(struct text *out, struct casebus_bytes text)
{
    const char *const bytes = (const char *)text.data;
    const bool formula = text.size > 0 && memchr("=+-@\t\r", bytes[0], 6) != NULL;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        quoted = quoted || memchr(",\"\r\n", bytes[i], 4) != NULL;
    }
    quoted = quoted || (text.size > 0 && (bytes[0] == ' ' || bytes[text.size - 1] == ' '));
    text_add(out, quoted ? "\"" : "");
    text_add(out, formula ? "'" : "");
    for (size_t i = 0; i < text.size; i++) {
        text_add(out, bytes[i] == '"' ? "\"" : "");
        text_add_bytes(out, &bytes[i], 1);
    }
    text_add(out, quoted ? "\"" : "");
}

static const struct {
    const char *name;
    const char *outer, *key; /* outer: the map it is in; NULL: the record itself */
} columns[] = {
    {"id", NULL, "id"},
    {"agency", NULL, "agency"},
    {"regulator_id", NULL, "regulator_id"},
    {"case_reference", NULL, "case_reference"},
    {"offender.name", "offender", "name"},
    {"offender.local_authority", "offender", "local_authority"},
    {"offender.town", "offender", "town"},
    {"offender.county", "offender", "county"},
    {"offender.country", "offender", "country"},
    {"offender.postcode", "offender", "postcode"},
    {"offender.main_activity", "offender", "main_activity"},
    {"offender.industry", "offender", "industry"},
    {"offender.sic_code", "offender", "sic_code"},
    {"offender.business_type", "offender", "business_type"},
    {"offender.company_number", "offender", "company_number"},
    {"offence_action_type", NULL, "offence_action_type"},
    {"offence_action_date", NULL, "offence_action_date"},
    {"offence_hearing_date", NULL, "offence_hearing_date"},
    {"offence_result", NULL, "offence_result"},
    {"offence_fine_pence", NULL, "offence_fine_pence"},
    {"offence_costs_pence", NULL, "offence_costs_pence"},
    {"offence_breaches", NULL, "offence_breaches"},
    {"regulator_function", NULL, "regulator_function"},
    {"offences", NULL, "offences"},
    {"related_cases", NULL, "related_cases"},
    {"url", NULL, "url"},
    {"regulator_url", NULL, "regulator_url"},
    {"ext", NULL, "ext"},
    {"version", NULL, "version"},
    {"seen_count", NULL, "seen_count"},
    {"inserted_at", NULL, "inserted_at"},
    {"updated_at", NULL, "updated_at"},
    {"last_synced_at", NULL, "last_synced_at"},
};
#define COLUMN_COUNT (sizeof columns / sizeof *columns)

static void add_instant(struct text *out, uint64_t instant)
{
    const time_t seconds = (time_t)(instant / 1000000);
    struct tm utc;
    char written[32];
    if (gmtime_r(&seconds, &utc) != NULL &&
        strftime(written, sizeof written, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0) {
        text_add(out, written);
    }
}

/* Text as it is, numbers as digits, all else as JSON. */
static void add_value(struct text *out, const char *key, struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    const enum casebus_kind kind = casebus_peek(&r);
    if (kind == CASEBUS_STR) {
        csv_add_cell(out, casebus_read_str(&r));
    } else if (kind == CASEBUS_UINT && show_is_instant(casebus_cstr(key))) {
        add_instant(out, casebus_read_uint(&r));
    } else if (kind == CASEBUS_UINT) {
        text_add_uint(out, casebus_read_uint(&r));
    } else if (kind != CASEBUS_NONE && kind != CASEBUS_NIL) {
        struct text value = {0};
        struct json json = json_begin(&value, false);
        json_value(&json, raw);
        csv_add_cell(out, casebus_bytes(text_get(&value), value.size));
        text_free(&value);
    }
}

void csv_add_header(struct text *out)
{
    text_add(out, "\xef\xbb\xbf");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        text_add(out, i > 0 ? "," : "");
        text_add(out, columns[i].name);
    }
    text_add(out, "\r\n");
}

void csv_add_record(struct text *out, struct casebus_bytes record)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const struct casebus_bytes map =
            columns[i].outer != NULL ? casebus_map_get(record, columns[i].outer) : record;
        const struct casebus_bytes raw = casebus_map_get(map, columns[i].key);
        text_add(out, i > 0 ? "," : "");
        if (raw.data != NULL) {
            add_value(out, columns[i].key, raw);
        }
    }
    text_add(out, "\r\n");
}
