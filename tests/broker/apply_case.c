/* What a report on a case causes: the table of PROTOCOL.md, a row a test. */
#include "desk.h"

#include <stdio.h>
#include <string.h>

#define ACME                                                                                   \
    "{'offender': {'name': 'Acme Ltd', 'postcode': 'AB1 2CD'}, "                               \
    "'offence_action_date': '2024-01-02', 'offence_fine_pence': 1000}"
#define ACME_FINED                                                                             \
    "{'offender': {'name': 'Acme Ltd', 'postcode': 'AB1 2CD'}, "                               \
    "'offence_action_date': '2024-01-02', 'offence_fine_pence': 2000}"
#define SCRAPED "case:scraped:hse:1:"

static struct desk d;

static void expect(enum casebus_outcome outcome, const char *events)
{
    assert_string_equal(casebus_outcome_word(d.result.outcome), casebus_outcome_word(outcome));
    assert_string_equal(desk_events(&d), events);
}

static void expect_rejected(int code, const char *field)
{
    expect(CASEBUS_OUTCOME_REJECTED, "");
    assert_string_equal(casebus_error_word(d.result.fault.code), casebus_error_word(code));
    assert_string_equal(d.result.fault.field, field);
}

static void an_unknown_case_is_created(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    expect(CASEBUS_OUTCOME_CREATED, "created 1");
    assert_string_equal(desk_at(&d, "payload/offender/name"), "Acme Ltd");
    assert_string_equal(desk_at(&d, "payload/id"), "hse:1");
    assert_string_equal(desk_at(&d, "version"), "1");
    assert_string_equal(desk_at(&d, "prev"), "0");
}

static void the_same_again_is_synced_and_thin(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED, ACME);
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
    assert_string_equal(desk_at(&d, "payload/seen_count"), "2");
    assert_null(desk_at(&d, "payload/offender"));
    assert_null(desk_at(&d, "changed"));
}

static void other_key_order_is_still_the_same(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offence_fine_pence': 1000, 'offence_action_date': '2024-01-02', "
                "'offender': {'postcode': 'AB1 2CD', 'name': 'Acme Ltd'}}");
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
}

static void a_partial_report_that_agrees_is_synced(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED, "{'offence_fine_pence': 1000}");
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
}

static void a_difference_is_updated_then_synced(void **state)
{
    (void)state;
    desk_begin(&d);
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED, ACME_FINED);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
    desk_end(&d);
    assert_int_equal(desk_case(&d, "hse:1").version, 2);
}

static void an_update_tells_what_changed_from_what_to_what(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(
        &d, "case:edited:hse:1:",
        "{'offence_fine_pence': 2000, 'offender': {'postcode': 'ZZ9 9ZZ', 'town': 'Ayr'}}");
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1");
    assert_string_equal(
        desk_at(&d, "changed"),
        "[{\"field\":\"offender.postcode\",\"old\":\"AB1 2CD\",\"new\":\"ZZ9 9ZZ\"},"
        "{\"field\":\"offender.town\",\"new\":\"Ayr\"},"
        "{\"field\":\"offence_fine_pence\",\"old\":1000,\"new\":2000}]");
}

static void nil_clears_a_field_and_a_key(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, "case:edited:hse:1:",
                "{'offence_fine_pence': null, 'offender': {'postcode': null}}");
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1");
    assert_null(desk_at(&d, "payload/offence_fine_pence"));
    assert_string_equal(desk_at(&d, "payload/offender"), "{\"name\":\"Acme Ltd\"}");
}

/* As it says nothing of a case that is there: nil would find nothing to clear in it. */
static void an_empty_map_is_no_field(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'offender': {'name': 'Acme'}, 'ext': {}}");
    expect(CASEBUS_OUTCOME_CREATED, "created 1");
    assert_null(desk_at(&d, "payload/ext"));
    desk_report(&d, "case:scraped:hse:2:",
                "{'offender': {'name': 'Acme'}, 'ext': {}, 'offence_result': null}");
    expect(CASEBUS_OUTCOME_CREATED, "created 2");
    assert_null(desk_at(&d, "payload/ext"));
    desk_report(&d, SCRAPED, "{'ext': {}}");
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
}

