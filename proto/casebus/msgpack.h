/* Reading msgpack that somebody else wrote.
 *
 * casebus_scan() looks at every byte once, without allocating, and says whether the whole is
 * one value inside the limits; what it has passed can be walked with a casebus_reader or handed
 * to msgpack-c, whose objects then cannot grow past what was counted. A reader never reads out
 * of its bytes even where nothing was scanned; its first failure stays (`error`), and
 * everything read after it is zero or empty, so a decoder checks once, at its end.
 *
 * Writing is done with msgpack-c's packer; the helpers below only save casts. */
#ifndef CASEBUS_MSGPACK_H
#define CASEBUS_MSGPACK_H

#include <casebus/errors.h>
#include <msgpack/pack.h>
#include <msgpack/sbuffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: valid as long as what they were taken from. NULL data means absent. */
struct casebus_bytes {
    const unsigned char *data;
    size_t size;
};

static inline struct casebus_bytes casebus_bytes(const void *data, size_t size)
{
    return (struct casebus_bytes){data, size};
}
static inline struct casebus_bytes casebus_cstr(const char *text)
{
    return casebus_bytes(text, text ? strlen(text) : 0);
}
static inline bool casebus_bytes_equal(struct casebus_bytes a, struct casebus_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
static inline bool casebus_bytes_is(struct casebus_bytes a, const char *text)
{
    return casebus_bytes_equal(a, casebus_cstr(text));
}
/* memcmp order, a shorter prefix first. */
int casebus_bytes_compare(struct casebus_bytes a, struct casebus_bytes b);

/* True for well-formed UTF-8 (no overlong forms, no surrogates). */
bool casebus_utf8_valid(struct casebus_bytes text);

struct casebus_scan_limits {
    uint32_t depth;    /* nesting, the outermost value is 1 */
    uint32_t elements; /* values of every kind together, keys and the outermost not counted */
    uint32_t keys;     /* keys of one map */
};
struct casebus_scan_limits casebus_scan_limits(void); /* those of a report (limits.h) */
/* For replies: the reader trusts its broker for counts, not for bounds. */
struct casebus_scan_limits casebus_scan_limits_reply(void);

/* Is `data` exactly one msgpack value inside the limits? Refused: truncation, trailing bytes,
 * counts that the bytes left cannot hold, nesting, ext types, non-finite floats, map keys that
 * are not text or are longer than CASEBUS_KEY_MAX, the same key twice in a map, invalid UTF-8.
 * 0, or the code with the path of the value at fault. */
int casebus_scan(struct casebus_bytes data, struct casebus_scan_limits limits,
                 struct casebus_fault *fault);

enum casebus_kind {
    CASEBUS_NONE, /* end of the bytes, or the reader has failed */
    CASEBUS_NIL,
    CASEBUS_BOOL,
    CASEBUS_UINT, /* an integer >= 0 in any encoding */
    CASEBUS_INT,  /* an integer < 0 */
    CASEBUS_FLOAT,
    CASEBUS_STR,
    CASEBUS_BIN,
    CASEBUS_ARRAY,
    CASEBUS_MAP
};

struct casebus_reader {
    const unsigned char *at, *end;
    int error; /* 0, or the first failure */
};

static inline void casebus_reader_init(struct casebus_reader *r, struct casebus_bytes data)
{
    r->at = data.data;
    r->end = data.size ? data.data + data.size : data.data;
    r->error = 0;
}
enum casebus_kind casebus_peek(const struct casebus_reader *r);
uint32_t casebus_read_map(struct casebus_reader *r);   /* number of pairs that follow */
uint32_t casebus_read_array(struct casebus_reader *r); /* number of values that follow */
uint64_t casebus_read_uint(struct casebus_reader *r);
int64_t casebus_read_int(struct casebus_reader *r);
double casebus_read_float(struct casebus_reader *r);
bool casebus_read_bool(struct casebus_reader *r);
void casebus_read_nil(struct casebus_reader *r);
struct casebus_bytes casebus_read_str(struct casebus_reader *r);
struct casebus_bytes casebus_read_bin(struct casebus_reader *r);
/* The next value, whole, as encoded. */
struct casebus_bytes casebus_read_raw(struct casebus_reader *r);
/* Passes so many values, with all that is in them. */
void casebus_skip_values(struct casebus_reader *r, uint32_t count);
static inline void casebus_skip(struct casebus_reader *r)
{
    casebus_skip_values(r, 1);
}
/* Is the next value this text, shorter than 32 bytes and encoded as short texts are? */
static inline bool casebus_is_next(const struct casebus_reader *r, struct casebus_bytes name)
{
    return (size_t)(r->end - r->at) > name.size && *r->at == (0xa0u | name.size) &&
           memcmp(r->at + 1, name.data, name.size) == 0;
}

/* Finds `key` in an encoded map; the value as encoded, or absent. */
struct casebus_bytes casebus_map_get(struct casebus_bytes map, const char *key);
/* The value of an encoded scalar, or `missing` where it is absent or has another type. */
uint64_t casebus_as_uint(struct casebus_bytes raw, uint64_t missing);
bool casebus_as_bool(struct casebus_bytes raw, bool missing);
struct casebus_bytes casebus_as_str(struct casebus_bytes raw); /* absent: NULL data */
struct casebus_bytes casebus_as_bin(struct casebus_bytes raw);
static inline bool casebus_is_nil(struct casebus_bytes raw)
{
    return raw.size == 1 && raw.data[0] == 0xc0;
}

/* The same value? Integers by value, maps by key in any order, all else by content. Both must
 * have passed a scan. */
bool casebus_value_equal(struct casebus_bytes a, struct casebus_bytes b);

/* Short text, as nearly all is, goes out in one piece with its header. */
static inline void casebus_pack_str(msgpack_packer *pk, struct casebus_bytes text)
{
    if (text.size < 32) {
        char piece[32];
        piece[0] = (char)(0xa0u | text.size);
        if (text.size > 0) {
            memcpy(piece + 1, text.data, text.size);
        }
        pk->callback(pk->data, piece, text.size + 1);
    } else {
        msgpack_pack_str(pk, text.size);
        msgpack_pack_str_body(pk, text.data, text.size);
    }
}
static inline void casebus_pack_text(msgpack_packer *pk, const char *text)
{
    casebus_pack_str(pk, casebus_bytes(text, strlen(text)));
}
void casebus_pack_bin(msgpack_packer *pk, struct casebus_bytes data);
void casebus_pack_raw(msgpack_packer *pk, struct casebus_bytes encoded); /* as it is */

/* --- writing where speed matters -----------------------------------------------------------
 * Into memory the caller has made large enough: CASEBUS_PUT_MAX for a number or a header, and
 * the bytes themselves. Each gives the byte behind what it wrote; the encoding is the shortest
 * one, as msgpack-c's packer's is. */
#define CASEBUS_PUT_MAX 9
/* Of a name that is a literal nothing is left but to store it, if only this is inlined. */
#define CASEBUS_INLINE static inline __attribute__((always_inline))

static inline unsigned char *casebus_put_big_endian(unsigned char *at, uint64_t value,
                                                    unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (unsigned char)(value >> 8 * (size - 1 - i));
    }
    return at + size;
}
static inline unsigned char *casebus_put_uint(unsigned char *at, uint64_t n)
{
    if (n < 0x80) {
        *at = (unsigned char)n;
        return at + 1;
    }
    if (n <= 0xff) {
        *at = 0xcc;
        return casebus_put_big_endian(at + 1, n, 1);
    }
    if (n <= 0xffff) {
        *at = 0xcd;
        return casebus_put_big_endian(at + 1, n, 2);
    }
    if (n <= 0xffffffff) {
        *at = 0xce;
        return casebus_put_big_endian(at + 1, n, 4);
    }
    *at = 0xcf;
    return casebus_put_big_endian(at + 1, n, 8);
}
CASEBUS_INLINE unsigned char *casebus_put_raw(unsigned char *at, struct casebus_bytes encoded)
{
    if (encoded.size > 0) {
        memcpy(at, encoded.data, encoded.size);
    }
    return at + encoded.size;
}
CASEBUS_INLINE unsigned char *casebus_put_str(unsigned char *at, struct casebus_bytes text)
{
    if (text.size < 32) {
        *at++ = (unsigned char)(0xa0u | text.size);
    } else {
        unsigned size = text.size <= 0xff ? 1 : text.size <= 0xffff ? 2 : 4;
        *at++ = (unsigned char)(size == 1 ? 0xd9 : size == 2 ? 0xda : 0xdb);
        at = casebus_put_big_endian(at, text.size, size);
    }
    return casebus_put_raw(at, text);
}
CASEBUS_INLINE unsigned char *casebus_put_text(unsigned char *at, const char *text)
{
    return casebus_put_str(at, casebus_bytes(text, strlen(text)));
}
static inline unsigned char *casebus_put_map(unsigned char *at, size_t count)
{
    if (count < 16) {
        *at = (unsigned char)(0x80u | count);
        return at + 1;
    }
    *at = 0xde; /* maps of ours have at most 65,535 keys */
    return casebus_put_big_endian(at + 1, count, 2);
}

#endif
