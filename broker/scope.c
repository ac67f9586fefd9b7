/* Scopes; see scope.h.
 *
 * What is shown is decided by names alone, with one rule for records, for reported data, for
 * payloads of events and for their `changed`: so no way around a hidden field is left open by
 * the shape of a message. A thin scope shows what is on a list, not what is missing from one: a
 * field that a later publisher sends is hidden until somebody shows it. */
#include "scope.h"

const char *const form_words[FORM_COUNT] = {[FORM_FULL] = "full", [FORM_THIN] = "thin"};

const struct scope scope_everything = {.form = FORM_FULL};

bool scope_is_full(const struct scope *scope)
{
    return scope->form == FORM_FULL && scope->hidden == 0;
}

bool scope_is_everything(const struct scope *scope)
{
    return scope->agencies == 0 && scope_is_full(scope);
}

/* --- making one ------------------------------------------------------------------------- */

const char *scope_add_agency(struct scope *scope, struct casebus_bytes code)
{
    if (!casebus_agency_valid(code)) {
        return NO_AGENCY_CODE;
    }
    if (scope->agencies > 0 && scope_covers(scope, code)) {
        return "is named twice";
    }
    if (scope->agencies == CASEBUS_AGENCIES_MAX) {
        return "is one agency too many";
    }
    scope->agency[scope->agencies].size = code.size;
    memcpy(scope->agency[scope->agencies++].code, code.data, code.size);
    return NULL;
}

static const struct casebus_field *find_field(const struct casebus_field *schema,
                                              struct casebus_bytes name)
{
    for (; schema->name; schema++) {
        if (casebus_bytes_equal(name, casebus_bytes(schema->name, schema->name_size))) {
            return schema;
        }
    }
    return NULL;
}

/* What its worker said of a session, or a person of its end. */
static bool is_said_of_session(struct casebus_bytes name)
{
    return find_field(casebus_session_started_schema, name) ||
           casebus_bytes_is(name, "end_reason");
}

