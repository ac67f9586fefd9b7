/* Values and events as people read them.
 *
 * A field's name says its unit (…_pence, …_at, …_seen), so one function shows every value there
 * is or will be. An event's line is put together from parts, each of which knows the kinds it
 * belongs to and says nothing where its value is absent. */
#include "show.h"

#include "json.h"

#include <stdio.h>
#include <string.h>

#define CHANGED_COLUMNS 48 /* of one old or new value */
#define NAME_COLUMNS 24    /* of a record's field names */

#define RESET "\x1b[0m"
#define DIM "\x1b[2m"
#define BOLD "\x1b[1m"

/* --- values ----------------------------------------------------------------------------- */

bool show_is_instant(struct casebus_bytes field)
{
    return text_ends_with(field, "_at") || text_ends_with(field, "_seen") ||
           casebus_bytes_is(field, "at");
}

bool show_is_pence(struct casebus_bytes field)
{
    return text_ends_with(field, "_pence");
}

static void add_json(struct casebus_bytes raw, struct text *out)
{
    struct json json = json_begin(out, false);
    json_value(&json, raw);
}

static void add_whole(struct casebus_bytes field, struct casebus_bytes raw, struct text *out)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    switch (casebus_peek(&r)) {
    case CASEBUS_STR:
        text_add_foreign(out, casebus_read_str(&r));
        break;
    case CASEBUS_UINT:
        if (show_is_pence(field)) {
            text_add_pence(out, casebus_read_uint(&r));
        } else if (show_is_instant(field)) {
            text_add_instant(out, casebus_read_uint(&r));
        } else {
            text_add_uint(out, casebus_read_uint(&r));
        }
        break;
    case CASEBUS_BIN:
        text_add_hex(out, casebus_read_bin(&r));
        break;
    case CASEBUS_NONE:
    case CASEBUS_NIL:
        text_add(out, "(none)");
        break;
    default:
        add_json(raw, out);
        break;
    }
}

void show_value(struct casebus_bytes field, struct casebus_bytes raw, size_t columns,
                struct text *out)
{
    const size_t start = out->size;
    add_whole(field, raw, out);
    if (columns == 0 || out->failed) {
        return;
    }
    const char *const value = text_get(out) + start;
    const size_t size = out->size - start;
    if (text_fit(value, size, columns) < size) {
        out->size = start + text_fit(value, size, columns - 1);
        text_add(out, "…");
    }
}

/* A field's name as people know it: the unit shows in the value. */
static void add_field_name(struct casebus_bytes field, struct text *out)
{
    if (show_is_pence(field)) {
        field.size -= strlen("_pence");
    }
    text_add_foreign(out, field);
}

void show_changed(struct casebus_bytes changed, struct text *out)
{
    struct casebus_reader r;
    const char *comma = "";
    casebus_reader_init(&r, changed);
    for (uint32_t left = casebus_read_array(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes entry = casebus_read_raw(&r);
        const struct casebus_bytes field = casebus_as_str(casebus_map_get(entry, "field"));
        const struct casebus_bytes old = casebus_map_get(entry, "old");
        const struct casebus_bytes new = casebus_map_get(entry, "new");
        text_add(out, comma);
        add_field_name(field, out);
        if (old.data != NULL || new.data != NULL) { /* the thin form has the name alone */
            text_add(out, " ");
            show_value(field, old, CHANGED_COLUMNS, out);
            text_add(out, " → ");
            show_value(field, new, CHANGED_COLUMNS, out);
        }
        comma = ", ";
    }
}

/* --- records ---------------------------------------------------------------------------- */

static void add_pairs(struct casebus_bytes value, const char *prefix, struct text *out);

static void add_line(const char *name, struct casebus_bytes field, struct casebus_bytes raw,
                     struct text *out)
{
    const size_t width = text_width(name, strlen(name));
    text_format(out, "%s%*s  ", name, width < NAME_COLUMNS ? (int)(NAME_COLUMNS - width) : 0,
                "");
    show_value(field, raw, 0, out);
    text_add(out, "\n");
}

static bool is_container(struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    const enum casebus_kind kind = casebus_peek(&r);
    return kind == CASEBUS_MAP || kind == CASEBUS_ARRAY;
}

/* Is it an array of texts, of one at least? */
static bool is_words(struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    uint32_t count = casebus_peek(&r) == CASEBUS_ARRAY ? casebus_read_array(&r) : 0;
    bool all = count > 0;
    for (; count > 0 && all; count--) {
        all = casebus_peek(&r) == CASEBUS_STR;
        casebus_skip(&r);
    }
    return all;
}

static void add_words(const struct text *name, struct casebus_bytes raw, struct text *out)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    text_format(out, "%-24s  ", text_get(name));
    for (uint32_t i = 0, count = casebus_read_array(&r); i < count; i++) {
        text_add(out, i > 0 ? ", " : "");
        text_add_foreign(out, casebus_read_str(&r));
    }
    text_add(out, "\n");
}

