/* A subscriber that misses something: it asks, and is complete again, or says what is gone. */
#include "following.h"

/* --- repair ----------------------------------------------------------------------------- */

static void a_hole_is_filled_from_the_log(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{TWO, 2, 1, 0}, {ONE, 3, 2, 1}, {TWO, 4, 3, 2}};
    go_live("case:created:hse", 0);
    peer_event(peer, ONE, 1, 0, 0);
    peer_event(peer, TWO, 4, 3, 2);
    assert_next_is(1);
    assert_asked(1, CREATED);
    assert_int_equal(casebus_subscriber_state(subscriber), CASEBUS_SUBSCRIBER_REPAIRING);
    peer->seq = 4;
    peer_page(peer, page, 3, 4, 0);
    peer_event(peer, TWO, 5, 4, 4);
    assert_next_is(2);
    assert_next_is(3);
    assert_next_is(4);
    assert_next_is(5);
    assert_int_equal(casebus_subscriber_state(subscriber), CASEBUS_SUBSCRIBER_LIVE);
    assert_int_equal(stats().repaired, 3);
    assert_int_equal(stats().lost, 0);
}

static void a_hole_in_a_bundle_is_filled_too(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{TWO, 2, 1, 0}};
    static const struct peer_logged bundle[] = {{ONE, 1, 0, 0}, {ONE, 3, 2, 1}, {TWO, 4, 3, 2}};
    go_live("case:created:hse", 0);
    peer_bundle(peer, CREATED, bundle, 3);
    assert_next_is(1);
    assert_asked(1, CREATED);
    peer->seq = 2;
    peer_page(peer, page, 1, 2, 0);
    assert_next_is(2);
    assert_next_is(3);
    assert_bytes_are(event->topic_text, ONE);
    assert_next_is(4);
    assert_int_equal(stats().repaired, 1);
}

static void what_came_meanwhile_is_not_asked_for_again(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{TWO, 2, 1, 0}};
    go_live("case:created:hse", 0);
    peer_event(peer, ONE, 3, 2, 1);
    assert_asked(0, CREATED);
    peer_event(peer, ONE, 4, 3, 3);
    assert_int_equal(next(20), 0);
    peer->seq = 2; /* it answered before 3 was committed */
    peer_page(peer, page, 1, 2, 0);
    assert_next_is(2);
    assert_next_is(3);
    assert_next_is(4);
    assert_int_equal(next(20), 0);
    assert_false(peer_is_asked(peer, 0));
}

static void other_streams_wait_while_one_is_repaired(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{TWO, 2, 1, 0}};
    go_live("case", 1);
    peer_event(peer, CHANGED, 3, 0, 0);
    peer_heads_batch(peer, 1, 3, "{\"case:created:hse:\": 2, \"case:updated:hse:\": 3}");
    assert_asked(1, CREATED);
    assert_cursor(1);
    peer->seq = 3;
    peer_page(peer, page, 1, 3, 0);
    assert_next_is(2);
    assert_next_is(3);
    assert_cursor(3);
}

static void heads_of_all_show_what_was_lost_at_the_end(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{TWO, 4, 1, 0}};
    go_live("case:created:hse", 0);
    peer_event(peer, ONE, 1, 0, 0);
    peer_heads(peer, 6, "{\"case:created:hse:\": 4, \"session:ended:x:\": 5}");
    assert_next_is(1);
    assert_asked(1, CREATED);
    peer->seq = 6;
    peer_page(peer, page, 1, 6, 0);
    assert_next_is(4);
    assert_cursor(6);
}

static void past_the_bound_all_is_read_from_the_log(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {
        {ONE, 1, 0, 0}, {CHANGED, 2, 0, 0}, {CHANGED, 3, 2, 2}, {CHANGED, 4, 3, 3}};
    options.hold_events = 2;
    make_anew();
    go_live("case", 0);
    peer_event(peer, CHANGED, 2, 0, 0);
    peer_event(peer, CHANGED, 3, 2, 2);
    peer_event(peer, CHANGED, 4, 3, 3);
    assert_asked(0, "case");
    peer->seq = 4;
    peer_page(peer, page, 4, 4, 0);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        assert_next_is(seq);
        assert_cursor(seq);
    }
    assert_int_equal(stats().overflows, 1);
    assert_int_equal(stats().repaired, 4);
}

static void the_bound_is_one_of_bytes_too(void **state)
{
    (void)state;
    options.hold_bytes = 1;
    make_anew();
    go_live("case", 0);
    peer_event(peer, ONE, 2, 0, 0);
    assert_asked(0, "case");
    assert_int_equal(stats().overflows, 1);
}

static void what_is_gone_of_a_stream_is_told_with_its_range(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{TWO, 9, 8, 0}};
    go_live("case:created:hse", 2);
    peer_event(peer, TWO, 9, 8, 0);
    assert_asked(2, CREATED);
    peer->seq = 9;
    peer_page(peer, page, 1, 9, 7);
    assert_gap(CREATED, 2, 7);
    assert_int_equal(stats().lost, 5);
    assert_next_is(9);
    assert_cursor(9);
}

static void a_broker_that_is_behind_is_asked_again(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 6, 5, 0}};
    go_live("case:created:hse", 5);
    peer_heads(peer, 6, "{\"case:created:hse:\": 6}");
    assert_asked(5, CREATED);
    peer->seq = 4;
    peer_page(peer, NULL, 0, 4, 0);
    assert_asked(5, CREATED);
    peer->seq = 5;
    peer_page(peer, NULL, 0, 5, 0);
    assert_asked(5, CREATED);
    peer->seq = 6;
    peer_page(peer, page, 1, 6, 0);
    assert_next_is(6);
}

