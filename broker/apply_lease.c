/* Leases: which sessions are still there, and which are to stop.
 *
 * A session is heard from by its reports (apply_session.c) and, gathered in each tick, by its
 * worker's polls. Its lease is the tick from which silence counts; a tick is a second in which
 * a session ran. No clock has a say: a broker that was down, or a clock that jumped, made no
 * ticks, and nobody is lost for it. */
#include "deciding.h"

#include <stdio.h>

/* --- signs of life ---------------------------------------------------------------------- */

/* A case report may come after its session's end: that one is seen, but not alive. */
void hear_session(struct apply *self, uint64_t tick)
{
    struct session_entry *s = &self->session;
    s->last_seen_at = self->at;
    if (status_is_final(s->status)) {
        return;
    }
    s->lease = tick;
    if (s->status == SESSION_LOST) {
        s->status = s->stop_asked ? SESSION_STOPPING : SESSION_RUNNING;
        self->state.running++;
        emit_session(self, CASEBUS_EVENT_RESUMED);
    }
}

/* --- ticks ------------------------------------------------------------------------------ */

typedef void session_fn(struct apply *self);

/* One session is one step: where it cannot be read or written, the others go on, and verify
 * names it. */
static void with_session(struct apply *self, struct casebus_bytes name, session_fn *what)
{
    const struct savepoint begin = savepoint(self);
    self->session_key = key_text(name);
    if (load_session(self)) {
        what(self);
    }
    rollback_failed(self, &begin);
    self->in_session = false;
    self->fault.code = 0;
}

static void heard(struct apply *self)
{
    if (!status_is_final(self->session.status)) {
        hear_session(self, self->state.ticks);
        save_session(self);
    }
}

/* Was its newest event a second ago or longer? While time stands, because the clock was set
 * back, each tick counts as a second. */
static bool is_told_long_ago(const struct apply *self)
{
    return self->time_stands || self->at - self->session.progressed_at >= PROGRESS_EVERY;
}

static void look_at(struct apply *self)
{
    struct session_entry *s = &self->session;
    if (!status_is_running(s->status)) {
        return;
    }
    if (self->state.ticks >= s->lease + CASEBUS_LEASE_TICKS) {
        s->status = SESSION_LOST;
        self->state.running--;
        emit_session(self, CASEBUS_EVENT_LOST);
        save_session(self);
    } else if (s->unshown && is_told_long_ago(self)) {
        emit_session(self, CASEBUS_EVENT_PROGRESSED);
        save_session(self);
    }
}

static void hear_all(struct apply *self, struct casebus_bytes names)
{
    struct casebus_reader r;
    casebus_reader_init(&r, names);
    uint32_t n = names.data && casebus_peek(&r) == CASEBUS_ARRAY ? casebus_read_array(&r) : 0;
    while (n-- > 0 && txn_error(self->txn) == 0) {
        struct casebus_bytes name = casebus_as_str(casebus_read_raw(&r));
        if (name.size > 0 && name.size <= CASEBUS_CASE_ID_MAX) {
            with_session(self, name, heard);
        }
    }
}

/* A row of the index that cannot be read has a key all the same, and nothing else. */
static void look_at_all(struct apply *self)
{
    struct cursor c;
    txn_flush(self->txn); /* a cursor sees only what LMDB has */
    cursor_open(&c, self->txn, TREE_ACTIVE);
    bool at = cursor_seek(&c, casebus_bytes("", 1));
    while (at || (txn_error(self->txn) == CASEBUS_ECORRUPT && c.key.data)) {
        txn_forgive(self->txn);
        with_session(self, c.key, look_at);
        at = cursor_next(&c);
    }
    cursor_close(&c);
}

void decide_tick(struct apply *self, const struct apply_entry *entry)
{
    if (entry->refused) {
        reject(self, CASEBUS_EINTERNAL, "");
        return;
    }
    self->state.ticks++;
    hear_all(self, casebus_map_get(entry->body, "heard"));
    look_at_all(self);
}

/* --- stopping --------------------------------------------------------------------------- */

static struct casebus_bytes reason_of(struct apply *self)
{
    char text[128];
    int size = snprintf(text, sizeof text, "stopped by %.*s while lost",
                        (int)(self->actor.size < 64 ? self->actor.size : 64),
                        (const char *)self->actor.data);
    return txn_copy(self->txn, casebus_bytes(text, (size_t)size));
}

/* A lost session has nobody to wait for: it ends at once. */
enum casebus_outcome decide_stop(struct apply *self, const struct apply_entry *entry,
                                 struct apply_result *result)
{
    struct session_entry *s = &self->session;
    self->session_key = key_named(casebus_as_str(casebus_map_get(entry->body, "agency")),
                                  casebus_as_str(casebus_map_get(entry->body, "session_id")));
    if (!load_session(self)) {
        return reject(self, CASEBUS_ENOTFOUND, "");
    }
    if (status_is_final(s->status)) {
        return reject(self, CASEBUS_EENDED, "");
    }
    if (s->status == SESSION_STOPPING) {
        return CASEBUS_OUTCOME_SESSION;
    }
    result->asked = true;
    s->stop_asked = 1;
    if (s->status == SESSION_LOST) {
        end_session(self, SESSION_STOPPED, reason_of(self));
    } else {
        s->status = SESSION_STOPPING;
        emit_session(self, CASEBUS_EVENT_STOPPING);
    }
    save_session(self);
    return CASEBUS_OUTCOME_SESSION;
}
