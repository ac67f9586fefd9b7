/* The report that benchmarks send: 512 bytes encoded unless another size is asked for, 12
 * fields, one offender in four new, ids ascending within an agency unless they are scattered.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <casebus/msgpack.h>

#define REPORT_SIZE 512
#define REPORT_SIZE_MAX 16000

/* Packed once: what a report does not share with the others is written over it, in places of a
 * fixed width, because what takes reports is to be measured and not this file. */
struct sample {
    msgpack_sbuffer data; /* of the case: what goes under `data` in a report */
    char key[32];         /* regulator id */
    size_t key_size;
    char *name, *fine, *page, *fetched_at; /* in the data: the digits, and the numbers' bytes */
};

/* Reports of two publishers name other cases and other offenders. The report has report_size
 * bytes, from REPORT_SIZE to REPORT_SIZE_MAX, where its session's id has session_size. */
void sample_init(struct sample *self, unsigned publisher, size_t report_size,
                 size_t session_size);
void sample_end(struct sample *self);
/* Becomes the n-th case, as of its first version. */
void sample_turn_to(struct sample *self, unsigned n);
/* The n-th case under another id: each n another, in no order. */
void sample_scatter(struct sample *self, unsigned n);
/* Another fine for the case at hand. */
void sample_correct(struct sample *self, unsigned fine_pence);
/* Another source.fetched_at: microseconds since 1970. */
void sample_stamp(struct sample *self, uint64_t fetched_at);

#endif
