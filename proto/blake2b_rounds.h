/* What compressing a block is, whatever a word is: one, or one of each of several messages side
 * by side (RFC 7693, section 3). The rounds are written out, so that the order in which they
 * take the message's words is known where the code is made and costs nothing when it runs. */
#ifndef PROTO_BLAKE2B_ROUNDS_H
#define PROTO_BLAKE2B_ROUNDS_H

#include <stdint.h>

/* Section 2.6: the first 64 bits of the fractions of the square roots of the first primes. */
static const uint64_t blake2b_iv[8] = {
    UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
    UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};

#define BLAKE2B_ROTATED(x, right) ((x) >> (right) | (x) << (64 - (right)))

/* Section 3.1. */
#define BLAKE2B_MIX(a, b, c, d, x, y)                                                          \
    do {                                                                                       \
        v[a] += v[b] + m[x];                                                                   \
        v[d] = BLAKE2B_ROTATED(v[d] ^ v[a], 32);                                               \
        v[c] += v[d];                                                                          \
        v[b] = BLAKE2B_ROTATED(v[b] ^ v[c], 24);                                               \
        v[a] += v[b] + m[y];                                                                   \
        v[d] = BLAKE2B_ROTATED(v[d] ^ v[a], 16);                                               \
        v[c] += v[d];                                                                          \
        v[b] = BLAKE2B_ROTATED(v[b] ^ v[c], 63);                                               \
    } while (0)

/* Columns, then diagonals, with the message's words in this round's order (section 2.7). */
#define BLAKE2B_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)    \
    do {                                                                                       \
        BLAKE2B_MIX(0, 4, 8, 12, s0, s1);                                                      \
        BLAKE2B_MIX(1, 5, 9, 13, s2, s3);                                                      \
        BLAKE2B_MIX(2, 6, 10, 14, s4, s5);                                                     \
        BLAKE2B_MIX(3, 7, 11, 15, s6, s7);                                                     \
        BLAKE2B_MIX(0, 5, 10, 15, s8, s9);                                                     \
        BLAKE2B_MIX(1, 6, 11, 12, s10, s11);                                                   \
        BLAKE2B_MIX(2, 7, 8, 13, s12, s13);                                                    \
        BLAKE2B_MIX(3, 4, 9, 14, s14, s15);                                                    \
    } while (0)

/* All twelve, over the words v[16] and the message's m[16] of where it stands. */
#define BLAKE2B_ROUNDS()                                                                       \
    do {                                                                                       \
        BLAKE2B_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                   \
        BLAKE2B_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);                   \
        BLAKE2B_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);                   \
        BLAKE2B_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);                   \
        BLAKE2B_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);                   \
        BLAKE2B_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);                   \
        BLAKE2B_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);                   \
        BLAKE2B_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);                   \
        BLAKE2B_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);                   \
        BLAKE2B_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);                   \
        BLAKE2B_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                   \
        BLAKE2B_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);                   \
    } while (0)

#endif
