/* A subscriber before a broker that does what the test wants. */
#include "following.h"

#include <casebus/bundle.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

/* --- patterns --------------------------------------------------------------------------- */

static void patterns_are_subscribed_first_and_heads_last(void **state)
{
    (void)state;
    subscribe("session:ended");
    subscribe("case:created:hse:1");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_BUNDLE "session:ended:");
    assert_string_equal(peer_subscription(peer), ONE);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_BATCH);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_ALL);
}

static void heads_of_batches_are_for_those_that_wait(void **state)
{
    (void)state;
    subscribe("case:created:hse");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_BUNDLE CREATED);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_ALL);
}

static void a_topic_within_a_pattern_of_streams_is_not_subscribed_to(void **state)
{
    (void)state;
    subscribe("case:created:hse:1");
    subscribe("case:created");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_BUNDLE "case:created:");
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_BATCH);
}

static void without_a_place_to_ask_there_is_no_subscriber(void **state)
{
    (void)state;
    struct casebus_subscriber *none;
    options.query = NULL;
    assert_int_equal(casebus_subscriber_new(&none, options), CASEBUS_EINVAL);
}

static void an_impossible_pattern_is_refused_with_the_reason(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_int_equal(casebus_subscriber_subscribe(subscriber, "case:scraped", &why),
                     CASEBUS_EPATTERN);
    assert_non_null(why);
    assert_int_equal(casebus_subscriber_start(subscriber), CASEBUS_EINVAL);
}

static void heads_are_no_pattern_of_events(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_int_equal(casebus_subscriber_subscribe(subscriber, "sys:heads", &why),
                     CASEBUS_EPATTERN);
    assert_non_null(why);
}

static void one_pattern_more_than_the_limit_is_refused(void **state)
{
    (void)state;
    char pattern[64];
    for (int i = 0; i < CASEBUS_PATTERNS_MAX; i++) {
        snprintf(pattern, sizeof pattern, "case:created:hse:%d", i);
        subscribe(pattern);
    }
    assert_int_equal(casebus_subscriber_subscribe(subscriber, "session", NULL),
                     CASEBUS_ETOOMANY);
}

static void a_pattern_after_the_start_is_refused(void **state)
{
    (void)state;
    go_live("case", 0);
    assert_int_equal(casebus_subscriber_subscribe(subscriber, "session", NULL), CASEBUS_EINVAL);
}

static void next_before_the_start_is_refused(void **state)
{
    (void)state;
    subscribe("case");
    assert_int_equal(next(0), CASEBUS_EINVAL);
}

/* --- joining ---------------------------------------------------------------------------- */

static void a_start_that_is_refused_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(casebus_subscriber_start_at(subscriber, 0), CASEBUS_EINVAL); /* of what? */
    subscribe("case");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_int_equal(casebus_subscriber_start_at(subscriber, 0), CASEBUS_EINVAL);
    peer_joined(peer);
    peer_heads(peer, 7, "{}");
    assert_int_equal(casebus_subscriber_join(subscriber, SOON), 1);
    assert_int_equal(casebus_subscriber_state(subscriber), CASEBUS_SUBSCRIBER_LIVE);
    assert_cursor(7);
}

static void an_impossible_endpoint_is_refused_each_time(void **state)
{
    (void)state;
    options.fanout = "tcp://nowhere";
    options.context = NULL; /* one of its own ends only when nothing is left open in it */
    make_anew();
    subscribe("case");
    assert_int_equal(casebus_subscriber_start(subscriber), CASEBUS_EINVAL);
    assert_int_equal(casebus_subscriber_start(subscriber), CASEBUS_EINVAL);
}

static void a_subscriber_is_live_with_the_first_heads(void **state)
{
    (void)state;
    subscribe("case");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    peer_joined(peer);
    assert_int_equal(casebus_subscriber_join(subscriber, 0), 0);
    assert_int_equal(casebus_subscriber_state(subscriber), CASEBUS_SUBSCRIBER_CONNECTING);
    assert_null(casebus_subscriber_epoch(subscriber));
    peer_heads(peer, 7, "{\"case:created:hse:\": 7}");
    assert_int_equal(casebus_subscriber_join(subscriber, SOON), 1);
    assert_int_equal(casebus_subscriber_state(subscriber), CASEBUS_SUBSCRIBER_LIVE);
    assert_int_equal(casebus_subscriber_seq(subscriber), 7);
    assert_cursor(7);
    assert_memory_equal(casebus_subscriber_epoch(subscriber), "epoch-1", 8);
}

