/* What a reader has, and how it finds out what it has not. */
#include "test.h"

#include "have.h"

#include <stdio.h>

#define CREATED "case:created:hse:"
#define ONE CREATED "48:"
#define OTHER CREATED "49:"

static int setup(void **state)
{
    struct have *have;
    if (casebus_have_new(&have) != 0) {
        return -1;
    }
    *state = have;
    return 0;
}

static int teardown(void **state)
{
    struct have *have = *state;
    casebus_have_destroy(&have);
    return have == NULL ? 0 : -1;
}

static void cover(struct have *have, const char *prefix)
{
    assert_int_equal(casebus_have_cover(have, casebus_cstr(prefix)), 0);
}

static enum have_verdict offer(struct have *have, const char *topic, uint64_t seq,
                               uint64_t prev, uint64_t prev_topic, struct casebus_gap *gap)
{
    const struct casebus_event event = make_event(topic, seq, prev, prev_topic);
    return casebus_have_event(have, &event, gap);
}

static enum have_verdict head(struct have *have, const char *stream, uint64_t at, uint64_t seq,
                              struct casebus_gap *gap)
{
    return casebus_have_head(have, casebus_cstr(stream), at, seq, gap);
}

static void an_event_behind_the_position_is_new(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    assert_int_equal(offer(*state, ONE, 1, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, ONE, 5, 1, 1, &gap), HAVE_NEW);
}

static void an_event_at_the_position_is_a_duplicate(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    assert_int_equal(offer(*state, ONE, 5, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, ONE, 5, 0, 0, &gap), HAVE_DUPLICATE);
    assert_int_equal(offer(*state, ONE, 4, 0, 0, &gap), HAVE_DUPLICATE);
}

static void events_up_to_the_base_are_duplicates_in_every_stream(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    casebus_have_reset(*state, 10);
    assert_int_equal(offer(*state, ONE, 10, 0, 0, &gap), HAVE_DUPLICATE);
    assert_int_equal(offer(*state, "case:updated:ea:1:", 3, 0, 0, &gap), HAVE_DUPLICATE);
    assert_int_equal(offer(*state, ONE, 11, 9, 9, &gap), HAVE_NEW);
}

static void prev_above_the_position_is_a_hole(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    assert_int_equal(offer(*state, ONE, 3, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, OTHER, 9, 7, 0, &gap), HAVE_HOLE);
    assert_bytes_are(gap.stream, CREATED);
    assert_int_equal(gap.after, 3);
    assert_int_equal(gap.through, 7);
}

static void an_event_is_taken_once_its_hole_is_named(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    assert_int_equal(offer(*state, ONE, 9, 7, 0, &gap), HAVE_HOLE);
    assert_int_equal(offer(*state, ONE, 9, 7, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, ONE, 9, 7, 0, &gap), HAVE_DUPLICATE);
}

static void the_lowest_hole_has_one_event(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    casebus_have_reset(*state, 6);
    assert_int_equal(offer(*state, ONE, 8, 7, 0, &gap), HAVE_HOLE);
    assert_int_equal(gap.after, 6);
    assert_int_equal(gap.through, 7);
}

static void streams_have_positions_of_their_own(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    assert_int_equal(offer(*state, ONE, 9, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, "case:created:ea:1:", 5, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, "case:updated:hse:48:", 6, 0, 0, &gap), HAVE_NEW);
}

