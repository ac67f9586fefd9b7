/* Which reports are taken in; see admission.h.
 *
 * What an actor may not send is not decided, so it has no effect and no number is used up: with
 * an outbox it waits there until he may, or is withdrawn. */
#include "admission.h"

#define DENIALS_PER_S 1000 /* that are logged */

void admission_init(struct admission *self, const struct gate *gate, const char *ingest,
                    struct counters *counters)
{
    self->keyed = port_has_keys(ingest, gate);
    self->counters = counters;
    self->denials.per_s = DENIALS_PER_S;
    actors_refresh(gate->actors, &self->table);
}

static const struct actor *sender_of(const struct admission *self, struct item *item)
{
    if (!self->keyed) {
        return actor_by_name(self->table, casebus_cstr(ACTOR_LOCAL));
    }
    const char *key = zmq_msg_gets(&item->topic, "User-Id");
    return key ? actor_by_key(self->table, key) : NULL;
}

/* What the report needs: its verb and agency. A void needs nothing, and one whose topic is none
 * is refused by apply, whoever sent it. */
static bool needs_verb(const struct item *item, enum verb *verb, struct casebus_bytes *agency)
{
    enum casebus_report_kind kind;
    struct casebus_topic topic;
    bool is_void =
        item->prepared.fault.code == 0 && item->prepared.report.void_reason.data != NULL;
    if (is_void || casebus_topic_report(item->entry.topic, &topic, &kind) != 0 ||
        !casebus_agency_valid(topic.segment[2])) {
        return false;
    }
    *verb = verb_of_report(kind);
    *agency = topic.segment[2];
    return true;
}

static void deny(struct admission *self, const struct item *item, const char *actor,
                 enum verb verb, struct casebus_bytes agency, struct noticed *denied)
{
    const struct casebus_report_head *head = &item->prepared.head;
    const struct casebus_bytes topic = item->entry.topic;
    count_refusal(self->counters, CASEBUS_EDENIED);
    log_limited(&self->denials, LEVEL_AUDIT, "denied actor=%s verb=%s agency=%.*s report=%.*s",
                actor, verb_name(verb), (int)agency.size, (const char *)agency.data,
                (int)(topic.size < 200 ? topic.size : 200), (const char *)topic.data);
    *denied = (struct noticed){.arrived = head->number, .denied = true, .verb = verb};
    memcpy(denied->publisher, head->publisher, sizeof denied->publisher);
    snprintf(denied->actor, sizeof denied->actor, "%s", actor);
    memcpy(denied->agency, agency.data, agency.size);
}

bool admit(struct admission *self, struct item *item, struct noticed *denied)
{
    const struct actor *actor = sender_of(self, item);
    enum verb verb = VERB_REPORT_SCRAPED;
    struct casebus_bytes agency = casebus_bytes("", 0);
    bool needed = needs_verb(item, &verb, &agency);
    if (!actor || (needed && !actor_may(self->table, actor, verb, agency))) {
        deny(self, item, actor ? actor->name : "-", verb, agency, denied);
        return false;
    }
    memcpy(item->actor, actor->name, sizeof actor->name);
    item->entry.actor = casebus_cstr(item->actor);
    return true;
}

void admission_audit(const struct item *item)
{
    const struct apply_result *r = &item->result;
    enum casebus_report_kind kind = item->prepared.report.kind;
    bool by_people = kind == CASEBUS_REPORT_EDITED || kind == CASEBUS_REPORT_DELETED ||
                     kind == CASEBUS_REPORT_REDACTED;
    if (item->prepared.fault.code == 0 && by_people && r->effect == EFFECT_DECIDED) {
        log_audit("done actor=%s verb=%s report=%.*s outcome=%s", item->actor,
                  verb_name(verb_of_report(kind)), (int)item->entry.topic.size,
                  (const char *)item->entry.topic.data, casebus_outcome_word(r->outcome));
    }
}
