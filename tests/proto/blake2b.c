/* Our BLAKE2b beside libsodium's. */
#include "blake2b.h"

#include "proto/test.h"

#include <sodium/crypto_generichash.h>

#define LONGEST 700 /* five blocks and some */

static unsigned char input[LONGEST];

static void fill(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < LONGEST; i++) {
        x = x * 1664525 + 1013904223;
        input[i] = (unsigned char)(x >> 24);
    }
}

static void every_length_has_the_digest_that_libsodium_gives(void **state)
{
    (void)state;
    fill();
    for (size_t size = 0; size <= LONGEST; size++) {
        unsigned char ours[16], theirs[16];
        struct blake2b b;
        blake2b_init(&b, sizeof ours);
        blake2b_update(&b, input, size);
        blake2b_final(&b, ours, sizeof ours);
        crypto_generichash(theirs, sizeof theirs, input, size, NULL, 0);
        assert_memory_equal(ours, theirs, sizeof ours);
    }
}

static void it_does_not_matter_where_the_input_is_cut(void **state)
{
    (void)state;
    fill();
    unsigned char whole[64], parts[64];
    crypto_generichash(whole, sizeof whole, input, LONGEST, NULL, 0);
    for (size_t first = 0; first <= 300; first++) {
        for (size_t second = 0; second <= 260; second += 13) {
            struct blake2b b;
            blake2b_init(&b, sizeof parts);
            blake2b_update(&b, input, first);
            blake2b_update(&b, input + first, second);
            blake2b_update(&b, input + first + second, LONGEST - first - second);
            blake2b_final(&b, parts, sizeof parts);
            assert_memory_equal(parts, whole, sizeof parts);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_has_the_digest_that_libsodium_gives),
        cmocka_unit_test(it_does_not_matter_where_the_input_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
