/* The pages of the data file: damage that nothing which can be read shows is found. */
#include "desk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_in_order_has_none),
        TEST(a_page_that_gives_itself_another_number_is_found),
        TEST(a_free_list_that_names_another_page_is_found),
        TEST(a_commit_hidden_by_its_meta_page_is_found),
    };
    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
