/* What was met: the cases of a session (session.cases), or of everybody lately (log.cases).
 *
 * Two lists are walked together, newest first: events, along the session's chain or the log
 * itself, and refused reports, which only the rejects list knows. A case comes once, at its
 * newest event: whether there is a newer one is read from the case's own chains, so nothing is
 * remembered from page to page but where both walks stand. */
#include "query.h"

/* --- ids that a reply has ---------------------------------------------------------------- */

#define SEEN_SLOTS 1024 /* a power of two, more than rows */

struct seen {
    unsigned count;
    uint16_t slot[SEEN_SLOTS]; /* 1 + where the id is; 0: free */
    struct {
        size_t size;
        unsigned char data[CASEBUS_CASE_ID_MAX];
    } id[CASEBUS_PAGE_MAX];
};

/* The slot of the id, or the free one where it belongs. */
static uint16_t *slot_of(struct seen *s, struct casebus_bytes id)
{
    uint32_t at = 2166136261u;
    for (size_t i = 0; i < id.size; i++) {
        at = (at ^ id.data[i]) * 16777619u;
    }
    for (;; at++) {
        uint16_t *slot = &s->slot[at % SEEN_SLOTS];
        unsigned n = *slot;
        if (n == 0 ||
            casebus_bytes_equal(casebus_bytes(s->id[n - 1].data, s->id[n - 1].size), id)) {
            return slot;
        }
    }
}

static bool is_seen(struct seen *s, struct casebus_bytes id)
{
    return *slot_of(s, id) != 0;
}

static void note_seen(struct seen *s, struct casebus_bytes id)
{
    uint16_t *slot = slot_of(s, id);
    if (*slot == 0 && s->count < CASEBUS_PAGE_MAX && id.size <= CASEBUS_CASE_ID_MAX) {
        memcpy(s->id[s->count].data, id.data, id.size);
        s->id[s->count].size = id.size;
        *slot = (uint16_t)++s->count;
    }
}

/* --- where a walk stands ----------------------------------------------------------------- */

struct met {
    struct casebus_bytes agency, session; /* absent: of all; without a session: the log */
    uint64_t lowest;                      /* the oldest event that is of interest */
    uint64_t refused_from; /* and the oldest refused report: none that came before this event */
    uint64_t since;        /* nor before this instant */
    unsigned load;
    uint64_t limit;
    uint64_t seq;         /* the next event */
    struct search search; /* for newer ones of its case */
    uint64_t reject;      /* refused reports below this number are still to come */
    struct cursor rejects;
    bool refused; /* the cursor stands on one: */
    struct refusal_entry refusal;
    struct seen seen;
};

static int read_next(struct query *q, struct met *m)
{
    struct casebus_bytes next;
    int rc = arg_bin(q, "next", MET_NEXT_SIZE, false, &next);
    m->reject = UINT64_MAX;
    if (rc != 0 || !next.data) {
        return rc;
    }
    m->seq = key_to_number(next);
    m->reject = key_to_number(casebus_bytes(next.data + 8, 8));
    m->search.kind = key_to_number(casebus_bytes(next.data + 16, 8));
    m->search.at = key_to_number(casebus_bytes(next.data + 24, 8));
    return m->seq <= q->state.seq
               ? 0
               : bad_arg(q, "next", "is not from a reply to these arguments");
}

static struct key key_met(const struct met *m)
{
    const uint64_t parts[] = {m->seq, m->reject, m->search.kind, m->search.at};
    struct key next = {.size = 0};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct key part = key_number(parts[i]);
        memcpy(next.data + next.size, part.data, part.size);
        next.size += part.size;
    }
    return next;
}

/* --- rows -------------------------------------------------------------------------------- */

struct row {
    struct key id;
    struct casebus_bytes agency, session;
    uint64_t seq, at;
    const char *outcome;
    uint64_t times, page;                /* of an event */
    const struct refusal_entry *refusal; /* of a refused report; NULL: an event's */
    uint64_t reject;
};

static unsigned row_pairs(const struct met *m, const struct row *row, bool known)
{
    unsigned n = 4u + (known ? 1u + loaded_pairs(m->load) : 0u);
    n += row->refusal ? 2u + (row->refusal->field.size ? 1u : 0u)
                      : 1u + (row->page != PAGE_UNKNOWN ? 1u : 0u);
    return n + (m->session.data ? 0u : 1u + (row->session.data ? 1u : 0u));
}

static void pack_refused(msgpack_packer *pk, const struct row *row)
{
    pack_uint(pk, "reject", row->reject);
    casebus_pack_text(pk, "code");
    casebus_pack_text(pk, casebus_error_word(-(int)row->refusal->code));
    if (row->refusal->field.size) {
        casebus_pack_text(pk, "field");
        casebus_pack_str(pk, row->refusal->field);
    }
}

static void pack_whose(msgpack_packer *pk, const struct row *row)
{
    casebus_pack_text(pk, "agency");
    casebus_pack_str(pk, row->agency);
    if (row->session.data) {
        casebus_pack_text(pk, "session");
        casebus_pack_str(pk, row->session);
    }
}

