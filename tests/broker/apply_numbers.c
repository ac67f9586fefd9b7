/* Numbered reports: each decided once, in order, by its check; refusals kept until taken. */
#include "sender.h"

#include <string.h>

static struct desk d;
static struct sender sender;

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    sender = (struct sender){.actor = "local", .publisher = {7}};
    return 0;
}

/* Sends the next number and moves on. */
static void send_next(const char *topic, const char *data)
{
    sender_next(&d, &sender, topic, data);
}

static void send_number(uint64_t number, const char *topic, const char *data)
{
    sender_again(&d, &sender, number, topic, data);
}

static struct publisher_entry progress(const char *actor)
{
    struct sender s = sender;
    s.actor = actor;
    return sender_progress(&d, &s);
}

static void ack(uint64_t after)
{
    sender_ack(&d, &sender, after, true);
}

#define GOOD "{'offender': {'name': 'A'}}"
#define BAD "{'offence_fine_pence': -1}"

static void the_next_number_is_decided(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    send_next("case:scraped:hse:2:", GOOD);
    struct publisher_entry p = progress("local");
    assert_int_equal(p.decided, 2);
    assert_memory_equal(p.check, sender.check, sizeof p.check);
    assert_int_equal(p.outcome[CASEBUS_OUTCOME_CREATED], 2);
}

static void a_number_decided_before_has_no_effect(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    uint64_t digest = desk_digest(&d);
    send_number(1, "case:scraped:hse:9:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_DUPLICATE);
    assert_true(digest == desk_digest(&d));
}

static void a_number_beyond_a_hole_has_no_effect(void **state)
{
    (void)state;
    send_number(2, "case:scraped:hse:1:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_AHEAD);
    assert_int_equal(desk_state(&d).seq, 0);
}

static void another_check_has_no_effect(void **state)
{
    (void)state;
    sender.check[0] = 1;
    send_number(1, "case:scraped:hse:1:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_DIVERGED);
    assert_int_equal(desk_state(&d).seq, 0);
}

static void another_actor_moves_only_his_own(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    sender = (struct sender){.actor = "eve", .publisher = {7}};
    send_next("case:scraped:hse:6:", GOOD);
    assert_int_equal(progress("local").decided, 1);
    assert_int_equal(progress("eve").decided, 1);
}

static void a_refused_report_does_not_block_and_is_told(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    send_next("case:scraped:hse:2:", BAD);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REJECTED);
    send_next("case:scraped:hse:3:", GOOD);
    assert_int_equal(progress("local").decided, 3);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 1);
    ack(1);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 1);
    ack(2);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 0);
    assert_int_equal(desk_entries(&d, TREE_REJECT), 1);
}

static void an_unreadable_rest_is_decided_all_the_same(void **state)
{
    (void)state;
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    sender_encode(&sender, 1, GOOD, &body);
    body.data[body.size - 1] = (char)0xc1; /* no msgpack type */
    sender_apply(&d, &sender, "case:scraped:hse:1:", &body);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REJECTED);
    sender_advance(&sender, "case:scraped:hse:1:", casebus_bytes(body.data, body.size));
    msgpack_sbuffer_destroy(&body);
    send_next("case:scraped:hse:1:", GOOD);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
}

static void a_void_takes_the_place_of_its_report(void **state)
{
    (void)state;
    msgpack_sbuffer body;
    unsigned char hash[CASEBUS_HASH_SIZE] = {9, 9, 9};
    msgpack_sbuffer_init(&body);
    struct casebus_report_parts parts = {
        .publisher = sender.publisher,
        .number = 1,
        .check = sender.check,
        .void_reason = casebus_cstr("damaged"),
        .void_hash = hash,
    };
    assert_int_equal(casebus_report_encode(&parts, &body), 0);
    sender_apply(&d, &sender, "case:scraped:hse:1:", &body);
    msgpack_sbuffer_destroy(&body);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_VOID);
    casebus_check_next(sender.check, hash);
    sender.number = 1;
    send_next("case:scraped:hse:1:", GOOD);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
}

