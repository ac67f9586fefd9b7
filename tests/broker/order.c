/* Keys that come in order, in none, or in order until one does not: what is put is found before
 * and after it is committed, and nothing else is. */
#include "desk.h"

#include <stdio.h>
#include <string.h>

#define KEYS 3000
#define STEP 7 /* puts; every third step is taken back */

static struct desk d;
static uint64_t model[KEYS]; /* what each key holds; 0: it is not there */

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    memset(model, 0, sizeof model);
    return 0;
}

static struct key numbered(unsigned number)
{
    char text[16];
    snprintf(text, sizeof text, "key-%04u", number);
    return key_text(casebus_cstr(text));
}

static void assert_found(unsigned number)
{
    const struct key key = numbered(number);
    struct casebus_bytes value;
    uint64_t found = 0;
    if (txn_get(d.txn, TREE_CASE, key_bytes(&key), &value)) {
        assert_int_equal(value.size, sizeof found);
        memcpy(&found, value.data, sizeof found);
    }
    assert_int_equal(found, model[number]);
}

static void change(unsigned number, uint64_t value)
{
    const struct key key = numbered(number);
    if (value == 0) {
        txn_delete(d.txn, TREE_CASE, &key);
    } else {
        txn_put(d.txn, TREE_CASE, key_bytes(&key), casebus_bytes(&value, sizeof value));
    }
}

/* The number-th key of an order. */
typedef unsigned order_fn(unsigned number);

static unsigned rising(unsigned number)
{
    return number;
}

static unsigned falling(unsigned number)
{
    return KEYS - 1 - number;
}

static unsigned scattered(unsigned number)
{
    return number * 1009 % KEYS; /* 1009 has no factor of KEYS: each once */
}

static unsigned rising_but_for_one(unsigned number)
{
    return number == KEYS / 2 ? 1 : number;
}

/* Those keys of the order whose number leaves `rest`: every fifth is deleted again. */
static void put_batch(order_fn *order, unsigned every, unsigned rest, uint64_t value)
{
    struct txn_mark mark = {0};
    assert_int_equal(txn_begin(d.txn), 0);
    for (unsigned i = 0; i < KEYS; i++) {
        const unsigned number = order(i);
        const bool taken_back = i / STEP % 3 == 2;
        const uint64_t changed = i % 5 == 4 ? 0 : value;
        if (i % STEP == 0) {
            mark = txn_mark(d.txn);
        }
        if (i % every == rest) {
            assert_found(number);
            change(number, value);
            change(number, changed);
            model[number] = taken_back ? model[number] : changed;
        }
        if (i % STEP == STEP - 1 || i == KEYS - 1) {
            assert_true(!taken_back || txn_rollback(d.txn, mark));
            assert_found(order(i / STEP * 3 % KEYS));
        }
    }
    for (unsigned i = 0; i < KEYS; i++) {
        assert_found(i);
    }
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
}

static void assert_stored(void)
{
    struct cursor c;
    bool more;
    assert_int_equal(txn_begin(d.txn), 0);
    cursor_open(&c, d.txn, TREE_CASE);
    more = cursor_seek(&c, casebus_cstr("key-"));
    for (unsigned i = 0; i < KEYS; i++) {
        const struct key key = numbered(i);
        assert_found(i);
        if (model[i]) {
            assert_true(more && casebus_bytes_equal(c.key, key_bytes(&key)));
            more = cursor_next(&c);
        }
    }
    assert_false(more);
    cursor_close(&c);
    txn_end(d.txn);
}

static void assert_kept(order_fn *order)
{
    put_batch(order, 2, 0, 1);
    assert_stored();
    put_batch(order, 3, 1, 2); /* some are there, some lie between, some above */
    assert_stored();
    put_batch(scattered, 4, 3, 3);
    assert_stored();
}

static void keys_in_order_are_kept(void **state)
{
    (void)state;
    assert_kept(rising);
}

static void keys_in_falling_order_are_kept(void **state)
{
    (void)state;
    assert_kept(falling);
}

static void keys_in_no_order_are_kept(void **state)
{
    (void)state;
    assert_kept(scattered);
}

static void keys_in_order_but_for_one_are_kept(void **state)
{
    (void)state;
    assert_kept(rising_but_for_one);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, open_desk, desk_shut, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_in_order_are_kept),
        TEST(keys_in_falling_order_are_kept),
        TEST(keys_in_no_order_are_kept),
        TEST(keys_in_order_but_for_one_are_kept),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
