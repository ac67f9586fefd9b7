/* The floor: what goes, what is kept of it and where, and that the store agrees with itself
 * after each step. */
#include "sender.h"

#include <string.h>

static struct desk d;

#define NAMED(name) "{'offender': {'name': '" name "'}, 'offence_action_date': '2024-01-02'}"

static void some_cases(unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        char topic[64];
        snprintf(topic, sizeof topic, "case:scraped:hse:%u:", i);
        desk_report(&d, topic, NAMED("A"));
    }
}

/* The offence_result of a case, from wherever its record is; "": none. */
static const char *result_of(const char *id)
{
    static char text[64];
    struct key key = key_text(casebus_cstr(id));
    struct case_entry entry;
    struct casebus_record record;
    struct txn *txn;
    assert_int_equal(txn_new_read(d.store, &txn), 0);
    assert_int_equal(txn_begin(txn), 0);
    assert_true(txn_load(txn, TREE_CASE, &key, ENTRY_CASE, &entry));
    assert_true(record_load(txn, &entry, &record));
    struct casebus_bytes result = casebus_as_str(record.field[CASEBUS_CASE_OFFENCE_RESULT]);
    snprintf(text, sizeof text, "%.*s", (int)result.size, (const char *)result.data);
    txn_destroy(&txn);
    return text;
}

static size_t copy_size(const char *id)
{
    struct key key = key_text(casebus_cstr(id));
    struct case_entry entry;
    struct txn *txn;
    assert_int_equal(txn_new_read(d.store, &txn), 0);
    assert_int_equal(txn_begin(txn), 0);
    assert_true(txn_load(txn, TREE_CASE, &key, ENTRY_CASE, &entry));
    txn_destroy(&txn);
    return entry.record.size;
}

static void the_oldest_events_go(void **state)
{
    (void)state;
    some_cases(5);
    uint64_t bytes = desk_state(&d).log_bytes;
    desk_trim(&d, (struct desk_bounds){.events = 2, .most = 100});
    assert_int_equal(desk_state(&d).floor, 4);
    assert_int_equal(desk_entries(&d, TREE_LOG), 2);
    assert_true(desk_state(&d).log_bytes < bytes);
    assert_int_equal(desk_state(&d).cases, 5);
}

static void a_step_is_bounded(void **state)
{
    (void)state;
    some_cases(5);
    desk_trim(&d, (struct desk_bounds){.events = 2, .most = 1});
    assert_int_equal(desk_state(&d).floor, 2);
    desk_trim(&d, (struct desk_bounds){.events = 2, .most = 0});
    assert_int_equal(desk_state(&d).floor, 2);
}

static void bytes_bound_it_too(void **state)
{
    (void)state;
    some_cases(5);
    uint64_t bytes = desk_state(&d).log_bytes, each = bytes / 5;
    desk_trim(&d, (struct desk_bounds){.bytes = bytes, .most = 100});
    assert_int_equal(desk_entries(&d, TREE_LOG), 5);
    desk_trim(&d, (struct desk_bounds){.bytes = 2 * each + each / 2, .most = 100});
    assert_int_equal(desk_entries(&d, TREE_LOG), 2);
    desk_trim(&d, (struct desk_bounds){.bytes = 1, .most = 100});
    assert_int_equal(desk_entries(&d, TREE_LOG), 0);
    assert_int_equal(desk_state(&d).log_bytes, 0);
    assert_int_equal(desk_state(&d).floor, 6);
    some_cases(1);
    assert_int_equal(desk_entries(&d, TREE_LOG), 1);
}

static void it_does_not_pass_a_running_snapshot(void **state)
{
    (void)state;
    some_cases(5);
    assert_true(store_snapshot_lowest(d.store) == UINT64_MAX);
    int later = store_snapshot_begin(d.store, 4), earlier = store_snapshot_begin(d.store, 3);
    assert_int_equal(store_snapshot_lowest(d.store), 3);
    desk_trim(&d, (struct desk_bounds){
                      .events = 1, .most = 100, .below = store_snapshot_lowest(d.store)});
    assert_int_equal(desk_state(&d).floor, 3);
    store_snapshot_end(d.store, earlier);
    assert_int_equal(store_snapshot_lowest(d.store), 4);
    store_snapshot_end(d.store, later);
    assert_true(store_snapshot_lowest(d.store) == UINT64_MAX);
}

static void a_record_is_kept_in_its_case(void **state)
{
    (void)state;
    desk_report(&d,
                "case:scraped:hse:1:", "{'offender': {'name': 'A'}, 'offence_result': 'one'}");
    desk_report(&d, "case:scraped:hse:2:", NAMED("B"));
    assert_int_equal(copy_size("hse:1"), 0);
    desk_trim(&d, (struct desk_bounds){.events = 1, .most = 100});
    assert_true(copy_size("hse:1") > 0);
    assert_int_equal(copy_size("hse:2"), 0);
    assert_string_equal(result_of("hse:1"), "one");
}

