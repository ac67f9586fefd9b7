/* The event log: replay, and the heads of the streams. */
#include "query.h"

#include <casebus/event.h>

/* Events one replay may look at: a replay that finds little must not hold up the gets behind
 * it. */
#define REPLAY_WORK 8192
/* How far a request follows the chains of single topics down to the floor. Beyond, what their
 * streams have lost counts. */
#define CHAIN_WORK 8192

struct patterns {
    unsigned count;
    size_t size[CASEBUS_PATTERNS_MAX];
    char prefix[CASEBUS_PATTERNS_MAX][CASEBUS_TOPIC_MAX + 1];
};

static int read_patterns(struct query *q, struct patterns *p)
{
    struct casebus_reader r;
    uint32_t n;
    int rc = arg_array(q, "patterns", CASEBUS_PATTERNS_MAX, &r, &n);
    for (p->count = 0; rc == 0 && p->count < n; p->count++) {
        char pattern[CASEBUS_TOPIC_MAX + 1];
        const char *why = "";
        struct casebus_bytes text = casebus_read_str(&r);
        if (!text.data || text.size >= sizeof pattern) {
            return bad_arg(q, "patterns", "must be text");
        }
        memcpy(pattern, text.data, text.size);
        pattern[text.size] = '\0';
        int size = casebus_pattern_prefix(pattern, p->prefix[p->count],
                                          sizeof p->prefix[p->count], &why);
        if (size < 0) {
            bad_arg(q, "patterns", why);
            return size;
        }
        if (strncmp(p->prefix[p->count], "sys:", 4) == 0) {
            bad_arg(q, "patterns", "heads are not in the log, ask for heads");
            return CASEBUS_EPATTERN;
        }
        p->size[p->count] = (size_t)size;
    }
    return rc;
}

