/* Verifying sessions, publishers and quarantine. */
#include "verifying.h"

#include <casebus/outcome.h>
#include <stdio.h>
#include <string.h>

/* --- sessions --------------------------------------------------------------------------- */

#define SESSION_KINDS (CASEBUS_EVENT_KIND_COUNT - CASEBUS_CASE_EVENT_COUNT)

struct counted {
    uint64_t created, updated, synced, conflicts;
    uint64_t next[SESSION_KINDS];   /* the seq at which the chain of each kind goes on */
    bool told;                      /* its newest event of its own has been looked at */
    enum casebus_event_kind behind; /* kind and seq of the event after */
    uint64_t behind_seq;
};

/* The newest event of a session said what its counters were: that still, or they
 * have risen. */
static bool counters_agree(const struct session_entry *s, struct casebus_bytes payload)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"pages_processed", s->pages_processed}, {"page_errors", s->page_errors},
        {"cases_created", s->created},           {"cases_updated", s->updated},
        {"cases_existing", s->existing},         {"errors_count", s->errors},
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        uint64_t told = casebus_as_uint(casebus_map_get(payload, counters[i].name), 0);
        if (told > counters[i].value || (told != counters[i].value && !s->unshown)) {
            return false;
        }
    }
    return true;
}

/* An event of the session itself: next in the chain of its kind. */
static bool take_own(struct verifying *v, const struct session_entry *s,
                     struct casebus_bytes name, const struct casebus_event *event,
                     struct counted *n)
{
    uint64_t *next = &n->next[event->kind - CASEBUS_CASE_EVENT_COUNT];
    if (*next != event->seq) {
        return false;
    }
    *next = event->prev_topic;
    v->told++;
    if (!n->told && !counters_agree(s, event->payload)) {
        finding(v, "session %s: its counters are not those of its last event",
                shown(TREE_SESSION, name));
    }
    n->told = true;
    return true;
}

static void take_case_event(const struct casebus_event *event, struct counted *n)
{
    n->created += event->kind == CASEBUS_EVENT_CREATED;
    n->updated += event->kind == CASEBUS_EVENT_UPDATED;
    n->synced += event->kind == CASEBUS_EVENT_SYNCED;
    n->conflicts += event->kind == CASEBUS_EVENT_CONFLICT;
    /* updated and the synced right behind it are one report, counted as updated */
    n->synced -= event->kind == CASEBUS_EVENT_UPDATED && n->behind == CASEBUS_EVENT_SYNCED &&
                 n->behind_seq == event->seq + 1;
    n->behind = event->kind;
    n->behind_seq = event->seq;
}

/* Was that event, now below the floor, the last updated one of the session's agency? */
static bool was_updated(struct verifying *v, struct casebus_bytes name, uint64_t seq)
{
    char stream[CASEBUS_TOPIC_MAX];
    struct casebus_bytes agency, id;
    if (casebus_session_name_split(name, &agency, &id) != 0) {
        return false;
    }
    int size = snprintf(stream, sizeof stream, "case:updated:%.*s:", (int)agency.size,
                        (const char *)agency.data);
    struct key key = key_text(casebus_bytes(stream, (size_t)size));
    struct head_entry head;
    bool known = txn_load(v->txn, TREE_HEAD, &key, ENTRY_HEAD, &head);
    txn_forgive(v->txn);
    return known && head.trimmed == seq;
}

