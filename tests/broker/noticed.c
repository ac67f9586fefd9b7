/* What polls know of reports that were not taken: the one to tell of is the next to be decided.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <noticed.h>

static struct noticed untaken(uint64_t number)
{
    return (struct noticed){.first = {.number = number, .why = LIMITED}};
}

static struct noticed decided(uint64_t number)
{
    return (struct noticed){.arrived = number, .decided = number};
}

static void hear(struct noticed *known, struct noticed more)
{
    noticed_add(known, &more);
}

static void what_comes_behind_takes_no_ones_place(void **state)
{
    struct noticed known = {.decided = 4};
    (void)state;
    hear(&known, untaken(5));
    hear(&known, (struct noticed){.arrived = 9}); /* taken, and ahead */
    hear(&known, untaken(7));
    assert_int_equal(known.first.number, 5);
    hear(&known, decided(5));
    assert_int_equal(known.first.number, 7);
    hear(&known, decided(7));
    assert_int_equal(known.first.number, 0);
}

static void the_next_is_of_the_last_round(void **state)
{
    struct noticed known = untaken(5);
    (void)state;
    hear(&known, untaken(6)); /* 5 and 6 in one round, 5 and 8 in the next: 6 was taken */
    hear(&known, untaken(5));
    hear(&known, untaken(8));
    hear(&known, decided(5));
    assert_int_equal(known.first.number, 8);
}

static void what_is_gathered_meanwhile_says_the_same(void **state)
{
    struct noticed known = untaken(5), gathered = decided(6);
    (void)state;
    hear(&gathered, untaken(7));
    hear(&gathered, untaken(9));
    hear(&known, gathered);
    assert_int_equal(known.first.number, 7);
    assert_int_equal(known.then.number, 9);
}

static void the_reason_is_the_newest(void **state)
{
    struct noticed known = untaken(5), denied = untaken(5);
    (void)state;
    denied.first.why = DENIED;
    hear(&known, denied);
    assert_int_equal(known.first.why, DENIED);
}

static void what_is_decided_is_not_missing(void **state)
{
    struct noticed known = decided(5);
    (void)state;
    hear(&known, untaken(3)); /* once more */
    assert_int_equal(known.first.number, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_behind_takes_no_ones_place),
        cmocka_unit_test(the_next_is_of_the_last_round),
        cmocka_unit_test(what_is_gathered_meanwhile_says_the_same),
        cmocka_unit_test(the_reason_is_the_newest),
        cmocka_unit_test(what_is_decided_is_not_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
