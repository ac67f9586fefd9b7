/* Sorting keys that a peer has chosen.
 *
 * n log n for every input, no memory, no recursion: whoever sends a map of many keys decides
 * their order and may choose them so that their prints collide, and gains nothing by it. */
#include "keys.h"

static void sift(const unsigned char *whole, struct key *key, uint32_t root, uint32_t count)
{
    struct key moved = key[root];
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && key_compare(whole, &key[child], &key[child + 1]) < 0) {
            child++;
        }
        if (key_compare(whole, &moved, &key[child]) >= 0) {
            break;
        }
        key[root] = key[child];
        root = child;
    }
    key[root] = moved;
}

void casebus_keys_sort(const unsigned char *whole, struct key *key, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--) {
        sift(whole, key, i - 1, count);
    }
    for (uint32_t last = count; last-- > 1;) {
        struct key top = key[0];
        key[0] = key[last];
        key[last] = top;
        sift(whole, key, 0, last);
    }
}
