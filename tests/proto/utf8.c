/* Well-formed UTF-8, by the Unicode standard's table 3-7. */
#include "proto/test.h"

#define VALID(text) assert_true(casebus_utf8_valid(BYTES(text)))
#define INVALID(text) assert_false(casebus_utf8_valid(BYTES(text)))

static void ascii_of_every_length_is_valid(void **state)
{
    (void)state;
    for (size_t size = 0; size < 40; size++) {
        assert_true(casebus_utf8_valid(repeat("x", size)));
    }
}

static void sequences_of_two_three_and_four_bytes_are_valid(void **state)
{
    (void)state;
    VALID("\xc2\x80");
    VALID("\xdf\xbf");
    VALID("\xe0\xa0\x80");
    VALID("\xef\xbf\xbf");
    VALID("\xf0\x90\x80\x80");
    VALID("\xf4\x8f\xbf\xbf");
    VALID("Ll\xc5\xb7r \xe2\x80\x93 \xf0\x9f\x92\xa5 and more");
}

static void a_lone_continuation_is_invalid(void **state)
{
    (void)state;
    INVALID("\x80");
    INVALID("abcdefgh\xbf");
}

static void overlong_forms_are_invalid(void **state)
{
    (void)state;
    INVALID("\xc0\xaf");
    INVALID("\xc1\xbf");
    INVALID("\xe0\x9f\xbf");
    INVALID("\xf0\x8f\xbf\xbf");
}

static void surrogates_are_invalid(void **state)
{
    (void)state;
    INVALID("\xed\xa0\x80");
    INVALID("\xed\xbf\xbf");
    VALID("\xed\x9f\xbf");
}

static void past_the_last_code_point_is_invalid(void **state)
{
    (void)state;
    INVALID("\xf4\x90\x80\x80");
    INVALID("\xf5\x80\x80\x80");
    INVALID("\xff");
}

static void a_cut_sequence_is_invalid_wherever_it_is_cut(void **state)
{
    (void)state;
    const char *four = "\xf0\x9f\x92\xa5";
    for (size_t size = 1; size < 4; size++) {
        assert_false(casebus_utf8_valid(keep(four, size)));
    }
}

static void a_bad_byte_is_found_at_every_place(void **state)
{
    (void)state;
    for (size_t at = 0; at < 24; at++) {
        char text[24];
        for (size_t i = 0; i < sizeof text; i++) {
            text[i] = i == at ? '\xff' : 'x';
        }
        assert_false(casebus_utf8_valid(keep(text, sizeof text)));
    }
}

static void a_bad_third_or_fourth_byte_is_invalid(void **state)
{
    (void)state;
    INVALID("\xe2\x80(");
    INVALID("\xf0\x9f\x92(");
    INVALID("\xf0\x9f(\xa5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_of_every_length_is_valid),
        cmocka_unit_test(sequences_of_two_three_and_four_bytes_are_valid),
        cmocka_unit_test(a_lone_continuation_is_invalid),
        cmocka_unit_test(overlong_forms_are_invalid),
        cmocka_unit_test(surrogates_are_invalid),
        cmocka_unit_test(past_the_last_code_point_is_invalid),
        cmocka_unit_test(a_cut_sequence_is_invalid_wherever_it_is_cut),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place),
        cmocka_unit_test(a_bad_third_or_fourth_byte_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
