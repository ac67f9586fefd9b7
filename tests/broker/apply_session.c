/* Sessions: their reports, and how their counters follow what is decided. */
#include "desk.h"

#include <string.h>

static struct desk d;

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    d.session = "s1";
    return 0;
}

static void start(void)
{
    desk_report(&d, "session:started:hse:s1:", "{'database': 'prosecutions', 'max_pages': 9}");
}

static void a_started_session_is_running(void **state)
{
    (void)state;
    start();
    assert_string_equal(desk_events(&d), "started s1");
    assert_string_equal(desk_at(&d, "payload/status"), "running");
    assert_string_equal(desk_at(&d, "payload/max_pages"), "9");
}

static void starting_it_again_changes_nothing(void **state)
{
    (void)state;
    start();
    start();
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    assert_string_equal(desk_events(&d), "");
    assert_int_equal(desk_state(&d).sessions, 1);
}

static void counters_follow_outcomes(void **state)
{
    (void)state;
    start();
    desk_report(&d, "case:scraped:hse:1:",
                "{'offender': {'name': 'A'}, 'offence_action_date': '2024-01-01'}");
    desk_report(&d, "case:scraped:hse:1:",
                "{'offender': {'name': 'A'}, 'offence_action_date': '2024-01-01'}");
    desk_report(&d, "case:scraped:hse:1:", "{'offence_fine_pence': 1}");
    desk_report(&d, "case:scraped:hse:1:", "{'offence_fine_pence': -1}");
    desk_report(&d, "case:scraped:hse:1:",
                "{'offender': {'name': 'B'}, 'offence_action_date': '2023-01-01'}");
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_string_equal(desk_events(&d), "ended s1");
    assert_string_equal(desk_at(&d, "payload/cases_created"), "1");
    assert_string_equal(desk_at(&d, "payload/cases_existing"), "1");
    assert_string_equal(desk_at(&d, "payload/cases_updated"), "1");
    assert_string_equal(desk_at(&d, "payload/errors_count"), "2");
    assert_string_equal(desk_at(&d, "payload/cases_found"), "5");
    assert_string_equal(desk_at(&d, "payload/status"), "completed");
}

static void progress_is_told_at_most_once_a_second(void **state)
{
    (void)state;
    start();
    d.clock -= 1000000; /* the next report in the same second as the start */
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    assert_string_equal(desk_events(&d), "created 1");
    desk_report(&d, "case:scraped:hse:2:", "{'offender': {'name': 'A'}}");
    assert_string_equal(desk_events(&d), "created 2 progressed s1");
    assert_string_equal(desk_at(&d, "payload/cases_created"), "2");
}

static void pages_never_fall(void **state)
{
    (void)state;
    start();
    desk_report(&d, "session:progressed:hse:s1:", "{'page': 5, 'page_errors': 1}");
    desk_report(&d, "session:progressed:hse:s1:", "{'page': 3}");
    assert_string_equal(desk_at(&d, "payload/pages_processed"), "5");
    assert_string_equal(desk_at(&d, "payload/page_errors"), "1");
}

static void an_end_is_final(void **state)
{
    (void)state;
    start();
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'failed', 'reason': 'no more'}");
    assert_string_equal(desk_at(&d, "payload/end_reason"), "no more");
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_int_equal(d.result.fault.code, CASEBUS_EENDED);
    desk_report(&d, "session:progressed:hse:s1:", "{'page': 3}");
    assert_int_equal(d.result.fault.code, CASEBUS_EENDED);
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'failed'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
}

/* As a reply shows it, which reads it from the store. */
static void an_empty_reason_is_none(void **state)
{
    (void)state;
    start();
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed', 'reason': ''}");
    assert_string_equal(desk_at(&d, "payload/status"), "completed");
    assert_null(desk_at(&d, "payload/end_reason"));
}

static void expect_quiet(const char *topic, const char *data, bool quiet)
{
    desk_report(&d, topic, data);
    assert_int_equal(d.result.quiet, quiet);
}

static void what_makes_no_event_is_quiet(void **state)
{
    (void)state;
    static const char other[] =
        "{'offender': {'name': 'B'}, 'offence_action_date': '2023-01-01'}";
    start();
    assert_false(d.result.quiet);
    expect_quiet("case:scraped:hse:1:",
                 "{'offender': {'name': 'A'}, 'offence_action_date': '2024-01-01'}", false);
    expect_quiet("case:scraped:hse:1:", other, false);
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    expect_quiet("case:scraped:hse:1:", other, true);
    expect_quiet("case:edited:hse:1:", "{'offence_action_date': '2024-01-01'}", true);
    expect_quiet("case:edited:hse:1:", "{'offence_action_date': '2024-01-02'}", false);
    expect_quiet("case:edited:hse:2:", "{}", true);
    desk_tick(&d, NULL);
    assert_false(d.result.quiet);
}

static void a_refused_report_is_quiet_beside_an_event_of_its_session(void **state)
{
    (void)state;
    start();
    expect_quiet("case:edited:hse:2:", "{}", true);
    assert_string_equal(desk_events(&d), "progressed s1");
}

static void an_unknown_session_counts_nowhere_and_cannot_end(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_int_equal(d.result.fault.code, CASEBUS_EUNKNOWN_SESSION);
}

static void the_same_id_at_two_agencies_is_two_sessions(void **state)
{
    (void)state;
    start();
    desk_report(&d, "session:started:ea:s1:", NULL);
    desk_report(&d, "case:scraped:ea:1:", "{'offender': {'name': 'A'}}");
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_string_equal(desk_at(&d, "payload/cases_found"), "0");
}

/* Each agency has streams, and every heads message names them: sessions make no more of them
 * than cases. */
static void sessions_make_no_more_agencies_than_there_may_be(void **state)
{
    (void)state;
    char topic[64];
    d.session = NULL;
    for (int i = 0; i < CASEBUS_AGENCIES_MAX; i++) {
        snprintf(topic, sizeof topic, "session:started:a%d:s1:", i);
        desk_report(&d, topic, NULL);
        assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SESSION);
    }
    desk_report(&d, "session:started:another:s1:", NULL);
    assert_int_equal(d.result.fault.code, CASEBUS_ETOOMANY);
    assert_string_equal(d.result.fault.field, "agency");
    desk_report(&d, "session:started:a1:s2:", NULL);
    desk_report(&d, "case:scraped:a1:1:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    assert_int_equal(desk_state(&d).agencies, CASEBUS_AGENCIES_MAX);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, open_desk, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_started_session_is_running),
        TEST(starting_it_again_changes_nothing),
        TEST(counters_follow_outcomes),
        TEST(progress_is_told_at_most_once_a_second),
        TEST(pages_never_fall),
        TEST(an_end_is_final),
        TEST(an_empty_reason_is_none),
        TEST(what_makes_no_event_is_quiet),
        TEST(a_refused_report_is_quiet_beside_an_event_of_its_session),
        TEST(an_unknown_session_counts_nowhere_and_cannot_end),
        TEST(the_same_id_at_two_agencies_is_two_sessions),
        TEST(sessions_make_no_more_agencies_than_there_may_be),
    };
    return cmocka_run_group_tests_name("apply: sessions", tests, NULL, NULL);
}
