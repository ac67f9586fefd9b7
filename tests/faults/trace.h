/* What the failing disk records and the power-loss test reads: one record a call, a write's
 * bytes behind it. Both programs are built together, so the struct is the format. */
#ifndef TESTS_TRACE_H
#define TESTS_TRACE_H

#include <stdint.h>

#define TRACE_WRITE 'W'
#define TRACE_WRITE_THROUGH 'M' /* through O_DSYNC: durable with the TRACE_THROUGH after it */
#define TRACE_THROUGH 'D'
#define TRACE_THROUGH_FAILED 'F' /* the kernel may have dropped it */
#define TRACE_SYNC 'S'           /* returned well: everything written before it is durable */
#define TRACE_SYNC_FAILED 'E'    /* the kernel may have dropped what was written before it */
#define TRACE_NAMED 'N'          /* the file got its name; before, there was no store */

struct trace_record {
    uint64_t what, offset, size;
};

#endif
