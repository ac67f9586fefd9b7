/* The desk of desk.h. */
#include "desk.h"

#include "verify.h"

#include <casebus/check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const unsigned char fixed_epoch[CASEBUS_EPOCH_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};

static void open_store(struct desk *d)
{
    struct store_options options = {.dir = d->dir, .map_bytes = d->map_bytes};
    char why[4500] = "";
    if (store_open(&d->store, &options, why, sizeof why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(txn_new_write(d->store, &d->txn), 0);
    assert_int_equal(apply_new(&d->apply, d->txn), 0);
}

void desk_open(struct desk *d)
{
    desk_open_map(d, 256u << 20);
}

void desk_open_map(struct desk *d, uint64_t map_bytes)
{
    struct state state;
    memset(d, 0, sizeof *d);
    d->map_bytes = map_bytes;
    /* Thousands of commits wait for a disk for most of a minute; what they prove needs none. */
    snprintf(d->dir, sizeof d->dir, "/dev/shm/casebus-desk-XXXXXX");
    if (!mkdtemp(d->dir)) {
        snprintf(d->dir, sizeof d->dir, "/tmp/casebus-desk-XXXXXX");
        assert_non_null(mkdtemp(d->dir));
    }
    d->clock = 1700000000000000;
    open_store(d);
    /* The same history at every desk, so that stores can be compared. */
    assert_int_equal(txn_begin(d->txn), 0);
    assert_true(txn_state(d->txn, &state));
    memcpy(state.epoch, fixed_epoch, sizeof state.epoch);
    txn_set_state(d->txn, &state);
    assert_int_equal(txn_commit(d->txn), 0);
    txn_end(d->txn);
}

static void close_store(struct desk *d)
{
    apply_destroy(&d->apply);
    txn_destroy(&d->txn);
    store_close(&d->store);
}

void desk_close(struct desk *d)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "broker.lock"};
    close_store(d);
    json_decref(d->event);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", d->dir, files[i]);
        unlink(path);
    }
    rmdir(d->dir);
}

int desk_set_up(void **state)
{
    desk_open(*state);
    return 0;
}

int desk_tear_down(void **state)
{
    struct desk *d = *state;
    unsigned findings = desk_findings(d);
    desk_close(d);
    return findings == 0 ? 0 : -1;
}

int desk_shut(void **state)
{
    desk_close(*state);
    return 0;
}

void desk_reopen(struct desk *d)
{
    close_store(d);
    open_store(d);
}

void desk_begin(struct desk *d)
{
    assert_int_equal(txn_begin(d->txn), 0);
    assert_int_equal(apply_begin(d->apply), 0);
    d->batch = true;
    d->shown = 0;
}

/* What an entry being applied points to lives until its batch is committed. */
static void keep(struct desk *d, msgpack_sbuffer *body)
{
    assert_true(d->kept_count < sizeof d->kept / sizeof *d->kept);
    d->kept[d->kept_count++] = msgpack_sbuffer_release(body);
}

void desk_end(struct desk *d)
{
    assert_int_equal(apply_finish(d->apply), 0);
    assert_int_equal(txn_commit(d->txn), 0);
    txn_end(d->txn);
    while (d->kept_count > 0) {
        free(d->kept[--d->kept_count]);
    }
    d->batch = false;
}

/* --- JSON and msgpack ------------------------------------------------------------------- */

static void pack_json(msgpack_packer *pk, json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        msgpack_pack_map(pk, json_object_size(v));
        json_object_foreach(v, key, member)
        {
            casebus_pack_text(pk, key);
            pack_json(pk, member);
        }
        break;
    case JSON_ARRAY:
        msgpack_pack_array(pk, json_array_size(v));
        json_array_foreach(v, i, member)
        {
            pack_json(pk, member);
        }
        break;
    case JSON_STRING:
        casebus_pack_str(pk, casebus_bytes(json_string_value(v), json_string_length(v)));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(v));
        break;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(v));
        break;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        break;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        break;
    default:
        msgpack_pack_nil(pk);
    }
}

