/* Deciding entries, one after another; see apply.h.
 *
 * One report is decided as one step: what it puts into the transaction is taken back as a whole
 * where the store cannot answer for a record (a checksum does not fit), and the report is then
 * rejected `internal`, so that one bad record stops nobody else's reports. */
#include "deciding.h"

#include "normal.h"
#include "prefetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int apply_new(struct apply **self_p, struct txn *txn)
{
    struct apply *self = calloc(1, sizeof *self);
    *self_p = self;
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->txn = txn;
    msgpack_sbuffer_init(&self->payload);
    msgpack_sbuffer_init(&self->body);
    msgpack_sbuffer_init(&self->changed_fields);
    return 0;
}

void apply_destroy(struct apply **self_p)
{
    struct apply *self = *self_p;
    if (!self) {
        return;
    }
    msgpack_sbuffer_destroy(&self->payload);
    msgpack_sbuffer_destroy(&self->body);
    msgpack_sbuffer_destroy(&self->changed_fields);
    free(self->events);
    free(self);
    *self_p = NULL;
}

int apply_begin(struct apply *self)
{
    self->event_count = 0;
    self->changed = false;
    self->next_body = casebus_bytes(NULL, 0);
    if (!txn_state(self->txn, &self->state)) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
    }
    return txn_error(self->txn);
}

int apply_finish(struct apply *self)
{
    if (self->changed) {
        txn_set_state(self->txn, &self->state);
    }
    return txn_error(self->txn);
}

const struct apply_event *apply_events(const struct apply *self, size_t *count)
{
    *count = self->event_count;
    return self->events;
}

const struct state *apply_state(const struct apply *self)
{
    return &self->state;
}

bool apply_changed(const struct apply *self)
{
    return self->changed;
}

enum casebus_outcome reject(struct apply *self, int code, const char *field)
{
    self->fault.code = code;
    snprintf(self->fault.field, sizeof self->fault.field, "%s", field);
    return CASEBUS_OUTCOME_REJECTED;
}

/* --- events ----------------------------------------------------------------------------- */

static bool room_for_event(struct apply *self)
{
    if (self->event_count < self->event_capacity) {
        return true;
    }
    size_t wider = self->event_capacity ? self->event_capacity * 2 : 4096;
    struct apply_event *p = realloc(self->events, wider * sizeof *p);
    if (!p) {
        txn_fail(self->txn, CASEBUS_ENOMEM);
        return false;
    }
    self->events = p;
    self->event_capacity = wider;
    return true;
}

static struct casebus_bytes sent_form(struct apply *self, const struct casebus_event *event,
                                      struct casebus_bytes full)
{
    if (full.size <= CASEBUS_FULL_EVENT_MAX) {
        return full;
    }
    msgpack_sbuffer_clear(&self->body);
    if (casebus_event_encode_thin(event, &self->body) < 0) {
        txn_fail(self->txn, CASEBUS_ENOMEM);
    }
    return txn_copy(self->txn, casebus_bytes(self->body.data, self->body.size));
}

static void take_seq(struct apply *self, struct casebus_event *event, const char *topic,
                     uint64_t *last)
{
    struct head_entry head = {0};
    /* The stream is the topic's first three segments. */
    const char *at = strchr(strchr(topic, ':') + 1, ':');
    size_t size = (size_t)(strchr(at + 1, ':') + 1 - topic);
    struct key stream;
    key_make_text(&stream, casebus_bytes(topic, size));
    txn_load(self->txn, TREE_HEAD, &stream, ENTRY_HEAD, &head);
    event->seq = ++self->state.seq;
    event->prev = head.seq;
    event->prev_topic = *last;
    head.seq = event->seq;
    *last = event->seq;
    txn_save(self->txn, TREE_HEAD, &stream, ENTRY_HEAD, &head);
}

static size_t event_bound(const struct apply *self, const struct casebus_event *event,
                          const struct payload *record)
{
    size_t more = record ? draft_bound(record->draft, self->case_id, record->kept) : 0;
    return casebus_event_bound(event) + more;
}

static unsigned char *put_event(const struct apply *self, struct casebus_event *event,
                                const struct payload *record, unsigned char *at)
{
    if (!record) {
        return casebus_event_put(event, at);
    }
    at = casebus_event_put_open(event, at);
    unsigned char *end = draft_put(record->draft, self->case_id, record->kept, at);
    event->payload = casebus_bytes(at, (size_t)(end - at));
    return end;
}

