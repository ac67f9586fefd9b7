/* Byte strings compared eight bytes at a time. Keys are short, differ early or not at all, and
 * often have just been made: a call of memcmp() costs more than its comparison, and its wide
 * loads wait for the narrow stores before them. */
#ifndef PROTO_COMPARE_H
#define PROTO_COMPARE_H

#include <casebus/msgpack.h>
#include <endian.h>

CASEBUS_INLINE uint64_t eight_of(const unsigned char *at)
{
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return be64toh(eight);
}

/* Where the eight bytes at `at` begin: the last may be looked at in part once more. */
CASEBUS_INLINE size_t eight_from(size_t at, size_t size)
{
    return at + 8 <= size ? at : size - 8;
}

/* As memcmp(). */
CASEBUS_INLINE int compare_bytes(const unsigned char *a, const unsigned char *b, size_t size)
{
    if (size < 8) {
        return size > 0 ? memcmp(a, b, size) : 0;
    }
    uint64_t x = eight_of(a), y = eight_of(b);
    for (size_t at = 8; x == y && at < size; at += 8) {
        x = eight_of(a + eight_from(at, size));
        y = eight_of(b + eight_from(at, size));
    }
    return x < y ? -1 : x > y;
}

/* As casebus_bytes_compare(): a shorter one comes before what it begins. */
CASEBUS_INLINE int compare_strings(struct casebus_bytes a, struct casebus_bytes b)
{
    const int order = compare_bytes(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

CASEBUS_INLINE bool equal_strings(struct casebus_bytes a, struct casebus_bytes b)
{
    return a.size == b.size && compare_bytes(a.data, b.data, a.size) == 0;
}

#endif
