/* Bundles of a batch's events: all of them, in their streams' order; and how large they are
 * while much of what was sent waits for somebody. */
#include "bundles.h"

#include <casebus/bundle.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVENTS 64
#define BODY 1000
#define KEPT_MAX 3000

static struct bundles *bundles;
static char topic[2][32] = {"case:created:hse:1:", "case:created:ea:1:"};
static unsigned char body[EVENTS][BODY]; /* of each: its number, over and over */
static struct apply_event events[EVENTS];

/* A reader who does not read: what is sent is kept for him. */
static zmq_msg_t kept[KEPT_MAX];
static size_t kept_count, largest;
static unsigned next[2]; /* by stream: the number that its next event must have */

static void take(void *arg, struct casebus_bytes bundle_topic, zmq_msg_t *message)
{
    struct casebus_frames frames;
    struct casebus_bytes t, b;
    const bool keeps = *(const bool *)arg;
    const unsigned stream = casebus_bytes_is(bundle_topic, "bundle:case:created:ea:");
    const struct casebus_bytes sent =
        casebus_bytes(zmq_msg_data(message), zmq_msg_size(message));
    largest = sent.size > largest ? sent.size : largest;
    assert_true(stream == 1 || casebus_bytes_is(bundle_topic, "bundle:case:created:hse:"));
    assert_true(casebus_bundle_read(&frames, sent));
    while (casebus_frames_next(&frames, &t, &b) == 1) {
        assert_true(casebus_bytes_is(t, topic[stream]));
        assert_int_equal(b.size, BODY);
        assert_memory_equal(b.data, body[next[stream]], BODY);
        next[stream] += 2;
    }
    if (keeps) {
        assert_true(kept_count < KEPT_MAX);
        zmq_msg_init(&kept[kept_count]);
        zmq_msg_move(&kept[kept_count++], message);
    }
}

static void let_go(void)
{
    while (kept_count > 0) {
        zmq_msg_close(&kept[--kept_count]);
    }
}

/* A batch of so many events, of two streams in turn. */
static void send_batch(size_t count, bool keeps)
{
    largest = 0;
    next[0] = 0;
    next[1] = 1;
    assert_int_equal(bundles_begin(bundles, count), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bundles_add(bundles, i % 2, 2), 0);
    }
    bundles_form(bundles, events, &scope_everything, take, &keeps);
    assert_int_equal(next[0] + next[1], 2 * count + 1);
}

static void each_event_is_in_a_bundle_of_its_stream(void **state)
{
    (void)state;
    for (size_t count = 0; count <= EVENTS; count++) {
        send_batch(count, false);
    }
    assert_in_range(largest, CASEBUS_EVENT_BUNDLE_MAX - 2 * BODY, CASEBUS_EVENT_BUNDLE_MAX);
}

static void they_are_smaller_while_many_wait(void **state)
{
    (void)state;
    size_t bytes = 0;
    do {
        send_batch(EVENTS, true);
        bytes += (size_t)EVENTS * BODY;
        assert_true(bytes < 2 * CASEBUS_BUNDLES_WAITING);
    } while (largest > CASEBUS_FULL_EVENT_MAX);
    assert_in_range(bytes, CASEBUS_BUNDLES_WAITING / 2, CASEBUS_BUNDLES_WAITING * 5 / 4);
    send_batch(EVENTS, false);
    assert_in_range(largest, CASEBUS_FULL_EVENT_MAX - 2 * BODY, CASEBUS_FULL_EVENT_MAX);
    let_go();
    send_batch(EVENTS, false);
    assert_true(largest > CASEBUS_FULL_EVENT_MAX);
}

static int set_up(void **state)
{
    (void)state;
    bundles = bundles_new();
    for (unsigned i = 0; i < EVENTS; i++) {
        memset(body[i], (int)i, BODY);
        events[i] = (struct apply_event){.topic = casebus_cstr(topic[i % 2]),
                                         .body = casebus_bytes(body[i], BODY)};
    }
    return bundles ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    let_go();
    bundles_destroy(&bundles);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_is_in_a_bundle_of_its_stream),
        cmocka_unit_test(they_are_smaller_while_many_wait),
    };
    return cmocka_run_group_tests_name("bundles", tests, set_up, tear_down);
}
