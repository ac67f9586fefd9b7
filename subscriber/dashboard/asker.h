/* Asking the broker without waiting: many requests on their way at once. */
#ifndef CASEBUS_DASHBOARD_ASKER_H
#define CASEBUS_DASHBOARD_ASKER_H

#include <casebus/client.h>

struct asker;

/* The answer: 0 and a reply, or a code, the reply's own or CASEBUS_ETIMEDOUT,
 * CASEBUS_EUNREACHABLE. Reply and body (the reply as it came) are borrowed. */
typedef void asker_done(void *arg, int error, const struct casebus_reply *reply,
                        struct casebus_bytes body);

/* CASEBUS_EINVAL: not an endpoint. */
int asker_new(struct asker **self_p, void *zmq, const char *endpoint, const char *secret,
              const char *server);
/* Nobody is told any more. */
void asker_destroy(struct asker **self_p);

/* For zmq_poll(), ZMQ_POLLIN; then asker_step(), which calls back. */
void *asker_socket(const struct asker *self);
int asker_timeout(const struct asker *self); /* -1: nothing to wait for */
void asker_step(struct asker *self);

/* Copies the request, which must be safe to repeat, as all of the protocol are. `done` is
 * called once, from asker_step(). `insists`: where the broker answers that it is not the time
 * for it (limited, busy, behind) it is asked again, until the timeout. 0, or CASEBUS_EBUSY: too
 * much is waiting; CASEBUS_ENOMEM. */
int asker_ask(struct asker *self, struct casebus_bytes request, int timeout_ms, bool insists,
              asker_done *done, void *arg);
/* Whoever is `arg` need not be told any more. */
void asker_forget(struct asker *self, const void *arg);

#endif
