/* The store's own promises: durable commits, checksums, sticky errors, one writer, rollback. */
#include "desk.h"
#include "placed_key.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct desk d;

static struct casebus_bytes text(const char *s)
{
    return casebus_cstr(s);
}

static void put(const char *key, const char *value)
{
    txn_put(d.txn, TREE_CASE, text(key), text(value));
}

static bool holds(const char *key, const char *value)
{
    struct casebus_bytes found;
    return txn_get(d.txn, TREE_CASE, text(key), &found) && casebus_bytes_is(found, value);
}

static void what_is_put_is_seen_in_the_transaction_and_after_it(void **state)
{
    (void)state;
    assert_int_equal(txn_begin(d.txn), 0);
    put("a", "1");
    assert_true(holds("a", "1"));
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
    desk_reopen(&d);
    assert_int_equal(txn_begin(d.txn), 0);
    assert_true(holds("a", "1"));
    txn_end(d.txn);
}

static void a_rollback_takes_back_what_came_since_the_mark(void **state)
{
    (void)state;
    struct key key = key_text(text("a"));
    assert_int_equal(txn_begin(d.txn), 0);
    put("a", "1");
    struct txn_mark mark = txn_mark(d.txn);
    put("a", "2");
    put("b", "2");
    txn_delete(d.txn, TREE_CASE, &key);
    assert_false(holds("a", "2"));
    assert_true(txn_rollback(d.txn, mark));
    assert_true(holds("a", "1"));
    assert_false(holds("b", "2"));
    txn_end(d.txn);
}

static uint64_t saved(const struct key *key)
{
    struct head_entry head = {0};
    return txn_load(d.txn, TREE_HEAD, key, ENTRY_HEAD, &head) ? head.seq : 0;
}

static void save(const struct key *key, uint64_t seq)
{
    const struct head_entry head = {.seq = seq};
    txn_save(d.txn, TREE_HEAD, key, ENTRY_HEAD, &head);
}

static void an_entry_is_taken_back_to_what_it_was_at_the_mark(void **state)
{
    (void)state;
    struct key old = key_text(text("old")), gone = key_text(text("gone")),
               new = key_text(text("new"));
    assert_int_equal(txn_begin(d.txn), 0);
    save(&old, 1);
    save(&gone, 2);
    struct txn_mark mark = txn_mark(d.txn);
    for (int again = 0; again < 2; again++) {
        save(&old, 11);
        save(&old, 12);
        txn_delete(d.txn, TREE_HEAD, &gone);
        save(&gone, 13);
        save(&new, 14);
        assert_int_equal(saved(&old) + saved(&gone) + saved(&new), 12 + 13 + 14);
        assert_true(txn_rollback(d.txn, mark));
        assert_int_equal(saved(&old), 1);
        assert_int_equal(saved(&gone), 2);
        assert_int_equal(saved(&new), 0);
    }
    txn_end(d.txn);
}

static void only_what_came_since_the_newest_mark_is_taken_back(void **state)
{
    (void)state;
    struct key key = key_text(text("a"));
    assert_int_equal(txn_begin(d.txn), 0);
    struct txn_mark first = txn_mark(d.txn);
    save(&key, 1);
    struct txn_mark second = txn_mark(d.txn);
    save(&key, 2);
    assert_false(txn_rollback(d.txn, first));
    assert_true(txn_rollback(d.txn, second));
    assert_int_equal(saved(&key), 1);
    txn_end(d.txn);
}

static void a_rollback_does_not_reach_past_a_flush(void **state)
{
    (void)state;
    assert_int_equal(txn_begin(d.txn), 0);
    struct txn_mark mark = txn_mark(d.txn);
    put("a", "1");
    assert_int_equal(txn_flush(d.txn), 0);
    assert_false(txn_rollback(d.txn, mark));
    txn_end(d.txn);
}

static void an_ended_write_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(txn_begin(d.txn), 0);
    put("a", "1");
    txn_end(d.txn);
    assert_int_equal(txn_begin(d.txn), 0);
    assert_false(holds("a", "1"));
    txn_end(d.txn);
}

static void the_first_error_stays_and_the_commit_returns_it(void **state)
{
    (void)state;
    assert_int_equal(txn_begin(d.txn), 0);
    put("a", "1");
    txn_fail(d.txn, CASEBUS_EINTERNAL);
    txn_fail(d.txn, CASEBUS_EIO);
    put("b", "1");
    assert_false(holds("a", "1"));
    assert_int_equal(txn_commit(d.txn), CASEBUS_EINTERNAL);
    txn_end(d.txn);
    assert_int_equal(txn_begin(d.txn), 0);
    assert_false(holds("a", "1"));
    txn_end(d.txn);
}

