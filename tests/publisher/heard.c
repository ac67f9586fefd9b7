/* Sessions of a publisher and a real broker: who is heard from, who is told to stop, where one
 * goes on that another handle has left. */
#include "test.h"

#include "broker.h"
#include "clock.h"

#include <casebus/publisher.h>
#include <casebus/request.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define PATIENCE 30000

static struct broker broker;
static struct casebus_publisher *publisher;
static char stopped[64]; /* those the callback was told of, each with a blank behind it */

static void on_stop(void *arg, const char *agency, const char *session)
{
    size_t size = strlen(stopped);
    (void)arg;
    snprintf(stopped + size, sizeof stopped - size, "%s:%s ", agency, session);
}

static void on_refused(void *arg, const struct casebus_refusal *refusal)
{
    (void)arg;
    (void)refusal;
}

static void open_on(const char *outbox)
{
    char path[128];
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = broker.ingest;
    options.query = broker.query;
    options.stop = on_stop;
    if (outbox) {
        snprintf(path, sizeof path, "%s/%s", broker.folder, outbox);
        options.outbox = path;
        options.refused = on_refused;
    }
    assert_int_equal(casebus_publisher_new(&publisher, options), 0);
}

static int setup(void **state)
{
    (void)state;
    stopped[0] = '\0';
    broker_init(&broker);
    broker_start(&broker, NULL, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    casebus_publisher_destroy(&publisher);
    broker_end(&broker);
    return 0;
}

static void start(const char *session)
{
    const struct casebus_session_start how = {.worker = "test"};
    assert_true(casebus_publisher_session_start(publisher, "hse", session, &how, PATIENCE) > 0);
    assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
}

static int resume(const char *session, uint64_t *page)
{
    return casebus_publisher_session_resume(publisher, "hse", session, page, PATIENCE);
}

/* The broker's error, or 0. */
static int ask_to_stop(const char *session)
{
    msgpack_sbuffer request;
    msgpack_packer pk;
    struct casebus_reply reply;
    struct casebus_fault fault;
    zmq_msg_t answer;
    int patience = PATIENCE;
    void *zmq = zmq_ctx_new(), *socket = zmq_socket(zmq, ZMQ_REQ);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(zmq_connect(socket, broker.query), 0);
    msgpack_sbuffer_init(&request);
    msgpack_packer_init(&pk, &request, msgpack_sbuffer_write);
    casebus_request_begin(&pk, CASEBUS_OP_SESSION_STOP, 2);
    casebus_pack_text(&pk, "agency");
    casebus_pack_text(&pk, "hse");
    casebus_pack_text(&pk, "session_id");
    casebus_pack_text(&pk, session);
    assert_true(zmq_send(socket, request.data, request.size, 0) >= 0);
    zmq_msg_init(&answer);
    assert_true(zmq_msg_recv(&answer, socket, 0) >= 0);
    struct casebus_bytes body = casebus_bytes(zmq_msg_data(&answer), zmq_msg_size(&answer));
    assert_int_equal(casebus_reply_decode(body, &reply, &fault), 0);
    int error = reply.error;
    zmq_msg_close(&answer);
    msgpack_sbuffer_destroy(&request);
    zmq_close(socket);
    zmq_ctx_term(zmq);
    return error;
}

/* Pumps until the broker has answered so many polls more. */
static void pump_answers(uint64_t more)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(publisher);
    uint64_t goal = stats->answers + more;
    while (stats->answers < goal) {
        assert_true(casebus_publisher_pump(publisher, 100) >= 0);
    }
}

static void pump_until_told(void)
{
    for (int i = 0; stopped[0] == '\0'; i++) {
        assert_true(i < PATIENCE / 100);
        assert_true(casebus_publisher_pump(publisher, 100) >= 0);
    }
}

static void polls_go_on_while_a_session_is_open(void **state)
{
    (void)state;
    open_on(NULL);
    start("s1");
    pump_answers(1);
    assert_true(
        casebus_publisher_session_end(publisher, "hse", "s1", "completed", NULL, PATIENCE) > 0);
    assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
    uint64_t polls = casebus_publisher_stats(publisher)->polls;
    assert_int_equal(casebus_publisher_pump(publisher, CASEBUS_POLL_MAX_MS / 10), 0);
    assert_int_equal(casebus_publisher_stats(publisher)->polls, polls);
}

static void who_is_to_stop_is_told_once(void **state)
{
    (void)state;
    open_on(NULL);
    start("s1");
    start("s2");
    assert_int_equal(ask_to_stop("s2"), 0);
    pump_until_told();
    assert_int_equal(ask_to_stop("s2"), 0);
    pump_answers(1);
    assert_string_equal(stopped, "hse:s2 ");
}

