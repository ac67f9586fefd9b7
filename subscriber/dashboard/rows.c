/* Rows of the lists that people see.
 *
 * A list is a table of columns: a name, which is the cell's data-field, and what shows it. The
 * pages' scripts make the same cells, so a row from the server and a row from an event look the
 * same. */
#include "rows.h"

#include "html.h"
#include "url.h"

#include <casebus/topic.h>

#include <string.h>

struct rows rows_of(struct casebus_bytes array)
{
    struct rows rows;
    casebus_reader_init(&rows.reader, array);
    rows.left = array.size > 0 ? casebus_read_array(&rows.reader) : 0;
    return rows;
}

bool rows_next(struct rows *self, struct casebus_bytes *row)
{
    if (self->left == 0) {
        return false;
    }
    self->left--;
    *row = casebus_read_raw(&self->reader);
    return self->reader.error == 0;
}

struct casebus_bytes row_inner(struct casebus_bytes map, const char *outer, const char *key)
{
    return casebus_map_get(casebus_map_get(map, outer), key);
}

struct casebus_bytes row_text(struct casebus_bytes map, const char *key)
{
    return casebus_as_str(casebus_map_get(map, key));
}

uint64_t row_number(struct casebus_bytes map, const char *key)
{
    return casebus_as_uint(casebus_map_get(map, key), 0);
}

/* --- links ------------------------------------------------------------------------------ */

void rows_add_case_link(struct text *out, struct casebus_bytes id)
{
    text_add(out, "<a href=\"/cases/");
    url_add(out, id);
    text_add(out, "\">");
    html_add(out, id);
    text_add(out, "</a>");
}

void rows_add_session_link(struct text *out, struct casebus_bytes agency,
                           struct casebus_bytes session_id)
{
    text_add(out, "<a href=\"/sessions/");
    url_add(out, agency);
    text_add(out, "/");
    url_add(out, session_id);
    text_add(out, "\">");
    html_add(out, agency);
    text_add(out, ":");
    html_add(out, session_id);
    text_add(out, "</a>");
}

/* --- columns ---------------------------------------------------------------------------- */

struct column {
    const char *field;
    void (*add)(struct text *out, struct casebus_bytes row); /* NULL: the value of the field */
};

static void add_value(struct text *out, struct casebus_bytes map, const char *key)
{
    const struct casebus_bytes raw = casebus_map_get(map, key);
    if (raw.data != NULL) {
        html_add_value(out, casebus_cstr(key), raw);
    }
}

static void add_cells(struct text *out, const struct column *columns, struct casebus_bytes row)
{
    for (const struct column *column = columns; column->field != NULL; column++) {
        text_format(out, "<td data-field=\"%s\">", column->field);
        if (column->add != NULL) {
            column->add(out, row);
        } else {
            add_value(out, row, column->field);
        }
        text_add(out, "</td>");
    }
}

static void begin_row(struct text *out, struct casebus_bytes key)
{
    text_add(out, "<tr data-key=\"");
    html_add(out, key);
    text_add(out, "\">");
}

static void add_offender(struct text *out, struct casebus_bytes record)
{
    const struct casebus_bytes name = casebus_as_str(row_inner(record, "offender", "name"));
    if (name.size == 0) {
        return;
    }
    text_add(out, "<a href=\"/offenders?agency=");
    url_add(out, row_text(record, "agency"));
    text_add(out, "&amp;name=");
    url_add(out, name);
    text_add(out, "\">");
    html_add(out, name);
    text_add(out, "</a>");
}

static void add_id(struct text *out, struct casebus_bytes row)
{
    rows_add_case_link(out, row_text(row, "id"));
}

static const struct column case_columns[] = {
    {"id", add_id},
    {"offender", add_offender},
    {"offence_action_type", NULL},
    {"offence_action_date", NULL},
    {"offence_result", NULL},
    {"offence_fine_pence", NULL},
    {"updated_at", NULL},
    {NULL, NULL},
};

