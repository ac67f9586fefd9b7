/* Walking the pages of a store; see pages.h. The layout is that of LMDB 0.9 on 64-bit
 * machines, data version 1, which the file's own header says and LMDB has checked when it
 * opened it. */
#include "pages.h"

#include "store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* number 8, unused 2, flags 2, lower 2, upper 2 (large value: count 4) */
#define PAGE_HEAD 16u
#define NODE_HEAD 8u   /* low 2, high 2, flags 2, key size 2 */
#define META_TREES 40u /* in a meta page: the free list's tree, then the main one */
#define META_LAST_PAGE 136u
#define META_TXN 144u
#define META_END 152u
#define TREE_SIZE 48u
#define TREE_ROOT 40u /* in a tree's record */
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 32

enum {
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4
};
enum {
    NODE_BIG = 1,
    NODE_TREE = 2
};

struct pages {
    struct store *store;
    pages_fault_fn *fault;
    void *arg;
    uint64_t last; /* highest page of the snapshot */
    uint64_t txn;
    unsigned char *used;   /* a bit each */
    unsigned char *buffer; /* a page for each depth */
    bool failed;           /* in this tree: told once */
    bool is_free_list;
};

static uint64_t number_at(const unsigned char *p, size_t size)
{
    uint64_t n = 0;
    memcpy(&n, p, size); /* little-endian machines, as LMDB's file is its machine's */
    return n;
}

static bool wrong(struct pages *self, const char *what, uint64_t page)
{
    char text[128];
    if (!self->failed) {
        snprintf(text, sizeof text, "page %llu: %s", (unsigned long long)page, what);
        self->fault(self->arg, text);
    }
    self->failed = true;
    return false;
}

static bool use(struct pages *self, uint64_t page, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = page + i;
        if (at < 2 || at > self->last || at < page) {
            return wrong(self, "beyond the store's pages", at);
        }
        if (self->used[at / 8] & (1u << at % 8)) {
            return wrong(self, "used twice", at);
        }
        self->used[at / 8] |= (unsigned char)(1u << at % 8);
    }
    return true;
}

static bool read_at(const struct pages *self, void *out, size_t size, uint64_t offset)
{
    return pread(self->store->data_fd, out, size, (off_t)offset) == (ssize_t)size;
}

/* --- free pages -------------------------------------------------------------------------- */

/* A record of the free list: how many, then their numbers. `data` is read from the file. */
static bool use_free(struct pages *self, uint64_t page, uint64_t offset, uint64_t size)
{
    unsigned char number[8];
    uint64_t count = 0;
    if (size < 8 || !read_at(self, number, 8, offset)) {
        return wrong(self, "its list of free pages is cut short", page);
    }
    count = number_at(number, 8);
    if (count > size / 8 - 1) {
        return wrong(self, "its list of free pages is longer than it can be", page);
    }
    for (uint64_t i = 1; i <= count; i++) {
        if (!read_at(self, number, 8, offset + i * 8)) {
            return wrong(self, "cannot be read", page);
        }
        if (!use(self, number_at(number, 8), 1)) {
            return false;
        }
    }
    return true;
}

/* --- trees ------------------------------------------------------------------------------- */

static bool walk(struct pages *self, uint64_t page, unsigned depth);

static bool walk_tree(struct pages *self, const unsigned char *tree, unsigned depth)
{
    uint64_t root = number_at(tree + TREE_ROOT, 8);
    return root == NO_PAGE || walk(self, root, depth);
}

/* A large value has pages of its own; more than it needs where it was longer before. */
static bool use_overflow(struct pages *self, uint64_t first, uint64_t size)
{
    unsigned char head[PAGE_HEAD];
    if (first < 2 || first > self->last ||
        !read_at(self, head, sizeof head, first * self->store->page_size)) {
        return wrong(self, "beyond the store's pages", first);
    }
    uint64_t needed = (PAGE_HEAD + size - 1) / self->store->page_size + 1;
    uint64_t count = number_at(head + 12, 4);
    if (number_at(head, 8) != first || number_at(head + 10, 2) != PAGE_OVERFLOW ||
        count < needed) {
        return wrong(self, "not the large value it should be", first);
    }
    return use(self, first, count);
}

static bool walk_leaf(struct pages *self, uint64_t page, const unsigned char *bytes, size_t at,
                      unsigned depth)
{
    uint64_t flags = number_at(bytes + at + 4, 2), size = number_at(bytes + at, 4);
    size_t data = at + NODE_HEAD + number_at(bytes + at + 6, 2);
    uint64_t offset = page * self->store->page_size + data;
    if (data + (flags & NODE_BIG ? 8 : size) > self->store->page_size) {
        return wrong(self, "an entry goes beyond it", page);
    }
    if (flags & NODE_BIG) {
        uint64_t first = number_at(bytes + data, 8);
        offset = first * self->store->page_size + PAGE_HEAD;
        if (!use_overflow(self, first, size)) {
            return false;
        }
    }
    if (flags & NODE_TREE) {
        bool nested = size == TREE_SIZE && walk_tree(self, bytes + data, depth + 1);
        self->failed = false; /* the next tree is told of by itself */
        return nested || size == TREE_SIZE || wrong(self, "not a tree's record", page);
    }
    if (self->is_free_list && number_at(bytes + at + NODE_HEAD, 8) > self->txn) {
        return wrong(self, "frees pages at a commit still to come", page);
    }
    return !self->is_free_list || use_free(self, page, offset, size);
}

