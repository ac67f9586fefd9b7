/* How what a write transaction has gathered reaches LMDB: tree by tree, in key order, so that
 * neighbours share pages; see store.h. */
#include "prefetch.h"
#include "store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_AHEAD 256 /* bytes of an item: a struct, or the beginning of a value */
#define STRINGS_AHEAD (OVERLAY_AHEAD / 2)

static int delete_item(MDB_cursor *cursor, MDB_val *key)
{
    MDB_val v;
    int rc = mdb_cursor_get(cursor, key, &v, MDB_SET);
    return rc == 0 ? mdb_cursor_del(cursor, 0) : rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_value(MDB_cursor *cursor, const struct overlay_item *item, MDB_val *key,
                     struct casebus_bytes value, bool append)
{
    MDB_val v = {value.size + CHECKSUM_SIZE, NULL};
    int rc = mdb_cursor_put(cursor, key, &v, MDB_RESERVE | (append ? MDB_APPEND : 0u));
    if (rc == 0) {
        uint64_t sum = store_checksum(item->hash, value.data, value.size);
        memcpy(v.mv_data, value.data, value.size);
        memcpy((char *)v.mv_data + value.size, &sum, sizeof sum);
    }
    return rc;
}

/* Valid until the next one: a page takes it at once, and memory that is at hand still is used
 * again for all of them. */
static struct casebus_bytes encoded_for_page(struct txn *self, const struct overlay_item *item)
{
    enum entry_type type = (enum entry_type)item->type;
    size_t size = entry_size(type, item->data.data);
    if (size > self->encoded_capacity) {
        free(self->encoded);
        self->encoded = malloc(size);
        self->encoded_capacity = self->encoded ? size : 0;
    }
    return self->encoded ? casebus_bytes(self->encoded,
                                         entry_encode(type, item->data.data, self->encoded))
                         : casebus_bytes(NULL, 0);
}

static int put_item(struct txn *self, MDB_cursor *cursor, const struct overlay_item *item,
                    bool append)
{
    struct placed_key room;
    MDB_val *key = place_key(&room, (enum tree)item->tree, item->key);
    if (item->key.size == 0) {
        return MDB_BAD_VALSIZE; /* as LMDB says of one that is empty there too */
    }
    if (item->state == OVERLAY_DELETED) {
        return delete_item(cursor, key);
    }
    struct casebus_bytes value =
        item->state == OVERLAY_ENTRY ? encoded_for_page(self, item) : item->data;
    self->put_bytes += key->mv_size + value.size;
    return value.data ? put_value(cursor, item, key, value, append) : ENOMEM;
}

/* From which item on the keys are above all that the tree holds. LMDB puts those without a
 * search, and fills a page instead of splitting it: of each node in it that is two copies. In a
 * tree with others behind it there is no such end. */
static int find_append(MDB_cursor *cursor, const struct overlay_item *const *items,
                       size_t count, size_t *from)
{
    MDB_val highest, v;
    if (tree_shares((enum tree)items[0]->tree)) {
        *from = count;
        return 0;
    }
    int rc = mdb_cursor_get(cursor, &highest, &v, MDB_LAST);
    *from = 0;
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    const struct casebus_bytes above = casebus_bytes(highest.mv_data, highest.mv_size);
    size_t end = count;
    while (*from < end) {
        size_t middle = *from + (end - *from) / 2;
        if (casebus_bytes_compare(items[middle]->key, above) > 0) {
            end = middle;
        } else {
            *from = middle + 1;
        }
    }
    return 0;
}

static int flush_tree(struct txn *self, enum tree tree)
{
    size_t count, append_from = 0;
    int rc;
    const struct overlay_item *const *items = overlay_sorted(self->overlay, tree, &count, &rc);
    if (rc != 0 || count == 0) {
        return rc;
    }
    MDB_cursor *cursor;
    self->put_count += count;
    rc = mdb_cursor_open(self->mdb, self->store->dbi[tree], &cursor);
    if (rc == 0) {
        rc = find_append(cursor, items, count, &append_from);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (i + OVERLAY_AHEAD < count) {
            const struct casebus_bytes ahead = items[i + OVERLAY_AHEAD]->data;
            prefetch(ahead.data, ahead.size, ITEM_AHEAD);
        }
        if (i + STRINGS_AHEAD < count && items[i + STRINGS_AHEAD]->state == OVERLAY_ENTRY) {
            const struct overlay_item *ahead = items[i + STRINGS_AHEAD];
            entry_fetch((enum entry_type)ahead->type, ahead->data.data);
        }
        rc = put_item(self, cursor, items[i], i >= append_from);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return lmdb_error(rc);
}

int txn_flush(struct txn *self)
{
    txn_close_lookups(self);
    for (int t = 0; self->error == 0 && t < TREE_COUNT; t++) {
        txn_fail(self, flush_tree(self, (enum tree)t));
    }
    overlay_forget(self->overlay);
    self->flushes++;
    return self->error;
}
