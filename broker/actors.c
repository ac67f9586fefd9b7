/* The table of actors; see actors.h.
 *
 * A table is reference-counted: each thread holds the one it looks into, and the last to let go
 * frees it. Keys stand in an array of their own, sorted, since each message of a keyed peer is
 * looked up there. */
#include "actors.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_PER_ACTOR 2 /* the one that goes, the one that comes */

struct known_key {
    char key[CASEBUS_KEY_SIZE + 1];
    unsigned actor; /* his index */
};

struct actor_table {
    atomic_uint held;
    struct roles roles;
    unsigned count, key_count;
    unsigned *line,
        *keys; /* while the file is read: of each actor, his first line and his keys */
    struct actor *actor;   /* ACTORS_MAX of them; as the file has them */
    struct known_key *key; /* sorted once the file has been read */
};

static void table_free(struct actor_table *self)
{
    free(self->line);
    free(self->keys);
    free(self->actor);
    free(self->key);
    free(self);
}

static struct actor_table *table_new(const struct roles *roles)
{
    struct actor_table *self = calloc(1, sizeof *self);
    if (!self) {
        return NULL;
    }
    self->held = 1;
    self->roles = *roles;
    self->line = calloc(ACTORS_MAX, sizeof *self->line);
    self->keys = calloc(ACTORS_MAX, sizeof *self->keys);
    self->actor = calloc(ACTORS_MAX, sizeof *self->actor);
    self->key = calloc(ACTORS_MAX * KEYS_PER_ACTOR, sizeof *self->key);
    if (!self->line || !self->keys || !self->actor || !self->key) {
        table_free(self);
        return NULL;
    }
    return self;
}

void actor_table_release(const struct actor_table *self)
{
    struct actor_table *mine = (struct actor_table *)(uintptr_t)self;
    if (mine && atomic_fetch_sub(&mine->held, 1) == 1) {
        table_free(mine);
    }
}

/* --- looking ------------------------------------------------------------------------------ */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct known_key *)a)->key, ((const struct known_key *)b)->key);
}

bool actors_have_keys(const struct actor_table *self)
{
    return self->key_count > 0;
}

const struct actor *actor_by_key(const struct actor_table *self, const char *key)
{
    struct known_key sought;
    if (strlen(key) != CASEBUS_KEY_SIZE) {
        return NULL;
    }
    memcpy(sought.key, key, sizeof sought.key);
    const struct known_key *found =
        bsearch(&sought, self->key, self->key_count, sizeof sought, compare_keys);
    return found ? &self->actor[found->actor] : NULL;
}

const struct actor *actor_by_name(const struct actor_table *self, struct casebus_bytes name)
{
    for (unsigned i = 0; i < self->count; i++) {
        if (casebus_bytes_is(name, self->actor[i].name)) {
            return &self->actor[i];
        }
    }
    return NULL;
}

unsigned actor_count(const struct actor_table *self)
{
    return self->count;
}

static bool has_role(const struct actor *actor, unsigned role)
{
    return (actor->roles & UINT32_C(1) << role) != 0;
}

bool actor_has_role(const struct actor_table *self, const struct actor *actor, const char *role)
{
    int index = roles_find(&self->roles, casebus_cstr(role));
    return index >= 0 && has_role(actor, (unsigned)index);
}

bool actor_may(const struct actor_table *self, const struct actor *actor, enum verb verb,
               struct casebus_bytes agency)
{
    for (unsigned i = 0; i < self->roles.count; i++) {
        if (has_role(actor, i) &&
            (role_verbs(&self->roles.role[i], agency) & VERB_BIT(verb)) != 0) {
            return true;
        }
    }
    return false;
}

static void add_agency(const char *agency, const char **agencies, unsigned *count, unsigned max)
{
    for (unsigned i = 0; i < *count; i++) {
        if (strcmp(agencies[i], agency) == 0) {
            return;
        }
    }
    if (*count < max) {
        agencies[(*count)++] = agency;
    }
}

int actor_agencies(const struct actor_table *self, const struct actor *actor, enum verb verb,
                   const char **agencies, unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; i < self->roles.count; i++) {
        const struct role *role = &self->roles.role[i];
        if (has_role(actor, i) && (role->everywhere & VERB_BIT(verb))) {
            return -1;
        }
        for (unsigned n = 0; has_role(actor, i) && n < role->count; n++) {
            if (role->at[n].verbs & VERB_BIT(verb)) {
                add_agency(role->at[n].agency, agencies, &count, max);
            }
        }
    }
    return (int)count;
}

void actor_roles(const struct actor_table *self, const struct actor *actor, char *text,
                 size_t size)
{
    text[0] = '\0';
    for (unsigned i = 0; i < self->roles.count; i++) {
        if (has_role(actor, i)) {
            size_t at = strlen(text);
            snprintf(text + at, size - at, "%s%s", at > 0 ? "," : "", self->roles.role[i].name);
        }
    }
}

/* --- reading ------------------------------------------------------------------------------ */

/* What is wrong with a line, as a sentence; it may quote a word of the line, and the number of
 * another line. */
struct fault {
    char text[256];
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct fault *fault, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return false;
}

