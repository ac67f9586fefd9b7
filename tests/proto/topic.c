/* Topics: their parts, their kinds, and how they are built. */
#include "proto/test.h"

#include <casebus/topic.h>
#include <string.h>

static void split_refused(struct casebus_bytes text)
{
    struct casebus_topic topic;
    assert_int_equal(casebus_topic_split(text, &topic), CASEBUS_ETOPIC);
}

static void event_refused(const char *text)
{
    struct casebus_topic topic;
    enum casebus_event_kind kind;
    assert_int_equal(casebus_topic_event(keep(text, strlen(text)), &topic, &kind),
                     CASEBUS_ETOPIC);
}

static void one_to_four_segments_are_split(void **state)
{
    (void)state;
    struct casebus_topic topic;
    assert_int_equal(casebus_topic_split(BYTES("sys:"), &topic), 0);
    assert_int_equal(topic.count, 1);
    assert_int_equal(casebus_topic_split(BYTES("case:created:hse:T/H/2005 02:"), &topic), 0);
    assert_int_equal(topic.count, 4);
    assert_text(topic.segment[0], "case");
    assert_text(topic.segment[2], "hse");
    assert_text(topic.segment[3], "T/H/2005 02");
}

static void a_topic_ends_with_a_colon(void **state)
{
    (void)state;
    split_refused(BYTES("case:created:hse:1"));
    split_refused(BYTES("case"));
    split_refused(BYTES(""));
}

static void a_stream_is_the_first_three_segments(void **state)
{
    (void)state;
    assert_text(casebus_topic_stream(BYTES("case:created:hse:481:")), "case:created:hse:");
    assert_text(casebus_topic_stream(BYTES("case:created:hse:")), "case:created:hse:");
    assert_text(casebus_topic_stream(BYTES("case:created:")), "case:created:");
    assert_text(casebus_topic_stream(BYTES("case:created:hse")), "case:created:hse");
    assert_text(casebus_topic_stream(BYTES("")), "");
}

static void an_empty_segment_is_refused(void **state)
{
    (void)state;
    split_refused(BYTES(":"));
    split_refused(BYTES("case::hse:1:"));
    split_refused(BYTES("case:created:hse::"));
}

static void five_segments_are_refused(void **state)
{
    (void)state;
    split_refused(BYTES("case:created:hse:1:2:"));
}

static void a_topic_too_long_is_refused(void **state)
{
    (void)state;
    struct casebus_bytes part = join(repeat("x", 100), BYTES(":"));
    struct casebus_bytes three = join(join(part, part), part);
    struct casebus_topic topic;
    assert_int_equal(
        casebus_topic_split(join(three, join(repeat("x", 16), BYTES(":"))), &topic), 0);
    split_refused(join(three, join(repeat("x", 17), BYTES(":"))));
}

static void control_characters_are_refused_in_a_segment(void **state)
{
    (void)state;
    assert_false(casebus_segment_valid(BYTES("a\x1f")));
    assert_false(casebus_segment_valid(BYTES("a\0b")));
    assert_false(casebus_segment_valid(BYTES("\x7f")));
    assert_false(casebus_segment_valid(BYTES("a\xc2\x80")));
    assert_false(casebus_segment_valid(BYTES("\xc2\x9f"
                                             "b")));
    assert_true(casebus_segment_valid(BYTES("a\xc2\xa0")));
}

static void a_segment_has_1_to_128_bytes(void **state)
{
    (void)state;
    assert_false(casebus_segment_valid(BYTES("")));
    assert_true(casebus_segment_valid(repeat("x", 128)));
    assert_false(casebus_segment_valid(repeat("x", 129)));
}

static void a_segment_is_utf8_without_a_colon(void **state)
{
    (void)state;
    assert_true(casebus_segment_valid(BYTES("Ll\xc5\xb7r")));
    assert_false(casebus_segment_valid(BYTES("a\xc3")));
    assert_false(casebus_segment_valid(BYTES("\xed\xa0\x80")));
    assert_false(casebus_segment_valid(BYTES("a:b")));
    assert_false(casebus_segment_valid(BYTES("*")));
    assert_false(casebus_segment_valid(BYTES("4812345*")));
    assert_false(casebus_segment_valid(BYTES("T/H/2005/257487/0*2")));
}

