/* Work on a store whose pages may be damaged, in a child process: LMDB maps the file and trusts
 * it, so that a damaged page can crash or hang whoever reads it. The child may; the parent says
 * so. */
#ifndef BROKER_GUARD_H
#define BROKER_GUARD_H

#include <stddef.h>
#include <stdint.h>

struct guard_options {
    int (*work)(void *arg); /* in the child; its result, 0 to 125, becomes the parent's */
    void *arg;
    /* What rises while the work gets on; asked by the parent: it lies in memory of
     * guard_memory(). */
    uint64_t (*steps)(const void *arg);
    unsigned quiet_s; /* the child is ended when it stands still that long */
    unsigned whole_s; /* or after that long; 0: no limit */
};

enum guard_end {
    GUARD_DONE,
    GUARD_CRASHED,
    GUARD_HUNG,
    GUARD_TIME_UP,
    GUARD_FAILED
};

/* Memory that parent and child share, zeroed; NULL: none. Lives as long as the process. */
void *guard_memory(size_t size);

/* Runs the work to its end. GUARD_DONE: *result is the work's; else `why` says how the child
 * ended. */
enum guard_end guard_run(const struct guard_options *options, int *result, char *why,
                         size_t why_size);

#endif
