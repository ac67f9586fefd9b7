/* XXH3: what the broker hashes by, where nothing is secret. Long inputs go by wider vectors
 * where the processor has them, in a third of the time, to the same result. */
#ifndef BROKER_HASH_H
#define BROKER_HASH_H

#define XXH_INLINE_ALL /* short inputs: the call costs more than the hash */
#include <casebus/msgpack.h>
#include <xxhash.h>

#define HASH_SHORT 240 /* bytes: above, XXH3 goes by vectors (its XXH3_MIDSIZE_MAX) */

uint64_t hash_long_64(const void *data, size_t size, uint64_t seed);
XXH128_hash_t hash_long_128(const void *data, size_t size, uint64_t seed);
/* Only where the processor has them. */
uint64_t hash_wide_64(const void *data, size_t size, uint64_t seed);
XXH128_hash_t hash_wide_128(const void *data, size_t size, uint64_t seed);

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
