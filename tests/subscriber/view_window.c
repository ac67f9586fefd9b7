/* When views ask: at the edges of their windows, once for all, and not more often. */
#include "viewing.h"

#define CREATED "case:created:hse:"

static void a_view_asks_when_it_is_opened(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(3), watching(1000));
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LOADING);
    struct casebus_bytes request = asked("case.recent");
    assert_int_equal(asked_number(request, "limit"), 3);
    answer(10, "2 1", NULL);
    assert_int_equal(seen.count, 1);
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "2 1");
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LIVE);
    assert_int_equal(status_of(view).through, 10);
    close_view(&view);
}

/* Opened and answered, and the window over. */
static struct casebus_view *open_quiet(unsigned window_ms)
{
    struct casebus_view *view = open_view(casebus_query_recent(3), watching(window_ms));
    asked("case.recent");
    answer(10, "1", NULL);
    pass((int)window_ms);
    assert_not_asked();
    return view;
}

static void what_moves_after_a_window_is_asked_at_once(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    move_stream(CREATED, 11);
    assert_int_equal(asked_number(asked("case.recent"), "after_seq"), 11);
    assert_int_equal(status_of(view).through, 10);
    answer(11, "2 1", NULL);
    assert_string_equal(seen.changes, "+2@0");
    assert_int_equal(status_of(view).through, 11);
    close_view(&view);
}

static void what_moves_within_a_window_is_asked_at_its_end(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    move_stream(CREATED, 11);
    asked("case.recent");
    answer(11, "2 1", NULL);
    pass(400);
    move_stream(CREATED, 12);
    move_stream(CREATED, 13);
    pass(300);
    move_stream(CREATED, 14);
    assert_int_equal(casebus_views_timeout(views), 300);
    pass(299);
    assert_not_asked();
    pass(1);
    assert_int_equal(asked_number(asked("case.recent"), "after_seq"), 14);
    assert_not_asked();
    answer(14, "4 3 2", NULL);
    pass(1000);
    assert_not_asked();
    close_view(&view);
}

static void a_window_begins_with_its_fetch_not_with_its_answer(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    move_stream(CREATED, 11);
    asked("case.recent");
    pass(600);
    answer(11, "2 1", NULL);
    move_stream(CREATED, 12);
    pass(399);
    assert_not_asked();
    pass(1);
    asked("case.recent");
    close_view(&view);
}

static void nothing_is_asked_while_an_answer_is_on_its_way(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(100);
    move_stream(CREATED, 11);
    asked("case.recent");
    move_stream(CREATED, 12);
    pass(500);
    assert_not_asked();
    answer(12, "2 1", NULL); /* it has what moved meanwhile */
    pass(500);
    assert_not_asked();
    move_stream(CREATED, 13);
    asked("case.recent");
    move_stream(CREATED, 14);
    pass(50);
    answer(13, "3 2 1", NULL); /* it has not */
    assert_not_asked();
    pass(50);
    asked("case.recent");
    close_view(&view);
}

static void without_a_window_each_move_is_asked_about(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(0);
    for (uint64_t seq = 11; seq < 20; seq++) {
        move_stream(CREATED, seq);
        asked("case.recent");
        answer(seq, "1", NULL);
    }
    assert_not_asked();
    close_view(&view);
}

static void a_stream_that_is_not_watched_moves_nothing(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(0);
    move_stream("session:started:hse:", 11);
    move_stream("case:conflict:hse:", 12);
    assert_not_asked();
    assert_int_equal(status_of(view).through, 12);
    assert_int_equal(hub_stats().moves, 0);
    close_view(&view);
}

static void patterns_say_what_is_watched(void **state)
{
    (void)state;
    static const char *const patterns[] = {"case:conflict:*", "session:started:hse",
                                           "case:synced:ea:1"};
    struct casebus_view_options options = watching(0);
    options.patterns = patterns;
    options.pattern_count = 3;
    struct casebus_view *view = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer(10, "1", NULL);
    move_stream(CREATED, 11);
    move_stream("session:started:ea:", 12);
    assert_not_asked();
    static const char *const watched[] = {
        "case:conflict:onr:", "session:started:hse:", "case:synced:ea:"};
    for (size_t i = 0; i < 3; i++) {
        move_stream(watched[i], 13 + i);
        asked("case.recent");
        answer(13 + i, "1", NULL);
    }
    close_view(&view);
}

/* A list of refused reports among others, opened and answered, and the window over. */
static struct casebus_view *open_met(unsigned window_ms, const char *const *patterns)
{
    struct casebus_view_options options = watching(window_ms);
    options.patterns = patterns;
    options.pattern_count = patterns != NULL ? 1 : 0;
    peer->entry = 20;
    struct casebus_view *view = open_view(casebus_query_session_cases("hse", "s1", 3), options);
    asked("session.cases");
    answer(10, "1", NULL);
    pass((int)window_ms);
    assert_not_asked();
    return view;
}