static void a_read_sees_the_commit_before_it_began(void **state)
{
    (void)state;
    struct txn *read;
    struct casebus_bytes value;
    assert_int_equal(txn_new_read(d.store, &read), 0);
    assert_int_equal(txn_begin(read), 0);
    assert_int_equal(txn_begin(d.txn), 0);
    put("a", "1");
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
    assert_false(txn_get(read, TREE_CASE, text("a"), &value));
    txn_end(read);
    assert_int_equal(txn_begin(read), 0);
    assert_true(txn_get(read, TREE_CASE, text("a"), &value));
    txn_destroy(&read);
}

static void put_event(uint64_t seq, const char *body)
{
    struct key key = key_number(seq);
    struct log_entry log = {.topic = text("case:created:hse:1"), .body = text(body)};
    txn_save(d.txn, TREE_LOG, &key, ENTRY_LOG, &log);
}

static void commit_events(uint64_t first, const char *body)
{
    assert_int_equal(txn_begin(d.txn), 0);
    for (uint64_t seq = first; seq < first + 3; seq++) {
        put_event(seq, body);
    }
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
}

static bool reads(struct txn *read, uint64_t seq, const char *body)
{
    struct log_entry log;
    return txn_log(read, seq, &log) && casebus_bytes_is(log.body, body);
}

static void events_found_ahead_are_those_that_are_there(void **state)
{
    (void)state;
    struct txn *read;
    const uint64_t seqs[] = {1002, 1000, 7777, 1000, 1001};
    commit_events(1000, "first");
    assert_int_equal(txn_new_read(d.store, &read), 0);
    assert_int_equal(txn_begin(read), 0);
    txn_log_ahead(read, seqs, 5);
    assert_true(reads(read, 1002, "first"));
    assert_true(reads(read, 1001, "first")); /* out of turn */
    assert_true(reads(read, 1000, "first"));
    assert_false(reads(read, 7777, "first"));
    assert_int_equal(txn_error(read), 0);
    commit_events(1000, "second");
    assert_true(reads(read, 1000, "first")); /* the one that was found, in this snapshot */
    assert_int_equal(txn_refresh(read), 0);
    assert_true(reads(read, 1001, "second")); /* nothing is ahead in the next */
    txn_destroy(&read);
}

