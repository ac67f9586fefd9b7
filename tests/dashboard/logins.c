/* Logins by the clock; and how often something may be tried. */
#include "../subscriber/test.h"

#include "logins.h"
#include "throttle.h"

#include <sodium.h>
#include <stdio.h>

#define IDLE 1000
#define AGE 5000

static struct account account_of(const char *name)
{
    struct account account = {.password = "$argon2id$1"};
    snprintf(account.name, sizeof account.name, "%s", name);
    snprintf(account.actor, sizeof account.actor, "%s-actor", name);
    return account;
}

static int make(void **state)
{
    return logins_new((struct logins **)state, IDLE, AGE);
}

static int end(void **state)
{
    logins_destroy((struct logins **)state);
    return 0;
}

static void an_id_is_whose_it_is(void **state)
{
    struct logins *const logins = *state;
    const struct account ann = account_of("ann"), ben = account_of("ben");
    char a[LOGIN_ID_SIZE], b[LOGIN_ID_SIZE];
    assert_int_equal(logins_begin(logins, &ann, 0, a), 0);
    assert_int_equal(logins_begin(logins, &ben, 0, b), 0);
    assert_string_not_equal(a, b);
    assert_string_equal(logins_find(logins, a, true, 1)->actor, "ann-actor");
    assert_string_equal(logins_find(logins, b, true, 1)->name, "ben");
    assert_null(logins_find(logins, "", true, 1));
    assert_null(logins_find(logins, "made up", true, 1));
}

static void idle_and_old_ones_end(void **state)
{
    struct logins *const logins = *state;
    const struct account ann = account_of("ann");
    char id[LOGIN_ID_SIZE];
    assert_int_equal(logins_begin(logins, &ann, 0, id), 0);
    assert_non_null(logins_find(logins, id, true, IDLE - 1));
    assert_non_null(logins_find(logins, id, false, 2 * IDLE - 2));
    assert_null(logins_find(logins, id, true, 2 * IDLE - 1)); /* that was no use */
    assert_int_equal(logins_begin(logins, &ann, 0, id), 0);
    for (int64_t now = 0; now < AGE; now += IDLE / 2) {
        assert_non_null(logins_find(logins, id, true, now));
    }
    const uint64_t ended = logins_ended(logins);
    logins_expire(logins, AGE);
    assert_int_equal(logins_count(logins), 0);
    assert_int_equal(logins_ended(logins), ended + 1);
}

static void a_changed_account_ends_its_logins(void **state)
{
    struct logins *const logins = *state;
    struct account account[3] = {account_of("ann"), account_of("ben"), account_of("cat")};
    const struct accounts accounts = {account, 2};
    char id[3][LOGIN_ID_SIZE];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(logins_begin(logins, &account[i], 0, id[i]), 0);
    }
    logins_keep(logins, &accounts);
    assert_null(logins_find(logins, id[2], true, 1)); /* removed */
    account[0].password[0] = '\0';
    logins_keep(logins, &accounts);
    assert_null(logins_find(logins, id[0], true, 1)); /* reset */
    assert_non_null(logins_find(logins, id[1], true, 1));
    account[1].actor[0] = 'x';
    logins_keep(logins, &accounts);
    assert_null(logins_find(logins, id[1], true, 1)); /* another actor */
}

static void an_account_has_so_many(void **state)
{
    struct logins *const logins = *state;
    const struct account ann = account_of("ann"), ben = account_of("ben");
    char first[LOGIN_ID_SIZE], second[LOGIN_ID_SIZE], other[LOGIN_ID_SIZE], id[LOGIN_ID_SIZE];
    assert_int_equal(logins_begin(logins, &ben, 0, other), 0);
    assert_int_equal(logins_begin(logins, &ann, 0, first), 0);
    assert_int_equal(logins_begin(logins, &ann, 1, second), 0);
    assert_non_null(logins_find(logins, first, true, 2)); /* so the second is idlest */
    for (unsigned i = 2; i < LOGINS_AN_ACCOUNT + 1; i++) {
        assert_int_equal(logins_begin(logins, &ann, 3, id), 0);
    }
    assert_int_equal(logins_count(logins), LOGINS_AN_ACCOUNT + 1);
    assert_null(logins_find(logins, second, true, 4));
    assert_non_null(logins_find(logins, first, true, 4));
    assert_non_null(logins_find(logins, other, true, 4));
}

static void tries_come_back_with_time(void **state)
{
    struct throttle *throttle;
    (void)state;
    assert_int_equal(throttle_new(&throttle, 3, 100), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(throttle_try(throttle, "a", 1, 1000), 0);
    }
    assert_int_equal(throttle_try(throttle, "a", 1, 1000), 100);
    assert_int_equal(throttle_try(throttle, "a", 1, 1099), 1);
    assert_int_equal(throttle_try(throttle, "b", 1, 1000), 0);
    assert_int_equal(throttle_try(throttle, "a", 1, 1100), 0);
    assert_int_equal(throttle_try(throttle, "a", 1, 1100), 100);
    throttle_give_back(throttle, "a", 1);
    assert_int_equal(throttle_try(throttle, "a", 1, 1100), 0);
    throttle_destroy(&throttle);
}

/* Whoever owes most is forgotten last, however many keys are tried. */
static void a_flood_of_keys_frees_nobody(void **state)
{
    struct throttle *throttle;
    (void)state;
    assert_int_equal(throttle_new(&throttle, 3, 100000), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(throttle_try(throttle, "victim", 6, 1000), 0);
    }
    for (int i = 0; i < 20000; i++) {
        throttle_try(throttle, &i, sizeof i, 1000);
    }
    assert_true(throttle_try(throttle, "victim", 6, 1000) > 0);
    throttle_destroy(&throttle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_id_is_whose_it_is, make, end),
        cmocka_unit_test_setup_teardown(idle_and_old_ones_end, make, end),
        cmocka_unit_test_setup_teardown(a_changed_account_ends_its_logins, make, end),
        cmocka_unit_test_setup_teardown(an_account_has_so_many, make, end),
        cmocka_unit_test(tries_come_back_with_time),
        cmocka_unit_test(a_flood_of_keys_frees_nobody),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
