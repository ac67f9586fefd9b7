/* Where the commands' output goes: a terminal, which has a width and colours, or something that
 * reads lines, for which a line must never come in pieces that mix with another writer's. So
 * there is no buffer behind these calls: a text is one write. */
#include "terminal.h"

#include "output.h"

#include <casebus/errors.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_UNKNOWN 80 /* of a terminal that does not say */
#define ROWS_UNKNOWN 24

bool terminal_has_colour(int fd)
{
    const char *const unwanted = getenv("NO_COLOR"), *const kind = getenv("TERM");
    return isatty(fd) && (unwanted == NULL || *unwanted == '\0') &&
           (kind == NULL || strcmp(kind, "dumb") != 0);
}

size_t terminal_columns(int fd)
{
    struct winsize size;
    if (!isatty(fd)) {
        return 0;
    }
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS_UNKNOWN;
}

size_t terminal_rows(int fd)
{
    struct winsize size;
    if (!isatty(fd)) {
        return 0;
    }
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : ROWS_UNKNOWN;
}

bool terminal_reader_is_gone(int fd)
{
    struct pollfd out = {.fd = fd, .events = 0};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

static int write_out(const struct text *text)
{
    if (text->failed) {
        return CASEBUS_ENOMEM;
    }
    size_t done = 0;
    while (done < text->size) {
        const ssize_t size = write(STDOUT_FILENO, text->data + done, text->size - done);
        if (size < 0 && errno != EINTR) {
            return CASEBUS_EIO;
        }
        done += size > 0 ? (size_t)size : 0;
    }
    return 0;
}

bool terminal_print(const char *program, const struct text *text)
{
    const int rc = write_out(text);
    if (rc != 0) {
        output_failed(program, rc == CASEBUS_EIO ? strerror(errno) : casebus_strerror(rc));
    }
    return rc == 0;
}