static void an_agency_is_lower_case_and_begins_with_a_letter(void **state)
{
    (void)state;
    assert_true(casebus_agency_valid(BYTES("a")));
    assert_true(casebus_agency_valid(BYTES("hse_2")));
    assert_true(casebus_agency_valid(repeat("z", 32)));
    assert_false(casebus_agency_valid(repeat("z", 33)));
    assert_false(casebus_agency_valid(BYTES("")));
    assert_false(casebus_agency_valid(BYTES("2hse")));
    assert_false(casebus_agency_valid(BYTES("_hse")));
    assert_false(casebus_agency_valid(BYTES("HSE")));
    assert_false(casebus_agency_valid(BYTES("h-e")));
    assert_false(casebus_agency_valid(BYTES("h\xc3\xa9")));
}

static void every_kind_of_report_is_recognised(void **state)
{
    (void)state;
    static const char *const resources[] = {
#define X(symbol, resource, event) resource,
        CASEBUS_REPORT_KINDS(X)
#undef X
    };
    for (unsigned i = 0; i < CASEBUS_REPORT_KIND_COUNT; i++) {
        char text[CASEBUS_TOPIC_MAX + 1];
        struct casebus_topic topic;
        enum casebus_report_kind kind;
        const char *word = casebus_report_kind_word((enum casebus_report_kind)i);
        int size = casebus_topic_build(text, sizeof text, resources[i], word, BYTES("hse"),
                                       BYTES("4812345"));
        assert_true(size > 0);
        assert_int_equal(casebus_topic_report(keep(text, (size_t)size), &topic, &kind), 0);
        assert_int_equal(kind, i);
        assert_int_equal(topic.count, 4);
        assert_text(topic.segment[0], resources[i]);
        assert_text(topic.segment[1], word);
        assert_text(topic.segment[2], "hse");
        assert_text(topic.segment[3], "4812345");
    }
}

static void every_kind_of_event_is_recognised(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASEBUS_EVENT_KIND_COUNT; i++) {
        char text[CASEBUS_TOPIC_MAX + 1];
        struct casebus_topic topic;
        enum casebus_event_kind kind;
        int size = casebus_topic_build(
            text, sizeof text, casebus_event_kind_resource((enum casebus_event_kind)i),
            casebus_event_kind_word((enum casebus_event_kind)i), BYTES("ea"), BYTES("x/1"));
        assert_true(size > 0);
        assert_int_equal(casebus_topic_event(keep(text, (size_t)size), &topic, &kind), 0);
        assert_int_equal(kind, i);
        assert_text(topic.segment[3], "x/1");
    }
}

static void kinds_of_case_events_come_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASEBUS_EVENT_KIND_COUNT; i++) {
        assert_string_equal(casebus_event_kind_resource((enum casebus_event_kind)i),
                            i < CASEBUS_CASE_EVENT_COUNT ? "case" : "session");
    }
}

static void a_report_is_not_an_event(void **state)
{
    (void)state;
    struct casebus_topic topic;
    enum casebus_report_kind kind;
    event_refused("case:scraped:hse:1:");
    assert_int_equal(casebus_topic_report(BYTES("case:created:hse:1:"), &topic, &kind),
                     CASEBUS_ETOPIC);
}

static void what_is_nearly_a_topic_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "case:created:hse:",      "case:created:hse",       "case:created:",
        "case:created:HSE:1:",    "case:created:hse:1",     "case:created:hse:1:2:",
        "case:created:hse:1::",   "case:created::1:",       "case:creating:hse:1:",
        "cases:created:hse:1:",   "case:created:hse:\x01:", "case:created:hse:\xff:",
        "session:created:hse:1:", "sys:heads:all:",         "",
        "case:created:hse:\n:",   "Case:created:hse:1:",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        event_refused(bad[i]);
    }
}

static void a_topic_is_built_with_its_end(void **state)
{
    (void)state;
    char text[64];
    int size =
        casebus_topic_build(text, sizeof text, "case", "scraped", BYTES("orr"), BYTES("7"));
    assert_int_equal(size, 19);
    assert_string_equal(text, "case:scraped:orr:7:");
}

