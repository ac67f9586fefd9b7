/* Are two encoded values the same value?
 *
 * The order of a map's keys and the width of an integer are the sender's business, not content.
 * Most maps that are compared were written by the same program and have the same order, so
 * keys are first compared place by place; only where that fails is the other map indexed. Both
 * values have passed a scan; what has not is at worst found different. */
#include "keys.h"

#include <casebus/limits.h>

enum {
    DEPTH_MAX = 32,                /* what a scan lets through */
    INDEXED_MAX = CASEBUS_KEYS_MAX /* larger maps (only in replies) are searched as they are */
};

/* One map, to look keys up in. */
struct lookup {
    struct casebus_bytes map;
    uint32_t count;
    struct key key[INDEXED_MAX]; /* sorted */
};

static bool equal(struct casebus_reader *a, struct casebus_reader *b, unsigned depth);

static bool build(struct lookup *lookup, struct casebus_bytes map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    lookup->map = map;
    lookup->count = casebus_read_map(&r);
    for (uint32_t i = 0; i < lookup->count; i++) {
        struct casebus_bytes key = casebus_read_str(&r);
        casebus_skip(&r);
        if (r.error || key.size > CASEBUS_KEY_MAX) {
            return false;
        }
        lookup->key[i].at = (uint32_t)(key.data - map.data);
        lookup->key[i].print = wire_print(wire_ends(key.data, key.size), key.size);
    }
    casebus_keys_sort(map.data, lookup->key, lookup->count);
    return true;
}

/* Where the place of `key` in the order is, from `name`'s point of view. */
static int compare(const struct lookup *lookup, struct casebus_bytes name, uint32_t print,
                   const struct key *key)
{
    if (print != key->print) {
        return print < key->print ? -1 : 1;
    }
    return memcmp(name.data, lookup->map.data + key->at, name.size);
}

/* The value of `name` with everything behind it; absent: NULL data. */
static struct casebus_bytes find(const struct lookup *lookup, struct casebus_bytes name)
{
    uint32_t low = 0, high = lookup->count;
    uint32_t print = wire_print(wire_ends(name.data, name.size), name.size);
    while (low < high && name.size <= CASEBUS_KEY_MAX) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(lookup, name, print, &lookup->key[middle]);
        if (order == 0) {
            size_t at = lookup->key[middle].at + name.size;
            return casebus_bytes(lookup->map.data + at, lookup->map.size - at);
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return casebus_bytes(NULL, 0);
}

/* The pairs of `a` that are left, each looked up in the other map. */
static bool equal_by_key(struct casebus_reader *a, uint32_t left, const struct lookup *other,
                         unsigned depth)
{
    while (left-- > 0) {
        struct casebus_bytes key = casebus_read_str(a);
        struct casebus_bytes found = find(other, key);
        struct casebus_reader b;
        casebus_reader_init(&b, found);
        if (a->error || !found.data || !equal(a, &b, depth)) {
            return false;
        }
    }
    return true;
}

static bool equal_large(struct casebus_reader *a, uint32_t left, struct casebus_bytes map,
                        unsigned depth)
{
    while (left-- > 0) {
        struct casebus_bytes key = casebus_read_str(a);
        struct casebus_reader b;
        casebus_reader_init(&b, map);
        uint32_t pairs = casebus_read_map(&b);
        while (pairs > 0 && !casebus_bytes_equal(casebus_read_str(&b), key)) {
            casebus_skip(&b);
            pairs--;
        }
        if (a->error || b.error || pairs == 0 || !equal(a, &b, depth)) {
            return false;
        }
    }
    return true;
}

static bool equal_other_order(struct casebus_reader *a, uint32_t left, uint32_t done,
                              struct casebus_bytes map, unsigned depth)
{
    struct lookup other;
    if (left + done > INDEXED_MAX) {
        return equal_large(a, left, map, depth);
    }
    return build(&other, map) && equal_by_key(a, left, &other, depth);
}

static bool equal_maps(struct casebus_reader *a, struct casebus_reader *b, unsigned depth)
{
    struct casebus_reader whole = *b;
    uint32_t count = casebus_read_map(a);
    if (count != casebus_read_map(b) || a->error || b->error) {
        return false;
    }
    for (uint32_t done = 0; done < count; done++) {
        struct casebus_reader before = *a;
        struct casebus_bytes key = casebus_read_str(a);
        if (!casebus_bytes_equal(key, casebus_read_str(b))) {
            struct casebus_reader map = whole;
            struct casebus_bytes encoded = casebus_read_raw(&map);
            *a = before;
            *b = map;
            return equal_other_order(a, count - done, done, encoded, depth);
        }
        if (!equal(a, b, depth)) {
            return false;
        }
    }
    return true;
}

static bool equal_arrays(struct casebus_reader *a, struct casebus_reader *b, unsigned depth)
{
    uint32_t count = casebus_read_array(a);
    if (count != casebus_read_array(b)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!equal(a, b, depth)) {
            return false;
        }
    }
    return true;
}

/* Reads one value from each; where they differ the readers stay somewhere inside. */
static bool equal(struct casebus_reader *a, struct casebus_reader *b, unsigned depth)
{
    enum casebus_kind kind = casebus_peek(a);
    if (depth == 0 || kind != casebus_peek(b)) {
        return false;
    }
    switch (kind) {
    case CASEBUS_MAP:
        return equal_maps(a, b, depth - 1);
    case CASEBUS_ARRAY:
        return equal_arrays(a, b, depth - 1) && !a->error && !b->error;
    case CASEBUS_STR:
        return casebus_bytes_equal(casebus_read_str(a), casebus_read_str(b));
    case CASEBUS_BIN:
        return casebus_bytes_equal(casebus_read_bin(a), casebus_read_bin(b));
    case CASEBUS_UINT:
        return casebus_read_uint(a) == casebus_read_uint(b);
    case CASEBUS_INT:
        return casebus_read_int(a) == casebus_read_int(b);
    case CASEBUS_FLOAT: {
        double x = casebus_read_float(a), y = casebus_read_float(b);
        return !(x < y) && !(x > y);
    }
    case CASEBUS_BOOL:
        return casebus_read_bool(a) == casebus_read_bool(b);
    case CASEBUS_NIL:
        casebus_read_nil(a);
        casebus_read_nil(b);
        return true;
    default:
        return false;
    }
}

bool casebus_value_equal(struct casebus_bytes a, struct casebus_bytes b)
{
    struct casebus_reader ra, rb;
    if (a.size == b.size && a.size > 0 && a.data && b.data &&
        memcmp(a.data, b.data, a.size) == 0) {
        return true;
    }
    casebus_reader_init(&ra, a);
    casebus_reader_init(&rb, b);
    return equal(&ra, &rb, DEPTH_MAX + 1);
}
