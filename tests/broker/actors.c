/* Roles and the table of actors: what is not given is refused, and a fault in a file is found
 * with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <actors.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_B "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static const struct casebus_bytes everywhere = {NULL, 0};

static bool role_has(const struct roles *roles, const char *name, enum verb verb,
                     const char *agency)
{
    int role = roles_find(roles, casebus_cstr(name));
    assert_true(role >= 0);
    struct casebus_bytes of = agency ? casebus_cstr(agency) : everywhere;
    return (role_verbs(&roles->role[role], of) & VERB_BIT(verb)) != 0;
}

static void the_built_in_roles_have_what_the_text_says(void **state)
{
    (void)state;
    struct roles roles;
    roles_init(&roles);
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        assert_true(role_has(&roles, "admin", (enum verb)v, NULL));
        assert_int_equal(role_has(&roles, "scraper", (enum verb)v, NULL),
                         v == VERB_REPORT_SCRAPED);
        assert_int_equal(role_has(&roles, "viewer", (enum verb)v, NULL),
                         v == VERB_WATCH || v == VERB_ASK);
        assert_int_equal(role_has(&roles, "curator", (enum verb)v, NULL),
                         v == VERB_WATCH || v == VERB_ASK || v == VERB_REPORT_EDITED ||
                             v == VERB_DECIDE || v == VERB_STOP);
    }
}

static void a_verb_of_some_agencies_is_of_no_other(void **state)
{
    (void)state;
    struct roles roles;
    char why[256];
    roles_init(&roles);
    assert_true(roles_add(&roles, "desk", "watch, ask@hse+ea,decide@hse", why, sizeof why));
    assert_true(role_has(&roles, "desk", VERB_WATCH, NULL));
    assert_true(role_has(&roles, "desk", VERB_ASK, "hse"));
    assert_true(role_has(&roles, "desk", VERB_ASK, "ea"));
    assert_false(role_has(&roles, "desk", VERB_ASK, "orr"));
    assert_false(role_has(&roles, "desk", VERB_ASK, "hs"));
    assert_false(role_has(&roles, "desk", VERB_ASK, NULL));
    assert_false(role_has(&roles, "desk", VERB_DECIDE, "ea"));
}

static void a_role_is_printed_as_it_is_read(void **state)
{
    (void)state;
    struct roles roles;
    char why[256], text[ROLE_TEXT_MAX], again[ROLE_TEXT_MAX];
    roles_init(&roles);
    assert_true(roles_add(&roles, "desk", "watch , ask@hse + ea", why, sizeof why));
    role_print(&roles.role[roles.count - 1], text, sizeof text);
    assert_string_equal(text, "watch, ask@hse, ask@ea");
    assert_true(roles_add(&roles, "copy", text, why, sizeof why));
    role_print(&roles.role[roles.count - 1], again, sizeof again);
    assert_string_equal(again, text);
}

static void a_role_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"desk", ""},        {"desk", "look"},     {"desk", "ask,"}, {"desk", "ask@"},
        {"desk", "ask@HSE"}, {"desk", "ask@hse+"}, {"desk", "@hse"}, {"", "ask"},
        {"A", "ask"},        {"a,b", "ask"},       {"admin", "ask"}, {"desk", "ask watch"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct roles roles;
        char why[256] = "";
        roles_init(&roles);
        assert_false(roles_add(&roles, wrong[i][0], wrong[i][1], why, sizeof why));
        assert_true(why[0] != '\0');
        assert_int_equal(roles.count, ROLES_BUILT_IN);
    }
}

/* --- the table ---------------------------------------------------------------------------- */

static struct actor_table *table_of(const char *text, char *why, size_t why_size)
{
    char path[] = "/tmp/casebus-actors-XXXXXX";
    struct roles roles;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    roles_init(&roles);
    assert_true(roles_add(&roles, "desk", "ask@hse", why, why_size));
    struct actor_table *table = actor_table_read(path, &roles, why, why_size);
    unlink(path);
    return table;
}

static struct actor_table *good_table(const char *text)
{
    char why[512];
    struct actor_table *table = table_of(text, why, sizeof why);
    assert_non_null(table);
    return table;
}

