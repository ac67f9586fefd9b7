/* XXH3 of long inputs, by the vectors of every processor of this architecture or by wider ones;
 * see hash.h. */
#include "hash.h"

static bool has_wide(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

uint64_t hash_long_64(const void *data, size_t size, uint64_t seed)
{
    return has_wide() ? hash_wide_64(data, size, seed) : XXH3_64bits_withSeed(data, size, seed);
}

XXH128_hash_t hash_long_128(const void *data, size_t size, uint64_t seed)
{
    return has_wide() ? hash_wide_128(data, size, seed)
                      : XXH3_128bits_withSeed(data, size, seed);
}
