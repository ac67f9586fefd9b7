/* Sessions: what their own reports do, and how their counters follow what is decided. */
#include "deciding.h"

#include "session.h"

#include <string.h>

static bool is_case_report(const struct apply *self)
{
    return self->report->topic.count > 0 &&
           casebus_bytes_is(self->report->topic.segment[0], "case");
}

bool load_session(struct apply *self)
{
    self->in_session =
        txn_load(self->txn, TREE_SESSION, &self->session_key, ENTRY_SESSION, &self->session);
    return self->in_session;
}

void save_session(struct apply *self)
{
    txn_save(self->txn, TREE_SESSION, &self->session_key, ENTRY_SESSION, &self->session);
}

/* The session that a report names, or is about where decide_session() does not get to see it.
 * A void is taken from who may not send what it stands for, so it says nothing of a session. */
static struct casebus_bytes session_of(const struct apply *self)
{
    const struct casebus_report *report = self->report;
    const bool refused = self->prepared->fault.code != 0;
    if (report->void_reason.data && !refused) {
        return casebus_bytes(NULL, 0);
    }
    if (is_case_report(self)) {
        return report->session;
    }
    return refused ? report->topic.segment[3] : casebus_bytes(NULL, 0);
}

void find_session(struct apply *self)
{
    const struct casebus_report *report = self->report;
    struct casebus_bytes id = casebus_bytes(NULL, 0);
    if (report->topic.count == 4) {
        id = session_of(self);
    }
    if (id.data) {
        key_make_named(&self->session_key, report->topic.segment[2], id);
        if (load_session(self)) {
            hear_session(self, self->state.ticks + 1);
        }
    }
}

/* --- its events ------------------------------------------------------------------------- */

void emit_session(struct apply *self, enum casebus_event_kind kind)
{
    struct casebus_bytes agency, id;
    msgpack_packer pk;
    if (casebus_session_name_split(key_bytes(&self->session_key), &agency, &id) != 0) {
        txn_fail(self->txn, CASEBUS_EINTERNAL);
        return;
    }
    struct casebus_event event = {.session = id};
    self->session.progressed_at = self->at;
    self->session.unshown = 0;
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    session_pack(&pk, agency, id, &self->session);
    event.payload = casebus_bytes(self->payload.data, self->payload.size);
    emit(self, &event, kind, agency, id, &self->session.last[kind - CASEBUS_CASE_EVENT_COUNT]);
}

/* --- reports of sessions ---------------------------------------------------------------- */

/* Of what the worker said, the fields of the table: a session shows nothing else of his. */
static struct casebus_bytes known_fields(struct apply *self, struct casebus_bytes data)
{
    size_t n = 0;
    unsigned char *out = txn_alloc(self->txn, data.size + 1), *at = out;
    for (const struct casebus_field *f = casebus_session_started_schema; out && f->name; f++) {
        n += casebus_map_get(data, f->name).data != NULL;
    }
    if (!out || n == 0) {
        return casebus_bytes(NULL, 0);
    }
    at = casebus_put_map(at, n);
    for (const struct casebus_field *f = casebus_session_started_schema; f->name; f++) {
        struct casebus_bytes value = casebus_map_get(data, f->name);
        if (value.data) {
            at = casebus_put_raw(casebus_put_text(at, f->name), value);
        }
    }
    return casebus_bytes(out, (size_t)(at - out));
}

static enum casebus_outcome start(struct apply *self)
{
    struct agency_entry agency;
    if (load_actor(self, self->actor).sessions >= CASEBUS_SESSIONS_MAX) {
        return reject(self, CASEBUS_ETOOMANY, "");
    }
    if (!load_agency(self, agency_of(self), &agency)) {
        return reject(self, CASEBUS_ETOOMANY, "agency");
    }
    save_agency(self, agency_of(self), &agency);
    self->session = (struct session_entry){
        .status = SESSION_RUNNING,
        .started_seq = self->state.seq + 1,
        .started_at = self->at,
        .last_seen_at = self->at,
        .data = known_fields(self, self->report->data),
        .lease = self->state.ticks + 1,
        .actor = self->actor,
    };
    self->in_session = true;
    self->state.sessions++;
    self->state.running++;
    count_for_actor(self, self->actor, 0, 1);
    struct key number = key_number(self->session.started_seq);
    txn_put(self->txn, TREE_STARTED, key_bytes(&number), key_bytes(&self->session_key));
    txn_put(self->txn, TREE_ACTIVE, key_bytes(&self->session_key), casebus_bytes("", 0));
    emit_session(self, CASEBUS_EVENT_STARTED);
    return CASEBUS_OUTCOME_SESSION;
}

