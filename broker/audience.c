/* Audiences: the table of a section's lines, and everything made from it. */
#include "audience.h"

#include "endpoint.h"

#define WORDS " ,\t"

/* --- lists ------------------------------------------------------------------------------ */

/* Takes one word of a list; NULL, or why not. */
typedef const char *take_fn(struct audience *a, struct casebus_bytes word);

static bool take_list(struct audience *a, const char *value, take_fn *take, char *why,
                      size_t why_size)
{
    for (value += strspn(value, WORDS); *value; value += strspn(value, WORDS)) {
        size_t size = strcspn(value, WORDS);
        const char *fault = take(a, casebus_bytes(value, size));
        if (fault) {
            snprintf(why, why_size, "%.*s %s", (int)(size < 100 ? size : 100), value, fault);
            return false;
        }
        value += size;
    }
    return true;
}

static const char *take_agency(struct audience *a, struct casebus_bytes word)
{
    return scope_add_agency(&a->scope, word);
}

static const char *take_hidden(struct audience *a, struct casebus_bytes word)
{
    return scope_hide(&a->scope, word);
}

static bool is_name(struct casebus_bytes text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < text.size; i++) {
        if (!strchr(letters, text.data[i]) &&
            (i == 0 || !strchr("0123456789_-", text.data[i]))) {
            return false;
        }
    }
    return text.size > 0 && text.size < AUDIENCE_NAME_MAX && !memchr(text.data, 0, text.size);
}

/* Whether there is such a role is asked once all lines are known (audience_check_roles). */
static const char *take_role(struct audience *a, struct casebus_bytes word)
{
    if (!role_name_valid(word)) {
        return "is no name of a role, lower-case letters, digits, - and _";
    }
    if (a->roles == AUDIENCE_ROLES_MAX) {
        return "is one role too many";
    }
    memcpy(a->role[a->roles++], word.data, word.size);
    return NULL;
}

/* --- the lines -------------------------------------------------------------------------- */

typedef bool set_fn(struct audience *a, const char *value, char *why, size_t why_size);

static bool set_endpoint(struct audience *a, const char *value, char *why, size_t why_size)
{
    const char *fault = endpoint_fault(value, sizeof a->endpoint);
    snprintf(why, why_size, "%s", fault ? fault : "");
    snprintf(a->endpoint, sizeof a->endpoint, "%s", value);
    return !fault;
}

static bool set_agencies(struct audience *a, const char *value, char *why, size_t why_size)
{
    a->scope.agencies = 0;
    if (!take_list(a, value, take_agency, why, why_size)) {
        return false;
    }
    snprintf(why, why_size, "must name an agency; without this line it is all of them");
    return a->scope.agencies > 0;
}

static bool set_form(struct audience *a, const char *value, char *why, size_t why_size)
{
    for (unsigned form = 0; form < FORM_COUNT; form++) {
        if (strcmp(value, form_words[form]) == 0) {
            a->scope.form = (enum form)form;
            return true;
        }
    }
    snprintf(why, why_size, "must be full or thin");
    return false;
}

static bool set_without(struct audience *a, const char *value, char *why, size_t why_size)
{
    a->scope.hidden = 0;
    return take_list(a, value, take_hidden, why, why_size);
}

static bool set_roles(struct audience *a, const char *value, char *why, size_t why_size)
{
    memset(a->role, 0, sizeof a->role);
    a->roles = 0;
    return take_list(a, value, take_role, why, why_size);
}

static void print_agencies(const struct audience *a, FILE *out)
{
    for (unsigned i = 0; i < a->scope.agencies; i++) {
        fprintf(out, " %.*s", (int)a->scope.agency[i].size, a->scope.agency[i].code);
    }
}

static void print_without(const struct audience *a, FILE *out)
{
    for (unsigned i = 0; i < a->scope.hidden; i++) {
        fprintf(out, " %.*s", (int)a->scope.field[i].size, a->scope.field[i].name);
    }
}

static void print_endpoint(const struct audience *a, FILE *out)
{
    fprintf(out, " %s", a->endpoint);
}

static void print_form(const struct audience *a, FILE *out)
{
    fprintf(out, " %s", form_words[a->scope.form]);
}

static void print_roles(const struct audience *a, FILE *out)
{
    for (unsigned i = 0; i < a->roles; i++) {
        fprintf(out, " %s", a->role[i]);
    }
}

static bool always(const struct audience *a)
{
    (void)a;
    return true;
}

static bool has_agencies(const struct audience *a)
{
    return a->scope.agencies > 0;
}

static bool has_hidden(const struct audience *a)
{
    return a->scope.hidden > 0;
}

static bool has_roles(const struct audience *a)
{
    return a->roles > 0;
}

