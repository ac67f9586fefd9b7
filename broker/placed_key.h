/* Where a key stands in LMDB. Most trees have one of LMDB's for themselves. The few entries
 * that nearly every commit changes, one each of the trees up to TREE_SHARED_LAST, share one,
 * where a key begins with its tree's number: of what a small commit writes and syncs, which are
 * pages, that is a quarter less. Private to those who know LMDB. */
#ifndef BROKER_PLACED_KEY_H
#define BROKER_PLACED_KEY_H

#include "keys.h"

#include <lmdb.h>
#include <string.h>

struct placed_key {
    MDB_val val; /* for LMDB: of `data`, or of the key that was given */
    unsigned char data[1 + KEY_MAX];
};

/* How long a key of the tree can be. */
static inline size_t tree_key_max(enum tree tree)
{
    return tree_shares(tree) ? KEY_MAX - 1 : KEY_MAX;
}

/* Valid as long as `room` and the key are. */
static inline MDB_val *place_key(struct placed_key *room, enum tree tree,
                                 struct casebus_bytes key)
{
    if (!tree_shares(tree)) {
        room->val = (MDB_val){key.size, (void *)(uintptr_t)key.data};
        return &room->val;
    }
    const size_t size = key.size < KEY_MAX ? key.size : KEY_MAX;
    room->data[0] = (unsigned char)tree;
    if (size > 0) {
        memcpy(room->data + 1, key.data, size);
    }
    room->val = (MDB_val){1 + size, room->data};
    return &room->val;
}

/* The key that stands there; false: it is another tree's. */
static inline bool placed_key(enum tree tree, MDB_val there, struct casebus_bytes *key)
{
    const unsigned char *data = there.mv_data;
    if (!tree_shares(tree)) {
        *key = casebus_bytes(data, there.mv_size);
        return true;
    }
    const bool ours = there.mv_size > 0 && data[0] == (unsigned char)tree;
    *key = ours ? casebus_bytes(data + 1, there.mv_size - 1) : casebus_bytes(NULL, 0);
    return ours;
}

#endif
