/* Records shown whole: every field a record has, known to us or not, and two records side by
 * side. */
#include "rows.h"

#include "html.h"

#include <casebus/limits.h>

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 6 /* of lists within lists on a page; deeper is shown as JSON */

static bool is_among(const char *const *names, struct casebus_bytes key)
{
    for (; names != NULL && *names != NULL; names++) {
        if (casebus_bytes_is(key, *names)) {
            return true;
        }
    }
    return false;
}

/* "offence_fine_pence" is a fine in pounds as it is shown. */
static void add_name(struct text *out, struct casebus_bytes key)
{
    static const char pence[] = "_pence";
    const size_t size = sizeof pence - 1;
    if (key.size > size && memcmp(key.data + key.size - size, pence, size) == 0) {
        key.size -= size;
    }
    html_add(out, key);
}

static void add_any(struct text *out, struct casebus_bytes key, struct casebus_bytes raw,
                    unsigned depth);

static void add_map(struct text *out, struct casebus_bytes map, const char *const *without,
                    unsigned depth)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes key = casebus_read_str(&r);
        const struct casebus_bytes value = casebus_read_raw(&r);
        if (is_among(without, key)) {
            continue;
        }
        text_add(out, "<dt>");
        add_name(out, key);
        text_add(out, "</dt><dd data-field=\"");
        html_add(out, key);
        text_add(out, "\">");
        add_any(out, key, value, depth);
        text_add(out, "</dd>\n");
    }
}

static void add_array(struct text *out, struct casebus_bytes key, struct casebus_bytes array,
                      unsigned depth)
{
    struct rows rows = rows_of(array);
    struct casebus_bytes value;
    text_add(out, "<ol>");
    while (rows_next(&rows, &value)) {
        text_add(out, "<li>");
        add_any(out, key, value, depth);
        text_add(out, "</li>");
    }
    text_add(out, "</ol>");
}

static void add_any(struct text *out, struct casebus_bytes key, struct casebus_bytes raw,
                    unsigned depth)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    const enum casebus_kind kind = casebus_peek(&r);
    if (kind == CASEBUS_MAP && depth < DEPTH_MAX) {
        text_add(out, "<dl>");
        add_map(out, raw, NULL, depth + 1);
        text_add(out, "</dl>");
    } else if (kind == CASEBUS_ARRAY && depth < DEPTH_MAX) {
        add_array(out, key, raw, depth + 1);
    } else if (kind == CASEBUS_STR && casebus_bytes_is(key, "related_cases")) {
        rows_add_case_link(out, casebus_read_str(&r));
    } else {
        html_add_value(out, key, raw);
    }
}

void rows_add_fields(struct text *out, struct casebus_bytes map, const char *const *without)
{
    add_map(out, map, without, 1);
}

void rows_add_offences(struct text *out, struct casebus_bytes offences)
{
    if (offences.data != NULL) {
        add_array(out, casebus_cstr("offences"), offences, 1);
    }
}

/* --- quarantine ------------------------------------------------------------------------- */

static void add_compared(struct text *out, struct casebus_bytes key, struct casebus_bytes stored,
                         struct casebus_bytes reported)
{
    const bool same = stored.data != NULL && reported.data != NULL &&
                      casebus_value_equal(stored, reported);
    text_format(out, "<tr%s><th scope=\"row\">", same ? "" : " class=\"differs\"");
    add_name(out, key);
    text_add(out, "</th><td data-side=\"stored\">");
    if (stored.data != NULL) {
        add_any(out, key, stored, 1);
    }
    text_add(out, "</td><td data-side=\"reported\">");
    if (reported.data != NULL) {
        add_any(out, key, reported, 1);
    }
    text_add(out, "</td></tr>\n");
}

/* What the report names, beside what the store has of it; then what only the store has. */
static void add_comparison(struct text *out, struct casebus_bytes stored,
                           struct casebus_bytes reported)
{
    static const char *const kept[] = {"id",         "version",     "inserted_at",
                                       "updated_at", "created_seq", "updated_seq",
                                       "seen_count", "last_synced_at", NULL};
    struct casebus_reader r;
    text_add(out, "<table class=\"compare\"><thead><tr><th scope=\"col\">field</th>"
                  "<th scope=\"col\">in the store</th><th scope=\"col\">reported</th></tr>"
                  "</thead><tbody>\n");
    casebus_reader_init(&r, reported);
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes key = casebus_read_str(&r);
        char name[CASEBUS_KEY_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)key.size, (const char *)key.data);
        add_compared(out, key, casebus_map_get(stored, name), casebus_read_raw(&r));
    }
    casebus_reader_init(&r, stored);
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes key = casebus_read_str(&r);
        const struct casebus_bytes value = casebus_read_raw(&r);
        char name[CASEBUS_KEY_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)key.size, (const char *)key.data);
        if (!is_among(kept, key) && casebus_map_get(reported, name).data == NULL) {
            add_compared(out, key, value, casebus_bytes(NULL, 0));
        }
    }
    text_add(out, "</tbody></table>");
}

static void add_entry(struct text *out, struct casebus_bytes entry)
{
    text_format(out, "<tr data-key=\"%llu\"><td data-field=\"id\">",
                (unsigned long long)row_number(entry, "quarantine"));
    rows_add_case_link(out, row_text(entry, "id"));
    text_add(out, "</td><td data-field=\"at\">");
    html_add_instant(out, row_number(entry, "at"));
    text_add(out, "</td><td data-field=\"actor\">");
    html_add(out, row_text(entry, "actor"));
    text_add(out, "</td><td data-field=\"records\">");
    add_comparison(out, casebus_map_get(entry, "case"), casebus_map_get(entry, "reported"));
    text_add(out, "</td><td data-field=\"decide\">"
                  "<button type=\"button\" data-action=\"accept\" hidden>Accept</button> "
                  "<button type=\"button\" data-action=\"accept-as\" hidden>Accept as…</button> "
                  "<button type=\"button\" data-action=\"reject\" hidden>Reject</button>"
                  "</td></tr>\n");
}

void rows_add_quarantine(struct text *out, struct casebus_bytes entries)
{
    struct rows rows = rows_of(entries);
    struct casebus_bytes entry;
    while (rows_next(&rows, &entry)) {
        add_entry(out, entry);
    }
}