void desk_pack(const char *text, msgpack_sbuffer *out)
{
    char *json = strdup(text);
    for (char *p = json; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json_error_t error;
    json_t *v = json_loads(json, 0, &error);
    if (!v) {
        fail_msg("%s: %s", json, error.text);
    }
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    pack_json(&pk, v);
    json_decref(v);
    free(json);
}

static json_t *to_json(struct casebus_reader *r)
{
    struct casebus_bytes b;
    json_t *v;
    switch (casebus_peek(r)) {
    case CASEBUS_MAP:
        v = json_object();
        for (uint32_t n = casebus_read_map(r); n > 0; n--) {
            b = casebus_read_str(r);
            char key[256];
            snprintf(key, sizeof key, "%.*s", (int)b.size, (const char *)b.data);
            json_object_set_new(v, key, to_json(r));
        }
        return v;
    case CASEBUS_ARRAY:
        v = json_array();
        for (uint32_t n = casebus_read_array(r); n > 0; n--) {
            json_array_append_new(v, to_json(r));
        }
        return v;
    case CASEBUS_STR:
        b = casebus_read_str(r);
        return json_stringn((const char *)b.data, b.size);
    case CASEBUS_UINT:
        return json_integer((json_int_t)casebus_read_uint(r));
    case CASEBUS_INT:
        return json_integer(casebus_read_int(r));
    case CASEBUS_BOOL:
        return json_boolean(casebus_read_bool(r));
    default:
        casebus_skip(r);
        return json_null();
    }
}

/* --- applying --------------------------------------------------------------------------- */

static void show_events(struct desk *d)
{
    size_t count, at = 0;
    const struct apply_event *events = apply_events(d->apply, &count);
    d->events[0] = '\0';
    json_decref(d->event);
    d->event = NULL;
    for (size_t i = d->shown; i < count; i++) {
        struct casebus_topic topic;
        enum casebus_event_kind kind;
        assert_int_equal(casebus_topic_event(events[i].topic, &topic, &kind), 0);
        at += (size_t)snprintf(d->events + at, sizeof d->events - at, "%s%s %.*s",
                               at ? " " : "", casebus_event_kind_word(kind),
                               (int)topic.segment[3].size, (const char *)topic.segment[3].data);
    }
    if (count > d->shown) {
        struct casebus_reader r;
        casebus_reader_init(&r, events[count - 1].body);
        d->event = to_json(&r);
    }
    d->shown = count;
}

void desk_apply(struct desk *d, const struct apply_entry *entry)
{
    bool alone = !d->batch;
    if (alone) {
        desk_begin(d);
    }
    assert_int_equal(apply_entry(d->apply, entry, &d->result), 0);
    show_events(d);
    if (alone) {
        desk_end(d);
    }
}

struct casebus_bytes desk_keep(struct desk *d, struct casebus_bytes bytes)
{
    msgpack_sbuffer copy;
    msgpack_sbuffer_init(&copy);
    msgpack_sbuffer_write(&copy, (const char *)bytes.data, bytes.size);
    struct casebus_bytes kept = casebus_bytes(copy.data, copy.size);
    keep(d, &copy);
    return kept;
}

void desk_raw(struct desk *d, const char *topic, const void *body, size_t size)
{
    struct apply_entry entry = {
        .kind = APPLY_REPORT,
        .at = d->clock += 1000000,
        .actor = casebus_cstr("local"),
        .topic = desk_keep(d, casebus_cstr(topic)),
        .body = casebus_bytes(body, size),
    };
    desk_apply(d, &entry);
}

void desk_report(struct desk *d, const char *topic, const char *data)
{
    msgpack_sbuffer body, packed;
    struct casebus_report_parts parts = {.sent_at = 0};
    msgpack_sbuffer_init(&body);
    msgpack_sbuffer_init(&packed);
    if (data) {
        desk_pack(data, &packed);
        parts.data = casebus_bytes(packed.data, packed.size);
    }
    if (d->session) {
        parts.session = casebus_cstr(d->session);
    }
    assert_int_equal(casebus_report_encode(&parts, &body), 0);
    struct casebus_bytes bytes = casebus_bytes(body.data, body.size);
    keep(d, &body);
    desk_raw(d, topic, bytes.data, bytes.size);
    msgpack_sbuffer_destroy(&packed);
}

static void apply_own(struct desk *d, enum apply_kind kind, const char *actor, const char *json)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    desk_pack(json, &body);
    struct apply_entry entry = {
        .kind = kind,
        .at = d->clock += 1000000,
        .actor = casebus_cstr(actor),
        .topic = casebus_bytes("", 0),
        .body = casebus_bytes(body.data, body.size),
    };
    keep(d, &body);
    desk_apply(d, &entry);
}

