/* Which reports are taken in; see admission.h.
 *
 * What an actor may not send is not decided, so it has no effect and no number is used up: with
 * an outbox it waits there until he may, or is withdrawn. So does what is over a limit of his,
 * until it is sent again; what a publisher has sent behind a report that was not taken would
 * not be decided either, so it is not paid for. */
#include "admission.h"

#define DENIALS_PER_S 1000 /* that are logged */

int admission_init(struct admission *self, const struct gate *gate, const char *ingest,
                   struct counters *counters)
{
    self->keyed = port_has_keys(ingest, gate);
    self->limits = gate->limits;
    self->counters = counters;
    self->denials.per_s = DENIALS_PER_S;
    actors_refresh(gate->actors, &self->table);
    self->quota = quota_new(counters);
    return self->quota ? 0 : CASEBUS_ENOMEM;
}

void admission_end(struct admission *self)
{
    quota_destroy(&self->quota);
    actor_table_release(self->table);
}

/* --- may he ------------------------------------------------------------------------------ */

static const struct actor *sender_of(const struct admission *self, zmq_msg_t *from)
{
    if (!self->keyed) {
        return actor_by_name(self->table, casebus_cstr(ACTOR_LOCAL));
    }
    const char *key = zmq_msg_gets(from, "User-Id");
    return key ? actor_by_key(self->table, key) : NULL;
}

/* What the report needs: its verb and agency. A void needs nothing, and one whose topic is none
 * is refused by apply, whoever sent it. */
static bool needs_verb(const struct item *item, enum verb *verb, struct casebus_bytes *agency)
{
    const struct casebus_report *report = &item->prepared.report;
    enum casebus_report_kind kind = report->kind;
    struct casebus_topic topic = report->topic;
    bool good = item->prepared.fault.code == 0;
    if (good && report->void_reason.data) {
        return false;
    }
    if (!good && casebus_topic_report(item->entry.topic, &topic, &kind) != 0) {
        return false;
    }
    *verb = verb_of_report(kind);
    *agency = topic.segment[2];
    return true;
}

static struct noticed notice_of(const struct item *item, const char *actor)
{
    const struct casebus_report_head *head = &item->prepared.head;
    struct noticed noticed = {.first.number = head->number};
    memcpy(noticed.publisher, head->publisher, sizeof noticed.publisher);
    snprintf(noticed.actor, sizeof noticed.actor, "%s", actor);
    return noticed;
}

#define TOPIC_SAID 200 /* bytes of a topic that the log has */

static int said(struct casebus_bytes topic)
{
    return (int)(topic.size < TOPIC_SAID ? topic.size : TOPIC_SAID);
}

static void deny(struct admission *self, const struct item *item, const char *actor,
                 enum verb verb, struct casebus_bytes agency, struct noticed *denied)
{
    const struct casebus_bytes topic = item->entry.topic;
    count_refusal(self->counters, CASEBUS_EDENIED);
    log_limited(&self->denials, LEVEL_AUDIT, "denied actor=%s verb=%s agency=%.*s report=%.*s",
                actor, verb_name(verb), (int)agency.size, (const char *)agency.data,
                said(topic), (const char *)topic.data);
    *denied = notice_of(item, actor);
    denied->first.why = DENIED;
    denied->first.verb = verb;
    memcpy(denied->first.agency, agency.data, agency.size);
}

/* --- how many ---------------------------------------------------------------------------- */

/* For this long after a report was not taken, those behind it in its publisher's order are not
 * taken either. */
#define MISSED_NS 1000000000

/* Is it behind one of its publisher's that was not taken? */
static bool is_behind(const struct missing *missing, const struct casebus_report_head *head,
                      int64_t now)
{
    return head->numbered && now < missing->until && head->number > missing->number &&
           memcmp(head->publisher, missing->publisher, sizeof missing->publisher) == 0;
}

static void note_missing(struct missing *missing, const struct casebus_report_head *head,
                         enum limit over, int64_t now)
{
    if (!head->numbered) {
        return;
    }
    if (over != LIMIT_COUNT) {
        *missing =
            (struct missing){.number = head->number, .limit = over, .until = now + MISSED_NS};
        memcpy(missing->publisher, head->publisher, sizeof missing->publisher);
    } else if (memcmp(head->publisher, missing->publisher, sizeof missing->publisher) == 0) {
        missing->until = 0;
    }
}