static void batch_heads_prove_as_much(void **state)
{
    (void)state;
    subscribe("case");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    peer_joined(peer);
    peer_heads_batch(peer, 7, 9, "{\"case:created:hse:\": 9}");
    assert_int_equal(casebus_subscriber_join(subscriber, SOON), 1);
    assert_int_equal(casebus_subscriber_seq(subscriber), 9);
}

static void events_before_the_first_heads_are_not_handed_over(void **state)
{
    (void)state;
    subscribe("case");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    peer_joined(peer);
    peer_event(peer, ONE, 3, 2, 0);
    peer_heads(peer, 3, "{\"case:created:hse:\": 3}");
    peer_event(peer, TWO, 4, 3, 0);
    peer_heads_batch(peer, 3, 4, "{\"case:created:hse:\": 4}");
    assert_next_is(4);
}

static void a_quiet_time_ends(void **state)
{
    (void)state;
    go_live("case", 0);
    assert_int_equal(next(10), 0);
    assert_null(event);
}

/* --- live ------------------------------------------------------------------------------- */

static void a_batch_is_handed_over_with_its_heads(void **state)
{
    (void)state;
    go_live("case", 0);
    peer_event(peer, ONE, 2, 0, 0);
    peer_event(peer, CHANGED, 3, 0, 0);
    assert_int_equal(next(20), 0);
    assert_cursor(0);
    peer_heads_batch(peer, 0, 3, "{\"case:created:hse:\": 2, \"case:updated:hse:\": 3}");
    assert_next_is(2);
    assert_bytes_are(event->topic_text, ONE);
    assert_cursor(2);
    assert_next_is(3);
    assert_cursor(3);
    assert_int_equal(stats().received, 2);
}

static void the_very_next_event_waits_for_no_heads(void **state)
{
    (void)state;
    go_live("case", 7);
    peer_event(peer, ONE, 8, 0, 0);
    assert_next_is(8);
    assert_cursor(8);
    peer_event(peer, CHANGED, 9, 0, 0);
    assert_next_is(9);
    peer_event(peer, TWO, 11, 8, 0);
    assert_int_equal(next(20), 0);
    assert_cursor(9);
    peer_heads_batch(peer, 9, 11, "{\"case:created:hse:\": 11}");
    assert_next_is(11);
}

static void a_bundle_is_handed_over_event_by_event(void **state)
{
    (void)state;
    static const struct peer_logged bundle[] = {{ONE, 1, 0, 0}, {TWO, 2, 1, 0}, {ONE, 3, 2, 1}};
    go_live("case:created", 0);
    peer_bundle(peer, CREATED, bundle, 3);
    assert_next_is(1);
    assert_bytes_are(event->topic_text, ONE);
    assert_cursor(1);
    assert_next_is(2);
    assert_bytes_are(event->topic_text, TWO);
    assert_next_is(3);
    assert_cursor(3);
    assert_int_equal(next(20), 0);
    assert_int_equal(stats().received, 3);
}

static void bundles_of_several_streams_wait_for_each_other(void **state)
{
    (void)state;
    static const struct peer_logged created[] = {{ONE, 1, 0, 0}, {TWO, 3, 1, 0}};
    static const struct peer_logged updated[] = {{CHANGED, 2, 0, 0}, {CHANGED, 4, 2, 2}};
    go_live("case", 0);
    peer_bundle(peer, CREATED, created, 2);
    assert_next_is(1);
    assert_int_equal(next(20), 0);
    peer_bundle(peer, UPDATED, updated, 2);
    assert_next_is(2);
    assert_int_equal(next(20), 0);
    peer_heads_batch(peer, 0, 4, "{\"case:created:hse:\": 3, \"case:updated:hse:\": 4}");
    assert_next_is(3);
    assert_bytes_are(event->topic_text, TWO);
    assert_next_is(4);
    assert_cursor(4);
    assert_int_equal(stats().duplicates, 0);
}