static void a_topic_of_bad_parts_is_not_built(void **state)
{
    (void)state;
    char text[400];
    assert_int_equal(
        casebus_topic_build(text, sizeof text, "case", "scraped", BYTES("ORR"), BYTES("7")),
        CASEBUS_ETOPIC);
    assert_int_equal(
        casebus_topic_build(text, sizeof text, "case", "scraped", BYTES("orr"), BYTES("7:8")),
        CASEBUS_ETOPIC);
    assert_int_equal(
        casebus_topic_build(text, sizeof text, "case", "scraped", BYTES("orr"), BYTES("")),
        CASEBUS_ETOPIC);
}

static void a_topic_that_does_not_fit_is_not_built(void **state)
{
    (void)state;
    char text[20];
    assert_int_equal(casebus_topic_build(text, 19, "case", "scraped", BYTES("orr"), BYTES("7")),
                     CASEBUS_EINVAL);
    assert_int_equal(casebus_topic_build(text, 20, "case", "scraped", BYTES("orr"), BYTES("7")),
                     19);
}

static void a_case_id_is_split_at_its_first_colon(void **state)
{
    (void)state;
    struct casebus_bytes agency, id;
    assert_int_equal(casebus_case_id_split(BYTES("hse:T/H/2005/257487/02"), &agency, &id), 0);
    assert_text(agency, "hse");
    assert_text(id, "T/H/2005/257487/02");
}

static void a_bad_case_id_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "hse", "hse:", ":1", "HSE:1", "hse:1:2", "hse:\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct casebus_bytes agency, id;
        assert_int_equal(casebus_case_id_split(keep(bad[i], strlen(bad[i])), &agency, &id),
                         CASEBUS_ETOPIC);
    }
}

static void a_topic_of_a_kind_is_not_too_long(void **state)
{
    (void)state;
    event_refused(
        (const char *)join(join(BYTES("case:created:hse:"), repeat("x", 400)), BYTES(":\0"))
            .data);
}

static void a_kind_out_of_range_has_a_word(void **state)
{
    (void)state;
    assert_string_equal(casebus_report_kind_word(CASEBUS_REPORT_KIND_COUNT), "unknown");
    assert_string_equal(casebus_event_kind_word(CASEBUS_EVENT_KIND_COUNT), "unknown");
    assert_string_equal(casebus_event_kind_resource(CASEBUS_EVENT_KIND_COUNT), "unknown");
}

static void a_topic_of_bad_words_is_not_built(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(
        casebus_topic_build(text, sizeof text, "", "created", BYTES("hse"), BYTES("1")),
        CASEBUS_ETOPIC);
    assert_int_equal(
        casebus_topic_build(text, sizeof text, "case", "a:b", BYTES("hse"), BYTES("1")),
        CASEBUS_ETOPIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_to_four_segments_are_split),
        cmocka_unit_test(a_topic_ends_with_a_colon),
        cmocka_unit_test(a_stream_is_the_first_three_segments),
        cmocka_unit_test(an_empty_segment_is_refused),
        cmocka_unit_test(five_segments_are_refused),
        cmocka_unit_test(a_topic_too_long_is_refused),
        cmocka_unit_test(control_characters_are_refused_in_a_segment),
        cmocka_unit_test(a_segment_has_1_to_128_bytes),
        cmocka_unit_test(a_segment_is_utf8_without_a_colon),
        cmocka_unit_test(an_agency_is_lower_case_and_begins_with_a_letter),
        cmocka_unit_test(every_kind_of_report_is_recognised),
        cmocka_unit_test(every_kind_of_event_is_recognised),
        cmocka_unit_test(kinds_of_case_events_come_first),
        cmocka_unit_test(a_report_is_not_an_event),
        cmocka_unit_test(what_is_nearly_a_topic_is_refused),
        cmocka_unit_test(a_topic_is_built_with_its_end),
        cmocka_unit_test(a_topic_of_bad_parts_is_not_built),
        cmocka_unit_test(a_topic_that_does_not_fit_is_not_built),
        cmocka_unit_test(a_case_id_is_split_at_its_first_colon),
        cmocka_unit_test(a_bad_case_id_is_refused),
        cmocka_unit_test(a_topic_of_a_kind_is_not_too_long),
        cmocka_unit_test(a_kind_out_of_range_has_a_word),
        cmocka_unit_test(a_topic_of_bad_words_is_not_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
