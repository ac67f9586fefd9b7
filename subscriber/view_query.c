/* Queries: how each is asked, what its rows are called, and what makes it worth asking again.
 *
 * What a query watches by itself is every stream whose events can change a row of it. Sessions
 * watch cases too: their counters move with each report, while their own events come once a
 * second. What makes no event (a refused report, one in quarantine already that comes again, an
 * edit without a difference) shows in what sessions met and in their counters. */
#include "view_private.h"

#include <stdio.h>

/* --- made by callers ---------------------------------------------------------------------- */

/* A text that does not fit fills its member without a NUL, which query_check() refuses. */
static void put(char *member, size_t size, const char *text)
{
    memset(member, 0, size);
    for (size_t i = 0; text != NULL && i < size && text[i] != '\0'; i++) {
        member[i] = text[i];
    }
}
#define PUT(member, text) put(member, sizeof(member), text)

static struct casebus_query begin(enum casebus_query_kind kind, const char *agency,
                                  unsigned limit)
{
    struct casebus_query query = {.kind = kind, .limit = limit};
    PUT(query.agency, agency);
    return query;
}

struct casebus_query casebus_query_recent(unsigned limit)
{
    return begin(CASEBUS_QUERY_RECENT, NULL, limit);
}

struct casebus_query casebus_query_cases(const char *agency, const char *from, const char *to,
                                         unsigned limit)
{
    struct casebus_query query = begin(CASEBUS_QUERY_CASES, agency, limit);
    PUT(query.from, from);
    PUT(query.to, to);
    query.by_date = query.from[0] != '\0' || query.to[0] != '\0';
    return query;
}

struct casebus_query casebus_query_case(const char *case_id)
{
    struct casebus_query query = begin(CASEBUS_QUERY_CASE, NULL, 1);
    struct casebus_bytes agency, id;
    if (case_id != NULL && casebus_case_id_split(casebus_cstr(case_id), &agency, &id) == 0) {
        memcpy(query.agency, agency.data, agency.size);
        memcpy(query.id, id.data, id.size);
    }
    return query;
}

struct casebus_query casebus_query_session(const char *agency, const char *session_id)
{
    struct casebus_query query = begin(CASEBUS_QUERY_SESSION, agency, 1);
    PUT(query.id, session_id);
    return query;
}

struct casebus_query casebus_query_sessions(const char *agency, const char *status,
                                            unsigned limit)
{
    struct casebus_query query = begin(CASEBUS_QUERY_SESSIONS, agency, limit);
    PUT(query.status, status);
    return query;
}

struct casebus_query casebus_query_session_cases(const char *agency, const char *session_id,
                                                 unsigned limit)
{
    struct casebus_query query = begin(CASEBUS_QUERY_SESSION_CASES, agency, limit);
    PUT(query.id, session_id);
    return query;
}

struct casebus_query casebus_query_cases_since(uint64_t since, unsigned limit)
{
    struct casebus_query query = begin(CASEBUS_QUERY_CASES_SINCE, NULL, limit);
    query.since = since;
    return query;
}

struct casebus_query casebus_query_quarantine(const char *agency, unsigned limit)
{
    return begin(CASEBUS_QUERY_QUARANTINE, agency, limit);
}

static bool is_text(const char *member, size_t size)
{
    return memchr(member, '\0', size) != NULL;
}
#define IS_TEXT(member) is_text(member, sizeof(member))

static bool is_of_one(const struct casebus_query *query)
{
    return query->kind == CASEBUS_QUERY_CASE || query->kind == CASEBUS_QUERY_SESSION ||
           query->kind == CASEBUS_QUERY_SESSION_CASES;
}