/* Writes through LMDB itself, past the checksums. */
static void tamper_key(enum tree tree, struct casebus_bytes key, const char *value, size_t size)
{
    struct placed_key room;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val v = {size, (void *)(uintptr_t)value};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, TREE_COUNT), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 256u << 20), 0);
    assert_int_equal(mdb_env_open(env, d.dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, tree_place(tree), 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, place_key(&room, tree, key), &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void tamper(enum tree tree, const char *key, const char *value, size_t size)
{
    tamper_key(tree, text(key), value, size);
}

static void close_for_tampering(void)
{
    apply_destroy(&d.apply);
    txn_destroy(&d.txn);
    store_close(&d.store);
}

static void reopen_after_tampering(void)
{
    struct store_options options = {.dir = d.dir, .map_bytes = 256u << 20};
    char why[4500];
    assert_int_equal(store_open(&d.store, &options, why, sizeof why), 0);
    assert_int_equal(txn_new_write(d.store, &d.txn), 0);
    assert_int_equal(apply_new(&d.apply, d.txn), 0);
}

static void a_value_without_its_checksum_is_never_served(void **state)
{
    (void)state;
    close_for_tampering();
    tamper(TREE_CASE, "a", "anything at all", 15);
    tamper(TREE_CASE, "b", "x", 1);
    reopen_after_tampering();
    for (const char *key = "a"; *key; key = *key == 'a' ? "b" : "") {
        assert_int_equal(txn_begin(d.txn), 0);
        assert_false(holds(key, "x"));
        assert_int_equal(txn_error(d.txn), CASEBUS_ECORRUPT);
        txn_end(d.txn);
    }
}

static void an_event_found_ahead_is_checked_when_it_is_taken(void **state)
{
    (void)state;
    struct txn *read;
    const uint64_t seqs[] = {1000, 1001};
    struct key key = key_number(1001);
    commit_events(1000, "x");
    close_for_tampering();
    tamper_key(TREE_LOG, key_bytes(&key), "anything at all", 15);
    reopen_after_tampering();
    assert_int_equal(txn_new_read(d.store, &read), 0);
    assert_int_equal(txn_begin(read), 0);
    txn_log_ahead(read, seqs, 2);
    assert_true(reads(read, 1000, "x"));
    assert_int_equal(txn_error(read), 0);
    assert_false(reads(read, 1001, "x"));
    assert_int_equal(txn_error(read), CASEBUS_ECORRUPT);
    txn_destroy(&read);
}

static void a_corrupt_record_refuses_its_report_and_no_other(void **state)
{
    (void)state;
    close_for_tampering();
    tamper(TREE_CASE, "hse:2", "not an entry at all", 19);
    reopen_after_tampering();
    desk_begin(&d);
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    desk_report(&d, "case:scraped:hse:2:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.fault.code, CASEBUS_EINTERNAL);
    desk_report(&d, "case:scraped:hse:3:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    desk_end(&d);
    assert_int_equal(desk_state(&d).cases, 2);
}

/* found = created + updated + existing + errors, whatever a report was refused for. */
static void a_corrupt_record_is_an_error_of_its_session(void **state)
{
    (void)state;
    desk_report(&d, "session:started:hse:s1:", NULL);
    close_for_tampering();
    tamper(TREE_CASE, "hse:2", "not an entry at all", 19);
    reopen_after_tampering();
    d.session = "s1";
    desk_report(&d, "case:scraped:hse:2:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.fault.code, CASEBUS_EINTERNAL);
    desk_report(&d, "session:ended:hse:s1:", "{'status': 'completed'}");
    assert_string_equal(desk_at(&d, "payload/errors_count"), "1");
}

/* Neither a session that cannot be read nor a row of the index is in the way of the others. */
static void a_corrupt_session_stops_no_tick(void **state)
{
    (void)state;
    desk_report(&d, "session:started:hse:s1:", NULL);
    desk_report(&d, "session:started:hse:s2:", NULL);
    desk_report(&d, "session:started:hse:s3:", NULL);
    close_for_tampering();
    tamper(TREE_SESSION, "hse:s1", "not an entry at all", 19);
    tamper(TREE_ACTIVE, "hse:s2", "no checksum", 11);
    reopen_after_tampering();
    for (int i = 0; i < CASEBUS_LEASE_TICKS + 1; i++) {
        desk_tick(&d, "['hse:s1']");
        assert_int_equal(d.result.fault.code, 0);
    }
    assert_string_equal(desk_events(&d), "lost s2 lost s3");
}

static void a_corrupt_agency_is_not_set_and_others_are(void **state)
{
    (void)state;
    struct agency_entry agency;
    desk_set(&d, "{'agency': 'ea', 'name': 'A'}");
    close_for_tampering();
    tamper(TREE_AGENCY, "ea", "not an entry at all", 19);
    reopen_after_tampering();
    desk_begin(&d);
    desk_set(&d, "{'agency': 'ea', 'name': 'B'}");
    assert_int_equal(d.result.fault.code, CASEBUS_EINTERNAL);
    desk_set(&d, "{'agency': 'hse', 'name': 'B'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    desk_end(&d);
    assert_int_equal(desk_state(&d).agencies, 2);
    assert_true(desk_agency(&d, "hse", &agency));
}

static void ack(const unsigned char *publisher, uint64_t after)
{
    msgpack_sbuffer body;
    msgpack_packer pk;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, casebus_bytes(publisher, CASEBUS_PUBLISHER_SIZE));
    casebus_pack_text(&pk, "after");
    msgpack_pack_uint64(&pk, after);
    struct apply_entry entry = {.kind = APPLY_ACK,
                                .at = d.clock,
                                .actor = text("local"),
                                .body = casebus_bytes(body.data, body.size)};
    desk_apply(&d, &entry);
    msgpack_sbuffer_destroy(&body);
}

/* Number 1 of this publisher, which nothing can be made of. */
static void send_refused(const unsigned char *publisher)
{
    msgpack_sbuffer body;
    unsigned char check[CASEBUS_CHECK_SIZE] = {0};
    struct casebus_report_parts parts = {.publisher = publisher, .number = 1, .check = check};
    msgpack_sbuffer_init(&body);
    assert_int_equal(casebus_report_encode(&parts, &body), 0);
    desk_raw(&d, "case:scraped:hse:1:", body.data, body.size);
    msgpack_sbuffer_destroy(&body);
}

/* desk_apply() asserts that the batch goes on: the broker would end with it. */
static void a_corrupt_publisher_stops_nobody_else(void **state)
{
    (void)state;
    static const unsigned char lost[CASEBUS_PUBLISHER_SIZE] = {1},
                               sound[CASEBUS_PUBLISHER_SIZE] = {2};
    struct key publisher = key_publisher(text("local"), lost);
    struct key other = key_publisher(text("local"), sound);
    struct key refusal = key_refusal(&other, 1);
    send_refused(lost);
    send_refused(sound);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 2);
    close_for_tampering();
    tamper_key(TREE_PUBLISHER, key_bytes(&publisher), "x", 1);
    tamper_key(TREE_REFUSAL, key_bytes(&refusal), "x", 1);
    reopen_after_tampering();
    desk_begin(&d);
    send_refused(lost);
    assert_int_equal(d.result.effect, EFFECT_DIVERGED);
    ack(lost, 1);
    ack(sound, 1);
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    desk_end(&d);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 1);
    assert_int_equal(desk_entries(&d, TREE_PUBLISHER), 2);
}

/* A state that is gone is not a new store: its log would be written over. */
static void a_store_without_its_state_is_refused(void **state)
{
    (void)state;
    struct store *other;
    struct store_options options = {.dir = d.dir, .map_bytes = 256u << 20};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    struct placed_key room;
    char why[4500];
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    close_for_tampering();
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, TREE_COUNT), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 256u << 20), 0);
    assert_int_equal(mdb_env_open(env, d.dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, tree_place(TREE_META), 0, &dbi), 0);
    assert_int_equal(mdb_del(txn, dbi, place_key(&room, TREE_META, text("state")), NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    assert_int_equal(store_open(&other, &options, why, sizeof why), CASEBUS_ECORRUPT);
    assert_null(other);
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    struct store *other;
    struct store_options options = {.dir = d.dir, .map_bytes = 256u << 20};
    char why[4500];
    assert_int_equal(store_open(&other, &options, why, sizeof why), CASEBUS_ELOCKED);
    assert_non_null(strstr(why, d.dir));
    assert_null(other);
}

static void a_full_map_is_no_space_and_keeps_what_was_there(void **state)
{
    (void)state;
    static char large[1 << 20];
    apply_destroy(&d.apply);
    txn_destroy(&d.txn);
    store_close(&d.store);
    struct store_options options = {.dir = d.dir, .map_bytes = 24u << 20};
    char why[4500];
    assert_int_equal(store_open(&d.store, &options, why, sizeof why), 0);
    assert_int_equal(txn_new_write(d.store, &d.txn), 0);
    assert_int_equal(apply_new(&d.apply, d.txn), 0);
    int rc = 0;
    unsigned n = 0;
    while (rc == 0 && n < 100) {
        struct key key = key_number(++n);
        assert_int_equal(txn_begin(d.txn), 0);
        txn_put(d.txn, TREE_LOG, key_bytes(&key), casebus_bytes(large, sizeof large));
        rc = txn_commit(d.txn);
        txn_end(d.txn);
    }
    assert_int_equal(rc, CASEBUS_ENOSPC);
    assert_true(n > 3);
    assert_int_equal(desk_entries(&d, TREE_LOG), n - 1);
}

static void a_store_of_another_layout_is_refused(void **state)
{
    (void)state;
    struct state s;
    struct store_options options = {.dir = d.dir, .map_bytes = 256u << 20};
    char why[4500];
    assert_int_equal(txn_begin(d.txn), 0);
    assert_true(txn_state(d.txn, &s));
    s.schema = SCHEMA_VERSION + 1;
    txn_set_state(d.txn, &s);
    assert_int_equal(txn_commit(d.txn), 0);
    close_for_tampering();
    assert_int_equal(store_open(&d.store, &options, why, sizeof why), CASEBUS_ESCHEMA);
}

static unsigned next_random(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

/* A key that begins as others do, and differs from them in its last bytes or in its size. */
static struct key any_key(uint64_t *random)
{
    static const unsigned char bytes[] = {0, 1, 0x7f, 0xff};
    struct key key = {.size = 1 + next_random(random, 20)};
    memset(key.data, 1, key.size);
    for (size_t i = 0; i < 4 && i < key.size; i++) {
        key.data[key.size - 1 - i] = bytes[next_random(random, 4)];
    }
    return key;
}

static void keys_stand_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    struct cursor c;
    struct key before = {.size = 0};
    uint64_t random = 1;
    unsigned found = 0;
    assert_int_equal(txn_begin(d.txn), 0);
    for (unsigned n = 0; n < 2000; n++) {
        struct key key = any_key(&random);
        txn_put(d.txn, TREE_CASE, key_bytes(&key), text("x"));
        if (n % 10 == 9) {
            assert_int_equal(txn_flush(d.txn), 0);
        }
    }
    cursor_open(&c, d.txn, TREE_CASE);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1)); at; at = cursor_next(&c), found++) {
        assert_true(casebus_bytes_compare(key_bytes(&before), c.key) < 0);
        before = key_text(c.key);
    }
    cursor_close(&c);
    assert_int_equal(txn_error(d.txn), 0);
    assert_true(found > 1000);
    txn_end(d.txn);
}

