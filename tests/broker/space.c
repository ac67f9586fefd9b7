/* Space written ahead of small commits: where it lies, when there is none, and that nothing of
 * the store changes by it. */
#include "desk.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL 600
#define LARGE (1u << 20)

static struct desk d;

static void commit(uint64_t number, size_t size)
{
    static char value[LARGE];
    struct key key = key_number(number);
    memset(value, (int)number, size);
    assert_int_equal(txn_begin(d.txn), 0);
    txn_put(d.txn, TREE_LOG, key_bytes(&key), casebus_bytes(value, size));
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
}

/* Bytes of the file that hold no page. */
static uint64_t ahead(void)
{
    struct store_sizes sizes;
    assert_int_equal(txn_begin(d.txn), 0);
    assert_int_equal(store_measure(d.txn, &sizes), 0);
    txn_end(d.txn);
    return sizes.file_bytes > sizes.used_bytes ? sizes.file_bytes - sizes.used_bytes : 0;
}

static void assert_all_there(uint64_t count, size_t size)
{
    for (uint64_t n = 1; n <= count; n++) {
        struct key key = key_number(n);
        struct casebus_bytes value;
        assert_true(txn_get(d.txn, TREE_LOG, key_bytes(&key), &value));
        assert_int_equal(value.size, size);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(value.data[i], n & 0xff);
        }
    }
}

static void small_commits_have_space_ahead_until_the_end(void **state)
{
    (void)state;
    commit(1, SMALL);
    commit(2, SMALL);
    for (uint64_t n = 3; n <= 1000; n++) {
        commit(n, SMALL);
        assert_in_range(ahead(), 1, 256 << 10);
    }
    assert_int_equal(txn_begin(d.txn), 0);
    assert_all_there(1000, SMALL);
    txn_end(d.txn);
}

static void a_store_with_space_ahead_opens_as_it_was(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 100; n++) {
        commit(n, SMALL);
    }
    assert_true(ahead() > 0);
    desk_reopen(&d);
    commit(101, SMALL);
    assert_int_equal(txn_begin(d.txn), 0);
    assert_all_there(101, SMALL);
    txn_end(d.txn);
}

static void large_commits_have_their_pages_written_once(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 20; n++) {
        commit(n, LARGE);
        assert_int_equal(ahead(), 0);
    }
}

static void a_store_that_is_only_opened_does_not_grow(void **state)
{
    (void)state;
    uint64_t before = ahead();
    for (int i = 0; i < 5; i++) {
        desk_reopen(&d);
    }
    assert_int_equal(ahead(), before);
}

#define FACT(name) cmocka_unit_test_prestate_setup_teardown(name, desk_set_up, desk_shut, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(small_commits_have_space_ahead_until_the_end),
        FACT(a_store_with_space_ahead_opens_as_it_was),
        FACT(large_commits_have_their_pages_written_once),
        FACT(a_store_that_is_only_opened_does_not_grow),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
