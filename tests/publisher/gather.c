/* Reports that go to the socket together: a flood in bundles, all else alone and at once. The
 * broker is a socket of this thread, so what has been sent is there at once. */
#include "test.h"

#include "clock.h"

#include <casebus/bundle.h>
#include <casebus/publisher.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define INGEST "inproc://reports"
#define FLOOD 2000
#define PATIENCE_MS 30000

static void *context, *ingest;
static struct casebus_publisher *publisher;

/* What has come. */
static uint64_t last;      /* the number of the newest report */
static unsigned messages;  /* of all reports */
static uint64_t in_newest; /* reports in the newest message */
static unsigned char check[CASEBUS_CHECK_SIZE];

static int setup(void **state)
{
    (void)state;
    const int no_limit = 0;
    last = in_newest = messages = 0;
    memset(check, 0, sizeof check);
    context = zmq_ctx_new();
    ingest = zmq_socket(context, ZMQ_XSUB);
    assert_int_equal(zmq_setsockopt(ingest, ZMQ_RCVHWM, &no_limit, sizeof no_limit), 0);
    assert_int_equal(zmq_bind(ingest, INGEST), 0);
    assert_int_equal(zmq_send(ingest, "\1", 1, 0), 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    casebus_publisher_destroy(&publisher);
    zmq_close(ingest);
    return zmq_ctx_term(context);
}

/* --- the other side ----------------------------------------------------------------------- */

/* It is the next one, tied to those before it; or one of those, again. */
static void take_report(struct casebus_bytes topic, struct casebus_bytes body)
{
    struct casebus_report report;
    struct casebus_fault fault;
    unsigned char hash[CASEBUS_HASH_SIZE];
    assert_int_equal(casebus_report_decode(topic, body, &report, &fault), 0);
    in_newest++;
    if (report.head.number == last + 1) {
        assert_memory_equal(report.head.check, check, sizeof check);
        casebus_report_hash(topic, body, report.head.check_at, hash);
        casebus_check_next(check, hash);
        last++;
    }
    assert_in_range(report.head.number, 1, last);
}

static void take_message(struct casebus_bytes topic, struct casebus_bytes body)
{
    struct casebus_frames frames;
    messages++;
    in_newest = 0;
    if (!casebus_bytes_is(topic, CASEBUS_TOPIC_BUNDLE)) {
        take_report(topic, body);
        return;
    }
    assert_true(body.size <= CASEBUS_REPORT_BUNDLE_MAX);
    assert_true(casebus_bundle_read(&frames, body));
    int rc;
    while ((rc = casebus_frames_next(&frames, &topic, &body)) == 1) {
        take_report(topic, body);
    }
    assert_int_equal(rc, 0);
    assert_true(in_newest > 1);
}

/* What is there, without waiting. */
static void take_all(void)
{
    zmq_msg_t topic, body;
    zmq_msg_init(&topic);
    zmq_msg_init(&body);
    while (zmq_msg_recv(&topic, ingest, ZMQ_DONTWAIT) >= 0) {
        assert_true(zmq_msg_more(&topic));
        assert_true(zmq_msg_recv(&body, ingest, 0) >= 0);
        take_message(casebus_bytes(zmq_msg_data(&topic), zmq_msg_size(&topic)),
                     casebus_bytes(zmq_msg_data(&body), zmq_msg_size(&body)));
    }
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
}

/* --- this side ---------------------------------------------------------------------------- */

static void open_with(struct casebus_publisher_options options)
{
    options.context = context;
    options.ingest = INGEST;
    options.query = "inproc://nobody-answers";
    assert_int_equal(casebus_publisher_new(&publisher, options), 0);
    const int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!casebus_publisher_stats(publisher)->linked) {
        take_all(); /* and who has connected */
        assert_true(clock_mono_ms() < until);
        assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    }
}

static void send_sized(uint32_t size)
{
    unsigned char *data = calloc(1, size + 8);
    assert_non_null(data);
    memcpy(data, "\x81\xa1x\xdb", 4); /* {"x": text} */
    (void)casebus_put_big_endian(data + 4, size, 4);
    memset(data + 8, 'x', size);
    assert_true(casebus_publisher_send(publisher, CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                       casebus_cstr("1"), casebus_bytes(NULL, 0),
                                       casebus_bytes(data, size + 8), 0) > 0);
    free(data);
}