static bool stands_at(const struct cursor *c, bool at, const char *key)
{
    return at && casebus_bytes_is(c->key, key);
}

/* LMDB holds them in one: neither end of a tree is where another begins. */
static void trees_that_share_are_apart(void **state)
{
    (void)state;
    static const enum tree full[] = {TREE_AGENCY, TREE_ACTOR, TREE_SESSION};
    static const enum tree empty[] = {TREE_HEAD, TREE_PUBLISHER};
    struct cursor c;
    struct casebus_bytes value;
    assert_int_equal(txn_begin(d.txn), 0);
    for (size_t i = 0; i < 3; i++) {
        txn_put(d.txn, full[i], text("b"), text("1"));
        txn_put(d.txn, full[i], text("d"), text("2"));
    }
    assert_int_equal(txn_flush(d.txn), 0);
    for (size_t i = 0; i < 3; i++) {
        cursor_open(&c, d.txn, full[i]);
        assert_true(stands_at(&c, cursor_seek(&c, text("a")), "b"));
        assert_true(stands_at(&c, cursor_next(&c), "d"));
        assert_true(cursor_found_by_key(&c));
        assert_false(cursor_next(&c));
        assert_false(cursor_seek(&c, text("e")));
        assert_true(stands_at(&c, cursor_last(&c), "d"));
        assert_true(stands_at(&c, cursor_before(&c, text("z")), "d"));
        assert_true(stands_at(&c, cursor_before(&c, text("d")), "b"));
        assert_false(cursor_before(&c, text("b")));
        cursor_close(&c);
        assert_false(txn_get(d.txn, full[i], text("c"), &value));
    }
    for (size_t i = 0; i < 2; i++) {
        cursor_open(&c, d.txn, empty[i]);
        assert_false(cursor_seek(&c, casebus_bytes("", 1)));
        assert_false(cursor_last(&c));
        assert_false(cursor_before(&c, text("z")));
        cursor_close(&c);
        assert_false(txn_get(d.txn, empty[i], text("b"), &value));
    }
    assert_int_equal(txn_error(d.txn), 0);
    txn_end(d.txn);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, desk_set_up, desk_shut, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_seen_in_the_transaction_and_after_it),
        TEST(a_rollback_takes_back_what_came_since_the_mark),
        TEST(an_entry_is_taken_back_to_what_it_was_at_the_mark),
        TEST(only_what_came_since_the_newest_mark_is_taken_back),
        TEST(a_rollback_does_not_reach_past_a_flush),
        TEST(an_ended_write_leaves_nothing),
        TEST(the_first_error_stays_and_the_commit_returns_it),
        TEST(a_read_sees_the_commit_before_it_began),
        TEST(events_found_ahead_are_those_that_are_there),
        TEST(an_event_found_ahead_is_checked_when_it_is_taken),
        TEST(a_value_without_its_checksum_is_never_served),
        TEST(a_corrupt_record_refuses_its_report_and_no_other),
        TEST(a_corrupt_record_is_an_error_of_its_session),
        TEST(a_corrupt_session_stops_no_tick),
        TEST(a_corrupt_agency_is_not_set_and_others_are),
        TEST(a_corrupt_publisher_stops_nobody_else),
        TEST(a_store_without_its_state_is_refused),
        TEST(a_second_writer_is_refused),
        TEST(a_full_map_is_no_space_and_keeps_what_was_there),
        TEST(a_store_of_another_layout_is_refused),
        TEST(keys_stand_in_the_order_of_their_bytes),
        TEST(trees_that_share_are_apart),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
