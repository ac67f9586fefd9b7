/* The keys of a map, in an order of their own (private to proto): what finds a key twice, and
 * what finds a key of one map in another. Keys have passed a scan or have at most
 * CASEBUS_KEY_MAX bytes, so that a print's low byte is their size. */
#ifndef PROTO_KEYS_H
#define PROTO_KEYS_H

#include "wire.h"

struct key {
    uint32_t at; /* the text's place, counted from the first byte of the whole */
    uint32_t print;
};

static inline int key_compare(const unsigned char *whole, const struct key *a,
                              const struct key *b)
{
    if (a->print != b->print) {
        return a->print < b->print ? -1 : 1;
    }
    return memcmp(whole + a->at, whole + b->at, a->print & 0xff);
}

/* Heapsort: in place, and no order of keys makes it slow. */
void casebus_keys_sort(const unsigned char *whole, struct key *key, uint32_t count);

#endif
