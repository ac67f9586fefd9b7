/* Lists of cases: recent ones, an agency's, a session's, by creation; what is in the order of
 * an index is in query_index.c.
 *
 * By creation they follow the created index backwards: all of it, or one agency's rows, which
 * are chained through it. A created row whose case has gone or was created again since is
 * passed over. */
#include "query_list.h"

#define SEARCH_SIZE (3 * 8) /* of a `next`: the seq, and where its case's search stands */

static int read_page(struct query *q, struct page *p)
{
    int rc = arg_limit(q, &p->limit);
    rc = rc ? rc : arg_bin(q, "next", 0, false, &p->next);
    return rc ? rc : arg_as_of(q, &p->as_of);
}

/* A seq, a session's search, or a key of the index that is followed. */
static int check_next(struct query *q, const struct page *p)
{
    size_t size = p->next.size;
    bool good =
        !p->next.data || (by_index(p) ? index_next_valid(p)
                                      : size == 8 || (p->session.data && size == SEARCH_SIZE));
    return good ? 0 : bad_arg(q, "next", "is not from a reply to these arguments");
}

static bool is_there(const struct case_entry *entry, uint64_t created_seq)
{
    return !(entry->flags & (CASE_DELETED | CASE_REDACTED)) &&
           (created_seq == 0 || entry->created_seq == created_seq);
}

/* Do offender and date of the case fit what was asked for? */
static bool fits(struct query *q, const struct page *p, const struct case_entry *entry)
{
    struct casebus_record record;
    if (!by_index(p)) {
        return true;
    }
    if (!record_load(q->txn, entry, &record)) {
        return false;
    }
    struct casebus_bytes date = casebus_as_str(record.field[CASEBUS_CASE_OFFENCE_ACTION_DATE]);
    struct normal name = normal_name(offender_name(record.field[CASEBUS_CASE_OFFENDER]));
    bool dated = (!p->from.data && !p->to.data) || date.data;
    return dated && (!p->from.data || casebus_bytes_compare(date, p->from) >= 0) &&
           (!p->to.data || casebus_bytes_compare(date, p->to) <= 0) &&
           name.size >= p->offender.size &&
           memcmp(name.data, p->offender.data, p->offender.size) == 0;
}

void add_case(struct query *q, struct casebus_bytes id, uint64_t created_seq,
              const struct page *p)
{
    struct key key = key_text(id);
    struct case_entry entry;
    q->work++;
    if (!txn_load(q->txn, TREE_CASE, &key, ENTRY_CASE, &entry) ||
        !is_there(&entry, created_seq) || entry.created_seq > p->as_of ||
        (p->offender.size > 0 && (p->from.data || p->to.data) && !fits(q, p, &entry))) {
        return;
    }
    if (pack_case(q, &q->rows_pk, &entry) == 0) {
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
        if (scope_covers_id(q->scope, created.case_id)) {
            add_case(q, created.case_id, key_to_number(c.key), p);
        } else {
            q->work++;
        }
        next = key_text(c.key);
    }
    cursor_close(&c);
    if (!at) {
        next.size = 0;
    }
    return next;
}

/* A `next` that leads nowhere in this list: made up, or given to somebody who may see other
 * agencies. */
static struct key of_another_list(struct query *q)
{
    if (txn_error(q->txn) == 0) {
        txn_fail(q->txn, bad_arg(q, "next", "is not from a reply to these arguments"));
    }
    return (struct key){.size = 0};
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
            return of_another_list(q);
        }
        struct casebus_bytes of, id;
        if (casebus_case_id_split(created.case_id, &of, &id) != 0 ||
            !casebus_bytes_equal(of, p->agency)) {
            return of_another_list(q);
        }
        add_case(q, created.case_id, seq, p);
        seq = created.before;
    }
    return seq != 0 ? key_number(seq) : none;
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
        if (!txn_log(q->txn, seq, &log) || casebus_topic_event(log.topic, &topic, &kind) != 0 ||
            !of_session(&log, &topic, p)) {
            return of_another_list(q);
        }
        struct key id = key_named(topic.segment[2], topic.segment[3]);
        q->work++;
        if (kind < CASEBUS_CASE_EVENT_COUNT && seq <= p->as_of &&
            !met_again(q, p->session, key_bytes(&id), seq, &search)) {
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

/* --- newer ------------------------------------------------------------------------------ */

/* A created row above `as_of`: is it one of this list? */
static bool is_newer(struct query *q, const struct page *p, struct casebus_bytes id,
                     uint64_t seq)
{
    struct key key = key_text(id);
    struct case_entry entry;
    struct log_entry log;
    struct casebus_topic topic;
    enum casebus_event_kind kind;
    if (!scope_covers_id(q->scope, id) ||
        !txn_load(q->txn, TREE_CASE, &key, ENTRY_CASE, &entry) || !is_there(&entry, seq)) {
        return false;
    }
    if (!p->session.data) {
        return fits(q, p, &entry);
    }
    return seq >= state_oldest(&q->state) && txn_log(q->txn, seq, &log) &&
           casebus_topic_event(log.topic, &topic, &kind) == 0 && of_session(&log, &topic, p);
}

/* Those of the whole list, or of an agency along its chain. */
static uint64_t count_newer(struct query *q, const struct page *p)
{
    struct agency_entry agency = {.created_seq = 0};
    struct key key = key_text(p->agency);
    struct cursor c;
    uint64_t n = 0, seq = 0;
    cursor_open(&c, q->txn, TREE_CREATED);
    if (p->agency.data && txn_load(q->txn, TREE_AGENCY, &key, ENTRY_AGENCY, &agency)) {
        seq = agency.created_seq;
    } else if (!p->agency.data && cursor_last(&c)) {
        seq = key_to_number(c.key);
    }
    for (unsigned left = NEWER_WORK; seq > p->as_of && n < NEWER_MAX && left > 0; left--) {
        struct created_entry created;
        key = key_number(seq);
        if (!txn_load(q->txn, TREE_CREATED, &key, ENTRY_CREATED, &created)) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            break;
        }
        n += is_newer(q, p, created.case_id, seq);
        seq = p->agency.data ? created.before : cursor_prev(&c) ? key_to_number(c.key) : 0;
    }
    cursor_close(&c);
    return n;
}

