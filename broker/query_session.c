/* Operations on sessions. */
#include "query.h"

#include "session.h"

#include <casebus/event.h>

static int read_session(struct query *q, struct casebus_bytes *agency, struct casebus_bytes *id,
                        struct session_entry *session)
{
    int rc = arg_text(q, "agency", true, agency);
    rc = rc ? rc : arg_text(q, "session_id", true, id);
    if (rc != 0) {
        return rc;
    }
    if (!casebus_agency_valid(*agency) || !casebus_segment_valid(*id)) {
        return bad_arg(q, casebus_agency_valid(*agency) ? "session_id" : "agency",
                       "breaks the rules of topics");
    }
    struct key key = key_named(*agency, *id);
    return txn_load(q->txn, TREE_SESSION, &key, ENTRY_SESSION, session) ? 0 : CASEBUS_ENOTFOUND;
}

static int pack_session(struct query *q, struct casebus_bytes agency, struct casebus_bytes id,
                        const struct session_entry *session)
{
    msgpack_pack_map(&q->pk, 1);
    casebus_pack_text(&q->pk, "session");
    session_pack(&q->pk, agency, id, session);
    return 0;
}

int query_session_get(struct query *q)
{
    struct casebus_bytes agency, id;
    struct session_entry session;
    int rc = read_session(q, &agency, &id, &session);
    return rc != 0 ? rc : pack_session(q, agency, id, &session);
}

/* --- stopping --------------------------------------------------------------------------- */

/* Its worker has not ended it otherwise: a lost session that was stopped has ended, and its
 * worker, should it be alive, is to know. */
bool is_to_stop(const struct session_entry *session)
{
    return session->stop_asked && session->status != SESSION_COMPLETED &&
           session->status != SESSION_FAILED;
}

static int submit_stop(struct query *q, struct casebus_bytes agency, struct casebus_bytes id)
{
    msgpack_packer pk;
    msgpack_sbuffer *body = &q->self->rows;
    msgpack_packer_init(&pk, body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "agency");
    casebus_pack_str(&pk, agency);
    casebus_pack_text(&pk, "session_id");
    casebus_pack_str(&pk, id);
    return submit(q, APPLY_STOP, body, true);
}

int query_session_stop(struct query *q)
{
    struct casebus_bytes agency, id;
    struct session_entry session;
    if (q->answer && q->answer->code != 0) {
        return q->answer->code;
    }
    int rc = read_session(q, &agency, &id, &session);
    if (rc == 0 && !q->answer) {
        return q->time_up ? CASEBUS_ETIMEDOUT : submit_stop(q, agency, id);
    }
    return rc != 0 ? rc : pack_session(q, agency, id, &session);
}

/* --- the list of sessions --------------------------------------------------------------- */

/* Which statuses a word asks for: a bit each; 0: no such word. */
static unsigned statuses(struct casebus_bytes word)
{
    if (!word.data) {
        return ~0u;
    }
    if (casebus_bytes_is(word, "active")) {
        return 1u << SESSION_RUNNING | 1u << SESSION_STOPPING | 1u << SESSION_LOST;
    }
    for (unsigned s = 0; s < SESSION_STATUS_COUNT; s++) {
        if (casebus_bytes_is(word, session_status_words[s])) {
            return 1u << s;
        }
    }
    return 0;
}

static void add_session(struct query *q, struct casebus_bytes name, struct casebus_bytes agency,
                        unsigned wanted)
{
    struct key key = key_text(name);
    struct session_entry session;
    struct casebus_bytes of, id;
    q->work++;
    if (casebus_case_id_split(name, &of, &id) == 0 && /* the same form: agency:id */
        (!agency.data || casebus_bytes_equal(of, agency)) &&
        txn_load(q->txn, TREE_SESSION, &key, ENTRY_SESSION, &session) &&
        wanted & 1u << session.status) {
        session_pack(&q->rows_pk, of, id, &session);
        q->row_count++;
    }
}

