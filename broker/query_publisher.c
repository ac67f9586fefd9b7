/* What publishers are told: confirmations by long poll; and the list of refused reports. */
#include "query.h"

#include "log.h"

#define REFUSALS_MAX 1000
/* How far a poll's `after` may run ahead of what is recorded of it (ACK_WINDOW in
 * apply_publisher.c allows for this and more). */
#define ACK_EVERY (CASEBUS_PUBLISHER_WINDOW / 4)
/* How old what is recorded of its last sign of life may be: microseconds, far below the days
 * after which an idle publisher is forgotten. */
#define SEEN_EVERY (3600ull * 1000000)

/* What polls say between two commits; whoever polls all the time says the same each time, and
 * leaves room for what others ask to have decided. */
#define ACKS_MAX 256

struct poll {
    struct casebus_bytes publisher;
    uint64_t after, wait_ms;
    bool is_volatile;
    struct casebus_bytes stop[CASEBUS_SESSIONS_PER_POLL]; /* maps of `sessions`: are to stop */
    unsigned stop_count;
    bool stop_is_news;
    struct key key;
    struct publisher_entry entry;
};

static bool is_bool(struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    return casebus_peek(&r) == CASEBUS_BOOL;
}

static bool names_a_session(struct casebus_bytes map)
{
    struct casebus_bytes stopping = casebus_map_get(map, "stopping");
    return casebus_agency_valid(casebus_as_str(casebus_map_get(map, "agency"))) &&
           casebus_segment_valid(casebus_as_str(casebus_map_get(map, "session_id"))) &&
           (!stopping.data || is_bool(stopping));
}

static int check_sessions(struct query *q)
{
    struct casebus_bytes sessions = arg_raw(q, "sessions");
    struct casebus_reader r;
    casebus_reader_init(&r, sessions);
    if (!sessions.data) {
        return 0;
    }
    uint32_t n = casebus_peek(&r) == CASEBUS_ARRAY ? casebus_read_array(&r) : UINT32_MAX;
    bool good = n <= CASEBUS_SESSIONS_PER_POLL;
    for (; good && n > 0; n--) {
        bool map = casebus_peek(&r) == CASEBUS_MAP;
        struct casebus_bytes session = casebus_read_raw(&r);
        good = map && names_a_session(session);
    }
    return good ? 0
                : bad_arg(q, "sessions",
                          "must be at most 64 maps of agency, session_id and stopping");
}

/* One session that a poll names: it is alive, and perhaps it is to stop. Nobody keeps a session
 * alive, nor hears of one, that he could not have started. */
static void look_at_session(struct query *q, struct poll *p, struct casebus_bytes map)
{
    struct session_entry session;
    struct casebus_bytes agency = casebus_as_str(casebus_map_get(map, "agency"));
    struct key key = key_named(agency, casebus_as_str(casebus_map_get(map, "session_id")));
    if (!actor_may(q->reader->table, q->who, VERB_REPORT_SCRAPED, agency)) {
        return;
    }
    if (!txn_load(q->txn, TREE_SESSION, &key, ENTRY_SESSION, &session)) {
        if (txn_error(q->txn) == CASEBUS_ECORRUPT) {
            txn_forgive(q->txn); /* what the publisher asks for is something else */
        }
        return;
    }
    if (!q->resumed) {
        note_heartbeat(q->self, &session);
    }
    if (is_to_stop(&session)) {
        p->stop[p->stop_count++] = map;
        p->stop_is_news =
            p->stop_is_news || !casebus_as_bool(casebus_map_get(map, "stopping"), false);
    }
}

static void look_at_sessions(struct query *q, struct poll *p)
{
    struct casebus_bytes sessions = arg_raw(q, "sessions");
    struct casebus_reader r;
    casebus_reader_init(&r, sessions);
    for (uint32_t n = sessions.data ? casebus_read_array(&r) : 0; n > 0; n--) {
        look_at_session(q, p, casebus_read_raw(&r));
    }
}

/* A broker that has applied less than the publisher has seen of this history is behind, and
 * what it would answer is no divergence. */
