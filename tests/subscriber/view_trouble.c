/* Views and a broker that is silent, behind, another one, or no broker at all. */
#include "viewing.h"

#define CREATED "case:created:hse:"

static struct casebus_view *view;

static void open_live(unsigned window_ms)
{
    view = open_view(casebus_query_recent(3), watching(window_ms));
    asked("case.recent");
    answer(10, "1", NULL);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LIVE);
}

static void assert_words(const char *words)
{
    assert_string_equal(casebus_view_words(view), words);
}

static void assert_words_begin(const char *words)
{
    assert_memory_equal(casebus_view_words(view), words, strlen(words));
}

/* --- silence ---------------------------------------------------------------------------- */

static void before_it_hears_of_the_broker_it_is_connecting(void **state)
{
    (void)state;
    view = open_view(casebus_query_recent(3), watching(1000));
    assert_words("connecting");
    assert_int_equal(casebus_views_head(views), 0);
    assert_null(casebus_views_epoch(views));
    pass(3000);
    assert_words("connecting (the broker does not answer)");
    join();
    heads(10);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_STALE); /* heard, but not answered */
    asked("case.recent");
    answer(10, "1", NULL);
    assert_words("live, complete through #10");
    close_view(&view);
}

static void an_answer_may_come_before_heads(void **state)
{
    (void)state;
    view = open_view(casebus_query_recent(3), watching(1000));
    join();
    asked("case.recent");
    answer(10, "1", NULL);
    assert_string_equal(seen.rows, "1");
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_CONNECTING);
    pass(3000);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_STALE);
    heads(10);
    assert_words("live, complete through #10");
    close_view(&view);
}

static void without_heads_it_is_stale_and_returns_by_itself(void **state)
{
    (void)state;
    open_live(1000);
    const unsigned states = seen.states;
    assert_true(casebus_views_timeout(views) <= 3000);
    pass(2999);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LIVE);
    assert_int_equal(casebus_views_timeout(views), 1);
    pass(1);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_STALE);
    assert_int_equal(seen.states, states + 1);
    assert_true(status_of(view).since > 0);
    assert_int_equal(status_of(view).error, CASEBUS_EUNREACHABLE);
    assert_words_begin("stale since ");
    size_t count;
    casebus_view_rows(view, &count);
    assert_int_equal(count, 1);
    const int64_t since = status_of(view).since;
    pass(1000);
    assert_true(status_of(view).since == since);
    heads(10);
    assert_words("live, complete through #10");
    close_view(&view);
}

static void without_an_answer_it_is_stale(void **state)
{
    (void)state;
    open_live(0);
    move_stream(CREATED, 11);
    for (int i = 0; i < 3; i++) {
        pass(1000);
        assert_int_equal(status_of(view).state,
                         i < 2 ? CASEBUS_VIEW_CATCHING_UP : CASEBUS_VIEW_STALE);
        move_stream(CREATED, 12 + (uint64_t)i);
    }
    assert_words_begin("stale since ");
    asked("case.recent");
    answer(14, "2 1", NULL);
    assert_words("live, complete through #14");
    close_view(&view);
}

static void an_answer_that_is_overdue_is_catching_up(void **state)
{
    (void)state;
    open_live(0);
    move_stream(CREATED, 11);
    pass(999);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LIVE);
    pass(1);
    assert_words("catching up, complete through #10");
    asked("case.recent");
    answer(11, "2 1", NULL);
    assert_words("live, complete through #11");
    close_view(&view);
}

/* Waits for a connection to the fan-out. */
static void assert_connected(void *monitor)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (bool more = true; more; more = zmq_msg_more(&frame)) {
        assert_true(zmq_msg_recv(&frame, monitor, 0) >= 0);
    }
    zmq_msg_close(&frame);
}

