/* The publisher with an outbox, and a real broker: what was taken is stored once or told of,
 * whatever becomes of broker, outbox and publisher. */
#include "test.h"

#include "broker.h"
#include "outbox.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE 30000

static struct broker broker;
static struct casebus_publisher *publisher;

/* What the callbacks were told. */
static struct {
    unsigned refusals;
    struct casebus_refusal last; /* without the texts */
    char topic[64], reason[64];
    size_t data_size;
    unsigned divergences;
    uint64_t first, last_number;
} told;

static void on_refused(void *arg, const struct casebus_refusal *refusal)
{
    (void)arg;
    told.refusals++;
    told.last = *refusal;
    told.data_size = refusal->data.size;
    snprintf(told.topic, sizeof told.topic, "%.*s", (int)refusal->topic.size,
             (const char *)refusal->topic.data);
    snprintf(told.reason, sizeof told.reason, "%.*s", (int)refusal->reason.size,
             refusal->reason.data ? (const char *)refusal->reason.data : "");
}

static void on_diverged(void *arg, const struct casebus_divergence *divergence)
{
    (void)arg;
    told.divergences++;
    told.first = divergence->first;
    told.last_number = divergence->last;
}

static struct casebus_publisher_options options_for(const char *outbox)
{
    static char path[128];
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = broker.ingest;
    options.query = broker.query;
    options.refused = on_refused;
    options.diverged = on_diverged;
    if (outbox) {
        snprintf(path, sizeof path, "%s/%s", broker.folder, outbox);
        options.outbox = path;
    }
    return options;
}

static void open_on(const char *outbox)
{
    assert_int_equal(casebus_publisher_new(&publisher, options_for(outbox)), 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&told, 0, sizeof told);
    broker_init(&broker);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    casebus_publisher_destroy(&publisher);
    broker_end(&broker);
    return 0;
}

static const struct casebus_publisher_stats *stats(void)
{
    return casebus_publisher_stats(publisher);
}

/* {"offender": {"name": "N"}} */
static const unsigned char new_case[] = {0x81, 0xa8, 'o',  'f', 'f', 'e', 'n', 'd',  'e',
                                         'r',  0x81, 0xa4, 'n', 'a', 'm', 'e', 0xa1, 'N'};

static int64_t send_case(unsigned key)
{
    char text[16];
    snprintf(text, sizeof text, "%u", key);
    return casebus_publisher_send(publisher, CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                  casebus_cstr(text), casebus_bytes(NULL, 0),
                                  casebus_bytes(new_case, sizeof new_case), 0);
}

/* A new case must name its offender: the broker knows, nobody else does. */
static int64_t send_refused(unsigned key)
{
    char text[16];
    snprintf(text, sizeof text, "%u", key);
    return casebus_publisher_send(publisher, CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                  casebus_cstr(text), casebus_bytes(NULL, 0),
                                  casebus_bytes((const unsigned char *)"\x81\xa1x\x01", 4), 0);
}

static void send_cases(unsigned first, unsigned last)
{
    for (unsigned key = first; key <= last; key++) {
        assert_true(send_case(key) > 0);
    }
}

static void confirm_all(void)
{
    assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
}

static uint64_t outcome(enum casebus_outcome which)
{
    return stats()->outcomes[which];
}

/* Each of these cases is stored: another publisher sees them again. */
static void assert_stored(unsigned first, unsigned last)
{
    struct casebus_publisher *before = publisher;
    open_on(NULL);
    send_cases(first, last);
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_SYNCED), last - first + 1);
    casebus_publisher_destroy(&publisher);
    publisher = before;
}

/* --- without a broker --------------------------------------------------------------------- */

static void what_was_taken_is_there_for_the_next(void **state)
{
    (void)state;
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    open_on("box");
    send_cases(1, 5);
    assert_int_equal(stats()->stored, 5);
    memcpy(id, casebus_publisher_id(publisher), sizeof id);
    casebus_publisher_destroy(&publisher);
    open_on("box");
    assert_int_equal(stats()->sent, 5);
    assert_int_equal(stats()->confirmed, 0);
    assert_memory_equal(casebus_publisher_id(publisher), id, sizeof id);
    assert_int_equal(send_case(6), 6);
}

