/* Browsers in which somebody has signed in.
 *
 * A browser shows who it is by an id, 256 random bits that only it has: what is kept here is
 * the hash. A login ends when it was idle for too long, when it is too old, when its account is
 * not what it was (removed, another password or actor), or when it is told to. Times are
 * milliseconds of one clock that never goes back. One thread. */
#ifndef CASEBUS_DASHBOARD_LOGINS_H
#define CASEBUS_DASHBOARD_LOGINS_H

#include "../accounts.h"

#define LOGIN_ID_SIZE 44      /* text, with NUL */
#define LOGINS_AN_ACCOUNT 16u /* beyond them the one that was idle longest ends */

struct logins;

struct login {
    uint64_t number; /* from 1, never again */
    char name[ACCOUNT_NAME_MAX + 1], actor[ACCOUNT_NAME_MAX + 1];
};

int logins_new(struct logins **self_p, int64_t idle_ms, int64_t age_ms);
void logins_destroy(struct logins **self_p);

/* The id goes to the browser and is kept nowhere. 0, CASEBUS_ENOMEM. */
int logins_begin(struct logins *self, const struct account *account, int64_t now,
                 char id[LOGIN_ID_SIZE]);
/* NULL: there is none, or not any more. `used`: it is not idle. Borrowed until the next call.
 */
const struct login *logins_find(struct logins *self, const char *id, bool used, int64_t now);
bool logins_has(const struct logins *self, uint64_t number);
void logins_end(struct logins *self, uint64_t number);
/* Ends those that are idle or old. */
void logins_expire(struct logins *self, int64_t now);
/* Ends those whose account is not among these, or not the same any more. */
void logins_keep(struct logins *self, const struct accounts *accounts);

size_t logins_count(const struct logins *self);
uint64_t logins_ended(const struct logins *self); /* so far */

#endif
