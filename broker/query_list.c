/* Lists of cases: recent ones, an agency's, a session's; by creation or by action date.
 *
 * By creation they follow the created index backwards: all of it, or one agency's rows, which
 * are chained through it. A created row whose case has gone or was created again since is passed over. */
#include "query.h"

/* How far the later events of a case have been looked through. */
struct search {
    uint64_t kind, at; /* at 0: from the newest of this kind */
};
#define SEARCH_SIZE (3 * 8) /* of a `next`: the seq, and where its case's search stands */

struct page {
    struct search search;
    struct casebus_bytes agency, session, from, to, next;
    uint64_t limit, as_of;
    bool by_date;
};

static int read_page(struct query *q, struct page *p)
{
    int rc = arg_limit(q, &p->limit);
    rc = rc ? rc : arg_bin(q, "next", 0, false, &p->next);
    return rc ? rc : arg_number(q, "as_of", 0, UINT64_MAX, q->state.seq, &p->as_of);
}

/* A seq, or by date a key of this agency's. */
static int check_next(struct query *q, const struct page *p)
{
    struct key first = key_date(p->agency, p->from, casebus_bytes(NULL, 0));
    size_t prefix = p->agency.size + 1;
    size_t size = p->next.size;
    bool good = !p->next.data || size == 8 || (p->session.data && size == SEARCH_SIZE);
    if (p->next.data && p->by_date) {
        good = size > prefix + DATE_SIZE && memcmp(p->next.data, first.data, prefix) == 0;
    }
    return good ? 0 : bad_arg(q, "next", "is not from a reply to these arguments");
}

static int finish_page(struct query *q, const struct page *p, const struct key *next)
{
    msgpack_pack_map(&q->pk, 2u + (p->session.data ? 1u : 0u) + (next->size > 0 ? 1u : 0u));
    pack_uint(&q->pk, "as_of", p->as_of);
    pack_rows(q, "rows");
    if (p->session.data) {
        pack_uint(&q->pk, "floor", q->state.floor);
    }
    pack_next(q, next);
    return 0;
}

/* Adds a case to the rows if it is there and, with created_seq, is the one created then. */
static void add_case(struct query *q, struct casebus_bytes id, uint64_t created_seq,
                     const struct page *p)
{
    struct key key = key_text(id);
    struct case_entry entry;
    q->work++;
    if (!txn_load(q->txn, TREE_CASE, &key, ENTRY_CASE, &entry) ||
        entry.flags & (CASE_DELETED | CASE_REDACTED) || entry.created_seq > p->as_of ||
        (created_seq != 0 && entry.created_seq != created_seq)) {
        return;
    }
    if (record_pack(q->txn, &entry, &q->rows_pk)) {
        q->row_count++;
    }
}

/* --- by creation ------------------------------------------------------------------------ */

static struct key list_all(struct query *q, const struct page *p)
{
    struct cursor c;
    struct key next = {.size = 0};
    struct key from = key_number(p->next.size == 8 ? key_to_number(p->next) : p->as_of + 1);
    cursor_open(&c, q->txn, TREE_CREATED);
    bool at = cursor_before(&c, key_bytes(&from));
    for (; at && more_rows(q, p->limit); at = cursor_prev(&c)) {
        struct created_entry created;
        if (entry_decode(ENTRY_CREATED, c.value, &created) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            break;
        }
        add_case(q, created.case_id, key_to_number(c.key), p);
        next = key_text(c.key);
    }
    cursor_close(&c);
    if (!at) {
        next.size = 0;
    }
    return next;
}

static struct key list_agency(struct query *q, const struct page *p)
{
    struct agency_entry agency;
    struct key key = key_text(p->agency), none = {.size = 0};
    if (!txn_load(q->txn, TREE_AGENCY, &key, ENTRY_AGENCY, &agency)) {
        return none;
    }
    uint64_t seq = p->next.size == 8 ? key_to_number(p->next) : agency.created_seq;
    while (seq != 0 && more_rows(q, p->limit)) {
        struct created_entry created;
        key = key_number(seq);
        if (!txn_load(q->txn, TREE_CREATED, &key, ENTRY_CREATED, &created)) {
            return none;
        }
        struct casebus_bytes of, id;
        if (casebus_case_id_split(created.case_id, &of, &id) != 0 ||
            !casebus_bytes_equal(of, p->agency)) {
            return none; /* a made-up `next` leads nowhere */
        }
        add_case(q, created.case_id, seq, p);
        seq = created.before;
    }
    return seq != 0 ? key_number(seq) : none;
}