static void a_group_is_stored_with_its_last_report(void **state)
{
    (void)state;
    struct casebus_publisher_options options = options_for("box");
    options.outbox_group = 4;
    assert_int_equal(casebus_publisher_new(&publisher, options), 0);
    send_cases(1, 3);
    assert_int_equal(stats()->sent, 3);
    assert_int_equal(stats()->stored, 0);
    send_cases(4, 5);
    assert_int_equal(stats()->stored, 4);
    assert_int_equal(casebus_publisher_sync(publisher), 0);
    assert_int_equal(stats()->stored, 5);
}

static void a_full_outbox_is_a_timeout(void **state)
{
    (void)state;
    struct casebus_publisher_options options = options_for("box");
    options.outbox_count = 3;
    assert_int_equal(casebus_publisher_new(&publisher, options), 0);
    send_cases(1, 3);
    assert_int_equal(send_case(4), CASEBUS_ETIMEDOUT);
    assert_int_equal(stats()->sent, 3);
    broker_start(&broker, NULL, NULL);
    assert_int_equal(casebus_publisher_confirm(publisher, 0, PATIENCE), 0);
    assert_int_equal(send_case(4), 4);
    casebus_publisher_destroy(&publisher);
    options = options_for("bytes");
    options.outbox_bytes = 1000;
    assert_int_equal(casebus_publisher_new(&publisher, options), 0);
    broker_kill(&broker);
    int64_t rc = 1;
    while (rc > 0 && rc < 100) {
        rc = send_case((unsigned)rc);
    }
    assert_int_equal(rc, CASEBUS_ETIMEDOUT);
    assert_in_range(stats()->sent, 2, 10);
}

static void a_folder_is_one_publishers(void **state)
{
    (void)state;
    struct casebus_publisher *other;
    open_on("box");
    assert_int_equal(casebus_publisher_new(&other, options_for("box")), CASEBUS_ELOCKED);
}

static void with_an_outbox_somebody_takes_refusals(void **state)
{
    (void)state;
    struct casebus_publisher_options options = options_for("box");
    options.refused = NULL;
    assert_int_equal(casebus_publisher_new(&publisher, options), CASEBUS_EINVAL);
}

/* --- with a broker ------------------------------------------------------------------------ */

static void the_next_publisher_sends_what_is_left(void **state)
{
    (void)state;
    open_on("box");
    send_cases(1, 20);
    casebus_publisher_destroy(&publisher);
    broker_start(&broker, NULL, NULL);
    open_on("box");
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 20);
    send_cases(1, 20);
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_SYNCED), 20);
    assert_int_equal(stats()->confirmed, 40);
    assert_int_equal(told.divergences, 0);
}

static void outcomes_of_what_is_left_are_told_apart(void **state)
{
    (void)state;
    open_on("box");
    send_cases(1, 20);
    casebus_publisher_destroy(&publisher);
    open_on("box");
    send_cases(11, 50); /* taken before anybody can say what came of the others */
    assert_int_equal(stats()->left, 20);
    broker_start(&broker, NULL, NULL);
    confirm_all();
    assert_int_equal(stats()->left_outcomes[CASEBUS_OUTCOME_CREATED], 20);
    assert_int_equal(stats()->left_outcomes[CASEBUS_OUTCOME_SYNCED], 0);
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 50);
    assert_int_equal(outcome(CASEBUS_OUTCOME_SYNCED), 10);
}

static void more_than_a_window_goes_through_the_outbox(void **state)
{
    (void)state;
    struct casebus_publisher_options options = options_for("box");
    options.window = 16;
    options.outbox_group = 100;
    assert_int_equal(casebus_publisher_new(&publisher, options), 0);
    send_cases(1, 1000);
    assert_int_equal(stats()->sent, 1000);
    broker_start(&broker, NULL, NULL);
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 1000);
}

static void a_broker_that_dies_is_caught_up_with(void **state)
{
    (void)state;
    broker_start(&broker, NULL, NULL);
    open_on("box");
    for (unsigned round = 0; round < 4; round++) {
        send_cases(100 * round + 1, 100 * round + 60);
        broker_kill(&broker);
        send_cases(100 * round + 61, 100 * round + 100);
        broker_start(&broker, NULL, NULL);
    }
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 400);
    assert_int_equal(outcome(CASEBUS_OUTCOME_SYNCED), 0);
}