static bool read_roles(const struct actor_table *self, char *text, uint32_t *roles,
                       struct fault *fault)
{
    *roles = 0;
    for (char *rest = text, *name; (name = strsep(&rest, ",")) != NULL;) {
        int role = roles_find(&self->roles, casebus_cstr(name));
        if (role < 0) {
            return wrong(fault, "there is no role \"%s\"", name);
        }
        *roles |= UINT32_C(1) << role;
    }
    return true;
}

static uint32_t verbs_somewhere(const struct actor_table *self, uint32_t roles)
{
    uint32_t verbs = 0;
    for (unsigned i = 0; i < self->roles.count; i++) {
        verbs |= roles & UINT32_C(1) << i ? role_verbs_somewhere(&self->roles.role[i]) : 0;
    }
    return verbs;
}

/* The actor of the line, a new one or one that was there before with the same roles. */
static struct actor *find_or_add(struct actor_table *self, const char *name, uint32_t roles,
                                 unsigned line, struct fault *fault)
{
    const struct actor *known = actor_by_name(self, casebus_cstr(name));
    if (known && known->roles != roles) {
        wrong(fault, "%s has other roles in line %u", name, self->line[known - self->actor]);
        return NULL;
    }
    if (known) {
        return &self->actor[known - self->actor];
    }
    if (self->count == ACTORS_MAX) {
        wrong(fault, "more than %d actors", ACTORS_MAX);
        return NULL;
    }
    struct actor *actor = &self->actor[self->count];
    self->line[self->count++] = line;
    snprintf(actor->name, sizeof actor->name, "%s", name);
    actor->roles = roles;
    actor->somewhere = verbs_somewhere(self, roles);
    return actor;
}

static bool add_key(struct actor_table *self, const struct actor *actor, const char *key,
                    struct fault *fault)
{
    unsigned index = (unsigned)(actor - self->actor);
    for (unsigned i = 0; i < self->key_count; i++) {
        if (strcmp(self->key[i].key, key) == 0) {
            return wrong(fault, "%s has this key already",
                         self->actor[self->key[i].actor].name);
        }
    }
    if (self->keys[index] == KEYS_PER_ACTOR) {
        return wrong(fault, "%s has two keys already, which is as many as a rotation needs",
                     actor->name);
    }
    self->keys[index]++;
    struct known_key *known = &self->key[self->key_count++];
    snprintf(known->key, sizeof known->key, "%s", key);
    known->actor = index;
    return true;
}

static bool check_words(const char *name, const char *key, const char *roles, const char *more,
                        struct fault *fault)
{
    if (!roles || more) {
        return wrong(fault, "expected NAME KEY ROLE[,ROLE]");
    }
    if (!casebus_key_name_valid(name)) {
        return wrong(fault, "\"%.80s\" is no name: lower-case letters, digits, '.', '_', '-'",
                     name);
    }
    if (strcmp(name, "broker") == 0) {
        return wrong(fault, "broker is the broker's own name");
    }
    bool keyless = strcmp(key, "-") == 0;
    if (strcmp(name, ACTOR_LOCAL) == 0 && !keyless) {
        return wrong(fault, "local is who comes without a key: \"local - ROLE\"");
    }
    return keyless || casebus_key_valid(key) ||
           wrong(fault, "\"%.80s\" is no public key (40 characters of Z85), nor -", key);
}

static bool take_line(struct actor_table *self, char *line, unsigned number,
                      struct fault *fault)
{
    static const char blanks[] = " \t\r\n", mark[] = "\xef\xbb\xbf"; /* of some editors */
    char *save = NULL;
    line += number == 1 && strncmp(line, mark, strlen(mark)) == 0 ? strlen(mark) : 0;
    char *name = line[0] == '#' ? NULL : strtok_r(line, blanks, &save);
    if (!name) {
        return true;
    }
    char *key = strtok_r(NULL, blanks, &save), *role_names = strtok_r(NULL, blanks, &save);
    uint32_t roles;
    if (!check_words(name, key, role_names, strtok_r(NULL, blanks, &save), fault) ||
        !read_roles(self, role_names, &roles, fault)) {
        return false;
    }
    bool known = actor_by_name(self, casebus_cstr(name)) != NULL,
         keyless = strcmp(key, "-") == 0;
    struct actor *actor = find_or_add(self, name, roles, number, fault);
    if (!actor) {
        return false;
    }
    if (keyless) {
        return !known || wrong(fault, "%s stands in line %u already", name,
                               self->line[actor - self->actor]);
    }
    return add_key(self, actor, key, fault);
}

/* Whoever can change the file can make himself admin. */
static const char *file_fault(FILE *file)
{
    struct stat st;
    if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
        return "not a file";
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return "it belongs to another user";
    }
    return st.st_mode & 022 ? "others may change it: chmod go-w" : NULL;
}

#define LINE_BYTES_MAX 1024

