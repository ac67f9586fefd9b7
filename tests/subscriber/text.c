/* Text: what comes from others cannot do anything to a terminal, and values read as people
 * write them. */
#include "test.h"

#include "text.h"

#include <stdlib.h>
#include <time.h>

static void assert_foreign(struct casebus_bytes words, const char *expected)
{
    struct text text = {0};
    text_add_foreign(&text, words);
    assert_string_equal(text_get(&text), expected);
    text_free(&text);
}

static void plain_words_stay(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("O'Neill & Sons"), "O'Neill & Sons");
}

static void names_of_other_languages_stay(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("Siân Llwynffug, Dùn Èideann, £5, 東京"),
                   "Siân Llwynffug, Dùn Èideann, £5, 東京");
}

static void a_non_breaking_space_stays(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("Acme\u00a0Ltd"), "Acme\u00a0Ltd");
}

static void an_escape_sequence_is_shown(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("\x1b[31mred"), "\\x1b[31mred");
}

static void line_ends_are_shown(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("a\nb\rc\td"), "a\\nb\\rc\\td");
}

static void controls_of_the_second_set_are_shown(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("\xc2\x9b"
                                "2J\x7f"),
                   "\\x9b2J\\x7f");
}

static void turned_writing_is_shown(void **state)
{
    (void)state;
    assert_foreign(casebus_cstr("abc\u202edcba\u2028"), "abc\\u202edcba\\u2028");
}

static void a_nul_is_shown(void **state)
{
    (void)state;
    assert_foreign(casebus_bytes("a\0b", 3), "a\\x00b");
}

static void bytes_that_are_not_utf8_are_shown(void **state)
{
    (void)state;
    assert_foreign(casebus_bytes("a\xff\xc3", 3), "a\\xff\\xc3");
}

static void a_json_string_means_the_same_and_does_nothing(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_json(&text, casebus_cstr("\xc2\x9b"
                                      "31m\x7f\u202e \U000e0041 Siân\n\"\\"));
    assert_string_equal(text_get(&text), "\"\\u009b31m\\u007f\\u202e \\udb40\\udc41 "
                                         "Siân\\u000a\\\"\\\\\"");
    text_free(&text);
}

static void a_json_string_is_utf8_whatever_comes(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_json(&text, casebus_bytes("a\xff\xc3", 3));
    assert_string_equal(text_get(&text), "\"a\ufffd\ufffd\"");
    text_free(&text);
}

static void a_long_format_is_whole(void **state)
{
    (void)state;
    struct text text = {0};
    text_format(&text, "<%1000d>", 7);
    assert_int_equal(text.size, 1002);
    assert_string_equal(text_get(&text) + 999, " 7>");
    text_free(&text);
}

static void numbers_are_whole(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_uint(&text, 0);
    text_add_uint(&text, UINT64_MAX);
    assert_string_equal(text_get(&text), "018446744073709551615");
    text_free(&text);
}

static void counts_have_commas(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        const char *written;
    } cases[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text text = {0};
        text_add_count(&text, cases[i].count);
        assert_string_equal(text_get(&text), cases[i].written);
        text_free(&text);
    }
}

static void instants_are_local(void **state)
{
    (void)state;
    struct text text = {0};
    setenv("TZ", "UTC-2", 1);
    tzset();
    text_add_instant(&text, 1700000000999999);
    assert_string_equal(text_get(&text), "2023-11-15 00:13:20");
    text_free(&text);
}

static void an_impossible_instant_stays_a_number(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_instant(&text, UINT64_MAX);
    assert_true(text.size > 0);
    text_free(&text);
}

static void width_is_in_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc", 3), 3);
    assert_int_equal(text_width("£é", strlen("£é")), 2);
    assert_int_equal(text_width("東京", strlen("東京")), 4);
    assert_int_equal(text_width("e\u0301", strlen("e\u0301")), 1);
}

static void a_wide_character_is_not_cut_in_two(void **state)
{
    (void)state;
    assert_int_equal(text_fit("東京", strlen("東京"), 3), strlen("東"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay),
        cmocka_unit_test(names_of_other_languages_stay),
        cmocka_unit_test(a_non_breaking_space_stays),
        cmocka_unit_test(an_escape_sequence_is_shown),
        cmocka_unit_test(line_ends_are_shown),
        cmocka_unit_test(controls_of_the_second_set_are_shown),
        cmocka_unit_test(turned_writing_is_shown),
        cmocka_unit_test(a_nul_is_shown),
        cmocka_unit_test(bytes_that_are_not_utf8_are_shown),
        cmocka_unit_test(a_json_string_means_the_same_and_does_nothing),
        cmocka_unit_test(a_json_string_is_utf8_whatever_comes),
        cmocka_unit_test(a_long_format_is_whole),
        cmocka_unit_test(numbers_are_whole),
        cmocka_unit_test(counts_have_commas),
        cmocka_unit_test(instants_are_local),
        cmocka_unit_test(an_impossible_instant_stays_a_number),
        cmocka_unit_test(width_is_in_columns),
        cmocka_unit_test(a_wide_character_is_not_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
