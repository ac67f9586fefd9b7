/* Operations on cases. */
#include "query.h"

#define HISTORY_LOADED 50

/* --- a case ----------------------------------------------------------------------------- */

static bool read_case(struct query *q, struct casebus_bytes id, struct case_entry *entry)
{
    if (q->ahead && casebus_bytes_equal(q->ahead->id, id)) {
        *entry = q->ahead->entry;
        return true;
    }
    return txn_read(q->txn, TREE_CASE, id, ENTRY_CASE, entry);
}

int find_case(struct query *q, const char *argument, struct casebus_bytes id,
              struct case_entry *entry)
{
    struct casebus_bytes agency, regulator_id;
    if (casebus_case_id_split(id, &agency, &regulator_id) != 0) {
        return bad_arg(q, argument, "is not a case id, <agency>:<regulator id>");
    }
    if (!scope_covers(q->scope, agency)) {
        return CASEBUS_ENOTFOUND;
    }
    if (!read_case(q, id, entry)) {
        return txn_error(q->txn) != 0 ? txn_error(q->txn) : CASEBUS_ENOTFOUND;
    }
    return entry->flags & CASE_REDACTED  ? CASEBUS_EREDACTED
           : entry->flags & CASE_DELETED ? CASEBUS_EDELETED
                                         : 0;
}

/* --- load: what comes with a case ------------------------------------------------------- */

int read_load(struct query *q, unsigned allowed, unsigned *load)
{
    static const char *const words[] = {"agency", "offender", "history"};
    struct casebus_reader r;
    uint32_t n;
    *load = 0;
    if (!arg_raw(q, "load").data) {
        return 0;
    }
    int rc = arg_array(q, "load", 3, &r, &n);
    for (; rc == 0 && n > 0; n--) {
        struct casebus_bytes word = casebus_read_str(&r);
        unsigned bit = 0;
        for (unsigned i = 0; i < 3; i++) {
            bit |= casebus_bytes_is(word, words[i]) ? 1u << i : 0;
        }
        if (!(bit & allowed)) {
            return bad_arg(q, "load", "names something that cannot be loaded here");
        }
        *load |= bit;
    }
    if (!shows_all(q, offender_fields)) {
        *load &= ~(unsigned)LOAD_OFFENDER;
    }
    return rc;
}

int pack_loaded(struct query *q, msgpack_packer *pk, struct casebus_bytes id,
                const struct case_entry *entry, unsigned load)
{
    struct casebus_bytes agency, regulator_id;
    struct casebus_record record;
    int rc = casebus_case_id_split(id, &agency, &regulator_id);
    if (rc == 0 && load & LOAD_AGENCY) {
        pack_agency(q, pk, agency);
    }
    if (rc == 0 && load & LOAD_OFFENDER) {
        if (!record_load(q->txn, entry, &record)) {
            return CASEBUS_ECORRUPT;
        }
        pack_offender(q, pk, agency, record.field[CASEBUS_CASE_OFFENDER]);
    }
    return rc;
}

unsigned loaded_pairs(unsigned load)
{
    return (load & LOAD_AGENCY ? 1u : 0u) + (load & LOAD_OFFENDER ? 1u : 0u) +
           (load & LOAD_HISTORY ? 1u : 0u);
}

/* --- history ---------------------------------------------------------------------------- */

int pack_event_map(struct query *q, msgpack_packer *pk, const struct log_entry *log)
{
    struct casebus_reader r;
    struct casebus_bytes shown;
    int rc = form_event(q, log, log->body, &shown);
    if (rc != 0) {
        return rc;
    }
    casebus_reader_init(&r, shown);
    uint32_t n = casebus_read_map(&r);
    msgpack_pack_map(pk, n + 1u);
    casebus_pack_text(pk, "topic");
    casebus_pack_str(pk, log->topic);
    if (!r.error) {
        casebus_pack_raw(pk, casebus_bytes(r.at, (size_t)(r.end - r.at)));
    }
    return r.error;
}

/* Where a walk stands: the newest event of each chain that it has not been to. As `next` of a
 * reply it is the seqs one behind the other. */
struct walk {
    struct casebus_bytes agency, regulator_id;
    uint64_t at[CASEBUS_CASE_EVENT_COUNT];
};

