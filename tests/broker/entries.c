/* What is kept under a key is read back as it was put, whatever its numbers; and a log entry's
 * word about where its event's record is, is believed no further than its event goes. */
#include "desk.h"

#include "record.h"

#include <stdio.h>
#include <string.h>

static struct desk d;

static struct casebus_bytes text(const char *s)
{
    return casebus_cstr(s);
}

static void entries_are_read_back_as_they_were(void **state)
{
    (void)state;
    struct case_entry in = {.flags = CASE_EDITED,
                            .version = 300,
                            .record_seq = UINT64_MAX,
                            .seen_count = 127,
                            .last = {1, 128, 16384},
                            .hash = {9},
                            .source = casebus_cstr("source")};
    struct case_entry out;
    unsigned char bytes[1024];
    assert_true(entry_size(ENTRY_CASE, &in) <= sizeof bytes);
    size_t size = entry_encode(ENTRY_CASE, &in, bytes);
    assert_int_equal(entry_decode(ENTRY_CASE, casebus_bytes(bytes, size), &out), 0);
    assert_true(casebus_bytes_is(out.source, "source"));
    out.source = in.source;
    assert_memory_equal(&in, &out, sizeof in);
    for (size_t cut = 1; cut < size; cut++) {
        struct case_entry part; /* every truncation is either refused or a shorter entry */
        (void)entry_decode(ENTRY_CASE, casebus_bytes(bytes, cut), &part);
    }
    assert_int_equal(entry_decode(ENTRY_CASE, casebus_bytes(bytes, size - 1), &out),
                     CASEBUS_ECORRUPT);
}

/* Numbers of all lengths, wherever the value ends behind them. */
static void numbers_of_every_length_are_read_back(void **state)
{
    (void)state;
    struct head_entry out;
    unsigned char bytes[64];
    for (unsigned bits = 0; bits < 64; bits++) {
        for (unsigned behind = 0; behind < 64; behind++) {
            const struct head_entry in = {(UINT64_C(1) << bits) + bits,
                                          (UINT64_C(1) << behind) - 1};
            size_t size = entry_encode(ENTRY_HEAD, &in, bytes);
            memset(bytes + size, 0xff, sizeof bytes - size);
            assert_int_equal(entry_decode(ENTRY_HEAD, casebus_bytes(bytes, size), &out), 0);
            assert_true(in.seq == out.seq && in.trimmed == out.trimmed);
        }
    }
    memset(bytes, 0x80, sizeof bytes); /* one that does not end, in few bytes and in many */
    assert_int_equal(entry_decode(ENTRY_HEAD, casebus_bytes(bytes, 5), &out), CASEBUS_ECORRUPT);
    assert_int_equal(entry_decode(ENTRY_HEAD, casebus_bytes(bytes, 50), &out),
                     CASEBUS_ECORRUPT);
}

static void a_log_entry_around_its_body_is_encoded_as_any(void **state)
{
    (void)state;
    static const struct record_place places[] = {{0}, {200, 60, 128, 7}};
    char room[LOG_HEAD_MAX + 64 + 300 + LOG_TAIL_MAX], body[300] = {1}, topic[64];
    unsigned char encoded[1024];
    for (size_t i = 0; i < 2; i++) {
        snprintf(topic, sizeof topic, "case:created:hse:1:");
        struct log_entry log = {.session_before = 300 * i,
                                .topic = text(topic),
                                .body = casebus_bytes(body, sizeof body),
                                .record = places[i]};
        size_t size = entry_encode(ENTRY_LOG, &log, encoded);
        unsigned char *in = (unsigned char *)room;
        log.body.data = memcpy(in + LOG_HEAD_MAX + log.topic.size, body, sizeof body);
        struct casebus_bytes value = log_entry_around(&log, in);
        assert_int_equal(value.size, size);
        assert_memory_equal(value.data, encoded, size);
    }
}

/* --- where a record is ------------------------------------------------------------------- */

/* Changes where event 1 says its record is, as it was and back again. */
static struct record_place put_place(struct record_place place)
{
    struct log_entry log;
    unsigned char encoded[4096];
    assert_int_equal(txn_begin(d.txn), 0);
    assert_true(txn_log(d.txn, 1, &log));
    struct record_place before = log.record;
    log.record = place;
    struct key key = key_number(1);
    txn_put(d.txn, TREE_LOG, key_bytes(&key),
            casebus_bytes(encoded, entry_encode(ENTRY_LOG, &log, encoded)));
    assert_int_equal(txn_commit(d.txn), 0);
    txn_end(d.txn);
    return before;
}

static int packed_record(void)
{
    struct case_entry entry;
    struct key id = key_text(text("hse:1"));
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    assert_int_equal(txn_begin(d.txn), 0);
    assert_true(txn_load(d.txn, TREE_CASE, &id, ENTRY_CASE, &entry));
    bool packed = record_pack(d.txn, &entry, &pk);
    int rc = txn_error(d.txn);
    assert_true(packed == (rc == 0) && packed == (out.size > 0));
    txn_end(d.txn);
    msgpack_sbuffer_destroy(&out);
    return rc;
}

static void a_record_outside_its_event_is_never_served(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    const struct record_place true_one = put_place((struct record_place){0});
    assert_int_equal(packed_record(), CASEBUS_ECORRUPT);
    const struct record_place lies[] = {
        {true_one.at + 10000, true_one.kept_at, true_one.kept_size, true_one.kept_pairs},
        {true_one.at, 0, true_one.kept_size, true_one.kept_pairs},
        {true_one.at, 10000, true_one.kept_size, true_one.kept_pairs},
        {true_one.at, UINT64_MAX, true_one.kept_size, true_one.kept_pairs},
        {true_one.at, true_one.kept_at, 10000, true_one.kept_pairs},
        {true_one.at, true_one.kept_at, UINT64_MAX, true_one.kept_pairs},
        {true_one.at, true_one.kept_at, true_one.kept_size, 0},
        {true_one.at, true_one.kept_at, true_one.kept_size, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        put_place(lies[i]);
        assert_int_equal(packed_record(), CASEBUS_ECORRUPT);
    }
    put_place(true_one);
    assert_int_equal(packed_record(), 0);
}

static void verify_tells_of_a_record_that_is_elsewhere(void **state)
{
    (void)state;
    desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    const struct record_place place = put_place((struct record_place){0});
    put_place(place);
    assert_int_equal(desk_findings(&d), 0);
    const struct record_place lies[] = {
        {place.at, place.kept_at - 1, place.kept_size, place.kept_pairs},
        {place.at, place.kept_at, place.kept_size - 1, place.kept_pairs},
        {place.at, place.kept_at, place.kept_size, place.kept_pairs - 1},
        {place.at, place.kept_at, place.kept_size, place.kept_pairs + 1},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        put_place(lies[i]);
        assert_int_equal(desk_findings(&d), 1);
    }
    put_place(
        (struct record_place){place.at - 1, place.kept_at, place.kept_size, place.kept_pairs});
    assert_true(desk_findings(&d) > 0); /* the case's record cannot be read either */
    put_place((struct record_place){0});
    assert_true(desk_findings(&d) > 0);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, desk_set_up, desk_shut, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_are_read_back_as_they_were),
        TEST(numbers_of_every_length_are_read_back),
        TEST(a_log_entry_around_its_body_is_encoded_as_any),
        TEST(a_record_outside_its_event_is_never_served),
        TEST(verify_tells_of_a_record_that_is_elsewhere),
    };
    return cmocka_run_group_tests_name("entries", tests, NULL, NULL);
}