/* Encodes the event once, where it is stored and sent from: its log entry is built around it.
 */
static bool log_event(struct apply *self, struct casebus_event *event,
                      const struct payload *record, struct log_entry *log)
{
    size_t head = LOG_HEAD_MAX + log->topic.size;
    unsigned char *out = txn_alloc(self->txn, head + event_bound(self, event, record));
    if (!out) {
        return false;
    }
    unsigned char *body = out + head, *end = put_event(self, event, record, body);
    log->body = casebus_bytes(body, (size_t)(end - body));
    struct casebus_bytes value = log_entry_around(log, out);
    txn_trim(self->txn, out, (size_t)(end - out));
    self->state.log_bytes += value.size;
    struct key key;
    key_make_number(&key, event->seq);
    txn_put_ours(self->txn, TREE_LOG, &key, value);
    return true;
}

void emit_with(struct apply *self, struct casebus_event *event, const struct payload *record,
               enum casebus_event_kind kind, struct casebus_bytes agency,
               struct casebus_bytes key, uint64_t *last)
{
    char topic[CASEBUS_TOPIC_MAX + 1];
    int size = casebus_topic_build(topic, sizeof topic, casebus_event_kind_resource(kind),
                                   casebus_event_kind_word(kind), agency, key);
    if (size < 0 || !room_for_event(self)) {
        txn_fail(self->txn, size < 0 ? CASEBUS_EINTERNAL : CASEBUS_ENOMEM);
        return;
    }
    event->kind = kind;
    memcpy(event->epoch, self->state.epoch, sizeof event->epoch);
    event->at = self->at;
    event->actor = self->actor;
    take_seq(self, event, topic, last);
    struct log_entry log = {.topic = casebus_bytes(topic, (size_t)size)};
    if (self->in_session) {
        log.session_before = self->session.newest;
        self->session.newest = event->seq;
    }
    if (log_event(self, event, record, &log)) {
        self->events[self->event_count++] =
            (struct apply_event){.seq = event->seq,
                                 .kind = kind,
                                 .topic = log.topic,
                                 .body = sent_form(self, event, log.body)};
    }
}

void emit(struct apply *self, struct casebus_event *event, enum casebus_event_kind kind,
          struct casebus_bytes agency, struct casebus_bytes key, uint64_t *last)
{
    emit_with(self, event, NULL, kind, agency, key, last);
}

void emit_id(struct apply *self, enum casebus_event_kind kind, struct case_entry *entry)
{
    struct casebus_event event = {.session = self->report->session, .version = entry->version};
    msgpack_packer pk;
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "id");
    casebus_pack_str(&pk, self->case_id);
    event.payload = casebus_bytes(self->payload.data, self->payload.size);
    emit(self, &event, kind, self->report->topic.segment[2], self->report->topic.segment[3],
         &entry->last[kind]);
}

/* --- reports ---------------------------------------------------------------------------- */

typedef enum casebus_outcome decide_fn(struct apply *self);

static decide_fn *const decide[CASEBUS_REPORT_KIND_COUNT] = {
    [CASEBUS_REPORT_SCRAPED] = decide_scraped,
    [CASEBUS_REPORT_EDITED] = decide_edited,
    [CASEBUS_REPORT_DELETED] = decide_deleted,
    [CASEBUS_REPORT_REDACTED] = decide_redacted,
    [CASEBUS_REPORT_SESSION_STARTED] = decide_session,
    [CASEBUS_REPORT_SESSION_PROGRESSED] = decide_session,
    [CASEBUS_REPORT_SESSION_ENDED] = decide_session,
};

void apply_prepare(struct casebus_bytes topic, struct casebus_bytes body,
                   struct apply_prepared *p)
{
    p->topic = topic;
    p->body = body;
    int rc = casebus_report_decode(topic, body, &p->report, &p->fault);
    p->fault.code = rc;
    p->head = p->report.head;
    p->offender.size = 0;
    if (rc == 0 && p->report.kind == CASEBUS_REPORT_SCRAPED && p->report.record.encoded.data) {
        struct casebus_bytes offender = p->report.record.field[CASEBUS_CASE_OFFENDER];
        content_hash(&p->report.record, p->content);
        if (offender_name(offender).data) {
            offender_make_key(&p->offender, p->report.topic.segment[2], offender);
        }
    }
}

