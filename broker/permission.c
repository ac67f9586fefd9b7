/* Verbs and roles; see permission.h. */
#include "permission.h"

#include <string.h>

static const char *const verb_names[VERB_COUNT] = {
#define X(symbol, name, help) [symbol] = name,
    VERBS(X)
#undef X
};

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

bool verb_find(struct casebus_bytes name, enum verb *verb)
{
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if (casebus_bytes_is(name, verb_names[i])) {
            *verb = (enum verb)i;
            return true;
        }
    }
    return false;
}

enum verb verb_of_report(enum casebus_report_kind kind)
{
    switch (kind) {
    case CASEBUS_REPORT_EDITED:
        return VERB_REPORT_EDITED;
    case CASEBUS_REPORT_DELETED:
        return VERB_REPORT_DELETED;
    case CASEBUS_REPORT_REDACTED:
        return VERB_REPORT_REDACTED;
    default:
        return VERB_REPORT_SCRAPED;
    }
}

void roles_help(FILE *out)
{
    static const char *const helps[VERB_COUNT] = {
#define X(symbol, name, help) [symbol] = help,
        VERBS(X)
#undef X
    };
    fprintf(out, "\nRoles beside admin, scraper, viewer and curator, as lines of the settings "
                 "file before its\nsections: role.NAME = VERB[@AGENCY[+AGENCY...]], ...\n");
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        fprintf(out, "  %-22s %s\n", verb_names[i], helps[i]);
    }
}

void roles_init(struct roles *self)
{
    static const struct role built_in[ROLES_BUILT_IN] = {
        {.name = "admin", .everywhere = VERBS_ALL},
        {.name = "scraper", .everywhere = VERB_BIT(VERB_REPORT_SCRAPED)},
        {.name = "viewer", .everywhere = VERB_BIT(VERB_WATCH) | VERB_BIT(VERB_ASK)},
        {.name = "curator",
         .everywhere = VERB_BIT(VERB_WATCH) | VERB_BIT(VERB_ASK) |
                       VERB_BIT(VERB_REPORT_EDITED) | VERB_BIT(VERB_DECIDE) |
                       VERB_BIT(VERB_STOP)},
    };
    memset(self, 0, sizeof *self);
    self->count = ROLES_BUILT_IN;
    memcpy(self->role, built_in, sizeof built_in);
}

int roles_find(const struct roles *self, struct casebus_bytes name)
{
    for (unsigned i = 0; i < self->count; i++) {
        if (casebus_bytes_is(name, self->role[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

/* --- reading ------------------------------------------------------------------------------ */

/* Takes what stands before the next `end` off the front of *rest, and trims blanks from it.
 * False: nothing was left. */
static bool next_part(struct casebus_bytes *rest, char end, struct casebus_bytes *part)
{
    if (!rest->data) {
        return false;
    }
    const unsigned char *at = memchr(rest->data, end, rest->size);
    size_t size = at ? (size_t)(at - rest->data) : rest->size;
    *part = casebus_bytes(rest->data, size);
    *rest = at ? casebus_bytes(at + 1, rest->size - size - 1) : casebus_bytes(NULL, 0);
    while (part->size > 0 && part->data[0] == ' ') {
        *part = casebus_bytes(part->data + 1, part->size - 1);
    }
    while (part->size > 0 && part->data[part->size - 1] == ' ') {
        part->size--;
    }
    return true;
}

static struct grant *grant_of(struct role *role, struct casebus_bytes agency)
{
    for (unsigned i = 0; i < role->count; i++) {
        if (casebus_bytes_is(agency, role->at[i].agency)) {
            return &role->at[i];
        }
    }
    if (role->count == ROLE_AGENCIES_MAX) {
        return NULL;
    }
    struct grant *grant = &role->at[role->count++];
    memset(grant, 0, sizeof *grant);
    memcpy(grant->agency, agency.data, agency.size);
    return grant;
}

static const char *add_grant(struct role *role, struct casebus_bytes text)
{
    struct casebus_bytes name, agency;
    enum verb verb;
    bool some = memchr(text.data, '@', text.size) != NULL;
    next_part(&text, '@', &name);
    if (!verb_find(name, &verb)) {
        return "is not a verb";
    }
    if (!some) {
        role->everywhere |= VERB_BIT(verb);
        return NULL;
    }
    while (next_part(&text, '+', &agency)) {
        struct grant *grant = casebus_agency_valid(agency) ? grant_of(role, agency) : NULL;
        if (!grant) {
            return casebus_agency_valid(agency) ? "is one agency too many"
                                                : "has what is no agency's code behind its @";
        }
        grant->verbs |= VERB_BIT(verb);
    }
    return NULL;
}

bool role_name_valid(struct casebus_bytes name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = 0;
    while (size < name.size && memchr(letters, name.data[size], sizeof letters - 1)) {
        size++;
    }
    return size > 0 && size == name.size && size <= ROLE_NAME_MAX;
}

static const char *name_fault(const struct roles *self, const char *name)
{
    if (!role_name_valid(casebus_cstr(name))) {
        return "a role's name has 1 to 31 lower-case letters, digits, - and _";
    }
    if (roles_find(self, casebus_cstr(name)) >= 0) {
        return "there is a role of this name already";
    }
    return self->count == ROLES_MAX ? "too many roles" : NULL;
}

bool roles_add(struct roles *self, const char *name, const char *permissions, char *why,
               size_t why_size)
{
    const char *fault = name_fault(self, name);
    if (fault) {
        snprintf(why, why_size, "role.%s: %s", name, fault);
        return false;
    }
    struct role *role = &self->role[self->count];
    struct casebus_bytes rest = casebus_cstr(permissions), part;
    memset(role, 0, sizeof *role);
    snprintf(role->name, sizeof role->name, "%s", name);
    while (next_part(&rest, ',', &part)) {
        fault = add_grant(role, part);
        if (fault) {
            snprintf(why, why_size, "role.%s: \"%.*s\" %s", name, (int)part.size,
                     (const char *)part.data, fault);
            return false;
        }
    }
    self->count++;
    return true;
}

static void add_verbs(uint32_t verbs, const char *agency, char *text, size_t size)
{
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if (verbs & VERB_BIT(i)) {
            size_t at = strlen(text);
            snprintf(text + at, size - at, "%s%s%s%s", at > 0 ? ", " : "", verb_names[i],
                     agency[0] ? "@" : "", agency);
        }
    }
}

void role_print(const struct role *self, char *text, size_t size)
{
    text[0] = '\0';
    add_verbs(self->everywhere, "", text, size);
    for (unsigned i = 0; i < self->count; i++) {
        add_verbs(self->at[i].verbs, self->at[i].agency, text, size);
    }
}

/* --- asking ------------------------------------------------------------------------------- */

uint32_t role_verbs(const struct role *self, struct casebus_bytes agency)
{
    uint32_t verbs = self->everywhere;
    for (unsigned i = 0; agency.data && i < self->count; i++) {
        if (casebus_bytes_is(agency, self->at[i].agency)) {
            verbs |= self->at[i].verbs;
        }
    }
    return verbs;
}

uint32_t role_verbs_somewhere(const struct role *self)
{
    uint32_t verbs = self->everywhere;
    for (unsigned i = 0; i < self->count; i++) {
        verbs |= self->at[i].verbs;
    }
    return verbs;
}