static void a_reader_of_one_stream_waits_for_nothing(void **state)
{
    (void)state;
    go_live("case:created:hse", 0);
    peer_event(peer, ONE, 1, 0, 0);
    assert_next_is(1);
    assert_cursor(1);
}

static void an_unordered_reader_waits_for_nothing_and_has_no_cursor(void **state)
{
    (void)state;
    struct casebus_cursor cursor;
    options.unordered = true;
    make_anew();
    go_live("case", 0);
    peer_event(peer, ONE, 1, 0, 0);
    assert_next_is(1);
    assert_int_equal(casebus_subscriber_cursor(subscriber, &cursor), CASEBUS_EINVAL);
}

static void heads_move_the_cursor_where_nothing_matched(void **state)
{
    (void)state;
    go_live("case", 3);
    peer_heads_batch(peer, 3, 8, "{\"session:ended:hse:\": 8}");
    assert_int_equal(next(20), 0);
    assert_cursor(8);
}

static void overlapping_patterns_give_an_event_once(void **state)
{
    (void)state;
    subscribe("case");
    subscribe("case:created");
    go_live("case:created:hse:1", 0);
    peer_event(peer, ONE, 1, 0, 0);
    peer_event(peer, TWO, 2, 1, 0);
    assert_next_is(1);
    assert_next_is(2);
    assert_int_equal(next(20), 0);
    assert_int_equal(stats().duplicates, 0);
}

static void a_duplicate_is_dropped(void **state)
{
    (void)state;
    go_live("case:created:hse", 5);
    peer_event(peer, ONE, 5, 0, 0);
    peer_event(peer, ONE, 6, 5, 5);
    assert_next_is(6);
    assert_int_equal(stats().duplicates, 1);
}

static void what_does_not_decode_is_counted_and_skipped(void **state)
{
    (void)state;
    go_live("case:created:hse:1", 0);
    peer_send(peer, ONE, casebus_cstr("junk"));
    peer_send(peer, CASEBUS_TOPIC_HEADS_ALL, casebus_cstr("junk"));
    zmq_send(peer->fanout, ONE, strlen(ONE), 0); /* one frame */
    zmq_send(peer->fanout, ONE, strlen(ONE), ZMQ_SNDMORE);
    peer_event(peer, ONE, 1, 0, 0); /* three frames */
    peer_event(peer, ONE, 1, 0, 0);
    assert_next_is(1);
    assert_int_equal(stats().undecodable, 4);
}

static void what_does_not_decode_in_a_bundle_spoils_no_more(void **state)
{
    (void)state;
    static const char *const bundles[] = {
        "17",
        "{\"v\": 2, \"messages\": []}",
        "{\"v\": 1}",
        "{\"v\": 1, \"messages\": {}}",
        "{\"v\": 1, \"messages\": [3]}",
        "{\"v\": 1, \"messages\": [[\"case:created:hse:1:\"]]}",
        "{\"v\": 1, \"messages\": [[\"case:created:hse:1:\", \"0xc0\"]]}",
        "{\"v\": 1, \"messages\": [[\"session:ended:hse:1:\", \"0xc0\"], [\"\", \"\"]]}",
    };
    go_live("case:created", 0);
    for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++) {
        msgpack_sbuffer body;
        msgpack_sbuffer_init(&body);
        peer_send(peer, CASEBUS_TOPIC_BUNDLE CREATED, pack(&body, bundles[i]));
        msgpack_sbuffer_destroy(&body);
    }
    peer_event(peer, ONE, 1, 0, 0);
    assert_next_is(1);
    assert_int_equal(stats().undecodable, sizeof bundles / sizeof *bundles + 1);
}

static void on_alarm(int number)
{
    (void)number;
}

static void a_signal_ends_a_wait(void **state)
{
    (void)state;
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval every_10_ms = {{0, 10000}, {0, 10000}}, never = {{0, 0}, {0, 0}};
    go_live("case", 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every_10_ms, NULL);
    const int rc = next(-1);
    setitimer(ITIMER_REAL, &never, NULL);
    assert_int_equal(rc, CASEBUS_EINTR);
}

