/* What the command tells people while it works: on stderr, a line a thing.
 *
 * What comes from a file or a broker may hold anything, also what would move the cursor or
 * colour the terminal: control characters are shown as '?'. The progress bar is only drawn on a
 * terminal, and gives way to every other line. */
#include "say.h"

#include <casebus/msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define BAR_MS 100
#define BAR_COLUMNS 76    /* of the line with the bar */
#define COUNTS_COLUMNS 38 /* and without */

/* 0: no terminal. One that does not say is as wide as all were. */
static unsigned columns_of(int fd)
{
    struct winsize size = {0};
    if (isatty(fd) != 1) {
        return 0;
    }
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void voice_init(struct voice *self, const char *path)
{
    *self = (struct voice){.path = path, .columns = columns_of(STDERR_FILENO)};
}

/* Bytes that a terminal would obey: C0, DEL, and C1 as UTF-8 writes it. Of what is not UTF-8
 * nobody knows how a terminal reads it. */
static void clean(char *text)
{
    bool is_utf8 = casebus_utf8_valid(casebus_cstr(text));
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f || (*at >= 0x80 && !is_utf8)) {
            *at = '?';
        } else if (*at == 0xc2 && at[1] < 0xa0) {
            at[0] = at[1] = '?';
        }
    }
}

static void say_line(struct voice *self, char *text)
{
    say_no_progress(self);
    clean(text);
    fprintf(stderr, "%s\n", text);
}

void say_refused(struct voice *self, unsigned long line, const char *field, int field_size,
                 const char *reason, int reason_size)
{
    char text[1024];
    snprintf(text, sizeof text, "%s:%lu: %.*s: %.*s", self->path, line,
             field_size ? field_size : 1, field_size ? field : "-", reason_size, reason);
    say_line(self, text);
}

void say_at(struct voice *self, unsigned long line, const char *format, ...)
{
    char sentence[512], text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s:%lu: %s", self->path, line, sentence);
    say_line(self, text);
}

void say(struct voice *self, const char *format, ...)
{
    char sentence[512], text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    snprintf(text, sizeof text, "casebus-publish: %s", sentence);
    say_line(self, text);
}

void say_progress(struct voice *self, int64_t now, double share, uint64_t sent,
                  uint64_t confirmed)
{
    if (self->columns < COUNTS_COLUMNS || now - self->bar_at < BAR_MS) {
        return;
    }
    self->bar_at = now;
    self->bar_is_up = true;
    if (share < 0 || self->columns < BAR_COLUMNS) { /* a line that wraps is not drawn over */
        fprintf(stderr, "\r%10llu sent %10llu confirmed", (unsigned long long)sent,
                (unsigned long long)confirmed);
        return;
    }
    char bar[BAR_WIDTH + 1];
    size_t full = (size_t)(share * BAR_WIDTH);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3d %% %10llu sent %10llu confirmed", bar, (int)(share * 100),
            (unsigned long long)sent, (unsigned long long)confirmed);
}

void say_no_progress(struct voice *self)
{
    if (self->bar_is_up) {
        fputs("\r\x1b[K", stderr);
        self->bar_is_up = false;
    }
}
