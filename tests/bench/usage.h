/* What a server uses while it is measured: time of the processor, and memory of its own. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    pid_t server;
    double cpu_us; /* between begin and end */
    /* The most it had at any look, files it maps not counted: before half of the work was done,
     * and after. */
    uint64_t early_kib, late_kib;
};

void usage_begin(struct usage *self);
void usage_look(struct usage *self, bool late);
void usage_end(struct usage *self);
/* KiB. */
uint64_t usage_most(const struct usage *self);
/* The most of the second half as a share of the first's: 1 is flat. */
double usage_growth(const struct usage *self);

#endif
