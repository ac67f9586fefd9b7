/* People: accounts as the file has them, logins, and how often a password may be tried.
 *
 * Tries are counted by address and by account, and an address is given fewer: so nobody can use
 * up an account's from one address, and who has many addresses is still held to the account's.
 */
#include "people.h"

#include "../deadline.h"
#include "dashboard.h"
#include "throttle.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 1000 /* at the file, and for logins that are over */
#define ADDRESS_BURST 5
#define ADDRESS_REFILL_MS 30000
#define ACCOUNT_BURST 10
#define ACCOUNT_REFILL_MS 6000

struct people {
    const char *path;
    struct stat seen; /* the file, as it was last looked at; zeros: none */
    bool look_again;  /* then something may pass, of which was complained already */
    struct accounts accounts;
    struct logins *logins;
    struct throttle *by_address, *by_account;
    struct hasher *hasher;
    int64_t look_at;
};

/* --- the file ----------------------------------------------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Is it an error that may pass without a change of the file? */
static bool may_pass(int rc)
{
    return rc == CASEBUS_ENOMEM || rc == CASEBUS_EIO;
}

/* Takes the file as it is, or leaves all as it was. */
static int take_file(struct people *self, char *why, size_t why_size)
{
    struct accounts fresh;
    if (stat(self->path, &self->seen) != 0) {
        memset(&self->seen, 0, sizeof self->seen);
    }
    const int rc = accounts_read(&fresh, self->path, why, why_size);
    if (rc == 0) {
        accounts_free(&self->accounts);
        self->accounts = fresh;
        logins_keep(self->logins, &self->accounts);
    }
    self->look_again = may_pass(rc);
    return rc;
}

static void follow_file(struct people *self)
{
    struct stat now;
    char why[512];
    if (stat(self->path, &now) != 0) {
        memset(&now, 0, sizeof now);
    }
    if (same_file(&now, &self->seen) && !self->look_again) {
        return;
    }
    const bool complained = self->look_again;
    const int rc = take_file(self, why, sizeof why);
    if (rc != 0 && !(may_pass(rc) && complained)) {
        fprintf(stderr, PROGRAM ": %s; the accounts stay as they were\n", why);
    }
}

/* --- made and ended ----------------------------------------------------------------------- */

static int start_hasher(struct people *self, char *why, size_t why_size)
{
    const int rc = hasher_new(&self->hasher, self->path);
    if (rc != 0) {
        snprintf(why, why_size, "the thread that looks at passwords cannot be started: %s",
                 casebus_strerror(rc));
    }
    return rc;
}

int people_new(struct people **self_p, const char *path, int idle_ms, int age_ms, char *why,
               size_t why_size)
{
    struct people *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (sodium_init() < 0) {
        free(self);
        snprintf(why, why_size, "there is no source of random bytes");
        return CASEBUS_EIO;
    }
    snprintf(why, why_size, "out of memory");
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->path = path;
    int rc = logins_new(&self->logins, idle_ms, age_ms);
    rc = rc == 0 ? throttle_new(&self->by_address, ADDRESS_BURST, ADDRESS_REFILL_MS) : rc;
    rc = rc == 0 ? throttle_new(&self->by_account, ACCOUNT_BURST, ACCOUNT_REFILL_MS) : rc;
    rc = rc == 0 ? take_file(self, why, why_size) : rc;
    rc = rc == 0 ? start_hasher(self, why, why_size) : rc;
    if (rc != 0) {
        people_destroy(&self);
    }
    *self_p = self;
    return rc;
}

void people_destroy(struct people **self_p)
{
    struct people *const self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    hasher_destroy(&self->hasher);
    throttle_destroy(&self->by_account);
    throttle_destroy(&self->by_address);
    logins_destroy(&self->logins);
    accounts_free(&self->accounts);
    free(self);
}

int people_descriptor(const struct people *self)
{
    return hasher_descriptor(self->hasher);
}

int people_timeout(const struct people *self)
{
    return logins_count(self->logins) > 0 ? deadline_left(self->look_at) : -1;
}

void people_step(struct people *self)
{
    hasher_step(self->hasher);
    if (clock_mono_ms() >= self->look_at) {
        self->look_at = deadline_after(LOOK_MS);
        follow_file(self);
        logins_expire(self->logins, clock_mono_ms());
    }
}

/* --- who has signed in -------------------------------------------------------------------- */

bool people_identify(struct people *self, const char *id, bool used, struct person *person)
{
    follow_file(self);
    const struct login *const login =
        id != NULL ? logins_find(self->logins, id, used, clock_mono_ms()) : NULL;
    *person = (struct person){.login = 0};
    if (login != NULL) {
        person->login = login->number;
        memcpy(person->name, login->name, sizeof person->name);
        memcpy(person->actor, login->actor, sizeof person->actor);
    }
    return login != NULL;
}

bool people_has(const struct people *self, uint64_t login)
{
    return login == 0 || logins_has(self->logins, login);
}

uint64_t people_ended(const struct people *self)
{
    return self != NULL ? logins_ended(self->logins) : 0;
}

/* --- signing in --------------------------------------------------------------------------- */

const struct account *people_account(struct people *self, const char *name)
{
    follow_file(self);
    return accounts_find(&self->accounts, name);
}

int64_t people_try(struct people *self, const struct peer *peer, const char *name)
{
    const int64_t now = clock_mono_ms();
    int64_t wait = throttle_try(self->by_address, peer->key, sizeof peer->key, now);
    if (wait != 0) {
        return wait;
    }
    wait = throttle_try(self->by_account, name, strlen(name), now);
    if (wait != 0) {
        throttle_give_back(self->by_address, peer->key, sizeof peer->key);
    }
    return wait;
}

void people_give_back(struct people *self, const struct peer *peer, const char *name)
{
    throttle_give_back(self->by_address, peer->key, sizeof peer->key);
    throttle_give_back(self->by_account, name, strlen(name));
}

struct hasher *people_hasher(const struct people *self)
{
    return self->hasher;
}

int people_begin(struct people *self, const struct account *account, char id[LOGIN_ID_SIZE])
{
    return logins_begin(self->logins, account, clock_mono_ms(), id);
}

void people_end(struct people *self, uint64_t login)
{
    logins_end(self->logins, login);
}
