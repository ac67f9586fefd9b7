/* XXH3, as the store's checksums, its table of what is put and the hash of a report's content
 * are. Long inputs are hashed in the widest vectors that the processor has, a third of the
 * time; the result is the same. */
#ifndef BROKER_HASH_H
#define BROKER_HASH_H

#define XXH_INLINE_ALL /* short inputs: the call costs more than the hash */
#include <casebus/msgpack.h>
#include <xxhash.h>

#define HASH_SHORT                                                                             \
    240 /* bytes, at most: behind them XXH3 goes by vectors (XXH3_MIDSIZE_MAX)                 \
         */

uint64_t hash_long(const void *data, size_t size, uint64_t seed);
XXH128_hash_t hash_long_128(const void *data, size_t size, uint64_t seed);

#if defined(__x86_64__)
uint64_t hash_avx2(const void *data, size_t size, uint64_t seed);
XXH128_hash_t hash_avx2_128(const void *data, size_t size, uint64_t seed);
#endif

CASEBUS_INLINE uint64_t hash(const void *data, size_t size, uint64_t seed)
{
    return size <= HASH_SHORT ? XXH3_64bits_withSeed(data, size, seed)
                              : hash_long(data, size, seed);
}

CASEBUS_INLINE XXH128_hash_t hash_128(const void *data, size_t size, uint64_t seed)
{
    return size <= HASH_SHORT ? XXH3_128bits_withSeed(data, size, seed)
                              : hash_long_128(data, size, seed);
}

#endif
