/* A hash is the same whichever way it is made: with what this processor has, and with what all
 * have. Stores move from one to the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hash.h>

#define MOST 5000 /* several blocks of a long input */

static const uint64_t seeds[] = {0, 1, UINT64_C(0x9e3779b97f4a7c15), UINT64_MAX};
static unsigned char bytes[MOST + 64];

static void fill(void)
{
    uint32_t n = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        n = n * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(n >> 24);
    }
}

static void any_way_of_hashing_gives_the_same(void **state)
{
    (void)state;
    fill();
    for (size_t size = 0; size <= MOST; size += size < 1200 ? 1 : 97) {
        const unsigned char *at = bytes + size % 64;
        for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
            const uint64_t seed = seeds[i];
            assert_true(hash_64(at, size, seed) == XXH3_64bits_withSeed(at, size, seed));
            assert_true(XXH128_isEqual(hash_128(at, size, seed),
                                       XXH3_128bits_withSeed(at, size, seed)));
        }
    }
}

/* What is in stores already: XXH3 of 256 bytes from 0 on, as xxhsum gives it. */
static void it_is_the_hash_that_stores_have(void **state)
{
    (void)state;
    for (size_t i = 0; i < 256; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_true(hash_64(bytes, 256, 0) == UINT64_C(0x9408a4433b952d71));
    const XXH128_hash_t wide = hash_128(bytes, 256, 0);
    assert_true(wide.high64 == UINT64_C(0xf1f8a93f50849ac3) &&
                wide.low64 == UINT64_C(0x9408a4433b952d71));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_way_of_hashing_gives_the_same),
        cmocka_unit_test(it_is_the_hash_that_stores_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
