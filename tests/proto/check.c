/* The running check, against values computed with another program's BLAKE2b. */
#include "proto/test.h"

#include <casebus/report.h>
#include <string.h>

/* {v: 1, publisher: 00 01 … 0f, number, check, data: {}} */
static struct casebus_bytes body(uint64_t number, const unsigned char *check)
{
    static const unsigned char publisher[CASEBUS_PUBLISHER_SIZE] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    struct casebus_report_parts parts = {
        .publisher = publisher, .number = number, .check = check, .data = build("{}")};
    assert_int_equal(casebus_report_encode(&parts, &out), 0);
    struct casebus_bytes kept = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return kept;
}

static void a_chain_of_three_is_as_the_protocol_says(void **state)
{
    (void)state;
    static const char *const checks[] = {"\0\0\0\0\0\0\0\0", "\x3c\x24\xcd\xab\x3f\x20\xa6\x7c",
                                         "\x62\xb9\xe3\x19\x25\xfc\xb1\x0b",
                                         "\x40\xcd\x88\x3e\x7a\x31\x4c\x64"};
    unsigned char check[CASEBUS_CHECK_SIZE] = {0};
    for (unsigned i = 0; i < 3; i++) {
        struct casebus_bytes report = body(i + 1, check);
        struct casebus_report_head head;
        unsigned char hash[CASEBUS_HASH_SIZE];
        assert_memory_equal(check, checks[i], sizeof check);
        assert_int_equal(casebus_report_head_decode(report, &head), 0);
        casebus_report_hash(BYTES("case:scraped:hse:1:"), report, head.check_at, hash);
        casebus_check_next(check, hash);
    }
    assert_memory_equal(check, checks[3], sizeof check);
}

static void the_hash_leaves_out_the_pair(void **state)
{
    (void)state;
    unsigned char a[CASEBUS_HASH_SIZE], b[CASEBUS_HASH_SIZE];
    struct casebus_report_head head;
    struct casebus_bytes one = body(1, (const unsigned char *)"12345678");
    assert_int_equal(casebus_report_head_decode(one, &head), 0);
    casebus_report_hash(BYTES("t:"), one, head.check_at, a);
    casebus_report_hash(BYTES("t:"), body(1, (const unsigned char *)"87654321"), head.check_at,
                        b);
    assert_memory_equal(a, b, sizeof a);
}

static void everything_else_is_in_the_hash(void **state)
{
    (void)state;
    unsigned char first[CASEBUS_HASH_SIZE], other[CASEBUS_HASH_SIZE];
    struct casebus_bytes whole = body(1, (const unsigned char *)"12345678");
    struct casebus_report_head head;
    assert_int_equal(casebus_report_head_decode(whole, &head), 0);
    casebus_report_hash(BYTES("t:"), whole, head.check_at, first);
    for (size_t at = 0; at < whole.size; at++) {
        unsigned char copy[256];
        memcpy(copy, whole.data, whole.size);
        copy[at] ^= 1;
        casebus_report_hash(BYTES("t:"), casebus_bytes(copy, whole.size), head.check_at, other);
        if (at < head.check_at || at >= head.check_at + 16) {
            assert_memory_not_equal(first, other, sizeof first);
        } else {
            assert_memory_equal(first, other, sizeof first);
        }
    }
    casebus_report_hash(BYTES("u:"), whole, head.check_at, other);
    assert_memory_not_equal(first, other, sizeof first);
}

static void without_a_pair_everything_is_hashed(void **state)
{
    (void)state;
    static const unsigned char expected[] = {0x09, 0x73, 0x6e, 0xa9, 0x53, 0x48, 0xa8, 0xe2,
                                             0x14, 0x4d, 0x29, 0x03, 0xc4, 0xb6, 0x45, 0x41};
    unsigned char hash[CASEBUS_HASH_SIZE];
    casebus_report_hash(BYTES("case:scraped:hse:1:"), build("{v:1}"), 0, hash);
    assert_memory_equal(hash, expected, sizeof hash);
}

static void a_pair_past_the_end_is_no_pair(void **state)
{
    (void)state;
    unsigned char hash[CASEBUS_HASH_SIZE], whole[CASEBUS_HASH_SIZE];
    struct casebus_bytes short_body = build("{v:1}");
    casebus_report_hash(BYTES("t:"), short_body, 0, whole);
    casebus_report_hash(BYTES("t:"), short_body, 1, hash);
    assert_memory_equal(hash, whole, sizeof hash);
}

/* Whosesoever they are, and however many. */
static void checks_of_several_are_those_of_each(void **state)
{
    (void)state;
    struct casebus_tied tied[CASEBUS_TIED_MAX] = {{.check_at = 0}};
    unsigned char several[CASEBUS_TIED_MAX][CASEBUS_CHECK_SIZE];
    struct casebus_hashed hashed[CASEBUS_TIED_MAX] = {{.check_at = 0}};
    unsigned char hashes[CASEBUS_TIED_MAX][CASEBUS_HASH_SIZE];
    for (size_t count = 0; count <= CASEBUS_TIED_MAX; count++) {
        for (size_t i = 0; i < count; i++) {
            struct casebus_report_head head;
            memset(several[i], (int)i, sizeof several[i]);
            struct casebus_bytes report = body(i + 1, several[i]);
            assert_int_equal(casebus_report_head_decode(report, &head), 0);
            tied[i] = (struct casebus_tied){BYTES("case:scraped:hse:1:"), report, head.check_at,
                                            several[i]};
            hashed[i] =
                (struct casebus_hashed){tied[i].topic, report, head.check_at, hashes[i]};
        }
        casebus_report_hashes(hashed, count);
        casebus_checks_next(tied, count);
        for (size_t i = 0; i < count; i++) {
            unsigned char hash[CASEBUS_HASH_SIZE], alone[CASEBUS_CHECK_SIZE];
            memset(alone, (int)i, sizeof alone);
            casebus_report_hash(tied[i].topic, tied[i].body, tied[i].check_at, hash);
            assert_memory_equal(hashes[i], hash, sizeof hash);
            casebus_check_next(alone, hash);
            assert_memory_equal(several[i], alone, sizeof alone);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_three_is_as_the_protocol_says),
        cmocka_unit_test(the_hash_leaves_out_the_pair),
        cmocka_unit_test(everything_else_is_in_the_hash),
        cmocka_unit_test(without_a_pair_everything_is_hashed),
        cmocka_unit_test(a_pair_past_the_end_is_no_pair),
        cmocka_unit_test(checks_of_several_are_those_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