void desk_tick(struct desk *d, const char *heard)
{
    char text[1000];
    snprintf(text, sizeof text, "{'heard': %s}", heard ? heard : "[]");
    apply_own(d, APPLY_TICK, "broker", text);
}

void desk_stop(struct desk *d, const char *session)
{
    char text[200];
    snprintf(text, sizeof text, "{'agency': 'hse', 'session_id': '%s'}", session);
    apply_own(d, APPLY_STOP, "ann", text);
}

void desk_set(struct desk *d, const char *settings)
{
    apply_own(d, APPLY_AGENCY, "ann", settings);
}

void desk_trim(struct desk *d, struct desk_bounds bounds)
{
    msgpack_sbuffer body;
    char text[200];
    snprintf(text, sizeof text, "{'events': %llu, 'bytes': %llu, 'below': %llu, 'most': %llu}",
             (unsigned long long)bounds.events, (unsigned long long)bounds.bytes,
             (unsigned long long)(bounds.below ? bounds.below : INT64_MAX),
             (unsigned long long)bounds.most);
    msgpack_sbuffer_init(&body);
    desk_pack(text, &body);
    struct apply_entry entry = {
        .kind = APPLY_FLOOR,
        .at = d->clock,
        .actor = casebus_cstr("broker"),
        .topic = casebus_bytes("", 0),
        .body = casebus_bytes(body.data, body.size),
    };
    keep(d, &body);
    desk_apply(d, &entry);
}

void desk_decide(struct desk *d, enum apply_kind kind, uint64_t quarantine, const char *as)
{
    msgpack_sbuffer body;
    msgpack_packer pk;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, as ? 2 : 1);
    casebus_pack_text(&pk, "quarantine");
    msgpack_pack_uint64(&pk, quarantine);
    if (as) {
        casebus_pack_text(&pk, "as");
        casebus_pack_text(&pk, as);
    }
    struct apply_entry entry = {
        .kind = kind,
        .at = d->clock += 1000000,
        .actor = casebus_cstr("ann"),
        .topic = casebus_bytes("", 0),
        .body = casebus_bytes(body.data, body.size),
    };
    keep(d, &body);
    desk_apply(d, &entry);
}

/* --- looking ---------------------------------------------------------------------------- */

const char *desk_events(const struct desk *d)
{
    return d->events;
}

const char *desk_at(const struct desk *d, const char *path)
{
    static char text[512];
    char part[128];
    json_t *v = d->event;
    while (v && *path) {
        size_t n = strcspn(path, "/");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        v = json_is_array(v) ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
        path += n + (path[n] == '/');
    }
    if (!v) {
        return NULL;
    }
    if (json_is_string(v)) {
        snprintf(text, sizeof text, "%s", json_string_value(v));
    } else {
        char *dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        snprintf(text, sizeof text, "%s", dump);
        free(dump);
    }
    return text;
}

static struct txn *read_begin(struct desk *d)
{
    struct txn *txn;
    assert_int_equal(txn_new_read(d->store, &txn), 0);
    assert_int_equal(txn_begin(txn), 0);
    return txn;
}