/* --- from the log ----------------------------------------------------------------------- */

/* Started at `after` with the broker at `seq`, up to the first request. */
static void start_at(const char *pattern, uint64_t after, uint64_t seq)
{
    subscribe(pattern);
    assert_int_equal(casebus_subscriber_start_at(subscriber, after), 0);
    peer_joined(peer);
    peer->seq = seq;
    peer_heads(peer, seq, "{}");
    assert_int_equal(next(0), 0);
}

static void the_log_comes_first_and_then_what_happens(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 2, 1, 0}, {TWO, 3, 2, 0}};
    start_at("case:created", 1, 3);
    assert_asked(1, "case:created");
    assert_int_equal(casebus_subscriber_state(subscriber), CASEBUS_SUBSCRIBER_CATCHING_UP);
    peer_page(peer, page, 2, 3, 0);
    assert_next_is(2);
    assert_next_is(3);
    peer_event(peer, ONE, 4, 3, 2);
    peer_heads_batch(peer, 3, 4, "{\"case:created:hse:\": 4}");
    assert_next_is(4);
    assert_int_equal(stats().replayed, 2);
    assert_int_equal(stats().received, 3);
    assert_int_equal(stats().repaired, 0);
}

static void pages_are_asked_for_up_to_the_brokers_seq(void **state)
{
    (void)state;
    static const struct peer_logged first[] = {{ONE, 1, 0, 0}}, second[] = {{TWO, 5, 1, 0}};
    start_at("case", 0, 5);
    assert_asked(0, "case");
    peer_page(peer, first, 1, 4, 0);
    assert_next_is(1);
    assert_asked(4, "case");
    peer_page(peer, second, 1, 5, 0);
    assert_next_is(5);
    assert_int_equal(next(0), 0);
    assert_false(peer_is_asked(peer, 0));
}

static void the_seam_has_no_hole_and_no_double(void **state)
{
    (void)state;
    static const struct peer_logged first[] = {{ONE, 1, 0, 0}},
                                    second[] = {{TWO, 2, 1, 0}, {ONE, 3, 2, 1}};
    start_at("case:created:hse", 0, 2);
    assert_asked(0, "case:created:hse");
    peer_event(peer, TWO, 2, 1, 0); /* live, while the page is on its way */
    peer_page(peer, first, 1, 1, 0);
    assert_next_is(1);
    assert_asked(1, "case:created:hse");
    peer->seq = 3; /* committed before the page, sent after it */
    peer_page(peer, second, 2, 3, 0);
    peer_event(peer, ONE, 3, 2, 1);
    peer_event(peer, TWO, 4, 3, 2);
    assert_next_is(2);
    assert_next_is(3);
    assert_next_is(4);
    assert_int_equal(stats().repaired, 0);
}

static void what_is_gone_from_the_log_is_a_gap(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 9, 8, 0}};
    start_at("case", 2, 9);
    assert_asked(2, "case");
    peer_page(peer, page, 1, 9, 7);
    assert_gap("", 2, 7);
    assert_next_is(9);
}

static void a_page_that_ends_before_what_is_gone_does_not_lead_back(void **state)
{
    (void)state;
    start_at("case", 2, 9);
    assert_asked(2, "case");
    peer_page(peer, NULL, 0, 5, 7);
    assert_gap("", 2, 7);
    assert_asked(7, "case");
}

static void what_comes_after_a_broker_that_is_behind_is_followed(void **state)
{
    (void)state;
    start_at("case:created:hse", 10, 4);
    assert_asked(10, "case:created:hse");
    peer_page(peer, NULL, 0, 4, 0);
    peer_event(peer, ONE, 5, 0, 0);
    peer_event(peer, ONE, 11, 10, 5);
    assert_next_is(11);
}

static void a_page_that_proves_nothing_is_refused(void **state)
{
    (void)state;
    start_at("case", 3, 9);
    assert_asked(3, "case");
    peer_page(peer, NULL, 0, 3, 0); /* neither moved nor at the end */
    assert_int_equal(next(SOON), CASEBUS_EPROTO);
}