static int start_walk(struct query *q, struct casebus_bytes id, const struct case_entry *entry,
                      struct casebus_bytes next, struct walk *w)
{
    int rc = casebus_case_id_split(id, &w->agency, &w->regulator_id);
    memcpy(w->at, entry->last, sizeof w->at);
    for (unsigned k = 0; rc == 0 && next.data && k < CASEBUS_CASE_EVENT_COUNT; k++) {
        w->at[k] = key_to_number(casebus_bytes(next.data + 8 * k, 8));
        if (w->at[k] > entry->last[k]) {
            rc = bad_arg(q, "next", "is not from a reply of this case");
        }
    }
    return rc;
}

static struct key key_walk(const struct walk *w)
{
    struct key next = {.size = 0};
    for (unsigned k = 0; k < CASEBUS_CASE_EVENT_COUNT; k++) {
        struct key seq = key_number(w->at[k]);
        memcpy(next.data + next.size, seq.data, seq.size);
        next.size += seq.size;
    }
    return next;
}

/* A made-up `next` must not lead to events of another case. */
static bool of_chain(const struct casebus_event *event, const struct walk *w, unsigned kind)
{
    return event->kind == kind && casebus_bytes_equal(event->topic.segment[2], w->agency) &&
           casebus_bytes_equal(event->topic.segment[3], w->regulator_id);
}

/* Walks back to the floor. Returns whether there is more. */
static bool walk_history(struct query *q, struct walk *w, uint64_t limit)
{
    for (;;) {
        unsigned k = newest_chain(w->at);
        struct log_entry log;
        struct casebus_event event;
        struct casebus_fault fault;
        if (w->at[k] < state_oldest(&q->state) || txn_error(q->txn) != 0) {
            return false;
        }
        if (!more_rows(q, limit)) {
            return true;
        }
        q->work++;
        if (!txn_log(q->txn, w->at[k], &log) ||
            casebus_event_read(log.topic, log.body, &event, &fault) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            return false;
        }
        if (!of_chain(&event, w, k)) {
            txn_fail(q->txn, bad_arg(q, "next", "is not from a reply of this case"));
            return false;
        }
        q->row_count += pack_event_map(q, &q->rows_pk, &log) == 0;
        w->at[k] = event.prev_topic;
    }
}

int query_case_history(struct query *q)
{
    struct casebus_bytes id, next;
    struct case_entry entry;
    struct walk walk;
    uint64_t limit;
    int rc = arg_text(q, "id", true, &id);
    rc = rc ? rc : arg_limit(q, &limit);
    rc = rc ? rc : arg_bin(q, "next", 8 * CASEBUS_CASE_EVENT_COUNT, false, &next);
    rc = rc ? rc : find_case(q, "id", id, &entry);
    if (rc != 0 && rc != CASEBUS_EREDACTED && rc != CASEBUS_EDELETED) {
        return rc;
    }
    rc = start_walk(q, id, &entry, next, &walk);
    if (rc != 0) {
        return rc;
    }
    bool more = walk_history(q, &walk, limit);
    struct key position = key_walk(&walk);
    msgpack_pack_map(&q->pk, more ? 3 : 2);
    pack_rows(q, "events");
    pack_uint(&q->pk, "floor", q->state.floor);
    if (more) {
        pack_next(q, &position);
    }
    return 0;
}

/* --- get -------------------------------------------------------------------------------- */

int query_case_get(struct query *q)
{
    struct casebus_bytes id;
    struct case_entry entry;
    unsigned load = 0;
    int rc = arg_text(q, "id", true, &id);
    rc = rc ? rc : read_load(q, LOAD_AGENCY | LOAD_OFFENDER | LOAD_HISTORY, &load);
    rc = rc ? rc : find_case(q, "id", id, &entry);
    if (rc != 0) {
        return rc;
    }
    msgpack_pack_map(&q->pk, 1 + loaded_pairs(load));
    casebus_pack_text(&q->pk, "case");
    rc = pack_case(q, &q->pk, &entry);
    if (rc == 0) {
        rc = pack_loaded(q, &q->pk, id, &entry, load);
    }
    if (rc == 0 && load & LOAD_HISTORY) {
        struct walk walk;
        rc = start_walk(q, id, &entry, casebus_bytes(NULL, 0), &walk);
        walk_history(q, &walk, HISTORY_LOADED);
        pack_rows(q, "history");
    }
    return rc;
}

/* One of those asked for: what has been found of it. */
struct one {
    struct casebus_bytes id;
    int rc; /* of find_case() */
    struct case_entry entry;
};