static void a_silent_connection_is_made_again(void **state)
{
    (void)state;
    char endpoint[64];
    size_t size = sizeof endpoint;
    const int patience = PEER_PATIENCE_MS;
    void *monitor = zmq_socket(peer->zmq, ZMQ_PAIR);
    assert_int_equal(zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(zmq_bind(peer->fanout, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(peer->fanout, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    assert_int_equal(zmq_socket_monitor(peer->fanout, "inproc://accepted", ZMQ_EVENT_ACCEPTED),
                     0);
    assert_int_equal(zmq_connect(monitor, "inproc://accepted"), 0);
    connect_to(endpoint);
    assert_connected(monitor);
    pass(9999);
    zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 0), 0);
    assert_int_equal(casebus_views_timeout(views), 1);
    pass(1);
    assert_connected(monitor);
    zmq_close(monitor);
}

/* --- refusals --------------------------------------------------------------------------- */

static void a_broker_that_is_behind_is_asked_again_soon(void **state)
{
    (void)state;
    open_live(5000);
    pass(2000);
    heads(10);
    pass(2000);
    heads(10);
    pass(1000);
    move_stream(CREATED, 11);
    asked("case.recent");
    refuse(10, CASEBUS_EBEHIND);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_CATCHING_UP);
    pass(99);
    assert_not_asked();
    pass(1);
    asked("case.recent");
    for (int i = 0; i < 2; i++) {
        refuse(11, i == 0 ? CASEBUS_EBUSY : CASEBUS_ELIMITED);
        pass(499);
        assert_not_asked();
        pass(1);
        asked("case.recent");
    }
    answer(11, "2 1", NULL);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LIVE);
    close_view(&view);
}

static void what_is_refused_is_said(void **state)
{
    (void)state;
    open_live(0);
    move_stream(CREATED, 11);
    asked("case.recent");
    refuse(11, CASEBUS_EINTERNAL);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_STALE);
    assert_int_equal(status_of(view).error, CASEBUS_EINTERNAL);
    assert_non_null(strstr(casebus_view_words(view), "could not carry this out"));
    heads(11);
    pass(2500);
    heads(11);
    assert_not_asked();
    pass(2500);
    asked("case.recent");
    answer(11, "2 1", NULL);
    assert_words("live, complete through #11");
    close_view(&view);
}

static void what_may_not_be_seen_any_more_goes_and_is_said(void **state)
{
    (void)state;
    open_live(0);
    move_stream(CREATED, 11);
    asked("case.recent");
    refuse(11, CASEBUS_EDENIED);
    assert_string_equal(seen.rows, "");
    assert_int_equal(status_of(view).error, CASEBUS_EDENIED);
    assert_words("live (the actor may not do this)");
    move_stream(CREATED, 12);
    asked("case.recent");
    answer(12, "2 1", NULL);
    assert_words("live, complete through #12");
    close_view(&view);
}

static void a_case_that_is_not_there_is_an_empty_list(void **state)
{
    (void)state;
    view = open_view(casebus_query_case("hse:1"), watching(0));
    asked("case.get");
    refuse(10, CASEBUS_ENOTFOUND);
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "");
    assert_int_equal(status_of(view).error, CASEBUS_ENOTFOUND);
    assert_words("live, complete through #10");
    move_stream(CREATED, 11);
    asked("case.get");
    answer_json(11, "{'case': {'id': 'hse:1'}, 'agency_record': {}}");
    assert_string_equal(seen.rows, "1");
    assert_int_equal(status_of(view).error, 0);
    close_view(&view);
}

static void what_holds_the_broker_is_said(void **state)
{
    (void)state;
    open_live(0);
    struct casebus_heads held = {.seq = 10, .held = casebus_cstr("read-only: disk full")};
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    memcpy(held.epoch, peer->epoch, sizeof held.epoch);
    held.streams = casebus_bytes("\x80", 1);
    assert_int_equal(casebus_heads_encode(&held, &body), 0);
    peer_send(peer, CASEBUS_TOPIC_HEADS_ALL, casebus_bytes(body.data, body.size));
    msgpack_sbuffer_destroy(&body);
    loop();
    assert_words("live, complete through #10; read-only: disk full");
    heads(10);
    assert_words("live, complete through #10");
    close_view(&view);
}