static uint64_t sent(void)
{
    return casebus_publisher_stats(publisher)->sent;
}

static void send_flood(void)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    options.resend_ms = options.resend_max_ms =
        600000; /* nothing comes twice on a slow machine */
    open_with(options);
    while (sent() < FLOOD) {
        send_sized(100);
    }
    take_all();
}

/* A flood of which something waits. */
static void keep_one_waiting(void)
{
    send_flood();
    while (last == sent()) {
        assert_true(sent() < 2 * FLOOD);
        send_sized(100);
        take_all();
    }
}

static void assert_nothing_waits(void)
{
    take_all();
    assert_int_equal(last, sent());
}

/* --- facts -------------------------------------------------------------------------------- */

static void reports_now_and_then_go_alone_and_at_once(void **state)
{
    (void)state;
    open_with(casebus_publisher_options());
    for (unsigned i = 1; i <= 100; i++) {
        send_sized(100);
        take_all();
        assert_int_equal(last, i);
        assert_int_equal(messages, i);
    }
}

static void a_flood_goes_in_bundles(void **state)
{
    (void)state;
    send_flood();
    assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    assert_nothing_waits();
    assert_in_range(messages, 1, FLOOD / 2);
    assert_int_equal(casebus_publisher_stats(publisher)->resent, 0);
}

static void what_waits_is_not_kept_back_by_pump(void **state)
{
    (void)state;
    keep_one_waiting();
    assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    assert_nothing_waits();
}

static void what_waits_is_not_kept_back_by_confirm(void **state)
{
    (void)state;
    keep_one_waiting();
    assert_int_equal(casebus_publisher_confirm(publisher, 0, 0), CASEBUS_ETIMEDOUT);
    assert_nothing_waits();
}

static void what_waits_goes_before_the_end(void **state)
{
    (void)state;
    keep_one_waiting();
    const uint64_t all = sent();
    casebus_publisher_destroy(&publisher);
    take_all();
    assert_int_equal(last, all);
}

static void what_waits_goes_with_the_next_report_after_a_while(void **state)
{
    (void)state;
    keep_one_waiting();
    for (uint64_t since = clock_utc_us(); clock_utc_us() < since + 5000;) {
    }
    send_sized(100);
    assert_nothing_waits();
}

static void large_reports_go_alone_and_in_their_place(void **state)
{
    (void)state;
    send_flood();
    for (unsigned i = 0; i < 300; i++) {
        send_sized(i % 7 == 3 ? 2 * CASEBUS_REPORT_BUNDLE_MAX : 100);
    }
    assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    assert_nothing_waits();
}

static void what_is_sent_again_goes_together(void **state)
{
    (void)state;
    struct casebus_publisher_options options = casebus_publisher_options();
    options.resend_ms = 1;
    open_with(options);
    for (unsigned i = 0; i < 5; i++) {
        send_sized(100);
    }
    const int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (in_newest < 5) {
        assert_true(clock_mono_ms() < until);
        assert_int_equal(casebus_publisher_pump(publisher, 1), 0);
        take_all();
    }
    assert_true(casebus_publisher_stats(publisher)->resent >= 5);
    assert_int_equal(last, 5);
}

static void on_refused(void *arg, const struct casebus_refusal *refusal)
{
    (void)arg;
    (void)refusal;
}

static void a_group_of_an_outbox_goes_together(void **state)
{
    (void)state;
    char folder[] = "/tmp/casebus-gather-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    struct casebus_publisher_options options = casebus_publisher_options();
    options.outbox = folder;
    options.outbox_group = 40;
    options.refused = on_refused;
    open_with(options);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(messages, 0);
        send_sized(100);
        take_all();
    }
    assert_nothing_waits();
    assert_in_range(messages, 1, 2);
    casebus_publisher_destroy(&publisher);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reports_now_and_then_go_alone_and_at_once),
        TEST(a_flood_goes_in_bundles),
        TEST(what_waits_is_not_kept_back_by_pump),
        TEST(what_waits_is_not_kept_back_by_confirm),
        TEST(what_waits_goes_before_the_end),
        TEST(what_waits_goes_with_the_next_report_after_a_while),
        TEST(large_reports_go_alone_and_in_their_place),
        TEST(what_is_sent_again_goes_together),
        TEST(a_group_of_an_outbox_goes_together),
    };
    return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
