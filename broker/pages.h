/* The pages of the data file: each belongs to one tree or to the free list, once.
 *
 * LMDB trusts what a page says. A damaged list of free pages changes nothing that can be
 * read, but the next commits write over pages that are in use; so does a page that gives
 * itself another number. This looks at the file as it is, beside LMDB, and is bounded by it:
 * no page is visited twice. */
#ifndef BROKER_PAGES_H
#define BROKER_PAGES_H

#include "store.h"

typedef void pages_fault_fn(void *arg, const char *what);

/* Goes through the newest snapshot in a read transaction of its own, beside a running broker
 * too. What is wrong is told, up to the first thing in each tree. 0, or an error that kept it
 * from looking. */
int pages_check(struct store *store, pages_fault_fn *fault, void *arg);

#endif
