/* Memory that is asked for ahead: what another processor has written, or nobody has read for
 * long, comes while something else is done. Costs time where it is not read then, no more. */
#ifndef BROKER_PREFETCH_H
#define BROKER_PREFETCH_H

#include <stddef.h>

#define CACHE_LINE 64 /* another size costs time, and nothing else */

/* Up to `most` bytes: of what is longer the processor sees that it is being read. */
static inline void prefetch(const void *data, size_t size, size_t most)
{
    for (size_t at = 0; at < size && at < most; at += CACHE_LINE) {
        __builtin_prefetch((const char *)data + at);
    }
}

#endif
