/* Requests: built, sent, answered, sent again. */
#include "peer.h"

#include <casebus/client.h>

struct fixture {
    struct peer *peer;
    struct casebus_client *client;
    struct casebus_call *call;
    struct casebus_reply reply;
};

static struct fixture fixture;

static int setup(void **state)
{
    struct casebus_client_options options = casebus_client_options();
    if (peer_setup(state) != 0) {
        return -1;
    }
    fixture.peer = *state;
    options.query = PEER_QUERY;
    options.context = fixture.peer->zmq;
    return casebus_client_new(&fixture.client, options) == 0 &&
                   casebus_call_new(&fixture.call) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    casebus_call_destroy(&fixture.call);
    casebus_client_destroy(&fixture.client);
    return peer_teardown(state);
}

static void begin_get(void)
{
    casebus_call_begin(fixture.call, CASEBUS_OP_CASE_GET);
    casebus_call_text(fixture.call, "id", "hse:1");
}

static void send_call(void)
{
    struct casebus_bytes request;
    assert_int_equal(casebus_call_encoded(fixture.call, &request), 0);
    assert_int_equal(casebus_client_send(fixture.client, request), 0);
}

static void send_get(void)
{
    begin_get();
    send_call();
}

static int receive(int timeout_ms)
{
    return casebus_client_receive(fixture.client, &fixture.reply, timeout_ms);
}

/* --- building --------------------------------------------------------------------------- */

static void a_call_holds_its_arguments(void **state)
{
    (void)state;
    static const char *const patterns[] = {"case:created", "session"};
    struct casebus_bytes encoded;
    struct casebus_request request;
    struct casebus_fault fault;
    casebus_call_begin(fixture.call, CASEBUS_OP_LOG_REPLAY);
    casebus_call_uint(fixture.call, "after", 300);
    casebus_call_texts(fixture.call, "patterns", patterns, 2);
    casebus_call_bin(fixture.call, "next", casebus_bytes("\0\1", 2));
    casebus_call_bool(fixture.call, "outbox", false);
    assert_int_equal(casebus_call_encoded(fixture.call, &encoded), 0);
    assert_int_equal(casebus_request_decode(encoded, &request, &fault), 0);
    assert_int_equal(request.op, CASEBUS_OP_LOG_REPLAY);
    assert_int_equal(casebus_as_uint(casebus_map_get(request.map, "after"), 0), 300);
    assert_int_equal(casebus_as_bin(casebus_map_get(request.map, "next")).size, 2);
    struct casebus_reader r;
    casebus_reader_init(&r, casebus_map_get(request.map, "patterns"));
    assert_int_equal(casebus_read_array(&r), 2);
    assert_bytes_are(casebus_read_str(&r), "case:created");
    assert_bytes_are(casebus_read_str(&r), "session");
}

static void a_call_begins_anew(void **state)
{
    (void)state;
    struct casebus_bytes encoded;
    begin_get();
    casebus_call_begin(fixture.call, CASEBUS_OP_HEADS);
    assert_int_equal(casebus_call_encoded(fixture.call, &encoded), 0);
    assert_null(casebus_map_get(encoded, "id").data);
}

static void a_call_that_was_not_begun_is_refused(void **state)
{
    (void)state;
    struct casebus_bytes encoded;
    assert_int_equal(casebus_call_encoded(fixture.call, &encoded), CASEBUS_EINVAL);
}

static void a_call_of_an_audience_says_so_each_time(void **state)
{
    (void)state;
    struct casebus_bytes encoded;
    assert_int_equal(casebus_call_audience(fixture.call, "press"), 0);
    for (int n = 0; n < 2; n++) {
        begin_get();
        assert_int_equal(casebus_call_encoded(fixture.call, &encoded), 0);
        assert_bytes_are(casebus_as_str(casebus_map_get(encoded, "audience")), "press");
        assert_bytes_are(casebus_as_str(casebus_map_get(encoded, "id")), "hse:1");
    }
    assert_int_equal(casebus_call_audience(fixture.call, NULL), 0);
    begin_get();
    assert_int_equal(casebus_call_encoded(fixture.call, &encoded), 0);
    assert_null(casebus_map_get(encoded, "audience").data);
}

static void a_call_over_the_limit_is_refused(void **state)
{
    (void)state;
    static char big[CASEBUS_REQUEST_MAX];
    struct casebus_bytes encoded;
    casebus_call_begin(fixture.call, CASEBUS_OP_CASE_GET);
    casebus_call_str(fixture.call, "id", casebus_bytes(big, sizeof big));
    assert_int_equal(casebus_call_encoded(fixture.call, &encoded), CASEBUS_ETOOLARGE);
}

/* --- asking ----------------------------------------------------------------------------- */

static void a_request_arrives_as_it_was_made(void **state)
{
    (void)state;
    struct casebus_bytes made;
    send_get();
    assert_int_equal(casebus_call_encoded(fixture.call, &made), 0);
    assert_true(casebus_bytes_equal(peer_request(fixture.peer), made));
}

