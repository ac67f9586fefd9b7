/* The window keeps what may have to be sent again, and nothing longer. */
#include "test.h"

#include "window.h"

#include <stdio.h>
#include <string.h>

#define PLACES 4
#define BYTES 100

static int setup(void **state)
{
    static struct window window;
    *state = &window;
    return casebus_window_init(&window, PLACES, BYTES);
}

static int teardown(void **state)
{
    casebus_window_clear(*state);
    return 0;
}

/* Pushes reports until `last`, each with its number as topic, body and the check after it. */
static void push_to(struct window *window, uint64_t last)
{
    while (window_last(window) < last) {
        char text[16];
        unsigned char check[CASEBUS_CHECK_SIZE] = {0};
        check[0] = (unsigned char)(window_last(window) + 1);
        int size =
            snprintf(text, sizeof text, "%llu", (unsigned long long)window_last(window) + 1);
        struct casebus_bytes bytes = casebus_bytes(text, (size_t)size);
        assert_int_equal(casebus_window_push(window, bytes, bytes, check), 0);
    }
}

static void the_first_number_is_one(void **state)
{
    push_to(*state, 1);
    assert_non_null(casebus_window_at(*state, 1));
    assert_int_equal(window_last(*state), 1);
}

static void a_kept_report_has_the_bytes_it_came_with(void **state)
{
    push_to(*state, 3);
    struct kept *kept = casebus_window_at(*state, 2);
    assert_non_null(kept);
    assert_int_equal(zmq_msg_size(&kept->body), 1);
    assert_memory_equal(zmq_msg_data(&kept->body), "2", 1);
    assert_memory_equal(zmq_msg_data(&kept->topic), "2", 1);
}

static void numbers_outside_are_not_kept(void **state)
{
    push_to(*state, 3);
    casebus_window_drop(*state, 1);
    assert_null(casebus_window_at(*state, 0));
    assert_null(casebus_window_at(*state, 1));
    assert_null(casebus_window_at(*state, 4));
}

static void the_check_of_the_first_is_zero(void **state)
{
    static const unsigned char zero[CASEBUS_CHECK_SIZE];
    assert_memory_equal(casebus_window_check(*state, 1), zero, sizeof zero);
}

static void the_check_behind_the_last_is_known(void **state)
{
    push_to(*state, 2);
    assert_int_equal(casebus_window_check(*state, 3)[0], 2);
    assert_null(casebus_window_check(*state, 4));
}

static void the_check_behind_the_dropped_is_known(void **state)
{
    push_to(*state, 2);
    casebus_window_drop(*state, 2);
    assert_int_equal(casebus_window_check(*state, 3)[0], 2);
    assert_null(casebus_window_check(*state, 2));
}

static void places_are_bounded(void **state)
{
    push_to(*state, PLACES - 1);
    assert_true(casebus_window_has_room(*state, 1));
    push_to(*state, PLACES);
    assert_false(casebus_window_has_room(*state, 1));
}

static void dropping_makes_room(void **state)
{
    push_to(*state, PLACES);
    casebus_window_drop(*state, 1);
    assert_true(casebus_window_has_room(*state, 1));
}

static void bytes_are_bounded(void **state)
{
    push_to(*state, 1);
    assert_true(casebus_window_has_room(*state, BYTES - 2));
    assert_false(casebus_window_has_room(*state, BYTES - 1));
}

static void an_empty_window_has_room_for_any_report(void **state)
{
    assert_true(casebus_window_has_room(*state, BYTES * 10));
}

static void the_ring_goes_round(void **state)
{
    for (uint64_t last = PLACES; last < 5 * PLACES; last++) {
        push_to(*state, last);
        casebus_window_drop(*state, last - 2);
    }
    push_to(*state, 5 * PLACES);
    struct kept *kept = casebus_window_at(*state, 5 * PLACES);
    assert_memory_equal(zmq_msg_data(&kept->body), "20", 2);
}

static void bytes_are_given_back(void **state)
{
    struct window *window = *state;
    push_to(window, 3);
    casebus_window_drop(window, 3);
    assert_int_equal(window->bytes, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_first_number_is_one),
        T(a_kept_report_has_the_bytes_it_came_with),
        T(numbers_outside_are_not_kept),
        T(the_check_of_the_first_is_zero),
        T(the_check_behind_the_last_is_known),
        T(the_check_behind_the_dropped_is_known),
        T(places_are_bounded),
        T(dropping_makes_room),
        T(bytes_are_bounded),
        T(an_empty_window_has_room_for_any_report),
        T(the_ring_goes_round),
        T(bytes_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
