/* Work in a child: its result, its death, its standing still. */
#include "guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_uint_fast64_t *steps;

static uint64_t count(const void *arg)
{
    (void)arg;
    return atomic_load(steps);
}

static enum guard_end guarded(int (*work)(void *), unsigned quiet_s, unsigned whole_s,
                              int *result, char why[200])
{
    struct guard_options options = {
        .work = work, .steps = count, .quiet_s = quiet_s, .whole_s = whole_s};
    if (!steps) {
        steps = guard_memory(sizeof *steps);
    }
    assert_non_null(steps);
    why[0] = '\0';
    return guard_run(&options, result, why, 200);
}

static int gives_seven(void *arg)
{
    (void)arg;
    return 7;
}

static void the_result_of_the_work_comes_back(void **state)
{
    char why[200];
    int result;
    (void)state;
    assert_int_equal(guarded(gives_seven, 5, 0, &result, why), GUARD_DONE);
    assert_int_equal(result, 7);
    assert_string_equal(why, "");
}

static int dies(void *arg)
{
    (void)arg;
    raise(SIGBUS);
    return 0;
}

static int aborts(void *arg)
{
    (void)arg;
    abort();
}

static void a_child_that_crashes_is_told_by_its_signal(void **state)
{
    char why[200];
    int result;
    (void)state;
    assert_int_equal(guarded(dies, 5, 0, &result, why), GUARD_CRASHED);
    assert_string_equal(why, "crashed (Bus error)");
    assert_int_equal(guarded(aborts, 5, 0, &result, why), GUARD_CRASHED);
    assert_string_equal(why, "crashed (Aborted)");
}

static int stands_still(void *arg)
{
    (void)arg;
    while (pause() != 0) {
    }
    return 0;
}

static void a_child_that_stands_still_is_ended(void **state)
{
    char why[200];
    int result;
    (void)state;
    assert_int_equal(guarded(stands_still, 1, 0, &result, why), GUARD_HUNG);
    assert_string_equal(why, "made no progress for 1 s");
}

static int goes_on_for_ever(void *arg)
{
    (void)arg;
    while (atomic_fetch_add(steps, 1) < UINT64_MAX) {
    }
    return 0;
}

static void a_child_that_gets_on_is_ended_by_the_whole_time_alone(void **state)
{
    char why[200];
    int result;
    (void)state;
    assert_int_equal(guarded(goes_on_for_ever, 1, 2, &result, why), GUARD_TIME_UP);
    assert_string_equal(why, "was not finished after 2 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_result_of_the_work_comes_back),
        cmocka_unit_test(a_child_that_crashes_is_told_by_its_signal),
        cmocka_unit_test(a_child_that_stands_still_is_ended),
        cmocka_unit_test(a_child_that_gets_on_is_ended_by_the_whole_time_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