static void the_name_cannot_be_cleared(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, "case:edited:hse:1:", "{'offender': null}");
    expect_rejected(CASEBUS_EMISSING, "offender");
}

static void unknown_fields_are_kept_and_compared(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'zebra': 1, 'apple': [1, 2], 'offender': {'name': 'A'}}");
    assert_string_equal(desk_at(&d, "payload/apple"), "[1,2]");
    desk_report(&d, "case:edited:hse:1:", "{'zebra': 2}");
    assert_string_equal(desk_at(&d, "changed"), "[{\"field\":\"zebra\",\"old\":1,\"new\":2}]");
    assert_string_equal(desk_at(&d, "payload/apple"), "[1,2]");
}

static void source_alone_never_makes_an_update(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'offender': {'name': 'A'}, 'source': {'page': 1}}");
    desk_report(&d, SCRAPED, "{'offender': {'name': 'A'}, 'source': {'page': 7}}");
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
    assert_string_equal(desk_at(&d, "payload/source/page"), "7");
}

static void an_older_fetch_changes_no_field(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'A'}, 'source': {'fetched_at': 1600000000000000}}");
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'B'}, 'source': {'fetched_at': 1500000000000000}}");
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
    assert_string_equal(desk_at(&d, "payload/stale"), "true");
    assert_int_equal(desk_case(&d, "hse:1").version, 1);
}

static void a_fetch_at_the_beginning_of_time_is_a_fetch(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'offender': {'name': 'A'}, 'source': {'fetched_at': 5}}");
    desk_report(&d, SCRAPED, "{'offence_fine_pence': 7, 'source': {'fetched_at': 0}}");
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
    assert_string_equal(desk_at(&d, "payload/stale"), "true");
}

static void a_fetch_from_the_future_counts_as_now(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'A'}, 'source': {'fetched_at': 5000000000000000}}");
    assert_true(desk_case(&d, "hse:1").fetched_at <= d.clock);
    desk_report(&d, SCRAPED, "{'offence_fine_pence': 5}");
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
}

static void another_offender_and_date_go_to_quarantine(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    expect(CASEBUS_OUTCOME_CONFLICT, "conflict 1");
    assert_int_equal(desk_case(&d, "hse:1").version, 1);
    assert_int_equal(desk_state(&d).quarantined, 1);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    expect(CASEBUS_OUTCOME_CONFLICT, "");
}

static void another_date_alone_is_an_update(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'ACME  Limited'}, 'offence_action_date': '2020-02-03'}");
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
}

static void accepted_from_quarantine_it_is_applied(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1 resolved 1");
    assert_string_equal(desk_at(&d, "actor"), "ann");
    assert_int_equal(desk_state(&d).quarantined, 0);
    desk_report(&d, SCRAPED, ACME); /* what was displaced does not come back by a scrape */
    expect_rejected(CASEBUS_EDECIDED, "");
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    expect(CASEBUS_OUTCOME_UPDATED, "");
    desk_decide(&d, APPLY_REJECT, 2, NULL);
    expect_rejected(CASEBUS_EDECIDED, "quarantine");
}

/* What was accepted and then displaced is rejected content: that is what a rejection of it
 * says, too. */
static void displaced_after_it_was_accepted_it_is_rejected(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Third'}, 'offence_action_date': '2021-02-03'}");
    expect(CASEBUS_OUTCOME_CONFLICT, "conflict 1");
    desk_decide(&d, APPLY_ACCEPT, desk_state(&d).seq, NULL);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1 resolved 1");
    desk_decide(&d, APPLY_REJECT, 2, NULL);
    expect(CASEBUS_OUTCOME_REJECTED, "");
    assert_int_equal(d.result.fault.code, 0);
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    expect_rejected(CASEBUS_EDECIDED, "quarantine");
}