static void a_reply_has_result_and_place(void **state)
{
    (void)state;
    send_get();
    peer_request(fixture.peer);
    fixture.peer->seq = 42;
    peer_reply(fixture.peer, "{\"case\": {\"id\": \"hse:1\"}}");
    assert_int_equal(receive(PEER_PATIENCE_MS), 0);
    assert_int_equal(fixture.reply.seq, 42);
    assert_memory_equal(fixture.reply.epoch, "epoch-1", 8);
    assert_bytes_are(
        casebus_as_str(casebus_map_get(casebus_map_get(fixture.reply.result, "case"), "id")),
        "hse:1");
}

static void a_refusal_is_its_code_and_text(void **state)
{
    (void)state;
    send_get();
    peer_request(fixture.peer);
    peer_refuse(fixture.peer, CASEBUS_EDELETED, "it is gone");
    assert_int_equal(receive(PEER_PATIENCE_MS), CASEBUS_EDELETED);
    assert_int_equal(fixture.reply.error, CASEBUS_EDELETED);
    assert_bytes_are(fixture.reply.error_text, "it is gone");
}

static void what_is_not_answered_times_out(void **state)
{
    (void)state;
    send_get();
    assert_int_equal(receive(0), CASEBUS_ETIMEDOUT);
    assert_int_equal(fixture.reply.error, 0);
}

static void a_request_waits_on_after_a_time_out(void **state)
{
    (void)state;
    send_get();
    assert_int_equal(receive(0), CASEBUS_ETIMEDOUT);
    peer_request(fixture.peer);
    peer_reply(fixture.peer, "{}");
    assert_int_equal(receive(PEER_PATIENCE_MS), 0);
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    struct casebus_client_options options = casebus_client_options();
    struct casebus_client *client;
    options.query = "tcp://127.0.0.1:1"; /* nothing may listen there */
    assert_int_equal(casebus_client_new(&client, options), 0);
    begin_get();
    assert_int_equal(casebus_call_send(fixture.call, client, &fixture.reply, 50),
                     CASEBUS_EUNREACHABLE);
    casebus_client_destroy(&client);
    assert_null(client);
}

static void what_is_no_endpoint_is_refused(void **state)
{
    (void)state;
    struct casebus_client_options options = casebus_client_options();
    struct casebus_client *client;
    options.query = "nonsense";
    assert_int_equal(casebus_client_new(&client, options), CASEBUS_EINVAL);
    assert_null(client);
}

static void a_late_reply_to_an_earlier_request_is_dropped(void **state)
{
    (void)state;
    send_get();
    peer_request(fixture.peer);
    casebus_call_begin(fixture.call, CASEBUS_OP_HEADS);
    send_call();
    peer_reply(fixture.peer, "{\"late\": 1}");
    peer_request(fixture.peer);
    peer_reply(fixture.peer, "{\"heads\": {}}");
    assert_int_equal(receive(PEER_PATIENCE_MS), 0);
    assert_non_null(casebus_map_get(fixture.reply.result, "heads").data);
}

static void a_lost_request_is_sent_again(void **state)
{
    (void)state;
    send_get();
    peer_request(fixture.peer); /* and lost */
    for (int i = 0; i < 500 && !peer_is_asked(fixture.peer, 0); i++) {
        assert_int_equal(receive(20), CASEBUS_ETIMEDOUT);
    }
    struct casebus_bytes made;
    assert_int_equal(casebus_call_encoded(fixture.call, &made), 0);
    assert_true(casebus_bytes_equal(peer_request(fixture.peer), made));
    peer_reply(fixture.peer, "{}");
    assert_int_equal(receive(PEER_PATIENCE_MS), 0);
}

static void what_is_no_reply_is_said_so(void **state)
{
    (void)state;
    send_get();
    peer_request(fixture.peer);
    for (int i = 0; i < fixture.peer->envelopes; i++) {
        zmq_msg_send(&fixture.peer->envelope[i], fixture.peer->query, ZMQ_SNDMORE);
    }
    fixture.peer->envelopes = 0;
    zmq_send(fixture.peer->query, "junk", 4, 0);
    assert_int_equal(receive(PEER_PATIENCE_MS), CASEBUS_EPROTO);
    assert_int_equal(fixture.reply.error, 0);
}

static void without_a_request_there_is_nothing_to_wait_for(void **state)
{
    (void)state;
    assert_int_equal(receive(0), CASEBUS_EINVAL);
}

static void destroying_nothing_is_fine(void **state)
{
    (void)state;
    struct casebus_client *client = NULL;
    struct casebus_call *call = NULL;
    casebus_client_destroy(&client);
    casebus_call_destroy(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_holds_its_arguments),
        TEST(a_call_begins_anew),
        TEST(a_call_that_was_not_begun_is_refused),
        TEST(a_call_of_an_audience_says_so_each_time),
        TEST(a_call_over_the_limit_is_refused),
        TEST(a_request_arrives_as_it_was_made),
        TEST(a_reply_has_result_and_place),
        TEST(a_refusal_is_its_code_and_text),
        TEST(what_is_not_answered_times_out),
        TEST(a_request_waits_on_after_a_time_out),
        TEST(nobody_there_is_unreachable),
        TEST(what_is_no_endpoint_is_refused),
        TEST(a_late_reply_to_an_earlier_request_is_dropped),
        TEST(a_lost_request_is_sent_again),
        TEST(what_is_no_reply_is_said_so),
        TEST(without_a_request_there_is_nothing_to_wait_for),
        cmocka_unit_test(destroying_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