int query_check(const struct casebus_query *query)
{
    if ((unsigned)query->kind > CASEBUS_QUERY_QUARANTINE || query->limit < 1 ||
        query->limit > CASEBUS_PAGE_MAX || !IS_TEXT(query->agency) || !IS_TEXT(query->id) ||
        !IS_TEXT(query->on_behalf) || !IS_TEXT(query->from) || !IS_TEXT(query->to) ||
        !IS_TEXT(query->status)) {
        return CASEBUS_EINVAL;
    }
    if (query->agency[0] != '\0' && !casebus_agency_valid(casebus_cstr(query->agency))) {
        return CASEBUS_EINVAL;
    }
    if (is_of_one(query) &&
        (query->agency[0] == '\0' || !casebus_segment_valid(casebus_cstr(query->id)))) {
        return CASEBUS_EINVAL;
    }
    return query->kind != CASEBUS_QUERY_CASES_SINCE || query->since > 0 ? 0 : CASEBUS_EINVAL;
}

bool query_has_as_of(const struct casebus_query *query)
{
    return query->kind == CASEBUS_QUERY_RECENT || query->kind == CASEBUS_QUERY_CASES ||
           query->kind == CASEBUS_QUERY_SESSIONS || query->kind == CASEBUS_QUERY_QUARANTINE;
}

/* Rows may leave the list of a moment, but what was not in it must not enter: it would push out
 * a row that is kept. A session may become "lost" or "completed" at any time; one that is
 * active was so from its start. */
bool query_can_be_kept(const struct casebus_query *query)
{
    if (query->kind == CASEBUS_QUERY_SESSIONS) {
        return query->status[0] == '\0' || strcmp(query->status, "active") == 0;
    }
    return query_has_as_of(query) || query->kind == CASEBUS_QUERY_CASE ||
           query->kind == CASEBUS_QUERY_SESSION;
}

/* Of what was a case, or a report of one, its names: the rest may be redacted. A session never
 * is; but who may not see it any more has its names only. */
void query_left(const struct casebus_query *query, int error, struct casebus_bytes row,
                msgpack_sbuffer *out)
{
    static const char *const names[] = {"id", "agency", "regulator_id", "session_id",
                                        "quarantine"};
    const bool is_session =
        query->kind == CASEBUS_QUERY_SESSION || query->kind == CASEBUS_QUERY_SESSIONS;
    msgpack_packer pk;
    size_t count = 0;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    if (is_session && error != CASEBUS_EDENIED) {
        casebus_pack_raw(&pk, row);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        count += casebus_map_get(row, names[i]).data != NULL ? 1 : 0;
    }
    msgpack_pack_map(&pk, count);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct casebus_bytes value = casebus_map_get(row, names[i]);
        if (value.data != NULL) {
            casebus_pack_text(&pk, names[i]);
            casebus_pack_raw(&pk, value);
        }
    }
}

bool query_is_empty(const struct casebus_query *query, int error)
{
    return error == CASEBUS_EDENIED || /* what was seen before is not to be seen now */
           (is_of_one(query) && (error == CASEBUS_ENOTFOUND || error == CASEBUS_EDELETED ||
                                 error == CASEBUS_EREDACTED));
}

/* --- requests ----------------------------------------------------------------------------- */

static const enum casebus_op ops[] = {
    [CASEBUS_QUERY_RECENT] = CASEBUS_OP_CASE_RECENT,
    [CASEBUS_QUERY_CASES] = CASEBUS_OP_CASE_LIST,
    [CASEBUS_QUERY_CASE] = CASEBUS_OP_CASE_GET,
    [CASEBUS_QUERY_SESSION] = CASEBUS_OP_SESSION_GET,
    [CASEBUS_QUERY_SESSIONS] = CASEBUS_OP_SESSION_LIST,
    [CASEBUS_QUERY_SESSION_CASES] = CASEBUS_OP_SESSION_CASES,
    [CASEBUS_QUERY_CASES_SINCE] = CASEBUS_OP_LOG_CASES,
    [CASEBUS_QUERY_QUARANTINE] = CASEBUS_OP_QUARANTINE_LIST,
};

static void put_text(struct casebus_call *call, const char *key, const char *text)
{
    if (text[0] != '\0') {
        casebus_call_text(call, key, text);
    }
}

static void put_page(const struct casebus_query *query, const struct page *page,
                     struct casebus_call *call)
{
    casebus_call_uint(call, "limit", query->limit);
    if (page->pinned) {
        casebus_call_uint(call, "as_of", page->as_of);
    }
    if (page->next_size > 0) {
        casebus_call_bin(call, "next", casebus_bytes(page->next, page->next_size));
    }
}

