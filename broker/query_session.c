/* Operations on sessions. */
#include "query.h"

int asked_session(struct query *q, struct casebus_bytes *agency, struct casebus_bytes *id,
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
    bool found = scope_covers(q->scope, *agency) &&
                 txn_load(q->txn, TREE_SESSION, &key, ENTRY_SESSION, session);
    return found ? 0 : CASEBUS_ENOTFOUND;
}

static int pack_session(struct query *q, struct casebus_bytes agency, struct casebus_bytes id,
                        const struct session_entry *session)
{
    msgpack_pack_map(&q->pk, 1);
    casebus_pack_text(&q->pk, "session");
    pack_session_map(q, &q->pk, agency, id, session);
    return 0;
}

int query_session_get(struct query *q)
{
    struct casebus_bytes agency, id;
    struct session_entry session;
    int rc = asked_session(q, &agency, &id, &session);
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
    msgpack_sbuffer *body = &q->reader->rows;
    msgpack_packer_init(&pk, body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "agency");
    casebus_pack_str(&pk, agency);
    casebus_pack_text(&pk, "session_id");
    casebus_pack_str(&pk, id);
    return submit(q, APPLY_STOP, body, true);
}

/* To somebody who may stop it, and look at no session of this agency. */
static int pack_stopped(struct query *q, struct casebus_bytes agency, struct casebus_bytes id,
                        const struct session_entry *session)
{
    msgpack_pack_map(&q->pk, 1);
    casebus_pack_text(&q->pk, "session");
    msgpack_pack_map(&q->pk, 3);
    casebus_pack_text(&q->pk, "session_id");
    casebus_pack_str(&q->pk, id);
    casebus_pack_text(&q->pk, "agency");
    casebus_pack_str(&q->pk, agency);
    casebus_pack_text(&q->pk, "status");
    casebus_pack_text(&q->pk, session_status_words[session->status]);
    return 0;
}

int query_session_stop(struct query *q)
{
    struct casebus_bytes agency, id;
    struct session_entry session;
    if (q->answer && q->answer->code != 0) {
        return q->answer->code;
    }
    int rc = asked_session(q, &agency, &id, &session);
    if (rc == 0 && !q->answer) {
        return q->time_up ? CASEBUS_ETIMEDOUT : submit_stop(q, agency, id);
    }
    if (rc != 0) {
        return rc;
    }
    return read_form(q, VERBS_WORKER, agency) ? pack_session(q, agency, id, &session)
                                              : pack_stopped(q, agency, id, &session);
}

/* --- the list of sessions --------------------------------------------------------------- */

#define STATUSES "must be active, ended, running, stopping, completed, failed, stopped or lost"
#define ACTIVE (1u << SESSION_RUNNING | 1u << SESSION_STOPPING | 1u << SESSION_LOST)

/* Which statuses a word asks for: a bit each; 0: no such word. */
static unsigned statuses(struct casebus_bytes word)
{
    if (!word.data) {
        return ~0u;
    }
    if (casebus_bytes_is(word, "active")) {
        return ACTIVE;
    }
    if (casebus_bytes_is(word, "ended")) {
        return ~ACTIVE;
    }
    for (unsigned s = 0; s < SESSION_STATUS_COUNT; s++) {
        if (casebus_bytes_is(word, session_status_words[s])) {
            return 1u << s;
        }
    }
    return 0;
}

static bool session_row(struct query *q, const struct seq_list *list, uint64_t seq,
                        struct casebus_bytes name, msgpack_packer *pk)
{
    struct key key = key_text(name);
    struct session_entry session;
    struct casebus_bytes agency, id;
    (void)seq;
    if (casebus_session_name_split(name, &agency, &id) != 0 ||
        (list->agency.data && !casebus_bytes_equal(agency, list->agency)) ||
        !scope_covers(q->scope, agency) ||
        !txn_load(q->txn, TREE_SESSION, &key, ENTRY_SESSION, &session) ||
        !(list->statuses & 1u << session.status)) {
        return false;
    }
    if (pk) {
        pack_session_map(q, pk, agency, id, &session);
    }
    return true;
}

int query_session_list(struct query *q)
{
    struct seq_list list = {.tree = TREE_STARTED, .row = session_row};
    struct casebus_bytes status;
    int rc = arg_text(q, "agency", false, &list.agency);
    rc = rc ? rc : arg_text(q, "status", false, &status);
    if (rc != 0) {
        return rc;
    }
    if (list.agency.data && !casebus_agency_valid(list.agency)) {
        return bad_arg(q, "agency", NO_AGENCY_CODE);
    }
    list.statuses = statuses(status);
    if (list.statuses == 0) {
        return bad_arg(q, "status", STATUSES);
    }
    return list_by_seq(q, &list);
}

/* --- a session's cases ------------------------------------------------------------------ */

static void add_meeting(struct query *q, const struct casebus_event *event)
{
    struct key id = case_of(event);
    msgpack_pack_map(&q->rows_pk, 4);
    pack_meeting(&q->rows_pk, event->seq, key_bytes(&id), outcome_of_kind[event->kind],
                 event->at);
    q->row_count++;
}

static int cases_each_time(struct query *q, struct casebus_bytes agency,
                           struct casebus_bytes id, const struct session_entry *session)
{
    struct casebus_bytes next;
    struct key more = {.size = 0};
    uint64_t limit;
    int rc = arg_limit(q, &limit);
    rc = rc ? rc : arg_bin(q, "next", 8, false, &next);
    if (rc != 0) {
        return rc;
    }
    uint64_t seq = next.data ? key_to_number(next) : session->newest;
    while (seq >= state_oldest(&q->state) && more_rows(q, limit)) {
        struct log_entry log;
        struct casebus_event event;
        if (next.data && seq > q->state.seq) {
            return bad_arg(q, "next", "is not from a reply of this session");
        }
        if (!read_event(q, seq, &log, &event)) {
            return txn_error(q->txn);
        }
        if (!casebus_bytes_equal(event.session, id) ||
            !casebus_bytes_equal(event.topic.segment[2], agency)) {
            return bad_arg(q, "next", "is not from a reply of this session");
        }
        if (event.kind < CASEBUS_CASE_EVENT_COUNT && !is_second_half(q, &event)) {
            add_meeting(q, &event);
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

int query_session_cases(struct query *q)
{
    struct casebus_bytes agency, id;
    struct session_entry session;
    struct casebus_bytes next;
    uint64_t limit;
    bool once;
    int rc = arg_bool(q, "once", &once);
    rc = rc ? rc : arg_limit(q, &limit);
    rc = rc ? rc : arg_bin(q, "next", once ? MET_NEXT_SIZE : 8, false, &next);
    if (rc == 0 && !once && arg_raw(q, "load").data) {
        rc = bad_arg(q, "load", "goes with once");
    }
    rc = rc ? rc : asked_session(q, &agency, &id, &session);
    if (rc != 0) {
        return rc;
    }
    return once ? cases_once(q, agency, id, &session)
                : cases_each_time(q, agency, id, &session);
}
