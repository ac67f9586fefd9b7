/* Browsers in which somebody has signed in: a list, for there are few.
 *
 * Contract: an id is looked for by its hash, so how long that takes says nothing of ids. */
#include "logins.h"

#include <casebus/errors.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH 32

struct entry {
    struct login login;
    unsigned char id[HASH];      /* of what the browser has */
    unsigned char account[HASH]; /* of what the account was when it began */
    int64_t began, used;
};

struct logins {
    int64_t idle_ms, age_ms;
    struct entry *entry; /* in the order in which they began */
    size_t count, room;
    uint64_t began, ended;
};

int logins_new(struct logins **self_p, int64_t idle_ms, int64_t age_ms)
{
    struct logins *const self = calloc(1, sizeof *self);
    *self_p = self;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->idle_ms = idle_ms;
    self->age_ms = age_ms;
    return 0;
}

void logins_destroy(struct logins **self_p)
{
    struct logins *const self = *self_p;
    *self_p = NULL;
    if (self != NULL) {
        free(self->entry);
        free(self);
    }
}

static void hash_id(unsigned char hash[HASH], const char *id)
{
    crypto_generichash(hash, HASH, (const unsigned char *)id, strlen(id), NULL, 0);
}

/* Of all that makes it the account it is. */
static void hash_account(unsigned char hash[HASH], const struct account *account)
{
    const char *const parts[] = {account->name, account->actor, account->password};
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        crypto_generichash_update(&state, (const unsigned char *)parts[i],
                                  strlen(parts[i]) + 1);
    }
    crypto_generichash_final(&state, hash, HASH);
}

static void end_entry(struct logins *self, size_t i)
{
    self->count--;
    self->ended++;
    memmove(&self->entry[i], &self->entry[i + 1], (self->count - i) * sizeof self->entry[i]);
}

/* The account has as many as it may: the one that was idle longest goes. */
static void make_room(struct logins *self, const char *name)
{
    size_t its = 0, idlest = SIZE_MAX;
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->entry[i].login.name, name) == 0) {
            its++;
            if (idlest == SIZE_MAX || self->entry[i].used < self->entry[idlest].used) {
                idlest = i;
            }
        }
    }
    if (its >= LOGINS_AN_ACCOUNT) {
        end_entry(self, idlest);
    }
}

static bool grow(struct logins *self)
{
    if (self->count < self->room) {
        return true;
    }
    const size_t room = self->room + 64;
    struct entry *const grown = realloc(self->entry, room * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    self->entry = grown;
    self->room = room;
    return true;
}

int logins_begin(struct logins *self, const struct account *account, int64_t now,
                 char id[LOGIN_ID_SIZE])
{
    unsigned char secret[32];
    make_room(self, account->name);
    if (!grow(self)) {
        return CASEBUS_ENOMEM;
    }
    randombytes_buf(secret, sizeof secret);
    sodium_bin2base64(id, LOGIN_ID_SIZE, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof secret);
    struct entry *const entry = &self->entry[self->count++];
    *entry = (struct entry){.login.number = ++self->began, .began = now, .used = now};
    memcpy(entry->login.name, account->name, sizeof account->name);
    memcpy(entry->login.actor, account->actor, sizeof account->actor);
    hash_id(entry->id, id);
    hash_account(entry->account, account);
    return 0;
}

static bool is_over(const struct logins *self, const struct entry *entry, int64_t now)
{
    return now - entry->used >= self->idle_ms || now - entry->began >= self->age_ms;
}

const struct login *logins_find(struct logins *self, const char *id, bool used, int64_t now)
{
    unsigned char hash[HASH];
    hash_id(hash, id);
    for (size_t i = 0; i < self->count; i++) {
        struct entry *const entry = &self->entry[i];
        if (memcmp(entry->id, hash, HASH) != 0) {
            continue;
        }
        if (is_over(self, entry, now)) {
            end_entry(self, i);
            return NULL;
        }
        entry->used = used ? now : entry->used;
        return &entry->login;
    }
    return NULL;
}

bool logins_has(const struct logins *self, uint64_t number)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->entry[i].login.number == number) {
            return true;
        }
    }
    return false;
}

void logins_end(struct logins *self, uint64_t number)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->entry[i].login.number == number) {
            end_entry(self, i);
            return;
        }
    }
}

void logins_expire(struct logins *self, int64_t now)
{
    for (size_t i = self->count; i-- > 0;) {
        if (is_over(self, &self->entry[i], now)) {
            end_entry(self, i);
        }
    }
}

void logins_keep(struct logins *self, const struct accounts *accounts)
{
    for (size_t i = self->count; i-- > 0;) {
        unsigned char now[HASH] = {0};
        const struct account *const account =
            accounts_find(accounts, self->entry[i].login.name);
        if (account != NULL) {
            hash_account(now, account);
        }
        if (memcmp(now, self->entry[i].account, HASH) != 0) {
            end_entry(self, i);
        }
    }
}

size_t logins_count(const struct logins *self)
{
    return self->count;
}

uint64_t logins_ended(const struct logins *self)
{
    return self->ended;
}
