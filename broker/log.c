/* One write(2) a line, so that threads do not mix theirs. */
#include "log.h"

#include <casebus/msgpack.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int threshold = LEVEL_INFO;
static _Thread_local const char *thread_name = "main";

void log_set_level(enum log_level level)
{
    threshold = (int)level;
}

void log_name_thread(const char *name)
{
    thread_name = name;
    pthread_setname_np(pthread_self(), name);
}

__attribute__((format(printf, 2, 0))) static void write_line(enum log_level level,
                                                             const char *format, va_list args)
{
    static const char *const words[] = {"audit", "error", "warning", "info", "debug"};
    char line[1024];
    int saved = errno;
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s [%s] ", now.tv_nsec / 1000000,
                          words[level], thread_name);
    int more = vsnprintf(line + n, sizeof line - n - 1, format, args);
    n += more > 0 ? (size_t)more : 0;
    if (n > sizeof line - 2) {
        n = sizeof line - 2;
    }
    bool text = casebus_utf8_valid(casebus_bytes(line, n));
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < ' ' || c == 0x7f || (c >= 0x80 && !text)) {
            line[i] = '?'; /* what peers send ends up here too */
        }
    }
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
    errno = saved;
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level > threshold) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    if ((int)level > threshold) {
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t)now.tv_sec != limit->window) {
        if (limit->held > 0) {
            log_write(level, "%u more like the last were not logged", limit->held);
        }
        *limit = (struct log_limit){.window = (uint64_t)now.tv_sec, .per_s = limit->per_s};
    }
    if (limit->said >= (limit->per_s ? limit->per_s : LOG_LIMIT_PER_S)) {
        limit->held++;
        return;
    }
    limit->said++;
    va_list args;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}
