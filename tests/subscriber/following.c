/* A subscriber before a broker that does what the test wants: what its tests share. */
#include "following.h"

struct peer *peer;
struct casebus_subscriber *subscriber;
struct casebus_subscriber_options options;
const struct casebus_event *event;

int following_setup(void **state)
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

int following_teardown(void **state)
{
    casebus_subscriber_destroy(&subscriber);
    return peer_teardown(state);
}

/* The same with other options. */
void make_anew(void)
{
    casebus_subscriber_destroy(&subscriber);
    assert_int_equal(casebus_subscriber_new(&subscriber, options), 0);
}

void subscribe(const char *pattern)
{
    assert_int_equal(casebus_subscriber_subscribe(subscriber, pattern, NULL), 0);
}

/* Subscribed and live, the broker at `seq`. */
void go_live(const char *pattern, uint64_t seq)
{
    subscribe(pattern);
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    peer_joined(peer);
    peer_heads(peer, seq, "{}");
    assert_int_equal(casebus_subscriber_join(subscriber, SOON), 1);
}

int next(int timeout_ms)
{
    return casebus_subscriber_next(subscriber, &event, timeout_ms);
}

void assert_next_is(uint64_t seq)
{
    assert_int_equal(next(SOON), 1);
    assert_int_equal(event->seq, seq);
}

void assert_gap(const char *stream, uint64_t after, uint64_t through)
{
    assert_int_equal(next(SOON), CASEBUS_EGAP);
    const struct casebus_gap *gap = casebus_subscriber_gap(subscriber);
    assert_bytes_are(gap->stream, stream);
    assert_int_equal(gap->after, after);
    assert_int_equal(gap->through, through);
}

struct casebus_subscriber_stats stats(void)
{
    struct casebus_subscriber_stats now;
    casebus_subscriber_stats(subscriber, &now);
    return now;
}

/* Waits for the question and looks at it. */
void assert_asked(uint64_t after, const char *pattern)
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

void assert_cursor(uint64_t seq)
{
    struct casebus_cursor cursor;
    assert_int_equal(casebus_subscriber_cursor(subscriber, &cursor), 0);
    assert_int_equal(cursor.seq, seq);
    assert_memory_equal(cursor.epoch, peer->epoch, sizeof cursor.epoch);
}
