/* Limits of actors: how much goes at once, how much in the long run, and what is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kept_out.h>
#include <quota.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define START (100 * SECOND) /* of the clock that these tests go by */

static struct counters counters;
static struct quota *quota;
static struct limits limits;

static int begin(void **state)
{
    (void)state;
    memset(&counters, 0, sizeof counters);
    memset(&limits, 0, sizeof limits);
    quota = quota_new(&counters);
    return quota ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    quota_destroy(&quota);
    return 0;
}

static enum limit take(const char *actor, enum limit limit, uint64_t n, int64_t now)
{
    uint64_t more[LIMIT_COUNT] = {0};
    more[limit] = n;
    return account_take(quota_account(quota, actor), &limits, more, now);
}

/* How many of one are taken of so many that come at the same time. */
static unsigned taken(const char *actor, enum limit limit, unsigned come, int64_t now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < come; i++) {
        n += take(actor, limit, 1, now) == LIMIT_COUNT;
    }
    return n;
}

static void without_a_limit_everything_is_taken(void **state)
{
    (void)state;
    assert_int_equal(taken("a", LIMIT_REPORTS, 100000, START), 100000);
    assert_int_equal(take("a", LIMIT_BYTES, 1u << 30, START), LIMIT_COUNT);
}

static void a_seconds_worth_goes_at_once_and_then_the_rate(void **state)
{
    (void)state;
    limits.of[LIMIT_REPORTS] = 3; /* does not divide a second */
    assert_int_equal(taken("a", LIMIT_REPORTS, 10, START), 3);
    assert_int_equal(take("a", LIMIT_REPORTS, 1, START), LIMIT_REPORTS);
    assert_int_equal(taken("a", LIMIT_REPORTS, 10, START + SECOND / 2), 1);
    assert_int_equal(taken("a", LIMIT_REPORTS, 10, START + 9 * SECOND), 3);
    unsigned n = 0;
    for (int64_t now = START + 20 * SECOND; now < START + 120 * SECOND; now += SECOND / 100) {
        n += taken("a", LIMIT_REPORTS, 2, now);
    }
    assert_in_range(n, 300, 303);
}

static void one_actor_takes_nothing_from_another(void **state)
{
    (void)state;
    limits.of[LIMIT_REQUESTS] = 5;
    assert_int_equal(taken("a", LIMIT_REQUESTS, 1000, START), 5);
    assert_int_equal(taken("b", LIMIT_REQUESTS, 1000, START), 5);
}

static void connections_are_of_a_minute(void **state)
{
    (void)state;
    limits.of[LIMIT_CONNECTIONS] = 60;
    assert_int_equal(taken("a", LIMIT_CONNECTIONS, 100, START), 60);
    assert_int_equal(taken("a", LIMIT_CONNECTIONS, 100, START + 10 * SECOND), 10);
}

static void what_is_larger_than_a_seconds_worth_goes_and_is_paid_for(void **state)
{
    (void)state;
    limits.of[LIMIT_BYTES] = 1000;
    assert_int_equal(take("a", LIMIT_BYTES, 5000, START), LIMIT_COUNT);
    assert_int_equal(take("a", LIMIT_BYTES, 1, START + 3 * SECOND), LIMIT_BYTES);
    assert_int_equal(take("a", LIMIT_BYTES, 1, START + 4 * SECOND + SECOND / 1000),
                     LIMIT_COUNT);
}

static void what_is_over_one_limit_uses_nothing_of_the_other(void **state)
{
    (void)state;
    limits.of[LIMIT_REPORTS] = 2;
    limits.of[LIMIT_BYTES] = 100;
    const uint64_t large[LIMIT_COUNT] = {[LIMIT_REPORTS] = 1, [LIMIT_BYTES] = 100};
    struct account *a = quota_account(quota, "a");
    assert_int_equal(account_take(a, &limits, large, START), LIMIT_COUNT);
    assert_int_equal(account_take(a, &limits, large, START), LIMIT_BYTES);
    assert_int_equal(taken("a", LIMIT_REPORTS, 10, START), 1);
}

static void another_value_counts_from_when_it_is_set(void **state)
{
    (void)state;
    limits.of[LIMIT_BYTES] = 1;
    assert_int_equal(take("a", LIMIT_BYTES, 1000000, START), LIMIT_COUNT);
    assert_int_equal(take("a", LIMIT_BYTES, 1, START + SECOND), LIMIT_BYTES);
    limits.of[LIMIT_BYTES] = 1000;
    assert_int_equal(take("a", LIMIT_BYTES, 1000, START + SECOND), LIMIT_COUNT);
    assert_int_equal(take("a", LIMIT_BYTES, 1000, START + SECOND), LIMIT_BYTES);
}

static void the_largest_values_do_not_overflow(void **state)
{
    (void)state;
    limits.of[LIMIT_BYTES] = INT64_MAX;
    assert_int_equal(take("a", LIMIT_BYTES, CASEBUS_FRAME_MAX, INT64_MAX / 2), LIMIT_COUNT);
    limits.of[LIMIT_BYTES] = 1;
    assert_int_equal(take("a", LIMIT_BYTES, CASEBUS_FRAME_MAX, INT64_MAX / 2), LIMIT_COUNT);
    assert_int_equal(take("a", LIMIT_BYTES, 1, INT64_MAX / 2), LIMIT_BYTES);
}

