/* People: who may use this dashboard, and who is signed in.
 *
 * There is one where an accounts file was given, and then nobody is served without a login;
 * else everybody on this machine is `local`. The file is followed: whoever is removed, reset or
 * given another actor is signed out within a second. */
#ifndef CASEBUS_DASHBOARD_PEOPLE_H
#define CASEBUS_DASHBOARD_PEOPLE_H

#include "../accounts.h"
#include "hasher.h"
#include "logins.h"
#include "peer.h"

struct people;

/* Who makes a request. */
struct person {
    uint64_t login; /* 0: nobody has signed in */
    char name[ACCOUNT_NAME_MAX + 1], actor[ACCOUNT_NAME_MAX + 1];
};

/* `path`: borrowed. 0, or a code with `why`. */
int people_new(struct people **self_p, const char *path, int idle_ms, int age_ms, char *why,
               size_t why_size);
void people_destroy(struct people **self_p);

/* For zmq_poll(), ZMQ_POLLIN; then people_step(), which calls back. */
int people_descriptor(const struct people *self);
int people_timeout(const struct people *self); /* -1: nothing to wait for */
void people_step(struct people *self);

/* --- who has signed in -------------------------------------------------------------------- */

/* Who has this id; false: nobody. `used`: somebody sits there. */
bool people_identify(struct people *self, const char *id, bool used, struct person *person);
/* The login goes on. 0, nobody's, always does; NULL has only those. */
bool people_has(const struct people *self, uint64_t login);
/* Logins that have ended so far. */
uint64_t people_ended(const struct people *self);

/* --- signing in --------------------------------------------------------------------------- */

/* NULL: there is no such account, as the file stands now. Borrowed until the next call. */
const struct account *people_account(struct people *self, const char *name);
/* One more try of this name from there. 0, which counts, or how many milliseconds to wait; a
 * try that was not wrong is given back. */
int64_t people_try(struct people *self, const struct peer *peer, const char *name);
void people_give_back(struct people *self, const struct peer *peer, const char *name);
struct hasher *people_hasher(const struct people *self);
/* Of an account whose password was right just now. 0, CASEBUS_ENOMEM. */
int people_begin(struct people *self, const struct account *account, char id[LOGIN_ID_SIZE]);
void people_end(struct people *self, uint64_t login);

#endif