/* Finds the next ones, up to `count`, and what their records are read from. CASEBUS_EINVAL, or
 * the transaction has failed. */
static int find_some(struct query *q, struct casebus_reader *ids, struct one *ones,
                     unsigned count)
{
    uint64_t seqs[LOG_AHEAD_MAX];
    unsigned ahead = 0;
    for (unsigned i = 0; i < count; i++) {
        struct one *one = &ones[i];
        one->id = casebus_read_str(ids);
        one->rc = one->id.data ? find_case(q, "ids", one->id, &one->entry)
                               : bad_arg(q, "ids", "must be text");
        if (one->rc == CASEBUS_EINVAL || txn_error(q->txn) != 0) {
            return one->rc;
        }
        if (one->rc == 0 && !one->entry.record.data) {
            seqs[ahead++] = one->entry.record_seq;
        }
    }
    txn_log_ahead(q->txn, seqs, ahead);
    return 0;
}

/* The head of a row is written in one piece: there are fifty of them in a reply. */
static int pack_one(struct query *q, const struct one *one, unsigned load)
{
    msgpack_packer *pk = &q->rows_pk;
    unsigned char head[64 + CASEBUS_CASE_ID_MAX], *at = head;
    at = casebus_put_map(at, one->rc == 0 ? 2 + loaded_pairs(load) : 2);
    at = casebus_put_str(casebus_put_text(at, "id"), one->id);
    at = casebus_put_text(at, one->rc == 0 ? "case" : "error");
    casebus_pack_raw(pk, casebus_bytes(head, (size_t)(at - head)));
    if (one->rc != 0) {
        casebus_pack_text(pk, casebus_error_word(one->rc));
        return 0;
    }
    int rc = pack_case(q, pk, &one->entry);
    return rc ? rc : pack_loaded(q, pk, one->id, &one->entry, load);
}

/* As many rows as there is room for; those from the first one without it are not answered. */
static int pack_many(struct query *q, struct casebus_reader *ids, uint32_t left, unsigned load)
{
    struct one ones[LOG_AHEAD_MAX];
    int rc = 0;
    while (rc == 0 && left > 0 && more_rows(q, UINT32_MAX)) {
        const unsigned count = left < LOG_AHEAD_MAX ? left : LOG_AHEAD_MAX;
        left -= count;
        rc = find_some(q, ids, ones, count);
        for (unsigned i = 0; rc == 0 && i < count && more_rows(q, UINT32_MAX); i++) {
            rc = pack_one(q, &ones[i], load);
            q->row_count++;
        }
    }
    return rc;
}

int query_case_get_many(struct query *q)
{
    struct casebus_reader r;
    uint32_t n;
    uint64_t from;
    unsigned load = 0;
    int rc = arg_array(q, "ids", CASEBUS_GET_MANY_MAX, &r, &n);
    rc = rc ? rc : arg_number(q, "from", 0, n - 1, 0, &from);
    rc = rc ? rc : read_load(q, LOAD_AGENCY | LOAD_OFFENDER, &load);
    if (rc == 0) {
        casebus_skip_values(&r, (uint32_t)from);
        rc = pack_many(q, &r, n - (uint32_t)from, load);
    }
    if (rc != 0) {
        return rc;
    }
    bool cut = from + q->row_count < n;
    msgpack_pack_map(&q->pk, cut ? 3 : 2);
    pack_rows(q, "rows");
    pack_uint(&q->pk, "from", from);
    if (cut) {
        pack_uint(&q->pk, "next_from", from + q->row_count);
    }
    return 0;
}

int query_case_known(struct query *q)
{
    struct casebus_reader r;
    uint32_t n;
    int rc = arg_array(q, "ids", CASEBUS_KNOWN_MAX, &r, &n);
    for (; rc == 0 && n > 0; n--) {
        struct casebus_bytes id = casebus_read_str(&r);
        struct case_entry entry;
        rc = id.data ? find_case(q, "ids", id, &entry) : bad_arg(q, "ids", "must be text");
        if (rc == 0 || rc == CASEBUS_EREDACTED) {
            casebus_pack_str(&q->rows_pk, id);
            q->row_count++;
        }
        rc = rc == CASEBUS_EINVAL ? rc : txn_error(q->txn);
    }
    if (rc == 0) {
        msgpack_pack_map(&q->pk, 1);
        pack_rows(q, "known");
    }
    return rc;
}
