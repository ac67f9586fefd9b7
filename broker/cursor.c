/* Cursors over what LMDB holds; see store.h. */
#include "store_private.h"

void cursor_open(struct cursor *c, struct txn *txn, enum tree tree)
{
    MDB_cursor *mdb = NULL;
    if (txn->error == 0) {
        txn_fail(txn, lmdb_error(mdb_cursor_open(txn->mdb, txn->store->dbi[tree], &mdb)));
    }
    *c = (struct cursor){.txn = txn, .mdb = mdb, .tree = tree};
}

void cursor_close(struct cursor *c)
{
    if (c->mdb) {
        mdb_cursor_close(c->mdb);
        c->mdb = NULL;
    }
}

bool store_stands_at(const struct txn *txn, enum tree tree, MDB_val key, MDB_val value)
{
    MDB_val found;
    return mdb_get(txn->mdb, txn->store->dbi[tree], &key, &found) == 0 &&
           found.mv_data == value.mv_data;
}

static bool move_to(struct cursor *c, MDB_cursor_op op, struct casebus_bytes key)
{
    struct placed_key room;
    MDB_val k = *place_key(&room, c->tree, key), v;
    c->key = c->value = casebus_bytes(NULL, 0);
    if (!c->mdb || c->txn->error != 0) {
        return false;
    }
    int rc = mdb_cursor_get(c->mdb, &k, &v, op);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    if (rc != 0) {
        rc = lmdb_error(rc);
    } else if (placed_key(c->tree, k, &c->key)) {
        rc = store_open_value(c->tree, c->key, v, &c->value);
    } else if (store_stands_at(c->txn, c->tree, k, v)) {
        return false; /* the tree has ended */
    } else {
        rc = CASEBUS_ECORRUPT;
    }
    if (rc != 0) {
        txn_fail(c->txn, rc);
    }
    return rc == 0;
}

bool cursor_seek(struct cursor *c, struct casebus_bytes key)
{
    return move_to(c, MDB_SET_RANGE, key);
}

/* Of a tree that others stand behind: before the first of theirs, if there is one. */
bool cursor_last(struct cursor *c)
{
    unsigned char behind = (unsigned char)(c->tree + 1);
    MDB_val k = {1, &behind}, v;
    int rc = MDB_NOTFOUND;
    if (c->mdb && c->txn->error == 0 && tree_shares(c->tree)) {
        rc = mdb_cursor_get(c->mdb, &k, &v, MDB_SET_RANGE);
    }
    if (rc != MDB_NOTFOUND) {
        txn_fail(c->txn, lmdb_error(rc));
    }
    return move_to(c, rc == 0 ? MDB_PREV : MDB_LAST, casebus_bytes(NULL, 0));
}

bool cursor_next(struct cursor *c)
{
    return move_to(c, MDB_NEXT, casebus_bytes(NULL, 0));
}

bool cursor_prev(struct cursor *c)
{
    return move_to(c, MDB_PREV, casebus_bytes(NULL, 0));
}

bool cursor_before(struct cursor *c, struct casebus_bytes key)
{
    return cursor_seek(c, key) ? cursor_prev(c) : c->txn->error == 0 && cursor_last(c);
}

bool cursor_found_by_key(const struct cursor *c)
{
    struct placed_key room;
    return store_stands_at(c->txn, c->tree, *place_key(&room, c->tree, c->key),
                           (MDB_val){.mv_data = (void *)(uintptr_t)c->value.data});
}
