/* The actors file, under a settings file's roles: it is a table or a sentence with the line,
 * and who is in the table is found by name, may what his roles say and no more.
 *
 * The bytes are settings lines and a NUL, then the file. */
#include "fuzz.h"

#include "actors.h"
#include "settings.h"

static char why[8192];

static void check_actor(const struct actor_table *table, const struct actor *actor)
{
    struct casebus_bytes ea = casebus_cstr("ea");
    char roles[4096];
    actor_roles(table, actor, roles, sizeof roles);
    HOLDS(roles[0] != '\0' && actor->roles != 0);
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        bool everywhere = actor_may(table, actor, (enum verb)v, casebus_bytes(NULL, 0));
        bool there = actor_may(table, actor, (enum verb)v, ea);
        HOLDS(there || !everywhere);
        HOLDS(!there || actor->somewhere & VERB_BIT(v));
    }
}

/* Every word of the file, as a name and as a key. */
static void check_words(const struct actor_table *table, struct casebus_bytes file)
{
    while (file.size > 0) {
        struct casebus_bytes line = fuzz_part(&file, '\n');
        while (line.size > 0) {
            char key[CASEBUS_KEY_SIZE + 2]; /* one that is too long stays so */
            struct casebus_bytes word = fuzz_part(&line, ' ');
            const struct actor *actor = actor_by_name(table, word);
            HOLDS(!actor || casebus_bytes_is(word, actor->name));
            if (actor) {
                check_actor(table, actor);
            }
            snprintf(key, sizeof key, "%.*s", (int)word.size, (const char *)word.data);
            actor = actor_by_key(table, key);
            HOLDS(!actor || actor_by_name(table, casebus_cstr(actor->name)) == actor);
        }
    }
}

/* Put in force and replaced by its like, it is seen by who refreshes, and once. */
static void check_in_force(struct actor_table *table, struct actor_table *like)
{
    const struct actor_table *held = NULL;
    struct actors *actors = actors_new(table);
    HOLDS(actors != NULL && like != NULL);
    HOLDS(actors_refresh(actors, &held) && !actors_refresh(actors, &held));
    HOLDS(held == table && !actors_lost(held, like) && actor_count(held) == actor_count(like));
    actors_swap(actors, like);
    HOLDS(actors_refresh(actors, &held) && held == like);
    actor_table_release(held);
    actors_destroy(&actors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s = settings_default();
    struct casebus_bytes file = casebus_bytes(data, size), lines = fuzz_part(&file, '\0');
    (void)settings_read_file(&s, fuzz_file(lines.data, lines.size), why, sizeof why);
    const char *path = fuzz_file(file.data, file.size);
    struct actor_table *table = actor_table_read(path, &s.roles, why, sizeof why);
    if (!table) {
        HOLDS(strncmp(why, path, strlen(path)) == 0 && strlen(why) > strlen(path));
        return 0;
    }
    HOLDS(memchr(file.data, '\0', file.size) == NULL); /* part of a line would have been read */
    check_words(table, file);
    check_in_force(table, actor_table_read(path, &s.roles, why, sizeof why));
    return 0;
}
