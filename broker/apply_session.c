/* Sessions: what their own reports do, and how their counters follow what is decided. */
#include "deciding.h"

#include "session.h"

#include <string.h>

#define PROGRESS_EVERY 1000000u /* microseconds */

static bool ended(const struct session_entry *s)
{
    return s->status == SESSION_COMPLETED || s->status == SESSION_FAILED ||
           s->status == SESSION_STOPPED;
}

static bool is_case_report(const struct apply *self)
{
    return self->report->topic.count > 0 &&
           casebus_bytes_is(self->report->topic.segment[0], "case");
}

void find_session(struct apply *self)
{
    const struct casebus_report *report = self->report;
    if (report->topic.count == 4 && report->session.data && is_case_report(self)) {
        self->session_key = key_named(report->topic.segment[2], report->session);
        self->in_session = txn_load(self->txn, TREE_SESSION, &self->session_key, ENTRY_SESSION,
                                    &self->session);
    }
}

static void save_session(struct apply *self)
{
    txn_save(self->txn, TREE_SESSION, &self->session_key, ENTRY_SESSION, &self->session);
}

/* --- its events ------------------------------------------------------------------------- */

static void emit_session(struct apply *self, enum casebus_event_kind kind,
                         struct casebus_bytes session_id)
{
    struct casebus_event event = {.session = session_id};
    msgpack_packer pk;
    self->session.progressed_at = self->at;
    self->session.unshown = 0;
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    session_pack(&pk, agency_of(self), session_id, &self->session);
    event.payload = casebus_bytes(self->payload.data, self->payload.size);
    emit(self, &event, kind, agency_of(self), session_id,
         &self->session.last[kind - CASEBUS_CASE_EVENT_COUNT]);
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

static enum casebus_outcome start(struct apply *self, bool known)
{
    struct casebus_bytes session_id = self->report->topic.segment[3];
    struct agency_entry agency;
    if (known) {
        return ended(&self->session) ? reject(self, CASEBUS_EENDED, "")
                                     : CASEBUS_OUTCOME_SESSION;
    }
    if (!load_agency(self, &agency)) {
        return reject(self, CASEBUS_ETOOMANY, "agency");
    }
    save_agency(self, &agency);
    self->session = (struct session_entry){
        .status = SESSION_RUNNING,
        .started_seq = self->state.seq + 1,
        .started_at = self->at,
        .last_seen_at = self->at,
        .data = known_fields(self, self->report->data),
    };
    self->in_session = true;
    self->state.sessions++;
    struct key number = key_number(self->session.started_seq);
    txn_put(self->txn, TREE_STARTED, key_bytes(&number), key_bytes(&self->session_key));
    emit_session(self, CASEBUS_EVENT_STARTED, session_id);
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
    self->session.last_seen_at = self->at;
    emit_session(self, CASEBUS_EVENT_PROGRESSED, self->report->topic.segment[3]);
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

static enum casebus_outcome end(struct apply *self)
{
    enum session_status status = final_status(self->report->data);
    self->session.status = status;
    self->session.ended_at = self->session.last_seen_at = self->at;
    self->session.end_reason = casebus_as_str(casebus_map_get(self->report->data, "reason"));
    emit_session(self, CASEBUS_EVENT_ENDED, self->report->topic.segment[3]);
    return CASEBUS_OUTCOME_SESSION;
}

enum casebus_outcome decide_session(struct apply *self)
{
    self->session_key =
        key_named(self->report->topic.segment[2], self->report->topic.segment[3]);
    bool known = txn_load(self->txn, TREE_SESSION, &self->session_key, ENTRY_SESSION,
                          &self->session);
    self->in_session = known;
    if (self->report->kind == CASEBUS_REPORT_SESSION_STARTED) {
        return start(self, known);
    }
    if (!known) {
        return reject(self, CASEBUS_EUNKNOWN_SESSION, "");
    }
    bool again = self->report->kind == CASEBUS_REPORT_SESSION_ENDED &&
                 self->session.status == final_status(self->report->data);
    if (ended(&self->session)) {
        return again ? CASEBUS_OUTCOME_SESSION : reject(self, CASEBUS_EENDED, "");
    }
    return self->report->kind == CASEBUS_REPORT_SESSION_ENDED ? end(self) : progress(self);
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
        s->last_seen_at = self->at;
        s->unshown = 1;
        if (!ended(s) && self->at - s->progressed_at >= PROGRESS_EVERY) {
            emit_session(self, CASEBUS_EVENT_PROGRESSED, self->report->session);
        }
    }
    save_session(self);
}
