/* The pages of an LMDB data file: each belongs to one tree or to the free list, once.
 *
 * LMDB trusts what a page says. A damaged list of free pages changes nothing that can be
 * read, but the next commits write over pages that are in use; so does a page that gives
 * itself another number; and a page that is no page any more ends the process that touches it.
 * This looks at the file as it is, beside LMDB, and is bounded by it: no page is visited twice,
 * and none is believed. */
#ifndef PROTO_PAGES_H
#define PROTO_PAGES_H

#include <lmdb.h>
#include <stdbool.h>

struct pages_watcher {
    /* The first thing that is wrong in each tree. */
    void (*fault)(void *arg, const char *what);
    /* NULL, or: each entry of the named trees that can be read, of pages in order; lent for the
     * call. What it holds may be damaged all the same. */
    void (*entry)(void *arg, MDB_val tree, MDB_val key, MDB_val value);
    void *arg;
};

/* Goes through the newest snapshot in a read transaction of its own, beside a process that
 * commits too. 0, or LMDB's code for what kept it from looking. */
int pages_check(MDB_env *env, const struct pages_watcher *watcher);

/* Are the two meta pages of commits as near as they can be? Where they are not, a damaged one
 * hides the newest commit, and LMDB would go on from an older one. Asked while nobody commits.
 */
bool pages_metas_agree(MDB_env *env);

#endif