/* A report of some fields since then does not hide what is displaced. */
static void displaced_content_is_known_behind_a_partial_report(void **state)
{
    (void)state;
    static const char *const partial[] = {"{'offence_fine_pence': 1000}",
                                          "{'offence_fine_pence': 2000}"};
    for (int i = 0; i < 2; i++) {
        const char *topic = i ? "case:scraped:hse:2:" : SCRAPED;
        const char *acme = "{'offender': {'name': 'Acme Ltd'}, 'offence_fine_pence': 1000, "
                           "'offence_action_date': '2020-02-02'}";
        desk_report(&d, topic, acme);
        desk_report(&d, topic, partial[i]);
        desk_report(&d, topic,
                    "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
        expect(CASEBUS_OUTCOME_CONFLICT, i ? "conflict 2" : "conflict 1");
        desk_decide(&d, APPLY_ACCEPT, desk_state(&d).seq, NULL);
        desk_report(&d, topic, acme);
        expect_rejected(CASEBUS_EDECIDED, "");
    }
}

static void a_whole_report_takes_back_what_a_partial_one_changed(void **state)
{
    (void)state;
    const char *acme = "{'offender': {'name': 'Acme Ltd'}, 'offence_fine_pence': 1000, "
                       "'offence_action_date': '2020-02-02'}";
    desk_report(&d, SCRAPED, acme);
    desk_report(&d, SCRAPED, "{'offence_fine_pence': 2000}");
    desk_report(&d, SCRAPED, acme);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
    desk_report(&d, SCRAPED, acme);
    expect(CASEBUS_OUTCOME_SYNCED, "synced 1");
}

static void accepted_as_another_case_it_is_created(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    desk_decide(&d, APPLY_ACCEPT, 2, "hse:1/b");
    expect(CASEBUS_OUTCOME_CREATED, "created 1/b resolved 1");
    assert_string_equal(desk_at(&d, "payload/as"), "hse:1/b");
    assert_string_equal(d.result.case_id, "hse:1/b");
}

static void rejected_from_quarantine_it_stays_out(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    desk_decide(&d, APPLY_REJECT, 2, NULL);
    expect(CASEBUS_OUTCOME_REJECTED, "resolved 1");
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}");
    expect_rejected(CASEBUS_EDECIDED, "");
}

static void a_source_makes_no_other_content(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Bolt'}, 'offence_action_date': '2020-02-03'}");
    expect(CASEBUS_OUTCOME_CONFLICT, "conflict 1");
    desk_report(&d, SCRAPED,
                "{'source': {'page': 1}, 'offender': {'name': 'Bolt'}, "
                "'offence_action_date': '2020-02-03'}");
    expect(CASEBUS_OUTCOME_CONFLICT, "");
    desk_decide(&d, APPLY_REJECT, 2, NULL);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Bolt'}, 'source': {'page': 2, 'row': 7}, "
                "'offence_action_date': '2020-02-03'}");
    expect_rejected(CASEBUS_EDECIDED, "");
}

static void an_acceptance_that_fails_displaces_nothing(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Acme Ltd'}, 'offence_action_date': '2024-01-02', "
                "'offence_hearing_date': '2024-01-03'}");
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Bolt Ltd'}, 'offence_action_date': '2024-02-01'}");
    expect(CASEBUS_OUTCOME_CONFLICT, "conflict 1");
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    expect_rejected(CASEBUS_EVALUE, "offence_hearing_date");
    assert_int_equal(desk_entries(&d, TREE_QUARANTINE), 1);
}

/* Accepted content that collides again waits again, under another number: the old one decides
 * nothing. */
