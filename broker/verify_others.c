/* Verifying sessions, publishers and quarantine. */
#include "verifying.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- sessions --------------------------------------------------------------------------- */

struct counted {
    uint64_t created, updated, synced, conflicts, events;
};

/* Was that event, now below the floor, the last updated one of the session's agency? */
static bool was_updated(struct verifying *v, struct casebus_bytes name, uint64_t seq)
{
    char stream[CASEBUS_TOPIC_MAX];
    struct casebus_bytes agency, id;
    if (casebus_case_id_split(name, &agency, &id) != 0) { /* the same form: agency:id */
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

static void walk_session(struct verifying *v, struct casebus_bytes name, uint64_t seq,
                         struct counted *n)
{
    enum casebus_event_kind behind = CASEBUS_EVENT_KIND_COUNT; /* kind of the event after */
    uint64_t behind_seq = 0;
    while (seq >= v->oldest) {
        struct log_entry log;
        struct casebus_event event;
        if (!load_event(v, seq, &log, &event)) {
            return;
        }
        struct key key = key_named(event.topic.segment[2], event.session);
        if (!casebus_bytes_equal(key_bytes(&key), name) || log.session_before >= seq) {
            finding(v, "session %s: its chain of events is broken at %llu", shown(name),
                    (unsigned long long)seq);
            return;
        }
        n->events++;
        n->created += event.kind == CASEBUS_EVENT_CREATED;
        n->updated += event.kind == CASEBUS_EVENT_UPDATED;
        n->synced += event.kind == CASEBUS_EVENT_SYNCED;
        n->conflicts += event.kind == CASEBUS_EVENT_CONFLICT;
        /* updated and the synced right behind it are one report, counted as updated */
        n->synced -= event.kind == CASEBUS_EVENT_UPDATED && behind == CASEBUS_EVENT_SYNCED &&
                     behind_seq == seq + 1;
        behind = event.kind;
        behind_seq = seq;
        seq = log.session_before;
    }
    n->synced -= behind == CASEBUS_EVENT_SYNCED && seq != 0 && seq + 1 == behind_seq &&
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
        struct counted n = {.created = s.trimmed_created, .updated = s.trimmed_updated,
                            .synced = s.trimmed_synced, .conflicts = s.trimmed_conflicts};
        struct key started = key_number(s.started_seq);
        sessions++;
        walk_session(v, c.key, s.newest, &n);
        /* What makes no event (an edit without a difference, a refusal) is in the counters alone. */
        if (n.created != s.created || n.updated != s.updated || n.synced > s.existing ||
            n.conflicts > s.errors) {
            finding(v, "session %s: its counters are not those of its events", shown(c.key));
        }
        if (!has(v, TREE_STARTED, &started)) {
            finding(v, "started: the entry of session %s is missing", shown(c.key));
        }
    }
    cursor_close(&c);
    uint64_t started = 0;
    cursor_open(&c, v->txn, TREE_STARTED);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        struct key key = key_text(c.value);
        started++;
        if (!has(v, TREE_SESSION, &key)) {
            finding(v, "started %s: names a session that is not there", shown(c.key));
        }
    }
    cursor_close(&c);
    if (sessions != v->state.sessions || started != sessions) {
        finding(v, "session: %llu entries, %llu started, the state says %llu",
                (unsigned long long)sessions, (unsigned long long)started,
                (unsigned long long)v->state.sessions);
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
            finding(v, "refusal %s: of a number its publisher does not wait for", shown(c.key));
        }
    }
    cursor_close(&c);
}

/* The publishers of each actor: counted in `actors` as they went by. */
static void verify_actors(struct verifying *v, struct totals *actors)
{
    struct cursor c;
    struct actor_entry a;
    size_t n = 0;
    cursor_open(&c, v->txn, TREE_ACTOR);
    for (bool at = next_decoded(v, &c, true, ENTRY_ACTOR, &a); at;
         at = next_decoded(v, &c, false, ENTRY_ACTOR, &a)) {
        const struct total *counted = total_of(actors, c.key);
        n++;
        if (!counted || counted->cases != a.publishers) {
            finding(v, "actor %s: has %llu publishers, the entry says %llu", shown(c.key),
                    (unsigned long long)(counted ? counted->cases : 0),
                    (unsigned long long)a.publishers);
        }
    }
    cursor_close(&c);
    if (n < actors->count) {
        finding(v, "actor: %zu entries, publishers are of %zu", n, actors->count);
    }
}

static void count_for_actor(struct totals *actors, struct casebus_bytes key)
{
    size_t behind = CASEBUS_PUBLISHER_SIZE + 1;
    struct casebus_bytes actor =
        casebus_bytes(key.data, key.size > behind ? key.size - behind : 0);
    struct total *total = total_of(actors, actor);
    if (total) {
        total->cases++;
    }
}

void verify_publishers(struct verifying *v)
{
    struct cursor c;
    struct publisher_entry p;
    struct totals actors = {.count = 0};
    uint64_t publishers = 0;
    cursor_open(&c, v->txn, TREE_PUBLISHER);
    for (bool at = next_decoded(v, &c, true, ENTRY_PUBLISHER, &p); at;
         at = next_decoded(v, &c, false, ENTRY_PUBLISHER, &p)) {
        uint64_t outcomes = 0;
        publishers++;
        count_for_actor(&actors, c.key);
        for (unsigned i = 0; i < sizeof p.outcome / sizeof *p.outcome; i++) {
            outcomes += p.outcome[i];
        }
        if (outcomes != p.decided || p.acked > p.decided) {
            finding(v, "publisher %s: its counts are not those of %llu reports", shown(c.key),
                    (unsigned long long)p.decided);
        }
    }
    cursor_close(&c);
    if (publishers != v->state.publishers) {
        finding(v, "publisher: %llu entries, the state says %llu",
                (unsigned long long)publishers, (unsigned long long)v->state.publishers);
    }
    verify_actors(v, &actors);
    free(actors.list);
    verify_refusals(v);
}

/* --- quarantine and rejects ------------------------------------------------------------- */

static void verify_conflicts(struct verifying *v)
{
    struct cursor c;
    cursor_open(&c, v->txn, TREE_CONFLICT);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        struct key key = key_text(c.value);
        if (!has(v, TREE_QUARANTINE, &key)) {
            finding(v, "conflict %s: names a quarantined report that is not there",
                    shown(c.key));
        }
    }
    cursor_close(&c);
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
    uint64_t kept = v->state.rejects < CASEBUS_REJECTS_MAX ? v->state.rejects
                                                           : CASEBUS_REJECTS_MAX;
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
        struct key number = key_number(q.seq);
        open += q.status == QUARANTINE_OPEN;
        if (q.seq != 0 && !has(v, TREE_CONFLICT, &number)) {
            finding(v, "quarantine %s: its conflict entry is missing", shown(c.key));
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
