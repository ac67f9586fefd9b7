/* Leases: ticks, sessions that are lost and come back, and those that are asked to stop. */
#include "desk.h"

#include <string.h>

static struct desk d;

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    d.session = "s1";
    desk_report(&d, "session:started:hse:s1:", NULL);
    return 0;
}

static void ticks(int n)
{
    for (int i = 0; i < n; i++) {
        desk_tick(&d, NULL);
        if (i < n - 1) {
            assert_string_equal(desk_events(&d), "");
        }
    }
}

/* The first tick ends the second in which the session was heard from: it counts from there. */
static void lose(void)
{
    ticks(1 + CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "lost s1");
}

static void see_a_case(void)
{
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
}

/* --- lost ------------------------------------------------------------------------------- */

static void ten_ticks_of_silence_lose_a_session(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "");
    desk_tick(&d, NULL);
    assert_string_equal(desk_events(&d), "lost s1");
    assert_string_equal(desk_at(&d, "payload/status"), "lost");
    assert_string_equal(desk_at(&d, "actor"), "broker");
    assert_string_equal(desk_at(&d, "session"), "s1");
}

static void it_is_lost_once(void **state)
{
    (void)state;
    lose();
    ticks(2 * CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "");
}

static void a_heartbeat_counts_from_its_tick(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    desk_tick(&d, "['hse:s1']");
    ticks(CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "lost s1");
}

static void a_case_report_counts_from_the_next_tick(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    see_a_case();
    lose();
}

static void so_does_one_that_is_refused(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    desk_report(&d, "case:deleted:hse:nobody:", NULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REJECTED);
    ticks(1); /* tells of it */
    assert_string_equal(desk_events(&d), "");
    ticks(CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "lost s1");
}

static void so_does_a_session_report(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    desk_report(&d, "session:progressed:hse:s1:", "{'page': 1}");
    lose();
}

static void so_does_one_that_is_refused_itself(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    desk_report(&d, "session:progressed:hse:s1:", "{'page': 'one'}");
    assert_int_equal(d.result.fault.code, CASEBUS_ETYPE);
    lose();
    desk_report(&d, "session:ended:hse:s1:", NULL);
    assert_int_equal(d.result.fault.code, CASEBUS_EMISSING);
    assert_string_equal(desk_events(&d), "resumed s1");
}

static void so_does_starting_it_again(void **state)
{
    (void)state;
    ticks(CASEBUS_LEASE_TICKS);
    desk_report(&d, "session:started:hse:s1:", NULL);
    lose();
}

static void only_the_silent_are_lost(void **state)
{
    (void)state;
    desk_report(&d, "session:started:hse:s2:", NULL);
    for (int i = 0; i < CASEBUS_LEASE_TICKS; i++) {
        desk_tick(&d, "['hse:s2']");
    }
    desk_tick(&d, "['hse:s2']");
    assert_string_equal(desk_events(&d), "lost s1");
    assert_int_equal(desk_state(&d).running, 1);
}

static void time_without_ticks_loses_nobody(void **state)
{
    (void)state;
    desk_tick(&d, NULL);
    d.clock += 3600ull * 1000000;
    desk_reopen(&d);
    desk_tick(&d, NULL);
    assert_string_equal(desk_events(&d), "");
}

static void an_ended_session_is_not_lost(void **state)
{
    (void)state;
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    ticks(2 * CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "");
    assert_int_equal(desk_entries(&d, TREE_ACTIVE), 0);
}

static void strangers_and_the_ended_in_a_tick_are_passed_over(void **state)
{
    (void)state;
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    desk_tick(&d, "['hse:s1', 'hse:nobody', '', 7, 'no colon']");
    assert_string_equal(desk_events(&d), "");
    assert_int_equal(desk_state(&d).ticks, 1);
    assert_int_equal(desk_state(&d).running, 0);
}

/* --- resumed ---------------------------------------------------------------------------- */

static void a_heartbeat_resumes_a_lost_session(void **state)
{
    (void)state;
    lose();
    assert_int_equal(desk_state(&d).running, 0);
    desk_tick(&d, "['hse:s1']");
    assert_string_equal(desk_events(&d), "resumed s1");
    assert_string_equal(desk_at(&d, "payload/status"), "running");
    assert_string_equal(desk_at(&d, "actor"), "broker");
    assert_int_equal(desk_state(&d).running, 1);
    ticks(CASEBUS_LEASE_TICKS);
    assert_string_equal(desk_events(&d), "lost s1");
}

