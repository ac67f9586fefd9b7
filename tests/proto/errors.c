/* Codes, words and sentences are one table. */
#include "proto/test.h"

#include <string.h>

static const int codes[] = {
#define X(code, number, word, text) code,
    CASEBUS_ERRORS(X)
#undef X
};
#define COUNT (sizeof codes / sizeof codes[0])

static void zero_is_success(void **state)
{
    (void)state;
    assert_string_equal(casebus_strerror(0), "success");
}

static void a_code_has_its_sentence(void **state)
{
    (void)state;
    assert_string_equal(casebus_strerror(CASEBUS_EEPOCH), "the history has changed");
}

static void every_word_leads_back_to_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const char *word = casebus_error_word(codes[i]);
        assert_int_equal(casebus_error_from_word(word, strlen(word)), codes[i]);
    }
}

static void an_unknown_code_is_internal(void **state)
{
    (void)state;
    assert_string_equal(casebus_error_word(-9999), "internal");
    assert_string_equal(casebus_error_word(1), "internal");
    assert_string_equal(casebus_error_word(-(int)COUNT - 1), "internal");
}

static void an_unknown_word_is_out_of_protocol(void **state)
{
    (void)state;
    assert_int_equal(casebus_error_from_word("no_such_word", 12), CASEBUS_EPROTO);
}

static void what_passes_is_asked_again(void **state)
{
    (void)state;
    assert_true(casebus_error_passes(CASEBUS_EBUSY));
    assert_true(casebus_error_passes(CASEBUS_ELIMITED));
    assert_true(casebus_error_passes(CASEBUS_EBEHIND));
    assert_false(casebus_error_passes(CASEBUS_EDENIED));
    assert_false(casebus_error_passes(0));
}

static void a_word_is_compared_whole(void **state)
{
    (void)state;
    assert_int_equal(casebus_error_from_word("missing", 4), CASEBUS_EPROTO);
    assert_int_equal(casebus_error_from_word("missing!", 8), CASEBUS_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_is_success),
        cmocka_unit_test(a_code_has_its_sentence),
        cmocka_unit_test(every_word_leads_back_to_its_code),
        cmocka_unit_test(an_unknown_code_is_internal),
        cmocka_unit_test(an_unknown_word_is_out_of_protocol),
        cmocka_unit_test(what_passes_is_asked_again),
        cmocka_unit_test(a_word_is_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