static void a_decision_of_the_past_decides_nothing_new(void **state)
{
    (void)state;
    const char *bolt =
        "{'offender': {'name': 'Bolt Ltd'}, 'offence_action_date': '2020-02-01'}";
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED, bolt);
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1 resolved 1");
    desk_report(&d, "case:edited:hse:1:",
                "{'offender': {'name': 'Cord Ltd'}, 'offence_action_date': '2021-02-01'}");
    desk_report(&d, SCRAPED, bolt);
    expect(CASEBUS_OUTCOME_CONFLICT, "conflict 1");
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    expect_rejected(CASEBUS_EDECIDED, "quarantine");
    desk_decide(&d, APPLY_REJECT, 7, NULL);
    expect(CASEBUS_OUTCOME_REJECTED, "resolved 1");
}

static void a_scrape_overwrites_an_edit(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, "case:edited:hse:1:", "{'offence_fine_pence': 5}");
    desk_report(&d, SCRAPED, ACME);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
    assert_int_equal(desk_case(&d, "hse:1").version, 3);
}

/* So many keys in `ext`, and more. */
static void report_keys(int keys, const char *more)
{
    char text[16384];
    size_t at =
        (size_t)snprintf(text, sizeof text, "{'offender': {'name': 'A'}, 'ext': {%s", more);
    for (int i = 0; i < keys; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s'k%d': 1", i ? ", " : "", i);
    }
    snprintf(text + at, sizeof text - at, "}}");
    desk_report(&d, SCRAPED, text);
}

static void a_full_map_takes_a_key_for_one_that_goes(void **state)
{
    (void)state;
    report_keys(CASEBUS_KEYS_MAX, "");
    expect(CASEBUS_OUTCOME_CREATED, "created 1");
    report_keys(0, "'new': 1");
    expect_rejected(CASEBUS_ETOOMANY, "");
    report_keys(0, "'new': 1, 'k0': null");
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
    report_keys(0, "'k1': null, 'newer': 1");
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
}

static void an_edit_without_a_difference_has_no_event(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, "case:edited:hse:1:", "{'offence_fine_pence': 1000}");
    expect(CASEBUS_OUTCOME_SYNCED, "");
    desk_report(&d, "case:edited:hse:2:", "{'offence_fine_pence': 1000}");
    expect_rejected(CASEBUS_EUNKNOWN_CASE, "");
}

static void a_deleted_case_leaves_the_lists_and_can_come_back(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, "case:deleted:hse:1:", NULL);
    expect(CASEBUS_OUTCOME_DELETED, "deleted 1");
    assert_int_equal(desk_entries(&d, TREE_DATE), 0);
    assert_int_equal(desk_entries(&d, TREE_OFFENDER), 0);
    desk_report(&d, "case:edited:hse:1:", "{'offence_fine_pence': 5}");
    expect_rejected(CASEBUS_EDELETED, "");
    desk_report(&d, SCRAPED, ACME);
    expect(CASEBUS_OUTCOME_CREATED, "created 1");
    assert_string_equal(desk_at(&d, "version"), "3");
    assert_string_equal(desk_at(&d, "prev_topic"), "1");
}

static void after_redaction_no_byte_is_left(void **state)
{
    (void)state;
    d.session = "s1";
    desk_report(&d, "session:started:hse:s1:", NULL);
    desk_report(&d, SCRAPED,
                "{'offender': {'name': 'Unmistakable'}, 'offence_action_date': '2024-01-02', "
                "'source': {'parser': 'Unmistakable'}}");
    desk_report(&d, "case:edited:hse:1:", "{'offence_result': 'Unmistakable'}");
    desk_report(
        &d, SCRAPED,
        "{'offender': {'name': 'Unmistakable too'}, 'offence_action_date': '2020-02-03'}");
    desk_report(&d, "case:redacted:hse:1:", NULL);
    expect(CASEBUS_OUTCOME_REDACTED, "redacted 1 progressed s1");
    assert_false(desk_holds(&d, "Unmistakable"));
    assert_false(desk_holds(&d, "unmistakable"));
    d.session = NULL;
    desk_report(&d, SCRAPED, ACME);
    expect_rejected(CASEBUS_EREDACTED, "");
    desk_report(&d, "case:redacted:hse:1:", NULL);
    expect_rejected(CASEBUS_EREDACTED, "");
}

