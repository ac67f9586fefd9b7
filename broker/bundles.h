/* A committed batch's events by stream, and the bundles they go out in. One thread. */
#ifndef BROKER_BUNDLES_H
#define BROKER_BUNDLES_H

#include "apply.h"
#include "scope.h"

#include <zmq.h>

struct bundles;

/* NULL: out of memory. */
struct bundles *bundles_new(void);
void bundles_destroy(struct bundles **self_p);

/* A batch of so many events begins. 0 or CASEBUS_ENOMEM, as of the next. */
int bundles_begin(struct bundles *self, size_t count);
/* Its next event is of this stream: a number below `streams`, the same from batch to batch. */
int bundles_add(struct bundles *self, size_t stream, size_t streams);

/* Where they go: the topic of each, borrowed for the call, and its body, which may be sent. */
typedef void bundles_send(void *arg, struct casebus_bytes topic, zmq_msg_t *body);
/* Makes and sends those of the streams that the scope covers, in its form. What cannot be made
 * is left out. */
void bundles_form(struct bundles *self, const struct apply_event *events,
                  const struct scope *scope, bundles_send *send, void *arg);

#endif