void apply_tie(struct apply_prepared *const prepared[], size_t count)
{
    struct casebus_tied tied[CASEBUS_TIED_MAX];
    size_t numbered = 0;
    for (size_t i = 0; i < count; i++) {
        struct apply_prepared *p = prepared[i];
        if (p->head.numbered) {
            memcpy(p->next_check, p->head.check, sizeof p->next_check);
            tied[numbered++] =
                (struct casebus_tied){p->topic, p->body, p->head.check_at, p->next_check};
        }
    }
    casebus_checks_next(tied, numbered);
}

#define NEXT_BODY 2048 /* bytes of it: more would push out what it is to be decided by */

static enum casebus_outcome decide_report(struct apply *self, const struct apply_entry *entry,
                                          const struct apply_prepared *prepared)
{
    const struct casebus_report *report = &prepared->report;
    enum casebus_outcome outcome;
    find_session(self); /* as far as the report could be read: its session counts its errors */
    prefetch(self->next_body.data, self->next_body.size, NEXT_BODY);
    if (entry->refused) {
        outcome = reject(self, CASEBUS_EINTERNAL, "");
    } else if (prepared->fault.code != 0) {
        self->fault = prepared->fault;
        outcome = CASEBUS_OUTCOME_REJECTED;
    } else if (report->void_reason.data) {
        outcome = CASEBUS_OUTCOME_VOID;
    } else {
        key_make_named(&self->case_key, report->topic.segment[2], report->topic.segment[3]);
        self->case_id = txn_copy(self->txn, key_bytes(&self->case_key));
        outcome = decide[report->kind](self);
    }
    count_in_session(self, outcome);
    return outcome;
}

/* Is this an error that only concerns what this entry touched? */
static bool concerns_entry_only(int error)
{
    return error == CASEBUS_ECORRUPT || error == CASEBUS_EINTERNAL || error == CASEBUS_ETOOMANY;
}

/* What a redaction took out of events of its own batch is not sent either; where it is taken
 * back, they stay as they are. */
static void settle_stubs(struct apply *self, bool redacted)
{
    for (size_t i = 0; i < self->event_count; i++) {
        struct apply_event *event = &self->events[i];
        if (redacted && event->stub.data) {
            event->body = event->stub;
        }
        event->stub = casebus_bytes(NULL, 0);
    }
}

struct before remember(const struct apply *self)
{
    return (struct before){txn_mark(self->txn), self->state, self->event_count};
}

bool taken_back(struct apply *self, const struct before *before)
{
    if (!concerns_entry_only(txn_error(self->txn)) || !txn_rollback(self->txn, before->mark)) {
        return false;
    }
    self->state = before->state;
    self->event_count = before->event_count;
    self->in_session = false;
    reject(self, CASEBUS_EINTERNAL, "");
    return true;
}

/* Its session counts it among its errors; not where the session itself cannot be read. */
static void count_taken_back(struct apply *self, const struct before *before)
{
    find_session(self);
    count_in_session(self, CASEBUS_OUTCOME_REJECTED);
    taken_back(self, before);
}

static void apply_report(struct apply *self, const struct apply_entry *entry,
                         struct apply_result *result)
{
    const struct apply_prepared *prepared = entry->prepared;
    struct publisher_entry publisher;
    if (!prepared) {
        struct apply_prepared *own = &self->prepared;
        apply_prepare(entry->topic, entry->body, own);
        apply_tie(&own, 1);
        prepared = own;
    }
    const struct casebus_report_head *head = &prepared->head;
    struct before before = remember(self);
    self->report = &prepared->report;
    self->being = prepared;
    if (head->numbered) {
        result->numbered = true;
        result->number = head->number;
        memcpy(result->publisher, head->publisher, sizeof result->publisher);
        result->effect = publisher_admits(self, head, &publisher);
        if (taken_back(self, &before)) {
            result->effect = EFFECT_DIVERGED; /* what it has got to cannot be read */
        }
        if (result->effect != EFFECT_DECIDED || txn_error(self->txn) != 0) {
            return;
        }
    }
    result->outcome = decide_report(self, entry, prepared);
    if (taken_back(self, &before)) {
        result->outcome = CASEBUS_OUTCOME_REJECTED;
        settle_stubs(self, false);
        count_taken_back(self, &before);
    } else if (result->outcome == CASEBUS_OUTCOME_REDACTED) {
        settle_stubs(self, true);
    }
    /* A refused one also where its session has an event of it: its row is in none. */
    result->quiet =
        result->outcome == CASEBUS_OUTCOME_REJECTED || self->event_count == before.event_count;
    if (result->outcome == CASEBUS_OUTCOME_REJECTED) {
        note_reject(self, entry, head);
    }
    if (head->numbered) {
        publisher_decided(self, &publisher, entry, prepared, result->outcome);
    }
}