static void walk_session(struct verifying *v, struct casebus_bytes name,
                         const struct session_entry *s, struct counted *n)
{
    uint64_t seq = s->newest;
    bool whole = true;
    n->behind = CASEBUS_EVENT_KIND_COUNT;
    memcpy(n->next, s->last, sizeof n->next);
    while (seq >= v->oldest && whole) {
        struct log_entry log;
        struct casebus_event event;
        if (!load_event(v, seq, &log, &event)) {
            return;
        }
        bool own = event.kind >= CASEBUS_CASE_EVENT_COUNT;
        struct key key =
            key_named(event.topic.segment[2], own ? event.topic.segment[3] : event.session);
        whole = casebus_bytes_equal(key_bytes(&key), name) && log.session_before < seq;
        if (whole && own) {
            whole = take_own(v, s, name, &event, n);
        } else if (whole) {
            take_case_event(&event, n);
        }
        if (whole) {
            seq = log.session_before;
        }
    }
    for (int k = 0; k < SESSION_KINDS; k++) {
        whole = whole && n->next[k] < v->oldest;
    }
    if (!whole) {
        finding(v, "session %s: its chain of events is broken at %llu",
                shown(TREE_SESSION, name), (unsigned long long)seq);
    }
    n->synced -= n->behind == CASEBUS_EVENT_SYNCED && seq != 0 && seq + 1 == n->behind_seq &&
                 was_updated(v, name, seq);
}

void verify_sessions(struct verifying *v)
{
    struct cursor c;
    struct session_entry s;
    uint64_t sessions = 0;
    cursor_open(&c, v->txn, TREE_SESSION);
    for (bool at = next_decoded(v, &c, true, ENTRY_SESSION, &s); at;
         at = next_decoded(v, &c, false, ENTRY_SESSION, &s)) {
        struct counted n = {.created = s.trimmed_created,
                            .updated = s.trimmed_updated,
                            .synced = s.trimmed_synced,
                            .conflicts = s.trimmed_conflicts};
        struct key started = key_number(s.started_seq);
        sessions++;
        walk_session(v, c.key, &s, &n);
        if (!status_is_final(s.status)) {
            verify_open_session(v, c.key, &s);
        }
        /* What makes no event (an edit without a difference, a refusal) is in the counters
         * alone. */
        if (n.created != s.created || n.updated != s.updated || n.synced > s.existing ||
            n.conflicts > s.errors) {
            finding(v, "session %s: its counters are not those of its events",
                    shown(c.tree, c.key));
        }
        if (!has(v, TREE_STARTED, &started)) {
            finding(v, "started %llu: the entry of session %s is missing",
                    (unsigned long long)s.started_seq, shown(c.tree, c.key));
        }
    }
    cursor_close(&c);
    uint64_t started = 0;
    cursor_open(&c, v->txn, TREE_STARTED);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        struct key key = key_text(c.value);
        started++;
        if (!has(v, TREE_SESSION, &key)) {
            finding(v, "started %llu: names session %s, which is not there",
                    (unsigned long long)key_to_number(c.key), shown(TREE_SESSION, c.value));
        }
    }
    cursor_close(&c);
    if (sessions != v->state.sessions || started != sessions) {
        finding(v, "meta state: says %llu sessions, there are %llu, and %llu started",
                (unsigned long long)v->state.sessions, (unsigned long long)sessions,
                (unsigned long long)started);
    }
    if (v->told != v->session_events) {
        finding(v, "log: %llu session events, %llu of them in the chains of a session",
                (unsigned long long)v->session_events, (unsigned long long)v->told);
    }
}

/* --- publishers ------------------------------------------------------------------------- */

static void verify_refusals(struct verifying *v)
{
    struct cursor c;
    struct refusal_entry r;
    cursor_open(&c, v->txn, TREE_REFUSAL);
    for (bool at = next_decoded(v, &c, true, ENTRY_REFUSAL, &r); at;
         at = next_decoded(v, &c, false, ENTRY_REFUSAL, &r)) {
        struct publisher_entry p;
        struct key key = key_text(casebus_bytes(c.key.data, c.key.size - 8));
        uint64_t number = key_to_number(casebus_bytes(c.key.data + key.size, 8));
        bool known = txn_load(v->txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &p);
        txn_forgive(v->txn);
        if (!known || number <= p.acked || number > p.decided) {
            finding(v, "refusal %s: of a number its publisher does not wait for",
                    shown(c.tree, c.key));
        }
    }
    cursor_close(&c);
}

