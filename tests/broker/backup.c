/* Copies of a store: the same to the byte of every value, or under another epoch; and what
 * repair makes of one. */
#include "backup.h"
#include "desk.h"
#include "repair.h"
#include "tail.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct desk d;
static char dir[128];
static struct backup_report *report; /* large: not on a stack */

#define SCRAPED "case:scraped:hse:1:"
#define ACME                                                                                   \
    "{'offender': {'name': 'Acme Ltd'}, 'offence_action_date': '2020-01-01', "                 \
    "'offence_fine_pence': 5}"
#define OTHER "{'offender': {'name': 'Other'}, 'offence_action_date': '2020-02-03'}"

/* Every row there can be: a session, conflicts accepted, rejected and come again, a case
 * deleted, one redacted, a refusal; an agency that was set, and one that only was. */
static void fill(void)
{
    desk_report(&d, SCRAPED, ACME);
    desk_report(&d, SCRAPED, OTHER);
    desk_decide(&d, APPLY_ACCEPT, 2, NULL);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    desk_report(&d, "case:edited:hse:1:",
                "{'offender': {'name': 'Third'}, 'offence_action_date': '2020-03-04'}");
    desk_report(&d, SCRAPED, OTHER); /* again: a newer conflict of the same row */
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CONFLICT);
    desk_report(&d, "session:started:ea:s1:", NULL);
    d.session = "s1";
    desk_report(&d, "case:scraped:ea:2:", ACME);
    desk_report(&d, "case:scraped:ea:2:", OTHER);
    desk_report(&d, "case:scraped:ea:3:", ACME);
    desk_report(&d, "case:deleted:ea:3:", NULL);
    desk_report(&d, "case:scraped:ea:4:", ACME);
    desk_report(&d, "case:redacted:ea:4:", NULL);
    desk_report(&d, "case:deleted:ea:none:", NULL);
    d.session = NULL;
    desk_report(&d, "session:ended:ea:s1:", "{'status': 'completed'}");
    desk_set(&d, "{'agency': 'ea', 'name': 'Environment Agency', 'enabled': false}");
    desk_set(&d,
             "{'agency': 'orr', 'base_url': 'https://orr.example/'}"); /* nothing else of it */
    assert_int_equal(desk_findings(&d), 0);
}

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    snprintf(dir, sizeof dir, "%s-copy", d.dir);
    report = calloc(1, sizeof *report);
    return report ? 0 : -1;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&d);
    folder_remove(dir);
    backup_report_clear(report);
    free(report);
    return 0;
}

/* The store in `dir` instead of the desk's. */
static struct desk at_copy(void)
{
    struct desk copy = {.clock = 0};
    struct store_options options = {.dir = dir, .read_only = true};
    char why[512];
    assert_int_equal(store_open(&copy.store, &options, why, sizeof why), 0);
    return copy;
}

static void a_backup_is_the_store_to_the_byte(void **state)
{
    (void)state;
    fill();
    assert_int_equal(backup_make(d.store, dir, report), 0);
    struct desk copy = at_copy();
    assert_true(desk_digest(&copy) == desk_digest(&d));
    assert_int_equal(report->state.seq, desk_state(&d).seq);
    assert_int_equal(report->events, report->state.seq);
    store_close(&copy.store);
}

static void while_none_is_made_nothing_is_held(void **state)
{
    (void)state;
    assert_true(store_snapshot_lowest(d.store) == UINT64_MAX);
    fill();
    int older = store_snapshot_begin(d.store, 7);
    assert_true(store_snapshot_lowest(d.store) == 7);
    assert_int_equal(backup_make(d.store, dir, report), 0);
    assert_true(store_snapshot_lowest(d.store) == 7);
    store_snapshot_end(d.store, older);
    assert_true(store_snapshot_lowest(d.store) == UINT64_MAX);
}

static void a_folder_that_is_taken_stays_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(backup_make(d.store, dir, report), 0);
    backup_report_clear(report);
    assert_int_equal(backup_make(d.store, dir, report), CASEBUS_EVALUE);
    assert_string_equal(report->why, "is there already and not empty");
    struct desk copy = at_copy();
    assert_int_equal(desk_findings(&copy), 0);
    store_close(&copy.store);
}

static void a_cancelled_backup_leaves_nothing(void **state)
{
    (void)state;
    fill();
    atomic_store(&report->copy.cancel, 1);
    assert_int_equal(backup_make(d.store, dir, report), CASEBUS_EINTR);
    assert_int_equal(access(dir, F_OK), -1);
}