int query_case_recent(struct query *q)
{
    struct page p = {.limit = 0};
    int rc = read_page(q, &p);
    rc = rc ? rc : check_next(q, &p);
    if (rc != 0) {
        return rc;
    }
    struct key next = list_all(q, &p);
    return finish_page(q, &p, &next);
}

/* --- by action date --------------------------------------------------------------------- */

/* Where it ends: with `from`, or with the first day where only `to` is given; cases without a
 * date come last. */
static struct key down_to(const struct page *p)
{
    struct casebus_bytes first =
        p->from.data || !p->to.data ? p->from : casebus_cstr("0000-00-01");
    return key_date(p->agency, first, casebus_bytes(NULL, 0));
}

/* Where a walk backwards through the agency's dates begins: behind `to`, or behind them all. */
static struct key behind(const struct page *p)
{
    struct casebus_bytes last = casebus_cstr("9999-99-99");
    struct key k = key_date(p->agency, p->to.data ? p->to : last, casebus_bytes(NULL, 0));
    k.data[k.size - 1] = 1; /* past the NUL: past every id of that day */
    return k;
}

static struct key list_by_date(struct query *q, const struct page *p)
{
    struct cursor c;
    struct key next = {.size = 0}, from = behind(p), first = down_to(p);
    if (p->next.data && casebus_bytes_compare(p->next, key_bytes(&from)) < 0) {
        from = key_text(p->next);
    }
    cursor_open(&c, q->txn, TREE_DATE);
    bool at = cursor_before(&c, key_bytes(&from));
    for (; at && casebus_bytes_compare(c.key, key_bytes(&first)) >= 0 && more_rows(q, p->limit);
         at = cursor_prev(&c)) {
        struct key case_id = key_named(p->agency, key_date_id(c.key, NULL));
        add_case(q, key_bytes(&case_id), 0, p);
        next = key_text(c.key);
    }
    if (!at || casebus_bytes_compare(c.key, key_bytes(&first)) < 0) {
        next.size = 0;
    }
    cursor_close(&c);
    return next;
}

/* --- a session's ------------------------------------------------------------------------ */

/* A made-up `next` must not lead into another session. */
static bool of_session(const struct log_entry *log, const struct casebus_topic *topic,
                       const struct page *p)
{
    struct casebus_bytes session = casebus_as_str(casebus_map_get(log->body, "session"));
    return casebus_bytes_equal(topic->segment[2], p->agency) &&
           casebus_bytes_equal(session, p->session);
}

static bool is_of_case(const struct casebus_event *event, struct casebus_bytes id)
{
    struct key of = key_named(event->topic.segment[2], event->topic.segment[3]);
    return casebus_bytes_equal(key_bytes(&of), id);
}

/* Has the session met this case again, after the event `seq`? Then it stands further up. A
 * search that has looked at enough stops where it is, with kinds left, and goes on from there
 * with the next page. */
static bool met_again(struct query *q, const struct page *p, struct casebus_bytes id,
                      uint64_t seq, struct search *at)
{
    struct key key = key_text(id);
    struct case_entry entry;
    if (!txn_load(q->txn, TREE_CASE, &key, ENTRY_CASE, &entry)) {
        at->kind = CASEBUS_CASE_EVENT_COUNT;
        return false;
    }
    for (; at->kind < CASEBUS_CASE_EVENT_COUNT; at->kind++, at->at = 0) {
        if (at->at == 0) {
            at->at = entry.last[at->kind];
        }
        while (at->at > seq && q->work < WORK_MAX) {
            struct log_entry log;
            struct casebus_event event;
            struct casebus_fault fault;
            q->work++;
            if (!txn_log(q->txn, at->at, &log) ||
                casebus_event_read(log.topic, log.body, &event, &fault) != 0 ||
                !is_of_case(&event, id)) {
                at->kind = CASEBUS_CASE_EVENT_COUNT;
                return false;
            }
            if (casebus_bytes_equal(event.session, p->session)) {
                return true;
            }
            at->at = event.prev_topic;
        }
        if (at->at > seq) {
            return false; /* not known yet */
        }
    }
    return false;
}

