/* A report as the two messages that are kept and sent (private to the publisher). See
 * compose.c. */
#ifndef CASEBUS_PUBLISHER_COMPOSE_H
#define CASEBUS_PUBLISHER_COMPOSE_H

#include "window.h"

#include <casebus/report.h>

/* What is used again from one report to the next. Zero is a good beginning. */
struct composer {
    char topic[CASEBUS_TOPIC_MAX + 1];
    size_t topic_size;
    size_t stem; /* of the topic: up to the key; 0: there is none */
    enum casebus_report_kind kind;
    unsigned char *head; /* of a body: scratch */
    size_t head_room;
};
void casebus_composer_clear(struct composer *self);

/* 0, or a code with the part of the topic at fault; then there is none. */
int casebus_compose_topic(struct composer *self, enum casebus_report_kind kind,
                          struct casebus_bytes agency, struct casebus_bytes key,
                          struct casebus_fault *fault);
/* The one composed last, borrowed until the next. */
static inline struct casebus_bytes composer_topic(const struct composer *self)
{
    return casebus_bytes(self->topic, self->topic_size);
}

/* Both messages, copied. 0 or CASEBUS_ENOMEM; then none is made. */
int casebus_compose_copy(struct casebus_bytes topic, struct casebus_bytes body,
                         struct kept *kept);
/* The void that goes in the place of a report; `parts` have a number, a void's hash and reason,
 * and kept->cause is the caller's to set. An absent topic is replaced. */
int casebus_compose_void(struct casebus_bytes topic, const struct casebus_report_parts *parts,
                         struct kept *kept);
/* What `old` is, under another id, number and check, tied to what comes behind: next_check is
 * that of the number after it. 0, CASEBUS_ENOMEM, or CASEBUS_ECORRUPT: it is not a report of
 * ours. */
int casebus_compose_again(const struct kept *old, const struct casebus_report_parts *parts,
                          struct kept *kept, unsigned char next_check[CASEBUS_CHECK_SIZE]);
/* The hash of a report that was composed, and the check of the number after it. */
void casebus_compose_tie(struct kept *kept, size_t check_at,
                         const unsigned char check[CASEBUS_CHECK_SIZE],
                         unsigned char next_check[CASEBUS_CHECK_SIZE]);

/* Makes both messages of a place of the window: the topic composed last, and the body that
 * casebus_report_encode() would give. `parts` have a number and no void. *check_at: where the
 * check's pair is in the body. 0, CASEBUS_ENOMEM or CASEBUS_ETOOLARGE; then none is made. */
int casebus_compose_report(struct composer *self, const struct casebus_report_parts *parts,
                           struct kept *kept, size_t *check_at);

int casebus_fault_at(struct casebus_fault *fault, const char *field, int code);

#endif