static void keys_and_names_lead_to_actors(void **state)
{
    (void)state;
    struct actor_table *t = good_table("# " KEY_A " admin\n\n"
                                       "a\t" KEY_A "  viewer,desk\na " KEY_B " viewer,desk\n"
                                       "ann - curator");
    char roles[64];
    assert_int_equal(actor_count(t), 2);
    const struct actor *a = actor_by_key(t, KEY_A);
    assert_non_null(a);
    assert_ptr_equal(a, actor_by_key(t, KEY_B));
    assert_ptr_equal(a, actor_by_name(t, casebus_cstr("a")));
    actor_roles(t, a, roles, sizeof roles);
    assert_string_equal(roles, "viewer,desk");
    assert_non_null(actor_by_name(t, casebus_cstr("ann")));
    assert_null(actor_by_name(t, casebus_cstr("local")));
    assert_null(actor_by_key(t, ""));
    assert_null(actor_by_key(t, "-"));
    assert_null(actor_by_key(t, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hIE"));
    actor_table_release(t);
}

static void what_an_editor_begins_a_file_with_is_no_name(void **state)
{
    (void)state;
    struct actor_table *t = good_table("\xef\xbb\xbf"
                                       "a " KEY_A " viewer\r\n");
    assert_non_null(actor_by_name(t, casebus_cstr("a")));
    actor_table_release(t);
}

static void a_table_without_a_file_is_local_alone(void **state)
{
    (void)state;
    struct roles roles;
    char why[64];
    roles_init(&roles);
    struct actor_table *t = actor_table_read(NULL, &roles, why, sizeof why);
    const struct actor *local = actor_by_name(t, casebus_cstr("local"));
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        assert_true(actor_may(t, local, (enum verb)v, everywhere));
    }
    actor_table_release(t);
}

static void agencies_are_listed_once_or_all(void **state)
{
    (void)state;
    const char *agencies[4];
    struct actor_table *t = good_table("a - desk\nb - desk,viewer\n");
    const struct actor *a = actor_by_name(t, casebus_cstr("a"));
    const struct actor *b = actor_by_name(t, casebus_cstr("b"));
    assert_int_equal(actor_agencies(t, a, VERB_ASK, agencies, 4), 1);
    assert_string_equal(agencies[0], "hse");
    assert_int_equal(actor_agencies(t, a, VERB_WATCH, agencies, 4), 0);
    assert_int_equal(actor_agencies(t, b, VERB_ASK, agencies, 4), -1);
    actor_table_release(t);
}

static void a_fault_is_found_in_its_line(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"a\n", ":1: "},
        {"\n\na -\n", ":3: "},
        {"a - nurse\n", "nurse"},
        {"a - viewer,\n", "\"\""},
        {"a " KEY_A " viewer\nb " KEY_A " viewer\n", ":2: a has this key"},
        {"a " KEY_A " viewer\na " KEY_B " admin\n", "other roles in line 1"},
        {"a - viewer\n a - viewer\n", "line 1 already"},
        {"local " KEY_A " viewer\n", "local"},
        {"broker - viewer\n", "broker"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char why[512] = "";
        assert_null(table_of(wrong[i][0], why, sizeof why));
        assert_non_null(strstr(why, wrong[i][1]));
    }
}

static void what_somebody_loses_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        bool lost;
    } cases[] = {
        {"a " KEY_A " viewer\n", "a " KEY_A " viewer\n", false},
        {"a " KEY_A " viewer\n", "a " KEY_A " admin\n",
         true}, /* a role, which may be an audience's */
        {"a " KEY_A " viewer\n", "a " KEY_A " viewer,admin\n", false},
        {"a " KEY_A " viewer\n", "a " KEY_A " viewer\na " KEY_B " viewer\nb - admin\n", false},
        {"a " KEY_A " viewer\n", "b - viewer\n", true},
        {"a " KEY_A " viewer\n", "a " KEY_B " viewer\n", true},
        {"a " KEY_A " viewer\n", "b " KEY_A " viewer\n", true},
        {"a " KEY_A " viewer\n", "a " KEY_A " scraper\n", true},
        {"a " KEY_A " viewer\n", "a " KEY_A " desk\n", true},
        {"a " KEY_A " desk\n", "a " KEY_A " viewer\n", true},
        {"local - viewer\n", "local - scraper\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct actor_table *before = good_table(cases[i].before);
        struct actor_table *after = good_table(cases[i].after);
        assert_int_equal(actors_lost(before, after), cases[i].lost);
        actor_table_release(before);
        actor_table_release(after);
    }
}

/* --- while it changes -------------------------------------------------------------------- */

struct race {
    struct actors *actors;
    atomic_bool stop;
    atomic_uint looked;
};

static void *look(void *arg)
{
    struct race *race = arg;
    const struct actor_table *held = NULL;
    while (!atomic_load(&race->stop)) {
        actors_refresh(race->actors, &held);
        const struct actor *a = actor_by_key(held, KEY_A);
        atomic_fetch_add(&race->looked, a != NULL && a->name[0] == 'a');
    }
    actor_table_release(held);
    return NULL;
}

static void readers_see_whole_tables_while_they_change(void **state)
{
    (void)state;
    struct race race = {.actors = actors_new(good_table("a " KEY_A " viewer\n"))};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, look, &race), 0);
    }
    for (int i = 0; i < 200 || atomic_load(&race.looked) < 1000; i++) {
        actors_swap(race.actors, good_table(i % 2 ? "a " KEY_A " viewer\n"
                                                  : "b " KEY_B " admin\na " KEY_A " desk\n"));
    }
    atomic_store(&race.stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    actors_destroy(&race.actors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_in_roles_have_what_the_text_says),
        cmocka_unit_test(a_verb_of_some_agencies_is_of_no_other),
        cmocka_unit_test(a_role_is_printed_as_it_is_read),
        cmocka_unit_test(a_role_that_is_none_is_refused),
        cmocka_unit_test(keys_and_names_lead_to_actors),
        cmocka_unit_test(what_an_editor_begins_a_file_with_is_no_name),
        cmocka_unit_test(a_table_without_a_file_is_local_alone),
        cmocka_unit_test(agencies_are_listed_once_or_all),
        cmocka_unit_test(a_fault_is_found_in_its_line),
        cmocka_unit_test(what_somebody_loses_is_noticed),
        cmocka_unit_test(readers_see_whole_tables_while_they_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