static uint64_t count_refusals(struct verifying *v, struct casebus_bytes publisher)
{
    struct cursor c;
    uint64_t n = 0;
    cursor_open(&c, v->txn, TREE_REFUSAL);
    for (bool at = cursor_seek(&c, publisher);
         at && c.key.size == publisher.size + 8 &&
         memcmp(c.key.data, publisher.data, publisher.size) == 0;
         at = cursor_next(&c)) {
        step(v);
        n++;
    }
    cursor_close(&c);
    txn_forgive(v->txn);
    return n;
}

/* Refusals go as polls pass them: until the first has, all are there. */
static void verify_publisher(struct verifying *v, struct casebus_bytes key,
                             const struct publisher_entry *p)
{
    uint64_t outcomes = 0, refused = p->outcome[CASEBUS_OUTCOME_REJECTED] +
                                     p->outcome[CASEBUS_OUTCOME_CONFLICT] +
                                     p->outcome[CASEBUS_OUTCOME_VOID];
    uint64_t kept = count_refusals(v, key);
    for (unsigned i = 0; i < sizeof p->outcome / sizeof *p->outcome; i++) {
        outcomes += p->outcome[i];
    }
    if (outcomes != p->decided || p->acked > p->decided) {
        finding(v, "publisher %s: its counts are not those of %llu reports",
                shown(TREE_PUBLISHER, key), (unsigned long long)p->decided);
    }
    if (kept > refused || (p->acked == 0 && kept != refused)) {
        finding(v, "publisher %s: %llu refusals are kept, its counts say %llu",
                shown(TREE_PUBLISHER, key), (unsigned long long)kept,
                (unsigned long long)refused);
    }
}

/* The publishers and sessions of each actor: counted as they went by. */
static void verify_actors(struct verifying *v)
{
    struct cursor c;
    struct actor_entry a;
    cursor_open(&c, v->txn, TREE_ACTOR);
    for (bool at = next_decoded(v, &c, true, ENTRY_ACTOR, &a); at;
         at = next_decoded(v, &c, false, ENTRY_ACTOR, &a)) {
        struct total *counted = total_of(&v->actors, c.key);
        if (counted && counted->publishers != a.publishers) {
            finding(v, "actor %s: has %llu publishers, the entry says %llu",
                    shown(TREE_ACTOR, c.key), (unsigned long long)counted->publishers,
                    (unsigned long long)a.publishers);
        }
        if (counted && counted->sessions != a.sessions) {
            finding(v, "actor %s: has %llu sessions that have not ended, the entry says %llu",
                    shown(TREE_ACTOR, c.key), (unsigned long long)counted->sessions,
                    (unsigned long long)a.sessions);
        }
        if (counted) {
            counted->found = true;
        }
    }
    cursor_close(&c);
    for (size_t i = 0; i < v->actors.count; i++) {
        if (!v->actors.list[i].found) {
            finding(v, "actor %s: is missing", v->actors.list[i].name);
        }
    }
}

static void count_for_actor(struct verifying *v, struct casebus_bytes key)
{
    size_t behind = CASEBUS_PUBLISHER_SIZE + 1;
    struct casebus_bytes actor =
        casebus_bytes(key.data, key.size > behind ? key.size - behind : 0);
    struct total *total = total_of(&v->actors, actor);
    if (total) {
        total->publishers++;
    }
}

void verify_publishers(struct verifying *v)
{
    struct cursor c;
    struct publisher_entry p;
    uint64_t publishers = 0, decided = 0;
    cursor_open(&c, v->txn, TREE_PUBLISHER);
    for (bool at = next_decoded(v, &c, true, ENTRY_PUBLISHER, &p); at;
         at = next_decoded(v, &c, false, ENTRY_PUBLISHER, &p)) {
        verify_publisher(v, c.key, &p);
        publishers++;
        decided += p.decided;
        count_for_actor(v, c.key);
    }
    cursor_close(&c);
    if (publishers != v->state.publishers) {
        finding(v, "publisher: one or more are missing: the state says %llu, there are %llu",
                (unsigned long long)v->state.publishers, (unsigned long long)publishers);
    }
    if (decided > v->state.entry) {
        finding(v, "meta state: says %llu entries, publishers sent %llu",
                (unsigned long long)v->state.entry, (unsigned long long)decided);
    }
    verify_actors(v);
    verify_refusals(v);
}

