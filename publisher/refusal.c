/* What the caller is told of reports that were not taken as they were: the broker refused them,
 * or they went as a void.
 *
 * The broker names numbers, and lets go of what it said; the caller gets the report itself with
 * it, as the one thing he may have no other copy of. */
#include "refusal.h"

int casebus_refusals_check(struct casebus_bytes refusals, uint64_t decided, uint64_t *last)
{
    struct refusal_reader reader;
    struct casebus_refusal refusal;
    *last = 0;
    int rc = casebus_refusals_begin(&reader, refusals);
    while (rc == 0 && (rc = casebus_refusals_next(&reader, &refusal)) == 1) {
        if (refusal.number > decided || refusal.number <= *last) {
            return CASEBUS_EPROTO;
        }
        *last = refusal.number;
        rc = 0;
    }
    return rc;
}

static void advance(struct refusal_walk *self)
{
    self->there = casebus_refusals_next(&self->reader, &self->next) == 1;
}

void casebus_walk_begin(struct refusal_walk *self, struct casebus_bytes refusals)
{
    *self = (struct refusal_walk){0};
    if (refusals.data && casebus_refusals_begin(&self->reader, refusals) == 0) {
        advance(self);
    }
}

bool casebus_walk_at(struct refusal_walk *self, uint64_t number)
{
    while (self->there && self->next.number < number) {
        advance(self);
    }
    return self->there && self->next.number == number;
}

static struct casebus_refusal of_void(enum kept_cause cause, uint64_t number,
                                      struct casebus_bytes topic, struct casebus_bytes body)
{
    return (struct casebus_refusal){
        .number = number,
        .outcome = CASEBUS_OUTCOME_VOID,
        .code = cause == KEPT_DAMAGED ? CASEBUS_ECORRUPT : 0,
        .reason = casebus_as_str(casebus_map_get(casebus_map_get(body, "void"), "reason")),
        .topic = topic,
    };
}

struct casebus_refusal casebus_refusal_told(const struct casebus_refusal *said,
                                            enum kept_cause cause, uint64_t number,
                                            struct casebus_bytes topic,
                                            struct casebus_bytes body)
{
    if (said->outcome == CASEBUS_OUTCOME_VOID) {
        return of_void(cause, number, topic, body);
    }
    struct casebus_refusal refusal = *said;
    refusal.number = number;
    if (topic.data) {
        refusal.topic = topic;
    }
    refusal.session = casebus_as_str(casebus_map_get(body, "session"));
    refusal.data = casebus_map_get(body, "data");
    return refusal;
}
