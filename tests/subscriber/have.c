/* What a reader has, and how it finds out what it has not. */
#include "test.h"

#include "have.h"

#include <stdio.h>

#define CREATED "case:created:hse:"
#define UPDATED "case:updated:hse:"
#define ONE CREATED "48:"
#define OTHER CREATED "49:"

static struct have *have;
static const char *asked[CASEBUS_PATTERNS_MAX];
static uint64_t after;

static int setup(void **state)
{
    (void)state;
    return casebus_have_new(&have);
}

static int teardown(void **state)
{
    (void)state;
    casebus_have_destroy(&have);
    return have == NULL ? 0 : -1;
}

static void cover(const char *prefix)
{
    assert_int_equal(casebus_have_cover(have, casebus_cstr(prefix)), 0);
}

static enum have_verdict offer(const char *topic, uint64_t seq, uint64_t prev,
                               uint64_t prev_topic)
{
    const struct casebus_event event = make_event(topic, seq, prev, prev_topic);
    return casebus_have_event(have, &event);
}

static enum have_verdict logged(const char *topic, uint64_t seq)
{
    const struct casebus_event event = make_event(topic, seq, seq - 1, seq - 1);
    return casebus_have_logged(have, &event);
}

static void head(const char *stream, uint64_t at)
{
    assert_int_equal(casebus_have_head(have, casebus_cstr(stream), at), 0);
}

static size_t ask(bool doubts_too)
{
    return casebus_have_ask(have, CASEBUS_PATTERNS_MAX, doubts_too, asked, &after);
}

/* --- positions -------------------------------------------------------------------------- */

static void an_event_behind_the_position_is_new(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 1, 0, 0), HAVE_NEW);
    assert_int_equal(offer(ONE, 5, 1, 1), HAVE_NEW);
}

static void an_event_at_the_position_is_a_duplicate(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 5, 0, 0), HAVE_NEW);
    assert_int_equal(offer(ONE, 5, 0, 0), HAVE_DUPLICATE);
    assert_int_equal(offer(ONE, 4, 0, 0), HAVE_DUPLICATE);
}

static void events_up_to_the_base_are_duplicates_in_every_stream(void **state)
{
    (void)state;
    cover("case:");
    casebus_have_reset(have, 10);
    assert_int_equal(offer(ONE, 10, 0, 0), HAVE_DUPLICATE);
    assert_int_equal(offer("case:updated:ea:1:", 3, 0, 0), HAVE_DUPLICATE);
    assert_int_equal(offer(ONE, 11, 9, 9), HAVE_NEW);
}

static void prev_above_the_position_is_a_hole_until_it_is_filled(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 3, 0, 0), HAVE_NEW);
    assert_int_equal(offer(OTHER, 9, 7, 0), HAVE_HOLE);
    assert_int_equal(offer(OTHER, 9, 7, 0), HAVE_HOLE);
    assert_int_equal(casebus_have_holes(have), 1);
    assert_int_equal(offer(ONE, 7, 3, 3), HAVE_NEW);
    assert_int_equal(offer(OTHER, 9, 7, 0), HAVE_NEW);
    assert_int_equal(casebus_have_holes(have), 0);
}

static void streams_have_positions_of_their_own(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 9, 0, 0), HAVE_NEW);
    assert_int_equal(offer("case:created:ea:1:", 5, 0, 0), HAVE_NEW);
    assert_int_equal(offer("case:updated:hse:48:", 6, 0, 0), HAVE_NEW);
}

static void an_event_that_no_pattern_covers_is_foreign(void **state)
{
    (void)state;
    cover(ONE);
    assert_int_equal(offer(OTHER, 4, 3, 0), HAVE_FOREIGN);
}

/* --- repair ----------------------------------------------------------------------------- */

static void a_head_above_the_position_is_asked_for_from_there(void **state)
{
    (void)state;
    cover("case:created:");
    assert_int_equal(offer(ONE, 3, 0, 0), HAVE_NEW);
    head(CREATED, 5);
    assert_int_equal(ask(false), 1);
    assert_string_equal(asked[0], CREATED);
    assert_int_equal(after, 3);
}

static void a_head_at_the_position_is_nothing(void **state)
{
    (void)state;
    cover("case:");
    casebus_have_reset(have, 10);
    head(CREATED, 10);
    assert_int_equal(casebus_have_holes(have), 0);
}

