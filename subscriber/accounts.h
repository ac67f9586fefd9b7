/* The people who may use a dashboard: a file with a line for each.
 *
 *   casebus-accounts 1
 *   NAME ACTOR password $argon2id$…
 *   NAME ACTOR setup EXPIRES HASH
 *
 * NAME is what the person types, ACTOR who the broker takes him for. An account begins, and
 * after a reset begins again, with a set-up token: whoever has it sets the password, once,
 * until EXPIRES (seconds since 1970); HASH is BLAKE2b-256 of it, in hexadecimal. The 1 is the
 * version.
 *
 * Only its owner may read the file: a loose mode is refused. Whoever changes it holds the lock
 * FILE.lock and replaces it as a whole, so a reader finds all of the change or none. */
#ifndef CASEBUS_ACCOUNTS_H
#define CASEBUS_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNTS_MAX 1000
#define ACCOUNT_NAME_MAX 63   /* of NAME and of ACTOR: a-z, 0-9, then also . _ - */
#define ACCOUNT_TOKEN_SIZE 44 /* text, with NUL */
#define ACCOUNT_TOKEN_HASH 32
#define ACCOUNT_PASSWORD_HASH 128 /* text, with NUL */
#define ACCOUNT_SETUP_SECONDS (24 * 3600)
#define PASSWORD_MIN 12 /* bytes */
#define PASSWORD_MAX 1024

struct account {
    char name[ACCOUNT_NAME_MAX + 1], actor[ACCOUNT_NAME_MAX + 1];
    char password[ACCOUNT_PASSWORD_HASH]; /* empty: it waits for its set-up */
    unsigned char token[ACCOUNT_TOKEN_HASH];
    uint64_t expires;
};

struct accounts {
    struct account *account; /* in the order of the file */
    size_t count;
};

bool account_name_valid(const char *name);

/* 0, or a code with `why`: CASEBUS_ENOTFOUND there is no such file, CASEBUS_EMALFORMED (with
 * the line), CASEBUS_EIO it cannot be read, or others can; CASEBUS_ENOMEM. */
int accounts_read(struct accounts *self, const char *path, char *why, size_t why_size);
void accounts_free(struct accounts *self);
/* NULL: there is none of that name. */
struct account *accounts_find(const struct accounts *self, const char *name);

/* --- changes: 0, or a code with `why`; as accounts_read(), and as said ---------------------
 *
 * CASEBUS_EBUSY: another program has held the lock for two seconds, in which the caller waited.
 * After CASEBUS_EIO the file is the old one or the new one (replace_file.h), after any other
 * code the old one. */

/* Makes the file where there is none. The token is for the person, and kept nowhere.
 * CASEBUS_EINVAL: not a name; CASEBUS_EDECIDED: there is such an account; CASEBUS_ETOOMANY. */
int accounts_add(const char *path, const char *name, const char *actor,
                 char token[ACCOUNT_TOKEN_SIZE], char *why, size_t why_size);
/* The password is void, a new token sets another. CASEBUS_ENOTFOUND. */
int accounts_reset(const char *path, const char *name, char token[ACCOUNT_TOKEN_SIZE],
                   char *why, size_t why_size);
int accounts_remove(const char *path, const char *name, char *why, size_t why_size);
/* CASEBUS_EDECIDED: the token is not the account's, or was used, or is too old, or there is no
 * such account; CASEBUS_EVALUE: the password's length. With a right token it takes the time
 * that hashing takes. */
int accounts_set_password(const char *path, const char *name, const char *token,
                          const char *password, char *why, size_t why_size);

/* --- passwords --------------------------------------------------------------------------- */

/* Argon2id, libsodium's interactive limits: 64 MiB and about a tenth of a second.
 * CASEBUS_ENOMEM.
 */
int password_hash(const char *password, char hash[ACCOUNT_PASSWORD_HASH]);
/* As long and as much memory, whatever comes out. An account without a password, or NULL: no.
 */
bool password_fits(const struct account *account, const char *password);

#endif