static void a_case_report_resumes_it_before_its_own_events(void **state)
{
    (void)state;
    lose();
    see_a_case();
    assert_string_equal(desk_events(&d), "resumed s1 created 1");
    assert_int_equal(desk_state(&d).running, 1);
}

static void its_end_resumes_it_before(void **state)
{
    (void)state;
    lose();
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_string_equal(desk_events(&d), "resumed s1 ended s1");
    assert_string_equal(desk_at(&d, "payload/status"), "completed");
    assert_int_equal(desk_state(&d).running, 0);
}

static void starting_it_again_resumes_it(void **state)
{
    (void)state;
    lose();
    desk_report(&d, "session:started:hse:s1:", NULL);
    assert_string_equal(desk_events(&d), "resumed s1");
    assert_string_equal(desk_at(&d, "actor"), "local");
}

/* --- stopping --------------------------------------------------------------------------- */

static void a_running_session_is_asked_to_stop(void **state)
{
    (void)state;
    desk_stop(&d, "s1");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    assert_true(d.result.asked);
    assert_string_equal(desk_events(&d), "stopping s1");
    assert_string_equal(desk_at(&d, "payload/status"), "stopping");
    assert_string_equal(desk_at(&d, "actor"), "ann");
    assert_int_equal(desk_state(&d).running, 1);
}

static void asking_again_is_nothing_new(void **state)
{
    (void)state;
    desk_stop(&d, "s1");
    desk_stop(&d, "s1");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    assert_false(d.result.asked);
    assert_string_equal(desk_events(&d), "");
}

static void it_works_on_until_it_ends_itself(void **state)
{
    (void)state;
    desk_stop(&d, "s1");
    see_a_case();
    assert_string_equal(desk_events(&d), "created 1 progressed s1");
    assert_string_equal(desk_at(&d, "payload/status"), "stopping");
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'stopped', 'reason': 'asked'}");
    assert_string_equal(desk_at(&d, "payload/status"), "stopped");
    assert_int_equal(desk_state(&d).running, 0);
}

static void one_that_was_asked_is_stopping_again_when_it_is_back(void **state)
{
    (void)state;
    desk_stop(&d, "s1");
    lose();
    desk_tick(&d, "['hse:s1']");
    assert_string_equal(desk_events(&d), "resumed s1");
    assert_string_equal(desk_at(&d, "payload/status"), "stopping");
}

static void a_lost_session_ends_at_once(void **state)
{
    (void)state;
    lose();
    desk_stop(&d, "s1");
    assert_true(d.result.asked);
    assert_string_equal(desk_events(&d), "ended s1");
    assert_string_equal(desk_at(&d, "payload/status"), "stopped");
    assert_string_equal(desk_at(&d, "payload/end_reason"), "stopped by ann while lost");
    assert_int_equal(desk_entries(&d, TREE_ACTIVE), 0);
}

static void its_worker_may_end_it_as_stopped_and_no_other_way(void **state)
{
    (void)state;
    lose();
    desk_stop(&d, "s1");
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_int_equal(d.result.fault.code, CASEBUS_EENDED);
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'stopped', 'reason': 'asked'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    assert_string_equal(desk_events(&d), "");
}

static void an_ended_session_cannot_be_stopped(void **state)
{
    (void)state;
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    desk_stop(&d, "s1");
    assert_int_equal(d.result.fault.code, CASEBUS_EENDED);
    assert_string_equal(desk_events(&d), "");
}

static void neither_can_an_unknown_one(void **state)
{
    (void)state;
    desk_stop(&d, "nobody");
    assert_int_equal(d.result.fault.code, CASEBUS_ENOTFOUND);
    assert_false(d.result.asked);
}

/* --- progress --------------------------------------------------------------------------- */

static void a_tick_tells_what_reports_left_untold(void **state)
{
    (void)state;
    d.clock -= 1000000; /* the next report in the same second as the start */
    see_a_case();
    assert_string_equal(desk_events(&d), "created 1");
    desk_tick(&d, NULL);
    assert_string_equal(desk_events(&d), "progressed s1");
    assert_string_equal(desk_at(&d, "payload/cases_created"), "1");
}

