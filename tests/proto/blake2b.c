/* Our BLAKE2b beside libsodium's: in every way to hash several messages that this machine has,
 * the plain one among them. */
#include "blake2b_lanes.h"

#include "proto/test.h"

#include <sodium/crypto_generichash.h>

#define LONGEST 700 /* five blocks and some */
#define MOST 40     /* messages at once: some lanes take a fifth and a sixth */

static unsigned char input[LONGEST];
static const struct blake2b_way *ways[BLAKE2B_WAYS];
static size_t way_count;

static int setup(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < LONGEST; i++) {
        x = x * 1664525 + 1013904223;
        input[i] = (unsigned char)(x >> 24);
    }
    way_count = casebus_blake2b_ways(ways);
    return 0;
}

static void assert_digest(const unsigned char *digest, size_t digest_size, size_t from,
                          size_t size, const struct blake2b_way *way)
{
    unsigned char theirs[64];
    crypto_generichash(theirs, digest_size, input + from, size, NULL, 0);
    if (memcmp(digest, theirs, digest_size) != 0) {
        print_message("%s, %zu bytes:\n", way->name, size);
    }
    assert_memory_equal(digest, theirs, digest_size);
}

static void every_length_has_the_digest_that_libsodium_gives(void **state)
{
    (void)state;
    for (size_t w = 0; w < way_count; w++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            unsigned char digest[16];
            struct blake2b_message message = {.part = {casebus_bytes(input, size)},
                                              .digest = digest};
            casebus_blake2b_by(ways[w], &message, 1, sizeof digest);
            assert_digest(digest, sizeof digest, 0, size, ways[w]);
        }
    }
}

static void it_does_not_matter_where_the_input_is_cut(void **state)
{
    (void)state;
    for (size_t first = 0; first <= 300; first++) {
        for (size_t second = 0; second <= 260; second += 13) {
            unsigned char digest[64];
            struct blake2b_message message = {
                .part = {casebus_bytes(input, first), casebus_bytes(input + first, second),
                         casebus_bytes(input + first + second, LONGEST - first - second)},
                .digest = digest,
            };
            casebus_blake2b(&message, 1, sizeof digest);
            assert_digest(digest, sizeof digest, 0, LONGEST, ways[0]);
        }
    }
}

/* Messages of these sizes, each from another place and cut once, at once. */
static void assert_together(const struct blake2b_way *way, const size_t *sizes, size_t count)
{
    struct blake2b_message messages[MOST] = {{.digest = NULL}};
    unsigned char digests[MOST][32];
    for (size_t i = 0; i < count; i++) {
        size_t from = i % (LONGEST - sizes[i] + 1), cut = sizes[i] * i / MOST;
        messages[i] = (struct blake2b_message){
            .part = {casebus_bytes(input + from, cut),
                     casebus_bytes(input + from + cut, sizes[i] - cut)},
            .digest = digests[i],
        };
    }
    casebus_blake2b_by(way, messages, count, sizeof digests[0]);
    for (size_t i = 0; i < count; i++) {
        assert_digest(digests[i], sizeof digests[i], i % (LONGEST - sizes[i] + 1), sizes[i],
                      way);
    }
}

static void any_number_of_one_length_is_hashed_as_each_is(void **state)
{
    (void)state;
    for (size_t w = 0; w < way_count; w++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            size_t sizes[MOST];
            for (size_t i = 0; i < MOST; i++) {
                sizes[i] = size;
            }
            assert_together(ways[w], sizes, 1 + size % MOST);
            assert_together(ways[w], sizes, BLAKE2B_LANES);
        }
    }
}

static void any_number_of_mixed_lengths_is_hashed_as_each_is(void **state)
{
    (void)state;
    uint32_t x = 7;
    for (size_t w = 0; w < way_count; w++) {
        for (size_t round = 0; round < 50; round++) {
            for (size_t count = 0; count <= MOST; count++) {
                size_t sizes[MOST];
                for (size_t i = 0; i < count; i++) {
                    x = x * 1664525 + 1013904223;
                    sizes[i] = (x >> 16) % (LONGEST + 1);
                    sizes[i] = x >> 30 == 0 ? sizes[i] % 130 : sizes[i];
                }
                assert_together(ways[w], sizes, count);
            }
        }
    }
}

static void a_digest_may_replace_what_was_hashed(void **state)
{
    (void)state;
    for (size_t w = 0; w < way_count; w++) {
        unsigned char data[BLAKE2B_LANES][24];
        struct blake2b_message messages[BLAKE2B_LANES];
        for (size_t i = 0; i < BLAKE2B_LANES; i++) {
            memcpy(data[i], input + i, 24);
            messages[i] = (struct blake2b_message){.part = {casebus_bytes(data[i], 24)},
                                                   .digest = data[i] + 8};
        }
        casebus_blake2b_by(ways[w], messages, BLAKE2B_LANES, 16);
        for (size_t i = 0; i < BLAKE2B_LANES; i++) {
            assert_digest(data[i] + 8, 16, i, 24, ways[w]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_has_the_digest_that_libsodium_gives),
        cmocka_unit_test(it_does_not_matter_where_the_input_is_cut),
        cmocka_unit_test(any_number_of_one_length_is_hashed_as_each_is),
        cmocka_unit_test(any_number_of_mixed_lengths_is_hashed_as_each_is),
        cmocka_unit_test(a_digest_may_replace_what_was_hashed),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