static void raise_to(uint64_t *counter, struct casebus_bytes data, const char *name)
{
    uint64_t reported = data.data ? casebus_as_uint(casebus_map_get(data, name), 0) : 0;
    if (reported > *counter) {
        *counter = reported;
    }
}

static enum casebus_outcome progress(struct apply *self)
{
    raise_to(&self->session.pages_processed, self->report->data, "page");
    raise_to(&self->session.page_errors, self->report->data, "page_errors");
    emit_session(self, CASEBUS_EVENT_PROGRESSED);
    return CASEBUS_OUTCOME_SESSION;
}

static enum session_status final_status(struct casebus_bytes data)
{
    struct casebus_bytes word = casebus_as_str(casebus_map_get(data, "status"));
    unsigned s = SESSION_COMPLETED;
    while (s < SESSION_STOPPED && !casebus_bytes_is(word, session_status_words[s])) {
        s++;
    }
    return (enum session_status)s;
}

void end_session(struct apply *self, enum session_status status, struct casebus_bytes reason)
{
    self->state.running -= status_is_running(self->session.status);
    self->session.status = status;
    self->session.ended_at = self->at;
    self->session.end_reason = reason;
    count_for_actor(self, self->session.actor, 0, (uint64_t)-1);
    txn_delete(self->txn, TREE_ACTIVE, &self->session_key);
    emit_session(self, CASEBUS_EVENT_ENDED);
}

static enum casebus_outcome end(struct apply *self)
{
    end_session(self, final_status(self->report->data),
                casebus_as_str(casebus_map_get(self->report->data, "reason")));
    return CASEBUS_OUTCOME_SESSION;
}

enum casebus_outcome decide_session(struct apply *self)
{
    enum casebus_report_kind kind = self->report->kind;
    key_make_text(&self->session_key, key_bytes(&self->case_key));
    if (!load_session(self)) {
        return kind == CASEBUS_REPORT_SESSION_STARTED
                   ? start(self)
                   : reject(self, CASEBUS_EUNKNOWN_SESSION, "");
    }
    bool again = kind == CASEBUS_REPORT_SESSION_ENDED &&
                 self->session.status == final_status(self->report->data);
    if (status_is_final(self->session.status)) {
        return again ? CASEBUS_OUTCOME_SESSION : reject(self, CASEBUS_EENDED, "");
    }
    hear_session(self, self->state.ticks + 1);
    if (kind == CASEBUS_REPORT_SESSION_STARTED) {
        return CASEBUS_OUTCOME_SESSION;
    }
    return kind == CASEBUS_REPORT_SESSION_ENDED ? end(self) : progress(self);
}

/* --- counters --------------------------------------------------------------------------- */

void count_in_session(struct apply *self, enum casebus_outcome outcome)
{
    if (!self->in_session) {
        return;
    }
    if (is_case_report(self)) {
        struct session_entry *s = &self->session;
        s->created += outcome == CASEBUS_OUTCOME_CREATED;
        s->updated += outcome == CASEBUS_OUTCOME_UPDATED;
        s->existing += outcome == CASEBUS_OUTCOME_SYNCED;
        s->errors += outcome == CASEBUS_OUTCOME_CONFLICT || outcome == CASEBUS_OUTCOME_REJECTED;
        s->unshown = 1;
        if (!status_is_final(s->status) && self->at - s->progressed_at >= PROGRESS_EVERY) {
            emit_session(self, CASEBUS_EVENT_PROGRESSED);
        }
    }
    save_session(self);
}