struct case_entry desk_case(struct desk *d, const char *id)
{
    struct case_entry entry = {.flags = 0};
    struct key key = key_text(casebus_cstr(id));
    struct txn *txn = read_begin(d);
    txn_load(txn, TREE_CASE, &key, ENTRY_CASE, &entry);
    txn_destroy(&txn);
    entry.source = entry.record = casebus_bytes(NULL, 0);
    return entry;
}

static struct casebus_bytes copy_text(struct casebus_bytes text, unsigned char *to)
{
    if (text.size > 0) {
        memcpy(to, text.data, text.size);
    }
    return casebus_bytes(text.data ? to : NULL, text.size);
}

bool desk_agency(struct desk *d, const char *code, struct agency_entry *agency)
{
    static unsigned char name[4096], base_url[4096];
    struct key key = key_text(casebus_cstr(code));
    struct txn *txn = read_begin(d);
    *agency = (struct agency_entry){.disabled = 0};
    bool found = txn_load(txn, TREE_AGENCY, &key, ENTRY_AGENCY, agency);
    assert_true(agency->name.size <= sizeof name && agency->base_url.size <= sizeof base_url);
    agency->name = copy_text(agency->name, name);
    agency->base_url = copy_text(agency->base_url, base_url);
    txn_destroy(&txn);
    return found;
}

struct state desk_state(struct desk *d)
{
    struct state state;
    struct txn *txn = read_begin(d);
    assert_true(txn_state(txn, &state));
    txn_destroy(&txn);
    return state;
}

static uint64_t mix(uint64_t h, struct casebus_bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        h = (h ^ b.data[i]) * 1099511628211u;
    }
    return (h ^ b.size) * 1099511628211u;
}

uint64_t desk_digest(struct desk *d)
{
    uint64_t h = 14695981039346656037u;
    struct txn *txn = read_begin(d);
    for (int t = 0; t < TREE_COUNT; t++) {
        struct cursor c;
        cursor_open(&c, txn, (enum tree)t);
        for (bool at = cursor_seek(&c, casebus_bytes("", 1)); at; at = cursor_next(&c)) {
            h = mix(mix(h + (uint64_t)t, c.key), c.value);
        }
        cursor_close(&c);
    }
    assert_int_equal(txn_error(txn), 0);
    txn_destroy(&txn);
    return h;
}

uint64_t desk_entries(struct desk *d, enum tree tree)
{
    uint64_t count = 0;
    struct cursor c;
    struct txn *txn = read_begin(d);
    cursor_open(&c, txn, tree);
    for (cursor_seek(&c, casebus_bytes("", 1)); c.key.data; cursor_next(&c)) {
        count++; /* with a value that can be read or not */
        txn_forgive(txn);
    }
    cursor_close(&c);
    txn_destroy(&txn);
    return count;
}

bool desk_holds(struct desk *d, const char *bytes)
{
    bool found = false;
    struct txn *txn = read_begin(d);
    for (int t = 0; t < TREE_COUNT; t++) {
        struct cursor c;
        cursor_open(&c, txn, (enum tree)t);
        for (bool at = cursor_seek(&c, casebus_bytes("", 1)); at; at = cursor_next(&c)) {
            found = found || memmem(c.key.data, c.key.size, bytes, strlen(bytes)) ||
                    (c.value.size && memmem(c.value.data, c.value.size, bytes, strlen(bytes)));
        }
        cursor_close(&c);
    }
    txn_destroy(&txn);
    return found;
}

unsigned desk_findings(struct desk *d)
{
    struct verify_report report = {.finding_count = 0};
    assert_int_equal(verify_store(d->store, &report), 0);
    unsigned n = report.finding_count;
    for (unsigned i = 0; i < n && i < FINDINGS_MAX; i++) {
        print_message("finding: %s\n", report.findings[i]);
    }
    verify_report_clear(&report);
    return n;
}