/* Anybody may withdraw what he may not send. */
static void a_void_says_nothing_of_a_session(void **state)
{
    (void)state;
    static const char *const topics[] = {"case:scraped:hse:1:", "session:progressed:hse:s1:"};
    unsigned char hash[CASEBUS_HASH_SIZE] = {9, 9, 9};
    desk_report(&d, "session:started:hse:s1:", NULL);
    for (int i = 0; i <= CASEBUS_LEASE_TICKS; i++) {
        desk_tick(&d, NULL);
    }
    assert_string_equal(desk_events(&d), "lost s1");
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        msgpack_sbuffer body;
        msgpack_sbuffer_init(&body);
        struct casebus_report_parts parts = {
            .publisher = sender.publisher,
            .number = i + 1,
            .check = sender.check,
            .session = casebus_cstr("s1"),
            .void_reason = casebus_cstr("withdrawn"),
            .void_hash = hash,
        };
        assert_int_equal(casebus_report_encode(&parts, &body), 0);
        sender_apply(&d, &sender, topics[i], &body);
        msgpack_sbuffer_destroy(&body);
        assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_VOID);
        assert_string_equal(desk_events(&d), "");
        assert_false(d.result.quiet);
        casebus_check_next(sender.check, hash);
    }
}

static void the_rejects_list_is_bounded(void **state)
{
    (void)state;
    desk_begin(&d);
    for (int i = 0; i < CASEBUS_REJECTS_MAX + 50; i++) {
        desk_raw(&d, "case:scraped:hse:1:", "x", 1);
    }
    desk_end(&d);
    assert_int_equal(desk_entries(&d, TREE_REJECT), CASEBUS_REJECTS_MAX);
}

/* --- forgetting ------------------------------------------------------------------------- */

#define HOUR (3600ull * 1000000)

static void after(uint64_t hours)
{
    d.clock += hours * HOUR;
    sender_retire(&d, &sender);
}

static void one_without_an_outbox_is_forgotten_after_a_day(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    send_next("case:scraped:hse:2:", BAD);
    sender_ack(&d, &sender, 1, false);
    assert_int_equal(progress("local").volatile_id, 1);
    after(23);
    assert_int_equal(progress("local").decided, 2);
    after(1);
    assert_int_equal(progress("local").decided, 0);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 0);
    assert_int_equal(desk_entries(&d, TREE_ACTOR), 0);
    assert_int_equal(desk_state(&d).publishers, 0);
    sender = (struct sender){.actor = "local", .publisher = {7}};
    send_next("case:scraped:hse:1:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_DECIDED);
}

static void one_with_an_outbox_is_kept_for_long(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    sender_ack(&d, &sender, 1, false);
    sender_ack(&d, &sender, 1, true);
    after(399 * 24);
    assert_int_equal(progress("local").decided, 1);
    after(24);
    assert_int_equal(progress("local").decided, 0);
}

static void a_poll_is_a_sign_of_life(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    for (int i = 0; i < 3; i++) {
        d.clock += 23 * HOUR;
        sender_ack(&d, &sender, 1, false);
        after(1);
        assert_int_equal(progress("local").decided, 1);
    }
}

static void set_publishers(uint64_t publishers)
{
    struct key key = key_text(casebus_cstr("local"));
    struct actor_entry actor = {.publishers = publishers};
    assert_int_equal(txn_begin(d.txn), 0);
    txn_save(d.txn, TREE_ACTOR, &key, ENTRY_ACTOR, &actor);
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
}

static void an_actor_has_so_many_publishers_and_no_more(void **state)
{
    (void)state;
    send_next("case:scraped:hse:1:", GOOD);
    set_publishers(CASEBUS_PUBLISHERS_MAX);
    struct sender first = sender;
    sender = (struct sender){.actor = "local", .publisher = {8}};
    uint64_t digest = desk_digest(&d);
    send_number(1, "case:scraped:hse:2:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_CROWDED);
    assert_true(digest == desk_digest(&d));
    sender.actor = "ann";
    send_number(1, "case:scraped:hse:3:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_DECIDED); /* another actor has his own */
    sender = first;
    send_next("case:scraped:hse:4:", GOOD);
    assert_int_equal(d.result.effect, EFFECT_DECIDED); /* and so has one who was there before */
    set_publishers(1);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, open_desk, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_number_is_decided),
        TEST(a_number_decided_before_has_no_effect),
        TEST(a_number_beyond_a_hole_has_no_effect),
        TEST(another_check_has_no_effect),
        TEST(another_actor_moves_only_his_own),
        TEST(a_refused_report_does_not_block_and_is_told),
        TEST(an_unreadable_rest_is_decided_all_the_same),
        TEST(a_void_takes_the_place_of_its_report),
        TEST(a_void_says_nothing_of_a_session),
        TEST(the_rejects_list_is_bounded),
        TEST(one_without_an_outbox_is_forgotten_after_a_day),
        TEST(one_with_an_outbox_is_kept_for_long),
        TEST(a_poll_is_a_sign_of_life),
        TEST(an_actor_has_so_many_publishers_and_no_more),
    };
    return cmocka_run_group_tests_name("apply: numbered reports", tests, NULL, NULL);
}