static void a_head_of_a_stream_nobody_asked_for_is_nothing(void **state)
{
    (void)state;
    cover(CREATED);
    head("case:created:hse2:", 5);
    head("session:ended:hse:", 5);
    assert_int_equal(casebus_have_holes(have), 0);
    assert_int_equal(casebus_have_doubts(have), 0);
}

static void several_streams_are_asked_for_from_the_lowest_position(void **state)
{
    (void)state;
    cover("case:");
    casebus_have_reset(have, 2);
    assert_int_equal(offer(ONE, 3, 0, 0), HAVE_NEW);
    head(CREATED, 7);
    head(UPDATED, 8);
    assert_int_equal(ask(false), 2);
    assert_int_equal(after, 2);
    assert_int_equal(casebus_have_ask(have, 1, false, asked, &after), 1);
}

static void what_the_log_has_is_taken_once(void **state)
{
    (void)state;
    cover("case:");
    head(CREATED, 5);
    assert_int_equal(logged(ONE, 4), HAVE_DUPLICATE); /* nobody has asked */
    assert_int_equal(ask(false), 1);
    assert_int_equal(logged(ONE, 4), HAVE_NEW);
    assert_int_equal(logged(ONE, 4), HAVE_DUPLICATE);
    assert_int_equal(offer(ONE, 4, 3, 0), HAVE_DUPLICATE);
    assert_int_equal(logged("case:updated:hse:1:", 5), HAVE_DUPLICATE);
}

static void an_answer_moves_what_was_asked_for(void **state)
{
    (void)state;
    cover("case:");
    head(CREATED, 5);
    assert_int_equal(ask(false), 1);
    head(UPDATED, 6); /* after it was asked */
    casebus_have_answered(have, 8);
    assert_int_equal(casebus_have_holes(have), 1);
    assert_int_equal(offer(ONE, 9, 8, 0), HAVE_NEW);
    assert_int_equal(ask(false), 1);
    assert_string_equal(asked[0], UPDATED);
}

static void an_answer_that_ends_early_leaves_the_rest_missing(void **state)
{
    (void)state;
    cover("case:");
    head(CREATED, 5);
    assert_int_equal(ask(false), 1);
    casebus_have_answered(have, 4);
    assert_int_equal(ask(false), 1);
    assert_int_equal(after, 4);
}

static void what_is_gone_is_told_once_and_passed_over(void **state)
{
    (void)state;
    struct casebus_gap gap;
    cover("case:");
    assert_int_equal(offer(ONE, 2, 0, 0), HAVE_NEW);
    head(CREATED, 9);
    assert_int_equal(ask(false), 1);
    assert_true(casebus_have_gone(have, 6, &gap));
    assert_bytes_are(gap.stream, CREATED);
    assert_int_equal(gap.after, 2);
    assert_int_equal(gap.through, 6);
    assert_false(casebus_have_gone(have, 6, &gap));
    assert_int_equal(logged(ONE, 6), HAVE_DUPLICATE);
    assert_int_equal(logged(ONE, 9), HAVE_NEW);
}

/* --- the base --------------------------------------------------------------------------- */

static void the_base_is_what_heads_prove(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 2, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 0);
    head(CREATED, 2);
    casebus_have_claim(have, 0, 3);
    assert_int_equal(casebus_have_base(have), 3);
}

