/* The least that could answer requests: what casebus's answers are compared with. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

/* A ROUTER that looks keys up in LMDB and sends the bytes found there, a snapshot for each
 * request; the store is made in the folder. Both run until they are ended. */
void bare_router(const char *folder, unsigned cases, const char *endpoint)
    __attribute__((noreturn));
/* A REP that answers with a record's number of bytes. */
void bare_echo(const char *endpoint) __attribute__((noreturn));

#endif
