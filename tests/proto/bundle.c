/* Bundles: what is written is read again, and what is not one is refused. */
#include "proto/test.h"

#include <casebus/bundle.h>
#include <casebus/topic.h>

#define TOPIC "case:created:hse:1:"

static struct casebus_bytes written(const msgpack_sbuffer *out)
{
    return casebus_bytes(out->data, out->size);
}

static void assert_next_is(struct casebus_frames *frames, const char *topic, const char *body)
{
    struct casebus_bytes t, b;
    assert_int_equal(casebus_frames_next(frames, &t, &b), 1);
    assert_true(casebus_bytes_is(t, topic));
    assert_true(casebus_bytes_is(b, body));
}

static void assert_ends(struct casebus_frames *frames)
{
    struct casebus_bytes t, b;
    assert_int_equal(casebus_frames_next(frames, &t, &b), 0);
}

static void begin_with_one(msgpack_sbuffer *out)
{
    msgpack_sbuffer_init(out);
    assert_int_equal(casebus_bundle_begin(out, CASEBUS_EVENT_BUNDLE_MAX), 0);
    assert_int_equal(casebus_bundle_add(out, casebus_cstr(TOPIC), casebus_cstr("one")), 0);
}

static void what_is_written_is_read_in_order(void **state)
{
    (void)state;
    struct casebus_frames frames;
    msgpack_sbuffer out;
    begin_with_one(&out);
    assert_int_equal(casebus_bundle_add(&out, casebus_cstr("b:"), casebus_cstr("")), 0);
    assert_int_equal(casebus_bundle_count(&out), 2);
    assert_int_equal(casebus_scan(written(&out), casebus_scan_limits_reply(), NULL), 0);
    assert_true(casebus_bundle_read(&frames, written(&out)));
    assert_next_is(&frames, TOPIC, "one");
    assert_next_is(&frames, "b:", "");
    assert_ends(&frames);
    msgpack_sbuffer_destroy(&out);
}

static void a_bundle_begun_anew_is_empty(void **state)
{
    (void)state;
    struct casebus_frames frames;
    msgpack_sbuffer out;
    begin_with_one(&out);
    assert_int_equal(casebus_bundle_begin(&out, CASEBUS_EVENT_BUNDLE_MAX), 0);
    assert_int_equal(casebus_bundle_count(&out), 0);
    assert_true(casebus_bundle_read(&frames, written(&out)));
    assert_ends(&frames);
    msgpack_sbuffer_destroy(&out);
}

#define MOST CASEBUS_EVENT_BUNDLE_MAX

static void it_has_room_up_to_its_limit_and_for_any_one(void **state)
{
    (void)state;
    static unsigned char large[2 * MOST];
    const struct casebus_bytes topic = casebus_cstr(TOPIC), body = casebus_bytes(large, 1000);
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_bundle_begin(&out, CASEBUS_EVENT_BUNDLE_MAX), 0);
    assert_true(casebus_bundle_has_room(&out, topic, casebus_bytes(large, sizeof large), MOST));
    while (casebus_bundle_has_room(&out, topic, body, MOST)) {
        assert_int_equal(casebus_bundle_add(&out, topic, body), 0);
    }
    assert_int_equal(casebus_bundle_count(&out), 31);
    assert_in_range(out.size, MOST - 1000 - 100, MOST);
    msgpack_sbuffer_destroy(&out);
}

static void keys_come_in_any_order_and_unknown_ones_are_passed(void **state)
{
    (void)state;
    struct casebus_frames frames;
    assert_true(casebus_bundle_read(
        &frames,
        BYTES("\x83\xa8messages\x91\x92\xa1t\xc4\x01x\xa4more\x93\x01\x02\x03\xa1v\x01")));
    assert_next_is(&frames, "t", "x");
    assert_ends(&frames);
}

static void what_is_no_bundle_is_refused(void **state)
{
    (void)state;
    const struct casebus_bytes bodies[] = {
        casebus_bytes(NULL, 0),
        BYTES("\xc0"),
        BYTES("\x81\xa1v\x01"),                                 /* no messages */
        BYTES("\x81\xa8messages\x90"),                          /* no version */
        BYTES("\x82\xa1v\x02\xa8messages\x90"),                 /* of another one */
        BYTES("\x82\xa1v\x01\xa8messages\x80"),                 /* a map */
        BYTES("\x82\xa1v\x01\xa8messages"),                     /* cut off */
        BYTES("\x82\xa1v\x01\xa8messages\xdd\xff\xff\xff\xff"), /* more than there can be */
    };
    struct casebus_frames frames;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_false(casebus_bundle_read(&frames, bodies[i]));
        assert_ends(&frames);
    }
}

static void an_element_that_is_something_else_is_passed(void **state)
{
    (void)state;
    struct casebus_frames frames;
    struct casebus_bytes t, b;
    assert_true(casebus_bundle_read(
        &frames, BYTES("\x82\xa1v\x01\xa8messages\x95"
                       "\x07\x92\xa1t\xa1x\x91\xa1t\x93\xa1t\xc4\x01x\xc0\x92\xa1t\xc4\x01x")));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(casebus_frames_next(&frames, &t, &b), CASEBUS_EMALFORMED);
    }
    assert_next_is(&frames, "t", "x");
    assert_ends(&frames);
}

static void one_that_is_cut_off_ends(void **state)
{
    (void)state;
    struct casebus_frames frames;
    struct casebus_bytes t, b;
    assert_true(
        casebus_bundle_read(&frames, BYTES("\x82\xa1v\x01\xa8messages\x93\x92\xa1t\xc4\x01x"
                                           "\x92\xa1t\xc4\x09x")));
    assert_next_is(&frames, "t", "x");
    assert_int_equal(casebus_frames_next(&frames, &t, &b), CASEBUS_EMALFORMED);
    assert_ends(&frames);
}

static void topics_tell_what_they_are(void **state)
{
    (void)state;
    assert_true(
        casebus_topic_is_bundle(casebus_cstr(CASEBUS_TOPIC_BUNDLE "case:created:hse:")));
    assert_true(casebus_topic_is_bundle(casebus_cstr(CASEBUS_TOPIC_BUNDLE)));
    assert_false(casebus_topic_is_bundle(casebus_cstr("bundle")));
    assert_false(casebus_topic_is_bundle(casebus_cstr(TOPIC)));
    assert_true(casebus_topic_is_heads(casebus_cstr(CASEBUS_TOPIC_HEADS_ALL)));
    assert_false(casebus_topic_is_heads(casebus_cstr("")));
    assert_false(casebus_topic_is_heads(casebus_cstr("session:")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_in_order),
        cmocka_unit_test(a_bundle_begun_anew_is_empty),
        cmocka_unit_test(it_has_room_up_to_its_limit_and_for_any_one),
        cmocka_unit_test(keys_come_in_any_order_and_unknown_ones_are_passed),
        cmocka_unit_test(what_is_no_bundle_is_refused),
        cmocka_unit_test(an_element_that_is_something_else_is_passed),
        cmocka_unit_test(one_that_is_cut_off_ends),
        cmocka_unit_test(topics_tell_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
