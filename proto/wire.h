/* The one place that knows msgpack's bytes (private to proto; scan and reader share it). */
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

/* A big-endian number of 1, 2, 4 or 8 bytes; of none, 0. */
static inline uint64_t wire_number(const unsigned char *at, size_t size)
{
    uint64_t n = 0;
    switch (size) {
    case 1:
        return at[0];
    case 2:
        return (uint64_t)at[0] << 8 | at[1];
    case 4:
        return (uint64_t)at[0] << 24 | (uint64_t)at[1] << 16 | (uint64_t)at[2] << 8 | at[3];
    case 8:
        for (size_t i = 0; i < 8; i++) {
            n = n << 8 | at[i];
        }
        return n;
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
    if (at >= end || (*at & 0xe0) != 0xa0) {
        return 0;
    }
    size_t size = *at & 0x1f;
    return size < (size_t)(end - at) ? size : 0;
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

/* Nearly all text is; casebus_utf8_valid() is for the rest. */
static inline bool wire_ascii(const unsigned char *text, size_t size)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t all = 0, eight;
    uint32_t four[2];
    if (size < 4) {
        for (size_t i = 0; i < size; i++) {
            all |= text[i];
        }
        return (all & 0x80) == 0;
    }
    if (size < 8) { /* its first and last four, which may overlap */
        memcpy(&four[0], text, 4);
        memcpy(&four[1], text + size - 4, 4);
        return ((four[0] | four[1]) & (uint32_t)high) == 0;
    }
    for (size_t i = 0; i + 8 <= size; i += 8) {
        memcpy(&eight, text + i, sizeof eight);
        all |= eight;
    }
    memcpy(&eight, text + size - 8, sizeof eight);
    return ((all | eight) & high) == 0;
}

/* A few bits of a key: keys of different prints differ; the low byte is the size. */
static inline uint32_t wire_print(const unsigned char *key, size_t size)
{
    uint64_t first = 0, last = 0;
    if (size >= 8) {
        memcpy(&first, key, 8);
        memcpy(&last, key + size - 8, 8);
    } else if (size >= 4) {
        memcpy(&first, key, 4);
        memcpy(&last, key + size - 4, 4);
    } else if (size > 0) {
        first = key[0];
        last = (uint64_t)key[size / 2] << 8 | key[size - 1];
    }
    uint64_t mix = (first ^ last << 1 ^ last >> 63) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mix >> 32 & 0xffffff00u) | (uint32_t)(size & 0xff);
}

#endif
