/* The accounts file: read, checked line by line, changed under a lock.
 *
 * Contract: what is read is what was checked, for the mode is that of the open file; what is
 * wrong with a line refuses the file, so that no half of it is ever in force. */
#include "accounts.h"

#include "deadline.h"
#include "replace_file.h"
#include "text.h"

#include <casebus/errors.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADER "casebus-accounts 1\n"
#define LINE_SIZE 512
#define FILE_SIZE_MAX (ACCOUNTS_MAX * LINE_SIZE)
#define LOCK_SECONDS 2
#define LOCK_PAUSE_NS 20000000 /* between two tries */

_Static_assert(crypto_pwhash_STRBYTES == ACCOUNT_PASSWORD_HASH, "Argon2id's text");

struct why {
    char *text;
    size_t size;
};

__attribute__((format(printf, 3, 4))) static int say(struct why why, int code,
                                                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why.text, why.size, format, args);
    va_end(args);
    return code;
}

bool account_name_valid(const char *name)
{
    static const char signs[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t size = strspn(name, signs);
    return size > 0 && size <= ACCOUNT_NAME_MAX && name[size] == '\0' &&
           strchr("._-", name[0]) == NULL;
}

/* --- lines ------------------------------------------------------------------------------- */

static bool read_setup(struct account *account, const char *expires, const char *hash)
{
    char *end;
    size_t size;
    errno = 0;
    account->expires = strtoull(expires, &end, 10);
    return errno == 0 && *expires >= '0' && *expires <= '9' && *end == '\0' &&
           text_read_hex(hash, account->token, sizeof account->token, &size) &&
           size == sizeof account->token;
}

static bool read_password(struct account *account, const char *hash)
{
    const size_t size = strlen(hash);
    if (size >= sizeof account->password ||
        strncmp(hash, crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) != 0) {
        return false;
    }
    memcpy(account->password, hash, size + 1);
    return true;
}

static bool read_name(char *to, const char *name)
{
    const bool valid = name != NULL && account_name_valid(name);
    if (valid) {
        memcpy(to, name, strlen(name) + 1);
    }
    return valid;
}

/* What is wrong with it; NULL: nothing. The line is taken apart. */
static const char *read_line(struct account *account, char *line)
{
    char *place, *word[6];
    size_t count = 0;
    for (char *at = strtok_r(line, " ", &place); at != NULL && count < 6;
         at = strtok_r(NULL, " ", &place)) {
        word[count++] = at;
    }
    *account = (struct account){.expires = 0};
    if (count < 4 || !read_name(account->name, word[0]) ||
        !read_name(account->actor, word[1])) {
        return "must be NAME ACTOR password HASH, or NAME ACTOR setup EXPIRES HASH";
    }
    if (strcmp(word[2], "password") == 0 && count == 4) {
        return read_password(account, word[3]) ? NULL : "the password is no Argon2id hash";
    }
    if (strcmp(word[2], "setup") == 0 && count == 5) {
        return read_setup(account, word[3], word[4]) ? NULL : "not a time and a hash";
    }
    return "an account has a password or waits for its setup";
}

static void write_line(const struct account *account, struct text *out)
{
    text_format(out, "%s %s ", account->name, account->actor);
    if (account->password[0] != '\0') {
        text_format(out, "password %s\n", account->password);
        return;
    }
    text_format(out, "setup %llu ", (unsigned long long)account->expires);
    text_add_hex(out, casebus_bytes(account->token, sizeof account->token));
    text_add(out, "\n");
}

/* --- the file ---------------------------------------------------------------------------- */

static int check_mode(int fd, const char *path, struct why why)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return say(why, CASEBUS_EIO, "%s: not a file", path);
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return say(why, CASEBUS_EIO, "%s: belongs to somebody else (uid %u)", path,
                   (unsigned)st.st_uid);
    }
    if ((st.st_mode & 077) != 0) {
        return say(why, CASEBUS_EIO,
                   "%s: mode %04o lets others read or change it: chmod 600 %s", path,
                   (unsigned)(st.st_mode & 07777), path);
    }
    if (st.st_size > FILE_SIZE_MAX) {
        return say(why, CASEBUS_EMALFORMED, "%s: no accounts file is so large", path);
    }
    return 0;
}

static int load(struct text *content, const char *path, struct why why)
{
    char block[4096];
    ssize_t size;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return say(why, errno == ENOENT ? CASEBUS_ENOTFOUND : CASEBUS_EIO, "%s: %s", path,
                   strerror(errno));
    }
    int rc = check_mode(fd, path, why);
    while (rc == 0 && content->size <= FILE_SIZE_MAX &&
           (size = read(fd, block, sizeof block)) != 0) {
        if (size < 0) {
            rc = say(why, CASEBUS_EIO, "%s: %s", path, strerror(errno));
        } else {
            text_add_bytes(content, block, (size_t)size);
        }
    }
    close(fd);
    return rc == 0 && content->failed ? say(why, CASEBUS_ENOMEM, "out of memory") : rc;
}