static void add_pair(const struct text *name, struct casebus_bytes field,
                     struct casebus_bytes raw, struct text *out)
{
    if (is_words(raw)) {
        add_words(name, raw, out);
    } else if (is_container(raw)) {
        struct text prefix = {0};
        text_format(&prefix, "%s.", text_get(name));
        add_pairs(raw, text_get(&prefix), out);
        text_free(&prefix);
    } else {
        add_line(text_get(name), field, raw, out);
    }
}

/* A map's values under their keys, an array's under their number, from 1. */
static void add_pairs(struct casebus_bytes value, const char *prefix, struct text *out)
{
    struct casebus_reader r;
    struct text name = {0};
    casebus_reader_init(&r, value);
    const bool named = casebus_peek(&r) == CASEBUS_MAP;
    const uint32_t count = named ? casebus_read_map(&r) : casebus_read_array(&r);
    for (uint32_t i = 0; i < count && r.error == 0; i++) {
        struct casebus_bytes field = casebus_cstr("");
        text_clear(&name);
        text_add(&name, prefix);
        if (named) {
            field = casebus_read_str(&r);
            add_field_name(field, &name);
        } else {
            text_format(&name, "%u", i + 1);
        }
        add_pair(&name, field, casebus_read_raw(&r), out);
    }
    text_free(&name);
}

void show_record(struct casebus_bytes map, struct text *out)
{
    add_pairs(map, "", out);
}

void show_pair(struct casebus_bytes key, struct casebus_bytes raw, struct text *out)
{
    struct text name = {0};
    add_field_name(key, &name);
    add_pair(&name, key, raw, out);
    text_free(&name);
}

/* --- events ----------------------------------------------------------------------------- */

static void add_str(struct casebus_bytes map, const char *key, const char *before,
                    struct text *out)
{
    const struct casebus_bytes text = casebus_as_str(casebus_map_get(map, key));
    if (text.data != NULL) {
        text_add(out, before);
        text_add_foreign(out, text);
    }
}

static void add_offender(const struct casebus_event *event, struct text *out)
{
    add_str(casebus_map_get(event->payload, "offender"), "name", "  ", out);
}

static void add_fine(const struct casebus_event *event, struct text *out)
{
    const struct casebus_bytes fine = casebus_map_get(event->payload, "offence_fine_pence");
    if (fine.data != NULL) {
        text_add(out, "  ");
        show_value(casebus_cstr("offence_fine_pence"), fine, 0, out);
    }
}

static void add_stale(const struct casebus_event *event, struct text *out)
{
    if (casebus_map_get(event->payload, "stale").data != NULL) {
        text_add(out, "  stale: fetched before what is stored");
    }
}

