/* The publisher without a broker: what it takes, what it refuses, what it keeps. */
#include "test.h"

#include <casebus/publisher.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static int setup(void **state)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = "inproc://nobody-takes-reports";
    options.query = "inproc://nobody-answers";
    options.window = 3;
    struct casebus_publisher *publisher;
    int error = casebus_publisher_new(&publisher, options);
    *state = publisher;
    return error;
}

static int teardown(void **state)
{
    struct casebus_publisher *publisher = *state;
    casebus_publisher_destroy(&publisher);
    return publisher == NULL ? 0 : -1;
}

static const struct casebus_bytes none = {NULL, 0};

static int64_t send_case(struct casebus_publisher *publisher, const char *agency,
                         const char *key, struct casebus_bytes data)
{
    return casebus_publisher_send(publisher, CASEBUS_REPORT_SCRAPED, casebus_cstr(agency),
                                  casebus_cstr(key), none, data, 0);
}

/* {"url": 7} */
static const unsigned char number_as_url[] = {0x81, 0xa3, 'u', 'r', 'l', 0x07};

static void on_alarm(int signal)
{
    (void)signal;
}

static void let_signals_come(int every_us)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval timer = {{0, every_us}, {0, every_us}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static size_t descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void a_publisher_comes_and_goes_while_signals_come(void **state)
{
    (void)state;
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = options.query = "tcp://127.0.0.1:1";
    const size_t before = descriptors();
    let_signals_come(200);
    for (int i = 0; i < 25; i++) {
        struct casebus_publisher *publisher;
        assert_int_equal(casebus_publisher_new(&publisher, options), 0);
        casebus_publisher_destroy(&publisher);
    }
    let_signals_come(0);
    assert_int_equal(descriptors(), before);
}

static void numbers_begin_at_one(void **state)
{
    assert_int_equal(send_case(*state, "hse", "1", none), 1);
    assert_int_equal(send_case(*state, "hse", "2", none), 2);
}

static void a_full_window_is_a_timeout(void **state)
{
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(send_case(*state, "hse", "1", none), i);
    }
    assert_int_equal(send_case(*state, "hse", "1", none), CASEBUS_ETIMEDOUT);
}

static void what_timed_out_was_not_taken(void **state)
{
    for (int i = 0; i < 5; i++) {
        (void)send_case(*state, "hse", "1", none);
    }
    assert_int_equal(casebus_publisher_stats(*state)->sent, 3);
}

static void a_report_that_cannot_be_right_gets_no_number(void **state)
{
    struct casebus_bytes wrong = casebus_bytes(number_as_url, sizeof number_as_url);
    assert_int_equal(send_case(*state, "hse", "1", wrong), CASEBUS_ETYPE);
    assert_int_equal(send_case(*state, "hse", "1", none), 1);
}

static void the_fault_names_the_field(void **state)
{
    struct casebus_bytes wrong = casebus_bytes(number_as_url, sizeof number_as_url);
    assert_int_equal(send_case(*state, "hse", "1", wrong), CASEBUS_ETYPE);
    assert_string_equal(casebus_publisher_fault(*state)->field, "url");
    assert_int_equal(casebus_publisher_fault(*state)->code, CASEBUS_ETYPE);
}

static void a_wrong_agency_is_named(void **state)
{
    assert_int_equal(send_case(*state, "HSE", "1", none), CASEBUS_EVALUE);
    assert_string_equal(casebus_publisher_fault(*state)->field, "agency");
}

static void a_wrong_regulator_id_is_named(void **state)
{
    assert_int_equal(send_case(*state, "hse", "1:2", none), CASEBUS_EVALUE);
    assert_string_equal(casebus_publisher_fault(*state)->field, "regulator_id");
}

static void a_missing_regulator_id_is_missing(void **state)
{
    assert_int_equal(send_case(*state, "hse", "", none), CASEBUS_EMISSING);
    assert_string_equal(casebus_publisher_fault(*state)->field, "regulator_id");
}

static void a_report_over_its_limit_is_too_large(void **state)
{
    static unsigned char data[CASEBUS_REPORT_MAX];
    static const unsigned char head[] = {0x81, 0xa3, 'e', 'x', 't', 0x81, 0xa1, 'x', 0xdb};
    uint32_t size = CASEBUS_REPORT_MAX - sizeof head - 4;
    memset(data, 'x', sizeof data);
    memcpy(data, head, sizeof head);
    for (int i = 0; i < 4; i++) {
        data[sizeof head + (size_t)i] = (unsigned char)(size >> (24 - 8 * i));
    }
    struct casebus_bytes bytes = casebus_bytes(data, sizeof data);
    assert_int_equal(send_case(*state, "hse", "1", bytes), CASEBUS_ETOOLARGE);
}

