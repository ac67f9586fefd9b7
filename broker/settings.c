/* The table of settings and everything made from it. */
#include "settings.h"

#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum type { TEXT, FILE_OF, ENDPOINT, BYTES, COUNT_OF, WORD };

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

#define TEXT_AT(member) offsetof(struct settings, member), sizeof(((struct settings *)0)->member)

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
    {"actors", FILE_OF, TEXT_AT(actors), "", 0, 0, NULL, false,
     "who may do what: lines NAME KEY ROLE[,ROLE]; SIGHUP rereads it"},
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

/* Without keys nothing is encrypted, so nothing may leave the machine. */
static bool is_local(const char *endpoint)
{
    static const char *const hosts[] = {"tcp://127.", "tcp://localhost:", "tcp://[::1]:",
                                        "ipc://"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (strncmp(endpoint, hosts[i], strlen(hosts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* libzmq takes such a port modulo 65536. */
static bool has_no_such_port(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    return strncmp(endpoint, "tcp://", 6) == 0 && colon && strtoul(colon + 1, NULL, 10) > 65535;
}

const char *settings_endpoint_fault(const char *value, size_t size)
{
    if (strncmp(value, "tcp://", 6) != 0 && strncmp(value, "ipc://", 6) != 0) {
        return "must be an endpoint, tcp://ADDRESS:PORT or ipc://PATH";
    }
    if (has_no_such_port(value)) {
        return "has a port above 65535";
    }
    return strlen(value) >= size ? "is too long" : NULL;
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
        return settings_endpoint_fault(value, t->size);
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

/* Whoever may enter the folder may connect, and plain ipc is `local`. */
static const char *folder_fault(const char *endpoint)
{
    const char *path = endpoint + strlen("ipc://"), *slash = strrchr(path, '/');
    char folder[256];
    struct stat st;
    if (path[0] == '@' || strcmp(path, "*") == 0) {
        return "must be a path where --secret is given, in a folder of our own with mode 0700";
    }
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (stat(folder[0] ? folder : "/", &st) != 0 || !S_ISDIR(st.st_mode)) {
        return "has no folder to be in";
    }
    return st.st_uid != geteuid() || (st.st_mode & 077)
               ? "must be in a folder of our own with mode 0700, where --secret is given: who "
                 "connects there needs no key"
               : NULL;
}

static const char *endpoint_fault(const struct settings *s, const char *endpoint)
{
    if (s->secret[0] == '\0') {
        return is_local(endpoint)
                   ? NULL
                   : "must be on this machine, tcp://127.0.0.1:PORT or ipc://PATH: without "
                     "--secret endpoints are not encrypted";
    }
    return strncmp(endpoint, "ipc://", 6) == 0 ? folder_fault(endpoint) : NULL;
}

static bool check_endpoint(const struct settings *s, const char *name, const char *endpoint,
                           char *why, size_t why_size)
{
    const char *fault = endpoint_fault(s, endpoint);
    if (fault) {
        snprintf(why, why_size, "%s: %s (not \"%s\")", name, fault, endpoint);
    }
    return fault == NULL;
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
        good = table[i].type != ENDPOINT ||
               check_endpoint(s, table[i].name, (const char *)s + table[i].offset, why, why_size);
    }
    for (unsigned i = 0; i < s->audiences.count && good; i++) {
        const struct audience *a = &s->audiences.audience[i];
        good = check_endpoint(s, a->name, a->endpoint, why, why_size) &&
               audience_check_roles(a, &s->roles, why, why_size);
    }
    return good;
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

/* One line of the file, of `size` bytes; `fault` gets what is wrong with it. `section`: it is in
 * one. */
static bool read_line(struct settings *s, char *line, size_t size, bool *section, char *fault,
                      size_t fault_size)
{
    if (strlen(line) != size) {
        snprintf(fault, fault_size, "a NUL byte: is this a settings file?");
        return false;
    }
    char *text = trim(line);
    if (*text == '\0' || *text == '#') {
        return true;
    }
    if (*text == '[') {
        bool good = !*section || audience_end(&s->audiences, fault, fault_size);
        *section = true;
        return good && begin_section(s, text, fault, fault_size);
    }
    char *equals = strchr(text, '=');
    if (!equals) {
        snprintf(fault, fault_size, "expected name = value");
        return false;
    }
    *equals = '\0';
    const char *name = trim(text), *value = trim(equals + 1);
    if (*section) {
        return audience_set(&s->audiences, name, value, fault, fault_size);
    }
    return strncmp(name, "role.", 5) == 0
               ? roles_add(&s->roles, name + 5, value, fault, fault_size)
               : settings_set(s, name, value, fault, fault_size);
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
    bool good = true, section = false;
    unsigned n = 0;
    while (good && (size = getline(&line, &room, file)) >= 0) {
        n++;
        good = read_line(s, line, (size_t)size, &section, fault, sizeof fault);
    }
    good = good && (!section || audience_end(&s->audiences, fault, sizeof fault));
    if (!good) {
        snprintf(why, why_size, "%s:%u: %s", path, n, fault);
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
        fprintf(out, "  %-22s %s%s%s%s%s\n", flag, t->help, t->preset[0] ? " [" : "", t->preset,
                t->preset[0] ? "]" : "", t->reloads ? "; SIGHUP rereads it" : "");
    }
    roles_help(out);
    fprintf(out, "\nAudiences, as sections \"[audience NAME]\" of the settings file, at most %d: each is\n"
                 "an endpoint for subscribers who are not shown everything.\n", AUDIENCES_MAX);
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

void settings_reload(struct settings *s, const struct settings *fresh)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (table[i].reloads) {
            memcpy((char *)s + table[i].offset, (const char *)fresh + table[i].offset,
                   table[i].size);
        }
    }
    s->roles = fresh->roles;
}