static void a_trimmed_case_is_compared_as_any(void **state)
{
    (void)state;
    desk_report(&d,
                "case:scraped:hse:1:", "{'offender': {'name': 'A'}, 'offence_result': 'one'}");
    desk_trim(&d, (struct desk_bounds){.bytes = 1, .most = 100});
    desk_report(&d,
                "case:scraped:hse:1:", "{'offender': {'name': 'A'}, 'offence_result': 'one'}");
    assert_string_equal(desk_events(&d), "synced 1");
    assert_true(copy_size("hse:1") > 0);
    desk_report(&d, "case:edited:hse:1:", "{'offence_result': 'two'}");
    assert_string_equal(desk_events(&d), "updated 1");
    assert_string_equal(desk_at(&d, "changed/0/old"), "one");
    assert_int_equal(copy_size("hse:1"), 0);
    assert_string_equal(result_of("hse:1"), "two");
}

static void an_older_version_is_not_kept(void **state)
{
    (void)state;
    desk_report(&d,
                "case:scraped:hse:1:", "{'offender': {'name': 'A'}, 'offence_result': 'one'}");
    desk_report(&d, "case:edited:hse:1:", "{'offence_result': 'two'}");
    desk_trim(&d, (struct desk_bounds){.events = 1, .most = 100});
    assert_int_equal(copy_size("hse:1"), 0);
    assert_string_equal(result_of("hse:1"), "two");
}

static void of_a_deleted_case_nothing_is_kept(void **state)
{
    (void)state;
    some_cases(2);
    desk_trim(&d, (struct desk_bounds){.events = 1, .most = 100});
    desk_report(&d, "case:deleted:hse:1:", NULL);
    desk_report(&d, "case:deleted:hse:2:", NULL);
    desk_trim(&d, (struct desk_bounds){.bytes = 1, .most = 100});
    assert_int_equal(copy_size("hse:1"), 0);
    assert_int_equal(copy_size("hse:2"), 0);
    desk_report(&d, "case:scraped:hse:1:", NAMED("A"));
    assert_string_equal(desk_events(&d), "created 1");
}

/* A history with a session, versions, conflicts and stale reports, trimmed one event at a time:
 * verify recounts what is above the floor at each. */
static void the_store_agrees_with_itself_at_every_floor(void **state)
{
    (void)state;
    desk_report(&d, "session:started:hse:s1:", "{'worker': 'w'}");
    d.session = "s1";
    some_cases(3);
    desk_report(&d, "case:scraped:hse:1:", "{'offence_result': 'one'}"); /* updated, synced */
    desk_report(&d, "case:scraped:hse:1:", "{'offence_result': 'one'}");
    desk_report(&d, "case:edited:hse:2:", "{'offence_result': 'two'}");
    desk_report(&d, "case:scraped:hse:3:", NAMED("A"));
    desk_report(&d, "case:scraped:hse:3:",
                "{'offender': {'name': 'B'}, 'offence_action_date': '2025-01-02'}");
    desk_decide(&d, APPLY_ACCEPT, desk_state(&d).seq, NULL);
    desk_report(&d, "case:deleted:hse:2:", NULL);
    desk_report(&d, "case:scraped:hse:2:", NAMED("C"));
    desk_report(&d, "case:redacted:hse:1:", NULL);
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    d.session = NULL;
    uint64_t seq = desk_state(&d).seq;
    for (uint64_t floor = 2; floor <= seq + 1; floor++) {
        desk_trim(&d, (struct desk_bounds){.bytes = 1, .most = 1});
        assert_int_equal(desk_state(&d).floor, floor);
        assert_int_equal(desk_findings(&d), 0);
    }
    desk_reopen(&d);
    desk_report(&d, "case:scraped:hse:3:", NAMED("D"));
}

static void a_damaged_event_stops_it(void **state)
{
    (void)state;
    some_cases(3);
    struct key key = key_number(2);
    struct casebus_bytes value;
    assert_int_equal(txn_begin(d.txn), 0);
    assert_true(txn_get(d.txn, TREE_LOG, key_bytes(&key), &value));
    struct casebus_bytes whole = txn_copy(d.txn, value);
    char kept[1024];
    size_t size = whole.size;
    assert_true(size <= sizeof kept);
    memcpy(kept, whole.data, size);
    txn_put(d.txn, TREE_LOG, key_bytes(&key), casebus_cstr("junk"));
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
    desk_trim(&d, (struct desk_bounds){.bytes = 1, .most = 100});
    assert_int_equal(d.result.fault.code, CASEBUS_EINTERNAL);
    assert_int_equal(desk_state(&d).floor, 0); /* the whole step is taken back */
    assert_int_equal(desk_entries(&d, TREE_LOG), 3);
    assert_int_equal(txn_begin(d.txn), 0);
    txn_put(d.txn, TREE_LOG, key_bytes(&key), casebus_bytes(kept, size));
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
}

#define TEST(name)                                                                             \
    cmocka_unit_test_prestate_setup_teardown(name, desk_set_up, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_events_go),
        TEST(a_step_is_bounded),
        TEST(bytes_bound_it_too),
        TEST(it_does_not_pass_a_running_snapshot),
        TEST(a_record_is_kept_in_its_case),
        TEST(a_trimmed_case_is_compared_as_any),
        TEST(an_older_version_is_not_kept),
        TEST(of_a_deleted_case_nothing_is_kept),
        TEST(the_store_agrees_with_itself_at_every_floor),
        TEST(a_damaged_event_stops_it),
    };
    return cmocka_run_group_tests_name("apply: the floor", tests, NULL, NULL);
}