static bool matches(const struct patterns *p, struct casebus_bytes topic)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (topic.size >= p->size[i] && memcmp(topic.data, p->prefix[i], p->size[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Packs the event as it is sent live: thin where the full form is too large, and then in the
 * audience's form. */
static int pack_event(struct query *q, const struct log_entry *log)
{
    struct casebus_event event;
    struct casebus_fault fault;
    msgpack_packer *pk = &q->rows_pk;
    msgpack_sbuffer thin;
    struct casebus_bytes body = log->body;
    int rc = 0;
    msgpack_sbuffer_init(&thin);
    if (body.size > CASEBUS_FULL_EVENT_MAX) {
        rc = casebus_event_read(log->topic, body, &event, &fault);
        rc = rc ? CASEBUS_ECORRUPT : casebus_event_encode_thin(&event, &thin);
        body = casebus_bytes(thin.data, thin.size);
    }
    rc = rc ? rc : form_event(q, log, body, &body);
    msgpack_pack_array(pk, 2);
    casebus_pack_str(pk, log->topic);
    casebus_pack_bin(pk, body);
    msgpack_sbuffer_destroy(&thin);
    return rc;
}

/* --- what is gone ------------------------------------------------------------------------ */

/* The newest event of a topic, as its case or session keeps it; 0: there is none. */
static uint64_t newest_of(struct query *q, const struct casebus_topic *topic,
                          enum casebus_event_kind kind)
{
    struct key name = key_named(topic->segment[2], topic->segment[3]);
    struct case_entry entry;
    struct session_entry session;
    if (kind < CASEBUS_CASE_EVENT_COUNT) {
        return txn_load(q->txn, TREE_CASE, &name, ENTRY_CASE, &entry) ? entry.last[kind] : 0;
    }
    return txn_load(q->txn, TREE_SESSION, &name, ENTRY_SESSION, &session)
               ? session.last[kind - CASEBUS_CASE_EVENT_COUNT]
               : 0;
}

/* Of one topic: its chain leads below the floor, to the newest event it has lost. False: not a
 * topic, or there is not work enough `left` to follow it. */
static bool lost_of_topic(struct query *q, struct casebus_bytes text, unsigned *left,
                          uint64_t *lost)
{
    struct casebus_topic topic;
    enum casebus_event_kind kind;
    if (casebus_topic_event(text, &topic, &kind) != 0) {
        return false; /* a pattern of fewer segments, which is of whole streams */
    }
    if (!scope_covers_topic(q->scope, text)) {
        *lost = 0; /* for this reader there has never been one */
        return true;
    }
    *lost = newest_of(q, &topic, kind);
    for (; *lost >= state_oldest(&q->state) && *left > 0; --*left) {
        struct log_entry log;
        struct casebus_event event;
        struct casebus_fault fault;
        if (!txn_log(q->txn, *lost, &log) ||
            casebus_event_read(log.topic, log.body, &event, &fault) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            return true;
        }
        *lost = event.prev_topic;
    }
    return *lost < state_oldest(&q->state);
}

/* Of the streams that begin with the prefix: the newest event that any of them has lost. */
static uint64_t lost_of_streams(struct query *q, struct casebus_bytes prefix)
{
    struct cursor c;
    struct key from = key_text(prefix);
    uint64_t lost = 0;
    cursor_open(&c, q->txn, TREE_HEAD);
    for (bool at = cursor_seek(&c, key_bytes(&from));
         at && c.key.size >= prefix.size && memcmp(c.key.data, prefix.data, prefix.size) == 0;
         at = cursor_next(&c)) {
        struct head_entry head;
        if (entry_decode(ENTRY_HEAD, c.value, &head) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            break;
        }
        if (head.trimmed > lost && scope_covers_topic(q->scope, c.key)) {
            lost = head.trimmed;
        }
    }
    cursor_close(&c);
    return lost;
}

/* The newest event of the patterns above `after` that has been trimmed; 0: none has. */
static uint64_t find_gone(struct query *q, const struct patterns *p, uint64_t after)
{
    uint64_t gone = 0, lost;
    unsigned left = CHAIN_WORK;
    for (unsigned i = 0; i < p->count && after + 1 < state_oldest(&q->state); i++) {
        struct casebus_bytes prefix = casebus_bytes(p->prefix[i], p->size[i]);
        if (!lost_of_topic(q, prefix, &left, &lost)) {
            lost = lost_of_streams(q, casebus_topic_stream(prefix));
        }
        gone = lost > after && lost > gone ? lost : gone;
    }
    return gone;
}

/* --- replay ------------------------------------------------------------------------------ */

int query_log_replay(struct query *q)
{
    struct patterns patterns;
    struct cursor c;
    uint64_t after, limit, through;
    int rc = arg_number(q, "after", 0, UINT64_MAX - 1, 0, &after);
    rc = rc ? rc : arg_number(q, "limit", 1, CASEBUS_REPLAY_MAX, 500, &limit);
    rc = rc ? rc : read_patterns(q, &patterns);
    if (rc != 0) {
        return rc;
    }
    uint64_t gone = find_gone(q, &patterns, after);
    through = after < q->state.seq ? after : q->state.seq;
    struct key from = key_number(after + 1);
    cursor_open(&c, q->txn, TREE_LOG);
    bool at = cursor_seek(&c, key_bytes(&from));
    for (; rc == 0 && at && more_rows(q, limit) && q->work < REPLAY_WORK;
         at = cursor_next(&c)) {
        struct log_entry log;
        rc = entry_decode(ENTRY_LOG, c.value, &log);
        if (rc == 0 && matches(&patterns, log.topic) &&
            scope_covers_topic(q->scope, log.topic)) {
            rc = pack_event(q, &log);
            q->row_count++;
        }
        through = key_to_number(c.key);
        q->work++;
    }
    if (!at && txn_error(q->txn) == 0) {
        through = q->state.seq;
    }
    cursor_close(&c);
    msgpack_pack_map(&q->pk, gone ? 3 : 2);
    pack_rows(q, "events");
    pack_uint(&q->pk, "through", through);
    if (gone) {
        pack_uint(&q->pk, "gone", gone);
    }
    return rc;
}

int query_heads(struct query *q)
{
    struct cursor c;
    cursor_open(&c, q->txn, TREE_HEAD);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1)); at; at = cursor_next(&c)) {
        struct head_entry head;
        if (entry_decode(ENTRY_HEAD, c.value, &head) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            break;
        }
        if (scope_covers_topic(q->scope, c.key)) {
            casebus_pack_str(&q->rows_pk, c.key);
            msgpack_pack_uint64(&q->rows_pk, head.seq);
            q->row_count++;
        }
    }
    cursor_close(&c);
    msgpack_pack_map(&q->pk, 1);
    casebus_pack_text(&q->pk, "heads");
    msgpack_pack_map(&q->pk, q->row_count);
    place_rows(q);
    return 0;
}