/* --- quarantine and rejects ------------------------------------------------------------- */

static void verify_conflicts(struct verifying *v)
{
    struct cursor c;
    cursor_open(&c, v->txn, TREE_CONFLICT);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        struct key key = key_text(c.value);
        struct quarantine_entry q;
        bool known = txn_load(v->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q);
        txn_forgive(v->txn);
        if (!known || q.seq < key_to_number(c.key)) { /* above: it has come back since */
            finding(v, "conflict %llu: names quarantine %s, which is not there",
                    (unsigned long long)key_to_number(c.key), shown(TREE_QUARANTINE, c.value));
        }
    }
    cursor_close(&c);
}

/* The row has the event's seq, or a newer one where the same report has come back since. */
void verify_conflict(struct verifying *v, const struct casebus_event *event)
{
    struct key first = key_named(event->topic.segment[2], event->topic.segment[3]);
    struct cursor c;
    bool found = false;
    first.data[first.size++] = 0;
    cursor_open(&c, v->txn, TREE_QUARANTINE);
    for (bool at = cursor_seek(&c, key_bytes(&first));
         at && !found && c.key.size == first.size + CASEBUS_HASH_SIZE &&
         memcmp(c.key.data, first.data, first.size) == 0;
         at = cursor_next(&c)) {
        struct quarantine_entry q;
        found = entry_decode(ENTRY_QUARANTINE, c.value, &q) == 0 && q.seq >= event->seq;
    }
    cursor_close(&c);
    txn_forgive(v->txn);
    first.size--;
    if (!found) {
        finding(v, "quarantine %s: what conflict %llu put there is missing",
                shown(TREE_CASE, key_bytes(&first)), (unsigned long long)event->seq);
    }
}

static bool has_conflict(struct verifying *v, uint64_t seq, struct casebus_bytes quarantine)
{
    struct key number = key_number(seq);
    struct casebus_bytes key;
    bool there = txn_get(v->txn, TREE_CONFLICT, key_bytes(&number), &key) &&
                 casebus_bytes_equal(key, quarantine);
    txn_forgive(v->txn);
    return there;
}

static void verify_rejects(struct verifying *v)
{
    struct cursor c;
    struct refusal_entry r;
    uint64_t n = 0, last = 0;
    cursor_open(&c, v->txn, TREE_REJECT);
    for (bool at = next_decoded(v, &c, true, ENTRY_REFUSAL, &r); at;
         at = next_decoded(v, &c, false, ENTRY_REFUSAL, &r)) {
        n++;
        last = key_to_number(c.key);
    }
    cursor_close(&c);
    uint64_t kept =
        v->state.rejects < CASEBUS_REJECTS_MAX ? v->state.rejects : CASEBUS_REJECTS_MAX;
    if (n != kept || (n > 0 && last != v->state.rejects)) {
        finding(v, "reject: %llu rows, %llu should be kept", (unsigned long long)n,
                (unsigned long long)kept);
    }
}

void verify_quarantine(struct verifying *v)
{
    struct cursor c;
    struct quarantine_entry q;
    uint64_t open = 0;
    cursor_open(&c, v->txn, TREE_QUARANTINE);
    for (bool at = next_decoded(v, &c, true, ENTRY_QUARANTINE, &q); at;
         at = next_decoded(v, &c, false, ENTRY_QUARANTINE, &q)) {
        open += q.status == QUARANTINE_OPEN;
        if (q.seq != 0 && !has_conflict(v, q.seq, c.key)) {
            finding(v, "conflict %llu: the entry of quarantine %s is missing",
                    (unsigned long long)q.seq, shown(c.tree, c.key));
        }
    }
    cursor_close(&c);
    if (open != v->state.quarantined) {
        finding(v, "meta state: says %llu in quarantine, there are %llu",
                (unsigned long long)v->state.quarantined, (unsigned long long)open);
    }
    verify_conflicts(v);
    verify_rejects(v);
}