static void a_refused_replay_is_told(void **state)
{
    (void)state;
    start_at("case", 0, 2);
    assert_asked(0, "case");
    peer_refuse(peer, CASEBUS_EINTERNAL, "the disk");
    assert_int_equal(next(SOON), CASEBUS_EINTERNAL);
}

/* --- from a cursor ---------------------------------------------------------------------- */

static void start_cursor(const char *epoch, uint64_t seq)
{
    struct casebus_cursor cursor = {.seq = seq};
    memcpy(cursor.epoch, epoch, sizeof cursor.epoch);
    subscribe("case");
    assert_int_equal(casebus_subscriber_start_cursor(subscriber, &cursor), 0);
    peer_joined(peer);
    peer->seq = 9;
    peer_heads(peer, 9, "{}");
}

static void a_cursor_is_gone_on_from(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 8, 0, 0}};
    start_cursor("epoch-1", 6);
    assert_asked(6, "case");
    peer_page(peer, page, 1, 9, 0);
    assert_next_is(8);
    assert_cursor(9);
}

static void a_cursor_of_another_history_is_told_and_left(void **state)
{
    (void)state;
    static const struct peer_logged page[] = {{ONE, 8, 0, 0}};
    start_cursor("epoch-0", 6);
    assert_asked(6, "case");
    peer_page(peer, page, 1, 9, 0);
    assert_int_equal(next(SOON), CASEBUS_EEPOCH);
    assert_cursor(9);
    peer_event(peer, ONE, 10, 8, 8);
    peer_heads_batch(peer, 9, 10, "{\"case:created:hse:\": 10}");
    assert_next_is(10);
}

static void there_is_no_cursor_before_the_subscriber_has_joined(void **state)
{
    (void)state;
    struct casebus_cursor cursor;
    subscribe("case");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_int_equal(casebus_subscriber_cursor(subscriber, &cursor), CASEBUS_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, following_setup, following_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns_are_subscribed_first_and_heads_last),
        TEST(heads_of_batches_are_for_those_that_wait),
        TEST(a_topic_within_a_pattern_of_streams_is_not_subscribed_to),
        TEST(without_a_place_to_ask_there_is_no_subscriber),
        TEST(an_impossible_pattern_is_refused_with_the_reason),
        TEST(heads_are_no_pattern_of_events),
        TEST(one_pattern_more_than_the_limit_is_refused),
        TEST(a_pattern_after_the_start_is_refused),
        TEST(next_before_the_start_is_refused),
        TEST(a_start_that_is_refused_is_forgotten),
        TEST(an_impossible_endpoint_is_refused_each_time),
        TEST(a_subscriber_is_live_with_the_first_heads),
        TEST(batch_heads_prove_as_much),
        TEST(events_before_the_first_heads_are_not_handed_over),
        TEST(a_quiet_time_ends),
        TEST(a_batch_is_handed_over_with_its_heads),
        TEST(the_very_next_event_waits_for_no_heads),
        TEST(a_bundle_is_handed_over_event_by_event),
        TEST(bundles_of_several_streams_wait_for_each_other),
        TEST(a_reader_of_one_stream_waits_for_nothing),
        TEST(an_unordered_reader_waits_for_nothing_and_has_no_cursor),
        TEST(heads_move_the_cursor_where_nothing_matched),
        TEST(overlapping_patterns_give_an_event_once),
        TEST(a_duplicate_is_dropped),
        TEST(what_does_not_decode_is_counted_and_skipped),
        TEST(what_does_not_decode_in_a_bundle_spoils_no_more),
        TEST(a_signal_ends_a_wait),
        TEST(the_log_comes_first_and_then_what_happens),
        TEST(pages_are_asked_for_up_to_the_brokers_seq),
        TEST(the_seam_has_no_hole_and_no_double),
        TEST(what_is_gone_from_the_log_is_a_gap),
        TEST(a_page_that_ends_before_what_is_gone_does_not_lead_back),
        TEST(what_comes_after_a_broker_that_is_behind_is_followed),
        TEST(a_page_that_proves_nothing_is_refused),
        TEST(a_refused_replay_is_told),
        TEST(a_cursor_is_gone_on_from),
        TEST(a_cursor_of_another_history_is_told_and_left),
        TEST(there_is_no_cursor_before_the_subscriber_has_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
