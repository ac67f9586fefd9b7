/* Reading and writing msgpack, value by value.
 *
 * A reader stays inside its bytes whatever they say. Its first failure stays and moves it to
 * its end, so that everything read afterwards is zero or empty and a loop over what is left
 * ends; who reads looks at `error` once, when done. */
#include "wire.h"

/* --- bytes ---------------------------------------------------------------------------- */

int casebus_bytes_compare(struct casebus_bytes a, struct casebus_bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

/* --- reader --------------------------------------------------------------------------- */

/* The head of the next value, which must be of `kind`. */
static bool take(struct casebus_reader *r, enum casebus_kind kind, struct wire *wire)
{
    if (r->error) {
        return false;
    }
    int error = wire_read(&r->at, r->end, wire);
    if (!error && wire->kind != kind) {
        error = CASEBUS_ETYPE;
    }
    if (error) {
        wire_fail(r, error);
        return false;
    }
    return true;
}

enum casebus_kind casebus_peek(const struct casebus_reader *r)
{
    const unsigned char *at = r->at;
    struct wire wire;
    if (r->error || wire_read(&at, r->end, &wire) != 0) {
        return CASEBUS_NONE;
    }
    return wire.kind;
}

/* A count that the bytes left cannot hold would be a loop over nothing. */
static uint32_t take_count(struct casebus_reader *r, enum casebus_kind kind, uint32_t each)
{
    struct wire wire;
    if (!take(r, kind, &wire)) {
        return 0;
    }
    if ((uint64_t)wire.count * each > (size_t)(r->end - r->at)) {
        wire_fail(r, CASEBUS_EMALFORMED);
        return 0;
    }
    return wire.count;
}

uint32_t casebus_read_map(struct casebus_reader *r)
{
    uint32_t count = r->at < r->end ? *r->at ^ 0x80u : UINT32_MAX;
    if (count < 16 && 2 * count < (size_t)(r->end - r->at)) { /* nearly all maps */
        r->at++;
        return count;
    }
    return take_count(r, CASEBUS_MAP, 2);
}

uint32_t casebus_read_array(struct casebus_reader *r)
{
    return take_count(r, CASEBUS_ARRAY, 1);
}

uint64_t casebus_read_uint(struct casebus_reader *r)
{
    struct wire wire;
    uint64_t number;
    size_t size = wire_uint(r->at, r->end, &number);
    if (size > 0) {
        r->at += size;
        return number;
    }
    return take(r, CASEBUS_UINT, &wire) ? wire.number : 0;
}

int64_t casebus_read_int(struct casebus_reader *r)
{
    struct wire wire;
    if (casebus_peek(r) == CASEBUS_INT) {
        return take(r, CASEBUS_INT, &wire) ? (int64_t)wire.number : 0;
    }
    if (!take(r, CASEBUS_UINT, &wire)) {
        return 0;
    }
    if (wire.number > INT64_MAX) {
        wire_fail(r, CASEBUS_EVALUE);
        return 0;
    }
    return (int64_t)wire.number;
}

double casebus_read_float(struct casebus_reader *r)
{
    struct wire wire;
    return take(r, CASEBUS_FLOAT, &wire) ? wire.real : 0;
}

bool casebus_read_bool(struct casebus_reader *r)
{
    struct wire wire;
    return take(r, CASEBUS_BOOL, &wire) && wire.number != 0;
}

void casebus_read_nil(struct casebus_reader *r)
{
    struct wire wire;
    (void)take(r, CASEBUS_NIL, &wire);
}

static struct casebus_bytes take_bytes(struct casebus_reader *r, enum casebus_kind kind)
{
    struct wire wire;
    if (!take(r, kind, &wire)) {
        return casebus_bytes(NULL, 0);
    }
    const unsigned char *data = r->at;
    r->at += wire.count;
    return casebus_bytes(data, wire.count);
}

struct casebus_bytes casebus_read_str(struct casebus_reader *r)
{
    size_t size = wire_short(r->at, r->end);
    if (size > 0) {
        r->at += 1 + size;
        return casebus_bytes(r->at - size, size);
    }
    return take_bytes(r, CASEBUS_STR);
}

struct casebus_bytes casebus_read_bin(struct casebus_reader *r)
{
    return take_bytes(r, CASEBUS_BIN);
}

/* How long a value is, its head included, that says so in its first byte; 0: it does not. */
#define SAME4(n) n, n, n, n
#define SAME16(n) SAME4(n), SAME4(n), SAME4(n), SAME4(n)
#define RISING8(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
/* clang-format off */
static const unsigned char whole_size[256] = {
    /* 00 */ SAME16(1), SAME16(1), SAME16(1), SAME16(1),
    /* 40 */ SAME16(1), SAME16(1), SAME16(1), SAME16(1),
    /* 80 */ SAME16(0), SAME16(0), /* maps, arrays */
    /* a0 */ RISING8(1), RISING8(9), RISING8(17), RISING8(25), /* text */
    /* c0 */ 1, 0, 1, 1, SAME4(0), 0, 0, 5, 9, /* nil, -, bool, bin, -, float */
    /* cc */ 2, 3, 5, 9, 2, 3, 5, 9, SAME4(0), SAME4(0), SAME4(0), /* integers, long ones */
    /* e0 */ SAME16(1), SAME16(1),
};
/* clang-format on */

/* Passes the head of any other value, and the bytes of a str or bin. How many values follow
 * that are part of it; less than 0: what is wrong. */
static int64_t pass_head(const unsigned char **at, const unsigned char *end)
{
    struct wire wire;
    int error = wire_read(at, end, &wire);
    if (error) {
        return error;
    }
    if (wire.kind == CASEBUS_STR || wire.kind == CASEBUS_BIN) {
        *at += wire.count;
    }
    return wire.kind == CASEBUS_ARRAY ? (int64_t)wire.count
           : wire.kind == CASEBUS_MAP ? (int64_t)wire.count * 2
                                      : 0;
}

/* Passes values; false: the reader has failed. */
static inline bool pass(struct casebus_reader *r, int64_t left)
{
    const unsigned char *at = r->at;
    if (r->error) {
        return false;
    }
    for (; left > 0; left--) {
        size_t size = wire_short(at, r->end);
        size = size > 0 ? size + 1 : at < r->end ? whole_size[*at] : 0;
        if (size > 0 && size <= (size_t)(r->end - at)) { /* most values */
            at += size;
            continue;
        }
        int64_t inside = pass_head(&at, r->end);
        if (inside < 0) {
            wire_fail(r, (int)inside);
            return false;
        }
        left += inside;
    }
    r->at = at;
    return true;
}

void casebus_skip_values(struct casebus_reader *r, uint32_t count)
{
    (void)pass(r, count);
}

struct casebus_bytes casebus_read_raw(struct casebus_reader *r)
{
    const unsigned char *begin = r->at;
    return pass(r, 1) ? casebus_bytes(begin, (size_t)(r->at - begin)) : casebus_bytes(NULL, 0);
}

/* --- single values -------------------------------------------------------------------- */

struct casebus_bytes casebus_map_get(struct casebus_bytes map, const char *key)
{
    struct casebus_reader r;
    struct casebus_bytes wanted = casebus_cstr(key);
    casebus_reader_init(&r, map);
    for (uint32_t left = casebus_read_map(&r); left > 0 && !r.error; left--) {
        struct casebus_bytes name = wire_read_name(&r);
        struct casebus_bytes value = casebus_read_raw(&r);
        if (name.size == wanted.size && !r.error &&
            wire_same(name.data, wanted.data, name.size)) {
            return value;
        }
    }
    return casebus_bytes(NULL, 0);
}

uint64_t casebus_as_uint(struct casebus_bytes raw, uint64_t missing)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    uint64_t number = casebus_read_uint(&r);
    return r.error ? missing : number;
}

bool casebus_as_bool(struct casebus_bytes raw, bool missing)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    bool truth = casebus_read_bool(&r);
    return r.error ? missing : truth;
}

struct casebus_bytes casebus_as_str(struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    return casebus_read_str(&r);
}

struct casebus_bytes casebus_as_bin(struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    return casebus_read_bin(&r);
}

/* --- writing -------------------------------------------------------------------------- */

void casebus_pack_bin(msgpack_packer *pk, struct casebus_bytes data)
{
    (void)msgpack_pack_bin_with_body(pk, data.data, data.size);
}

void casebus_pack_raw(msgpack_packer *pk, struct casebus_bytes encoded)
{
    if (encoded.size > 0) {
        (void)pk->callback(pk->data, (const char *)encoded.data, encoded.size);
    }
}
