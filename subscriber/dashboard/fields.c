/* Records shown whole: every field a record has, known to us or not; its history; and two
 * records side by side. */
#include "lists.h"

#include <casebus/topic.h>

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX CASEBUS_DEPTH_MAX

static bool is_among(const char *const *names, struct casebus_bytes key)
{
    for (; names != NULL && *names != NULL; names++) {
        if (casebus_bytes_is(key, *names)) {
            return true;
        }
    }
    return false;
}

/* "offence_action_date" is "Action date", "offender.town" is "Offender town". */
static void add_label(struct text *out, struct casebus_bytes name)
{
    static const char before[] = "offence_", behind[] = "_pence";
    if (name.size > sizeof before - 1 && memcmp(name.data, before, sizeof before - 1) == 0) {
        name.data += sizeof before - 1;
        name.size -= sizeof before - 1;
    }
    if (name.size > sizeof behind - 1 &&
        memcmp(name.data + name.size - (sizeof behind - 1), behind, sizeof behind - 1) == 0) {
        name.size -= sizeof behind - 1;
    }
    struct text words = {0};
    text_add_bytes(&words, (const char *)name.data, name.size);
    for (size_t i = 0; i < words.size; i++) {
        words.data[i] = words.data[i] == '_' || words.data[i] == '.' ? ' ' : words.data[i];
    }
    if (words.size > 0) {
        words.data[0] = (char)toupper((unsigned char)words.data[0]);
    }
    html_add(out, casebus_bytes(text_get(&words), words.size));
    text_free(&words);
}

/* --- flat fields -------------------------------------------------------------------------- */

/* One value under its dotted name. `key` is the name's last part, which says the unit. */
typedef void see(void *arg, struct casebus_bytes name, struct casebus_bytes key,
                 struct casebus_bytes raw);

static void walk(struct text *name, struct casebus_bytes key, struct casebus_bytes raw,
                 unsigned depth, see *seen, void *arg)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    const enum casebus_kind kind = casebus_peek(&r);
    const bool map = kind == CASEBUS_MAP;
    if ((!map && kind != CASEBUS_ARRAY) || depth == DEPTH_MAX) {
        seen(arg, casebus_bytes(text_get(name), name->size), key, raw);
        return;
    }
    const uint32_t count = map ? casebus_read_map(&r) : casebus_read_array(&r);
    const size_t start = name->size;
    for (uint32_t i = 0; i < count && r.error == 0; i++) {
        const struct casebus_bytes inner = map ? casebus_read_str(&r) : key;
        text_add(name, start > 0 ? "." : "");
        if (map) {
            text_add_bytes(name, (const char *)inner.data, inner.size);
        } else {
            text_add_uint(name, i + 1);
        }
        walk(name, inner, casebus_read_raw(&r), depth + 1, seen, arg);
        name->size = start;
    }
}

static void add_field(void *arg, struct casebus_bytes name, struct casebus_bytes key,
                      struct casebus_bytes raw)
{
    struct slots slots = {0};
    slot_words(&slots, "name", name);
    add_label(slot_get(&slots, "label"), name);
    html_add_value(slot_get(&slots, "value"), key, raw);
    template_fill("row_field", &slots, arg);
    slots_free(&slots);
}

void list_fields(struct text *out, struct casebus_bytes map, const char *const *without)
{
    struct text name = {0};
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    const uint32_t count = map.size > 0 ? casebus_read_map(&r) : 0;
    for (uint32_t i = 0; i < count && r.error == 0; i++) {
        const struct casebus_bytes key = casebus_read_str(&r);
        const struct casebus_bytes raw = casebus_read_raw(&r);
        if (!is_among(without, key)) {
            text_clear(&name);
            text_add_bytes(&name, (const char *)key.data, key.size);
            walk(&name, key, raw, 1, add_field, out);
        }
    }
    text_free(&name);
}

void list_offences(struct text *out, struct casebus_bytes offences)
{
    struct list list = list_of(offences);
    struct slots slots = {0};
    struct casebus_bytes offence;
    while (list_next(&list, &offence)) {
        const struct casebus_bytes part = member_text(offence, "part");
        slots_clear(&slots);
        slot_member(&slots, "number", offence, "number");
        slot_member(&slots, "description", offence, "description");
        slot_member(&slots, "legislation", offence, "legislation");
        text_add(slot_get(&slots, "legislation"), part.size > 0 ? ", " : "");
        slot_words(&slots, "legislation", part);
        slot_member(&slots, "result", offence, "result");
        slot_member(&slots, "hearing_date", offence, "hearing_date");
        slot_member(&slots, "fine", offence, "fine_pence");
        template_fill("row_offence", &slots, out);
    }
    slots_free(&slots);
}

/* --- history ------------------------------------------------------------------------------ */

static void add_changes(struct text *out, struct casebus_bytes changed)
{
    struct list list = list_of(changed);
    struct slots slots = {0};
    struct casebus_bytes change;
    while (list_next(&list, &change)) {
        const struct casebus_bytes name = member_text(change, "field");
        slots_clear(&slots);
        slot_words(&slots, "name", name);
        add_label(slot_get(&slots, "label"), name);
        html_add_value(slot_get(&slots, "old"), name, casebus_map_get(change, "old"));
        html_add_value(slot_get(&slots, "new"), name, casebus_map_get(change, "new"));
        template_fill("change", &slots, out);
    }
    slots_free(&slots);
}

static void add_event_session(struct text *out, struct casebus_bytes event)
{
    const struct casebus_bytes session = member_text(event, "session");
    struct casebus_topic topic;
    if (session.size > 0 && casebus_topic_split(member_text(event, "topic"), &topic) == 0 &&
        topic.count == 4) {
        link_session(out, topic.segment[2], session);
    }
}

