/* File space for LMDB's next commit, before it begins: so a full disk is met where nothing has
 * been touched, and not in the middle of a commit. */
#ifndef PROTO_SPACE_H
#define PROTO_SPACE_H

#include <lmdb.h>
#include <stdint.h>

/* Makes sure of `more` bytes behind the pages in use, in a map of `map_bytes`: allocates up to
 * the next multiple of `step` bytes, or, where the disk has less, just what is needed. The
 * file's size stays. *reserved: up to where the file is known to be allocated, 0 once it is
 * opened; grows. 0, CASEBUS_ENOSPC (of the disk or of the map), CASEBUS_EIO. */
int space_reserve(MDB_env *env, uint64_t map_bytes, uint64_t step, uint64_t more,
                  uint64_t *reserved);

#endif