static void redaction_leaves_the_offenders_other_cases(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:2:",
                "{'offender': {'name': 'Acme Ltd', 'postcode': 'AB1 2CD', 'town': 'Ayr'}}");
    desk_report(
        &d, SCRAPED,
        "{'offender': {'name': 'Acme Ltd', 'postcode': 'AB1 2CD', 'town': 'Zanzibar'}}");
    desk_report(&d, "case:redacted:hse:1:", NULL);
    expect(CASEBUS_OUTCOME_REDACTED, "redacted 1");
    assert_false(desk_holds(&d, "Zanzibar"));
    assert_true(desk_holds(&d, "Ayr"));
}

static void redaction_reaches_what_an_offender_kept_of_it(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:2:", "{'offender': {'name': 'Acme Ltd', 'town': 'Ayr'}}");
    desk_report(&d, "case:scraped:hse:3:", "{'offender': {'name': 'Bolt Ltd', 'town': 'Rye'}}");
    desk_report(&d, SCRAPED, "{'offender': {'name': 'Acme Ltd', 'town': 'Zanzibar'}}");
    desk_report(&d,
                "case:edited:hse:1:", "{'offender': {'name': 'Bolt Ltd', 'town': 'Timbuktu'}}");
    desk_report(&d, "case:deleted:hse:1:", NULL);
    desk_report(&d, "case:redacted:hse:1:", NULL);
    expect(CASEBUS_OUTCOME_REDACTED, "redacted 1");
    assert_false(desk_holds(&d, "Zanzibar"));
    assert_false(desk_holds(&d, "Timbuktu"));
    assert_true(desk_holds(&d, "Ayr"));
    assert_true(desk_holds(&d, "Rye"));
}

static void hearing_before_action_is_refused_after_merging_too(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, "case:edited:hse:1:", "{'offence_hearing_date': '2023-01-01'}");
    expect_rejected(CASEBUS_EVALUE, "offence_hearing_date");
}

static void a_new_case_needs_an_offenders_name(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'offence_fine_pence': 5}");
    expect(CASEBUS_OUTCOME_REJECTED, "");
    assert_int_equal(d.result.fault.code, CASEBUS_EMISSING);
}

static void two_records_may_share_a_reference(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'case_reference': 'R1', 'offender': {'name': 'A'}}");
    desk_report(&d,
                "case:scraped:hse:2:", "{'case_reference': 'R1', 'offender': {'name': 'B'}}");
    expect(CASEBUS_OUTCOME_CREATED, "created 2");
    assert_int_equal(desk_state(&d).cases, 2);
}

static void offenders_are_recognised_across_spellings(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, "{'offender': {'name': 'Acme Ltd.'}}");
    desk_report(&d, "case:scraped:hse:2:", "{'offender': {'name': ' ACME\xc2\xa0 limited'}}");
    assert_int_equal(desk_state(&d).offenders, 1);
    desk_report(&d,
                "case:scraped:hse:3:", "{'offender': {'name': 'Acme Ltd.', 'postcode': 'X1'}}");
    assert_int_equal(desk_state(&d).offenders, 2);
    desk_report(&d, "case:scraped:hse:4:", "{'offender': {'name': 'Acme\xc2\x85ltd'}}");
    assert_int_equal(desk_state(&d).offenders, 2);
    desk_report(&d, "case:scraped:hse:5:", "{'offender': {'name': 'Ltd'}}");
    desk_report(&d, "case:scraped:hse:6:", "{'offender': {'name': 'LIMITED'}}");
    assert_int_equal(desk_state(&d).offenders, 3);
}

static struct offender_entry acme(void)
{
    struct offender_entry entry = {.cases = 0};
    struct key key =
        key_offender(casebus_cstr("hse"), casebus_cstr("acme limited"), casebus_cstr("AB12CD"));
    struct txn *txn;
    assert_int_equal(txn_new_read(d.store, &txn), 0);
    assert_int_equal(txn_begin(txn), 0);
    assert_true(txn_load(txn, TREE_OFFENDER, &key, ENTRY_OFFENDER, &entry));
    txn_destroy(&txn);
    return entry;
}

