/* BLAKE2b as RFC 7693 gives it; see blake2b.h.
 *
 * A message is read block by block, where it lies if a block is whole there. Of several, as
 * many as there are lanes go side by side, each with its own count of bytes and its own last
 * block; where one ends, the next message takes its lane. What is left when there are too few
 * to be worth it goes on alone. */
#include "blake2b.h"

#include "blake2b_lanes.h"
#include "blake2b_rounds.h"

#include <endian.h>
#include <string.h>

/* --- a message, block by block ------------------------------------------------------------ */

struct stream {
    const struct blake2b_message *message; /* NULL: none */
    struct casebus_bytes rest[BLAKE2B_PARTS], *at;
    uint64_t left, hashed; /* bytes */
    unsigned char block[BLAKE2B_BLOCK];
};

static void start(struct stream *self, const struct blake2b_message *message)
{
    self->message = message;
    self->at = self->rest;
    self->left = self->hashed = 0;
    for (int i = 0; i < BLAKE2B_PARTS; i++) {
        self->rest[i] = message->part[i];
        self->left += message->part[i].size;
    }
}

static const unsigned char *skip(struct stream *self, size_t size)
{
    const unsigned char *data = self->at->data;
    self->at->data = data + size;
    self->at->size -= size;
    return data;
}

/* Copies the next `size` bytes of the message together, with zeros behind them up to a whole
 * block. */
static const unsigned char *gather(struct stream *self, size_t size)
{
    size_t filled = 0;
    while (filled < size) {
        size_t wanted = size - filled, there = self->at->size;
        if (there == 0) {
            self->at++;
            continue;
        }
        size_t taken = there < wanted ? there : wanted;
        memcpy(self->block + filled, skip(self, taken), taken);
        filled += taken;
    }
    memset(self->block + filled, 0, BLAKE2B_BLOCK - filled);
    return self->block;
}

static const unsigned char *next_block(struct stream *self)
{
    size_t size = self->left < BLAKE2B_BLOCK ? (size_t)self->left : BLAKE2B_BLOCK;
    self->left -= size;
    self->hashed += size;
    return self->at->size >= BLAKE2B_BLOCK ? skip(self, BLAKE2B_BLOCK) : gather(self, size);
}

static uint64_t is_last(const struct stream *self)
{
    return self->left == 0 ? UINT64_MAX : 0;
}

/* --- alone -------------------------------------------------------------------------------- */

static void compress(uint64_t h[8], const unsigned char *block, uint64_t hashed, uint64_t last)
{
    uint64_t m[16], v[16];
    for (int i = 0; i < 16; i++) {
        memcpy(&m[i], block + 8 * i, 8);
        m[i] = le64toh(m[i]);
    }
    memcpy(v, h, 64);
    memcpy(v + 8, blake2b_iv, 64);
    v[12] ^= hashed;
    v[14] ^= last;
    BLAKE2B_ROUNDS();
    for (int i = 0; i < 8; i++) {
        h[i] ^= v[i] ^ v[i + 8];
    }
}

static void begin(uint64_t h[8], size_t digest_size)
{
    memcpy(h, blake2b_iv, sizeof blake2b_iv);
    h[0] ^= 0x01010000u ^ digest_size; /* no key, one message after another */
}

static void put_digest(const struct stream *stream, uint64_t h[8], size_t digest_size)
{
    for (int i = 0; i < 8; i++) {
        h[i] = htole64(h[i]);
    }
    memcpy(stream->message->digest, h, digest_size);
}

/* An empty message has a block too. */
static void finish(struct stream *self, uint64_t h[8], size_t digest_size)
{
    do {
        const unsigned char *block = next_block(self);
        compress(h, block, self->hashed, is_last(self));
    } while (self->left > 0);
    put_digest(self, h, digest_size);
}

static void hash_alone(const struct blake2b_message *message, size_t digest_size)
{
    struct stream stream;
    uint64_t h[8];
    start(&stream, message);
    begin(h, digest_size);
    finish(&stream, h, digest_size);
}

/* --- side by side ------------------------------------------------------------------------- */

struct hashing {
    const struct blake2b_message *next, *end; /* messages that wait for a lane */
    size_t digest_size, busy;
    struct stream stream[BLAKE2B_LANES];
    struct blake2b_lanes lanes;
};

static void get_state(const struct blake2b_lanes *lanes, int lane, uint64_t h[8])
{
    for (int i = 0; i < 8; i++) {
        h[i] = lanes->h[i][lane];
    }
}

static void start_lane(struct hashing *self, int lane)
{
    uint64_t h[8];
    if (self->next == self->end) {
        static const unsigned char nothing[BLAKE2B_BLOCK];
        self->stream[lane].message = NULL;
        self->lanes.block[lane] = nothing;
        return;
    }
    self->busy++;
    start(&self->stream[lane], self->next++);
    begin(h, self->digest_size);
    for (int i = 0; i < 8; i++) {
        self->lanes.h[i][lane] = h[i];
    }
}

static void advance_lane(struct hashing *self, int lane)
{
    struct stream *stream = &self->stream[lane];
    self->lanes.block[lane] = next_block(stream);
    self->lanes.hashed[lane] = stream->hashed;
    self->lanes.last[lane] = is_last(stream);
}

static void end_lane(struct hashing *self, int lane)
{
    uint64_t h[8];
    get_state(&self->lanes, lane, h);
    put_digest(&self->stream[lane], h, self->digest_size);
    self->busy--;
    start_lane(self, lane);
}

static void step(struct hashing *self, const struct blake2b_way *way)
{
    for (int lane = 0; lane < BLAKE2B_LANES; lane++) {
        if (self->stream[lane].message) {
            advance_lane(self, lane);
        }
    }
    way->compress(&self->lanes);
    for (int lane = 0; lane < BLAKE2B_LANES; lane++) {
        if (self->stream[lane].message && self->stream[lane].left == 0) {
            end_lane(self, lane);
        }
    }
}

static void hash_together(const struct blake2b_way *way, const struct blake2b_message *messages,
                          size_t count, size_t digest_size)
{
    struct hashing self;
    self.next = messages;
    self.end = messages + count;
    self.digest_size = digest_size;
    self.busy = 0;
    memset(&self.lanes, 0, sizeof self.lanes); /* idle lanes are computed as well */
    for (int lane = 0; lane < BLAKE2B_LANES; lane++) {
        start_lane(&self, lane);
    }
    while (self.busy >= way->worth) {
        step(&self, way);
    }
    for (int lane = 0; lane < BLAKE2B_LANES; lane++) {
        if (self.stream[lane].message) {
            uint64_t h[8];
            get_state(&self.lanes, lane, h);
            finish(&self.stream[lane], h, digest_size);
        }
    }
}

void casebus_blake2b_by(const struct blake2b_way *way, const struct blake2b_message *messages,
                        size_t count, size_t digest_size)
{
    if (way->compress && count >= way->worth) {
        hash_together(way, messages, count, digest_size);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        hash_alone(&messages[i], digest_size);
    }
}

void casebus_blake2b(const struct blake2b_message *messages, size_t count, size_t digest_size)
{
    const struct blake2b_way *ways[BLAKE2B_WAYS];
    casebus_blake2b_ways(ways);
    casebus_blake2b_by(ways[0], messages, count, digest_size);
}