void rows_add_case(struct text *out, struct casebus_bytes record)
{
    begin_row(out, row_text(record, "id"));
    add_cells(out, case_columns, record);
    text_add(out, "</tr>\n");
}

void rows_add_cases(struct text *out, struct casebus_bytes records)
{
    struct rows rows = rows_of(records);
    struct casebus_bytes row;
    while (rows_next(&rows, &row)) {
        rows_add_case(out, row);
    }
}

/* --- sessions --------------------------------------------------------------------------- */

static void add_session(struct text *out, struct casebus_bytes row)
{
    rows_add_session_link(out, row_text(row, "agency"), row_text(row, "session_id"));
}

static void add_badge(struct text *out, struct casebus_bytes word)
{
    text_add(out, "<span class=\"badge\" data-word=\"");
    html_add(out, word);
    text_add(out, "\">");
    html_add(out, word);
    text_add(out, "</span>");
}

static void add_status(struct text *out, struct casebus_bytes row)
{
    add_badge(out, row_text(row, "status"));
}

static void add_pages(struct text *out, struct casebus_bytes row)
{
    const unsigned long long done = row_number(row, "pages_processed");
    const unsigned long long all = row_number(row, "max_pages");
    if (all == 0) {
        text_format(out, "page %llu", done);
        return;
    }
    text_format(out, "page %llu of %llu <progress max=\"%llu\" value=\"%llu\">%llu of %llu</progress>",
                done, all, all, done < all ? done : all, done, all);
}

/* Between the first and the last sign of life, in seconds. */
static uint64_t seconds_of(struct casebus_bytes row)
{
    const uint64_t start = row_number(row, "started_at"), end = row_number(row, "last_seen_at");
    return end > start ? (end - start) / 1000000 : 0;
}

static void add_rate(struct text *out, struct casebus_bytes row)
{
    const uint64_t seconds = seconds_of(row);
    if (seconds > 0) {
        text_add_count(out, row_number(row, "cases_found") * 60 / seconds);
        text_add(out, " a minute");
    }
}

static void add_time_left(struct text *out, struct casebus_bytes row)
{
    const uint64_t done = row_number(row, "pages_processed"), all = row_number(row, "max_pages");
    const uint64_t start = row_number(row, "start_page");
    const uint64_t mine = done > start ? done - start : done;
    const struct casebus_bytes status = row_text(row, "status");
    if (!casebus_bytes_is(status, "running") || mine == 0 || all <= done) {
        return;
    }
    const uint64_t left = seconds_of(row) * (all - done) / mine;
    text_format(out, left >= 120 ? "%llu min" : "%llu s",
                (unsigned long long)(left >= 120 ? left / 60 : left));
}

/* Shown by the script that it needs. */
static void add_stop(struct text *out, struct casebus_bytes row)
{
    if (casebus_bytes_is(row_text(row, "status"), "running")) {
        text_add(out, "<button type=\"button\" data-action=\"stop\" hidden>Stop</button>");
    }
}

static const struct column session_columns[] = {
    {"session_id", add_session},
    {"status", add_status},
    {"pages_processed", add_pages},
    {"cases_found", NULL},
    {"cases_created", NULL},
    {"cases_updated", NULL},
    {"cases_existing", NULL},
    {"errors_count", NULL},
    {"rate", add_rate},
    {"time_left", add_time_left},
    {"worker", NULL},
    {"last_seen_at", NULL},
    {"stop", add_stop},
    {NULL, NULL},
};

void rows_add_session(struct text *out, struct casebus_bytes session)
{
    text_add(out, "<tr data-key=\"");
    html_add(out, row_text(session, "agency"));
    text_add(out, ":");
    html_add(out, row_text(session, "session_id"));
    text_add(out, "\">");
    add_cells(out, session_columns, session);
    text_add(out, "</tr>\n");
}

void rows_add_sessions(struct text *out, struct casebus_bytes sessions)
{
    struct rows rows = rows_of(sessions);
    struct casebus_bytes row;
    while (rows_next(&rows, &row)) {
        rows_add_session(out, row);
    }
}

/* --- what a session met ----------------------------------------------------------------- */

