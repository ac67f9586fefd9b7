/* Command lines out of a table. */
#include "test.h"

#include "flags.h"

#include <getopt.h>

struct settings {
    bool json;
    const char *agency, *name;
    uint64_t count;
    int timeout_ms;
};

static const struct flag flags[] = {
    {"json", NULL, "", flag_switch, offsetof(struct settings, json), 1},
    {"agency", "CODE", "", flag_text, offsetof(struct settings, agency), 1},
    {"count", "N", "", flag_count, offsetof(struct settings, count), 1},
    {"timeout", "SECONDS", "", flag_seconds, offsetof(struct settings, timeout_ms), 1},
    {"name", "TEXT", "", flag_any_text, offsetof(struct settings, name), 1},
};

static struct settings settings;
static uint64_t given;

/* Up to four words behind the program's name. */
static int read_words(const char *one, const char *two, const char *three, const char *four)
{
    static char words[5][32];
    char *argv[6] = {0};
    const char *const texts[] = {"program", one, two, three, four};
    int argc = 0;
    for (; argc < 5 && texts[argc] != NULL; argc++) {
        strncpy(words[argc], texts[argc], sizeof words[argc] - 1);
        argv[argc] = words[argc];
    }
    settings = (struct settings){.count = FLAG_UNSET, .timeout_ms = -1};
    optind = 0; /* getopt begins anew */
    return flags_read("program", argc, argv, flags, sizeof flags / sizeof *flags, &settings,
                      &given);
}

static void options_stand_before_and_behind_operands(void **state)
{
    (void)state;
    assert_int_equal(read_words("--json", "get", "--agency", "hse"), 4);
    assert_true(settings.json);
    assert_string_equal(settings.agency, "hse");
}

static void what_is_not_given_stays(void **state)
{
    (void)state;
    assert_int_equal(read_words("get", NULL, NULL, NULL), 1);
    assert_false(settings.json);
    assert_true(settings.count == FLAG_UNSET);
    assert_int_equal(given, 0);
}

static void rows_that_occurred_are_known(void **state)
{
    (void)state;
    assert_int_equal(read_words("--count=5", "--json", NULL, NULL), 3);
    assert_int_equal(given, 1 | 4);
    assert_int_equal(settings.count, 5);
}

static void seconds_may_be_parts(void **state)
{
    (void)state;
    assert_int_equal(read_words("--timeout", "0.25", NULL, NULL), 3);
    assert_int_equal(settings.timeout_ms, 250);
}

static void an_unknown_option_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_words("--nonsense", NULL, NULL, NULL), -1);
}

static void a_missing_argument_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_words("--agency", NULL, NULL, NULL), -1);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--count=0",    "--count=-1",        "--count=1x",
        "--count= 1",   "--count=",          "--count=9007199254740992",
        "--timeout=-1", "--timeout=nan",     "--timeout=1e3",
        "--timeout=",   "--timeout=99999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_words(wrong[i], NULL, NULL, NULL), -1);
    }
}

static void only_some_texts_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(read_words("--name", "", NULL, NULL), 3);
    assert_string_equal(settings.name, "");
    assert_int_equal(read_words("--agency", "", NULL, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_and_behind_operands),
        cmocka_unit_test(what_is_not_given_stays),
        cmocka_unit_test(rows_that_occurred_are_known),
        cmocka_unit_test(seconds_may_be_parts),
        cmocka_unit_test(an_unknown_option_is_refused),
        cmocka_unit_test(a_missing_argument_is_refused),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(only_some_texts_may_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
