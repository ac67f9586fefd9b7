/* Verifying what leases rest on: the index of sessions that have not ended, who started them,
 * and that none is overdue. */
#include "verifying.h"

/* What a tick would have changed, had it found it so. */
static void verify_lease(struct verifying *v, struct casebus_bytes key,
                         const struct session_entry *s)
{
    if (s->lease > v->state.ticks + 1) {
        finding(v, "session %s: its lease counts from tick %llu, the state is at %llu",
                shown(TREE_SESSION, key), (unsigned long long)s->lease,
                (unsigned long long)v->state.ticks);
    } else if (status_is_running(s->status) &&
               v->state.ticks >= s->lease + CASEBUS_LEASE_TICKS) {
        finding(v, "session %s: is %s, and its lease has run out", shown(TREE_SESSION, key),
                session_status_words[s->status]);
    }
    if ((s->status == SESSION_STOPPING && !s->stop_asked) ||
        (s->status == SESSION_RUNNING && s->stop_asked)) {
        finding(v, "session %s: is %s, and was %s to stop", shown(TREE_SESSION, key),
                session_status_words[s->status], s->stop_asked ? "asked" : "not asked");
    }
}

void verify_open_session(struct verifying *v, struct casebus_bytes key,
                         const struct session_entry *s)
{
    struct key active = key_text(key);
    struct total *actor = total_of(&v->actors, s->actor);
    v->running += status_is_running(s->status);
    if (actor) {
        actor->sessions++;
    }
    if (!has(v, TREE_ACTIVE, &active)) {
        finding(v, "active %s: is missing, the session has not ended", shown(TREE_ACTIVE, key));
    }
    verify_lease(v, key, s);
}

void verify_active(struct verifying *v)
{
    struct cursor c;
    cursor_open(&c, v->txn, TREE_ACTIVE);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        struct key key = key_text(c.key);
        struct session_entry s = {.status = SESSION_RUNNING};
        bool known = txn_load(v->txn, TREE_SESSION, &key, ENTRY_SESSION, &s);
        bool unreadable = txn_error(v->txn) != 0; /* said where sessions are looked at */
        txn_forgive(v->txn);
        if ((!known && !unreadable) || status_is_final(s.status)) {
            finding(v, "active %s: the session %s", shown(c.tree, c.key),
                    known ? "has ended" : "is not there");
        }
    }
    cursor_close(&c);
    if (v->running != v->state.running) {
        finding(v, "meta state: says %llu sessions run, there are %llu",
                (unsigned long long)v->state.running, (unsigned long long)v->running);
    }
}
