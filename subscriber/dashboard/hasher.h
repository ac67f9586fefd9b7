/* Passwords are checked and set on a thread of their own, one at a time: each takes a tenth of
 * a second and 64 MiB, and other people's pages must go on meanwhile. */
#ifndef CASEBUS_DASHBOARD_HASHER_H
#define CASEBUS_DASHBOARD_HASHER_H

#include "../accounts.h"

#define HASHER_WAITING_MAX 16

struct hasher;

/* 0, or a code: CASEBUS_EDECIDED no (wrong password; or as accounts_set_password(), with
 * `why`).
 */
typedef void hasher_done(void *arg, int rc, const char *why);

/* `path`: the accounts file, borrowed. CASEBUS_ENOMEM, CASEBUS_EIO. */
int hasher_new(struct hasher **self_p, const char *path);
/* Waits for the one it is at; nobody is told any more. */
void hasher_destroy(struct hasher **self_p);

/* For zmq_poll(), ZMQ_POLLIN; then hasher_step(), which calls back. */
int hasher_descriptor(const struct hasher *self);
void hasher_step(struct hasher *self);

/* All is copied. `done` is called once, from hasher_step(). 0, or CASEBUS_EBUSY: too many wait;
 * CASEBUS_ENOMEM. An account that is NULL takes as long as any, and is refused. */
int hasher_check(struct hasher *self, const struct account *account, const char *password,
                 hasher_done *done, void *arg);
int hasher_set(struct hasher *self, const char *name, const char *token, const char *password,
               hasher_done *done, void *arg);
/* Whoever is `arg` need not be told any more. */
void hasher_forget(struct hasher *self, const void *arg);

#endif