static const struct line {
    const char *name, *argument, *help;
    set_fn *set;
    bool (*is_set)(const struct audience *a);
    void (*print)(const struct audience *a, FILE *out);
} lines[] = {
    {"endpoint", "ENDPOINT", "where its subscribers connect; required", set_endpoint, always,
     print_endpoint},
    {"agencies", "CODE...", "whose events it is shown [all]", set_agencies, has_agencies,
     print_agencies},
    {"form", "FORM", "full or thin: ids, versions and names of fields only [full]", set_form,
     always, print_form},
    {"without", "FIELD...", "fields it is not shown, as offender.name", set_without, has_hidden,
     print_without},
    {"roles", "ROLE...", "who may connect, beside those who may watch all agencies", set_roles,
     has_roles, print_roles},
};
#define LINES (sizeof lines / sizeof *lines)

/* --- sections --------------------------------------------------------------------------- */

const struct audience *audience_find(const struct audiences *all, struct casebus_bytes name)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (casebus_bytes_is(name, all->audience[i].name)) {
            return &all->audience[i];
        }
    }
    return NULL;
}

/* --- who is of which -------------------------------------------------------------------- */

bool audience_has(const struct audience *self, const struct actor_table *table,
                  const struct actor *actor)
{
    for (unsigned i = 0; i < self->roles; i++) {
        if (actor_has_role(table, actor, self->role[i])) {
            return true;
        }
    }
    return false;
}

bool audience_admits(const struct audience *self, const struct actor_table *table,
                     const struct actor *actor)
{
    return audience_has(self, table, actor) ||
           actor_may(table, actor, VERB_WATCH, casebus_bytes(NULL, 0));
}

const struct audience *audience_of(const struct audiences *all, const struct actor_table *table,
                                   const struct actor *actor, struct casebus_bytes named)
{
    for (unsigned i = 0; i < all->count; i++) {
        const struct audience *a = &all->audience[i];
        if (named.data ? casebus_bytes_is(named, a->name) && audience_admits(a, table, actor)
                       : audience_has(a, table, actor)) {
            return a;
        }
    }
    return NULL;
}

void audience_domain(const char *name, char domain[DOMAIN_SIZE])
{
    snprintf(domain, DOMAIN_SIZE, "%s%s", name ? "fanout-" : "fanout", name ? name : "");
}

bool audience_check_roles(const struct audience *self, const struct roles *roles, char *why,
                          size_t why_size)
{
    for (unsigned i = 0; i < self->roles; i++) {
        if (roles_find(roles, casebus_cstr(self->role[i])) < 0) {
            snprintf(why, why_size, "audience %s: there is no role \"%s\"", self->name,
                     self->role[i]);
            return false;
        }
    }
    return true;
}

bool audience_begin(struct audiences *all, const char *name, char *why, size_t why_size)
{
    struct casebus_bytes text = casebus_cstr(name);
    if (!is_name(text)) {
        snprintf(why, why_size,
                 "an audience's name is lower-case letters, digits, - and _, at most 63");
    } else if (audience_find(all, text)) {
        snprintf(why, why_size, "there are two audiences %s", name);
    } else if (all->count == AUDIENCES_MAX) {
        snprintf(why, why_size, "there are at most %d audiences", AUDIENCES_MAX);
    } else {
        struct audience *a = &all->audience[all->count++];
        memset(a, 0, sizeof *a);
        memcpy(a->name, name, text.size);
        return true;
    }
    return false;
}

bool audience_set(struct audiences *all, const char *name, const char *value, char *why,
                  size_t why_size)
{
    char fault[512] = "";
    struct audience *a = &all->audience[all->count - 1];
    for (size_t i = 0; i < LINES; i++) {
        if (strcmp(lines[i].name, name) == 0) {
            bool good = lines[i].set(a, value, fault, sizeof fault);
            snprintf(why, why_size, "audience %s: %s: %s", a->name, name, fault);
            return good;
        }
    }
    snprintf(why, why_size, "audience %s: %s: there is no such setting of an audience", a->name,
             name);
    return false;
}

bool audience_end(const struct audiences *all, char *why, size_t why_size)
{
    const struct audience *a = &all->audience[all->count - 1];
    if (a->endpoint[0] == '\0') {
        snprintf(why, why_size, "audience %s: endpoint: is required", a->name);
    } else if (a->scope.form == FORM_THIN && a->scope.hidden > 0) {
        snprintf(why, why_size,
                 "audience %s: without: does not go with form = thin, which shows less",
                 a->name);
    } else {
        return true;
    }
    return false;
}

void audience_help(FILE *out)
{
    for (size_t i = 0; i < LINES; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s = %s", lines[i].name, lines[i].argument);
        fprintf(out, "  %-22s %s\n", left, lines[i].help);
    }
}

void audiences_print(const struct audiences *all, FILE *out)
{
    for (unsigned i = 0; i < all->count; i++) {
        const struct audience *a = &all->audience[i];
        fprintf(out, "\n[audience %s]\n", a->name);
        for (size_t k = 0; k < LINES; k++) {
            if (lines[k].is_set(a)) {
                fprintf(out, "%s =", lines[k].name);
                lines[k].print(a, out);
                fputc('\n', out);
            }
        }
    }
}
