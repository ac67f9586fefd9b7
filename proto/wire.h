/* msgpack's bytes (private to proto; scan and reader share it). */
#ifndef CASEBUS_WIRE_H
#define CASEBUS_WIRE_H

#include <casebus/msgpack.h>
#include <string.h>

/* What a value's first bytes say. */
struct wire {
    enum casebus_kind kind;
    uint32_t count;  /* str, bin: bytes that follow; array: values; map: pairs */
    uint64_t number; /* bool, uint; int: as two's complement */
    double real;
};

static inline uint64_t wire_number4(const unsigned char *at)
{
    return (uint64_t)at[0] << 24 | (uint64_t)at[1] << 16 | (uint64_t)at[2] << 8 | at[3];
}

/* A big-endian number of 1, 2, 4 or 8 bytes; of none, 0. */
static inline uint64_t wire_number(const unsigned char *at, size_t size)
{
    switch (size) {
    case 1:
        return at[0];
    case 2:
        return (uint64_t)at[0] << 8 | at[1];
    case 4:
        return wire_number4(at);
    case 8:
        return wire_number4(at) << 32 | wire_number4(at + 4);
    default:
        return 0;
    }
}

static inline void wire_real(struct wire *wire, uint64_t bits, size_t size)
{
    if (size == 4) {
        uint32_t half = (uint32_t)bits;
        float f;
        memcpy(&f, &half, sizeof f);
        wire->real = (double)f;
    } else {
        memcpy(&wire->real, &bits, sizeof wire->real);
    }
}

static inline void wire_signed(struct wire *wire, uint64_t bits, size_t size)
{
    uint64_t sign = UINT64_C(1) << (8 * size - 1);
    wire->number = (bits ^ sign) - sign;
    wire->kind = bits & sign ? CASEBUS_INT : CASEBUS_UINT;
}

/* The values that begin with c0 to df: what they are, and how many bytes of length or number
 * follow. NONE: an extension type or, c1, nothing at all. */
static const struct {
    unsigned char kind, extra;
} wire_long[32] = {
    {CASEBUS_NIL, 0},   {CASEBUS_NONE, 0},  {CASEBUS_BOOL, 0},  {CASEBUS_BOOL, 0},
    {CASEBUS_BIN, 1},   {CASEBUS_BIN, 2},   {CASEBUS_BIN, 4},   {CASEBUS_NONE, 0},
    {CASEBUS_NONE, 0},  {CASEBUS_NONE, 0},  {CASEBUS_FLOAT, 4}, {CASEBUS_FLOAT, 8},
    {CASEBUS_UINT, 1},  {CASEBUS_UINT, 2},  {CASEBUS_UINT, 4},  {CASEBUS_UINT, 8},
    {CASEBUS_INT, 1},   {CASEBUS_INT, 2},   {CASEBUS_INT, 4},   {CASEBUS_INT, 8},
    {CASEBUS_NONE, 0},  {CASEBUS_NONE, 0},  {CASEBUS_NONE, 0},  {CASEBUS_NONE, 0},
    {CASEBUS_NONE, 0},  {CASEBUS_STR, 1},   {CASEBUS_STR, 2},   {CASEBUS_STR, 4},
    {CASEBUS_ARRAY, 2}, {CASEBUS_ARRAY, 4}, {CASEBUS_MAP, 2},   {CASEBUS_MAP, 4},
};

static int wire_read_long(const unsigned char **at, const unsigned char *end, struct wire *wire)
{
    unsigned char first = *(*at)++;
    size_t extra = wire_long[first & 0x1f].extra;
    wire->kind = (enum casebus_kind)wire_long[first & 0x1f].kind;
    if (wire->kind == CASEBUS_NONE) {
        return first == 0xc1 ? CASEBUS_EMALFORMED : CASEBUS_ETYPE;
    }
    if (extra > (size_t)(end - *at)) {
        return CASEBUS_EMALFORMED;
    }
    wire->number = wire_number(*at, extra);
    wire->count = (uint32_t)wire->number;
    *at += extra;
    if (wire->kind == CASEBUS_INT) {
        wire_signed(wire, wire->number, extra);
    } else if (wire->kind == CASEBUS_FLOAT) {
        wire_real(wire, wire->number, extra);
    } else if (wire->kind == CASEBUS_BOOL) {
        wire->number = first & 1;
    }
    return 0;
}

/* Everything but short text. */
static int wire_read_other(const unsigned char **at, const unsigned char *end,
                           struct wire *wire)
{
    unsigned char first = **at;
    if ((first & 0xe0) == 0xc0) {
        int error = wire_read_long(at, end, wire);
        bool bytes = !error && (wire->kind == CASEBUS_STR || wire->kind == CASEBUS_BIN);
        return bytes && wire->count > (size_t)(end - *at) ? CASEBUS_EMALFORMED : error;
    }
    *at += 1;
    wire->number = first & 0x80 ? UINT64_MAX - 0xff + first : first;
    wire->count = first & 0x0f;
    wire->kind = first < 0x80   ? CASEBUS_UINT
                 : first < 0x90 ? CASEBUS_MAP
                 : first < 0xa0 ? CASEBUS_ARRAY
                                : CASEBUS_INT;
    return 0;
}

/* The size of the short text (up to 31 bytes, as nearly all keys are) whose head is at `at`; 0
 * for everything else. */
static inline size_t wire_short(const unsigned char *at, const unsigned char *end)
{
    if (at >= end) {
        return 0;
    }
    size_t size = *at ^ 0xa0u; /* below 32: the head of such a text, or of an empty one */
    return size < 32 && size < (size_t)(end - at) ? size : 0;
}

