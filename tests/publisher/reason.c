/* Reasons of refusals, as whoever made the file reads them. */
#include "test.h"

#include "reason.h"

#include <casebus/errors.h>

static void says(int code, const char *field, const char *expected)
{
    char reason[REASON_SIZE];
    reason_write(code, field, reason);
    assert_string_equal(reason, expected);
}

static void a_date_is_shown_as_it_is_wanted(void **state)
{
    (void)state;
    says(CASEBUS_EVALUE, "offence_action_date", "not a date, as in 2025-03-31");
}

static void a_choice_lists_its_words(void **state)
{
    (void)state;
    says(CASEBUS_EVALUE, "offender.business_type",
         "must be one of limited_company, individual, partnership, plc, other");
}

static void a_limit_is_named(void **state)
{
    (void)state;
    says(CASEBUS_ETOOLONG, "offender.postcode", "longer than 16 bytes");
}

static void what_the_store_sets_is_to_be_left_out(void **state)
{
    (void)state;
    says(CASEBUS_EVALUE, "version",
         "only the broker sets this; leave it out (--help shows how, with all such fields)");
}

static void a_place_in_an_array_is_of_the_arrays_field(void **state)
{
    (void)state;
    says(CASEBUS_ETYPE, "offences[3].number", "must be a whole number");
    says(CASEBUS_EVALUE, "related_cases[0]", "not a case id, as in hse:4812345");
}

static void an_agency_can_be_an_option(void **state)
{
    (void)state;
    says(CASEBUS_EMISSING, "agency", "is required, in each record or as --agency");
}

static void what_the_table_does_not_know_has_the_codes_text(void **state)
{
    (void)state;
    says(CASEBUS_EUTF8, "ext.any", casebus_strerror(CASEBUS_EUTF8));
    says(CASEBUS_ETOOLARGE, "", casebus_strerror(CASEBUS_ETOOLARGE));
    says(CASEBUS_EVALUE, "nothing.of.this", casebus_strerror(CASEBUS_EVALUE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_shown_as_it_is_wanted),
        cmocka_unit_test(a_choice_lists_its_words),
        cmocka_unit_test(a_limit_is_named),
        cmocka_unit_test(what_the_store_sets_is_to_be_left_out),
        cmocka_unit_test(a_place_in_an_array_is_of_the_arrays_field),
        cmocka_unit_test(an_agency_can_be_an_option),
        cmocka_unit_test(what_the_table_does_not_know_has_the_codes_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