static struct key key_search(uint64_t seq, const struct search *at)
{
    struct key next = key_number(seq);
    if (at->kind > 0 || at->at > 0) {
        struct key kind = key_number(at->kind), where = key_number(at->at);
        memcpy(next.data + next.size, kind.data, kind.size);
        memcpy(next.data + next.size + kind.size, where.data, where.size);
        next.size = SEARCH_SIZE;
    }
    return next;
}

/* The cases a session met above the floor, each at its newest event in it; `next` is where to
 * go on. */
static struct key list_session(struct query *q, const struct page *p)
{
    struct session_entry session;
    struct key key = key_named(p->agency, p->session), none = {.size = 0};
    struct search search = p->search;
    if (!txn_load(q->txn, TREE_SESSION, &key, ENTRY_SESSION, &session)) {
        return none;
    }
    uint64_t seq = p->next.data ? key_to_number(p->next) : session.newest;
    while (seq >= state_oldest(&q->state) && more_rows(q, p->limit)) {
        struct log_entry log;
        struct casebus_topic topic;
        enum casebus_event_kind kind;
        if (!txn_log(q->txn, seq, &log) ||
            casebus_topic_event(log.topic, &topic, &kind) != 0 ||
            !of_session(&log, &topic, p)) {
            return none;
        }
        struct key id = key_named(topic.segment[2], topic.segment[3]);
        q->work++;
        if (kind < CASEBUS_CASE_EVENT_COUNT && seq <= p->as_of &&
            !met_again(q, p, key_bytes(&id), seq, &search)) {
            if (search.kind < CASEBUS_CASE_EVENT_COUNT) {
                return key_search(seq, &search);
            }
            add_case(q, key_bytes(&id), 0, p);
        }
        search = (struct search){0, 0};
        seq = log.session_before;
    }
    return seq >= state_oldest(&q->state) ? key_search(seq, &search) : none;
}

static int read_list(struct query *q, struct page *p)
{
    struct casebus_bytes order;
    int rc = read_page(q, p);
    rc = rc ? rc : arg_text(q, "agency", false, &p->agency);
    rc = rc ? rc : arg_text(q, "session", false, &p->session);
    rc = rc ? rc : arg_text(q, "from", false, &p->from);
    rc = rc ? rc : arg_text(q, "to", false, &p->to);
    rc = rc ? rc : arg_text(q, "order", false, &order);
    if (rc != 0) {
        return rc;
    }
    p->by_date = order.data && casebus_bytes_is(order, "date");
    if (order.data && !p->by_date && !casebus_bytes_is(order, "newest")) {
        return bad_arg(q, "order", "must be newest or date");
    }
    if (p->agency.data && !casebus_agency_valid(p->agency)) {
        return bad_arg(q, "agency", "is not an agency code");
    }
    if (p->session.data && !casebus_segment_valid(p->session)) {
        return bad_arg(q, "session", "is not a session id");
    }
    if (p->from.data && !casebus_date_valid(p->from)) {
        return bad_arg(q, "from", "must be a date, YYYY-MM-DD");
    }
    if (p->to.data && !casebus_date_valid(p->to)) {
        return bad_arg(q, "to", "must be a date, YYYY-MM-DD");
    }
    if ((p->by_date || p->session.data || p->from.data || p->to.data) && !p->agency.data) {
        return bad_arg(q, "agency", "is required with session, from, to and order date");
    }
    if (p->session.data && (order.data || p->from.data || p->to.data)) {
        return bad_arg(q, order.data ? "order" : p->from.data ? "from" : "to",
                       "does not go with session");
    }
    if ((p->from.data || p->to.data) && !p->by_date) {
        return bad_arg(q, "order", "must be date where from or to is given");
    }
    rc = check_next(q, p);
    if (rc == 0 && p->session.data && p->next.size == SEARCH_SIZE) {
        p->search = (struct search){key_to_number(casebus_bytes(p->next.data + 8, 8)),
                                    key_to_number(casebus_bytes(p->next.data + 16, 8))};
    }
    return rc;
}

int query_case_list(struct query *q)
{
    struct page p = {.limit = 0};
    int rc = read_list(q, &p);
    if (rc != 0) {
        return rc;
    }
    struct key next = p.session.data  ? list_session(q, &p)
                      : p.by_date     ? list_by_date(q, &p)
                      : p.agency.data ? list_agency(q, &p)
                                      : list_all(q, &p);
    return finish_page(q, &p, &next);
}