static int pack_record(struct query *q, const struct met *m, struct casebus_bytes id,
                       const struct case_entry *entry)
{
    casebus_pack_text(&q->rows_pk, "case");
    int rc = pack_case(q, &q->rows_pk, entry);
    return rc ? rc : pack_loaded(q, &q->rows_pk, id, entry, m->load);
}

static void add_row(struct query *q, struct met *m, const struct row *row)
{
    struct case_entry entry;
    struct casebus_bytes id = key_bytes(&row->id);
    bool known = txn_load(q->txn, TREE_CASE, &row->id, ENTRY_CASE, &entry) &&
                 !(entry.flags & (CASE_DELETED | CASE_REDACTED));
    msgpack_pack_map(&q->rows_pk, row_pairs(m, row, known));
    pack_meeting(&q->rows_pk, row->seq, id, row->outcome, row->at);
    if (row->refusal) {
        pack_refused(&q->rows_pk, row);
    } else {
        pack_uint(&q->rows_pk, "times", row->times);
        if (row->page != PAGE_UNKNOWN) {
            pack_uint(&q->rows_pk, "page", row->page);
        }
    }
    if (!m->session.data) {
        pack_whose(&q->rows_pk, row);
    }
    int rc = known ? pack_record(q, m, id, &entry) : 0;
    if (rc != 0) {
        txn_fail(q->txn, rc);
    }
    note_seen(&m->seen, id);
    q->row_count++;
}

/* --- events ------------------------------------------------------------------------------ */

static bool is_ours(const struct met *m, struct casebus_bytes session)
{
    return !m->session.data || casebus_bytes_equal(m->session, session);
}

/* Is there a newer event of the case in this list, above `last`? */
static bool moved_on(struct query *q, struct met *m, struct casebus_bytes id,
                     const struct case_entry *entry, uint64_t last)
{
    if (m->session.data) {
        return met_again(q, m->session, id, last, &m->search);
    }
    m->search.kind = CASEBUS_CASE_EVENT_COUNT;
    return entry->last[newest_chain(entry->last)] > last;
}

/* Adds the case of an event, where this is its newest one. False: not known yet, there was too
 * much to look at. */
static bool add_event(struct query *q, struct met *m, const struct casebus_event *event)
{
    struct key id = case_of(event);
    struct case_entry entry;
    if (is_seen(&m->seen, key_bytes(&id)) || is_second_half(q, event)) {
        return true;
    }
    bool pair = is_first_half(q, event);
    if (!txn_load(q->txn, TREE_CASE, &id, ENTRY_CASE, &entry)) {
        txn_fail(q->txn, CASEBUS_ECORRUPT); /* every event of a case has one */
        return false;
    }
    if (moved_on(q, m, key_bytes(&id), &entry, event->seq + pair)) {
        return true;
    }
    if (m->search.kind < CASEBUS_CASE_EVENT_COUNT) {
        return false;
    }
    struct span span = {m->session, m->lowest};
    struct row row = {
        .id = id,
        .agency = event->topic.segment[2],
        .session = event->session,
        .seq = event->seq,
        .at = event->at,
        .outcome = outcome_of_kind[event->kind],
        .times = count_times(q, &entry, event, &span),
        .page = scope_shows(q->scope, "source.page")
                    ? page_of(q, event, event->kind == CASEBUS_EVENT_UPDATED && !pair)
                    : PAGE_UNKNOWN,
    };
    add_row(q, m, &row);
    return true;
}

static bool of_agency(const struct query *q, const struct met *m, struct casebus_bytes agency)
{
    return scope_covers(q->scope, agency) &&
           (!m->agency.data || casebus_bytes_equal(m->agency, agency));
}

static void step_event(struct query *q, struct met *m)
{
    struct log_entry log;
    struct casebus_event event;
    if (!read_event(q, m->seq, &log, &event)) {
        return;
    }
    bool agency = of_agency(q, m, event.topic.segment[2]);
    if (m->session.data && !(agency && is_ours(m, event.session))) {
        txn_fail(q->txn, bad_arg(q, "next", "is not from a reply of this session"));
        return;
    }
    if (agency && event.kind < CASEBUS_CASE_EVENT_COUNT && !add_event(q, m, &event)) {
        return;
    }
    m->seq = m->session.data ? log.session_before : m->seq - 1;
    m->search = (struct search){0, 0};
}

/* --- refused reports --------------------------------------------------------------------- */

/* The cursor has moved. */
static void take_refused(struct query *q, struct met *m, bool at)
{
    m->refused = at && entry_decode(ENTRY_REFUSAL, m->rejects.value, &m->refusal) == 0;
    if (at && !m->refused) {
        txn_fail(q->txn, CASEBUS_ECORRUPT);
    }
}

static void open_refused(struct query *q, struct met *m)
{
    struct key from = key_number(m->reject);
    cursor_open(&m->rejects, q->txn, TREE_REJECT);
    take_refused(q, m, cursor_before(&m->rejects, key_bytes(&from)));
}

