/* XXH3 for processors with wider vectors: on x86-64 this file alone is compiled for those with
 * AVX2, and xxhash.h takes the vectors it is compiled for; see hash.h. */
#include "hash.h"

/* The compiler (gcc 12) forgets to leave vectors clean behind a call that it makes a jump, and
 * all that goes by narrower ones is slow from then on. */
#if defined(__AVX2__)
#include <immintrin.h>
#define LEAVE_CLEAN() _mm256_zeroupper()
#else
#define LEAVE_CLEAN() (void)0
#endif

uint64_t hash_wide_64(const void *data, size_t size, uint64_t seed)
{
    const uint64_t result = XXH3_64bits_withSeed(data, size, seed);
    LEAVE_CLEAN();
    return result;
}

XXH128_hash_t hash_wide_128(const void *data, size_t size, uint64_t seed)
{
    const XXH128_hash_t result = XXH3_128bits_withSeed(data, size, seed);
    LEAVE_CLEAN();
    return result;
}