static void add_quarantine(const struct casebus_event *event, struct text *out)
{
    const struct casebus_bytes number = casebus_map_get(event->payload, "quarantine");
    add_str(event->payload, "decision", "  ", out);
    if (number.data != NULL) {
        text_add(out, "  quarantine ");
        show_value(casebus_cstr(""), number, 0, out);
    }
    add_str(event->payload, "as", " as ", out);
}

void show_counters(struct casebus_bytes session, struct text *out)
{
    static const struct {
        const char *key, *before, *after;
    } counters[] = {
        {"pages_processed", "", " pages"},     {"cases_found", ", ", " found"},
        {"cases_created", ": ", " created"},   {"cases_updated", ", ", " updated"},
        {"cases_existing", ", ", " existing"}, {"errors_count", ", ", " refused"},
        {"page_errors", ", ", " page errors"},
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        text_add(out, counters[i].before);
        text_add_count(out, casebus_as_uint(casebus_map_get(session, counters[i].key), 0));
        text_add(out, counters[i].after);
    }
}

static void add_session(const struct casebus_event *event, struct text *out)
{
    if (event->thin) {
        return;
    }
    add_str(event->payload, "status", "  ", out);
    add_str(event->payload, "end_reason", ": ", out);
    text_add(out, "  ");
    show_counters(event->payload, out);
}

static void add_changed(const struct casebus_event *event, struct text *out)
{
    if (event->changed.data != NULL) {
        text_add(out, event->thin ? "  changed: " : "  ");
        show_changed(event->changed, out);
    }
}

#define KIND(name) (1u << CASEBUS_EVENT_##name)
#define SESSION_KINDS (~0u << CASEBUS_CASE_EVENT_COUNT)

static const struct {
    unsigned kinds;
    void (*add)(const struct casebus_event *event, struct text *out);
} parts[] = {
    {KIND(CREATED) | KIND(UPDATED), add_offender},
    {KIND(CREATED) | KIND(UPDATED), add_fine},
    {KIND(SYNCED), add_stale},
    {KIND(CONFLICT) | KIND(RESOLVED), add_quarantine},
    {SESSION_KINDS, add_session},
    {KIND(UPDATED) | KIND(CONFLICT), add_changed},
};

static const char *const colours[CASEBUS_EVENT_KIND_COUNT] = {
    [CASEBUS_EVENT_CREATED] = "\x1b[32m",    [CASEBUS_EVENT_SYNCED] = DIM,
    [CASEBUS_EVENT_UPDATED] = "\x1b[33m",    [CASEBUS_EVENT_CONFLICT] = "\x1b[31m",
    [CASEBUS_EVENT_DELETED] = "\x1b[35m",    [CASEBUS_EVENT_REDACTED] = "\x1b[35m",
    [CASEBUS_EVENT_RESOLVED] = "\x1b[31m",   [CASEBUS_EVENT_STARTED] = "\x1b[36m",
    [CASEBUS_EVENT_PROGRESSED] = "\x1b[36m", [CASEBUS_EVENT_ENDED] = "\x1b[36m",
    [CASEBUS_EVENT_STOPPING] = "\x1b[36m",   [CASEBUS_EVENT_LOST] = "\x1b[31m",
    [CASEBUS_EVENT_RESUMED] = "\x1b[36m",
};

void show_event(const struct casebus_event *event, bool colour, struct text *out)
{
    const char *const reset = colour ? RESET : "";
    text_add(out, colour ? DIM : "");
    text_add_instant(out, event->at);
    text_format(out, "%s  %s%-10s%s  ", reset, colour ? colours[event->kind] : "",
                casebus_event_kind_word(event->kind), reset);
    text_add(out, event->kind < CASEBUS_CASE_EVENT_COUNT ? "" : "session ");
    text_add(out, colour ? BOLD : "");
    text_add_foreign(out, event->topic.segment[2]);
    text_add(out, ":");
    text_add_foreign(out, event->topic.segment[3]);
    text_add(out, reset);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if ((parts[i].kinds & 1u << event->kind) != 0) {
            parts[i].add(event, out);
        }
    }
}