static void step_refused(struct query *q, struct met *m)
{
    struct casebus_topic topic;
    enum casebus_report_kind kind;
    const struct refusal_entry *r = &m->refusal;
    q->work++;
    m->reject = key_to_number(m->rejects.key);
    if (casebus_topic_report(r->topic, &topic, &kind) == 0 && kind <= CASEBUS_REPORT_REDACTED &&
        of_agency(q, m, topic.segment[2]) && is_ours(m, r->session) && r->at >= m->since) {
        struct row row = {
            .id = key_named(topic.segment[2], topic.segment[3]),
            .agency = topic.segment[2],
            .session = r->session,
            .seq = r->seq,
            .at = r->at,
            .outcome = casebus_outcome_word(CASEBUS_OUTCOME_REJECTED),
            .refusal = r,
            .reject = m->reject,
        };
        if (!is_seen(&m->seen, key_bytes(&row.id))) {
            add_row(q, m, &row);
        }
    }
    take_refused(q, m, cursor_prev(&m->rejects));
}

/* --- both -------------------------------------------------------------------------------- */

/* Walks down both lists; the next page's beginning, if there is one. */
static struct key walk(struct query *q, struct met *m)
{
    struct key next = {.size = 0};
    for (;;) {
        bool event = m->seq >= m->lowest;
        bool refused = m->refused && m->refusal.seq >= m->refused_from;
        if ((!event && !refused) || txn_error(q->txn) != 0) {
            break;
        }
        if (!more_rows(q, m->limit)) {
            next = key_met(m);
            break;
        }
        if (refused && (!event || m->refusal.seq >= m->seq)) {
            step_refused(q, m);
        } else {
            step_event(q, m);
        }
    }
    cursor_close(&m->rejects);
    return next;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

int cases_once(struct query *q, struct casebus_bytes agency, struct casebus_bytes id,
               const struct session_entry *session)
{
    struct met m = {
        .agency = agency,
        .session = id,
        .lowest = later(session->started_seq, state_oldest(&q->state)),
        .refused_from = session->started_seq,
        .seq = session->newest,
    };
    int rc = arg_limit(q, &m.limit);
    rc = rc ? rc : read_load(q, LOAD_AGENCY | LOAD_OFFENDER, &m.load);
    rc = rc ? rc : read_next(q, &m);
    if (rc != 0) {
        return rc;
    }
    if (session->errors > 0) { /* else none of its reports was refused */
        open_refused(q, &m);
    }
    struct key next = walk(q, &m);
    msgpack_pack_map(&q->pk, next.size > 0 ? 3 : 2);
    pack_rows(q, "rows");
    pack_uint(&q->pk, "floor", q->state.floor);
    pack_next(q, &next);
    return 0;
}

/* --- log.cases --------------------------------------------------------------------------- */

/* The seq of the newest event before an instant, as far as the log reaches back: the times of
 * events never go back. */
static uint64_t newest_before(struct query *q, uint64_t instant)
{
    uint64_t low = state_oldest(&q->state), high = q->state.seq + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct log_entry log;
        struct casebus_event event;
        if (!read_event(q, middle, &log, &event)) {
            break;
        }
        if (event.at < instant) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}

static int read_log_cases(struct query *q, struct met *m, uint64_t *after)
{
    bool by_seq = arg_raw(q, "after").data;
    bool by_time = arg_raw(q, "since").data;
    m->seq = q->state.seq;
    int rc = arg_number(q, "after", 0, UINT64_MAX - 1, 0, after);
    rc = rc ? rc : arg_number(q, "since", 0, UINT64_MAX, 0, &m->since);
    rc = rc ? rc : arg_text(q, "agency", false, &m->agency);
    rc = rc ? rc : arg_limit(q, &m->limit);
    rc = rc ? rc : read_load(q, LOAD_AGENCY | LOAD_OFFENDER, &m->load);
    rc = rc ? rc : read_next(q, m);
    if (rc != 0) {
        return rc;
    }
    if (!by_seq && !by_time) {
        return bad_arg(q, "after", "is required, or since");
    }
    if (m->agency.data && !casebus_agency_valid(m->agency)) {
        return bad_arg(q, "agency", NO_AGENCY_CODE);
    }
    if (!by_seq) {
        *after = newest_before(q, m->since);
    }
    m->lowest = later(*after + 1, state_oldest(&q->state));
    m->refused_from = *after;
    return txn_error(q->txn);
}

int query_log_cases(struct query *q)
{
    struct met m = {.limit = 0};
    uint64_t after;
    int rc = read_log_cases(q, &m, &after);
    if (rc != 0) {
        return rc;
    }
    open_refused(q, &m);
    struct key next = walk(q, &m);
    msgpack_pack_map(&q->pk, next.size > 0 ? 4 : 3);
    pack_uint(&q->pk, "after", after);
    pack_rows(q, "rows");
    pack_uint(&q->pk, "floor", q->state.floor);
    pack_next(q, &next);
    return 0;
}