static bool read_lines(struct actor_table *self, FILE *file, const char *path, char *why,
                       size_t why_size)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    struct fault fault;
    bool good = true;
    for (unsigned n = 1; good && (size = getline(&line, &room, file)) >= 0; n++) {
        good = (size <= LINE_BYTES_MAX ||
                wrong(&fault, "a line of more than %d bytes", LINE_BYTES_MAX)) &&
               (strlen(line) == (size_t)size ||
                wrong(&fault, "a NUL byte: is this an actors file?")) &&
               take_line(self, line, n, &fault);
        if (!good) {
            snprintf(why, why_size, "%s:%u: %s", path, n, fault.text);
        }
    }
    free(line);
    if (!good) {
        return false;
    }
    if (ferror(file)) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return false;
    }
    if (self->count == 0) {
        snprintf(
            why, why_size,
            "%s: no actor in it, so nobody could connect: was it cut off while it was written? "
            "A line is NAME KEY ROLE[,ROLE]",
            path);
        return false;
    }
    qsort(self->key, self->key_count, sizeof *self->key, compare_keys);
    return true;
}

static bool read_file(struct actor_table *self, const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "re");
    const char *fault = file ? file_fault(file) : strerror(errno);
    bool good = fault == NULL;
    if (good) {
        good = read_lines(self, file, path, why, why_size);
    } else {
        snprintf(why, why_size, "%s: %s", path, fault);
    }
    if (file) {
        fclose(file);
    }
    return good;
}

struct actor_table *actor_table_read(const char *path, const struct roles *roles, char *why,
                                     size_t why_size)
{
    struct fault fault;
    struct actor_table *self = table_new(roles);
    if (!self) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    if (!path) { /* nobody is told apart, and all may everything */
        find_or_add(self, ACTOR_LOCAL, 1, 0, &fault);
    } else if (!read_file(self, path, why, why_size)) {
        actor_table_release(self);
        return NULL;
    }
    return self;
}

/* --- what a new one takes away ------------------------------------------------------------ */

static bool lost_verb(const struct actor_table *before, const struct actor *was,
                      const struct actor_table *after, const struct actor *is, enum verb verb)
{
    const char *agencies[CASEBUS_AGENCIES_MAX];
    int n = actor_agencies(before, was, verb, agencies, CASEBUS_AGENCIES_MAX);
    bool lost = n < 0 && !actor_may(after, is, verb, casebus_bytes(NULL, 0));
    for (int i = 0; i < n && !lost; i++) {
        lost = !actor_may(after, is, verb, casebus_cstr(agencies[i]));
    }
    return lost;
}

/* A role may have been what let him into an audience. */
static bool lost_role(const struct actor_table *before, const struct actor *was,
                      const struct actor_table *after, const struct actor *is)
{
    for (unsigned i = 0; i < before->roles.count; i++) {
        if (has_role(was, i) && !actor_has_role(after, is, before->roles.role[i].name)) {
            return true;
        }
    }
    return false;
}

static bool lost_anything(const struct actor_table *before, const struct actor *was,
                          const struct actor_table *after)
{
    const struct actor *is = actor_by_name(after, casebus_cstr(was->name));
    bool lost = is == NULL || lost_role(before, was, after, is);
    for (unsigned v = 0; v < VERB_COUNT && !lost; v++) {
        lost = lost_verb(before, was, after, is, (enum verb)v);
    }
    return lost;
}

bool actors_lost(const struct actor_table *before, const struct actor_table *after)
{
    for (unsigned i = 0; i < before->key_count; i++) {
        const struct actor *was = &before->actor[before->key[i].actor];
        const struct actor *is = actor_by_key(after, before->key[i].key);
        if (!is || strcmp(is->name, was->name) != 0) {
            return true;
        }
    }
    for (unsigned i = 0; i < before->count; i++) {
        if (lost_anything(before, &before->actor[i], after)) {
            return true;
        }
    }
    return false;
}

/* --- the table in force ------------------------------------------------------------------- */

struct actors {
    pthread_mutex_t lock; /* from reading `table` to holding it */
    _Atomic(struct actor_table *) table;
};

struct actors *actors_new(struct actor_table *table)
{
    struct actors *self = calloc(1, sizeof *self);
    if (self) {
        pthread_mutex_init(&self->lock, NULL);
        atomic_store(&self->table, table);
    }
    return self;
}

void actors_destroy(struct actors **self_p)
{
    struct actors *self = *self_p;
    *self_p = NULL;
    if (self) {
        actor_table_release(atomic_load(&self->table));
        pthread_mutex_destroy(&self->lock);
        free(self);
    }
}

void actors_swap(struct actors *self, struct actor_table *table)
{
    pthread_mutex_lock(&self->lock);
    struct actor_table *before = atomic_exchange(&self->table, table);
    pthread_mutex_unlock(&self->lock);
    actor_table_release(before);
}

bool actors_refresh(struct actors *self, const struct actor_table **held)
{
    if (atomic_load_explicit(&self->table, memory_order_acquire) == *held) {
        return false; /* it is held, so no other can stand at its place */
    }
    pthread_mutex_lock(&self->lock);
    struct actor_table *table = atomic_load(&self->table);
    atomic_fetch_add(&table->held, 1);
    pthread_mutex_unlock(&self->lock);
    actor_table_release(*held);
    *held = table;
    return true;
}
