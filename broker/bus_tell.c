/* What became of a batch: counted, logged, and told to the queries, for whom publishers and
 * people wait. */
#include "bus_private.h"

#include "log.h"

/* --- notices ---------------------------------------------------------------------------- */

static bool is_same_publisher(const struct noticed *a, const struct noticed *b)
{
    return memcmp(a->publisher, b->publisher, sizeof a->publisher) == 0 &&
           strcmp(a->actor, b->actor) == 0;
}

void bus_notice(struct notice *n, const struct noticed *noticed)
{
    for (unsigned i = n->count; i-- > 0;) { /* mostly it is the newest */
        struct noticed *known = &n->publisher[i];
        if (is_same_publisher(known, noticed)) {
            known->arrived =
                noticed->arrived > known->arrived ? noticed->arrived : known->arrived;
            noticed_add(known, noticed);
            return;
        }
    }
    if (n->count == NOTICE_MAX) {
        n->everybody = true;
        return;
    }
    n->publisher[n->count++] = *noticed;
}

void bus_note_arrived(struct bus *self, const struct item *item, const unsigned char *publisher,
                      uint64_t number, bool decided)
{
    struct noticed noticed = {.arrived = number, .decided = decided ? number : 0};
    memcpy(noticed.publisher, publisher, sizeof noticed.publisher);
    memcpy(noticed.actor, item->actor, sizeof noticed.actor);
    bus_notice(&self->notice, &noticed);
}

/* --- tell ------------------------------------------------------------------------------- */

static bool has_to_say(const struct bus *self)
{
    return self->unsent_count > 0 || self->notice.count > 0 || self->notice.everybody;
}

static bool say(struct bus *self, const void *message, size_t size)
{
    inlet_used(&self->peer);
    return zmq_send(self->peer.socket, message, size, ZMQ_DONTWAIT) >= 0;
}

void bus_hand_over(struct bus *self)
{
    if (!has_to_say(self)) {
        return;
    }
    unsigned sent = 0;
    while (sent < self->unsent_count && say(self, &self->unsent[sent], sizeof *self->unsent)) {
        sent++;
    }
    self->unsent_count -= sent;
    memmove(self->unsent, self->unsent + sent, self->unsent_count * sizeof *self->unsent);
    struct notice *n = &self->notice;
    size_t size = offsetof(struct notice, publisher) + n->count * sizeof *n->publisher;
    if ((n->count > 0 || n->everybody) && say(self, n, size)) {
        n->count = 0;
        n->everybody = false;
    }
    if (has_to_say(self)) {
        inlet_blocked(&self->peer);
    }
}

void bus_answer_submission(struct bus *self, const struct item *item)
{
    const struct apply_result *r = &item->result;
    /* A tick is one at a time: there is always room for it. */
    unsigned room = SUBMISSIONS_MAX + (item->entry.kind == APPLY_TICK ? 1u : 0u);
    if (self->unsent_count >= room) {
        return; /* full of answers that others wait for: this asker has given up */
    }
    struct submission_result *out = &self->unsent[self->unsent_count++];
    *out = (struct submission_result){
        .kind = EXCHANGE_RESULT,
        .id = item->submission,
        .outcome = r->outcome,
        .code = r->fault.code,
    };
    memcpy(out->field, r->fault.field, sizeof out->field);
    memcpy(out->case_id, r->case_id, sizeof out->case_id);
}

/* The log says no more of a refused report than rejects.list does: no content. */
static void log_refused(struct bus *self, const struct item *item)
{
    const struct casebus_fault *fault = &item->result.fault;
    const struct casebus_bytes kept = refused_topic(item->entry.topic);
    const struct casebus_bytes topic = kept.data ? kept : casebus_cstr("-");
    const struct casebus_bytes field = refused_field(fault->field);
    log_limited(&self->refusals, LEVEL_WARNING, "report refused: %.*s: %.*s%s%s",
                (int)topic.size, (const char *)topic.data, (int)field.size,
                (const char *)field.data, field.size ? ": " : "",
                casebus_strerror(fault->code));
}

static void count_report(struct bus *self, const struct item *item)
{
    struct counters *c = self->options->counters;
    const struct apply_result *r = &item->result;
    switch (r->effect) {
    case EFFECT_DUPLICATE:
        count(&c->duplicates, 1);
        return;
    case EFFECT_AHEAD:
        count(&c->ahead, 1);
        return;
    case EFFECT_DIVERGED:
        count(&c->diverged, 1);
        return;
    case EFFECT_CROWDED:
        count_refusal(c, CASEBUS_ETOOMANY);
        return;
    case EFFECT_DECIDED:
        break;
    }
    count(&c->outcome[r->outcome], 1);
    if (r->outcome == CASEBUS_OUTCOME_REJECTED) {
        count_refusal(c, r->fault.code);
        log_refused(self, item);
    }
}

void bus_tell(struct bus *self, const struct batch *b)
{
    size_t reports = 0;
    for (size_t i = b->first; i < b->end; i++) {
        const struct item *item = &b->items[i];
        admission_audit(item);
        if (item->submission == 0) {
            reports++;
            count_report(self, item);
            if (item->result.numbered) {
                bus_note_arrived(self, item, item->result.publisher, item->result.number,
                                 item->result.effect == EFFECT_DECIDED);
            }
        } else if (item->entry.kind == APPLY_FLOOR) {
            trimming_done(&self->trimming, item);
        } else if (item->submission != NOBODY_ASKED) {
            bus_answer_submission(self, item);
            self->notice.everybody = self->notice.everybody || item->result.asked;
        }
    }
    count(&self->options->counters->reports, reports);
    count(&self->options->counters->batches, 1);
    bus_hand_over(self);
}
