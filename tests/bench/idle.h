/* Subscribers that watch a case which never comes, many in a process. */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "round.h"

/* A process of up to IDLE_EACH of them, until it is ended. Each has a prefix of its own, and
 * hears the heads, as every reader does that wants to know what it misses. */
void idle_watch(const struct round *round, unsigned index);

#endif
