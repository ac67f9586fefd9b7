/* Logging to standard error: one line a message, with time, level and the thread's name.
 *
 * errno is kept across a call. log_limited() lets a message through at most so often, and says
 * how many it held back: for what a peer can cause at will. Levels: error (something the
 * operator must act on), warning, info (start, stop, changes), debug; and audit, whatever the
 * level asked for: who was refused what, and who changed something ("Who may do what" in
 * PROTOCOL.md). */
#ifndef BROKER_LOG_H
#define BROKER_LOG_H

#include <stdint.h>

enum log_level {
    LEVEL_AUDIT,
    LEVEL_ERROR,
    LEVEL_WARNING,
    LEVEL_INFO,
    LEVEL_DEBUG
};

void log_set_level(enum log_level level);
/* The calling thread's name, in lines of the log and of `top -H`: a static string of up to 15
 * bytes. */
void log_name_thread(const char *name);
void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define log_audit(...) log_write(LEVEL_AUDIT, __VA_ARGS__)
#define log_error(...) log_write(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LEVEL_DEBUG, __VA_ARGS__)

struct log_limit {
    uint64_t window; /* seconds: which one is being counted */
    unsigned said, held;
    unsigned per_s; /* 0: LOG_LIMIT_PER_S */
};
#define LOG_LIMIT_PER_S 5
void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