static int check_position(struct query *q)
{
    struct casebus_bytes epoch;
    uint64_t entry;
    int rc = arg_bin(q, "epoch", CASEBUS_EPOCH_SIZE, false, &epoch);
    rc = rc ? rc : arg_number(q, "entry", 0, UINT64_MAX, 0, &entry);
    if (rc == 0 && epoch.data && entry > q->state.entry &&
        memcmp(epoch.data, q->state.epoch, CASEBUS_EPOCH_SIZE) == 0) {
        rc = CASEBUS_EBEHIND;
    }
    return rc;
}

static int read_poll(struct query *q, struct poll *p)
{
    struct casebus_bytes outbox = arg_raw(q, "outbox");
    int rc = arg_bin(q, "publisher", CASEBUS_PUBLISHER_SIZE, true, &p->publisher);
    rc = rc ? rc : arg_number(q, "after", 0, UINT64_MAX - 1, 0, &p->after);
    rc =
        rc ? rc
           : arg_number(q, "wait_ms", 0, CASEBUS_POLL_MAX_MS, CASEBUS_POLL_MAX_MS, &p->wait_ms);
    if (rc == 0 && outbox.data) {
        if (!is_bool(outbox)) {
            return bad_arg(q, "outbox", "must be true or false");
        }
        p->is_volatile = !casebus_as_bool(outbox, true);
    }
    rc = rc ? rc : check_sessions(q);
    return rc ? rc : check_position(q);
}

static uint64_t refusal_number(const struct cursor *c, const struct poll *p)
{
    return key_to_number(casebus_bytes(c->key.data + p->key.size, 8));
}

/* Does the cursor, moved just now, stand on a refusal of this publisher? One that cannot be
 * read is told as what it is (`corrupt`): nobody's poll fails for it, and its number is not
 * passed over. */
static bool refusal_here(struct query *q, const struct cursor *c, bool moved,
                         const struct poll *p, struct refusal_entry *r)
{
    bool corrupt = !moved && txn_error(q->txn) == CASEBUS_ECORRUPT;
    if ((!moved && !corrupt) || c->key.size != p->key.size + 8 ||
        memcmp(c->key.data, p->key.data, p->key.size) != 0) {
        return false;
    }
    if (corrupt) {
        txn_forgive(q->txn);
    }
    if (corrupt || entry_decode(ENTRY_REFUSAL, c->value, r) != 0) {
        log_error("refusal %llu of a publisher cannot be read",
                  (unsigned long long)refusal_number(c, p));
        *r = (struct refusal_entry){.outcome = CASEBUS_OUTCOME_REJECTED,
                                    .code = -CASEBUS_ECORRUPT};
    }
    return true;
}

static bool refusal_up_to(struct query *q, const struct poll *p)
{
    struct cursor c;
    struct refusal_entry r;
    struct key first = key_refusal(&p->key, 0);
    cursor_open(&c, q->txn, TREE_REFUSAL);
    bool found = c.mdb && refusal_here(q, &c, cursor_seek(&c, key_bytes(&first)), p, &r) &&
                 refusal_number(&c, p) <= p->after;
    cursor_close(&c);
    return found;
}

/* Has the poll news for the store: refusals that can go, a window that must move, an outbox
 * that is not what it was; or is it the first sign of life for long? */
static bool has_news(struct query *q, const struct poll *p, uint64_t after)
{
    return (after > p->entry.acked &&
            (after >= p->entry.acked + ACK_EVERY || refusal_up_to(q, p))) ||
           p->is_volatile != (p->entry.volatile_id != 0) ||
           clock_utc_us() > p->entry.last_seen_at + SEEN_EVERY;
}

static bool takes_ack(struct queries *self, uint64_t newest_entry)
{
    if (self->acks_since != newest_entry) {
        self->acks_since = newest_entry;
        self->acks = 0;
    }
    return self->acks++ < ACKS_MAX;
}

/* Tells apply what a poll says, where that changes anything there; the next poll says again
 * what found no room. */
