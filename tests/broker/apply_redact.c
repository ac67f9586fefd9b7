/* Redaction to the end: of a case that has lived through everything no byte of its record is
 * left in any value of any tree, wherever the floor stands and whatever was done to it
 * before. */
#include "sender.h"

#include <string.h>

static struct desk d;
static struct sender sender;

/* What the record held at one time or another. Lower case where an index may have folded it. */
static const char *const traces[] = {
    "zq-reference",
    "zq-type",
    "1931-02-17",
    "1931-03-18",
    "zq-result",
    "zq-breaches",
    "zq-function",
    "zq-description",
    "zq-legislation",
    "zq-part",
    "zq-offence-result",
    "1931-04-19",
    "hse:zq-related",
    "zq-url",
    "zq-regulator-url",
    "zq-ext-key",
    "zq-ext-value",
    "zq-unknown-key",
    "zq-unknown-value",
    "zq-parser",
    "ZQ Shared Ltd.",
    "zq-authority",
    "zq-town",
    "zq-county",
    "zq-country",
    "zQpOsT",
    "zq-activity",
    "zq-industry",
    "zq-sic",
    "zq-number",
    "\x1f\x2e\x3d\x4c\x5b",
    "\x1f\x2e\x3d\x4c\x5c",
    "zq-edited",
    "zq-second",
    "zq-second-parser",
    "zq-waiting",
    "zq-rejected",
    "zq-accepted",
    "1932-05-20",
    "zq-moved",
    "zq-refused",
    "zq-again",
};
#define TRACE_COUNT (sizeof traces / sizeof *traces)

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    sender = (struct sender){.actor = "local", .publisher = {7}};
    return 0;
}

#define CASE "case:scraped:hse:1:"
#define FULL                                                                                   \
    "{'case_reference': 'zq-reference', 'offence_action_type': 'zq-type', "                    \
    "'offence_action_date': '1931-02-17', 'offence_hearing_date': '1931-03-18', "              \
    "'offence_result': 'zq-result', 'offence_breaches': 'zq-breaches', "                       \
    "'offence_fine_pence': 133919755355, 'offence_costs_pence': 133919755356, "                \
    "'regulator_function': 'zq-function', 'related_cases': ['hse:zq-related'], "               \
    "'offences': [{'number': 1, 'description': 'zq-description', 'part': 'zq-part', "          \
    "'legislation': 'zq-legislation', 'result': 'zq-offence-result', "                         \
    "'hearing_date': '1931-04-19'}], "                                                         \
    "'url': 'http://zq-url', 'regulator_url': 'http://zq-regulator-url', "                     \
    "'ext': {'zq-ext-key': 'zq-ext-value'}, 'zq-unknown-key': 'zq-unknown-value', "            \
    "'source': {'parser': 'zq-parser', 'fetched_at': 1600000000000000}, "                      \
    "'offender': {'name': 'ZQ Shared Ltd.', 'local_authority': 'zq-authority', "               \
    "'town': 'zq-town', 'county': 'zq-county', 'country': 'zq-country', 'postcode': "          \
    "'zQpOsT', "                                                                               \
    "'main_activity': 'zq-activity', 'industry': 'zq-industry', 'sic_code': 'zq-sic', "        \
    "'company_number': 'zq-number'}}"
/* Another offender and another date than the case has: a conflict. */
#define OTHER(name)                                                                            \
    "{'offender': {'name': '" name "'}, 'offence_action_date': '1932-05-20', "                 \
    "'offence_hearing_date': null}"

static uint64_t conflict(const char *data)
{
    sender_next(&d, &sender, CASE, data);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CONFLICT);
    return desk_state(&d).seq;
}

