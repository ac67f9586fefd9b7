/* Patterns: what they mean, and what is said about the ones that can match nothing. */
#include "proto/test.h"

#include <casebus/topic.h>
#include <string.h>

static void means(const char *pattern, const char *prefix)
{
    char out[CASEBUS_TOPIC_MAX + 1];
    const char *why = NULL;
    int size = casebus_pattern_prefix(pattern, out, sizeof out, &why);
    if (size < 0) {
        fail_msg("\"%s\" was refused: %s", pattern, why);
    }
    assert_string_equal(out, prefix);
    assert_int_equal(size, strlen(prefix));
}

/* Refused, and the reason has these words. */
static void refused(const char *pattern, const char *words)
{
    char out[CASEBUS_TOPIC_MAX + 1];
    const char *why = NULL;
    assert_int_equal(casebus_pattern_prefix(pattern, out, sizeof out, &why), CASEBUS_EPATTERN);
    assert_non_null(why);
    if (!strstr(why, words)) {
        fail_msg("refused for another reason than \"%s\": %s", words, why);
    }
    assert_int_equal(casebus_pattern_prefix(pattern, out, sizeof out, NULL), CASEBUS_EPATTERN);
}

static void the_table_of_the_protocol_holds(void **state)
{
    (void)state;
    means("case", "case:");
    means("case:*", "case:");
    means("case:created", "case:created:");
    means("case:created:*", "case:created:");
    means("case:created:hse", "case:created:hse:");
    means("case:created:hse:*", "case:created:hse:");
    means("case:created:hse:4812345", "case:created:hse:4812345:");
}

static void a_topic_is_a_pattern(void **state)
{
    (void)state;
    means("case:created:hse:T/H/2005 02:", "case:created:hse:T/H/2005 02:");
    means("case:", "case:");
    means("case:*:", "case:");
}

static void every_kind_of_event_is_a_pattern(void **state)
{
    (void)state;
#define X(symbol, resource, event) means(resource ":" event, resource ":" event ":");
    CASEBUS_EVENT_KINDS(X)
#undef X
}

static void heads_are_a_pattern(void **state)
{
    (void)state;
    means("sys", "sys:");
    means("sys:heads", "sys:heads:");
    means("sys:heads:*", "sys:heads:");
    means("sys:heads:all", CASEBUS_TOPIC_HEADS_ALL);
    means("sys:heads:batch:", CASEBUS_TOPIC_HEADS_BATCH);
}

static void an_unknown_resource_is_refused(void **state)
{
    (void)state;
    refused("cases", "unknown resource");
    refused("Case:created", "unknown resource");
    refused("offender:created", "unknown resource");
}

static void a_kind_of_report_is_refused_with_the_events_it_causes(void **state)
{
    (void)state;
    refused("case:scraped", "created, synced, updated");
    refused("case:edited:hse", "the event updated");
}

static void an_unknown_event_is_refused_with_those_there_are(void **state)
{
    (void)state;
    refused("case:create",
            "created, synced, updated, conflict, deleted, redacted and resolved");
    refused("session:created", "started, progressed, ended, stopping, lost and resumed");
    refused("sys:tails", "sys:heads");
}

/* The sentences name every kind there is. */
static void every_kind_of_event_is_named_in_the_reason(void **state)
{
    (void)state;
#define X(symbol, resource, event) refused(resource ":nothing", event);
    CASEBUS_EVENT_KINDS(X)
#undef X
}

static void a_bad_agency_is_refused_with_the_rule(void **state)
{
    (void)state;
    refused("case:created:HSE", "lower case letter");
    refused("case:created:hse-2:1", "lower case letter");
}

static void a_star_is_only_a_whole_last_segment(void **state)
{
    (void)state;
    refused("case:*:hse", "only as the last segment");
    refused("*:created", "only as the last segment");
    refused("case:created:hse:48*", "whole segment");
    refused("case:cre*", "whole segment");
    refused("case:**", "whole segment");
}

static void a_star_alone_is_refused(void **state)
{
    (void)state;
    refused("*", "alone");
    refused("*:", "alone");
}

static void an_empty_pattern_or_segment_is_refused(void **state)
{
    (void)state;
    refused(NULL, "empty");
    refused("", "empty");
    refused(":", "empty");
    refused("case::hse", "empty");
    refused("case:created::", "empty");
    refused(":created", "empty");
}

static void five_segments_are_refused(void **state)
{
    (void)state;
    refused("case:created:hse:1:2", "at most four");
    refused("case:created:hse:1:*", "at most four");
}

static void nothing_lies_below_heads(void **state)
{
    (void)state;
    refused("sys:heads:hse", "sys:heads:all");
    refused("sys:heads:all:x", "nothing below");
    refused("sys:heads:all:*", "nothing below");
}

static void a_bad_id_is_refused_with_the_rule(void **state)
{
    (void)state;
    refused("case:created:hse:\x01", "without control characters");
    refused("case:created:hse:\xff", "UTF-8");
}

static void a_prefix_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char out[13];
    const char *why;
    assert_int_equal(casebus_pattern_prefix("case:created", out, sizeof out, &why),
                     CASEBUS_EPATTERN);
    assert_int_equal(casebus_pattern_prefix("case:synced", out, sizeof out, &why), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_the_protocol_holds),
        cmocka_unit_test(a_topic_is_a_pattern),
        cmocka_unit_test(every_kind_of_event_is_a_pattern),
        cmocka_unit_test(heads_are_a_pattern),
        cmocka_unit_test(an_unknown_resource_is_refused),
        cmocka_unit_test(a_kind_of_report_is_refused_with_the_events_it_causes),
        cmocka_unit_test(an_unknown_event_is_refused_with_those_there_are),
        cmocka_unit_test(every_kind_of_event_is_named_in_the_reason),
        cmocka_unit_test(a_bad_agency_is_refused_with_the_rule),
        cmocka_unit_test(a_star_is_only_a_whole_last_segment),
        cmocka_unit_test(a_star_alone_is_refused),
        cmocka_unit_test(an_empty_pattern_or_segment_is_refused),
        cmocka_unit_test(five_segments_are_refused),
        cmocka_unit_test(nothing_lies_below_heads),
        cmocka_unit_test(a_bad_id_is_refused_with_the_rule),
        cmocka_unit_test(a_prefix_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