static void acknowledge(struct query *q, const struct poll *p)
{
    uint64_t after = p->after < p->entry.decided ? p->after : p->entry.decided;
    if (p->entry.decided == 0 || !has_news(q, p, after) ||
        !takes_ack(q->self, q->state.entry)) {
        return;
    }
    msgpack_packer pk;
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 3);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, p->publisher);
    pack_uint(&pk, "after", after);
    casebus_pack_text(&pk, "outbox");
    if (p->is_volatile) {
        msgpack_pack_false(&pk);
    } else {
        msgpack_pack_true(&pk);
    }
    submit(q, APPLY_ACK, &body, false);
    msgpack_sbuffer_destroy(&body);
}

static void pack_why(msgpack_packer *pk, const struct refusal_entry *r)
{
    casebus_pack_text(pk, "code");
    casebus_pack_text(pk, casebus_error_word(-(int)r->code));
    casebus_pack_text(pk, "reason");
    casebus_pack_text(pk, casebus_strerror(-(int)r->code));
}

static void pack_where(msgpack_packer *pk, const struct refusal_entry *r)
{
    if (r->field.size) {
        casebus_pack_text(pk, "field");
        casebus_pack_str(pk, r->field);
    }
    if (r->topic.data) {
        casebus_pack_text(pk, "topic");
        casebus_pack_str(pk, r->topic);
    }
}

static void pack_refusal(msgpack_packer *pk, uint64_t number, const struct refusal_entry *r)
{
    bool conflict = r->outcome == CASEBUS_OUTCOME_CONFLICT;
    bool rejected = r->outcome == CASEBUS_OUTCOME_REJECTED;
    msgpack_pack_map(pk, 2u + (conflict ? 1u : 0u) + (rejected ? 2u : 0u) +
                             (r->field.size ? 1u : 0u) + (r->topic.data ? 1u : 0u));
    pack_uint(pk, "number", number);
    casebus_pack_text(pk, "outcome");
    casebus_pack_text(pk, casebus_outcome_word((enum casebus_outcome)r->outcome));
    if (conflict) {
        pack_uint(pk, "quarantine", r->quarantine);
    }
    if (rejected) {
        pack_why(pk, r);
    }
    pack_where(pk, r);
}

/* Every refusal above `after`, as many as fit. True: there are more. */
static bool gather_refusals(struct query *q, const struct poll *p)
{
    struct cursor c;
    struct key first = key_refusal(&p->key, p->after + 1);
    bool more = false;
    cursor_open(&c, q->txn, TREE_REFUSAL);
    struct refusal_entry r;
    for (bool moved = c.mdb && cursor_seek(&c, key_bytes(&first));
         c.mdb && refusal_here(q, &c, moved, p, &r); moved = cursor_next(&c)) {
        more = !more_rows(q, REFUSALS_MAX);
        if (more) {
            break;
        }
        pack_refusal(&q->rows_pk, refusal_number(&c, p), &r);
        q->row_count++;
    }
    cursor_close(&c);
    return more;
}

static void pack_counts(msgpack_packer *pk, const struct publisher_entry *e)
{
    casebus_pack_text(pk, "counts");
    msgpack_pack_map(pk, CASEBUS_OUTCOME_COUNT);
    for (unsigned i = 0; i < CASEBUS_OUTCOME_COUNT; i++) {
        pack_uint(pk, casebus_outcome_word((enum casebus_outcome)i), e->outcome[i]);
    }
}

static void pack_stop(msgpack_packer *pk, const struct poll *p)
{
    casebus_pack_text(pk, "stop");
    msgpack_pack_array(pk, p->stop_count);
    for (unsigned i = 0; i < p->stop_count; i++) {
        msgpack_pack_map(pk, 2);
        casebus_pack_text(pk, "agency");
        casebus_pack_raw(pk, casebus_map_get(p->stop[i], "agency"));
        casebus_pack_text(pk, "session_id");
        casebus_pack_raw(pk, casebus_map_get(p->stop[i], "session_id"));
    }
}