static int finish_page(struct query *q, const struct page *p, const struct key *next)
{
    uint64_t newer = count_newer(q, p);
    msgpack_pack_map(&q->pk, 3u + (p->session.data ? 1u : 0u) + (next->size > 0 ? 1u : 0u));
    pack_moment(q, p->as_of, newer);
    pack_rows(q, "rows");
    if (p->session.data) {
        pack_uint(&q->pk, "floor", q->state.floor);
    }
    pack_next(q, next);
    return 0;
}

/* --- the operations --------------------------------------------------------------------- */

/* An actor who may see one agency only is answered as if he had named it, without a walk past
 * the cases of all others. */
static void ask_for_the_only(struct query *q, struct page *p)
{
    if (!p->agency.data && q->scope->agencies == 1) {
        p->agency = casebus_bytes(q->scope->agency[0].code, q->scope->agency[0].size);
    }
}

static struct key list_rows(struct query *q, const struct page *p)
{
    if (p->agency.data && !scope_covers(q->scope, p->agency)) {
        return (struct key){.size = 0}; /* as of an agency that is not there */
    }
    return p->session.data  ? list_session(q, p)
           : by_index(p)    ? list_index(q, p)
           : p->agency.data ? list_agency(q, p)
                            : list_all(q, p);
}

int query_case_recent(struct query *q)
{
    struct page p = {.limit = 0};
    int rc = read_page(q, &p);
    rc = rc ? rc : check_next(q, &p);
    if (rc != 0) {
        return rc;
    }
    ask_for_the_only(q, &p);
    struct key next = list_rows(q, &p);
    return finish_page(q, &p, &next);
}

static int read_offender(struct query *q, struct page *p)
{
    struct casebus_bytes name;
    int rc = arg_text(q, "offender", false, &name);
    if (rc != 0 || !name.data) {
        return rc;
    }
    rc = check_search(q, "offender", offender_fields);
    if (rc != 0) {
        return rc;
    }
    p->offender = normal_name(name);
    return p->offender.size > 0 && p->offender.size <= OFFENDER_PREFIX_MAX
               ? 0
               : bad_arg(q, "offender", "must be 1 to 200 bytes when normalised");
}

/* Is each argument well-formed by itself? */
static int check_values(struct query *q, const struct page *p)
{
    if (p->agency.data && !casebus_agency_valid(p->agency)) {
        return bad_arg(q, "agency", NO_AGENCY_CODE);
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
    return 0;
}

/* May they be given together? */
static int check_together(struct query *q, const struct page *p, bool ordered)
{
    bool dates = p->from.data || p->to.data, named = p->offender.size > 0;
    if (p->session.data && !p->agency.data) {
        return bad_arg(q, "agency", "is required with session");
    }
    if (p->session.data && (ordered || dates || named)) {
        return bad_arg(q,
                       ordered        ? "order"
                       : named        ? "offender"
                       : p->from.data ? "from"
                                      : "to",
                       "does not go with session");
    }
    if (named && ordered) {
        return bad_arg(q, "order", "does not go with offender");
    }
    if (dates && !p->by_date && !named) {
        return bad_arg(q, "order", "must be date where from or to is given");
    }
    return 0;
}

static bool asks_for_dates(const struct page *p)
{
    return p->by_date || p->from.data || p->to.data;
}

static int read_list(struct query *q, struct page *p)
{
    static const char *const dates[] = {"offence_action_date", NULL};
    struct casebus_bytes order;
    int rc = read_page(q, p);
    rc = rc ? rc : arg_text(q, "agency", false, &p->agency);
    rc = rc ? rc : arg_text(q, "session", false, &p->session);
    rc = rc ? rc : arg_text(q, "from", false, &p->from);
    rc = rc ? rc : arg_text(q, "to", false, &p->to);
    rc = rc ? rc : arg_text(q, "order", false, &order);
    rc = rc ? rc : read_offender(q, p);
    if (rc != 0) {
        return rc;
    }
    p->by_date = order.data && casebus_bytes_is(order, "date");
    if (order.data && !p->by_date && !casebus_bytes_is(order, "newest")) {
        return bad_arg(q, "order", "must be newest or date");
    }
    rc = check_values(q, p);
    rc = rc || !asks_for_dates(p) ? rc : check_search(q, "order", dates);
    rc = rc ? rc : check_together(q, p, order.data != NULL);
    rc = rc ? rc : check_next(q, p);
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
    ask_for_the_only(q, &p);
    struct key next = list_rows(q, &p);
    return finish_page(q, &p, &next);
}