/* What the broker says of it. */
static bool is_kept_of_session(struct casebus_bytes name)
{
    static const char *const names[] = {
        "session_id",    "agency",        "status",         "pages_processed", "cases_found",
        "cases_created", "cases_updated", "cases_existing", "errors_count",    "page_errors",
        "started_at",    "last_seen_at",  "ended_at",       "started_seq"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (casebus_bytes_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_said_of_case(const struct casebus_field *field)
{
    return field->setter != CASEBUS_SET_IDENTITY && field->setter != CASEBUS_SET_STORE;
}

/* The name up to its first dot; `member` gets what is behind it, absent without a dot. */
static struct casebus_bytes split_name(struct casebus_bytes name, struct casebus_bytes *member)
{
    const unsigned char *dot = name.size ? memchr(name.data, '.', name.size) : NULL;
    size_t head = dot ? (size_t)(dot - name.data) : name.size;
    *member = dot ? casebus_bytes(dot + 1, name.size - head - 1) : casebus_bytes(NULL, 0);
    return casebus_bytes(name.data, head);
}

static const char *name_fault(struct casebus_bytes name)
{
    struct casebus_bytes member;
    const struct casebus_field *field =
        find_field(casebus_case_schema, split_name(name, &member));
    if (!field) {
        return member.data || !is_said_of_session(name) ? "is no field of cases or sessions"
                                                        : NULL;
    }
    if (!is_said_of_case(field)) {
        return "identifies a case or is the store's own: it cannot be left out";
    }
    if (member.data && !(field->members ? find_field(field->members, member) != NULL
                                        : field->type == CASEBUS_TYPE_MAP && member.size > 0)) {
        return "has no such member";
    }
    return NULL;
}

const char *scope_hide(struct scope *scope, struct casebus_bytes name)
{
    struct casebus_bytes member;
    const char *fault = name.size >= SCOPE_FIELD_MAX ? "is too long" : name_fault(name);
    if (!fault && scope->hidden == SCOPE_HIDDEN_MAX) {
        fault = "is one field too many: 64 can be left out";
    }
    if (!fault) {
        scope->field[scope->hidden].size = name.size;
        scope->field[scope->hidden].head = split_name(name, &member).size;
        memcpy(scope->field[scope->hidden++].name, name.data, name.size);
    }
    return fault;
}

/* --- agencies --------------------------------------------------------------------------- */

bool scope_covers(const struct scope *scope, struct casebus_bytes agency)
{
    for (unsigned i = 0; i < scope->agencies; i++) {
        if (casebus_bytes_equal(agency,
                                casebus_bytes(scope->agency[i].code, scope->agency[i].size))) {
            return true;
        }
    }
    return scope->agencies == 0;
}

bool scope_covers_topic(const struct scope *scope, struct casebus_bytes topic)
{
    struct casebus_topic parts;
    return scope->agencies == 0 || (casebus_topic_split(topic, &parts) == 0 &&
                                    parts.count >= 3 && scope_covers(scope, parts.segment[2]));
}

bool scope_covers_id(const struct scope *scope, struct casebus_bytes id)
{
    const unsigned char *colon = id.size ? memchr(id.data, ':', id.size) : NULL;
    return scope->agencies == 0 ||
           (colon && scope_covers(scope, casebus_bytes(id.data, (size_t)(colon - id.data))));
}

/* --- fields ----------------------------------------------------------------------------- */

/* Is this name hidden, alone or with all that it is a member of? */
static bool is_hidden(const struct scope *scope, struct casebus_bytes name)
{
    struct casebus_bytes member, head = split_name(name, &member);
    for (unsigned i = 0; i < scope->hidden; i++) {
        struct casebus_bytes hidden = casebus_bytes(scope->field[i].name, scope->field[i].size);
        if (casebus_bytes_equal(hidden, name) || casebus_bytes_equal(hidden, head)) {
            return true;
        }
    }
    return false;
}

/* Is `member` of the field `head` hidden by itself? Without a member: is any? */
static bool is_member_hidden(const struct scope *scope, struct casebus_bytes head,
                             struct casebus_bytes member)
{
    for (unsigned i = 0; i < scope->hidden; i++) {
        const char *name = scope->field[i].name;
        size_t size = scope->field[i].size, at = scope->field[i].head;
        if (at < size && casebus_bytes_equal(head, casebus_bytes(name, at)) &&
            (!member.data ||
             casebus_bytes_equal(member, casebus_bytes(name + at + 1, size - at - 1)))) {
            return true;
        }
    }
    return false;
}

bool scope_shows(const struct scope *scope, const char *field)
{
    struct casebus_bytes name = casebus_cstr(field), member;
    split_name(name, &member);
    return scope->form == FORM_FULL && !is_hidden(scope, name) &&
           (member.data || !is_member_hidden(scope, name, member));
}

/* --- maps ------------------------------------------------------------------------------- */

/* Is a key of such a map shown? */
typedef bool shows_fn(const struct scope *scope, struct casebus_bytes key);

static bool shows_of_case(const struct scope *scope, struct casebus_bytes key)
{
    if (scope->form == FORM_THIN) {
        const struct casebus_field *field = find_field(casebus_case_schema, key);
        return field && !is_said_of_case(field);
    }
    return !is_hidden(scope, key);
}

static bool shows_of_session(const struct scope *scope, struct casebus_bytes key)
{
    return scope->form == FORM_THIN ? is_kept_of_session(key) : !is_hidden(scope, key);
}

/* A map without those of its keys that are hidden members of the field `head`. */
static void pack_members(const struct scope *scope, struct casebus_bytes head,
                         struct casebus_reader *r, msgpack_packer *pk)
{
    struct casebus_reader ahead = *r;
    uint32_t shown = 0;
    for (uint32_t n = casebus_read_map(&ahead); n > 0 && !ahead.error; n--) {
        shown += !is_member_hidden(scope, head, casebus_read_str(&ahead));
        casebus_skip(&ahead);
    }
    msgpack_pack_map(pk, shown);
    for (uint32_t n = casebus_read_map(r); n > 0 && !r->error; n--) {
        struct casebus_bytes key = casebus_read_str(r), value = casebus_read_raw(r);
        if (!is_member_hidden(scope, head, key)) {
            casebus_pack_str(pk, key);
            casebus_pack_raw(pk, value);
        }
    }
}

/* An array of case ids without those of agencies that are not shown. */
static void pack_own_ids(const struct scope *scope, struct casebus_bytes ids,
                         msgpack_packer *pk)
{
    struct casebus_reader r;
    uint32_t shown = 0;
    casebus_reader_init(&r, ids);
    for (uint32_t n = casebus_read_array(&r); n > 0 && !r.error; n--) {
        shown += scope_covers_id(scope, casebus_read_str(&r));
    }
    msgpack_pack_array(pk, shown);
    casebus_reader_init(&r, ids);
    for (uint32_t n = casebus_read_array(&r); n > 0 && !r.error; n--) {
        struct casebus_bytes id = casebus_read_str(&r);
        if (scope_covers_id(scope, id)) {
            casebus_pack_str(pk, id);
        }
    }
}

#define RELATED "related_cases" /* the only field that names cases, of any agency */

/* A map, or maps, or ids, or as it is. */
void scope_pack_value(const struct scope *scope, struct casebus_bytes field,
                      struct casebus_bytes value, msgpack_packer *pk)
{
    struct casebus_reader r;
    uint32_t maps = 1;
    casebus_reader_init(&r, value);
    if (casebus_bytes_is(field, RELATED) && casebus_peek(&r) == CASEBUS_ARRAY) {
        pack_own_ids(scope, value, pk);
        return;
    }
    if (!is_member_hidden(scope, field, casebus_bytes(NULL, 0))) {
        casebus_pack_raw(pk, value);
        return;
    }
    if (casebus_peek(&r) == CASEBUS_ARRAY) {
        maps = casebus_read_array(&r);
        msgpack_pack_array(pk, maps);
    }
    for (; maps > 0 && !r.error; maps--) {
        if (casebus_peek(&r) == CASEBUS_MAP) {
            pack_members(scope, field, &r, pk);
        } else {
            casebus_pack_raw(pk, casebus_read_raw(&r));
        }
    }
}

static void pack_shown(const struct scope *scope, shows_fn *shows, struct casebus_bytes map,
                       msgpack_packer *pk)
{
    struct casebus_reader r;
    uint32_t shown = 0;
    casebus_reader_init(&r, map);
    for (uint32_t n = casebus_read_map(&r); n > 0 && !r.error; n--) {
        shown += shows(scope, casebus_read_str(&r));
        casebus_skip(&r);
    }
    msgpack_pack_map(pk, shown);
    casebus_reader_init(&r, map);
    for (uint32_t n = casebus_read_map(&r); n > 0 && !r.error; n--) {
        struct casebus_bytes key = casebus_read_str(&r), value = casebus_read_raw(&r);
        if (shows(scope, key)) {
            casebus_pack_str(pk, key);
            scope_pack_value(scope, key, value, pk);
        }
    }
}

void scope_pack_case(const struct scope *scope, struct casebus_bytes map, msgpack_packer *pk)
{
    pack_shown(scope, shows_of_case, map, pk);
}

void scope_pack_session(const struct scope *scope, struct casebus_bytes map, msgpack_packer *pk)
{
    pack_shown(scope, shows_of_session, map, pk);
}

/* --- events ----------------------------------------------------------------------------- */

/* This kind names another case, the one a report was stored as (`as`), and that may be of
 * another agency. */
static bool is_resolved(struct casebus_bytes topic)
{
    static const char prefix[] = "case:resolved:";
    return topic.size >= sizeof prefix - 1 &&
           memcmp(topic.data, prefix, sizeof prefix - 1) == 0;
}

/* May it name a case of an agency that is not shown? Where text says the field's name the event
 * is only looked at in vain. */
static bool may_name_strangers(const struct scope *scope, struct casebus_bytes topic,
                               struct casebus_bytes body)
{
    return scope->agencies > 0 && (is_resolved(topic) || memmem(body.data, body.size, RELATED,
                                                                sizeof RELATED - 1) != NULL);
}

static bool names_a_stranger(const struct scope *scope, const struct casebus_event *event)
{
    return event->kind == CASEBUS_EVENT_RESOLVED && event->payload.data &&
           !scope_covers_id(scope, casebus_as_str(casebus_map_get(event->payload, "as")));
}

static bool shows_without_as(const struct scope *scope, struct casebus_bytes key)
{
    return !casebus_bytes_is(key, "as") && shows_of_case(scope, key);
}

/* One difference: {field, old, new}, with what is shown of old and new. */
static void pack_change(const struct scope *scope, struct casebus_bytes field,
                        struct casebus_bytes change, msgpack_packer *pk)
{
    struct casebus_reader r;
    casebus_reader_init(&r, change);
    uint32_t n = casebus_read_map(&r);
    msgpack_pack_map(pk, n);
    for (; n > 0; n--) {
        struct casebus_bytes key = casebus_read_str(&r), value = casebus_read_raw(&r);
        casebus_pack_str(pk, key);
        scope_pack_value(scope, casebus_bytes_is(key, "field") ? key : field, value, pk);
    }
}

static struct casebus_bytes changed_field(struct casebus_bytes change)
{
    return casebus_as_str(casebus_map_get(change, "field"));
}

static void pack_changed(const struct scope *scope, struct casebus_bytes changed,
                         msgpack_packer *pk)
{
    struct casebus_reader r;
    uint32_t shown = 0;
    casebus_reader_init(&r, changed);
    for (uint32_t n = casebus_read_array(&r); n > 0 && !r.error; n--) {
        shown += !is_hidden(scope, changed_field(casebus_read_raw(&r)));
    }
    msgpack_pack_array(pk, shown);
    casebus_reader_init(&r, changed);
    for (uint32_t n = casebus_read_array(&r); n > 0 && !r.error; n--) {
        struct casebus_bytes change = casebus_read_raw(&r), field = changed_field(change);
        if (!is_hidden(scope, field)) {
            pack_change(scope, field, change, pk);
        }
    }
}

static void pack_payload(const struct scope *scope, const struct casebus_event *event,
                         msgpack_packer *pk)
{
    if (event->kind >= CASEBUS_CASE_EVENT_COUNT) {
        scope_pack_session(scope, event->payload, pk);
    } else if (names_a_stranger(scope, event)) {
        pack_shown(scope, shows_without_as, event->payload, pk);
    } else {
        scope_pack_case(scope, event->payload, pk);
    }
}

/* The event with what is shown of its two parts, which are packed behind each other. */
static int encode_shown(const struct scope *scope, const struct casebus_event *event,
                        msgpack_sbuffer *out)
{
    struct casebus_event shown = *event;
    msgpack_sbuffer parts;
    msgpack_packer pk;
    msgpack_sbuffer_init(&parts);
    msgpack_packer_init(&pk, &parts, msgpack_sbuffer_write);
    if (event->changed.data) {
        pack_changed(scope, event->changed, &pk);
    }
    size_t changed = parts.size;
    if (event->payload.data) {
        pack_payload(scope, event, &pk);
    }
    if (event->changed.data) {
        shown.changed = casebus_bytes(parts.data, changed);
    }
    if (event->payload.data) {
        shown.payload = casebus_bytes(parts.data + changed, parts.size - changed);
    }
    int rc = casebus_event_encode(&shown, out);
    msgpack_sbuffer_destroy(&parts);
    return rc;
}

int scope_event(const struct scope *scope, struct casebus_bytes topic,
                struct casebus_bytes body, msgpack_sbuffer *out, struct casebus_bytes *sent)
{
    struct casebus_event event;
    struct casebus_fault fault;
    *sent = body;
    if (scope_is_full(scope) && !may_name_strangers(scope, topic, body)) {
        return 0;
    }
    if (casebus_event_read(topic, body, &event, &fault) != 0) {
        return CASEBUS_ECORRUPT;
    }
    msgpack_sbuffer_clear(out);
    int rc = scope->form == FORM_THIN ? casebus_event_encode_thin(&event, out)
                                      : encode_shown(scope, &event, out);
    *sent = casebus_bytes(out->data, out->size);
    return rc;
}