static bool walk_node(struct pages *self, uint64_t page, const unsigned char *bytes, size_t at,
                      unsigned depth)
{
    if (at + NODE_HEAD + number_at(bytes + at + 6, 2) > self->store->page_size) {
        return wrong(self, "a key goes beyond it", page);
    }
    if (number_at(bytes + 10, 2) & PAGE_BRANCH) {
        return walk(self, number_at(bytes + at, 6), depth + 1);
    }
    return walk_leaf(self, page, bytes, at, depth);
}

static bool walk(struct pages *self, uint64_t page, unsigned depth)
{
    size_t size = self->store->page_size;
    if (depth >= DEPTH_MAX) {
        return wrong(self, "deeper than any tree", page);
    }
    unsigned char *bytes = self->buffer + depth * size;
    if (!use(self, page, 1)) {
        return false;
    }
    if (!read_at(self, bytes, size, page * size)) {
        return wrong(self, "cannot be read", page);
    }
    uint64_t flags = number_at(bytes + 10, 2);
    uint64_t lower = number_at(bytes + 12, 2), upper = number_at(bytes + 14, 2);
    if (number_at(bytes, 8) != page || (flags != PAGE_BRANCH && flags != PAGE_LEAF) ||
        lower < PAGE_HEAD || lower > upper || upper > size || lower % 2 != 0) {
        return wrong(self, "its head is damaged", page);
    }
    for (size_t slot = PAGE_HEAD; slot < lower; slot += 2) {
        size_t at = number_at(bytes + slot, 2);
        if (at < upper || at + NODE_HEAD > size) {
            return wrong(self, "an entry lies outside it", page);
        }
        if (!walk_node(self, page, bytes, at, depth)) {
            return false;
        }
    }
    return true;
}

/* --- a snapshot -------------------------------------------------------------------------- */

/* The meta page of a snapshot stays for one commit after it: read twice, so that it was not
 * being written. */
static bool read_meta(const struct pages *self, unsigned char *meta)
{
    unsigned char again[META_END];
    uint64_t at = (self->txn & 1) * self->store->page_size;
    return read_at(self, meta, META_END, at) && read_at(self, again, META_END, at) &&
           memcmp(meta, again, META_END) == 0 && number_at(meta + META_TXN, 8) == self->txn;
}

/* Commits take turns between the two meta pages, so the other is of the commit before, or of
 * a later one made meanwhile. One that says otherwise may hide the newest commit. */
static bool other_agrees(const struct pages *self)
{
    unsigned char number[8];
    uint64_t at = (~self->txn & 1) * self->store->page_size + META_TXN;
    if (!read_at(self, number, sizeof number, at)) {
        return false;
    }
    uint64_t other = number_at(number, sizeof number);
    return other == self->txn - 1 || other > self->txn;
}

#define TRIES 100 /* against a broker that commits meanwhile */

static bool begin(struct pages *self, struct txn *txn, unsigned char *meta)
{
    for (int i = 0; i < TRIES; i++) {
        if (txn_begin(txn) != 0) {
            return false;
        }
        self->txn = mdb_txn_id(txn->mdb);
        if (read_meta(self, meta)) {
            return true;
        }
        txn_end(txn);
    }
    return false;
}

static int check(struct pages *self, const unsigned char *meta)
{
    MDB_envinfo info;
    mdb_env_info(self->store->env, &info);
    self->last = number_at(meta + META_LAST_PAGE, 8);
    if (self->last >= info.me_mapsize / self->store->page_size) {
        self->fault(self->arg, "the meta page says that the store is larger than it can be");
        return 0;
    }
    self->used = calloc(self->last / 8 + 1, 1);
    self->buffer = malloc(DEPTH_MAX * self->store->page_size);
    if (!self->used || !self->buffer) {
        return CASEBUS_ENOMEM;
    }
    if (!other_agrees(self)) {
        self->fault(self->arg, "the two meta pages are not of neighbouring commits");
    }
    walk_tree(self, meta + META_TREES + TREE_SIZE, 0);
    self->failed = false;
    self->is_free_list = true; /* last: a page in use and free shows here */
    walk_tree(self, meta + META_TREES, 0);
    return 0;
}

int pages_check(struct store *store, pages_fault_fn *fault, void *arg)
{
    struct pages self = {.store = store, .fault = fault, .arg = arg};
    unsigned char meta[META_END];
    struct txn *txn;
    int rc = txn_new_read(store, &txn);
    if (rc != 0) {
        return rc;
    }
    if (begin(&self, txn, meta)) {
        rc = check(&self, meta);
    } else if (txn_error(txn) != 0) {
        rc = txn_error(txn);
    } else {
        fault(arg, "the meta pages do not agree with the commit they are of");
    }
    free(self.used);
    free(self.buffer);
    txn_destroy(&txn);
    return rc;
}
