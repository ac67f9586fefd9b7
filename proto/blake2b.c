/* BLAKE2b as RFC 7693 gives it; see blake2b.h. The rounds are written out, so that the order in
 * which they take the message's words is known where the code is made and costs nothing when it
 * runs. */
#include "blake2b.h"

#include <endian.h>
#include <string.h>

/* RFC 7693, section 2.6: the first 64 bits of the fractions of the square roots of the first
 * primes. */
static const uint64_t iv[8] = {
    UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
    UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};

static inline uint64_t rotated(uint64_t x, unsigned right)
{
    return x >> right | x << (64 - right);
}

/* Section 3.1. */
#define MIX(a, b, c, d, x, y)                                                                  \
    do {                                                                                       \
        v[a] += v[b] + m[x];                                                                   \
        v[d] = rotated(v[d] ^ v[a], 32);                                                       \
        v[c] += v[d];                                                                          \
        v[b] = rotated(v[b] ^ v[c], 24);                                                       \
        v[a] += v[b] + m[y];                                                                   \
        v[d] = rotated(v[d] ^ v[a], 16);                                                       \
        v[c] += v[d];                                                                          \
        v[b] = rotated(v[b] ^ v[c], 63);                                                       \
    } while (0)

/* Columns, then diagonals, with the message's words in this round's order (section 2.7). */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)            \
    do {                                                                                       \
        MIX(0, 4, 8, 12, s0, s1);                                                              \
        MIX(1, 5, 9, 13, s2, s3);                                                              \
        MIX(2, 6, 10, 14, s4, s5);                                                             \
        MIX(3, 7, 11, 15, s6, s7);                                                             \
        MIX(0, 5, 10, 15, s8, s9);                                                             \
        MIX(1, 6, 11, 12, s10, s11);                                                           \
        MIX(2, 7, 8, 13, s12, s13);                                                            \
        MIX(3, 4, 9, 14, s14, s15);                                                            \
    } while (0)

static void compress(struct blake2b *self, const unsigned char *block, uint64_t last)
{
    uint64_t m[16], v[16];
    for (int i = 0; i < 16; i++) {
        memcpy(&m[i], block + 8 * i, 8);
        m[i] = le64toh(m[i]);
    }
    memcpy(v, self->h, sizeof self->h);
    memcpy(v + 8, iv, sizeof iv);
    v[12] ^= self->hashed;
    v[14] ^= last;
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    for (int i = 0; i < 8; i++) {
        self->h[i] ^= v[i] ^ v[i + 8];
    }
}

void blake2b_init(struct blake2b *self, size_t digest_size)
{
    memcpy(self->h, iv, sizeof self->h);
    self->h[0] ^= 0x01010000u ^ digest_size; /* no key, one message after another */
    self->hashed = 0;
    self->filled = 0;
}

void blake2b_update(struct blake2b *self, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size > 0) {
        if (self->filled == BLAKE2B_BLOCK) {
            self->hashed += BLAKE2B_BLOCK;
            compress(self, self->block, 0);
            self->filled = 0;
        }
        while (self->filled == 0 && size > BLAKE2B_BLOCK) { /* straight from where it lies */
            self->hashed += BLAKE2B_BLOCK;
            compress(self, at, 0);
            at += BLAKE2B_BLOCK;
            size -= BLAKE2B_BLOCK;
        }
        size_t room = BLAKE2B_BLOCK - self->filled, taken = size < room ? size : room;
        memcpy(self->block + self->filled, at, taken);
        self->filled += taken;
        at += taken;
        size -= taken;
    }
}

void blake2b_final(struct blake2b *self, void *digest, size_t digest_size)
{
    memset(self->block + self->filled, 0, BLAKE2B_BLOCK - self->filled);
    self->hashed += self->filled;
    compress(self, self->block, UINT64_MAX);
    for (int i = 0; i < 8; i++) {
        self->h[i] = htole64(self->h[i]);
    }
    memcpy(digest, self->h, digest_size);
}
