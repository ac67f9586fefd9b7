/* How many patterns a connection has: what counts, what does not, and whose they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <patterns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 100

static struct patterns *patterns;
static const struct connection one = {.descriptor = 9, .number = 1};

static int begin(void **state)
{
    (void)state;
    patterns = patterns_new();
    return patterns ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    patterns_destroy(&patterns);
    assert_null(patterns);
    return 0;
}

static struct casebus_bytes named(unsigned n)
{
    static char text[32];
    snprintf(text, sizeof text, "case:created:hse:%u:", n);
    return casebus_cstr(text);
}

static bool subscribe(struct connection from, unsigned n)
{
    return patterns_subscribe(patterns, from, named(n), LIMIT);
}

/* Subscribes to those it has not subscribed to yet, as it must be able to. */
static void have(struct connection from, unsigned first, unsigned end)
{
    for (unsigned n = first; n < end; n++) {
        assert_false(subscribe(from, n));
    }
}

static void one_more_than_the_limit_is_over_and_said_once(void **state)
{
    (void)state;
    have(one, 0, LIMIT);
    assert_true(subscribe(one, LIMIT));
    assert_false(subscribe(one, LIMIT + 1));
    assert_false(subscribe(one, 0));
}

static void the_same_again_does_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        have(one, 0, LIMIT);
    }
    assert_true(subscribe(one, LIMIT));
}

static void what_is_taken_back_no_longer_counts(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 50 * LIMIT; n++) {
        assert_false(subscribe(one, n));
        if (n >= LIMIT / 2) {
            patterns_unsubscribe(patterns, one, named(n - LIMIT / 2));
        }
    }
    have(one, 50 * LIMIT, 50 * LIMIT + LIMIT / 2);
    assert_true(subscribe(one, 1));
}

static void taking_back_what_one_does_not_have_changes_nothing(void **state)
{
    (void)state;
    patterns_unsubscribe(patterns, one, named(7));
    for (unsigned n = 0; n < LIMIT; n++) {
        have(one, n, n + 1);
        patterns_unsubscribe(patterns, one, named(1000000 + n));
    }
    assert_true(subscribe(one, LIMIT));
}

static void connections_do_not_share(void **state)
{
    (void)state;
    const struct connection other = {.descriptor = 4000, .number = 2};
    have(one, 0, LIMIT);
    have(other, 0, LIMIT);
    assert_true(subscribe(one, LIMIT));
    assert_true(subscribe(other, LIMIT));
}

static void another_connection_at_a_descriptor_begins_anew(void **state)
{
    (void)state;
    const struct connection next = {.descriptor = 9, .number = 2};
    have(one, 0, LIMIT);
    have(next, 0, LIMIT);
    assert_false(subscribe(one, 12345)); /* what the former had sent comes late */
    patterns_unsubscribe(patterns, one, named(0));
    assert_true(subscribe(next, LIMIT));
    const struct connection third = {.descriptor = 9, .number = 3};
    have(third, 0, LIMIT);
    assert_true(subscribe(third, LIMIT));
}

/* Against a plain list, at random. */
static void it_counts_as_a_list_does(void **state)
{
    (void)state;
    enum {
        NAMES = 150,
        STEPS = 200000
    };
    bool has[NAMES] = {false};
    unsigned count = 0;
    srand(1);
    for (int i = 0; i < STEPS; i++) {
        unsigned n = (unsigned)rand() % NAMES;
        bool adds = count < LIMIT && rand() % 2 == 0;
        if (adds) {
            assert_false(subscribe(one, n));
        } else {
            patterns_unsubscribe(patterns, one, named(n));
        }
        count = count - has[n] + adds;
        has[n] = adds;
    }
    for (unsigned n = 0; n < NAMES && count < LIMIT; n++) {
        assert_false(subscribe(one, n));
        count += !has[n];
    }
    assert_true(subscribe(one, NAMES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_more_than_the_limit_is_over_and_said_once, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_same_again_does_not_count, begin, end),
        cmocka_unit_test_setup_teardown(what_is_taken_back_no_longer_counts, begin, end),
        cmocka_unit_test_setup_teardown(taking_back_what_one_does_not_have_changes_nothing,
                                        begin, end),
        cmocka_unit_test_setup_teardown(connections_do_not_share, begin, end),
        cmocka_unit_test_setup_teardown(another_connection_at_a_descriptor_begins_anew, begin,
                                        end),
        cmocka_unit_test_setup_teardown(it_counts_as_a_list_does, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
