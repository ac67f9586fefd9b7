/* Money text to pence, exactly, and back. */
#include "proto/test.h"

#include <casebus/limits.h>
#include <casebus/money.h>
#include <string.h>

static void is(const char *text, uint64_t expected)
{
    uint64_t pence = 0;
    if (casebus_pence_from_text(keep(text, strlen(text)), &pence) != 0) {
        fail_msg("\"%s\" was refused", text);
    }
    assert_int_equal(pence, expected);
}

static void refused(const char *text)
{
    uint64_t pence = 42;
    if (casebus_pence_from_text(keep(text, strlen(text)), &pence) != CASEBUS_EVALUE) {
        fail_msg("\"%s\" was accepted", text);
    }
    assert_int_equal(pence, 42);
}

static void shows(uint64_t pence, const char *expected)
{
    char text[32];
    assert_int_equal(casebus_pence_to_text(pence, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void whole_pounds_are_pence(void **state)
{
    (void)state;
    is("0", 0);
    is("950", 95000);
    is("007", 700);
}

static void one_digit_behind_the_point_is_ten_pence(void **state)
{
    (void)state;
    is("950.5", 95050);
    is("950.05", 95005);
    is("0.01", 1);
}

static void a_pound_sign_is_allowed_in_front(void **state)
{
    (void)state;
    is("\xc2\xa3"
       "1,234.50",
       123450);
    refused("1\xc2\xa3");
    refused("\xc2\xa3");
    refused("\xc2\xa3\xc2\xa3"
            "1");
    refused("$1");
    refused("\xa3"
            "1");
}

static void thousands_are_groups_of_three(void **state)
{
    (void)state;
    is("1,234,567.89", 123456789);
    is("12,345", 1234500);
    refused("1234,567");
    refused("1,23");
    refused("1,2345");
    refused("1,234567");
    refused(",123");
    refused("1,");
    refused("1,,234");
    refused("1.000,00");
}

static void blanks_around_are_allowed(void **state)
{
    (void)state;
    is("  950 ", 95000);
    is("\t950\r\n", 95000);
    is("950\r", 95000);
    is("\xc2\xa0"
       "950\xc2\xa0",
       95000);
    refused("9 50");
    refused("\xc2\xa3 950");
    refused(" ");
}

static void what_is_not_money_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "-1",  "+1",  "1.",      ".5",   "1.234", "1.2.3",
                                      "1e3",  "0x1", "1_0", "one",     "1/2",  "1.2 p", "nan",
                                      "1.-1", "1p",  "(1)", "1.23456", "1 000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused(bad[i]);
    }
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    is("1000000000000", CASEBUS_PENCE_MAX);
    refused("1000000000000.01");
    refused("1000000000001");
    refused("99999999999999999999999999999999");
    refused("18446744073709551617");
}

static void pence_are_shown_in_pounds(void **state)
{
    (void)state;
    shows(0, "\xc2\xa3"
             "0.00");
    shows(5, "\xc2\xa3"
             "0.05");
    shows(123450, "\xc2\xa3"
                  "1,234.50");
    shows(99999, "\xc2\xa3"
                 "999.99");
    shows(CASEBUS_PENCE_MAX, "\xc2\xa3"
                             "1,000,000,000,000.00");
    shows(UINT64_MAX, "\xc2\xa3"
                      "184,467,440,737,095,516.15");
}

static void what_is_shown_is_read_back(void **state)
{
    (void)state;
    for (uint64_t pence = 1; pence < CASEBUS_PENCE_MAX; pence = pence * 7 + 3) {
        char text[32];
        casebus_pence_to_text(pence, text, sizeof text);
        is(text, pence);
    }
}

static void too_little_room_is_an_error(void **state)
{
    (void)state;
    char text[8];
    assert_int_equal(casebus_pence_to_text(123450, text, sizeof text), CASEBUS_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_pounds_are_pence),
        cmocka_unit_test(one_digit_behind_the_point_is_ten_pence),
        cmocka_unit_test(a_pound_sign_is_allowed_in_front),
        cmocka_unit_test(thousands_are_groups_of_three),
        cmocka_unit_test(blanks_around_are_allowed),
        cmocka_unit_test(what_is_not_money_is_refused),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(pence_are_shown_in_pounds),
        cmocka_unit_test(what_is_shown_is_read_back),
        cmocka_unit_test(too_little_room_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
