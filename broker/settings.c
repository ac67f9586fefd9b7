/* The table of settings and everything made from it. */
#include "settings.h"

#include "endpoint.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum type {
    TEXT,
    FILE_OF,
    ENDPOINT,
    BYTES,
    COUNT_OF,
    WORD
};

struct setting {
    const char *name;
    enum type type;
    size_t offset, size;
    const char *preset;
    uint64_t min, max;
    const char *words; /* of a WORD: "a b c" */
    bool reloads;
    const char *help;
};

#define TEXT_AT(member)                                                                        \
    offsetof(struct settings, member), sizeof(((struct settings *)0)->member)

static const struct setting table[] = {
    {"data", TEXT, TEXT_AT(data), "", 0, 0, NULL, false,
     "folder of the store; made where it is missing"},
    {"ingest", ENDPOINT, TEXT_AT(ingest), CASEBUS_INGEST_DEFAULT, 0, 0, NULL, false,
     "endpoint for publishers"},
    {"fanout", ENDPOINT, TEXT_AT(fanout), CASEBUS_FANOUT_DEFAULT, 0, 0, NULL, false,
     "endpoint for subscribers"},
    {"query", ENDPOINT, TEXT_AT(query), CASEBUS_QUERY_DEFAULT, 0, 0, NULL, false,
     "endpoint for requests"},
    {"secret", FILE_OF, TEXT_AT(secret), "", 0, 0, NULL, false,
     "the broker's key pair: TCP endpoints then take only keys of --actors"},
    {"actors", FILE_OF, TEXT_AT(actors), "", 0, 0, NULL, true,
     "who may do what: lines NAME KEY ROLE[,ROLE]"},
    {"map-size", BYTES, TEXT_AT(map_size), "64G", 16ull << 20, 16ull << 40, NULL, false,
     "the most the store can grow to: address space, not disk (K, M, G, T)"},
    {"retain-events", COUNT_OF, TEXT_AT(retain_events), "0", 0, INT64_MAX, NULL, true,
     "events the log keeps, 0: all; the oldest go, cases stay"},
    {"retain-bytes", BYTES, TEXT_AT(retain_bytes), "0", 0, INT64_MAX, NULL, true,
     "bytes of events the log keeps, 0: all (K, M, G, T)"},
#define X(limit, name, type, preset, what, help)                                               \
    {name, type, TEXT_AT(limits[limit]), preset, 0, INT64_MAX, NULL, true, help},
    LIMITS(X)
#undef X
        {"log-level", WORD, TEXT_AT(log_level), "info", 0, 0, "error warning info debug", true,
         "what is logged to standard error: error, warning, info or debug"},
};
#define COUNT (sizeof table / sizeof *table)

const char *settings_name(unsigned index)
{
    return index < COUNT ? table[index].name : NULL;
}

static bool is_number(const struct setting *t)
{
    return t->type == BYTES || t->type == COUNT_OF;
}

static bool parse_number(const char *value, const char *units, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (errno != 0 || value[0] < '0' || value[0] > '9') { /* it would take " -1", too */
        return false;
    }
    if (*end != '\0') {
        const char *unit = strchr(units, *end);
        unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;
        if (!unit || end[1] != '\0' || n > UINT64_MAX >> shift) {
            return false;
        }
        n <<= shift;
    }
    *number = n;
    return true;
}

static bool is_word(const char *words, const char *value)
{
    size_t n = strlen(value);
    if (strchr(value, ' ')) {
        return false;
    }
    for (const char *at = strstr(words, value); at && n > 0; at = strstr(at + 1, value)) {
        if ((at == words || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ')) {
            return true;
        }
    }
    return false;
}

static const char *fault_of(const struct setting *t, const char *value)
{
    uint64_t number;
    if (is_number(t) && (!parse_number(value, t->type == BYTES ? "KMGT" : "", &number) ||
                         number < t->min || number > t->max)) {
        return t->type == COUNT_OF ? "must be a whole number, 0: no limit"
               : t->min > 0        ? "must be a number of bytes from 16M to 16T, like 64G"
                                   : "must be a number of bytes like 64G, 0: no limit";
    }
    if (t->type == WORD && !is_word(t->words, value)) {
        return "must be one of: error, warning, info, debug";
    }
    if (t->type == ENDPOINT) {
        return endpoint_fault(value, t->size);
    }
    if (!is_number(t) && (value[0] == '\0' || strlen(value) >= t->size)) {
        return value[0] ? "is too long" : "must not be empty";
    }
    return NULL;
}

static void assign(struct settings *s, const struct setting *t, const char *value)
{
    char *at = (char *)s + t->offset;
    if (is_number(t)) {
        uint64_t number = 0;
        parse_number(value, "KMGT", &number);
        memcpy(at, &number, sizeof number);
    } else {
        snprintf(at, t->size, "%s", value);
    }
}

static bool check_endpoint(const struct settings *s, const char *name, const char *endpoint,
                           char *why, size_t why_size)
{
    const char *fault = endpoint_place_fault(endpoint, s->secret[0] != '\0');
    if (fault) {
        snprintf(why, why_size, "%s: %s (not \"%s\")", name, fault, endpoint);
    }
    return fault == NULL;
}

/* --- one endpoint, one socket ------------------------------------------------------------- */

struct place {
    const char *name, *endpoint;
};
#define PLACES_MAX (COUNT + AUDIENCES_MAX)

static unsigned find_places(const struct settings *s, struct place places[PLACES_MAX])
{
    unsigned n = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (table[i].type == ENDPOINT) {
            places[n++] = (struct place){table[i].name, (const char *)s + table[i].offset};
        }
    }
    for (unsigned i = 0; i < s->audiences.count; i++) {
        const struct audience *a = &s->audiences.audience[i];
        places[n++] = (struct place){a->name, a->endpoint};
    }
    return n;
}

