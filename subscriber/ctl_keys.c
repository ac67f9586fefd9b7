/* casebus-ctl about who may do what: keygen makes a key pair, whoami and can ask the broker
 * what somebody may. */
#include "ctl.h"

#include "show.h"

#include <casebus/keys.h>

/* --- keygen ------------------------------------------------------------------------------ */

static int print_json(struct ctl *self, const char *name, const struct casebus_keys *keys)
{
    struct json json = ctl_begin_json(self);
    json_open(&json, '{');
    json_key(&json, casebus_cstr("name"));
    json_str(&json, casebus_cstr(name));
    json_key(&json, casebus_cstr("public_key"));
    json_str(&json, casebus_cstr(keys->public_key));
    json_close(&json, '}');
    return ctl_end_json(self, &json);
}

static int print(struct ctl *self, const char *name, const char *dir,
                 const struct casebus_keys *keys)
{
    if (self->settings.json) {
        return print_json(self, name, keys);
    }
    text_format(&self->out,
                "%s/%s.secret: for the program that is %s, and nobody else\n"
                "%s/%s.pub: for whoever has to know it\n"
                "A line for the broker's --actors: %s %s ROLE\n",
                dir, name, name, dir, name, name, keys->public_key);
    return ctl_flush(self);
}

int ctl_keygen(struct ctl *self)
{
    const char *const dir = self->settings.out != NULL ? self->settings.out : ".";
    struct casebus_keys keys;
    char why[CASEBUS_WHY_SIZE];
    int rc = casebus_keys_generate(&keys);
    if (rc != 0) {
        return ctl_failed(self, NULL, rc);
    }
    rc = casebus_keys_write(&keys, self->argv[0], dir, why, sizeof why);
    casebus_keys_forget(&keys);
    if (rc != 0) {
        fprintf(stderr, PROGRAM ": %s\n", why);
        return rc == CASEBUS_EINVAL ? EXIT_USAGE : EXIT_NOT_FOUND;
    }
    const int status = print(self, self->argv[0], dir, &keys);
    if (status != EXIT_FINE) {
        fprintf(stderr, PROGRAM ": the key is made all the same: %s/%s.secret and .pub\n", dir,
                self->argv[0]);
    }
    return status;
}

/* --- whoami, can ------------------------------------------------------------------------- */

int ctl_whoami(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_ACTOR_WHOAMI);
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE || self->settings.json) {
        return status != EXIT_FINE ? status : ctl_print_result(self);
    }
    show_record(self->reply.result, &self->out);
    return ctl_flush(self);
}

int ctl_can(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_ACTOR_CAN);
    casebus_call_text(self->call, "actor", self->argv[0]);
    casebus_call_text(self->call, "verb", self->argv[1]);
    ctl_add_text(self, "agency", self->argc > 2 ? self->argv[2] : NULL);
    int status = ctl_ask_for(self, "actor", self->argv[0]);
    if (status != EXIT_FINE) {
        return status;
    }
    const bool can = casebus_as_bool(ctl_result(self, "can"), false);
    if (self->settings.json) {
        status = ctl_print_result(self);
    } else {
        text_add(&self->out, can ? "yes\n" : "no\n");
        status = ctl_flush(self);
    }
    return status == EXIT_FINE && !can ? EXIT_NOT_FOUND : status;
}