static void it_tells_it_once(void **state)
{
    (void)state;
    d.clock -= 1000000;
    see_a_case();
    desk_tick(&d, NULL);
    desk_tick(&d, NULL);
    assert_string_equal(desk_events(&d), "");
}

static void what_was_told_just_now_waits_for_another_tick(void **state)
{
    (void)state;
    d.clock -= 1000000;
    see_a_case();
    d.clock -= 600000; /* the tick 0.4 seconds behind */
    desk_tick(&d, NULL);
    assert_string_equal(desk_events(&d), "");
    desk_tick(&d, NULL);
    assert_string_equal(desk_events(&d), "progressed s1");
}

/* No time passes until the clock is again where it was: ticks go on. */
static void progress_is_told_while_the_clock_is_set_back(void **state)
{
    (void)state;
    d.clock -= 3600ull * 1000000;
    for (int i = 0; i < 3; i++) {
        char topic[64];
        snprintf(topic, sizeof topic, "case:scraped:hse:back%d:", i);
        desk_report(&d, topic, "{'offender': {'name': 'A'}}");
        assert_null(strstr(desk_events(&d), "progressed"));
        desk_tick(&d, NULL);
        assert_string_equal(desk_events(&d), "progressed s1");
        desk_tick(&d, NULL);
        assert_string_equal(desk_events(&d), "");
    }
}

/* --- how many --------------------------------------------------------------------------- */

static void start_number(int i)
{
    char topic[64];
    snprintf(topic, sizeof topic, "session:started:hse:n%d:", i);
    desk_report(&d, topic, NULL);
}

static void an_actor_has_so_many_open_sessions_and_no_more(void **state)
{
    (void)state;
    desk_begin(&d);
    for (int i = 1; i < CASEBUS_SESSIONS_MAX; i++) {
        start_number(i);
        assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    }
    start_number(0);
    assert_int_equal(d.result.fault.code, CASEBUS_ETOOMANY);
    desk_end(&d);
    desk_report(&d, "session:ended:hse:n7:", "{'status': 'completed'}");
    start_number(0);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    assert_int_equal(desk_state(&d).running, CASEBUS_SESSIONS_MAX);
    assert_int_equal(desk_entries(&d, TREE_ACTIVE), CASEBUS_SESSIONS_MAX);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, open_desk, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ten_ticks_of_silence_lose_a_session),
        TEST(it_is_lost_once),
        TEST(a_heartbeat_counts_from_its_tick),
        TEST(a_case_report_counts_from_the_next_tick),
        TEST(so_does_one_that_is_refused),
        TEST(so_does_a_session_report),
        TEST(so_does_one_that_is_refused_itself),
        TEST(so_does_starting_it_again),
        TEST(only_the_silent_are_lost),
        TEST(time_without_ticks_loses_nobody),
        TEST(an_ended_session_is_not_lost),
        TEST(strangers_and_the_ended_in_a_tick_are_passed_over),
        TEST(a_heartbeat_resumes_a_lost_session),
        TEST(a_case_report_resumes_it_before_its_own_events),
        TEST(its_end_resumes_it_before),
        TEST(starting_it_again_resumes_it),
        TEST(a_running_session_is_asked_to_stop),
        TEST(asking_again_is_nothing_new),
        TEST(it_works_on_until_it_ends_itself),
        TEST(one_that_was_asked_is_stopping_again_when_it_is_back),
        TEST(a_lost_session_ends_at_once),
        TEST(its_worker_may_end_it_as_stopped_and_no_other_way),
        TEST(an_ended_session_cannot_be_stopped),
        TEST(neither_can_an_unknown_one),
        TEST(a_tick_tells_what_reports_left_untold),
        TEST(it_tells_it_once),
        TEST(what_was_told_just_now_waits_for_another_tick),
        TEST(progress_is_told_while_the_clock_is_set_back),
        TEST(an_actor_has_so_many_open_sessions_and_no_more),
    };
    return cmocka_run_group_tests_name("apply: leases", tests, NULL, NULL);
}
