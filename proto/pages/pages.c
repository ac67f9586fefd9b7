/* Walking the pages of a data file; see pages.h. The layout is that of LMDB 0.9 on 64-bit
 * machines, data version 1, which the file's own header says and LMDB has checked when it
 * opened it. */
#include "pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
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
#define TREE_FLAGS 4u /* in a tree's record */
#define TREE_DEPTH 6u
#define TREE_ROOT 40u
#define NO_PAGE UINT64_MAX
#define KEY_MAX 511
/* From one meta page to the other, at most: one that a disk failed to write, and lost with its
 * power later, was overtaken by the other, and this twice in a row. */
#define COMMITS_LOST 5
#define DEPTH_MAX 64 /* the main tree's pages, and those of a tree in it */

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
    MDB_env *env;
    const struct pages_watcher *watcher;
    int fd;
    uint64_t page_size;
    uint64_t last; /* highest page of the snapshot */
    uint64_t txn;
    MDB_val tree; /* the name of the one that is walked; NULL: the main one, or the free list */
    unsigned char
        previous[KEY_MAX]; /* key in this tree; those of branches begin the next leaf */
    size_t previous_size;
    bool previous_is_branch;
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
        self->watcher->fault(self->watcher->arg, text);
    }
    self->failed = true;
    return false;
}