static bool check_places(const struct settings *s, char *why, size_t why_size)
{
    struct place places[PLACES_MAX];
    unsigned n = find_places(s, places);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < i; k++) {
            if (endpoint_same_place(places[k].endpoint, places[i].endpoint)) {
                snprintf(why, why_size,
                         "%s: is where %s is already: give it another endpoint (not \"%s\")",
                         places[i].name, places[k].name, places[i].endpoint);
                return false;
            }
        }
    }
    return true;
}

bool settings_check(const struct settings *s, char *why, size_t why_size)
{
    if (s->secret[0] != '\0' && s->actors[0] == '\0') {
        snprintf(why, why_size,
                 "--secret needs --actors FILE: without it no key would be let in");
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < COUNT && good; i++) {
        good =
            table[i].type != ENDPOINT ||
            check_endpoint(s, table[i].name, (const char *)s + table[i].offset, why, why_size);
    }
    for (unsigned i = 0; i < s->audiences.count && good; i++) {
        const struct audience *a = &s->audiences.audience[i];
        good = check_endpoint(s, a->name, a->endpoint, why, why_size) &&
               audience_check_roles(a, &s->roles, why, why_size);
    }
    return good && check_places(s, why, why_size);
}

struct settings settings_default(void)
{
    struct settings s;
    memset(&s, 0, sizeof s);
    roles_init(&s.roles);
    for (size_t i = 0; i < COUNT; i++) {
        assign(&s, &table[i], table[i].preset);
    }
    return s;
}

bool settings_set(struct settings *s, const char *name, const char *value, char *why,
                  size_t why_size)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            const char *fault = fault_of(&table[i], value);
            if (fault) {
                snprintf(why, why_size, "%s: %s (not \"%s\")", name, fault, value);
                return false;
            }
            assign(s, &table[i], value);
            return true;
        }
    }
    snprintf(why, why_size, "%s: there is no such setting", name);
    return false;
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r\n", text[n - 1])) {
        text[--n] = '\0';
    }
    return text;
}

/* --- the file --------------------------------------------------------------------------- */

#define GIVEN_MAX 64 /* more than there are settings */

struct file_reader {
    struct settings *settings;
    unsigned line;
    bool in_section;
    unsigned given; /* names so far, of the settings or of the section at hand */
    struct {
        char name[32];
        unsigned line;
    } seen[GIVEN_MAX];
};

/* A name that is given twice is refused: nobody could tell which of the two counts. */
static bool note_given(struct file_reader *self, const char *name, char *fault,
                       size_t fault_size)
{
    for (unsigned i = 0; i < self->given; i++) {
        if (strcmp(self->seen[i].name, name) == 0) {
            snprintf(fault, fault_size, "%s: stands in line %u already", name,
                     self->seen[i].line);
            return false;
        }
    }
    if (self->given < GIVEN_MAX && strlen(name) < sizeof self->seen->name) {
        snprintf(self->seen[self->given].name, sizeof self->seen->name, "%s", name);
        self->seen[self->given++].line = self->line;
    }
    return true;
}

/* "[audience press]": the lines behind it are of that section. */
static bool begin_section(struct settings *s, char *text, char *fault, size_t fault_size)
{
    static const char kind[] = "audience";
    size_t n = strlen(text);
    if (text[n - 1] != ']' || strncmp(text + 1, kind, sizeof kind - 1) != 0 ||
        !strchr(" \t", text[sizeof kind])) {
        snprintf(fault, fault_size, "expected [audience NAME]");
        return false;
    }
    text[n - 1] = '\0';
    return audience_begin(&s->audiences, trim(text + sizeof kind), fault, fault_size);
}

static bool take_setting(struct file_reader *self, const char *name, const char *value,
                         char *fault, size_t fault_size)
{
    struct settings *s = self->settings;
    if (!self->in_section && strncmp(name, "role.", 5) == 0) {
        return roles_add(&s->roles, name + 5, value, fault, fault_size);
    }
    return note_given(self, name, fault, fault_size) &&
           (self->in_section ? audience_set(&s->audiences, name, value, fault, fault_size)
                             : settings_set(s, name, value, fault, fault_size));
}