static void a_refusal_comes_with_what_was_reported(void **state)
{
    (void)state;
    broker_start(&broker, NULL, NULL);
    open_on("box");
    send_cases(1, 2);
    assert_int_equal(send_refused(3), 3);
    send_cases(4, 5);
    confirm_all();
    assert_int_equal(told.refusals, 1);
    assert_int_equal(told.last.number, 3);
    assert_int_equal(told.last.outcome, CASEBUS_OUTCOME_REJECTED);
    assert_string_equal(told.topic, "case:scraped:hse:3:");
    assert_int_equal(told.data_size, 4);
    assert_int_equal(outcome(CASEBUS_OUTCOME_REJECTED), 1);
}

static void without_an_outbox_it_comes_with_that_too(void **state)
{
    (void)state;
    broker_start(&broker, NULL, NULL);
    open_on(NULL);
    assert_int_equal(send_refused(1), 1);
    confirm_all();
    assert_int_equal(told.refusals, 1);
    assert_string_equal(told.topic, "case:scraped:hse:1:");
    assert_int_equal(told.data_size, 4);
}

/* --- histories that part ------------------------------------------------------------------ */

static void a_copied_outbox_goes_on_under_its_own_id(void **state)
{
    (void)state;
    struct casebus_publisher *original;
    broker_start(&broker, NULL, NULL);
    open_on("box");
    send_cases(1, 10);
    confirm_all();
    casebus_publisher_destroy(&publisher);
    broker_copy(&broker, "box", "copy");
    open_on("box");
    original = publisher;
    open_on("copy");
    for (unsigned key = 11; key <= 30; key++) { /* both at once, different cases */
        assert_true(send_case(key) > 0);
        struct casebus_publisher *copy = publisher;
        publisher = original;
        assert_true(send_case(100 + key) > 0);
        publisher = copy;
    }
    confirm_all();
    casebus_publisher_destroy(&publisher);
    publisher = original;
    confirm_all();
    casebus_publisher_destroy(&publisher);
    assert_int_equal(told.divergences, 1);
    assert_stored(11, 30);
    assert_stored(111, 130);
}

static void a_copy_of_what_is_left_doubles_nothing_that_is_confirmed_first(void **state)
{
    (void)state;
    open_on("box");
    send_cases(1, 10);
    casebus_publisher_destroy(&publisher);
    broker_copy(&broker, "box", "copy");
    broker_start(&broker, NULL, NULL);
    open_on("box");
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 10);
    casebus_publisher_destroy(&publisher);
    open_on("copy");
    confirm_all();
    assert_int_equal(stats()->resent, 0);
    assert_int_equal(outcome(CASEBUS_OUTCOME_SYNCED), 0);
    assert_int_equal(told.divergences, 0);
}

static void an_outbox_put_back_takes_a_fresh_id(void **state)
{
    (void)state;
    broker_start(&broker, NULL, NULL);
    open_on("box");
    send_cases(1, 10);
    confirm_all();
    broker_kill(&broker);
    send_cases(11, 15);
    casebus_publisher_destroy(&publisher);
    broker_copy(&broker, "box", "yesterday");
    broker_start(&broker, NULL, NULL);
    open_on("box");
    send_cases(16, 30);
    confirm_all();
    casebus_publisher_destroy(&publisher);
    broker_copy(&broker, "yesterday", "box");
    open_on("box");
    confirm_all();
    assert_int_equal(told.divergences, 1);
    assert_int_equal(told.first, 11);
    assert_int_equal(told.last_number, 15);
    assert_int_equal(outcome(CASEBUS_OUTCOME_SYNCED), 5);
    assert_int_equal(send_case(40), 16); /* numbers stay the caller's */
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 1);
    assert_int_equal(told.divergences, 1);
}

static void a_broker_with_another_history_gets_the_rest_again(void **state)
{
    (void)state;
    const char *boxes[] = {"box", NULL}; /* on the disk, in memory */
    for (int i = 0; i < 2; i++) {
        unsigned key = 1000 * ((unsigned)i + 1);
        memset(&told, 0, sizeof told);
        broker_start(&broker, NULL, NULL);
        open_on(boxes[i]);
        send_cases(key + 1, key + 10);
        confirm_all();
        broker_kill(&broker);
        send_cases(key + 11, key + 20);
        broker_forget(&broker);
        broker_start(&broker, NULL, NULL);
        confirm_all();
        assert_int_equal(told.divergences, 1);
        assert_int_equal(told.first, 11);
        assert_int_equal(told.last_number, 20);
        assert_int_equal(stats()->confirmed, 20);
        casebus_publisher_destroy(&publisher);
        assert_stored(key + 11, key + 20);
        broker_kill(&broker);
    }
}

