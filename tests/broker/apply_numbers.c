/* Numbered reports: each decided once, in order, by its check; refusals kept until taken. */
#include "desk.h"

#include <string.h>

struct sender {
    const char *actor;
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE];
    uint64_t number;
    unsigned char check[CASEBUS_CHECK_SIZE];
};

static struct desk d;
static struct sender sender;

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    sender = (struct sender){.actor = "local", .publisher = {7}};
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    unsigned findings = desk_findings(&d);
    desk_close(&d);
    return findings == 0 ? 0 : -1;
}

static void apply_as(const char *actor, const char *topic, const msgpack_sbuffer *body)
{
    struct apply_entry entry = {
        .kind = APPLY_REPORT,
        .at = d.clock += 1000000,
        .actor = casebus_cstr(actor),
        .topic = casebus_cstr(topic),
        .body = casebus_bytes(body->data, body->size),
    };
    desk_apply(&d, &entry);
}

static void encode(struct sender *s, uint64_t number, const char *data, msgpack_sbuffer *body)
{
    msgpack_sbuffer packed;
    msgpack_sbuffer_init(&packed);
    desk_pack(data, &packed);
    struct casebus_report_parts parts = {
        .publisher = s->publisher,
        .number = number,
        .check = s->check,
        .data = casebus_bytes(packed.data, packed.size),
    };
    assert_int_equal(casebus_report_encode(&parts, body), 0);
    msgpack_sbuffer_destroy(&packed);
}

static void advance(struct sender *s, const char *topic, const msgpack_sbuffer *body)
{
    struct casebus_report_head head;
    unsigned char hash[CASEBUS_HASH_SIZE];
    struct casebus_bytes bytes = casebus_bytes(body->data, body->size);
    assert_int_equal(casebus_report_head_decode(bytes, &head), 0);
    casebus_report_hash(casebus_cstr(topic), bytes, head.check_at, hash);
    casebus_check_next(s->check, hash);
    s->number++;
}

/* Sends the next number and moves on. */
static void send_next(const char *topic, const char *data)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    encode(&sender, sender.number + 1, data, &body);
    apply_as(sender.actor, topic, &body);
    advance(&sender, topic, &body);
    msgpack_sbuffer_destroy(&body);
}

static void send_number(uint64_t number, const char *topic, const char *data)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    encode(&sender, number, data, &body);
    apply_as(sender.actor, topic, &body);
    msgpack_sbuffer_destroy(&body);
}

static struct publisher_entry progress(const char *actor)
{
    struct publisher_entry p = {.decided = 0};
    struct txn *txn;
    struct key key = key_publisher(casebus_cstr(actor), sender.publisher);
    assert_int_equal(txn_new_read(d.store, &txn), 0);
    assert_int_equal(txn_begin(txn), 0);
    txn_load(txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &p);
    txn_destroy(&txn);
    return p;
}

static void ack(uint64_t after)
{
    msgpack_sbuffer body;
    msgpack_packer pk;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, casebus_bytes(sender.publisher, sizeof sender.publisher));
    casebus_pack_text(&pk, "after");
    msgpack_pack_uint64(&pk, after);
    struct apply_entry entry = {
        .kind = APPLY_ACK,
        .at = d.clock,
        .actor = casebus_cstr("local"),
        .body = casebus_bytes(body.data, body.size),
    };
    desk_apply(&d, &entry);
    msgpack_sbuffer_destroy(&body);
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
    encode(&sender, 1, GOOD, &body);
    body.data[body.size - 1] = (char)0xc1; /* no msgpack type */
    apply_as("local", "case:scraped:hse:1:", &body);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REJECTED);
    advance(&sender, "case:scraped:hse:1:", &body);
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
    apply_as("local", "case:scraped:hse:1:", &body);
    msgpack_sbuffer_destroy(&body);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_VOID);
    casebus_check_next(sender.check, hash);
    sender.number = 1;
    send_next("case:scraped:hse:1:", GOOD);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

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
        TEST(the_rejects_list_is_bounded),
    };
    return cmocka_run_group_tests_name("apply: numbered reports", tests, NULL, NULL);
}
