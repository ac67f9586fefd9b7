/* XXH3, which whatever the broker hashes is hashed by that is no secret. Long inputs go by the
 * widest vectors the processor has, in a third of the time, to the same result. */
#ifndef BROKER_HASH_H
#define BROKER_HASH_H

#define XXH_INLINE_ALL /* short inputs: the call costs more than the hash */
#include <casebus/msgpack.h>
#include <xxhash.h>

#define HASH_SHORT 240 /* bytes: above, XXH3 goes by vectors (its XXH3_MIDSIZE_MAX) */

uint64_t hash_long_64(const void *data, size_t size, uint64_t seed);
XXH128_hash_t hash_long_128(const void *data, size_t size, uint64_t seed);

#if defined(__x86_64__)
uint64_t hash_avx2_64(const void *data, size_t size, uint64_t seed);
XXH128_hash_t hash_avx2_128(const void *data, size_t size, uint64_t seed);
#endif

CASEBUS_INLINE uint64_t hash_64(const void *data, size_t size, uint64_t seed)
{
    return size <= HASH_SHORT ? XXH3_64bits_withSeed(data, size, seed)
                              : hash_long_64(data, size, seed);
}

CASEBUS_INLINE XXH128_hash_t hash_128(const void *data, size_t size, uint64_t seed)
{
    return size <= HASH_SHORT ? XXH3_128bits_withSeed(data, size, seed)
                              : hash_long_128(data, size, seed);
}

#endif