static int add(struct accounts *self, const struct account *account)
{
    struct account *const grown =
        realloc(self->account, (self->count + 1) * sizeof *self->account);
    if (grown == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->account = grown;
    self->account[self->count++] = *account;
    return 0;
}

/* Takes the content apart. */
static int parse(struct accounts *self, char *content, const char *path, struct why why)
{
    unsigned number = 1;
    if (strncmp(content, HEADER, strlen(HEADER)) != 0) {
        return say(why, CASEBUS_EMALFORMED, "%s: line 1 must be %.*s", path,
                   (int)strlen(HEADER) - 1, HEADER);
    }
    for (char *line = content + strlen(HEADER); *line != '\0';) {
        struct account account;
        char *const end = strchr(line, '\n');
        number++;
        if (end == NULL) {
            return say(why, CASEBUS_EMALFORMED, "%s: line %u has no end", path, number);
        }
        *end = '\0';
        const char *wrong = read_line(&account, line);
        if (wrong == NULL && accounts_find(self, account.name) != NULL) {
            wrong = "the name was there before";
        }
        if (wrong == NULL && self->count == ACCOUNTS_MAX) {
            wrong = "too many accounts";
        }
        if (wrong != NULL) {
            return say(why, CASEBUS_EMALFORMED, "%s: line %u: %s", path, number, wrong);
        }
        if (add(self, &account) != 0) {
            return say(why, CASEBUS_ENOMEM, "out of memory");
        }
        line = end + 1;
    }
    return 0;
}

int accounts_read(struct accounts *self, const char *path, char *why_text, size_t why_size)
{
    const struct why why = {why_text, why_size};
    struct text content = {0};
    *self = (struct accounts){.count = 0};
    int rc = load(&content, path, why);
    if (rc == 0 && strlen(text_get(&content)) != content.size) {
        rc = say(why, CASEBUS_EMALFORMED, "%s: not text", path);
    }
    if (rc == 0) {
        char empty[] = "";
        rc = parse(self, content.data != NULL ? content.data : empty, path, why);
    }
    text_free(&content);
    if (rc != 0) {
        accounts_free(self);
    }
    return rc;
}

void accounts_free(struct accounts *self)
{
    free(self->account);
    *self = (struct accounts){.count = 0};
}

struct account *accounts_find(const struct accounts *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->account[i].name, name) == 0) {
            return &self->account[i];
        }
    }
    return NULL;
}

static int write_all(const struct accounts *self, const char *path, struct why why)
{
    struct text content = {0};
    text_add(&content, HEADER);
    for (size_t i = 0; i < self->count; i++) {
        write_line(&self->account[i], &content);
    }
    int rc = content.failed ? say(why, CASEBUS_ENOMEM, "out of memory") : 0;
    if (rc == 0 && !replace_file(path, text_get(&content), content.size, 0600)) {
        rc = say(why, CASEBUS_EIO, "%s: %s", path, strerror(errno));
    }
    text_free(&content);
    return rc;
}

/* --- changes ----------------------------------------------------------------------------- */

/* Waits a bounded time for the lock, for whoever holds it may never let go. */
static bool wait_for_lock(int fd)
{
    static const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    const int64_t end = deadline_after(LOCK_SECONDS * 1000);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || deadline_left(end) == 0) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

static int say_not_locked(const char *name, struct why why)
{
    if (errno == EWOULDBLOCK) {
        return say(why, CASEBUS_EBUSY,
                   "%s: another program has held the lock for %d seconds; try again, or end it",
                   name, LOCK_SECONDS);
    }
    return say(why, CASEBUS_EIO, "%s: %s", name, strerror(errno));
}

/* A descriptor, and closing it lets go; or a code with `why`. */
static int lock(const char *path, struct why why)
{
    const size_t size = strlen(path) + sizeof ".lock";
    char *const name = malloc(size);
    if (name == NULL) {
        return say(why, CASEBUS_ENOMEM, "out of memory");
    }
    snprintf(name, size, "%s.lock", path);
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int held = fd;
    if (fd < 0 || !wait_for_lock(fd)) {
        held = say_not_locked(name, why);
        if (fd >= 0) {
            close(fd);
        }
    }
    free(name);
    return held;
}

struct change {
    const char *name, *actor;     /* actor: of a new account */
    const char *password, *token; /* the password that is set, by this token */
    char *given;                  /* the token that is made */
};
typedef int apply_change(struct accounts *accounts, const struct change *what, struct why why);

static int change(const char *path, apply_change *apply, const struct change *what,
                  struct why why)
{
    struct accounts accounts;
    const int held = lock(path, why);
    if (held < 0) {
        return held;
    }
    int rc = accounts_read(&accounts, path, why.text, why.size);
    if (rc == CASEBUS_ENOTFOUND && what->actor != NULL) {
        rc = 0; /* the first account makes the file */
    }
    rc = rc == 0 ? apply(&accounts, what, why) : rc;
    rc = rc == 0 ? write_all(&accounts, path, why) : rc;
    accounts_free(&accounts);
    close(held);
    return rc;
}