/* Reads the head of the value at *at and moves behind it; the bytes of a str or bin follow and
 * are there. 0, CASEBUS_EMALFORMED or, of an extension type, CASEBUS_ETYPE. */
static inline int wire_read(const unsigned char **at, const unsigned char *end,
                            struct wire *wire)
{
    if (*at >= end) {
        return CASEBUS_EMALFORMED;
    }
    unsigned char first = **at;
    if ((first & 0xe0) == 0xa0) { /* by far the most, as all keys are */
        wire->kind = CASEBUS_STR;
        wire->count = first & 0x1f;
        *at += 1;
        return wire->count > (size_t)(end - *at) ? CASEBUS_EMALFORMED : 0;
    }
    return wire_read_other(at, end, wire);
}

/* A reader's first failure: it stays, and moves the reader to its end. */
static inline void wire_fail(struct casebus_reader *r, int error)
{
    r->error = error;
    r->at = r->end;
}

/* casebus_read_str(), for a key. */
static inline struct casebus_bytes wire_read_name(struct casebus_reader *r)
{
    size_t size = wire_short(r->at, r->end);
    if (size == 0) {
        return casebus_read_str(r);
    }
    r->at += 1 + size;
    return casebus_bytes(r->at - size, size);
}

/* The size, head included, of a value that is nothing but its head and of which there is
 * nothing more to ask: nil, a bool, an integer. 0 for everything else. */
static inline size_t wire_plain(const unsigned char *at, const unsigned char *end)
{
    if (at >= end) {
        return 0;
    }
    if (*at < 0xc0 || *at >= 0xe0) {
        return *at < 0x80 || *at >= 0xe0;
    }
    size_t size = 1u + wire_long[*at & 0x1f].extra;
    unsigned kind = wire_long[*at & 0x1f].kind;
    return kind >= CASEBUS_NIL && kind <= CASEBUS_INT && size <= (size_t)(end - at) ? size : 0;
}

/* The size, head included, of an integer that is encoded as one without a sign, and *number; 0
 * for everything else. */
static inline size_t wire_uint(const unsigned char *at, const unsigned char *end,
                               uint64_t *number)
{
    if (at >= end) {
        return 0;
    }
    if (*at < 0x80) {
        *number = *at;
        return 1;
    }
    size_t extra = (size_t)1 << (*at & 3);
    if ((*at & 0xfc) != 0xcc || extra >= (size_t)(end - at)) {
        return 0;
    }
    *number = wire_number(at + 1, extra);
    return 1 + extra;
}

/* --- text, eight bytes at a time ------------------------------------------------------ */

#define WIRE_ONES UINT64_C(0x0101010101010101)
#define WIRE_HIGH UINT64_C(0x8080808080808080)

static inline uint64_t wire_eight(const unsigned char *at)
{
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return eight;
}

static inline uint64_t wire_four(const unsigned char *at)
{
    uint32_t four;
    memcpy(&four, at, sizeof four);
    return four;
}

/* Every byte of a text of up to sixteen and no other (but for the 'a' that fill up less than
 * four); of a longer text, its first and last eight. */
struct wire_ends {
    uint64_t first, last;
};

static inline struct wire_ends wire_ends(const unsigned char *text, size_t size)
{
    uint64_t all = WIRE_ONES * 'a';
    if (size >= 8) {
        return (struct wire_ends){wire_eight(text), wire_eight(text + size - 8)};
    }
    if (size >= 4) {
        all = wire_four(text) | wire_four(text + size - 4) << 32;
    } else if (size > 0) {
        all = all << 24 | (uint64_t)text[size / 2] << 16 | (uint64_t)text[size - 1] << 8 |
              text[0];
    }
    return (struct wire_ends){all, all};
}

/* Is one of the eight bytes below `least` (at most 0x80), or exactly `byte`? */
static inline bool wire_any_below(uint64_t eight, unsigned char least)
{
    return ((eight - WIRE_ONES * least) & ~eight & WIRE_HIGH) != 0;
}

static inline bool wire_any_is(uint64_t eight, unsigned char byte)
{
    return wire_any_below(eight ^ WIRE_ONES * byte, 1);
}

/* Not 0 where one of the eight bytes is below `least` or is not ASCII. */
static inline uint64_t wire_not_within(uint64_t eight, unsigned char least)
{
    return ((eight - WIRE_ONES * least) | eight) & WIRE_HIGH;
}

/* Is the text of these ends ASCII? Nearly all is; casebus_utf8_valid() is for the rest. */
static inline bool wire_ascii(struct wire_ends ends, const unsigned char *text, size_t size)
{
    uint64_t all = ends.first | ends.last;
    if (size > 16) { /* between the ends; the last sixteen may overlap what came before */
        for (size_t i = 8; i + 16 < size; i += 16) {
            all |= wire_eight(text + i) | wire_eight(text + i + 8);
        }
        all |= wire_eight(text + size - 16);
    }
    return (all & WIRE_HIGH) == 0;
}

/* Are the two, both of `size` bytes, the same? */
static inline bool wire_same(const unsigned char *a, const unsigned char *b, size_t size)
{
    struct wire_ends x = wire_ends(a, size), y = wire_ends(b, size);
    bool same = x.first == y.first && x.last == y.last;
    for (size_t i = 8; same && i + 8 < size; i += 8) {
        same = wire_eight(a + i) == wire_eight(b + i);
    }
    return same;
}

/* A few bits of the key of these ends: keys of different prints differ; the low byte is the
 * size. */
static inline uint32_t wire_print(struct wire_ends ends, size_t size)
{
    uint64_t mix =
        (ends.first ^ ends.last << 1 ^ ends.last >> 63) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mix >> 32 & 0xffffff00u) | (uint32_t)(size & 0xff);
}

#endif