/* One line of the file, of `size` bytes; `fault` gets what is wrong with it. */
static bool read_line(struct file_reader *self, char *line, size_t size, char *fault,
                      size_t fault_size)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a file with it */
    struct settings *s = self->settings;
    if (strlen(line) != size) {
        snprintf(fault, fault_size, "a NUL byte: is this a settings file?");
        return false;
    }
    line += self->line == 1 && strncmp(line, mark, strlen(mark)) == 0 ? strlen(mark) : 0;
    char *text = trim(line);
    if (*text == '\0' || *text == '#') {
        return true;
    }
    if (*text == '[') {
        bool good = !self->in_section || audience_end(&s->audiences, fault, fault_size);
        self->in_section = true;
        self->given = 0;
        return good && begin_section(s, text, fault, fault_size);
    }
    char *equals = strchr(text, '=');
    if (!equals) {
        snprintf(fault, fault_size, "expected name = value");
        return false;
    }
    *equals = '\0';
    return take_setting(self, trim(text), trim(equals + 1), fault, fault_size);
}

bool settings_read_file(struct settings *s, const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return false;
    }
    char *line = NULL, fault[5000];
    size_t room = 0;
    ssize_t size;
    struct file_reader reader = {.settings = s};
    bool good = true;
    while (good && (size = getline(&line, &room, file)) >= 0) {
        reader.line++;
        good = read_line(&reader, line, (size_t)size, fault, sizeof fault);
    }
    if (good && ferror(file)) { /* a folder, for one */
        good = false;
        snprintf(why, why_size, "%s: cannot be read as a settings file: %s", path,
                 strerror(errno));
    } else {
        good = good && (!reader.in_section || audience_end(&s->audiences, fault, sizeof fault));
        if (!good) {
            snprintf(why, why_size, "%s:%u: %s", path, reader.line, fault);
        }
    }
    free(line);
    fclose(file);
    return good;
}

void settings_help(FILE *out)
{
    for (size_t i = 0; i < COUNT; i++) {
        const struct setting *t = &table[i];
        char flag[64];
        snprintf(flag, sizeof flag, "--%s %s", t->name,
                 t->type == ENDPOINT   ? "ENDPOINT"
                 : t->type == BYTES    ? "BYTES"
                 : t->type == COUNT_OF ? "COUNT"
                 : t->type == WORD     ? "LEVEL"
                 : t->type == FILE_OF  ? "FILE"
                                       : "DIR");
        fprintf(out, "  %-25s %s%s%s%s%s\n", flag, t->help, t->preset[0] ? " [" : "", t->preset,
                t->preset[0] ? "]" : "", t->reloads ? "; SIGHUP rereads it" : "");
    }
    roles_help(out);
    fprintf(out,
            "\nAudiences, as sections \"[audience NAME]\" of the settings file, at most %d: "
            "each is\n"
            "an endpoint for subscribers who are not shown everything.\n",
            AUDIENCES_MAX);
    audience_help(out);
}

void settings_print(const struct settings *s, FILE *out)
{
    for (size_t i = 0; i < COUNT; i++) {
        const struct setting *t = &table[i];
        const char *at = (const char *)s + t->offset;
        if (is_number(t)) {
            uint64_t number;
            memcpy(&number, at, sizeof number);
            fprintf(out, "%s = %llu\n", t->name, (unsigned long long)number);
        } else {
            fprintf(out, "%s%s = %s\n", at[0] ? "" : "# ", t->name, at);
        }
    }
    for (unsigned i = 0; i < s->roles.count; i++) {
        char text[ROLE_TEXT_MAX];
        role_print(&s->roles.role[i], text, sizeof text);
        fprintf(out, "%srole.%s = %s\n", i < ROLES_BUILT_IN ? "# " : "", s->roles.role[i].name,
                text);
    }
    audiences_print(&s->audiences, out);
}

static bool differs(const struct setting *t, const struct settings *a, const struct settings *b)
{
    const char *at_a = (const char *)a + t->offset, *at_b = (const char *)b + t->offset;
    return is_number(t) ? memcmp(at_a, at_b, t->size) != 0 : strcmp(at_a, at_b) != 0;
}

/* Names, as a list for people. */
static void add_name(char *names, size_t size, const char *name)
{
    size_t at = strlen(names);
    snprintf(names + at, size - at, "%s%s", at > 0 ? ", " : "", name);
}

void settings_reload(struct settings *s, const struct settings *fresh, char *waiting,
                     size_t waiting_size)
{
    waiting[0] = '\0';
    for (size_t i = 0; i < COUNT; i++) {
        const struct setting *t = &table[i];
        if (t->reloads) {
            memcpy((char *)s + t->offset, (const char *)fresh + t->offset, t->size);
        } else if (differs(t, s, fresh)) {
            add_name(waiting, waiting_size, t->name);
        }
    }
    if (memcmp(&s->audiences, &fresh->audiences, sizeof s->audiences) != 0) {
        add_name(waiting, waiting_size, "sections of audiences");
    }
    s->roles = fresh->roles;
}
