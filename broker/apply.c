/* Deciding entries, one after another; see apply.h.
 *
 * One report is decided as one step: what it puts into the transaction is rolled back as a
 * whole where the store cannot answer for a record (a checksum does not fit), and the report is
 * then rejected `internal`, so that one bad record stops nobody else's reports. */
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

/* What a redaction took out of events of its own batch is not sent either; where it is rolled
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

struct savepoint savepoint(const struct apply *self)
{
    return (struct savepoint){txn_mark(self->txn), self->state, self->event_count};
}

bool rollback_failed(struct apply *self, const struct savepoint *begin)
{
    if (!concerns_entry_only(txn_error(self->txn)) || !txn_rollback(self->txn, begin->mark)) {
        return false;
    }
    self->state = begin->state;
    self->event_count = begin->event_count;
    self->in_session = false;
    reject(self, CASEBUS_EINTERNAL, "");
    return true;
}

/* A report that was rolled back is an error of its session, unless it is the session itself
 * that cannot be read. */
static void count_rejected(struct apply *self, const struct savepoint *begin)
{
    find_session(self);
    count_in_session(self, CASEBUS_OUTCOME_REJECTED);
    rollback_failed(self, begin);
}

static void apply_report(struct apply *self, const struct apply_entry *entry,
                         struct apply_result *result)
{
    const struct apply_prepared *prepared = entry->prepared;
    struct publisher_entry publisher;
    if (!prepared) {
        struct apply_prepared *own = &self->prepared_here;
        apply_prepare(entry->topic, entry->body, own);
        apply_tie(&own, 1);
        prepared = own;
    }
    const struct casebus_report_head *head = &prepared->head;
    const struct savepoint begin = savepoint(self);
    self->report = &prepared->report;
    self->prepared = prepared;
    if (head->numbered) {
        result->numbered = true;
        result->number = head->number;
        memcpy(result->publisher, head->publisher, sizeof result->publisher);
        result->effect = publisher_admits(self, head, &publisher);
        if (rollback_failed(self, &begin)) {
            result->effect = EFFECT_DIVERGED; /* what it has got to cannot be read */
        }
        if (result->effect != EFFECT_DECIDED || txn_error(self->txn) != 0) {
            return;
        }
    }
    result->outcome = decide_report(self, entry, prepared);
    if (rollback_failed(self, &begin)) {
        result->outcome = CASEBUS_OUTCOME_REJECTED;
        settle_stubs(self, false);
        count_rejected(self, &begin);
    } else if (result->outcome == CASEBUS_OUTCOME_REDACTED) {
        settle_stubs(self, true);
    }
    /* A refusal is told of by no event, though its session may have one; a void has changed
     * nothing that anybody is shown. */
    result->quiet =
        result->outcome == CASEBUS_OUTCOME_REJECTED ||
        (self->event_count == begin.event_count && result->outcome != CASEBUS_OUTCOME_VOID);
    if (result->outcome == CASEBUS_OUTCOME_REJECTED) {
        note_reject(self, entry, head);
    }
    if (head->numbered) {
        publisher_decided(self, &publisher, entry, prepared, result->outcome);
    }
}

static void apply_floor(struct apply *self, const struct apply_entry *entry)
{
    const struct savepoint begin = savepoint(self);
    if (!entry->refused) {
        decide_floor(self, entry);
    } else {
        reject(self, CASEBUS_EINTERNAL, "");
    }
    rollback_failed(self, &begin);
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

/* An entry made by a request, whose asker is told what became of it. */
static void apply_asked(struct apply *self, const struct apply_entry *entry,
                        struct apply_result *result)
{
    const struct savepoint begin = savepoint(self);
    result->outcome = entry->refused ? reject(self, CASEBUS_EINTERNAL, "")
                                     : decide_asked(self, entry, result);
    if (rollback_failed(self, &begin)) {
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
    const struct savepoint begin = savepoint(self);
    decide_ack(self, entry);
    if (rollback_failed(self, &begin)) {
        result->outcome = CASEBUS_OUTCOME_REJECTED;
    }
}

void apply_expect(struct apply *self, const struct apply_entry *next)
{
    const struct apply_prepared *p = next->prepared;
    self->next_body = next->body;
    if (p) {
        const size_t report = offsetof(struct apply_prepared, fault); /* all that is before */
        prefetch(p, report, report);
        prefetch(p->next_check, 1, 1);
        prefetch(&p->offender, 1, 1);
    }
}

/* Arrays are not wiped to their ends: the result lies in memory that another thread has used,
 * so each cache line that is touched has to be fetched. */
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
