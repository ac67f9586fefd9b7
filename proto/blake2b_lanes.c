/* A block of each of eight messages at once, a lane of a vector for each; see blake2b_lanes.h.
 *
 * The code is the compiler's vectors, so it is written once for whatever has them. It is made
 * for the processors of this architecture that gain by it, and chosen when it runs: Debian's
 * are for every x86-64. Other architectures hash one message after another. */
#include "blake2b_lanes.h"

#include "blake2b_rounds.h"

#include <string.h>

static const struct blake2b_way plain = {"plain", NULL, 0};

#if defined(__x86_64__)

typedef uint64_t lane_words __attribute__((vector_size(8 * BLAKE2B_LANES)));

/* A macro, because a function that is inlined has had its vectors cut to what every x86-64 has
 * by then (gcc 12). This architecture's words are as BLAKE2b's are in memory. */
#define COMPRESS(name, processor)                                                              \
    __attribute__((target(processor))) static void name(struct blake2b_lanes *self)            \
    {                                                                                          \
        lane_words m[16], v[16], h;                                                            \
        for (int i = 0; i < 16; i++) {                                                         \
            uint64_t word[BLAKE2B_LANES];                                                      \
            for (int lane = 0; lane < BLAKE2B_LANES; lane++) {                                 \
                memcpy(&word[lane], self->block[lane] + 8 * i, 8);                             \
            }                                                                                  \
            memcpy(&m[i], word, sizeof m[i]);                                                  \
        }                                                                                      \
        memcpy(v, self->h, sizeof self->h);                                                    \
        for (int i = 0; i < 8; i++) {                                                          \
            v[8 + i] = (lane_words){0} + blake2b_iv[i];                                        \
        }                                                                                      \
        memcpy(&h, self->hashed, sizeof h);                                                    \
        v[12] ^= h;                                                                            \
        memcpy(&h, self->last, sizeof h);                                                      \
        v[14] ^= h;                                                                            \
        BLAKE2B_ROUNDS();                                                                      \
        for (int i = 0; i < 8; i++) {                                                          \
            memcpy(&h, self->h[i], sizeof h);                                                  \
            h ^= v[i] ^ v[8 + i];                                                              \
            memcpy(self->h[i], &h, sizeof h);                                                  \
        }                                                                                      \
    }

COMPRESS(compress_avx512, "avx512f")
COMPRESS(compress_avx2, "avx2")

static const struct blake2b_way avx512 = {"avx512", compress_avx512, 3};
static const struct blake2b_way avx2 = {"avx2", compress_avx2, 5};

size_t casebus_blake2b_ways(const struct blake2b_way *ways[BLAKE2B_WAYS])
{
    size_t count = 0;
    if (__builtin_cpu_supports("avx512f")) {
        ways[count++] = &avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        ways[count++] = &avx2;
    }
    ways[count++] = &plain;
    return count;
}

#else

size_t casebus_blake2b_ways(const struct blake2b_way *ways[BLAKE2B_WAYS])
{
    ways[0] = &plain;
    return 1;
}

#endif