static bool use(struct pages *self, uint64_t page, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = page + i;
        if (at < 2 || at > self->last || at < page) {
            return wrong(self, "beyond the file's pages", at);
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
    return pread(self->fd, out, size, (off_t)offset) == (ssize_t)size;
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

/* A page on the way down: `levels` of them are left, itself and the leaf among them. */
struct step {
    uint64_t page;
    unsigned depth, levels;
    unsigned char *bytes; /* the page */
};

static bool walk(struct pages *self, struct step here);

/* `depth`: pages that are being walked above it. */
static bool walk_tree(struct pages *self, const unsigned char *tree, unsigned depth)
{
    struct step root = {.page = number_at(tree + TREE_ROOT, 8),
                        .depth = depth,
                        .levels = (unsigned)number_at(tree + TREE_DEPTH, 2)};
    self->failed = false; /* each tree is told of by itself */
    self->previous_size = 0;
    self->previous_is_branch = true; /* an empty key may follow */
    memset(self->previous, 0, sizeof self->previous);
    if (!self->is_free_list && number_at(tree + TREE_FLAGS, 2) != 0) {
        return wrong(self, "of a tree of another kind", root.page);
    }
    if (root.page == NO_PAGE) {
        return root.levels == 0 || wrong(self, "of a tree without pages", root.page);
    }
    return walk(self, root);
}

static MDB_val key_of(const struct step *here, size_t at)
{
    return (MDB_val){number_at(here->bytes + at + 6, 2), here->bytes + at + NODE_HEAD};
}

/* As the trees here are ordered: by bytes, a shorter key first; the free list by number. */
static int compare(const struct pages *self, MDB_val key)
{
    size_t size = self->previous_size;
    if (self->is_free_list) {
        uint64_t a = number_at(key.mv_data, 8), b = number_at(self->previous, 8);
        return a < b ? -1 : a > b;
    }
    int order = memcmp(key.mv_data, self->previous, key.mv_size < size ? key.mv_size : size);
    return order != 0 ? order : key.mv_size < size ? -1 : key.mv_size > size;
}

static void remember(struct pages *self, MDB_val key, bool is_branch)
{
    self->previous_size = key.mv_size < KEY_MAX ? key.mv_size : KEY_MAX;
    memcpy(self->previous, key.mv_data, self->previous_size);
    self->previous_is_branch = is_branch;
}

/* Is the key behind all before it? LMDB ends the process where those of the free list are not.
 */
static bool follows(struct pages *self, const struct step *here, size_t at)
{
    MDB_val key = key_of(here, at);
    if (key.mv_size > KEY_MAX || (self->is_free_list && key.mv_size != 8)) {
        return wrong(self, "a key of a wrong size", here->page);
    }
    int order = compare(self, key);
    if (order < 0 || (order == 0 && !self->previous_is_branch)) {
        return wrong(self, "keys out of order", here->page);
    }
    remember(self, key, here->levels > 1);
    return true;
}

/* A large value has pages of its own; more than it needs where it was longer before. */
static bool use_overflow(struct pages *self, uint64_t first, uint64_t size)
{
    unsigned char head[PAGE_HEAD];
    if (first < 2 || first > self->last ||
        !read_at(self, head, sizeof head, first * self->page_size)) {
        return wrong(self, "beyond the file's pages", first);
    }
    uint64_t needed = (PAGE_HEAD + size - 1) / self->page_size + 1;
    uint64_t count = number_at(head + 12, 4);
    if (number_at(head, 8) != first || number_at(head + 10, 2) != PAGE_OVERFLOW ||
        count < needed) {
        return wrong(self, "not the large value it should be", first);
    }
    return use(self, first, count);
}

/* A value of pages of its own is read for whoever wants the entries. */
static bool give_large(struct pages *self, MDB_val key, uint64_t offset, uint64_t size)
{
    MDB_val value = {size, malloc(size)};
    bool good = value.mv_data && read_at(self, value.mv_data, size, offset);
    if (good) {
        self->watcher->entry(self->watcher->arg, self->tree, key, value);
    }
    free(value.mv_data);
    return good;
}

static bool walk_large(struct pages *self, MDB_val key, uint64_t first, uint64_t size)
{
    uint64_t offset = first * self->page_size + PAGE_HEAD;
    if (!use_overflow(self, first, size)) {
        return false;
    }
    if (self->is_free_list) {
        return use_free(self, first, offset, size);
    }
    return !self->watcher->entry || give_large(self, key, offset, size) ||
           wrong(self, "cannot be read", first);
}

static bool walk_named(struct pages *self, MDB_val name, MDB_val tree, const struct step *here)
{
    if (tree.mv_size != TREE_SIZE) {
        return wrong(self, "not a tree's record", here->page);
    }
    bool failed = self->failed;
    self->tree = name;
    bool good = walk_tree(self, tree.mv_data, here->depth + 1);
    self->tree.mv_data = NULL;
    self->failed = failed;
    remember(self, name, false);
    return good;
}

static bool walk_entry(struct pages *self, const struct step *here, size_t at)
{
    const unsigned char *node = here->bytes + at;
    uint64_t flags = number_at(node + 4, 2), size = number_at(node, 4);
    MDB_val key = key_of(here, at);
    MDB_val value = {size, here->bytes + at + NODE_HEAD + key.mv_size};
    if (self->is_free_list && (key.mv_size != 8 || number_at(key.mv_data, 8) > self->txn)) {
        return wrong(self, "frees pages at a commit still to come", here->page);
    }
    bool is_of_main = !self->tree.mv_data && !self->is_free_list; /* all of them are trees */
    if (is_of_main ? flags != NODE_TREE : flags != 0 && flags != NODE_BIG) {
        return wrong(self, "an entry of another kind", here->page);
    }
    if (is_of_main) {
        return walk_named(self, key, value, here);
    }
    if (flags == NODE_BIG) {
        return walk_large(self, key, number_at(value.mv_data, 8), size);
    }
    if (self->is_free_list) {
        uint64_t offset = here->page * self->page_size + at + NODE_HEAD + key.mv_size;
        return use_free(self, here->page, offset, size);
    }
    if (self->watcher->entry) {
        self->watcher->entry(self->watcher->arg, self->tree, key, value);
    }
    return true;
}

/* What a node takes of its page; entries are behind their key, or the number of their page. */
static size_t node_size(const struct step *here, size_t at)
{
    const unsigned char *node = here->bytes + at;
    size_t size = NODE_HEAD + number_at(node + 6, 2);
    if (here->levels == 1) {
        size += number_at(node + 4, 2) & NODE_BIG ? 8 : number_at(node, 4);
    }
    return size + size % 2;
}

/* The first key of a branch is not looked at. */
static bool walk_node(struct pages *self, const struct step *here, size_t slot)
{
    size_t at = number_at(here->bytes + slot, 2);
    bool good = (here->levels > 1 && slot == PAGE_HEAD) || follows(self, here, at);
    if (here->levels == 1) {
        return walk_entry(self, here, at) && good;
    }
    struct step next = {.page = number_at(here->bytes + at, 6),
                        .depth = here->depth + 1,
                        .levels = here->levels - 1};
    return walk(self, next) && good;
}

/* Nodes lie one behind the other up to the end of the page: LMDB moves them by their sizes. */
static bool has_sound_head(const struct pages *self, const struct step *here)
{
    const unsigned char *bytes = here->bytes;
    uint64_t flags = number_at(bytes + 10, 2);
    uint64_t lower = number_at(bytes + 12, 2), upper = number_at(bytes + 14, 2);
    uint64_t least = here->levels == 1 || self->is_free_list ? 1 : 2; /* nodes */
    size_t sizes = 0;
    if (number_at(bytes, 8) != here->page ||
        flags != (here->levels == 1 ? PAGE_LEAF : PAGE_BRANCH) || lower % 2 != 0 ||
        lower < PAGE_HEAD + 2 * least || lower > upper || upper > self->page_size) {
        return false;
    }
    for (size_t slot = PAGE_HEAD; slot < lower; slot += 2) {
        size_t at = number_at(bytes + slot, 2);
        if (at < upper || at + NODE_HEAD > self->page_size ||
            at + node_size(here, at) > self->page_size) {
            return false;
        }
        sizes += node_size(here, at);
    }
    return sizes == self->page_size - upper;
}

static bool walk(struct pages *self, struct step here)
{
    here.bytes = self->buffer + here.depth * self->page_size;
    if (here.levels == 0 || here.depth + here.levels > DEPTH_MAX) {
        return wrong(self, "deeper than its tree", here.page);
    }
    if (!use(self, here.page, 1)) {
        return false;
    }
    if (!read_at(self, here.bytes, self->page_size, here.page * self->page_size)) {
        return wrong(self, "cannot be read", here.page);
    }
    if (!has_sound_head(self, &here)) {
        return wrong(self, "its head is damaged", here.page);
    }
    bool good = true;
    uint64_t lower = number_at(here.bytes + 12, 2);
    for (size_t slot = PAGE_HEAD; slot < lower; slot += 2) {
        good = walk_node(self, &here, slot) && good;
    }
    return good;
}

/* --- a snapshot -------------------------------------------------------------------------- */

/* The meta page of a snapshot stays for one commit after it: read twice, so that it was not
 * being written. */
static bool read_meta(const struct pages *self, unsigned char *meta)
{
    unsigned char again[META_END];
    uint64_t at = (self->txn & 1) * self->page_size;
    return read_at(self, meta, META_END, at) && read_at(self, again, META_END, at) &&
           memcmp(meta, again, META_END) == 0 && number_at(meta + META_TXN, 8) == self->txn;
}

/* Commits take turns between the two meta pages, so the other is of the commit before, or of
 * a later one made meanwhile. One that says otherwise may hide the newest commit. */
static bool other_agrees(const struct pages *self)
{
    unsigned char number[8];
    uint64_t at = (~self->txn & 1) * self->page_size + META_TXN;
    if (!read_at(self, number, sizeof number, at)) {
        return false;
    }
    uint64_t other = number_at(number, sizeof number);
    return other == self->txn - 1 || other > self->txn;
}

#define TRIES 100 /* against a process that commits meanwhile */

/* 0; NULL where no meta page agrees with the commit it is of. */
static int begin(struct pages *self, MDB_txn **txn, unsigned char *meta)
{
    for (int i = 0; i < TRIES; i++) {
        int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, txn);
        if (rc != 0) {
            return rc;
        }
        self->txn = mdb_txn_id(*txn);
        if (read_meta(self, meta)) {
            return 0;
        }
        mdb_txn_abort(*txn);
    }
    *txn = NULL;
    return 0;
}

static int check(struct pages *self, const unsigned char *meta)
{
    MDB_envinfo info;
    mdb_env_info(self->env, &info);
    self->last = number_at(meta + META_LAST_PAGE, 8);
    if (self->last >= info.me_mapsize / self->page_size) {
        self->watcher->fault(self->watcher->arg,
                             "the meta page says that the file is larger than it can be");
        return 0;
    }
    self->used = calloc(self->last / 8 + 1, 1);
    self->buffer = malloc(DEPTH_MAX * self->page_size);
    if (!self->used || !self->buffer) {
        return ENOMEM;
    }
    if (!other_agrees(self)) {
        self->watcher->fault(self->watcher->arg,
                             "the two meta pages are not of neighbouring commits");
    }
    walk_tree(self, meta + META_TREES + TREE_SIZE, 0);
    self->is_free_list = true; /* last: a page in use and free shows here */
    walk_tree(self, meta + META_TREES, 0);
    return 0;
}

static void look_at(struct pages *self)
{
    MDB_stat stat;
    mdb_env_get_fd(self->env, &self->fd);
    mdb_env_stat(self->env, &stat);
    self->page_size = stat.ms_psize;
}

bool pages_metas_agree(MDB_env *env)
{
    struct pages self = {.env = env};
    unsigned char meta[META_END], number[8];
    MDB_envinfo info;
    look_at(&self);
    mdb_env_info(env, &info);
    self.txn = info.me_last_txnid;
    if (!read_meta(&self, meta) ||
        !read_at(&self, number, sizeof number, (~self.txn & 1) * self.page_size + META_TXN)) {
        return false;
    }
    const uint64_t other = number_at(number, sizeof number);
    return other < self.txn && self.txn - other <= COMMITS_LOST;
}

int pages_check(MDB_env *env, const struct pages_watcher *watcher)
{
    struct pages self = {.env = env, .watcher = watcher};
    unsigned char meta[META_END];
    MDB_txn *txn;
    look_at(&self);
    int rc = begin(&self, &txn, meta);
    if (rc == 0 && txn) {
        rc = check(&self, meta);
        mdb_txn_abort(txn);
    } else if (rc == 0) {
        watcher->fault(watcher->arg, "the meta pages do not agree with the commit they are of");
    }
    free(self.used);
    free(self.buffer);
    return rc;
}
