/* What casebus-watch was asked for, and how it ends. */
#ifndef CASEBUS_WATCH_H
#define CASEBUS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM "casebus-watch"

/* The exit codes. */
enum {
    EXIT_FINE = 0,
    EXIT_OUTPUT = 1,
    EXIT_USAGE = 2,
    EXIT_SHORT = 3
};

/* The command line. Numbers that were not given are FLAG_UNSET. */
struct watch_settings {
    const char *ingest, *fanout, *query, *audience, *secret, *server, *cursor, *session;
    uint64_t count, after, limit;
    int timeout_ms;
    bool from_start, unordered, recent, sessions, json, help, version;
    const char *const *patterns;
    size_t pattern_count;
};

#endif