void query_encode(const struct casebus_query *query, const struct page *page, uint64_t after,
                  struct casebus_call *call)
{
    static const char *const load[] = {"agency", "offender"};
    char case_id[QUERY_KEY_MAX + 1];
    casebus_call_begin(call, ops[query->kind]);
    if (query->kind == CASEBUS_QUERY_CASE) {
        snprintf(case_id, sizeof case_id, "%s:%s", query->agency, query->id);
        casebus_call_text(call, "id", case_id);
    } else {
        put_text(call, "agency", query->agency);
        put_text(call, "session_id", query->id);
    }
    put_text(call, "on_behalf", query->on_behalf);
    put_text(call, "status", query->status);
    put_text(call, "from", query->from);
    put_text(call, "to", query->to);
    if (query->by_date) {
        casebus_call_text(call, "order", "date");
    }
    if (query->kind == CASEBUS_QUERY_CASES_SINCE) {
        casebus_call_uint(call, "since", query->since);
    }
    if (after > 0) {
        casebus_call_uint(call, "after", after);
    }
    if (query->kind == CASEBUS_QUERY_SESSION_CASES) {
        casebus_call_bool(call, "once", true);
    }
    if (query->kind == CASEBUS_QUERY_SESSION_CASES ||
        query->kind == CASEBUS_QUERY_CASES_SINCE || query->kind == CASEBUS_QUERY_CASE) {
        casebus_call_texts(call, "load", load, sizeof load / sizeof *load);
    }
    if (query->kind != CASEBUS_QUERY_CASE && query->kind != CASEBUS_QUERY_SESSION) {
        put_page(query, page, call);
    }
}

/* --- what it watches ---------------------------------------------------------------------- */

#define BIT(kind) (1u << CASEBUS_EVENT_##kind)
#define RECORDS (BIT(CREATED) | BIT(SYNCED) | BIT(UPDATED) | BIT(DELETED) | BIT(REDACTED))
#define CASES (RECORDS | BIT(CONFLICT) | BIT(RESOLVED))
#define SESSIONS                                                                               \
    (BIT(STARTED) | BIT(PROGRESSED) | BIT(ENDED) | BIT(STOPPING) | BIT(LOST) | BIT(RESUMED))

static const unsigned watched[] = {
    [CASEBUS_QUERY_RECENT] = RECORDS,
    [CASEBUS_QUERY_CASES] = RECORDS,
    [CASEBUS_QUERY_CASE] = RECORDS,
    [CASEBUS_QUERY_SESSION] = SESSIONS | CASES,
    [CASEBUS_QUERY_SESSIONS] = SESSIONS | CASES,
    [CASEBUS_QUERY_SESSION_CASES] = SESSIONS | CASES,
    [CASEBUS_QUERY_CASES_SINCE] = SESSIONS | CASES,
    [CASEBUS_QUERY_QUARANTINE] = CASES,
};

/* A case comes with its agency's record, which is set without an event. */
bool query_watches_quiet(const struct casebus_query *query)
{
    return (watched[query->kind] & SESSIONS) != 0 || query->kind == CASEBUS_QUERY_CASE;
}

size_t query_watches(const struct casebus_query *query, struct watch *watches)
{
    size_t count = 0;
    for (unsigned kind = 0; kind < CASEBUS_EVENT_KIND_COUNT; kind++) {
        if (!(watched[query->kind] & 1u << kind)) {
            continue;
        }
        struct watch *watch = &watches[count++];
        const int size = snprintf(
            watch->name, sizeof watch->name, "%s:%s:%s%s", casebus_event_kind_resource(kind),
            casebus_event_kind_word(kind), query->agency, query->agency[0] != '\0' ? ":" : "");
        watch->size = (unsigned char)size;
    }
    return count;
}

