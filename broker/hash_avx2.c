/* XXH3 for processors with AVX2: this file alone is compiled for them, and xxhash.h takes the
 * vectors it is compiled for; see hash.h. */
#include "hash.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Vectors are left clean by hand: the compiler (gcc 12) leaves it out behind a call that it
 * makes a jump, and all that goes by narrower ones is slow from then on. */

uint64_t hash_avx2_64(const void *data, size_t size, uint64_t seed)
{
    const uint64_t result = XXH3_64bits_withSeed(data, size, seed);
    _mm256_zeroupper();
    return result;
}

XXH128_hash_t hash_avx2_128(const void *data, size_t size, uint64_t seed)
{
    const XXH128_hash_t result = XXH3_128bits_withSeed(data, size, seed);
    _mm256_zeroupper();
    return result;
}

#endif
