/* BLAKE2b without a key, RFC 7693, for the hashes that tie reports together.
 *
 * Why our own: it is computed for every report on both sides, and the code that libsodium
 * chooses on machines with AVX2 takes 0.84 us for a report of 512 bytes on an AMD Zen 4 where
 * this takes half of that; libzmq makes libsodium choose, so it cannot be left at its plain
 * code. The tests compare the two over every length. */
#ifndef PROTO_BLAKE2B_H
#define PROTO_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_BLOCK 128

struct blake2b {
    uint64_t h[8];
    uint64_t hashed; /* bytes that have gone into h */
    size_t filled;   /* bytes waiting in block: a full one waits too, it may be the last */
    unsigned char block[BLAKE2B_BLOCK];
};

void blake2b_init(struct blake2b *self, size_t digest_size); /* 1 to 64 bytes */
void blake2b_update(struct blake2b *self, const void *data, size_t size);
void blake2b_final(struct blake2b *self, void *digest, size_t digest_size);

#endif
