/* A record is written the same, however the report that makes it has its fields: in the order
 * of the table they are copied as one piece, and that must not show. */
#include "desk.h"

#include <string.h>

#define PLAIN                                                                                  \
    "{'case_reference': 'R', 'offender': {'name': 'Acme'}, 'offence_result': 'Guilty', "       \
    "'offence_fine_pence': 1000, 'url': 'https://a.example', 'ext': {'area': 'North'}}"

static struct desk d;

static int open_desk(void **state)
{
    (void)state;
    desk_open(&d);
    return txn_begin(d.txn);
}

static int close_desk(void **state)
{
    (void)state;
    txn_end(d.txn);
    desk_close(&d);
    return 0;
}

/* The record of a new case, as it is written for a report. */
static struct casebus_bytes written(struct casebus_bytes report)
{
    static const struct case_entry kept = {.version = 1, .inserted_at = 5, .updated_at = 5};
    const struct casebus_bytes id = casebus_cstr("hse:1");
    struct casebus_record record;
    struct casebus_fault fault;
    struct draft draft;
    struct record_place place;
    assert_int_equal(casebus_record_parse(report, true, &record, &fault), 0);
    assert_int_equal(record_merge(d.txn, NULL, &record, &draft, NULL, NULL), 0);
    unsigned char *out = txn_alloc(d.txn, draft_bound(&draft, id, &kept));
    size_t size = (size_t)(draft_put(&draft, id, &kept, out, &place) - out);
    assert_true(size <= draft_bound(&draft, id, &kept));
    struct record_place found;
    assert_true(record_find_kept(casebus_bytes(out, size), &found));
    assert_int_equal(found.kept_at, place.kept_at);
    assert_int_equal(found.kept_size, place.kept_size);
    assert_int_equal(found.kept_pairs, place.kept_pairs);
    return casebus_bytes(out, size);
}

static struct casebus_bytes packed(const char *json)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    desk_pack(json, &out);
    struct casebus_bytes copy = txn_copy(d.txn, casebus_bytes(out.data, out.size));
    msgpack_sbuffer_destroy(&out);
    return copy;
}

static void assert_same(struct casebus_bytes a, struct casebus_bytes b)
{
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
}

static void a_record_has_the_tables_order(void **state)
{
    (void)state;
    assert_same(written(packed("{'ext': {'area': 'North'}, 'url': 'https://a.example', "
                               "'case_reference': 'R', 'offender': {'name': 'Acme'}, "
                               "'offence_fine_pence': 1000, 'offence_result': 'Guilty'}")),
                written(packed(PLAIN)));
}

static void what_stands_between_fields_is_not_copied_with_them(void **state)
{
    (void)state;
    assert_same(
        written(packed("{'agency': 'hse', 'case_reference': 'R', 'offender': {'name': 'Acme'}, "
                       "'offence_action_type': null, 'offence_result': 'Guilty', "
                       "'offence_fine_pence': 1000, 'source': {'page': 7}, "
                       "'url': 'https://a.example', 'ext': {'area': 'North', 'gone': null}}")),
        written(packed(PLAIN)));
}

static void unknown_fields_stand_at_the_end(void **state)
{
    (void)state;
    assert_same(written(packed("{'zebra': 1, 'case_reference': 'R', 'apple': 2, "
                               "'offender': {'name': 'Acme'}}")),
                written(packed("{'case_reference': 'R', 'offender': {'name': 'Acme'}, "
                               "'apple': 2, 'zebra': 1}")));
}

/* The map, but the key begins with d9 and its length instead of one byte for both. */
static struct casebus_bytes with_long_head(struct casebus_bytes map, const char *key)
{
    const size_t size = strlen(key);
    const unsigned char *at = memmem(map.data, map.size, key, size);
    assert_non_null(at);
    const size_t before = (size_t)(at - 1 - map.data);
    unsigned char *out = txn_alloc(d.txn, map.size + 1);
    memcpy(out, map.data, before);
    out[before] = 0xd9;
    out[before + 1] = (unsigned char)size;
    memcpy(out + before + 2, at, map.size - before - 1);
    return casebus_bytes(out, map.size + 1);
}

static void a_key_is_written_as_short_as_it_can_be(void **state)
{
    (void)state;
    struct casebus_bytes plain = packed(PLAIN);
    assert_same(written(with_long_head(plain, "offence_result")), written(plain));
    assert_same(written(with_long_head(plain, "case_reference")), written(plain));
}

/* The record as a reply has it, of an entry that has seen the case once more since. */
static struct casebus_bytes shown(struct casebus_bytes record)
{
    const struct case_entry entry = {.version = 2,
                                     .record_seq = 1,
                                     .inserted_at = 5,
                                     .updated_at = 6,
                                     .seen_count = 3,
                                     .record = record};
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    assert_true(record_pack(d.txn, &entry, &pk));
    struct casebus_bytes copy = txn_copy(d.txn, casebus_bytes(out.data, out.size));
    msgpack_sbuffer_destroy(&out);
    return copy;
}

static void what_an_entry_has_newer_is_shown_wherever_the_record_has_it(void **state)
{
    (void)state;
    assert_same(shown(packed("{'id': 'hse:1', 'source': {'page': 7}, 'version': 1, "
                             "'inserted_at': 5, 'updated_at': 5, 'seen_count': 2, "
                             "'offence_result': 'Guilty', 'zebra': 1}")),
                packed("{'id': 'hse:1', 'version': 2, 'inserted_at': 5, 'updated_at': 6, "
                       "'seen_count': 3, 'offence_result': 'Guilty', 'zebra': 1}"));
    assert_same(shown(packed("{'id': 'hse:1', 'offence_result': 'Guilty', 'version': 1, "
                             "'inserted_at': 5, 'updated_at': 5, 'seen_count': 2, "
                             "'created_seq': 1, 'zebra': 1}")),
                packed("{'id': 'hse:1', 'offence_result': 'Guilty', 'version': 2, "
                       "'inserted_at': 5, 'updated_at': 6, 'seen_count': 3, 'zebra': 1}"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_has_the_tables_order),
        TEST(what_stands_between_fields_is_not_copied_with_them),
        TEST(unknown_fields_stand_at_the_end),
        TEST(a_key_is_written_as_short_as_it_can_be),
        TEST(what_an_entry_has_newer_is_shown_wherever_the_record_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
