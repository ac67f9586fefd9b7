/* BLAKE2b's messages side by side: a block of each at once. */
#ifndef PROTO_BLAKE2B_LANES_H
#define PROTO_BLAKE2B_LANES_H

#include "blake2b.h"

#include <stdint.h>

#define BLAKE2B_BLOCK 128
#define BLAKE2B_LANES 8

struct blake2b_lanes {
    uint64_t h[8][BLAKE2B_LANES];   /* the state: of each word, that of every lane */
    uint64_t hashed[BLAKE2B_LANES]; /* bytes, with those of the block at hand */
    uint64_t last[BLAKE2B_LANES];   /* all ones: the block at hand is the message's last */
    const unsigned char *block[BLAKE2B_LANES];
};

/* A way to hash several: compresses every lane's block. */
struct blake2b_way {
    const char *name;
    void (*compress)(struct blake2b_lanes *lanes); /* NULL: one after another */
    size_t worth; /* so many busy lanes at least, or one after another is faster */
};

#define BLAKE2B_WAYS 3

/* Those that this machine has, the fastest first, "plain" last. */
size_t casebus_blake2b_ways(const struct blake2b_way *ways[BLAKE2B_WAYS]);

/* casebus_blake2b() in that way. */
void casebus_blake2b_by(const struct blake2b_way *way, const struct blake2b_message *messages,
                        size_t count, size_t digest_size);

#endif