static void a_corrected_fine_leaves_the_offender_known_since_then(void **state)
{
    (void)state;
    desk_report(&d, SCRAPED, ACME);
    uint64_t first_seen = acme().first_seen;
    desk_report(&d, SCRAPED, ACME_FINED);
    expect(CASEBUS_OUTCOME_UPDATED, "updated 1 synced 1");
    assert_int_equal(acme().first_seen, first_seen);
    assert_int_equal(acme().last_seen, first_seen + 1000000);
    assert_int_equal(acme().fine_pence, 2000);
    assert_int_equal(desk_state(&d).offenders, 1);
}

static void an_event_over_16_kib_is_sent_thin_and_kept_whole(void **state)
{
    (void)state;
    static char text[20100];
    char *at = text + sprintf(text, "{'offender': {'name': 'A'}, 'offence_breaches': '");
    memset(at, 'x', 16300);
    strcpy(at + 16300, "'}");
    desk_report(&d, SCRAPED, text);
    expect(CASEBUS_OUTCOME_CREATED, "created 1");
    assert_string_equal(desk_at(&d, "thin"), "true");
    assert_string_equal(desk_at(&d, "payload"), "{\"id\":\"hse:1\"}");
    assert_true(desk_holds(&d, "xxxxxxxxxxxxxxxxxxxxxxxx"));
}

#define TEST(name)                                                                             \
    cmocka_unit_test_prestate_setup_teardown(name, desk_set_up, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_case_is_created),
        TEST(the_same_again_is_synced_and_thin),
        TEST(other_key_order_is_still_the_same),
        TEST(a_partial_report_that_agrees_is_synced),
        TEST(a_difference_is_updated_then_synced),
        TEST(an_update_tells_what_changed_from_what_to_what),
        TEST(nil_clears_a_field_and_a_key),
        TEST(an_empty_map_is_no_field),
        TEST(the_name_cannot_be_cleared),
        TEST(unknown_fields_are_kept_and_compared),
        TEST(source_alone_never_makes_an_update),
        TEST(an_older_fetch_changes_no_field),
        TEST(a_fetch_at_the_beginning_of_time_is_a_fetch),
        TEST(a_fetch_from_the_future_counts_as_now),
        TEST(another_offender_and_date_go_to_quarantine),
        TEST(another_date_alone_is_an_update),
        TEST(accepted_from_quarantine_it_is_applied),
        TEST(accepted_as_another_case_it_is_created),
        TEST(rejected_from_quarantine_it_stays_out),
        TEST(displaced_after_it_was_accepted_it_is_rejected),
        TEST(displaced_content_is_known_behind_a_partial_report),
        TEST(a_whole_report_takes_back_what_a_partial_one_changed),
        TEST(an_acceptance_that_fails_displaces_nothing),
        TEST(a_decision_of_the_past_decides_nothing_new),
        TEST(a_scrape_overwrites_an_edit),
        TEST(an_edit_without_a_difference_has_no_event),
        TEST(a_deleted_case_leaves_the_lists_and_can_come_back),
        TEST(after_redaction_no_byte_is_left),
        TEST(redaction_leaves_the_offenders_other_cases),
        TEST(redaction_reaches_what_an_offender_kept_of_it),
        TEST(hearing_before_action_is_refused_after_merging_too),
        TEST(a_new_case_needs_an_offenders_name),
        TEST(two_records_may_share_a_reference),
        TEST(offenders_are_recognised_across_spellings),
        TEST(a_source_makes_no_other_content),
        TEST(a_full_map_takes_a_key_for_one_that_goes),
        TEST(a_corrected_fine_leaves_the_offender_known_since_then),
        TEST(an_event_over_16_kib_is_sent_thin_and_kept_whole),
    };
    return cmocka_run_group_tests_name("apply: cases", tests, NULL, NULL);
}
