/* casebus-ctl keygen: a key pair in two files. It asks no broker. */
#include "ctl.h"

#include <casebus/keys.h>

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
    return print(self, self->argv[0], dir, &keys);
}
