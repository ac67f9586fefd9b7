/* The pages of the data file: damage that nothing which can be read shows is found. */
#include "backup.h"
#include "desk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define PAGE_FLAGS 10
#define META_FREE_ROOT 80
#define META_TXN 144

static struct desk d;
static unsigned told;

static int open_desk(void **state)
{
    (void)state;
    char topic[64];
    desk_open(&d);
    for (int round = 0; round < 3; round++) { /* so that pages have been freed */
        for (int i = 0; i < 40; i++) {
            snprintf(topic, sizeof topic, "case:scraped:hse:%d:", i);
            desk_report(&d, topic, "{'offender': {'name': 'Acme Ltd'}}");
        }
    }
    told = 0;
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&d);
    return 0;
}

static void tell(void *arg, const char *what)
{
    (void)arg;
    (void)what;
    told++;
}

static unsigned faults(void)
{
    told = 0;
    assert_int_equal(store_check_pages(d.store, tell, NULL), 0);
    return told;
}

/* Eight bytes of the file, changed under LMDB's hands. */
static uint64_t change(uint64_t at, uint64_t by)
{
    char path[128];
    uint64_t number = 0;
    snprintf(path, sizeof path, "%s/data.mdb", d.dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &number, sizeof number, (off_t)at), sizeof number);
    number += by;
    assert_int_equal(pwrite(fd, &number, sizeof number, (off_t)at), sizeof number);
    close(fd);
    return number;
}

static uint64_t newest_meta(void)
{
    return change(META_TXN, 0) > change(PAGE + META_TXN, 0) ? 0 : PAGE;
}

static void a_store_in_order_has_none(void **state)
{
    (void)state;
    assert_int_equal(faults(), 0);
}

static void a_page_that_gives_itself_another_number_is_found(void **state)
{
    (void)state;
    uint64_t root = change(newest_meta() + META_FREE_ROOT, 0);
    change(root * PAGE, 1);
    assert_int_equal(faults(), 1);
    assert_int_equal(desk_findings(&d), 1);
}

/* The last number of the last record stands at the page's end where its first record was
 * put. */
static void a_free_list_that_names_another_page_is_found(void **state)
{
    (void)state;
    uint64_t root = change(newest_meta() + META_FREE_ROOT, 0);
    assert_in_range(change(root * PAGE + PAGE - 8, 0), 2, 10000);
    change(root * PAGE + PAGE - 8, (uint64_t)-1);
    assert_int_equal(faults(), 1);
    change(root * PAGE + PAGE - 8, 1 + (1u << 20));
    assert_int_equal(faults(), 1);
}

static void a_commit_hidden_by_its_meta_page_is_found(void **state)
{
    (void)state;
    change(newest_meta() + META_TXN, (uint64_t)-64);
    assert_int_not_equal(faults(), 0);
}

/* The leaves that hold these bytes are none any more, which LMDB asserts and dies of. */
static void break_leaves(const char *holding)
{
    char path[128];
    unsigned char page[PAGE];
    const uint64_t leaf =
        2u << 16; /* of the eight bytes from 8 on, the flags are the third and fourth */
    unsigned broken = 0;
    snprintf(path, sizeof path, "%s/data.mdb", d.dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (uint64_t at = 2 * PAGE; pread(fd, page, PAGE, (off_t)at) == PAGE; at += PAGE) {
        if (page[PAGE_FLAGS] == 2 && memmem(page, PAGE, holding, strlen(holding))) {
            change(at + 8, -leaf);
            broken++;
        }
    }
    close(fd);
    assert_int_not_equal(broken, 0);
}

static void a_broker_survives_to_tell_of_damaged_pages(void **state)
{
    (void)state;
    char dir[140];
    struct verify_report *found = calloc(1, sizeof *found);
    struct backup_report *copied = calloc(1, sizeof *copied);
    assert_true(found && copied);
    break_leaves("case:created:hse:3:");
    found->serving = true;
    assert_int_equal(verify_store(d.store, found), 0);
    assert_int_equal(found->finding_count, 2);
    assert_non_null(strstr(found->findings[0], "its head is damaged"));
    assert_non_null(strstr(found->findings[1], "goes no further"));
    snprintf(dir, sizeof dir, "%s-copy", d.dir);
    assert_int_equal(backup_make(d.store, dir, copied), CASEBUS_ECORRUPT);
    assert_non_null(strstr(copied->why, "its head is damaged"));
    assert_int_not_equal(access(dir, F_OK), 0);
    verify_report_clear(found);
    backup_report_clear(copied);
    free(found);
    free(copied);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_in_order_has_none),
        TEST(a_page_that_gives_itself_another_number_is_found),
        TEST(a_free_list_that_names_another_page_is_found),
        TEST(a_commit_hidden_by_its_meta_page_is_found),
        TEST(a_broker_survives_to_tell_of_damaged_pages),
    };
    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
