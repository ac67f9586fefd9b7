/* Which number is which line, and what counts. */
#include "test.h"

#include "ledger.h"

static struct ledger *fresh(void)
{
    static struct ledger ledger;
    ledger_end(&ledger);
    ledger_begin(&ledger, 0);
    return &ledger;
}

static void a_number_leads_to_its_line(void **state)
{
    (void)state;
    struct ledger *ledger = fresh();
    ledger_note(ledger, 1, 10);
    ledger_note(ledger, 2, 12);
    assert_int_equal(ledger_line(ledger, 2), 12);
    assert_int_equal(ledger_line(ledger, 1), 10);
}

static void sessions_are_not_counted_with_the_records(void **state)
{
    (void)state;
    struct ledger *ledger = fresh();
    ledger_note(ledger, 1, 0);
    ledger_note(ledger, 2, 5);
    ledger_note(ledger, 3, 0);
    ledger_confirm(ledger, 3);
    assert_int_equal(ledger->sent, 1);
    assert_int_equal(ledger->confirmed, 1);
}

static void a_record_is_confirmed_once(void **state)
{
    (void)state;
    struct ledger *ledger = fresh();
    ledger_note(ledger, 1, 5);
    ledger_confirm(ledger, 1);
    ledger_confirm(ledger, 1);
    assert_int_equal(ledger->confirmed, 1);
}

static void what_was_not_taken_is_not_counted(void **state)
{
    (void)state;
    struct ledger *ledger = fresh();
    for (uint64_t number = 1; number <= 6; number++) {
        ledger_note(ledger, number, number == 5 ? 0 : number + 10);
    }
    ledger_confirm(ledger, 2);
    ledger_forget(ledger, 3);
    assert_int_equal(ledger->sent, 3);
    assert_int_equal(ledger_line(ledger, 3), 13);
    assert_int_equal(ledger_line(ledger, 4), 0);
    ledger_forget(ledger, 0);
    assert_int_equal(ledger->sent, 2); /* what is confirmed was taken */
}

static void everything_unconfirmed_is_remembered(void **state)
{
    (void)state;
    struct ledger *ledger = fresh();
    const uint64_t first = 1000, last = first + 50000;
    for (uint64_t number = 1; number <= last; number++) {
        assert_int_equal(ledger_note(ledger, number, number + 7), 0);
        if (number == first - 1) {
            ledger_confirm(ledger, number);
        }
    }
    assert_int_equal(ledger_line(ledger, first - 1), 0);
    assert_int_equal(ledger_line(ledger, first), first + 7);
    assert_int_equal(ledger_line(ledger, last), last + 7);
    ledger_confirm(ledger, last);
    assert_int_equal(ledger->confirmed, last);
}

static void numbers_of_earlier_runs_are_nobodys(void **state)
{
    (void)state;
    struct ledger *ledger = fresh();
    ledger_begin(ledger, 700);
    assert_int_equal(ledger_note(ledger, 701, 4), 0);
    ledger_confirm(ledger, 300);
    assert_int_equal(ledger_line(ledger, 300), 0);
    assert_int_equal(ledger_line(ledger, 701), 4);
    ledger_confirm(ledger, 701);
    assert_int_equal(ledger->confirmed, 1);
    ledger_end(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_leads_to_its_line),
        cmocka_unit_test(sessions_are_not_counted_with_the_records),
        cmocka_unit_test(a_record_is_confirmed_once),
        cmocka_unit_test(what_was_not_taken_is_not_counted),
        cmocka_unit_test(everything_unconfirmed_is_remembered),
        cmocka_unit_test(numbers_of_earlier_runs_are_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