/* As many as a table of actors has, and the same again under other names: who comes takes a
 * place of somebody who owes nothing. */
static void all_actors_there_may_be_have_an_account(void **state)
{
    (void)state;
    char name[32];
    limits.of[LIMIT_REPORTS] = 1;
    for (int64_t generation = 0; generation < 10; generation++) {
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned i = 0; i < ACTORS_MAX; i++) {
                snprintf(name, sizeof name, "actor-%lld-%u", (long long)generation, i);
                assert_int_equal(take(name, LIMIT_REPORTS, 1, START + generation * 2 * SECOND),
                                 round == 0 ? LIMIT_COUNT : LIMIT_REPORTS);
            }
        }
    }
}

static void who_waits_is_not_forgotten(void **state)
{
    (void)state;
    char name[32];
    quota_account(quota, "waiter")->waiting = 7;
    for (unsigned i = 0; i < 20 * ACTORS_MAX; i++) {
        snprintf(name, sizeof name, "actor-%u", i);
        quota_account(quota, name);
    }
    assert_int_equal(quota_account(quota, "waiter")->waiting, 7);
}

/* --- what is said of it ------------------------------------------------------------------- */

/* What it writes to standard error. */
static void said(char *text, size_t size, int64_t now)
{
    char path[] = "/tmp/casebus-quota-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDERR_FILENO);
    assert_true(fd >= 0 && saved >= 0);
    unlink(path);
    dup2(fd, STDERR_FILENO);
    quota_refuse(quota, quota_account(quota, "a"), LIMIT_REQUESTS, 5, now, "op=heads");
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(fd, text, size - 1, 0);
    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
}

static void a_refusal_is_counted_and_said_once_a_second(void **state)
{
    (void)state;
    char text[512];
    said(text, sizeof text, START);
    assert_non_null(
        strstr(text, "limited actor=a limit=actor-requests value=5 times=1 op=heads\n"));
    for (int i = 1; i < 10; i++) {
        said(text, sizeof text, START + i * SECOND / 10);
        assert_string_equal(text, "");
    }
    said(text, sizeof text, START + SECOND);
    assert_non_null(strstr(text, " times=10 op=heads\n"));
    assert_int_equal(counted(&counters.refused[-CASEBUS_ELIMITED]), 11);
}

static void the_sentence_names_value_and_setting(void **state)
{
    (void)state;
    char text[LIMIT_TEXT_SIZE];
    assert_string_equal(limit_say(LIMIT_REPORTS, 100, text),
                        "over its limit of 100 reports a second (actor-reports)");
    for (unsigned i = 0; i < LIMIT_COUNT; i++) { /* none is cut short */
        limit_say((enum limit)i, INT64_MAX, text);
        assert_int_equal(text[strlen(text) - 1], ')');
    }
}

/* --- kept out ----------------------------------------------------------------------------- */

static void who_is_kept_out_is_so_for_a_while(void **state)
{
    (void)state;
    struct kept_out *k = kept_out_new();
    kept_out_add(k, "a", 1000);
    assert_int_equal(kept_out_for(k, "a", 400), 600);
    assert_int_equal(kept_out_for(k, "b", 400), 0);
    assert_int_equal(kept_out_for(k, "a", 1000), 0);
    kept_out_add(k, "a", 3000);
    assert_int_equal(kept_out_for(k, "a", 1000), 2000);
    char name[32];
    for (int i = 0; i < 300; i++) { /* more than fit: the first to end is let go */
        snprintf(name, sizeof name, "actor-%d", i);
        kept_out_add(k, name, 10000 + i);
    }
    assert_int_equal(kept_out_for(k, "a", 1000), 0);
    assert_int_equal(kept_out_for(k, "actor-299", 1000), 9299);
    kept_out_destroy(&k);
    assert_null(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_limit_everything_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(a_seconds_worth_goes_at_once_and_then_the_rate, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_actor_takes_nothing_from_another, begin, end),
        cmocka_unit_test_setup_teardown(connections_are_of_a_minute, begin, end),
        cmocka_unit_test_setup_teardown(
            what_is_larger_than_a_seconds_worth_goes_and_is_paid_for, begin, end),
        cmocka_unit_test_setup_teardown(what_is_over_one_limit_uses_nothing_of_the_other, begin,
                                        end),
        cmocka_unit_test_setup_teardown(another_value_counts_from_when_it_is_set, begin, end),
        cmocka_unit_test_setup_teardown(the_largest_values_do_not_overflow, begin, end),
        cmocka_unit_test_setup_teardown(all_actors_there_may_be_have_an_account, begin, end),
        cmocka_unit_test_setup_teardown(who_waits_is_not_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(a_refusal_is_counted_and_said_once_a_second, begin,
                                        end),
        cmocka_unit_test(the_sentence_names_value_and_setting),
        cmocka_unit_test(who_is_kept_out_is_so_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
