/* casebus-ctl user: the people who may use a dashboard. No broker is asked: the accounts are a
 * file, which the dashboard follows. */
#include "ctl.h"

#include "accounts.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#define WHY_SIZE 512

static int complain(int rc, const char *why)
{
    fprintf(stderr, PROGRAM ": %s\n", why);
    return rc == CASEBUS_EINVAL ? EXIT_USAGE : EXIT_NOT_FOUND;
}

static void put(struct json *json, const char *key, const char *value)
{
    json_key(json, casebus_cstr(key));
    json_str(json, casebus_cstr(value));
}

/* The only time that the token is seen. */
static int print_token(struct ctl *self, const char *name, char token[ACCOUNT_TOKEN_SIZE])
{
    int status;
    if (self->settings.json) {
        struct json json = ctl_begin_json(self);
        json_open(&json, '{');
        put(&json, "name", name);
        put(&json, "token", token);
        json_close(&json, '}');
        status = ctl_end_json(self, &json);
    } else {
        text_format(&self->out,
                    "%s\n"
                    "The set-up token of %s, for 24 hours and one use: with it the password is "
                    "set on the dashboard's page /setup.\n",
                    token, name);
        status = ctl_flush(self);
    }
    sodium_memzero(token, ACCOUNT_TOKEN_SIZE);
    if (status != EXIT_FINE) {
        fprintf(stderr, PROGRAM ": the token is lost: user reset %s gives another\n", name);
    }
    return status;
}

static int user_add(struct ctl *self, const char *path, const char *name)
{
    char why[WHY_SIZE], token[ACCOUNT_TOKEN_SIZE];
    const char *const actor = self->settings.actor != NULL ? self->settings.actor : name;
    const int rc = accounts_add(path, name, actor, token, why, sizeof why);
    return rc == 0 ? print_token(self, name, token) : complain(rc, why);
}

static int user_reset(struct ctl *self, const char *path, const char *name)
{
    char why[WHY_SIZE], token[ACCOUNT_TOKEN_SIZE];
    const int rc = accounts_reset(path, name, token, why, sizeof why);
    return rc == 0 ? print_token(self, name, token) : complain(rc, why);
}

static int user_remove(struct ctl *self, const char *path, const char *name)
{
    char why[WHY_SIZE];
    (void)self;
    const int rc = accounts_remove(path, name, why, sizeof why);
    return rc == 0 ? EXIT_FINE : complain(rc, why);
}

static const char *state_of(const struct account *account)
{
    if (account->password[0] != '\0') {
        return "password set";
    }
    return account->expires < (uint64_t)time(NULL) ? "set-up expired" : "waits for set-up";
}

static int list_json(struct ctl *self, const struct accounts *accounts)
{
    struct json json = ctl_begin_json(self);
    json_open(&json, '[');
    for (size_t i = 0; i < accounts->count; i++) {
        json_open(&json, '{');
        put(&json, "name", accounts->account[i].name);
        put(&json, "actor", accounts->account[i].actor);
        put(&json, "state", state_of(&accounts->account[i]));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    return ctl_end_json(self, &json);
}

static int list_table(struct ctl *self, const struct accounts *accounts)
{
    static const struct column columns[] = {
        {"NAME", false, true}, {"ACTOR", false, true}, {"STATE", false, false}};
    struct table table;
    table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < accounts->count; i++) {
        text_add(table_cell(&table), accounts->account[i].name);
        text_add(table_cell(&table), accounts->account[i].actor);
        text_add(table_cell(&table), state_of(&accounts->account[i]));
    }
    table_print(&table, 0, &self->out);
    table_free(&table);
    return ctl_flush(self);
}

static int user_list(struct ctl *self, const char *path, const char *name)
{
    char why[WHY_SIZE];
    struct accounts accounts;
    (void)name;
    const int rc = accounts_read(&accounts, path, why, sizeof why);
    if (rc != 0) {
        return complain(rc, why);
    }
    const int status =
        self->settings.json ? list_json(self, &accounts) : list_table(self, &accounts);
    accounts_free(&accounts);
    return status;
}

static const struct {
    const char *word;
    bool named;
    int (*run)(struct ctl *self, const char *path, const char *name);
} verbs[] = {
    {"add", true, user_add},
    {"list", false, user_list},
    {"remove", true, user_remove},
    {"reset", true, user_reset},
};

int ctl_user(struct ctl *self)
{
    if (self->settings.accounts == NULL) {
        return ctl_usage("user needs --accounts FILE");
    }
    if (sodium_init() < 0) {
        return complain(CASEBUS_EIO, "there is no source of random bytes");
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].word, self->argv[0]) != 0) {
            continue;
        }
        if (self->settings.actor != NULL && verbs[i].run != user_add) {
            return ctl_usage("user %s has no option --actor", verbs[i].word);
        }
        if (self->argc != 1 + verbs[i].named) {
            return ctl_usage("user %s takes %s", verbs[i].word,
                             verbs[i].named ? "a NAME" : "no name");
        }
        return verbs[i].run(self, self->settings.accounts, self->argv[1]);
    }
    return ctl_usage("user %s: add, list, remove or reset", self->argv[0]);
}