void list_history(struct text *out, struct casebus_bytes events)
{
    struct list list = list_of(events);
    struct slots slots = {0};
    struct casebus_bytes event;
    while (list_next(&list, &event)) {
        const struct casebus_bytes payload = casebus_map_get(event, "payload");
        const uint64_t version = member_number(event, "version");
        slots_clear(&slots);
        slot_member(&slots, "seq", event, "seq");
        slot_member(&slots, "event", event, "event");
        if (version != 0) {
            text_format(slot_get(&slots, "version"), "version %llu",
                        (unsigned long long)version);
        }
        add_changes(slot_get(&slots, "changes"), casebus_map_get(event, "changed"));
        slot_member(&slots, "actor", event, "actor");
        add_event_session(slot_get(&slots, "session"), event);
        slot_member(&slots, "page", casebus_map_get(payload, "source"), "page");
        slot_member(&slots, "at", event, "at");
        template_fill("row_history", &slots, out);
    }
    slots_free(&slots);
}

/* --- quarantine --------------------------------------------------------------------------- */

static const char *const not_compared[] = {
    "id",         "agency",      "regulator_id", "source",         "version",    "inserted_at",
    "updated_at", "created_seq", "updated_seq",  "last_synced_at", "seen_count", NULL};

/* Where a dotted name leads in a map: absent where it leads nowhere. */
static struct casebus_bytes look_up(struct casebus_bytes map, struct casebus_bytes name)
{
    const char *const dot = memchr(name.data, '.', name.size);
    const size_t size = dot != NULL ? (size_t)(dot - (const char *)name.data) : name.size;
    char key[CASEBUS_KEY_MAX + 1];
    if (size > CASEBUS_KEY_MAX) {
        return casebus_bytes(NULL, 0);
    }
    memcpy(key, name.data, size);
    key[size] = '\0';
    struct casebus_bytes found = casebus_map_get(map, key);
    if (dot == NULL || found.data == NULL) {
        return found;
    }
    return look_up(found, casebus_bytes(dot + 1, name.size - size - 1));
}

struct comparison {
    struct text *out;
    struct casebus_bytes stored, reported;
    bool stored_only; /* the walk is over what is stored: only what was not reported is shown */
};

static void compare_field(void *arg, struct casebus_bytes name, struct casebus_bytes key,
                          struct casebus_bytes raw)
{
    const struct comparison *const self = arg;
    const struct casebus_bytes other =
        look_up(self->stored_only ? self->reported : self->stored, name);
    if (self->stored_only && other.data != NULL) {
        return; /* shown already */
    }
    const struct casebus_bytes stored = self->stored_only ? raw : other;
    const struct casebus_bytes reported = self->stored_only ? other : raw;
    const bool differs = reported.data != NULL &&
                         (stored.data == NULL || !casebus_value_equal(stored, reported));
    struct slots slots = {0};
    slot_words(&slots, "name", name);
    add_label(slot_get(&slots, "label"), name);
    if (stored.data != NULL) {
        html_add_value(slot_get(&slots, "stored"), key, stored);
    }
    if (reported.data != NULL) {
        html_add_value(slot_get(&slots, "reported"), key, reported);
    }
    if (differs) {
        text_add(slot_get(&slots, "differs"), "class=\"differs\"");
        text_add(slot_get(&slots, "mark"), "<span class=\"unseen\">differs:</span>");
    }
    template_fill("row_compare", &slots, self->out);
    slots_free(&slots);
}

/* Arrays as a whole: they are replaced as a whole. */
static void walk_record(struct casebus_bytes map, struct comparison *comparison)
{
    struct text name = {0};
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    const uint32_t count = map.size > 0 ? casebus_read_map(&r) : 0;
    for (uint32_t i = 0; i < count && r.error == 0; i++) {
        const struct casebus_bytes key = casebus_read_str(&r);
        const struct casebus_bytes raw = casebus_read_raw(&r);
        struct casebus_reader value;
        casebus_reader_init(&value, raw);
        if (is_among(not_compared, key)) {
            continue;
        }
        text_clear(&name);
        text_add_bytes(&name, (const char *)key.data, key.size);
        if (casebus_peek(&value) == CASEBUS_ARRAY) {
            compare_field(comparison, casebus_bytes(text_get(&name), name.size), key, raw);
        } else {
            walk(&name, key, raw, 1, compare_field, comparison);
        }
    }
    text_free(&name);
}

static void fill_quarantined(struct slots *slots, struct casebus_bytes entry)
{
    const struct casebus_bytes id = member_text(entry, "id");
    const struct casebus_bytes session = member_text(entry, "session");
    struct casebus_bytes agency = {NULL, 0}, rest;
    struct comparison comparison = {.out = slot_get(slots, "rows"),
                                    .stored = casebus_map_get(entry, "case"),
                                    .reported = casebus_map_get(entry, "reported")};
    casebus_case_id_split(id, &agency, &rest);
    slot_member(slots, "number", entry, "quarantine");
    slot_words(slots, "id", id);
    address_case(slot_get(slots, "href"), id);
    slot_words(slots, "agency", agency);
    slot_member(slots, "at", entry, "at");
    slot_member(slots, "actor", entry, "actor");
    if (session.size > 0) {
        link_session(slot_get(slots, "session"), agency, session);
    }
    walk_record(comparison.reported, &comparison);
    comparison.stored_only = true;
    walk_record(comparison.stored, &comparison);
}

void list_quarantine(struct text *out, struct casebus_bytes entries)
{
    struct list list = list_of(entries);
    struct casebus_bytes entry;
    while (list_next(&list, &entry)) {
        struct slots slots = {0};
        fill_quarantined(&slots, entry);
        template_fill("quarantined", &slots, out);
        slots_free(&slots);
    }
}
