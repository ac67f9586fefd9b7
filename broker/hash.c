/* XXH3 by vectors: those of every processor of this architecture, or wider ones; see hash.h. */
#include "hash.h"

uint64_t hash_long_64(const void *data, size_t size, uint64_t seed)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return hash_avx2_64(data, size, seed);
    }
#endif
    return XXH3_64bits_withSeed(data, size, seed);
}

XXH128_hash_t hash_long_128(const void *data, size_t size, uint64_t seed)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return hash_avx2_128(data, size, seed);
    }
#endif
    return XXH3_128bits_withSeed(data, size, seed);
}
