/* Every start looks whether the end of the log, the state, heads, cases and sessions agree: the
 * newest events only, in milliseconds. It is what a start after an I/O error has to know;
 * verify.h proves the whole. */
#ifndef BROKER_TAIL_H
#define BROKER_TAIL_H

#include "store.h"

#define TAIL_EVENTS 256

/* 0; else `why` says what does not agree, and what can be done. */
int tail_check(struct store *store, char *why, size_t why_size);

#endif