static void apply_floor(struct apply *self, const struct apply_entry *entry)
{
    struct before before = remember(self);
    if (!entry->refused) {
        decide_floor(self, entry);
    } else {
        reject(self, CASEBUS_EINTERNAL, "");
    }
    taken_back(self, &before);
}

static enum casebus_outcome decide_asked(struct apply *self, const struct apply_entry *entry,
                                         struct apply_result *result)
{
    switch (entry->kind) {
    case APPLY_STOP:
        return decide_stop(self, entry, result);
    case APPLY_AGENCY:
        return decide_agency(self, entry);
    default:
        return decide_quarantine(self, entry, result);
    }
}

/* What somebody has asked for, who is told what became of it. */
static void apply_asked(struct apply *self, const struct apply_entry *entry,
                        struct apply_result *result)
{
    struct before before = remember(self);
    result->outcome = entry->refused ? reject(self, CASEBUS_EINTERNAL, "")
                                     : decide_asked(self, entry, result);
    if (taken_back(self, &before)) {
        result->outcome = CASEBUS_OUTCOME_REJECTED;
        result->asked = false;
    }
    result->quiet =
        entry->kind == APPLY_AGENCY && (result->outcome == CASEBUS_OUTCOME_CREATED ||
                                        result->outcome == CASEBUS_OUTCOME_UPDATED);
}

static void apply_ack(struct apply *self, const struct apply_entry *entry,
                      struct apply_result *result)
{
    struct before before = remember(self);
    decide_ack(self, entry);
    if (taken_back(self, &before)) {
        result->outcome = CASEBUS_OUTCOME_REJECTED;
    }
}

void apply_expect(struct apply *self, const struct apply_entry *next)
{
    const struct apply_prepared *p = next->prepared;
    self->next_body = next->body;
    if (p) {
        const size_t read =
            offsetof(struct apply_prepared, fault); /* what was, of the report */
        prefetch(p, read, read);
        prefetch(p->next_check, 1, 1);
        prefetch(&p->offender, 1, 1);
    }
}

/* Nothing yet. What holds no text is not wiped: each line of the memory is far away. */
static void clear(struct apply_result *result)
{
    result->effect = EFFECT_DECIDED;
    result->outcome = 0;
    result->quiet = result->asked = result->numbered = false;
    result->number = 0;
    result->fault.code = 0;
    result->fault.field[0] = '\0';
    result->case_id[0] = '\0';
}

int apply_entry(struct apply *self, const struct apply_entry *entry,
                struct apply_result *result)
{
    clear(result);
    self->fault.code = 0;
    self->fault.field[0] = '\0';
    self->at = entry->at > self->state.at ? entry->at : self->state.at;
    self->time_stands = entry->at + PROGRESS_EVERY <= self->state.at;
    self->actor = entry->actor;
    self->in_session = false;
    self->quarantine = 0;
    switch (entry->kind) {
    case APPLY_REPORT:
        apply_report(self, entry, result);
        break;
    case APPLY_ACCEPT:
    case APPLY_REJECT:
    case APPLY_STOP:
    case APPLY_AGENCY:
        apply_asked(self, entry, result);
        break;
    case APPLY_ACK:
        apply_ack(self, entry, result);
        break;
    case APPLY_RETIRE:
        decide_retire(self, entry);
        break;
    case APPLY_FLOOR:
        apply_floor(self, entry);
        break;
    case APPLY_TICK:
        decide_tick(self, entry);
        break;
    }
    if (self->fault.code != 0) {
        result->fault = self->fault;
    }
    if (result->effect == EFFECT_DECIDED) {
        self->changed = true;
        self->state.entry++;
        self->state.at = self->at;
    }
    return txn_error(self->txn);
}
