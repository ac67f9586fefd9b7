/* When and how much is sent again. */
#include "test.h"

#include "pace.h"

#define FIRST 200
#define LONGEST 3000
#define WINDOW 8192

static struct pace fresh(void)
{
    struct pace pace;
    casebus_pace_init(&pace, FIRST, LONGEST, WINDOW);
    return pace;
}

static void silence_is_over_after_the_first_interval(void **state)
{
    (void)state;
    struct pace pace = fresh();
    casebus_pace_moved(&pace, 0, 1000);
    assert_int_equal(casebus_pace_due(&pace), 1000 + FIRST);
}

static void each_resend_doubles_the_interval(void **state)
{
    (void)state;
    struct pace pace = fresh();
    for (int64_t step = 2 * FIRST; step < LONGEST; step *= 2) {
        casebus_pace_resent(&pace, 0, 0);
        assert_int_equal(casebus_pace_due(&pace), step - step / 4);
    }
}

static void the_interval_has_an_end(void **state)
{
    (void)state;
    struct pace pace = fresh();
    for (int i = 0; i < 40; i++) {
        casebus_pace_resent(&pace, 0, UINT32_MAX);
        assert_in_range(casebus_pace_due(&pace), 1, LONGEST + LONGEST / 4);
    }
}

static void jitter_stays_within_a_quarter(void **state)
{
    (void)state;
    for (uint32_t random = 0; random < 1000; random++) {
        struct pace pace = fresh();
        casebus_pace_resent(&pace, 0, random);
        assert_in_range(casebus_pace_due(&pace), 300, 500);
    }
}

static void progress_brings_the_first_interval_back(void **state)
{
    (void)state;
    struct pace pace = fresh();
    casebus_pace_resent(&pace, 0, 0);
    casebus_pace_resent(&pace, 0, 0);
    casebus_pace_moved(&pace, 1, 5000);
    assert_int_equal(casebus_pace_due(&pace), 5000 + FIRST);
}

static void a_new_want_is_served_at_once(void **state)
{
    (void)state;
    struct pace pace = fresh();
    casebus_pace_moved(&pace, 0, 1000);
    assert_true(casebus_pace_serve(&pace, 7, 1001));
}

static void the_same_want_is_served_once_an_interval(void **state)
{
    (void)state;
    struct pace pace = fresh();
    casebus_pace_moved(&pace, 0, 1000);
    assert_true(casebus_pace_serve(&pace, 7, 1001));
    casebus_pace_resent(&pace, 1001, 0);
    assert_false(casebus_pace_serve(&pace, 7, casebus_pace_due(&pace) - 1));
    assert_true(casebus_pace_serve(&pace, 7, casebus_pace_due(&pace)));
}

static void without_losses_the_whole_window_is_under_way(void **state)
{
    (void)state;
    assert_int_equal(fresh().flight, WINDOW);
}

static void each_resend_halves_what_is_under_way(void **state)
{
    (void)state;
    struct pace pace = fresh();
    casebus_pace_resent(&pace, 0, 0);
    assert_int_equal(pace.flight, WINDOW / 2);
}

static void something_is_always_under_way(void **state)
{
    (void)state;
    struct pace pace = fresh();
    for (int i = 0; i < 100; i++) {
        casebus_pace_resent(&pace, 0, 0);
    }
    assert_int_equal(pace.flight, PACE_FLIGHT_MIN);
}

static void a_small_window_is_not_made_smaller(void **state)
{
    (void)state;
    struct pace pace;
    casebus_pace_init(&pace, FIRST, LONGEST, 1);
    casebus_pace_resent(&pace, 0, 0);
    assert_int_equal(pace.flight, 1);
}

static void what_is_under_way_grows_with_what_is_decided(void **state)
{
    (void)state;
    struct pace pace = fresh();
    casebus_pace_resent(&pace, 0, 0);
    casebus_pace_moved(&pace, 10, 0);
    assert_int_equal(pace.flight, WINDOW / 2 + 10);
    casebus_pace_moved(&pace, WINDOW, 0);
    assert_int_equal(pace.flight, WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_over_after_the_first_interval),
        cmocka_unit_test(each_resend_doubles_the_interval),
        cmocka_unit_test(the_interval_has_an_end),
        cmocka_unit_test(jitter_stays_within_a_quarter),
        cmocka_unit_test(progress_brings_the_first_interval_back),
        cmocka_unit_test(a_new_want_is_served_at_once),
        cmocka_unit_test(the_same_want_is_served_once_an_interval),
        cmocka_unit_test(without_losses_the_whole_window_is_under_way),
        cmocka_unit_test(each_resend_halves_what_is_under_way),
        cmocka_unit_test(something_is_always_under_way),
        cmocka_unit_test(a_small_window_is_not_made_smaller),
        cmocka_unit_test(what_is_under_way_grows_with_what_is_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