static int answer_poll(struct query *q, const struct poll *p, bool want, const char *held)
{
    bool more = gather_refusals(q, p), stop = p->stop_count > 0;
    msgpack_pack_map(&q->pk, 5u + (want ? 1u : 0u) + (held ? 1u : 0u) + (more ? 1u : 0u) +
                                 (stop ? 1u : 0u));
    casebus_pack_text(&q->pk, "publisher");
    casebus_pack_bin(&q->pk, p->publisher);
    pack_uint(&q->pk, "decided", p->entry.decided);
    casebus_pack_text(&q->pk, "check");
    casebus_pack_bin(&q->pk, casebus_bytes(p->entry.check, CASEBUS_CHECK_SIZE));
    pack_counts(&q->pk, &p->entry);
    pack_rows(q, "refusals");
    if (want) {
        pack_uint(&q->pk, "want", p->entry.decided + 1);
    }
    if (held) {
        casebus_pack_text(&q->pk, "held");
        casebus_pack_text(&q->pk, held);
    }
    if (stop) {
        pack_stop(&q->pk, p);
    }
    if (more) {
        casebus_pack_text(&q->pk, "more");
        msgpack_pack_true(&q->pk);
    }
    return 0;
}

/* Its actor may not send it, and he still may not. */
static const char *why_denied(struct query *q, const struct untaken *next)
{
    if (actor_may(q->reader->table, q->who, next->verb, casebus_cstr(next->agency))) {
        return NULL;
    }
    snprintf(q->text, sizeof q->text, "no permission: %s of %s", verb_name(next->verb),
             next->agency);
    return q->text;
}

/* It was over a limit of its actor, which still stands. */
static const char *why_limited(struct query *q, const struct untaken *next)
{
    const uint64_t value = limit_of(q->self->options->gate->limits, next->limit);
    _Static_assert(sizeof q->text >= LIMIT_TEXT_SIZE, "the sentence fits");
    return value > 0 ? limit_say(next->limit, value, q->text) : NULL;
}

/* Was the report that is to be decided next not taken, whatever has come behind it? */
static bool is_untaken(const struct poll *p, const struct noticed *known)
{
    return known && known->first.number == p->entry.decided + 1;
}

static const char *why_untaken(struct query *q, const struct poll *p,
                               const struct noticed *known)
{
    if (!(q->who->somewhere & VERBS_REPORT)) {
        return "no permission: this actor may not report";
    }
    if (!is_untaken(p, known)) {
        return NULL;
    }
    return known->first.why == DENIED ? why_denied(q, &known->first)
                                      : why_limited(q, &known->first);
}

/* Why the next report is not decided for now; NULL: it is. */
static const char *why_held(struct query *q, const struct poll *p, const struct noticed *known)
{
    struct key key = key_text(q->actor);
    struct actor_entry actor;
    if (p->entry.decided == 0 && txn_load(q->txn, TREE_ACTOR, &key, ENTRY_ACTOR, &actor) &&
        actor.publishers >= CASEBUS_PUBLISHERS_MAX) {
        return "too many publishers: idle ones have to be forgotten before a new one is heard";
    }
    const char *why = why_untaken(q, p, known);
    return why ? why : held_reason(q->self->options->counters);
}

int query_publisher_confirm(struct query *q)
{
    struct poll p = {.after = 0};
    int rc = read_poll(q, &p);
    if (rc != 0) {
        return rc;
    }
    p.key = key_publisher(q->actor, p.publisher.data);
    txn_load(q->txn, TREE_PUBLISHER, &p.key, ENTRY_PUBLISHER, &p.entry);
    if (!q->resumed) {
        acknowledge(q, &p);
    }
    look_at_sessions(q, &p);
    /* While nothing is decided nothing is wanted either: what is missing was dropped for that.
     */
    const struct noticed *known = find_arrived(q->self, q->actor, p.publisher.data);
    const char *held = why_held(q, &p, known);
    bool arrived = known && (known->arrived > p.entry.decided || is_untaken(&p, known));
    bool dropped = held && arrived && q->resumed; /* just now */
    bool want = !held && arrived;
    if (p.entry.decided != p.after || want || dropped || p.stop_is_news || q->time_up ||
        p.wait_ms == 0) {
        return answer_poll(q, &p, want, held);
    }
    q->wait_kind = WAITING_CONFIRM;
    q->wait_until = q->resumed ? q->resumed->until : zclock_mono() + (int64_t)p.wait_ms;
    memcpy(q->wait_publisher, p.publisher.data, sizeof q->wait_publisher);
    return QUERY_WAITS;
}