/* The same history, less of it: no other history, so there is nothing to do but wait. */
static void a_broker_that_is_behind_is_waited_for(void **state)
{
    (void)state;
    broker_start(&broker, NULL, NULL);
    open_on("box");
    send_cases(1, 10);
    confirm_all();
    broker_kill(&broker);
    broker_copy(&broker, "store", "earlier");
    broker_start(&broker, NULL, NULL);
    send_cases(11, 20);
    confirm_all();
    broker_kill(&broker);
    broker_copy(&broker, "store", "later");
    broker_copy(&broker, "earlier", "store");
    broker_start(&broker, NULL, NULL);
    send_cases(21, 25);
    uint64_t answers = stats()->answers;
    while (stats()->answers < answers + 2) {
        assert_int_equal(casebus_publisher_pump(publisher, 100), 0);
    }
    assert_int_equal(told.divergences, 0);
    assert_int_equal(stats()->broker_error, CASEBUS_EBEHIND);
    broker_kill(&broker);
    broker_copy(&broker, "later", "store");
    broker_start(&broker, NULL, NULL);
    confirm_all();
    assert_int_equal(told.divergences, 0);
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 25);
}

static void a_divergence_is_told_though_the_process_dies_first(void **state)
{
    (void)state;
    struct outbox *box;
    struct broker_state nobody = {.known = false};
    char path[128];
    open_on("box");
    send_cases(1, 3);
    casebus_publisher_destroy(&publisher);
    snprintf(path, sizeof path, "%s/box", broker.folder);
    assert_int_equal(casebus_outbox_open(&box, &(struct outbox_options){path, 1000, 1 << 20}),
                     0);
    assert_int_equal(
        casebus_outbox_renumber(box, (const unsigned char *)"0123456789abcdef", &nobody), 0);
    casebus_outbox_close(&box);
    open_on("box");
    assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    assert_int_equal(told.divergences, 1);
    assert_int_equal(told.last_number, 3);
    casebus_publisher_destroy(&publisher);
    open_on("box"); /* and once that is on the disk, not again */
    assert_int_equal(casebus_publisher_pump(publisher, 0), 0);
    assert_int_equal(told.divergences, 1);
}

/* --- voids -------------------------------------------------------------------------------- */

static void what_is_withdrawn_is_void_and_blocks_nothing(void **state)
{
    (void)state;
    const char *boxes[] = {"box", NULL};
    for (int i = 0; i < 2; i++) {
        unsigned key = 1000 * ((unsigned)i + 1);
        memset(&told, 0, sizeof told);
        open_on(boxes[i]);
        send_cases(key + 1, key + 5);
        assert_int_equal(casebus_publisher_withdraw(publisher, 3, "a mistake"), 0);
        assert_int_equal(casebus_publisher_withdraw(publisher, 6, "never sent"),
                         CASEBUS_ENOTFOUND);
        if (boxes[i]) { /* it stays withdrawn */
            casebus_publisher_destroy(&publisher);
            open_on(boxes[i]);
        }
        broker_start(&broker, NULL, NULL);
        confirm_all();
        assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 4);
        assert_int_equal(outcome(CASEBUS_OUTCOME_VOID), 1);
        assert_int_equal(told.refusals, 1);
        assert_int_equal(told.last.number, 3);
        assert_int_equal(told.last.outcome, CASEBUS_OUTCOME_VOID);
        assert_string_equal(told.reason, "a mistake");
        assert_int_equal(casebus_publisher_withdraw(publisher, 3, "too late"),
                         CASEBUS_ENOTFOUND);
        casebus_publisher_destroy(&publisher);
        broker_kill(&broker);
    }
}

/* So many reports are in the outbox, and decided, as if their publisher had died before it
 * heard of that. */
static void decide_unheard(unsigned count)
{
    open_on("box");
    send_cases(1, count);
    casebus_publisher_destroy(&publisher);
    broker_copy(&broker, "box", "before");
    broker_start(&broker, NULL, NULL);
    open_on("box");
    confirm_all();
    casebus_publisher_destroy(&publisher);
    broker_copy(&broker, "before", "box");
}

