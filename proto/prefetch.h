/* Memory that is asked for ahead: what another processor has written, or nobody has read for
 * long, comes while something else is done. Costs time where it is not read then, no more. */
#ifndef PROTO_PREFETCH_H
#define PROTO_PREFETCH_H

#include <casebus/msgpack.h>

#define CACHE_LINE 64 /* another size costs time, and nothing else */

/* Up to `most` bytes: of what is longer the processor sees that it is being read. Always
 * inlined: a call that only asks is taken for one without effect, and left out. */
CASEBUS_INLINE void prefetch(const void *data, size_t size, size_t most)
{
    for (size_t at = 0; at < size && at < most; at += CACHE_LINE) {
        __builtin_prefetch((const char *)data + at);
    }
}

/* The same of memory that is about to be written. */
CASEBUS_INLINE void prefetch_to_write(void *data, size_t size, size_t most)
{
    for (size_t at = 0; at < size && at < most; at += CACHE_LINE) {
        __builtin_prefetch((char *)data + at, 1);
    }
}

#endif