int query_watch(const char *pattern, struct watch *watch, const char **why)
{
    char prefix[CASEBUS_TOPIC_MAX + 1];
    const int size = casebus_pattern_prefix(pattern, prefix, sizeof prefix, why);
    if (size < 0) {
        return size;
    }
    if (strncmp(prefix, "sys:", 4) == 0) {
        *why = "heads are no events: views follow them by themselves; try case or session";
        return CASEBUS_EPATTERN;
    }
    const struct casebus_bytes stream =
        casebus_topic_stream(casebus_bytes(prefix, (size_t)size));
    memset(watch, 0, sizeof *watch);
    watch->size = (unsigned char)stream.size;
    memcpy(watch->name, stream.data, stream.size);
    return 0;
}

/* --- rows --------------------------------------------------------------------------------- */

static bool put_key(char *key, struct casebus_bytes first, const char *between,
                    struct casebus_bytes second)
{
    const size_t size = first.size + strlen(between) + second.size;
    if (first.size == 0 || size > QUERY_KEY_MAX || memchr(first.data, '\0', first.size) ||
        (second.size > 0 && memchr(second.data, '\0', second.size))) {
        return false;
    }
    snprintf(key, QUERY_KEY_MAX + 1, "%.*s%s%.*s", (int)first.size, (const char *)first.data,
             between, (int)second.size, second.size > 0 ? (const char *)second.data : "");
    return true;
}

static bool put_number(char *key, const char *before, struct casebus_bytes raw)
{
    const uint64_t number = casebus_as_uint(raw, UINT64_MAX);
    snprintf(key, QUERY_KEY_MAX + 1, "%s%llu", before, (unsigned long long)number);
    return number != UINT64_MAX;
}

static bool find_key(const struct casebus_query *query, struct casebus_bytes row, char *key)
{
    const struct casebus_bytes id = casebus_as_str(casebus_map_get(row, "id"));
    switch (query->kind) {
    case CASEBUS_QUERY_SESSION:
    case CASEBUS_QUERY_SESSIONS:
        return put_key(key, casebus_as_str(casebus_map_get(row, "agency")), ":",
                       casebus_as_str(casebus_map_get(row, "session_id")));
    case CASEBUS_QUERY_QUARANTINE:
        return put_number(key, "", casebus_map_get(row, "quarantine"));
    case CASEBUS_QUERY_CASE:
        return put_key(key, casebus_cstr(query->agency), ":", casebus_cstr(query->id));
    case CASEBUS_QUERY_SESSION_CASES:
    case CASEBUS_QUERY_CASES_SINCE:
        if (id.data == NULL) {
            return put_number(key, "#", casebus_map_get(row, "reject"));
        }
        return put_key(key, id, "", casebus_bytes(NULL, 0));
    case CASEBUS_QUERY_RECENT:
    case CASEBUS_QUERY_CASES:
    default:
        return put_key(key, id, "", casebus_bytes(NULL, 0));
    }
}

static int begin_rows(const struct casebus_query *query, struct casebus_bytes result,
                      struct row_reader *reader)
{
    const bool is_case = query->kind == CASEBUS_QUERY_CASE;
    reader->begun = true;
    if (is_case || query->kind == CASEBUS_QUERY_SESSION) { /* one row; a case's is all of it */
        const struct casebus_bytes one = casebus_map_get(result, is_case ? "case" : "session");
        casebus_reader_init(&reader->r, is_case ? result : one);
        reader->left = 1;
        return one.data != NULL ? 0 : CASEBUS_EPROTO;
    }
    casebus_reader_init(&reader->r, casebus_map_get(result, "rows"));
    reader->left = casebus_read_array(&reader->r);
    return reader->r.error == 0 ? 0 : CASEBUS_EPROTO;
}

int query_row(const struct casebus_query *query, struct casebus_bytes result,
              struct row_reader *reader, struct casebus_bytes *row, char *key)
{
    if (!reader->begun && begin_rows(query, result, reader) != 0) {
        return CASEBUS_EPROTO;
    }
    if (reader->left == 0) {
        return 0;
    }
    reader->left--;
    if (casebus_peek(&reader->r) != CASEBUS_MAP) {
        return CASEBUS_EPROTO;
    }
    *row = casebus_read_raw(&reader->r);
    return reader->r.error == 0 && find_key(query, *row, key) ? 1 : CASEBUS_EPROTO;
}
