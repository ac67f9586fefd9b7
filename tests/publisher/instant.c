/* Times in files. */
#include "test.h"

#include "instant.h"

static uint64_t instant_of(const char *text)
{
    uint64_t instant;
    assert_int_equal(instant_from_text(casebus_cstr(text), &instant), 0);
    return instant;
}

static void refused(const char *text)
{
    uint64_t instant;
    assert_int_equal(instant_from_text(casebus_cstr(text), &instant), CASEBUS_EVALUE);
}

static void the_epoch_is_zero(void **state)
{
    (void)state;
    assert_int_equal(instant_of("1970-01-01T00:00:00Z"), 0);
}

static void a_known_instant_is_right(void **state)
{
    (void)state;
    assert_int_equal(instant_of("2025-03-01T10:20:30Z"), UINT64_C(1740824430000000));
}

static void a_leap_day_is_a_day(void **state)
{
    (void)state;
    assert_int_equal(instant_of("2024-03-01T00:00:00Z") - instant_of("2024-02-28T00:00:00Z"),
                     UINT64_C(2) * 86400 * 1000000);
}

static void a_fraction_is_microseconds(void **state)
{
    (void)state;
    assert_int_equal(instant_of("1970-01-01T00:00:01.25Z"), 1250000);
}

static void a_finer_fraction_is_cut_off(void **state)
{
    (void)state;
    assert_int_equal(instant_of("1970-01-01T00:00:00.0000019Z"), 1);
}

static void a_zero_offset_is_utc(void **state)
{
    (void)state;
    assert_int_equal(instant_of("1970-01-01 00:00:01+00:00"), 1000000);
}

static void a_time_without_a_zone_is_refused(void **state)
{
    (void)state;
    refused("2025-03-01T10:20:30");
}

static void another_zone_is_refused(void **state)
{
    (void)state;
    refused("2025-03-01T10:20:30+01:00");
}

static void a_date_is_no_instant(void **state)
{
    (void)state;
    refused("2025-03-01");
    refused("");
}

static void a_day_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    refused("2025-02-29T00:00:00Z");
}

static void an_hour_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    refused("2025-03-01T24:00:00Z");
    refused("2025-03-01T10:60:00Z");
    refused("2025-03-01T10:00:60Z");
}

static void a_time_before_1970_is_refused(void **state)
{
    (void)state;
    refused("1969-12-31T23:59:59Z");
}

static void a_point_needs_digits(void **state)
{
    (void)state;
    refused("2025-03-01T10:20:30.Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_epoch_is_zero),
        cmocka_unit_test(a_known_instant_is_right),
        cmocka_unit_test(a_leap_day_is_a_day),
        cmocka_unit_test(a_fraction_is_microseconds),
        cmocka_unit_test(a_finer_fraction_is_cut_off),
        cmocka_unit_test(a_zero_offset_is_utc),
        cmocka_unit_test(a_time_without_a_zone_is_refused),
        cmocka_unit_test(another_zone_is_refused),
        cmocka_unit_test(a_date_is_no_instant),
        cmocka_unit_test(a_day_that_does_not_exist_is_refused),
        cmocka_unit_test(an_hour_that_does_not_exist_is_refused),
        cmocka_unit_test(a_time_before_1970_is_refused),
        cmocka_unit_test(a_point_needs_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