/* --- other histories -------------------------------------------------------------------- */

static void another_history_is_loaded_anew(void **state)
{
    (void)state;
    open_live(60000);
    peer->epoch = "epoch-2";
    heads(5);
    assert_int_equal(status_of(view).through, 10);
    asked("heads");
    answer_json(5, "{'heads': {}}");
    assert_int_equal(hub_stats().epochs, 1);
    assert_memory_equal(casebus_views_epoch(views), "epoch-2", 8);
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LOADING);
    asked("case.recent"); /* whatever its window */
    answer(5, "7", NULL);
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "7");
    heads(5);
    assert_words("live, complete through #5");
    close_view(&view);
}

static void an_answer_names_another_history(void **state)
{
    (void)state;
    open_live(0);
    move_stream(CREATED, 11);
    asked("case.recent");
    peer->epoch = "epoch-2";
    answer(3, "7", NULL);
    assert_int_equal(seen.count, 1);
    assert_int_equal(asked_number(asked("case.recent"), "after_seq"), 0);
    answer(3, "7", NULL);
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "7");
    close_view(&view);
}

static void late_heads_of_another_history_prove_nothing(void **state)
{
    (void)state;
    open_live(0);
    peer->epoch = "epoch-0";
    peer_heads(peer, 99, "{\"case:created:hse:\": 99}");
    loop();
    peer->epoch = "epoch-1";
    asked("heads");
    answer_json(10, "{'heads': {}}");
    assert_not_asked();
    assert_int_equal(hub_stats().epochs, 0);
    assert_int_equal(casebus_views_head(views), 10);
    heads(10);
    assert_words("live, complete through #10");
    close_view(&view);
}

static void a_page_of_another_history_is_left(void **state)
{
    (void)state;
    view = open_view(casebus_query_recent(1), watching(0));
    asked("case.recent");
    answer(10, "2", "'as_of': 10, 'next': '0x02'");
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_NEXT), 0);
    loop();
    asked("case.recent");
    peer->epoch = "epoch-2";
    answer(3, "7", NULL);
    const struct casebus_bytes request = asked("case.recent");
    assert_int_equal(asked_number(request, "as_of"), UINT64_MAX);
    assert_null(casebus_map_get(request, "next").data);
    answer(3, "7", NULL);
    assert_string_equal(seen.rows, "7");
    assert_false(status_of(view).has_previous);
    close_view(&view);
}

static void a_batch_behind_a_lost_one_proves_no_more_than_it_names(void **state)
{
    (void)state;
    open_live(0);
    peer_heads_batch(peer, 10, 12, "{\"case:conflict:hse:\": 12}");
    loop();
    assert_int_equal(status_of(view).through, 12);
    peer_heads_batch(peer, 14, 16, "{\"case:conflict:hse:\": 16}");
    loop();
    assert_int_equal(status_of(view).through, 12);
    assert_int_equal(casebus_views_head(views), 16);
    heads(16);
    assert_int_equal(status_of(view).through, 16);
    close_view(&view);
}

/* --- what is no answer ------------------------------------------------------------------ */

static void answers_that_are_none_change_nothing(void **state)
{
    (void)state;
    static const char *const results[] = {
        "{}",
        "{'rows': {}}",
        "{'rows': [1]}",
        "{'rows': [{}]}",
        "{'rows': [{'id': 7}]}",
        "{'rows': [{'id': ''}]}",
    };
    open_live(0);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        move_stream(CREATED, 11 + i);
        asked("case.recent");
        answer_json(11 + i, results[i]);
        assert_int_equal(hub_stats().undecodable, i + 1);
        assert_int_equal(seen.count, 1);
        pass(500); /* asked again, and answered well */
        asked("case.recent");
        answer(11 + i, "1", NULL);
    }
    close_view(&view);
}