static void a_head_above_the_position_is_a_hole(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:created:");
    assert_int_equal(offer(*state, ONE, 3, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(head(*state, CREATED, 5, 8, &gap), HAVE_HOLE);
    assert_bytes_are(gap.stream, CREATED);
    assert_int_equal(gap.after, 3);
    assert_int_equal(gap.through, 5);
}

static void a_hole_is_named_once(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:created:");
    assert_int_equal(head(*state, CREATED, 5, 8, &gap), HAVE_HOLE);
    assert_int_equal(head(*state, CREATED, 5, 9, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, ONE, 6, 5, 0, &gap), HAVE_NEW);
}

static void a_head_of_an_unseen_stream_counts_from_the_base(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:");
    casebus_have_reset(*state, 10);
    assert_int_equal(head(*state, CREATED, 10, 10, &gap), HAVE_NEW);
    assert_int_equal(head(*state, "case:updated:ea:", 11, 11, &gap), HAVE_HOLE);
    assert_int_equal(gap.after, 10);
}

static void a_head_of_a_stream_nobody_asked_for_is_nothing(void **state)
{
    struct casebus_gap gap;
    cover(*state, "case:created:hse:");
    assert_int_equal(head(*state, "case:created:hse2:", 5, 5, &gap), HAVE_NEW);
    assert_int_equal(head(*state, "session:ended:hse:", 5, 5, &gap), HAVE_NEW);
}

static void a_topic_has_its_hole_by_prev_topic(void **state)
{
    struct casebus_gap gap;
    cover(*state, ONE);
    assert_int_equal(offer(*state, ONE, 4, 3, 0, &gap), HAVE_NEW); /* 3: some other key's */
    assert_int_equal(offer(*state, ONE, 9, 8, 7, &gap), HAVE_HOLE);
    assert_bytes_are(gap.stream, ONE);
    assert_int_equal(gap.after, 4);
    assert_int_equal(gap.through, 7);
    assert_int_equal(offer(*state, ONE, 9, 8, 7, &gap), HAVE_NEW);
}

static void an_event_of_another_topic_is_foreign(void **state)
{
    struct casebus_gap gap;
    cover(*state, ONE);
    assert_int_equal(offer(*state, OTHER, 4, 3, 0, &gap), HAVE_FOREIGN);
}

static void a_stream_pattern_goes_before_one_of_its_topics(void **state)
{
    struct casebus_gap gap;
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    cover(*state, ONE);
    cover(*state, CREATED);
    assert_int_equal(offer(*state, OTHER, 2, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(offer(*state, ONE, 4, 3, 0, &gap), HAVE_HOLE); /* by prev */
    assert_int_equal(head(*state, CREATED, 9, 9, &gap), HAVE_HOLE);
    assert_int_equal(casebus_have_doubts(*state, patterns, &after), 0);
}

static void a_head_puts_a_topic_in_doubt(void **state)
{
    struct casebus_gap gap;
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    cover(*state, ONE);
    cover(*state, OTHER);
    casebus_have_reset(*state, 3);
    assert_int_equal(offer(*state, ONE, 6, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(head(*state, CREATED, 8, 9, &gap), HAVE_NEW);
    assert_int_equal(casebus_have_doubts(*state, patterns, &after), 2);
    assert_string_equal(patterns[0], "case:created:hse:48");
    assert_string_equal(patterns[1], "case:created:hse:49");
    assert_int_equal(after, 3);
}

static void a_head_at_the_position_is_no_doubt(void **state)
{
    struct casebus_gap gap;
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    cover(*state, ONE);
    assert_int_equal(offer(*state, ONE, 6, 0, 0, &gap), HAVE_NEW);
    assert_int_equal(head(*state, CREATED, 6, 9, &gap), HAVE_NEW);
    assert_int_equal(casebus_have_doubts(*state, patterns, &after), 0);
}

/* Brings ONE in doubt: nothing of it seen, the stream's head at 8, all up to 9 sent before. */
static void doubt_one(struct have *have)
{
    struct casebus_gap gap;
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    cover(have, ONE);
    assert_int_equal(head(have, CREATED, 8, 9, &gap), HAVE_NEW);
    assert_int_equal(casebus_have_doubts(have, patterns, &after), 1);
}

static void an_answer_without_events_settles_the_doubt(void **state)
{
    struct casebus_gap gap;
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    doubt_one(*state);
    casebus_have_answered(*state, 20);
    assert_false(casebus_have_missed(*state, &gap));
    assert_int_equal(casebus_have_doubts(*state, patterns, &after), 0);
}

static void an_answer_moves_the_position_to_what_was_sent(void **state)
{
    struct casebus_gap gap;
    doubt_one(*state);
    casebus_have_answered(*state, 20);
    /* 10 to 20 were not proved by the heads message: they may still be on their way. */
    assert_int_equal(offer(*state, ONE, 10, 8, 0, &gap), HAVE_NEW);
}

static void an_event_that_was_sent_and_not_seen_is_missed(void **state)
{
    struct casebus_gap gap;
    doubt_one(*state);
    casebus_have_found(*state, casebus_cstr(ONE), 2);
    casebus_have_found(*state, casebus_cstr(ONE), 5);
    casebus_have_answered(*state, 20);
    assert_true(casebus_have_missed(*state, &gap));
    assert_bytes_are(gap.stream, ONE);
    assert_int_equal(gap.after, 0);
    assert_int_equal(gap.through, 5);
    assert_false(casebus_have_missed(*state, &gap));
}

static void an_event_behind_the_proof_is_not_missed(void **state)
{
    struct casebus_gap gap;
    doubt_one(*state);
    casebus_have_found(*state, casebus_cstr(ONE), 10);
    casebus_have_answered(*state, 20);
    assert_false(casebus_have_missed(*state, &gap));
}

static void an_event_that_came_meanwhile_makes_the_answer_void(void **state)
{
    struct casebus_gap gap;
    doubt_one(*state);
    assert_int_equal(offer(*state, ONE, 10, 9, 5, &gap), HAVE_HOLE);
    assert_int_equal(gap.through, 5);
    casebus_have_found(*state, casebus_cstr(ONE), 5);
    casebus_have_answered(*state, 20);
    assert_false(casebus_have_missed(*state, &gap));
    assert_int_equal(offer(*state, ONE, 10, 9, 5, &gap), HAVE_NEW);
}

static void a_half_answer_leaves_the_rest_in_doubt(void **state)
{
    struct casebus_gap gap;
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    doubt_one(*state);
    casebus_have_answered(*state, 4);
    assert_false(casebus_have_missed(*state, &gap));
    assert_int_equal(casebus_have_doubts(*state, patterns, &after), 1);
    assert_int_equal(after, 4);
}

static void every_kind_and_agency_has_a_place(void **state)
{
    struct casebus_gap gap;
    char topic[CASEBUS_TOPIC_MAX];
    uint64_t seq = 0;
    cover(*state, "case:");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CASEBUS_AGENCIES_MAX; i++) {
            snprintf(topic, sizeof topic, "case:synced:agency_%d:1:", i);
            const uint64_t before = round == 0 ? 0 : seq + 1 - CASEBUS_AGENCIES_MAX;
            assert_int_equal(offer(*state, topic, ++seq, before, before, &gap), HAVE_NEW);
        }
    }
}

static void streams_past_all_there_can_be_are_foreign(void **state)
{
    struct casebus_gap gap;
    char stream[64], topic[CASEBUS_TOPIC_MAX];
    cover(*state, "case:");
    for (int i = 0; i < CASEBUS_EVENT_KIND_COUNT * CASEBUS_AGENCIES_MAX; i++) {
        snprintf(stream, sizeof stream, "case:created:a%d:", i);
        assert_int_equal(head(*state, stream, 1, 1, &gap), HAVE_HOLE);
    }
    snprintf(topic, sizeof topic, "case:created:one_more:1:");
    assert_int_equal(offer(*state, topic, 1, 0, 0, &gap), HAVE_FOREIGN);
}

static void what_is_no_prefix_is_refused(void **state)
{
    assert_int_equal(casebus_have_cover(*state, casebus_cstr("")), CASEBUS_EINVAL);
    assert_int_equal(casebus_have_cover(*state, casebus_cstr("case")), CASEBUS_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_behind_the_position_is_new),
        TEST(an_event_at_the_position_is_a_duplicate),
        TEST(events_up_to_the_base_are_duplicates_in_every_stream),
        TEST(prev_above_the_position_is_a_hole),
        TEST(an_event_is_taken_once_its_hole_is_named),
        TEST(the_lowest_hole_has_one_event),
        TEST(streams_have_positions_of_their_own),
        TEST(a_head_above_the_position_is_a_hole),
        TEST(a_hole_is_named_once),
        TEST(a_head_of_an_unseen_stream_counts_from_the_base),
        TEST(a_head_of_a_stream_nobody_asked_for_is_nothing),
        TEST(a_topic_has_its_hole_by_prev_topic),
        TEST(an_event_of_another_topic_is_foreign),
        TEST(a_stream_pattern_goes_before_one_of_its_topics),
        TEST(a_head_puts_a_topic_in_doubt),
        TEST(a_head_at_the_position_is_no_doubt),
        TEST(an_answer_without_events_settles_the_doubt),
        TEST(an_answer_moves_the_position_to_what_was_sent),
        TEST(an_event_that_was_sent_and_not_seen_is_missed),
        TEST(an_event_behind_the_proof_is_not_missed),
        TEST(an_event_that_came_meanwhile_makes_the_answer_void),
        TEST(a_half_answer_leaves_the_rest_in_doubt),
        TEST(every_kind_and_agency_has_a_place),
        TEST(streams_past_all_there_can_be_are_foreign),
        TEST(what_is_no_prefix_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