static bool within_limits(struct admission *self, const struct item *item, size_t bytes,
                          struct noticed *untaken)
{
    const struct casebus_report_head *head = &item->prepared.head;
    const struct casebus_bytes topic = item->entry.topic;
    const uint64_t more[LIMIT_COUNT] = {[LIMIT_REPORTS] = 1, [LIMIT_BYTES] = bytes};
    const int64_t now = quota_now();
    struct account *account = quota_account(self->quota, item->actor);
    enum limit over = account->missing.limit;
    if (!is_behind(&account->missing, head, now)) {
        over = account_take(account, self->limits, more, now);
        note_missing(&account->missing, head, over, now);
    }
    if (over == LIMIT_COUNT) {
        return true;
    }
    char where[TOPIC_SAID + 16];
    snprintf(where, sizeof where, "report=%.*s", said(topic), (const char *)topic.data);
    quota_refuse(self->quota, account, over, limit_of(self->limits, over), now, where);
    *untaken = notice_of(item, item->actor);
    untaken->first.why = LIMITED;
    untaken->first.limit = over;
    return false;
}

static bool are_limited(const struct limits *limits)
{
    return limit_of(limits, LIMIT_REPORTS) > 0 || limit_of(limits, LIMIT_BYTES) > 0;
}

/* --- both -------------------------------------------------------------------------------- */

static bool is_by_people(const struct apply_prepared *report)
{
    const enum casebus_report_kind kind = report->report.kind;
    return report->fault.code == 0 &&
           (kind == CASEBUS_REPORT_EDITED || kind == CASEBUS_REPORT_DELETED ||
            kind == CASEBUS_REPORT_REDACTED);
}

bool admit(struct admission *self, struct item *item, zmq_msg_t *from, size_t bytes,
           struct noticed *untaken)
{
    const struct actor *actor = sender_of(self, from);
    enum verb verb = VERB_REPORT_SCRAPED;
    struct casebus_bytes agency = casebus_bytes("", 0);
    bool needed = needs_verb(item, &verb, &agency);
    if (!actor || (needed && !actor_may(self->table, actor, verb, agency))) {
        deny(self, item, actor ? actor->name : "-", verb, agency, untaken);
        return false;
    }
    item->by_people = is_by_people(&item->prepared);
    memcpy(item->actor, actor->name, sizeof actor->name);
    item->entry.actor = casebus_bytes(item->actor, strlen(actor->name));
    return !are_limited(self->limits) || within_limits(self, item, bytes, untaken);
}

/* --- what people have changed ------------------------------------------------------------ */

static void audit_report(const struct item *item)
{
    const struct apply_result *r = &item->result;
    if (item->by_people && r->effect == EFFECT_DECIDED) {
        log_audit("done actor=%s verb=%s report=%.*s outcome=%s", item->actor,
                  verb_name(verb_of_report(item->prepared.report.kind)),
                  (int)item->entry.topic.size, (const char *)item->entry.topic.data,
                  casebus_outcome_word(r->outcome));
    }
}

/* `by`: who speaks for the actor; empty: nobody. */
static void audit_done(const char *actor, const char *by, enum casebus_op op,
                       struct casebus_bytes on)
{
    log_audit("done actor=%s%s%s op=%s on=%.*s", actor, by[0] ? " by=" : "", by,
              casebus_op_name(op), (int)on.size, (const char *)on.data);
}

static struct casebus_bytes said_of(const struct item *item, const char *name)
{
    return casebus_as_str(casebus_map_get(item->entry.body, name));
}

static void audit_request(const struct item *item, enum casebus_op op, struct key on)
{
    const struct submission *asked = zmq_msg_data((zmq_msg_t *)(uintptr_t)&item->topic);
    audit_done(asked->actor, asked->by, op, key_bytes(&on));
}

void admission_audit(const struct item *item)
{
    const enum apply_kind kind = item->entry.kind;
    if (kind == APPLY_REPORT) {
        audit_report(item);
    } else if (item->result.fault.code != 0) {
        return; /* nothing has changed */
    } else if (kind == APPLY_ACCEPT || kind == APPLY_REJECT) {
        audit_request(item,
                      kind == APPLY_ACCEPT ? CASEBUS_OP_QUARANTINE_ACCEPT
                                           : CASEBUS_OP_QUARANTINE_REJECT,
                      key_text(casebus_cstr(item->result.case_id)));
    } else if (kind == APPLY_STOP) {
        audit_request(item, CASEBUS_OP_SESSION_STOP,
                      key_named(said_of(item, "agency"), said_of(item, "session_id")));
    } else if (kind == APPLY_AGENCY) {
        audit_request(item, CASEBUS_OP_AGENCY_SET, key_text(said_of(item, "agency")));
    }
}