static void a_busy_broker_is_asked_again(void **state)
{
    (void)state;
    go_live("case:created:hse", 0);
    peer_heads(peer, 1, "{\"case:created:hse:\": 1}");
    assert_asked(0, CREATED);
    peer_refuse(peer, CASEBUS_EBUSY, "later");
    assert_asked(0, CREATED);
    peer_refuse(peer, CASEBUS_ELIMITED, "over its limit of 2 requests a second");
    assert_asked(0, CREATED);
}

static void another_refusal_is_told_and_asked_again(void **state)
{
    (void)state;
    go_live("case:created:hse", 0);
    peer_heads(peer, 1, "{\"case:created:hse:\": 1}");
    assert_asked(0, CREATED);
    peer_refuse(peer, CASEBUS_EINTERNAL, "the disk");
    assert_int_equal(next(SOON), CASEBUS_EINTERNAL);
    assert_asked(0, CREATED);
}

/* --- another history -------------------------------------------------------------------- */

/* A question whose answer names the history and nothing else. */
static void answer_which_history(const char *epoch, uint64_t seq)
{
    for (int i = 0; i < 100 && !peer_is_asked(peer, 0); i++) {
        assert_int_equal(next(10), 0);
    }
    (void)peer_request(peer);
    peer->epoch = epoch;
    peer->seq = seq;
    peer_page(peer, NULL, 0, seq, 0);
}

static void another_history_is_asked_about_told_and_followed(void **state)
{
    (void)state;
    go_live("case:created:hse", 50);
    peer->epoch = "epoch-2";
    peer_event(peer, ONE, 51, 0, 0);
    answer_which_history("epoch-2", 51);
    assert_int_equal(next(SOON), CASEBUS_EEPOCH);
    assert_int_equal(casebus_subscriber_seq(subscriber), 51);
    assert_cursor(51);
    peer_event(peer, TWO, 52, 51, 0);
    assert_next_is(52);
    assert_int_equal(stats().epochs, 1);
}

static void a_late_message_of_another_history_changes_nothing(void **state)
{
    (void)state;
    go_live("case:created:hse", 5);
    peer->epoch = "epoch-0";
    peer_event(peer, ONE, 6, 5, 0);
    peer_heads(peer, 90, "{\"case:created:hse:\": 90}");
    answer_which_history("epoch-1", 5);
    peer_event(peer, TWO, 6, 5, 0);
    assert_next_is(6);
    assert_bytes_are(event->topic_text, TWO);
    assert_int_equal(stats().epochs, 0);
}

static void an_empty_new_history_is_one_too(void **state)
{
    (void)state;
    go_live("case:created:hse", 5);
    peer->epoch = "epoch-2";
    peer_heads(peer, 0, "{}");
    answer_which_history("epoch-2", 0);
    assert_int_equal(next(SOON), CASEBUS_EEPOCH);
    assert_cursor(0);
}

/* --- one topic -------------------------------------------------------------------------- */

static void prev_topic_shows_a_hole_in_one_topic(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 3, 1, 0}, {ONE, 5, 4, 3}};
    go_live("case:created:hse:1", 0);
    peer_event(peer, ONE, 5, 4, 3);
    assert_asked(0, ONE);
    peer->seq = 5;
    peer_page(peer, page, 2, 5, 0);
    assert_next_is(3);
    assert_next_is(5);
}

static void a_head_that_moved_on_is_asked_about(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 3, 2, 0}};
    go_live("case:created:hse:1", 0);
    peer_heads(peer, 6, "{\"case:created:hse:\": 6}");
    assert_asked(0, ONE);
    peer->seq = 8;
    peer_page(peer, page, 1, 8, 0);
    assert_next_is(3);
    assert_cursor(6);
    peer_event(peer, ONE, 9, 8, 3);
    assert_next_is(9);
    assert_int_equal(stats().questions, 1);
}

static void questions_are_a_second_apart(void **state)
{
    (void)state;
    go_live("case:created:hse:1", 0);
    peer_heads(peer, 6, "{\"case:created:hse:\": 6}");
    assert_asked(0, ONE);
    peer->seq = 6;
    peer_page(peer, NULL, 0, 6, 0);
    peer_heads(peer, 8, "{\"case:created:hse:\": 8}");
    assert_int_equal(next(20), 0);
    assert_false(peer_is_asked(peer, 0));
    assert_int_equal(stats().questions, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, following_setup, following_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hole_is_filled_from_the_log),
        TEST(a_hole_in_a_bundle_is_filled_too),
        TEST(what_came_meanwhile_is_not_asked_for_again),
        TEST(other_streams_wait_while_one_is_repaired),
        TEST(heads_of_all_show_what_was_lost_at_the_end),
        TEST(past_the_bound_all_is_read_from_the_log),
        TEST(the_bound_is_one_of_bytes_too),
        TEST(what_is_gone_of_a_stream_is_told_with_its_range),
        TEST(a_broker_that_is_behind_is_asked_again),
        TEST(a_busy_broker_is_asked_again),
        TEST(another_refusal_is_told_and_asked_again),
        TEST(another_history_is_asked_about_told_and_followed),
        TEST(a_late_message_of_another_history_changes_nothing),
        TEST(an_empty_new_history_is_one_too),
        TEST(prev_topic_shows_a_hole_in_one_topic),
        TEST(a_head_that_moved_on_is_asked_about),
        TEST(questions_are_a_second_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