/* Else it would be asked in a tight loop: the broker answers at once until it knows. */
static void who_has_been_told_polls_at_leisure(void **state)
{
    (void)state;
    open_on(NULL);
    start("s1");
    assert_int_equal(ask_to_stop("s1"), 0);
    pump_until_told();
    uint64_t polls = casebus_publisher_stats(publisher)->polls;
    assert_int_equal(casebus_publisher_pump(publisher, CASEBUS_POLL_MAX_MS / 3), 0);
    assert_in_range(casebus_publisher_stats(publisher)->polls - polls, 0, 2);
}

static void a_session_goes_on_behind_its_last_page(void **state)
{
    (void)state;
    uint64_t page;
    open_on(NULL);
    start("s1");
    assert_int_equal(resume("s1", &page), 0);
    assert_int_equal(page, 0);
    assert_true(casebus_publisher_session_progress(publisher, "hse", "s1", 17, 0, PATIENCE) >
                0);
    assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
    casebus_publisher_destroy(&publisher);
    open_on(NULL);
    assert_int_equal(resume("s1", &page), 0);
    assert_int_equal(page, 17);
    assert_int_equal(ask_to_stop("s1"), 0);
    pump_until_told();
    assert_string_equal(stopped, "hse:s1 ");
}

static void what_is_not_there_or_has_ended_is_not_resumed(void **state)
{
    (void)state;
    uint64_t page;
    open_on(NULL);
    assert_int_equal(resume("s1", &page), CASEBUS_ENOTFOUND);
    assert_int_equal(resume("s:1", &page), CASEBUS_EINVAL);
    assert_int_equal(resume("", &page), CASEBUS_EINVAL);
    assert_int_equal(casebus_publisher_session_resume(publisher, "HSE", "s1", &page, 0),
                     CASEBUS_EINVAL);
    start("s1");
    assert_true(
        casebus_publisher_session_end(publisher, "hse", "s1", "failed", NULL, PATIENCE) > 0);
    assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
    assert_int_equal(resume("s1", &page), CASEBUS_EENDED);
}

/* A folder is nobody's heartbeat: the caller says which sessions he goes on with. */
static void an_outbox_brings_no_session_back(void **state)
{
    (void)state;
    uint64_t page;
    open_on("box");
    start("s1");
    casebus_publisher_destroy(&publisher);
    open_on("box");
    assert_int_equal(casebus_publisher_pump(publisher, CASEBUS_POLL_MAX_MS / 10), 0);
    assert_int_equal(casebus_publisher_stats(publisher)->polls, 0);
    assert_int_equal(resume("s1", &page), 0);
    assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    assert_int_equal(casebus_publisher_stats(publisher)->polls, 1);
}

/* --- how often it asks -------------------------------------------------------------------- */

static void send_case(void)
{
    assert_true(casebus_publisher_send(publisher, CASEBUS_REPORT_DELETED, casebus_cstr("hse"),
                                       casebus_cstr("1"), casebus_bytes(NULL, 0),
                                       casebus_bytes(NULL, 0), PATIENCE) > 0);
}

static void who_only_sends_does_not_ask_after_each_commit(void **state)
{
    (void)state;
    open_on(NULL);
    start("s1");
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(publisher);
    const uint64_t first = stats->polls, most = 20;
    const int64_t began = clock_mono_ms();
    while (stats->polls - first < most) {
        if (stats->sent - stats->confirmed < 10) { /* far from half a window */
            send_case();
        }
        assert_true(casebus_publisher_pump(publisher, 0) >= 0);
    }
    assert_true(clock_mono_ms() - began >= 5 * (int64_t)(most - 2));
}

static void who_waits_asks_at_once(void **state)
{
    (void)state;
    open_on(NULL);
    start("s1");
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(publisher);
    for (int i = 0; i < 20; i++) {
        send_case();
        if (casebus_publisher_confirm(publisher, 0, 0) != 0) {
            assert_true(stats->polls > stats->answers); /* one is on its way */
        }
        assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(polls_go_on_while_a_session_is_open),
        T(who_is_to_stop_is_told_once),
        T(who_has_been_told_polls_at_leisure),
        T(a_session_goes_on_behind_its_last_page),
        T(what_is_not_there_or_has_ended_is_not_resumed),
        T(an_outbox_brings_no_session_back),
        T(who_only_sends_does_not_ask_after_each_commit),
        T(who_waits_asks_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