static void a_withdrawal_that_comes_too_late_is_not_told_as_one(void **state)
{
    (void)state;
    decide_unheard(5);
    open_on("box");
    assert_int_equal(casebus_publisher_withdraw(publisher, 3, "too late"), 0);
    confirm_all();
    assert_int_equal(told.refusals, 0);
    assert_int_equal(outcome(CASEBUS_OUTCOME_VOID), 0);
}

static void of_two_withdrawals_the_one_in_time_is_told(void **state)
{
    (void)state;
    decide_unheard(5);
    open_on("box");
    send_cases(6, 6);
    assert_int_equal(casebus_publisher_withdraw(publisher, 3, "too late"), 0);
    assert_int_equal(casebus_publisher_withdraw(publisher, 6, "in time"), 0);
    confirm_all();
    assert_int_equal(told.refusals, 1);
    assert_int_equal(told.last.number, 6);
    assert_int_equal(told.last.outcome, CASEBUS_OUTCOME_VOID);
    assert_string_equal(told.reason, "in time");
    assert_int_equal(outcome(CASEBUS_OUTCOME_VOID), 1);
}

/* Changes a byte of a stored report. */
static void damage(const char *outbox, unsigned char number, long at)
{
    char path[128];
    unsigned char name[8] = {0, 0, 0, 0, 0, 0, 0, number}, copy[4096];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key = {8, name}, value;
    snprintf(path, sizeof path, "%s/%s", broker.folder, outbox);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "reports", 0, &dbi), 0);
    assert_int_equal(mdb_get(txn, dbi, &key, &value), 0);
    assert_in_range(value.mv_size, 100, sizeof copy);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[at < 0 ? (long)value.mv_size + at : at] ^= 4;
    value.mv_data = copy;
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void a_damaged_report_is_void_and_blocks_nothing(void **state)
{
    (void)state;
    open_on("box");
    send_cases(1, 5);
    casebus_publisher_destroy(&publisher);
    damage("box", 3, -20);
    broker_start(&broker, NULL, NULL);
    open_on("box");
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 4);
    assert_int_equal(outcome(CASEBUS_OUTCOME_VOID), 1);
    assert_int_equal(told.refusals, 1);
    assert_int_equal(told.last.number, 3);
    assert_int_equal(told.last.code, CASEBUS_ECORRUPT);
    assert_string_equal(told.topic, "case:scraped:hse:3:");
    assert_int_equal(told.divergences, 0);
}

static void a_report_without_its_hash_costs_the_id(void **state)
{
    (void)state;
    open_on("box");
    send_cases(1, 5);
    casebus_publisher_destroy(&publisher);
    damage("box", 3, 12);
    broker_start(&broker, NULL, NULL);
    open_on("box");
    confirm_all();
    assert_int_equal(outcome(CASEBUS_OUTCOME_CREATED), 4);
    assert_int_equal(told.refusals, 1);
    assert_int_equal(told.divergences, 1);
}

static void a_report_damaged_after_it_was_decided_is_no_loss(void **state)
{
    (void)state;
    decide_unheard(5);
    damage("box", 3, -20);
    open_on("box");
    confirm_all();
    assert_int_equal(told.refusals, 0);
    assert_int_equal(told.divergences, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_taken_is_there_for_the_next),
        T(a_group_is_stored_with_its_last_report),
        T(a_full_outbox_is_a_timeout),
        T(a_folder_is_one_publishers),
        T(with_an_outbox_somebody_takes_refusals),
        T(the_next_publisher_sends_what_is_left),
        T(outcomes_of_what_is_left_are_told_apart),
        T(more_than_a_window_goes_through_the_outbox),
        T(a_broker_that_dies_is_caught_up_with),
        T(a_refusal_comes_with_what_was_reported),
        T(without_an_outbox_it_comes_with_that_too),
        T(a_copied_outbox_goes_on_under_its_own_id),
        T(a_copy_of_what_is_left_doubles_nothing_that_is_confirmed_first),
        T(an_outbox_put_back_takes_a_fresh_id),
        T(a_broker_with_another_history_gets_the_rest_again),
        T(a_broker_that_is_behind_is_waited_for),
        T(a_divergence_is_told_though_the_process_dies_first),
        T(what_is_withdrawn_is_void_and_blocks_nothing),
        T(a_withdrawal_that_comes_too_late_is_not_told_as_one),
        T(of_two_withdrawals_the_one_in_time_is_told),
        T(a_damaged_report_is_void_and_blocks_nothing),
        T(a_report_without_its_hash_costs_the_id),
        T(a_report_damaged_after_it_was_decided_is_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
