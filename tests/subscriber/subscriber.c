/* A subscriber before a broker that does what the test wants. */
#include "peer.h"

#include <casebus/subscriber.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#define CREATED "case:created:hse:"
#define UPDATED "case:updated:hse:"
#define ONE CREATED "1:"
#define TWO CREATED "2:"
#define CHANGED UPDATED "1:"
#define SOON 2000 /* longer than anything here takes */

static struct peer *peer;
static struct casebus_subscriber *subscriber;
static struct casebus_subscriber_options options;
static const struct casebus_event *event;

static int setup(void **state)
{
    if (peer_setup(state) != 0) {
        return -1;
    }
    peer = *state;
    options = casebus_subscriber_options();
    options.fanout = PEER_FANOUT;
    options.query = PEER_QUERY;
    options.context = peer->zmq;
    return casebus_subscriber_new(&subscriber, options);
}

static int teardown(void **state)
{
    casebus_subscriber_destroy(&subscriber);
    return peer_teardown(state);
}

/* The same with other options. */
static void make_anew(void)
{
    casebus_subscriber_destroy(&subscriber);
    assert_int_equal(casebus_subscriber_new(&subscriber, options), 0);
}

static void subscribe(const char *pattern)
{
    assert_int_equal(casebus_subscriber_subscribe(subscriber, pattern, NULL), 0);
}

/* Subscribed and live, the broker at `seq`. */
static void go_live(const char *pattern, uint64_t seq)
{
    subscribe(pattern);
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    peer_joined(peer);
    peer_heads(peer, seq, "{}");
    assert_int_equal(casebus_subscriber_join(subscriber, SOON), 1);
}

static int next(int timeout_ms)
{
    return casebus_subscriber_next(subscriber, &event, timeout_ms);
}

static void assert_next_is(uint64_t seq)
{
    assert_int_equal(next(SOON), 1);
    assert_int_equal(event->seq, seq);
}

static void assert_gap(const char *stream, uint64_t after, uint64_t through)
{
    assert_int_equal(next(SOON), CASEBUS_EGAP);
    const struct casebus_gap *gap = casebus_subscriber_gap(subscriber);
    assert_bytes_are(gap->stream, stream);
    assert_int_equal(gap->after, after);
    assert_int_equal(gap->through, through);
}

static struct casebus_subscriber_stats stats(void)
{
    struct casebus_subscriber_stats now;
    casebus_subscriber_stats(subscriber, &now);
    return now;
}

/* Waits for the question and looks at it. */
static void assert_asked(uint64_t after, const char *pattern)
{
    struct casebus_reader r;
    for (int i = 0; i < 100 && !peer_is_asked(peer, 0); i++) {
        assert_int_equal(next(10), 0); /* it leaves with a call */
    }
    const struct casebus_bytes request = peer_request(peer);
    assert_bytes_are(casebus_as_str(casebus_map_get(request, "op")), "log.replay");
    assert_int_equal(casebus_as_uint(casebus_map_get(request, "after"), UINT64_MAX), after);
    casebus_reader_init(&r, casebus_map_get(request, "patterns"));
    assert_int_equal(casebus_read_array(&r), 1);
    assert_bytes_are(casebus_read_str(&r), pattern);
}

static void assert_cursor(uint64_t seq)
{
    struct casebus_cursor cursor;
    assert_int_equal(casebus_subscriber_cursor(subscriber, &cursor), 0);
    assert_int_equal(cursor.seq, seq);
    assert_memory_equal(cursor.epoch, peer->epoch, sizeof cursor.epoch);
}

/* --- patterns --------------------------------------------------------------------------- */

static void patterns_are_subscribed_first_and_heads_last(void **state)
{
    (void)state;
    subscribe("session:ended");
    subscribe("case:created:hse:1");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_string_equal(peer_subscription(peer), "session:ended:");
    assert_string_equal(peer_subscription(peer), ONE);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_BATCH);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_ALL);
}

static void heads_of_batches_are_for_those_that_wait(void **state)
{
    (void)state;
    subscribe("case:created:hse");
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    assert_string_equal(peer_subscription(peer), CREATED);
    assert_string_equal(peer_subscription(peer), CASEBUS_TOPIC_HEADS_ALL);
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
    peer_event(peer, ONE, 1, 0, 0);
    peer_event(peer, CHANGED, 2, 0, 0);
    assert_int_equal(next(20), 0);
    assert_cursor(0);
    peer_heads_batch(peer, 0, 2, "{\"case:created:hse:\": 1, \"case:updated:hse:\": 2}");
    assert_next_is(1);
    assert_bytes_are(event->topic_text, ONE);
    assert_cursor(1);
    assert_next_is(2);
    assert_cursor(2);
    assert_int_equal(stats().received, 2);
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
    peer_heads(peer, 2, "{\"case:created:hse:\": 2}");
    assert_next_is(1);
    assert_next_is(2);
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
    go_live("case:created:hse", 0);
    peer_send(peer, ONE, casebus_cstr("junk"));
    peer_send(peer, CASEBUS_TOPIC_HEADS_ALL, casebus_cstr("junk"));
    zmq_send(peer->fanout, ONE, strlen(ONE), 0); /* one frame */
    zmq_send(peer->fanout, ONE, strlen(ONE), ZMQ_SNDMORE);
    peer_event(peer, ONE, 1, 0, 0); /* three frames */
    peer_event(peer, ONE, 1, 0, 0);
    assert_next_is(1);
    assert_int_equal(stats().undecodable, 4);
}

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
    peer_event(peer, ONE, 1, 0, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns_are_subscribed_first_and_heads_last),
        TEST(heads_of_batches_are_for_those_that_wait),
        TEST(without_a_place_to_ask_there_is_no_subscriber),
        TEST(an_impossible_pattern_is_refused_with_the_reason),
        TEST(heads_are_no_pattern_of_events),
        TEST(one_pattern_more_than_the_limit_is_refused),
        TEST(a_pattern_after_the_start_is_refused),
        TEST(next_before_the_start_is_refused),
        TEST(a_subscriber_is_live_with_the_first_heads),
        TEST(batch_heads_prove_as_much),
        TEST(events_before_the_first_heads_are_not_handed_over),
        TEST(a_quiet_time_ends),
        TEST(a_batch_is_handed_over_with_its_heads),
        TEST(a_reader_of_one_stream_waits_for_nothing),
        TEST(an_unordered_reader_waits_for_nothing_and_has_no_cursor),
        TEST(heads_move_the_cursor_where_nothing_matched),
        TEST(overlapping_patterns_give_an_event_once),
        TEST(a_duplicate_is_dropped),
        TEST(what_does_not_decode_is_counted_and_skipped),
        TEST(a_hole_is_filled_from_the_log),
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
        TEST(a_signal_ends_a_wait),
        TEST(the_log_comes_first_and_then_what_happens),
        TEST(pages_are_asked_for_up_to_the_brokers_seq),
        TEST(the_seam_has_no_hole_and_no_double),
        TEST(what_is_gone_from_the_log_is_a_gap),
        TEST(what_comes_after_a_broker_that_is_behind_is_followed),
        TEST(a_page_that_proves_nothing_is_refused),
        TEST(a_refused_replay_is_told),
        TEST(a_cursor_is_gone_on_from),
        TEST(a_cursor_of_another_history_is_told_and_left),
        TEST(there_is_no_cursor_before_the_subscriber_has_joined),
        TEST(prev_topic_shows_a_hole_in_one_topic),
        TEST(a_head_that_moved_on_is_asked_about),
        TEST(questions_are_a_second_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
