/* casebus-watch with a table: --recent, --sessions, --session. */
#ifndef CASEBUS_WATCH_TABLE_H
#define CASEBUS_WATCH_TABLE_H

#include <casebus/view.h>
#include <signal.h>

#include "text.h"
#include "watch.h"

#define WATCH_ROWS 20

enum watch_what {
    WATCH_RECENT,
    WATCH_SESSIONS,
    WATCH_SESSION
};

struct watch_table {
    const char *fanout, *query, *audience;
    const char *secret, *server; /* key files, or NULL */
    enum watch_what what;
    const char *session; /* AGENCY:ID, or new */
    const char *const *patterns;
    size_t pattern_count;
    uint64_t limit, count; /* count: FLAG_UNSET: without end */
    int timeout_ms;
    bool json;
    volatile sig_atomic_t *resized;
};

/* Shows it until it is stopped, or the time or the count is over; an exit code. */
int watch_table(const struct watch_table *settings);

/* --- what it looks like (watch_rows.c) ---------------------------------------------------- */

struct watch_rows {
    const struct casebus_row *row;
    size_t count;
};

/* The table of cases, sessions, or a session's cases, at most `width` columns where that is not
 * 0. */
void watch_rows_print(enum watch_what what, struct watch_rows rows, size_t width,
                      struct text *out);
/* A session in a line: its name, what it does and how far it is. */
void watch_session_print(struct casebus_bytes session, struct text *out);
/* A difference as a line of JSON. */
void watch_diff_print(const char *name, uint64_t seq, uint64_t newer, bool cut,
                      const struct casebus_diff *diff, struct text *out);

#endif