/* --- the list of refused reports -------------------------------------------------------- */

static void pack_reject(msgpack_packer *pk, uint64_t number, const struct refusal_entry *r)
{
    msgpack_pack_map(pk, 7u + (r->field.size ? 1u : 0u) + (r->topic.data ? 1u : 0u) +
                             (r->publisher.data ? 2u : 0u) + (r->session.data ? 1u : 0u));
    pack_uint(pk, "reject", number);
    pack_uint(pk, "at", r->at);
    pack_uint(pk, "seq", r->seq);
    casebus_pack_text(pk, "actor");
    casebus_pack_str(pk, r->actor);
    pack_why(pk, r);
    pack_uint(pk, "size", r->size);
    pack_where(pk, r);
    if (r->publisher.data) {
        casebus_pack_text(pk, "publisher");
        casebus_pack_bin(pk, r->publisher);
        pack_uint(pk, "number", r->number);
    }
    if (r->session.data) {
        casebus_pack_text(pk, "session");
        casebus_pack_str(pk, r->session);
    }
}

void pack_refused_counts(struct query *q, const char *name)
{
    uint64_t times[COUNTER_CODES]; /* a snapshot: the bus goes on counting */
    unsigned n = 0;
    for (int i = 1; i < COUNTER_CODES; i++) {
        times[i] = counted(&q->self->options->counters->refused[i]);
        n += times[i] > 0;
    }
    casebus_pack_text(&q->pk, name);
    msgpack_pack_map(&q->pk, n);
    for (int i = 1; i < COUNTER_CODES; i++) {
        if (times[i] > 0) {
            pack_uint(&q->pk, casebus_error_word(-i), times[i]);
        }
    }
}

/* A report whose topic is none is of no agency. */
static bool is_refusal_shown(const struct query *q, const struct refusal_entry *r)
{
    struct casebus_topic topic;
    enum casebus_report_kind kind;
    return q->scope->agencies == 0 || (casebus_topic_report(r->topic, &topic, &kind) == 0 &&
                                       scope_covers(q->scope, topic.segment[2]));
}

int query_rejects_list(struct query *q)
{
    struct casebus_bytes next;
    struct cursor c;
    struct key last = {.size = 0};
    uint64_t limit;
    int rc = arg_limit(q, &limit);
    rc = rc ? rc : arg_bin(q, "next", 8, false, &next);
    if (rc != 0) {
        return rc;
    }
    struct key from = next.data ? key_text(next) : key_number(UINT64_MAX);
    cursor_open(&c, q->txn, TREE_REJECT);
    bool at = cursor_before(&c, key_bytes(&from));
    for (; rc == 0 && at && more_rows(q, limit); at = cursor_prev(&c)) {
        struct refusal_entry r;
        rc = entry_decode(ENTRY_REFUSAL, c.value, &r);
        q->work++;
        if (rc == 0 && is_refusal_shown(q, &r)) {
            pack_reject(&q->rows_pk, key_to_number(c.key), &r);
            q->row_count++;
        }
        last = key_text(c.key);
    }
    if (!at) {
        last.size = 0;
    }
    cursor_close(&c);
    bool counts = q->scope->agencies == 0; /* they are of all reports */
    msgpack_pack_map(&q->pk, 1u + (last.size > 0 ? 1u : 0u) + (counts ? 1u : 0u));
    pack_rows(q, "rows");
    pack_next(q, &last);
    if (counts) {
        pack_refused_counts(q, "counts");
    }
    return rc;
}