static void the_event_that_follows_on_the_claim_is_one(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 1, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 1);
    assert_int_equal(offer(OTHER, 3, 1, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 1);
    casebus_have_claim(have, 1, 3);
    assert_int_equal(casebus_have_base(have), 3);
    assert_int_equal(offer("case:updated:hse:1:", 4, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 4);
}

static void it_proves_nothing_where_something_is_missing(void **state)
{
    (void)state;
    cover("case:");
    head(UPDATED, 2);
    casebus_have_claim(have, 0, 2);
    assert_int_equal(offer(ONE, 3, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 0);
    assert_int_equal(offer("case:updated:hse:1:", 2, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 3);
}

static void one_beyond_a_hole_claims_nothing(void **state)
{
    (void)state;
    cover("case:");
    casebus_have_claim(have, 0, 3);
    head(CREATED, 2);
    assert_int_equal(offer(ONE, 4, 2, 0), HAVE_HOLE);
    assert_int_equal(casebus_have_base(have), 0);
    assert_int_equal(offer(OTHER, 2, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 2); /* of 4 it is known by now */
}

static void a_batch_that_does_not_join_the_last_proves_nothing(void **state)
{
    (void)state;
    cover("case:");
    casebus_have_claim(have, 0, 3);
    casebus_have_claim(have, 4, 6);
    assert_int_equal(casebus_have_base(have), 3);
    casebus_have_claim(have, 3, 5);
    assert_int_equal(casebus_have_base(have), 5);
}

static void the_base_stays_below_what_is_missing(void **state)
{
    (void)state;
    cover("case:");
    assert_int_equal(offer(ONE, 4, 0, 0), HAVE_NEW);
    head(CREATED, 7);
    head(UPDATED, 6);
    casebus_have_claim(have, 0, 9);
    assert_int_equal(casebus_have_base(have), 0); /* of UPDATED nothing is there */
    assert_int_equal(offer("case:updated:hse:1:", 6, 0, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 4);
    assert_int_equal(offer(ONE, 7, 4, 0), HAVE_NEW);
    assert_int_equal(casebus_have_base(have), 9);
}

static void a_stream_never_seen_is_there_up_to_the_base(void **state)
{
    (void)state;
    cover("case:");
    casebus_have_claim(have, 0, 50);
    assert_int_equal(casebus_have_base(have), 50);
    head(UPDATED, 52);
    assert_int_equal(ask(false), 1);
    assert_int_equal(after, 50);
}

static void one_stream_is_told_from_several(void **state)
{
    static const struct {
        const char *prefixes[3];
        bool one;
    } sets[] = {
        {{CREATED}, true},          {{ONE}, true},           {{CREATED, CREATED}, true},
        {{CREATED, ONE}, true}, /* the topic is in the stream */
        {{ONE, ONE}, true},         {{ONE, OTHER}, false},   {{CREATED, UPDATED}, false},
        {{"case:created:"}, false}, {{UPDATED, ONE}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        casebus_have_destroy(&have);
        assert_int_equal(casebus_have_new(&have), 0);
        for (size_t k = 0; k < 3 && sets[i].prefixes[k] != NULL; k++) {
            cover(sets[i].prefixes[k]);
        }
        assert_int_equal(casebus_have_is_one(have), sets[i].one);
    }
}

/* --- one topic -------------------------------------------------------------------------- */

static void a_topic_has_its_hole_by_prev_topic(void **state)
{
    (void)state;
    cover(ONE);
    assert_int_equal(offer(ONE, 4, 3, 0), HAVE_NEW); /* 3: some other key's */
    assert_int_equal(offer(ONE, 9, 8, 7), HAVE_HOLE);
    assert_int_equal(casebus_have_holes(have), 1);
    assert_int_equal(ask(false), 1);
    assert_string_equal(asked[0], ONE);
    assert_int_equal(after, 4);
    assert_int_equal(logged(ONE, 7), HAVE_NEW);
    casebus_have_answered(have, 8);
    assert_int_equal(offer(ONE, 9, 8, 7), HAVE_NEW);
}

static void a_stream_pattern_goes_before_one_of_its_topics(void **state)
{
    (void)state;
    cover(ONE);
    cover(CREATED);
    assert_int_equal(offer(OTHER, 2, 0, 0), HAVE_NEW);
    assert_int_equal(offer(ONE, 4, 3, 0), HAVE_HOLE); /* by prev */
    head(CREATED, 9);
    assert_int_equal(casebus_have_doubts(have), 0);
}

static void a_head_puts_a_topic_in_doubt_until_the_log_was_asked(void **state)
{
    (void)state;
    cover(ONE);
    cover(OTHER);
    casebus_have_reset(have, 3);
    assert_int_equal(offer(ONE, 6, 0, 0), HAVE_NEW);
    head(CREATED, 8);
    casebus_have_claim(have, 0, 9);
    assert_int_equal(casebus_have_holes(have), 0);
    assert_int_equal(casebus_have_doubts(have), 2);
    assert_int_equal(casebus_have_base(have), 3);
    assert_int_equal(ask(false), 0);
    assert_int_equal(ask(true), 2);
    assert_string_equal(asked[0], ONE);
    assert_string_equal(asked[1], OTHER);
    assert_int_equal(after, 3);
    casebus_have_answered(have, 8);
    assert_int_equal(casebus_have_doubts(have), 0);
    assert_int_equal(casebus_have_base(have), 9);
}

static void a_head_at_the_position_is_no_doubt(void **state)
{
    (void)state;
    cover(ONE);
    assert_int_equal(offer(ONE, 6, 0, 0), HAVE_NEW);
    head(CREATED, 6);
    assert_int_equal(casebus_have_doubts(have), 0);
}

static void a_topic_that_moved_on_may_still_be_in_doubt(void **state)
{
    (void)state;
    cover(ONE);
    head(CREATED, 8);
    assert_int_equal(offer(ONE, 6, 5, 0), HAVE_NEW);
    assert_int_equal(casebus_have_doubts(have), 1);
    assert_int_equal(offer(ONE, 8, 7, 6), HAVE_NEW);
    assert_int_equal(casebus_have_doubts(have), 0);
}

/* --- limits ----------------------------------------------------------------------------- */

static void every_kind_and_agency_has_a_place(void **state)
{
    (void)state;
    char topic[CASEBUS_TOPIC_MAX];
    uint64_t seq = 0;
    cover("case:");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CASEBUS_AGENCIES_MAX; i++) {
            snprintf(topic, sizeof topic, "case:synced:agency_%d:1:", i);
            const uint64_t before = round == 0 ? 0 : seq + 1 - CASEBUS_AGENCIES_MAX;
            assert_int_equal(offer(topic, ++seq, before, before), HAVE_NEW);
        }
    }
}

static void streams_past_all_there_can_be_are_foreign(void **state)
{
    (void)state;
    char stream[64];
    cover("case:");
    for (int i = 0; i < CASEBUS_EVENT_KIND_COUNT * CASEBUS_AGENCIES_MAX; i++) {
        snprintf(stream, sizeof stream, "case:created:a%d:", i);
        head(stream, 1);
    }
    assert_int_equal(offer("case:created:one_more:1:", 1, 0, 0), HAVE_FOREIGN);
    assert_int_equal(ask(false), CASEBUS_PATTERNS_MAX);
}

static void what_is_no_prefix_is_refused(void **state)
{
    (void)state;
    assert_int_equal(casebus_have_cover(have, casebus_cstr("")), CASEBUS_EINVAL);
    assert_int_equal(casebus_have_cover(have, casebus_cstr("case")), CASEBUS_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_behind_the_position_is_new),
        TEST(an_event_at_the_position_is_a_duplicate),
        TEST(events_up_to_the_base_are_duplicates_in_every_stream),
        TEST(prev_above_the_position_is_a_hole_until_it_is_filled),
        TEST(streams_have_positions_of_their_own),
        TEST(an_event_that_no_pattern_covers_is_foreign),
        TEST(a_head_above_the_position_is_asked_for_from_there),
        TEST(a_head_at_the_position_is_nothing),
        TEST(a_head_of_a_stream_nobody_asked_for_is_nothing),
        TEST(several_streams_are_asked_for_from_the_lowest_position),
        TEST(what_the_log_has_is_taken_once),
        TEST(an_answer_moves_what_was_asked_for),
        TEST(an_answer_that_ends_early_leaves_the_rest_missing),
        TEST(what_is_gone_is_told_once_and_passed_over),
        TEST(the_base_is_what_heads_prove),
        TEST(the_event_that_follows_on_the_claim_is_one),
        TEST(it_proves_nothing_where_something_is_missing),
        TEST(one_beyond_a_hole_claims_nothing),
        TEST(a_batch_that_does_not_join_the_last_proves_nothing),
        TEST(the_base_stays_below_what_is_missing),
        TEST(a_stream_never_seen_is_there_up_to_the_base),
        TEST(one_stream_is_told_from_several),
        TEST(a_topic_has_its_hole_by_prev_topic),
        TEST(a_stream_pattern_goes_before_one_of_its_topics),
        TEST(a_head_puts_a_topic_in_doubt_until_the_log_was_asked),
        TEST(a_head_at_the_position_is_no_doubt),
        TEST(a_topic_that_moved_on_may_still_be_in_doubt),
        TEST(every_kind_and_agency_has_a_place),
        TEST(streams_past_all_there_can_be_are_foreign),
        TEST(what_is_no_prefix_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