static void junk_and_answers_to_nobody_are_passed_over(void **state)
{
    (void)state;
    open_live(0);
    move_stream(CREATED, 11);
    asked("case.recent");
    struct peer junk = *peer;
    zmq_msg_t name;
    zmq_msg_init(&name);
    assert_int_equal(zmq_msg_copy(&name, &peer->envelope[0]), 0);
    for (int i = 0; i < 3; i++) { /* one frame; two; three with another's number */
        zmq_msg_t to;
        zmq_msg_init(&to);
        assert_int_equal(zmq_msg_copy(&to, &name), 0);
        assert_true(zmq_msg_send(&to, junk.query, ZMQ_SNDMORE) >= 0);
        for (int more = 0; more < i; more++) {
            assert_true(zmq_send(junk.query, "12345678", 8, ZMQ_SNDMORE) >= 0);
        }
        assert_true(zmq_send(junk.query, "junk", 4, 0) >= 0);
    }
    zmq_msg_close(&name);
    peer_send(peer, CASEBUS_TOPIC_HEADS_ALL, casebus_cstr("junk"));
    loop();
    assert_int_equal(hub_stats().undecodable, 4);
    answer(11, "2 1", NULL);
    assert_string_equal(seen.rows, "2 1");
    close_view(&view);
}

static void queries_out_of_range_are_refused(void **state)
{
    (void)state;
    char longer[CASEBUS_SEGMENT_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const struct casebus_query queries[] = {
        casebus_query_recent(0),
        casebus_query_recent(CASEBUS_PAGE_MAX + 1),
        casebus_query_cases("HSE", NULL, NULL, 5),
        casebus_query_cases(longer, NULL, NULL, 5),
        casebus_query_cases("hse", "2024-01-01x", NULL, 5),
        casebus_query_case("hse"),
        casebus_query_case(NULL),
        casebus_query_session("hse", longer),
        casebus_query_session("", "s"),
        casebus_query_session_cases("hse", "", 5),
        casebus_query_cases_since(0, 5),
        casebus_query_sessions(NULL, "a status that is none", 5),
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        assert_int_equal(casebus_view_open(&view, views, queries[i], watching(0), NULL),
                         CASEBUS_EINVAL);
        assert_null(view);
    }
    assert_not_asked();
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    struct casebus_views *none;
    struct casebus_views_options options = casebus_views_options();
    options.query = "nonsense";
    assert_int_equal(casebus_views_new(&none, options), CASEBUS_EINVAL);
    assert_null(none);
    options = casebus_views_options();
    options.fanout = NULL;
    assert_int_equal(casebus_views_new(&none, options), CASEBUS_EINVAL);
    casebus_views_destroy(&none);
    view = NULL;
    casebus_view_close(&view);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, viewing_setup, viewing_teardown)
#define UNHEARD(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, viewing_setup_unheard, viewing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNHEARD(before_it_hears_of_the_broker_it_is_connecting),
        UNHEARD(an_answer_may_come_before_heads),
        TEST(without_heads_it_is_stale_and_returns_by_itself),
        TEST(without_an_answer_it_is_stale),
        TEST(an_answer_that_is_overdue_is_catching_up),
        UNHEARD(a_silent_connection_is_made_again),
        TEST(a_broker_that_is_behind_is_asked_again_soon),
        TEST(what_is_refused_is_said),
        TEST(what_may_not_be_seen_any_more_goes_and_is_said),
        TEST(a_case_that_is_not_there_is_an_empty_list),
        TEST(what_holds_the_broker_is_said),
        TEST(another_history_is_loaded_anew),
        TEST(an_answer_names_another_history),
        TEST(late_heads_of_another_history_prove_nothing),
        TEST(a_page_of_another_history_is_left),
        TEST(a_batch_behind_a_lost_one_proves_no_more_than_it_names),
        TEST(answers_that_are_none_change_nothing),
        TEST(junk_and_answers_to_nobody_are_passed_over),
        TEST(queries_out_of_range_are_refused),
        TEST(impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