static void hash_token(unsigned char hash[ACCOUNT_TOKEN_HASH], const char *token)
{
    crypto_generichash(hash, ACCOUNT_TOKEN_HASH, (const unsigned char *)token, strlen(token),
                       NULL, 0);
}

/* The account waits for a password. */
static void issue_token(struct account *account, char token[ACCOUNT_TOKEN_SIZE])
{
    unsigned char secret[32];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2base64(token, ACCOUNT_TOKEN_SIZE, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(account->password, sizeof account->password);
    hash_token(account->token, token);
    account->expires = (uint64_t)time(NULL) + ACCOUNT_SETUP_SECONDS;
}

static int no_account(const char *name, struct why why)
{
    return say(why, CASEBUS_ENOTFOUND, "%s: there is no such account", name);
}

static int apply_add(struct accounts *accounts, const struct change *what, struct why why)
{
    struct account account = {.expires = 0};
    if (!read_name(account.name, what->name) || !read_name(account.actor, what->actor)) {
        return say(why, CASEBUS_EINVAL,
                   "a name has 1 to %d of a-z, 0-9, and behind the first also . _ -",
                   ACCOUNT_NAME_MAX);
    }
    if (accounts_find(accounts, what->name) != NULL) {
        return say(why, CASEBUS_EDECIDED,
                   "%s: there is such an account; user reset gives it a new set-up token",
                   what->name);
    }
    if (accounts->count == ACCOUNTS_MAX) {
        return say(why, CASEBUS_ETOOMANY, "there are %d accounts already", ACCOUNTS_MAX);
    }
    issue_token(&account, what->given);
    return add(accounts, &account) == 0 ? 0 : say(why, CASEBUS_ENOMEM, "out of memory");
}

int accounts_add(const char *path, const char *name, const char *actor,
                 char token[ACCOUNT_TOKEN_SIZE], char *why, size_t why_size)
{
    const struct change what = {.name = name, .actor = actor, .given = token};
    return change(path, apply_add, &what, (struct why){why, why_size});
}

static int apply_reset(struct accounts *accounts, const struct change *what, struct why why)
{
    struct account *const account = accounts_find(accounts, what->name);
    if (account == NULL) {
        return no_account(what->name, why);
    }
    issue_token(account, what->given);
    return 0;
}

int accounts_reset(const char *path, const char *name, char token[ACCOUNT_TOKEN_SIZE],
                   char *why, size_t why_size)
{
    const struct change what = {.name = name, .given = token};
    return change(path, apply_reset, &what, (struct why){why, why_size});
}

static int apply_remove(struct accounts *accounts, const struct change *what, struct why why)
{
    struct account *const account = accounts_find(accounts, what->name);
    if (account == NULL) {
        return no_account(what->name, why);
    }
    accounts->count--;
    const size_t behind = accounts->count - (size_t)(account - accounts->account);
    memmove(account, account + 1, behind * sizeof *account);
    return 0;
}

int accounts_remove(const char *path, const char *name, char *why, size_t why_size)
{
    const struct change what = {.name = name};
    return change(path, apply_remove, &what, (struct why){why, why_size});
}

static int apply_password(struct accounts *accounts, const struct change *what, struct why why)
{
    unsigned char hash[ACCOUNT_TOKEN_HASH];
    struct account *const account = accounts_find(accounts, what->name);
    hash_token(hash, what->token);
    if (account == NULL || account->password[0] != '\0' ||
        account->expires < (uint64_t)time(NULL) ||
        sodium_memcmp(hash, account->token, sizeof hash) != 0) {
        return say(why, CASEBUS_EDECIDED,
                   "name and token do not belong together, or the token was used or is older "
                   "than a day; casebus-ctl user reset makes a new one");
    }
    return password_hash(what->password, account->password) == 0
               ? 0
               : say(why, CASEBUS_ENOMEM, "out of memory");
}

int accounts_set_password(const char *path, const char *name, const char *token,
                          const char *password, char *why_text, size_t why_size)
{
    const struct why why = {why_text, why_size};
    if (strlen(password) < PASSWORD_MIN || strlen(password) > PASSWORD_MAX) {
        return say(why, CASEBUS_EVALUE, "a password has %d to %d bytes", PASSWORD_MIN,
                   PASSWORD_MAX);
    }
    const struct change what = {.name = name, .token = token, .password = password};
    return change(path, apply_password, &what, why);
}

/* --- passwords --------------------------------------------------------------------------- */

int password_hash(const char *password, char hash[ACCOUNT_PASSWORD_HASH])
{
    return crypto_pwhash_str(hash, password, strlen(password),
                             crypto_pwhash_OPSLIMIT_INTERACTIVE,
                             crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0
               ? 0
               : CASEBUS_ENOMEM;
}

bool password_fits(const struct account *account, const char *password)
{
    const size_t size = strlen(password);
    if (account != NULL && account->password[0] != '\0') {
        return crypto_pwhash_str_verify(account->password, password, size) == 0;
    }
    char unused[ACCOUNT_PASSWORD_HASH]; /* the same work, for nobody */
    password_hash(password, unused);
    return false;
}