int query_session_list(struct query *q)
{
    struct casebus_bytes agency, status, next;
    struct cursor c;
    struct key from, last = {.size = 0};
    uint64_t limit;
    int rc = arg_limit(q, &limit);
    rc = rc ? rc : arg_text(q, "agency", false, &agency);
    rc = rc ? rc : arg_text(q, "status", false, &status);
    rc = rc ? rc : arg_bin(q, "next", 8, false, &next);
    if (rc != 0) {
        return rc;
    }
    if (agency.data && !casebus_agency_valid(agency)) {
        return bad_arg(q, "agency", "is not an agency code");
    }
    unsigned wanted = statuses(status);
    if (wanted == 0) {
        return bad_arg(q, "status", "is no status of a session");
    }
    from = next.data ? key_text(next) : key_number(UINT64_MAX);
    cursor_open(&c, q->txn, TREE_STARTED);
    bool at = cursor_before(&c, key_bytes(&from));
    for (; at && more_rows(q, limit); at = cursor_prev(&c)) {
        add_session(q, c.value, agency, wanted);
        last = key_text(c.key);
    }
    if (!at) {
        last.size = 0;
    }
    cursor_close(&c);
    msgpack_pack_map(&q->pk, last.size > 0 ? 2 : 1);
    pack_rows(q, "rows");
    pack_next(q, &last);
    return 0;
}

/* --- a session's cases ------------------------------------------------------------------ */

static const char *const outcome_of_kind[CASEBUS_CASE_EVENT_COUNT] = {
    [CASEBUS_EVENT_CREATED] = "created",   [CASEBUS_EVENT_SYNCED] = "existing",
    [CASEBUS_EVENT_UPDATED] = "updated",   [CASEBUS_EVENT_CONFLICT] = "conflict",
    [CASEBUS_EVENT_DELETED] = "deleted",   [CASEBUS_EVENT_REDACTED] = "redacted",
    [CASEBUS_EVENT_RESOLVED] = "resolved",
};

static void pack_met(struct query *q, uint64_t seq, const struct casebus_topic *topic,
                     const char *outcome, uint64_t at)
{
    struct key id = key_named(topic->segment[2], topic->segment[3]);
    msgpack_pack_map(&q->rows_pk, 4);
    pack_uint(&q->rows_pk, "seq", seq);
    casebus_pack_text(&q->rows_pk, "id");
    casebus_pack_str(&q->rows_pk, key_bytes(&id));
    casebus_pack_text(&q->rows_pk, "outcome");
    casebus_pack_text(&q->rows_pk, outcome);
    pack_uint(&q->rows_pk, "at", at);
    q->row_count++;
}

static bool load_event(struct query *q, uint64_t seq, struct log_entry *log,
                       struct casebus_event *event)
{
    struct casebus_fault fault;
    q->work++;
    if (!txn_log(q->txn, seq, log) ||
        casebus_event_read(log->topic, log->body, event, &fault) != 0) {
        txn_fail(q->txn, CASEBUS_ECORRUPT);
        return false;
    }
    return true;
}

/* A synced event right behind an updated one of the same case is the second half of one report. */
static bool second_half(struct query *q, uint64_t seq, const struct casebus_event *event,
                        uint64_t before)
{
    struct log_entry log;
    struct casebus_event first;
    return event->kind == CASEBUS_EVENT_SYNCED && before == seq - 1 &&
           before >= state_oldest(&q->state) && load_event(q, before, &log, &first) &&
           first.kind == CASEBUS_EVENT_UPDATED &&
           casebus_bytes_equal(first.topic.segment[3], event->topic.segment[3]);
}

int query_session_cases(struct query *q)
{
    struct casebus_bytes agency, id, next;
    struct session_entry session;
    struct key more = {.size = 0};
    uint64_t limit;
    int rc = arg_limit(q, &limit);
    rc = rc ? rc : arg_bin(q, "next", 8, false, &next);
    rc = rc ? rc : read_session(q, &agency, &id, &session);
    if (rc != 0) {
        return rc;
    }
    uint64_t seq = next.data ? key_to_number(next) : session.newest;
    while (seq >= state_oldest(&q->state) && more_rows(q, limit)) {
        struct log_entry log;
        struct casebus_event event;
        if (next.data && seq > q->state.seq) {
            return bad_arg(q, "next", "is not from a reply of this session");
        }
        if (!load_event(q, seq, &log, &event)) {
            return txn_error(q->txn);
        }
        if (!casebus_bytes_equal(event.session, id) ||
            !casebus_bytes_equal(event.topic.segment[2], agency)) {
            return bad_arg(q, "next", "is not from a reply of this session");
        }
        if (event.kind < CASEBUS_CASE_EVENT_COUNT && !second_half(q, seq, &event, log.session_before)) {
            pack_met(q, seq, &event.topic, outcome_of_kind[event.kind], event.at);
        }
        seq = log.session_before;
    }
    if (seq >= state_oldest(&q->state)) {
        more = key_number(seq);
    }
    msgpack_pack_map(&q->pk, more.size > 0 ? 3 : 2);
    pack_rows(q, "rows");
    pack_uint(&q->pk, "floor", q->state.floor);
    pack_next(q, &more);
    return 0;
}