/* Everything that can happen to a case, and leave something behind. */
static void live(void)
{
    desk_report(&d, "session:started:hse:s1:", NULL);
    d.session = "s1";
    desk_report(&d, CASE, FULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    /* Another case of the same offender, so that his entry outlives this one's. */
    desk_report(&d, "case:scraped:hse:2:",
                "{'offender': {'name': 'zq shared limited', "
                "'postcode': 'zq post'}}");
    desk_report(&d, CASE, FULL);
    desk_report(&d, "case:edited:hse:1:", "{'offence_result': 'zq-edited'}");
    desk_report(&d, CASE,
                "{'offence_result': 'zq-second', 'source': {'parser': 'zq-second-parser'}}");
    desk_decide(&d, APPLY_REJECT, conflict(OTHER("zq-rejected")), NULL);
    desk_decide(&d, APPLY_ACCEPT, conflict(OTHER("zq-accepted")), NULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    desk_report(&d, "case:edited:hse:1:", "{'offender': {'name': 'zq-moved'}}");
    conflict("{'offender': {'name': 'zq-waiting'}, 'offence_action_date': '1933-01-01'}");
    sender_next(&d, &sender, CASE, "{'url': 'zq-refused'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REJECTED);
    desk_report(&d, CASE, "{'ext': {'zq-refused': {}}, 'offence_fine_pence': -1}");
    desk_report(&d, "case:edited:hse:1:",
                "{'offender': {'name': 'ZQ Shared Ltd.'}, "
                "'case_reference': 'zq-again'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    d.session = NULL;
}

static void redact(void)
{
    desk_report(&d, "case:redacted:hse:1:", NULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REDACTED);
}

static void nothing_is_left(void)
{
    for (size_t i = 0; i < TRACE_COUNT; i++) {
        if (desk_holds(&d, traces[i])) {
            fail_msg("\"%s\" is still there", traces[i]);
        }
    }
    assert_true(desk_holds(&d, "zq shared limited")); /* of the other case */
}

static void trim_to(uint64_t events)
{
    desk_trim(&d, (struct desk_bounds){.events = events, .most = 1000});
    assert_int_equal(desk_entries(&d, TREE_LOG), events);
}

static void the_traces_are_there_before(void **state)
{
    (void)state;
    live();
    for (size_t i = 0; i < TRACE_COUNT; i++) {
        bool refused = strcmp(traces[i], "zq-refused") == 0; /* no content is kept */
        if (desk_holds(&d, traces[i]) == refused) {
            fail_msg("\"%s\" is %s", traces[i], refused ? "kept" : "not there");
        }
    }
}

static void of_a_case_with_all_its_history(void **state)
{
    (void)state;
    live();
    redact();
    nothing_is_left();
}

static void wherever_the_floor_stands(void **state)
{
    (void)state;
    live();
    uint64_t seq = desk_state(&d).seq;
    desk_close(&d);
    for (uint64_t events = 1; events <= seq; events++) {
        desk_open(&d);
        sender = (struct sender){.actor = "local", .publisher = {7}};
        live();
        trim_to(events);
        redact();
        nothing_is_left();
        if (events < seq) {
            assert_int_equal(desk_findings(&d), 0);
            desk_close(&d);
        }
    }
}

static void of_a_deleted_case(void **state)
{
    (void)state;
    live();
    desk_report(&d, "case:deleted:hse:1:", NULL);
    redact();
    nothing_is_left();
}

static void of_a_deleted_case_below_the_floor(void **state)
{
    (void)state;
    live();
    trim_to(1);
    desk_report(&d, "case:deleted:hse:1:", NULL);
    trim_to(1);
    redact();
    nothing_is_left();
}

static void of_a_case_that_was_created_again(void **state)
{
    (void)state;
    live();
    desk_report(&d, "case:deleted:hse:1:", NULL);
    desk_report(&d, CASE, FULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    redact();
    nothing_is_left();
}

static void an_offender_shows_no_case_that_has_gone(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:2:",
                "{'offender': {'name': 'zq shared limited', "
                "'town': 'Hull', 'postcode': 'zqpost'}}");
    desk_report(&d, CASE, FULL); /* the map last reported */
    assert_true(desk_holds(&d, "zq-town"));
    desk_report(&d, "case:redacted:hse:1:", NULL);
    assert_false(desk_holds(&d, "zq-town"));
    desk_report(&d, "case:edited:hse:2:", "{'offender': {'town': 'Goole'}}");
    assert_true(desk_holds(&d, "Goole"));
}

static void a_report_for_it_is_kept_nowhere_afterwards(void **state)
{
    (void)state;
    live();
    redact();
    sender_next(&d, &sender, CASE, FULL);
    assert_int_equal(d.result.fault.code, CASEBUS_EREDACTED);
    nothing_is_left();
}

/* What is sent of a batch is what its log has, as what was sent before cannot be. */
static void of_what_the_same_batch_made(void **state)
{
    size_t count;
    (void)state;
    desk_report(&d, CASE, FULL);
    desk_begin(&d);
    desk_report(&d, "case:scraped:hse:2:", "{'offender': {'name': 'Two'}}");
    desk_report(&d, "case:edited:hse:1:", "{'offence_result': 'zq-edited'}");
    redact();
    desk_report(&d, "case:scraped:hse:3:", "{'offender': {'name': 'Three'}}");
    const struct apply_event *events = apply_events(d.apply, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        struct log_entry log;
        assert_true(txn_log(d.txn, events[i].seq, &log));
        assert_true(casebus_bytes_equal(events[i].body, log.body));
        assert_null(memmem(events[i].body.data, events[i].body.size, "zq-edited", 9));
    }
    desk_end(&d);
    assert_false(desk_holds(&d, "zq-edited"));
}

/* A report that collided with one case, became another, and that one is redacted. */
static void of_a_case_that_came_out_of_quarantine(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:8:",
                "{'offender': {'name': 'Eight'}, "
                "'offence_action_date': '2024-01-01'}");
    for (int i = 0; i < 2; i++) { /* again, after it was deleted */
        desk_report(&d,
                    "case:scraped:hse:8:", i == 0 ? OTHER("zq-accepted") : OTHER("zq-again"));
        assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CONFLICT);
        desk_decide(&d, APPLY_ACCEPT, desk_state(&d).seq, "hse:1");
        assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
        if (i == 0) {
            desk_report(&d, "case:deleted:hse:1:", NULL);
        }
    }
    assert_true(desk_holds(&d, "zq-accepted") && desk_holds(&d, "zq-again"));
    desk_report(&d, "case:redacted:hse:1:", NULL);
    assert_false(desk_holds(&d, "zq-accepted") || desk_holds(&d, "zq-again") ||
                 desk_holds(&d, "1932-05-20"));
    assert_true(desk_holds(&d, "Eight"));
}

/* Who asks again is answered the same; what nobody had decided is out. */
static void decisions_stay_what_they_were(void **state)
{
    (void)state;
    desk_report(&d, CASE, FULL);
    uint64_t accepted = conflict(OTHER("zq-accepted"));
    desk_decide(&d, APPLY_ACCEPT, accepted, NULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    uint64_t open =
        conflict("{'offender': {'name': 'Q'}, 'offence_action_date': '1933-01-01'}");
    redact();
    desk_decide(&d, APPLY_ACCEPT, accepted, NULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    desk_decide(&d, APPLY_REJECT, accepted, NULL);
    assert_int_equal(d.result.fault.code, CASEBUS_EDECIDED);
    desk_decide(&d, APPLY_ACCEPT, open, NULL);
    assert_int_equal(d.result.fault.code, CASEBUS_EDECIDED);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, open_desk, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_traces_are_there_before),
        TEST(of_a_case_with_all_its_history),
        TEST(wherever_the_floor_stands),
        TEST(of_a_deleted_case),
        TEST(of_a_deleted_case_below_the_floor),
        TEST(of_a_case_that_was_created_again),
        TEST(an_offender_shows_no_case_that_has_gone),
        TEST(a_report_for_it_is_kept_nowhere_afterwards),
        TEST(of_what_the_same_batch_made),
        TEST(of_a_case_that_came_out_of_quarantine),
        TEST(decisions_stay_what_they_were),
    };
    return cmocka_run_group_tests_name("apply: redaction", tests, NULL, NULL);
}