static void what_makes_no_event_is_asked_about_once_a_window(void **state)
{
    (void)state;
    struct casebus_view *view = open_met(1000, NULL);
    move_quiet(21);
    asked("session.cases");
    peer->entry = 21;
    answer(10, "2 1", NULL);
    assert_string_equal(seen.changes, "+2@0");
    move_quiet(22);
    move_quiet(25);
    pass(999);
    assert_not_asked();
    pass(1);
    asked("session.cases");
    peer->entry = 25;
    answer(10, "3 2 1", NULL);
    assert_int_equal(status_of(view).entry, 25);
    assert_int_equal(hub_stats().moves, 3);
    pass(1000);
    assert_not_asked();
    close_view(&view);
}

static void what_an_answer_has_already_is_not_asked_about(void **state)
{
    (void)state;
    struct casebus_view *view = open_met(0, NULL);
    move_quiet(20); /* as old as the answer */
    move_quiet(19); /* and late */
    assert_not_asked();
    move_quiet(21);
    asked("session.cases");
    move_quiet(22);
    peer->entry = 22; /* it has what came meanwhile */
    answer(10, "2 1", NULL);
    assert_not_asked();
    move_quiet(24);
    asked("session.cases");
    peer->entry = 23; /* it has not */
    answer(10, "2 1", NULL);
    asked("session.cases");
    close_view(&view);
}

static void what_shows_nothing_of_it_is_not_asked(void **state)
{
    (void)state;
    static const char *const patterns[] = {"case:created:*"};
    struct casebus_view *view = open_quiet(0), *own = open_met(0, patterns);
    move_quiet(21);
    assert_not_asked();
    assert_int_equal(hub_stats().moves, 0);
    close_view(&view);
    close_view(&own);
}

static void a_silent_view_begins_with_what_makes_no_event(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(1000);
    options.initial = false;
    move_quiet(20);
    struct casebus_view *view = open_view(casebus_query_session_cases("hse", "s1", 3), options);
    assert_not_asked();
    assert_int_equal(status_of(view).through, 10);
    move_quiet(21);
    asked("session.cases");
    close_view(&view);
}

static void a_pattern_that_nothing_matches_is_refused(void **state)
{
    (void)state;
    static const char *const patterns[] = {"case:scraped:*"}, *const sys[] = {"sys:heads"};
    struct casebus_view_options options = watching(0);
    struct casebus_view *view;
    const char *why = NULL;
    options.patterns = patterns;
    options.pattern_count = 1;
    assert_int_equal(casebus_view_open(&view, views, casebus_query_recent(3), options, &why),
                     CASEBUS_EPATTERN);
    assert_null(view);
    assert_non_null(strstr(why, "kind of report"));
    options.patterns = sys;
    assert_int_equal(casebus_view_open(&view, views, casebus_query_recent(3), options, NULL),
                     CASEBUS_EPATTERN);
    options.pattern_count = 0;
    assert_int_equal(casebus_view_open(&view, views, casebus_query_recent(3), options, NULL),
                     CASEBUS_EINVAL);
}

static void views_of_one_query_share_its_answers(void **state)
{
    (void)state;
    struct casebus_view *view[3];
    for (size_t i = 0; i < 2; i++) {
        view[i] = open_view(casebus_query_recent(3), watching(1000));
    }
    asked("case.recent");
    assert_not_asked();
    answer(10, "1", NULL);
    assert_int_equal(seen.count, 2);
    assert_int_equal(hub_stats().saved, 1);
    view[2] = open_view(casebus_query_recent(3), watching(1000)); /* it is there already */
    assert_int_equal(seen.count, 3);
    assert_not_asked();
    assert_int_equal(hub_stats().saved, 2);
    assert_int_equal(hub_stats().requests, 1);
    for (size_t i = 0; i < 3; i++) {
        close_view(&view[i]);
    }
}

static void views_of_other_queries_or_windows_do_not(void **state)
{
    (void)state;
    struct casebus_view *view[3];
    view[0] = open_view(casebus_query_recent(3), watching(1000));
    view[1] = open_view(casebus_query_recent(4), watching(1000));
    view[2] = open_view(casebus_query_recent(3), watching(2000));
    for (size_t i = 0; i < 3; i++) {
        asked("case.recent");
        close_view(&view[i]);
    }
    assert_not_asked();
}

static void an_interval_asks_though_nothing_moved(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(100);
    options.refetch_interval_ms = 2000;
    struct casebus_view *view = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer(10, "1", NULL);
    for (int i = 0; i < 3; i++) {
        heads(10);
        pass(1999);
        assert_not_asked();
        heads(10);
        pass(1);
        asked("case.recent");
        answer(10, "1", NULL);
    }
    assert_int_equal(seen.count, 1); /* nothing had changed */
    close_view(&view);
}