static void add_outcome(struct text *out, struct casebus_bytes row)
{
    add_badge(out, row_text(row, "outcome"));
}

/* A refused report may name no case; it then has its reason. */
static void add_met_id(struct text *out, struct casebus_bytes row)
{
    const struct casebus_bytes id = row_text(row, "id");
    if (id.size > 0) {
        rows_add_case_link(out, id);
    }
}

static void add_met_offender(struct text *out, struct casebus_bytes row)
{
    const struct casebus_bytes field = row_text(row, "field");
    const struct casebus_bytes code = row_text(row, "code");
    add_offender(out, casebus_map_get(row, "case"));
    if (code.size > 0) {
        html_add(out, field);
        text_add(out, field.size > 0 ? ": " : "");
        html_add(out, code);
    }
}

static void add_met_fine(struct text *out, struct casebus_bytes row)
{
    add_value(out, casebus_map_get(row, "case"), "offence_fine_pence");
}

static const struct column met_columns[] = {
    {"outcome", add_outcome},
    {"id", add_met_id},
    {"offender", add_met_offender},
    {"offence_fine_pence", add_met_fine},
    {"page", NULL},
    {"times", NULL},
    {"at", NULL},
    {NULL, NULL},
};

void rows_add_met(struct text *out, struct casebus_bytes met)
{
    struct rows rows = rows_of(met);
    struct casebus_bytes row;
    struct text number = {0};
    while (rows_next(&rows, &row)) {
        struct casebus_bytes key = row_text(row, "id");
        if (key.size == 0) { /* "#" and the number of the refusal */
            text_clear(&number);
            text_format(&number, "#%llu", (unsigned long long)row_number(row, "reject"));
            key = casebus_bytes(text_get(&number), number.size);
        }
        begin_row(out, key);
        add_cells(out, met_columns, row);
        text_add(out, "</tr>\n");
    }
    text_free(&number);
}

/* --- history ---------------------------------------------------------------------------- */

static void add_changes(struct text *out, struct casebus_bytes event)
{
    struct rows rows = rows_of(casebus_map_get(event, "changed"));
    struct casebus_bytes change;
    const char *before = "<ul class=\"changes\">";
    while (rows_next(&rows, &change)) {
        const struct casebus_bytes field = row_text(change, "field");
        text_format(out, "%s<li><span class=\"field\">", before);
        html_add(out, field);
        text_add(out, "</span> <del>");
        html_add_value(out, field, casebus_map_get(change, "old"));
        text_add(out, "</del> → <ins>");
        html_add_value(out, field, casebus_map_get(change, "new"));
        text_add(out, "</ins></li>");
        before = "";
    }
    text_add(out, *before == '\0' ? "</ul>" : "");
}

static void add_event(struct text *out, struct casebus_bytes event)
{
    add_badge(out, row_text(event, "event"));
}

static void add_event_session(struct text *out, struct casebus_bytes event)
{
    const struct casebus_bytes session = row_text(event, "session");
    const struct casebus_bytes topic = row_text(event, "topic");
    struct casebus_topic parts;
    if (session.size > 0 && casebus_topic_split(topic, &parts) == 0 && parts.count == 4) {
        rows_add_session_link(out, parts.segment[2], session);
    }
}

static void add_event_page(struct text *out, struct casebus_bytes event)
{
    add_value(out, casebus_map_get(casebus_map_get(event, "payload"), "source"), "page");
}

static const struct column history_columns[] = {
    {"seq", NULL},
    {"at", NULL},
    {"event", add_event},
    {"actor", NULL},
    {"session", add_event_session},
    {"page", add_event_page},
    {"changed", add_changes},
    {NULL, NULL},
};

void rows_add_history(struct text *out, struct casebus_bytes events)
{
    struct rows rows = rows_of(events);
    struct casebus_bytes row;
    while (rows_next(&rows, &row)) {
        text_format(out, "<tr data-key=\"%llu\">", (unsigned long long)row_number(row, "seq"));
        add_cells(out, history_columns, row);
        text_add(out, "</tr>\n");
    }
}