static void restored_it_is_another_epoch_everywhere(void **state)
{
    struct place place;
    char why[512];
    (void)state;
    fill();
    struct state before = desk_state(&d);
    assert_int_equal(place_open(&place, dir, why, sizeof why), 0);
    assert_int_equal(restore_store(&place, d.dir, report), 0);
    place_close(&place);
    struct desk copy = at_copy();
    struct state after = desk_state(&copy);
    assert_int_equal(desk_findings(&copy), 0); /* which looks at the epoch of each event */
    assert_memory_not_equal(after.epoch, before.epoch, sizeof after.epoch);
    memcpy(after.epoch, before.epoch, sizeof after.epoch);
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(tail_check(copy.store, why, sizeof why), 0);
    store_close(&copy.store);
}

static void repaired_it_is_the_same_again(void **state)
{
    struct place place;
    struct repair_report *repair = calloc(1, sizeof *repair);
    char why[512];
    (void)state;
    assert_non_null(repair);
    fill();
    assert_int_equal(backup_make(d.store, dir, report), 0);
    assert_int_equal(place_open(&place, dir, why, sizeof why), 0);
    assert_int_equal(repair_store(&place, repair), 0);
    place_close(&place);
    assert_int_equal(desk_entries(&d, TREE_CONFLICT), 3); /* one of them superseded */
    assert_int_equal(repair->damaged, 0);
    assert_int_equal(repair->copy.verify.finding_count, 0);
    assert_int_equal(repair->built[TREE_CONFLICT], 3);
    struct desk copy = at_copy();
    assert_true(desk_digest(&copy) == desk_digest(&d));
    store_close(&copy.store);
    folder_remove(place.replaced);
    backup_report_clear(&repair->copy);
    free(repair);
}

/* Makes the newest of the two meta pages older than the other, as a flipped bit does. */
static void hide_newest_commit(const char *folder)
{
    enum {
        PAGE = 4096,
        TXN = 144
    };
    char path[160];
    uint64_t first, second;
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, TXN, SEEK_SET), 0);
    assert_int_equal(fread(&first, sizeof first, 1, file), 1);
    assert_int_equal(fseek(file, PAGE + TXN, SEEK_SET), 0);
    assert_int_equal(fread(&second, sizeof second, 1, file), 1);
    const bool is_first = first > second;
    const uint64_t older = (is_first ? first : second) - 8;
    assert_int_equal(fseek(file, (is_first ? 0 : PAGE) + TXN, SEEK_SET), 0);
    assert_int_equal(fwrite(&older, sizeof older, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void a_newest_commit_that_is_hidden_is_not_gone_on_without(void **state)
{
    struct place place;
    struct repair_report *repair = calloc(1, sizeof *repair);
    struct store_options options = {.dir = dir};
    struct store *store;
    char why[512];
    (void)state;
    assert_non_null(repair);
    fill();
    const struct state before = desk_state(&d);
    assert_int_equal(backup_make(d.store, dir, report), 0);
    assert_int_equal(store_open(&store, &options, why, sizeof why), 0); /* one commit more */
    store_close(&store);
    hide_newest_commit(dir);
    assert_int_equal(store_open(&store, &options, why, sizeof why), CASEBUS_ECORRUPT);
    assert_non_null(strstr(why, "the newest commit may be hidden"));
    assert_int_equal(place_open(&place, dir, why, sizeof why), 0);
    assert_int_equal(repair_store(&place, repair), 0);
    place_close(&place);
    assert_int_equal(repair->copy.verify.finding_count, 0);
    assert_int_equal(repair->damaged, 1);
    struct desk copy = at_copy();
    const struct state after = desk_state(&copy);
    assert_int_equal(after.seq, before.seq);
    assert_memory_not_equal(after.epoch, before.epoch, sizeof after.epoch);
    store_close(&copy.store);
    folder_remove(place.replaced);
    backup_report_clear(&repair->copy);
    free(repair);
}

static void the_tail_of_a_store_without_events_is_good(void **state)
{
    char why[512];
    (void)state;
    assert_int_equal(tail_check(d.store, why, sizeof why), 0);
    fill();
    assert_int_equal(tail_check(d.store, why, sizeof why), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        TEST(a_backup_is_the_store_to_the_byte),
        TEST(while_none_is_made_nothing_is_held),
        TEST(a_folder_that_is_taken_stays_as_it_was),
        TEST(a_cancelled_backup_leaves_nothing),
        TEST(restored_it_is_another_epoch_everywhere),
        TEST(repaired_it_is_the_same_again),
        TEST(a_newest_commit_that_is_hidden_is_not_gone_on_without),
        TEST(the_tail_of_a_store_without_events_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