static void without_initial_it_asks_when_something_moves(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(1000);
    options.initial = false;
    struct casebus_view *view = open_view(casebus_query_recent(3), options);
    assert_not_asked();
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LIVE);
    assert_int_equal(status_of(view).through, 10);
    move_stream(CREATED, 11);
    asked("case.recent");
    answer(11, "1", NULL);
    assert_string_equal(seen.rows, "1");
    close_view(&view);
}

static void a_paused_view_asks_nothing(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    casebus_view_pause(view);
    move_stream(CREATED, 11);
    pass(1000);
    assert_not_asked();
    assert_true(status_of(view).paused);
    assert_int_equal(status_of(view).through, 10);
    casebus_view_resume(view);
    loop();
    asked("case.recent");
    answer(11, "2 1", NULL);
    assert_string_equal(seen.rows, "2 1");
    casebus_view_pause(view);
    casebus_view_resume(view); /* nothing moved */
    pass(2000);
    assert_not_asked();
    close_view(&view);
}

static void a_paused_view_keeps_what_it_shows_while_another_goes_on(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    struct casebus_view *other = open_view(casebus_query_recent(3), watching(1000));
    casebus_view_pause(view);
    move_stream(CREATED, 11);
    asked("case.recent");
    answer(11, "2 1", NULL);
    size_t count;
    casebus_view_rows(view, &count);
    assert_int_equal(count, 1);
    casebus_view_rows(other, &count);
    assert_int_equal(count, 2);
    casebus_view_resume(view);
    loop();
    casebus_view_rows(view, &count);
    assert_int_equal(count, 2);
    assert_not_asked();
    close_view(&view);
    close_view(&other);
}

static void nobody_is_shown_what_a_paused_view_had(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    struct casebus_view_options options = watching(1000);
    options.policy = CASEBUS_VIEW_KEEP;
    casebus_view_pause(view);
    move_stream(CREATED, 11);
    pass(1000);
    struct casebus_view *other = open_view(casebus_query_recent(3), options);
    assert_int_equal(status_of(other).state, CASEBUS_VIEW_LOADING);
    asked("case.recent");
    answer(11, "2 1", NULL);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.rows, "2 1");
    size_t count;
    casebus_view_rows(view, &count);
    assert_int_equal(count, 1);
    close_view(&view);
    close_view(&other);
}

static void a_refresh_asks_within_the_window(void **state)
{
    (void)state;
    struct casebus_view *view = open_quiet(1000);
    casebus_view_refresh(view);
    loop();
    asked("case.recent");
    answer(10, "1", NULL);
    casebus_view_refresh(view);
    pass(999);
    assert_not_asked();
    pass(1);
    asked("case.recent");
    close_view(&view);
}

static void so_many_requests_at_a_time(void **state)
{
    (void)state;
    struct casebus_view *view[4];
    allow_requests(2);
    for (unsigned i = 0; i < 4; i++) {
        view[i] = open_view(casebus_query_recent(i + 1), watching(1000));
    }
    asked("case.recent");
    asked("case.recent");
    assert_not_asked();
    answer(10, "1", NULL);
    asked("case.recent");
    assert_not_asked();
    close_view(&view[2]); /* its answer is of no interest any more */
    loop();
    asked("case.recent");
    for (unsigned i = 0; i < 4; i++) {
        casebus_view_close(&view[i]);
    }
}

static void a_lost_request_is_sent_again(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(3), watching(1000));
    asked("case.recent"); /* and lost */
    pass(1999);
    assert_not_asked();
    pass(1);
    asked("case.recent");
    pass(4000);
    asked("case.recent");
    answer(10, "1", NULL);
    assert_int_equal(seen.count, 1);
    assert_int_equal(hub_stats().requests, 1);
    close_view(&view);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, viewing_setup, viewing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_view_asks_when_it_is_opened),
        TEST(what_moves_after_a_window_is_asked_at_once),
        TEST(what_moves_within_a_window_is_asked_at_its_end),
        TEST(a_window_begins_with_its_fetch_not_with_its_answer),
        TEST(nothing_is_asked_while_an_answer_is_on_its_way),
        TEST(without_a_window_each_move_is_asked_about),
        TEST(a_stream_that_is_not_watched_moves_nothing),
        TEST(patterns_say_what_is_watched),
        TEST(what_makes_no_event_is_asked_about_once_a_window),
        TEST(what_an_answer_has_already_is_not_asked_about),
        TEST(what_shows_nothing_of_it_is_not_asked),
        TEST(a_silent_view_begins_with_what_makes_no_event),
        TEST(a_pattern_that_nothing_matches_is_refused),
        TEST(views_of_one_query_share_its_answers),
        TEST(views_of_other_queries_or_windows_do_not),
        TEST(an_interval_asks_though_nothing_moved),
        TEST(without_initial_it_asks_when_something_moves),
        TEST(a_paused_view_asks_nothing),
        TEST(a_paused_view_keeps_what_it_shows_while_another_goes_on),
        TEST(nobody_is_shown_what_a_paused_view_had),
        TEST(a_refresh_asks_within_the_window),
        TEST(so_many_requests_at_a_time),
        TEST(a_lost_request_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
