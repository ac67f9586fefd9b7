/* A logical copy of a store: key by key, in key order, into a new LMDB environment.
 *
 * LMDB's own copy carries freed pages along, and with them bytes of records that were redacted;
 * this one holds what can be read through the trees and nothing else. Every checksum is tried
 * on the way. The state is written last, so that half a copy is not a store. */
#ifndef BROKER_COPY_H
#define BROKER_COPY_H

#include "store.h"

#include <stdatomic.h>

struct copy_options {
    const char *dir;            /* an empty folder */
    const unsigned char *epoch; /* another history, in state and events; NULL: it goes on */
    const bool *left_out;       /* by tree: those that are left empty; NULL: none */
    /* Called for each value that does not match its checksum, which is then copied as it is;
     * NULL: such a value ends the copy. */
    void (*damaged)(void *arg, enum tree tree, struct casebus_bytes key);
    void *arg;
};

struct copy_progress {
    atomic_uint_fast64_t copied, total; /* records; of all there are */
    atomic_int tree;                    /* enum tree: where it is */
    atomic_int cancel;                  /* set to give up: CASEBUS_EINTR */
};

/* Copies what the read transaction sees; after 0 it is on the disk, the folder's entry too. */
int store_copy(struct txn *from, const struct copy_options *options,
               struct copy_progress *progress, char *why, size_t why_size);

#endif
