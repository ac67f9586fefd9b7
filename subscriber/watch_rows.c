/* What casebus-watch's tables look like, and their changes as JSON. */
#include "watch_table.h"

#include "json.h"
#include "show.h"
#include "table.h"

static const struct column case_columns[] = {
    {"CASE", false, false}, {"OFFENDER", false, true}, {"DATE", false, false},
    {"FINE", true, false},  {"RESULT", false, true},   {"VERSION", true, false},
    {"SEEN", true, false},  {"CREATED", false, true},
};
static const struct column session_columns[] = {
    {"SESSION", false, true},  {"STATUS", false, false}, {"PAGES", false, false},
    {"FOUND", true, false},    {"CREATED", true, false}, {"UPDATED", true, false},
    {"EXISTING", true, false}, {"REFUSED", true, false}, {"SEEN", false, true},
    {"WORKER", false, true},
};
static const struct column met_columns[] = {
    {"OUTCOME", false, false}, {"CASE", false, false}, {"OFFENDER", false, true},
    {"DATE", false, false},    {"FINE", true, false},  {"PAGE", true, false},
    {"TIMES", true, false},    {"TIME", false, true},
};

static void cell(struct table *table, struct casebus_bytes map, const char *key)
{
    const struct casebus_bytes raw = casebus_map_get(map, key);
    struct text *const text = table_cell(table);
    if (raw.data != NULL) {
        show_value(casebus_cstr(key), raw, 0, text);
    }
}

static void cell_count(struct table *table, struct casebus_bytes map, const char *key)
{
    text_add_count(table_cell(table), casebus_as_uint(casebus_map_get(map, key), 0));
}

static void cell_instant(struct table *table, struct casebus_bytes map, const char *key)
{
    const uint64_t at = casebus_as_uint(casebus_map_get(map, key), 0);
    struct text *const text = table_cell(table);
    if (at > 0) {
        text_add_instant(text, at);
    }
}

static void add_case(struct table *table, const struct casebus_row *row)
{
    cell(table, row->data, "id");
    cell(table, casebus_map_get(row->data, "offender"), "name");
    cell(table, row->data, "offence_action_date");
    cell(table, row->data, "offence_fine_pence");
    cell(table, row->data, "offence_result");
    cell(table, row->data, "version");
    cell_count(table, row->data, "seen_count");
    cell_instant(table, row->data, "inserted_at");
}

/* "12 of 40" where the end is known. */
static void add_pages(struct casebus_bytes session, struct text *out)
{
    const uint64_t most = casebus_as_uint(casebus_map_get(session, "max_pages"), 0);
    text_add_count(out, casebus_as_uint(casebus_map_get(session, "pages_processed"), 0));
    if (most > 0) {
        text_add(out, " of ");
        text_add_count(out, most);
    }
}

static void add_session(struct table *table, const struct casebus_row *row)
{
    static const char *const counters[] = {"cases_found", "cases_created", "cases_updated",
                                           "cases_existing", "errors_count"};
    text_add_foreign(table_cell(table), casebus_cstr(row->key));
    cell(table, row->data, "status");
    add_pages(row->data, table_cell(table));
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        cell_count(table, row->data, counters[i]);
    }
    cell_instant(table, row->data, "last_seen_at");
    cell(table, row->data, "worker");
}

/* A refused report that names no case has its number for a key. */
static void add_met(struct table *table, const struct casebus_row *row)
{
    const struct casebus_bytes record = casebus_map_get(row->data, "case");
    cell(table, row->data, "outcome");
    text_add_foreign(table_cell(table), casebus_cstr(row->key));
    if (record.data != NULL) {
        cell(table, casebus_map_get(record, "offender"), "name");
    } else {
        cell(table, row->data, "code");
    }
    cell(table, record, "offence_action_date");
    cell(table, record, "offence_fine_pence");
    cell(table, row->data, "page");
    cell(table, row->data, "times");
    cell_instant(table, row->data, "at");
}

#define COLUMNS(columns) columns, sizeof(columns) / sizeof *(columns)

void watch_rows_print(enum watch_what what, struct watch_rows rows, size_t width,
                      struct text *out)
{
    static const struct {
        const struct column *columns;
        size_t count;
        void (*add)(struct table *table, const struct casebus_row *row);
    } tables[] = {
        [WATCH_RECENT] = {COLUMNS(case_columns), add_case},
        [WATCH_SESSIONS] = {COLUMNS(session_columns), add_session},
        [WATCH_SESSION] = {COLUMNS(met_columns), add_met},
    };
    struct table table;
    table_init(&table, tables[what].columns, tables[what].count);
    for (size_t i = 0; i < rows.count; i++) {
        tables[what].add(&table, &rows.row[i]);
    }
    table_print(&table, width, out);
    table_free(&table);
}

void watch_session_print(struct casebus_bytes session, struct text *out)
{
    const struct casebus_bytes reason = casebus_as_str(casebus_map_get(session, "end_reason"));
    const uint64_t most = casebus_as_uint(casebus_map_get(session, "max_pages"), 0);
    text_add_foreign(out, casebus_as_str(casebus_map_get(session, "agency")));
    text_add(out, ":");
    text_add_foreign(out, casebus_as_str(casebus_map_get(session, "session_id")));
    text_add(out, "  ");
    text_add_foreign(out, casebus_as_str(casebus_map_get(session, "status")));
    if (reason.data != NULL) {
        text_add(out, " (");
        text_add_foreign(out, reason);
        text_add(out, ")");
    }
    text_add(out, "  ");
    show_counters(session, out);
    if (most > 0) {
        text_add(out, ", of at most ");
        text_add_count(out, most);
        text_add(out, " pages");
    }
    text_add(out, "\n");
}

/* --- JSON --------------------------------------------------------------------------------- */

static void add_rows(struct json *json, const struct casebus_diff *diff)
{
    json_key(json, casebus_cstr("rows"));
    json_open(json, '[');
    for (size_t i = 0; diff->reset && i < diff->now_count; i++) {
        json_row(json, diff->now[i].key, diff->now[i].data);
    }
    for (size_t i = 0; i < diff->change_count; i++) {
        const struct casebus_change *change = &diff->changes[i];
        if (change->kind == CASEBUS_ROW_ADDED || change->kind == CASEBUS_ROW_CHANGED) {
            json_row(json, change->now->key, change->now->data);
        }
    }
    json_close(json, ']');
}

static void add_bool(struct json *json, const char *key, bool truth)
{
    const unsigned char encoded = truth ? 0xc3 : 0xc2;
    json_key(json, casebus_cstr(key));
    json_value(json, casebus_bytes(&encoded, 1));
}

void watch_diff_print(const char *name, uint64_t seq, uint64_t newer, bool cut,
                      const struct casebus_diff *diff, struct text *out)
{
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    json_key(&json, casebus_cstr("view"));
    json_str(&json, casebus_cstr(name));
    json_key(&json, casebus_cstr("seq"));
    json_uint(&json, seq);
    add_bool(&json, "reset", diff->reset);
    json_key(&json, casebus_cstr("order"));
    json_open(&json, '[');
    for (size_t i = 0; i < diff->now_count; i++) {
        json_str(&json, casebus_cstr(diff->now[i].key));
    }
    json_close(&json, ']');
    add_rows(&json, diff);
    json_key(&json, casebus_cstr("newer"));
    json_uint(&json, newer);
    add_bool(&json, "cut", cut);
    json_close(&json, '}');
    text_add(out, "\n");
}