static void a_session_without_a_status_cannot_end(void **state)
{
    assert_int_equal(casebus_publisher_session_end(*state, "hse", "s1", "done", NULL, 0),
                     CASEBUS_EVALUE);
    assert_string_equal(casebus_publisher_fault(*state)->field, "status");
}

static void sessions_are_numbered_with_the_rest(void **state)
{
    struct casebus_session_start start = {.database = "hse", .start_page = 3};
    assert_int_equal(casebus_publisher_session_start(*state, "hse", "s1", &start, 0), 1);
    assert_int_equal(casebus_publisher_session_progress(*state, "hse", "s1", 4, 0, 0), 2);
    assert_int_equal(casebus_publisher_session_end(*state, "hse", "s1", "completed", NULL, 0),
                     3);
}

static void without_a_broker_nothing_is_confirmed(void **state)
{
    assert_int_equal(send_case(*state, "hse", "1", none), 1);
    assert_int_equal(casebus_publisher_confirm(*state, 1, 20), CASEBUS_ETIMEDOUT);
    assert_int_equal(casebus_publisher_stats(*state)->confirmed, 0);
    assert_false(casebus_publisher_stats(*state)->linked);
}

static void nothing_sent_is_all_confirmed(void **state)
{
    assert_int_equal(casebus_publisher_confirm(*state, 0, 0), 0);
}

static void what_was_never_sent_cannot_be_confirmed(void **state)
{
    assert_int_equal(casebus_publisher_confirm(*state, 1, 0), CASEBUS_EINVAL);
}

static void pumping_in_vain_ends_with_its_time(void **state)
{
    assert_int_equal(casebus_publisher_pump(*state, 10), 0);
}

static void without_a_broker_no_session_is_resumed(void **state)
{
    uint64_t page;
    assert_int_equal(casebus_publisher_session_resume(*state, "hse", "s1", &page, 20),
                     CASEBUS_ETIMEDOUT);
}

/* --- without a handle --------------------------------------------------------------------- */

static void two_publishers_have_two_ids(void **state)
{
    void *other = NULL;
    assert_int_equal(setup(&other), 0);
    assert_memory_not_equal(casebus_publisher_id(*state), casebus_publisher_id(other),
                            CASEBUS_PUBLISHER_SIZE);
    assert_int_equal(teardown(&other), 0);
}

static void an_impossible_endpoint_is_refused(void **state)
{
    (void)state;
    struct casebus_publisher *publisher;
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = "nowhere";
    assert_int_equal(casebus_publisher_new(&publisher, options), CASEBUS_EINVAL);
    assert_null(publisher);
}

static void a_window_above_the_protocols_is_refused(void **state)
{
    (void)state;
    struct casebus_publisher *publisher;
    struct casebus_publisher_options options = casebus_publisher_options();
    options.window = CASEBUS_PUBLISHER_WINDOW + 1;
    assert_int_equal(casebus_publisher_new(&publisher, options), CASEBUS_EINVAL);
}

static void destroying_nothing_is_fine(void **state)
{
    (void)state;
    struct casebus_publisher *publisher = NULL;
    casebus_publisher_destroy(&publisher);
    assert_null(publisher);
}

static void the_check_alone_is_the_same(void **state)
{
    (void)state;
    struct casebus_fault fault;
    struct casebus_bytes wrong = casebus_bytes(number_as_url, sizeof number_as_url);
    assert_int_equal(casebus_publisher_check(CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                             casebus_cstr("1"), none, wrong, &fault),
                     CASEBUS_ETYPE);
    assert_string_equal(fault.field, "url");
    assert_int_equal(casebus_publisher_check(CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                             casebus_cstr("1"), none, none, &fault),
                     0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(numbers_begin_at_one),
        T(a_full_window_is_a_timeout),
        T(what_timed_out_was_not_taken),
        T(a_report_that_cannot_be_right_gets_no_number),
        T(the_fault_names_the_field),
        T(a_wrong_agency_is_named),
        T(a_wrong_regulator_id_is_named),
        T(a_missing_regulator_id_is_missing),
        T(a_report_over_its_limit_is_too_large),
        T(a_session_without_a_status_cannot_end),
        T(sessions_are_numbered_with_the_rest),
        T(without_a_broker_nothing_is_confirmed),
        T(nothing_sent_is_all_confirmed),
        T(what_was_never_sent_cannot_be_confirmed),
        T(pumping_in_vain_ends_with_its_time),
        T(without_a_broker_no_session_is_resumed),
        T(two_publishers_have_two_ids),
        cmocka_unit_test(an_impossible_endpoint_is_refused),
        cmocka_unit_test(a_window_above_the_protocols_is_refused),
        cmocka_unit_test(a_publisher_comes_and_goes_while_signals_come),
        cmocka_unit_test(destroying_nothing_is_fine),
        cmocka_unit_test(the_check_alone_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
