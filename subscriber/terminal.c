/* Where the commands' output goes: a terminal, which has a width and colours, or something that
 * reads lines, for which a line must never come in pieces that mix with another writer's. So
 * there is no buffer behind these calls: a text is one write. A file keeps whole lines: what a
 * full disk took of a text is taken back, what a kill has cut is ended. */
#include "terminal.h"

#include "output.h"
#include "stop.h"

#include <casebus/errors.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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

/* What standard output has of a text. */
struct written {
    size_t size;
    off_t begin; /* of a regular file; known once a write was short */
};

/* Waits until standard output takes something. False: a signal asked to stop before that. */
static bool wait_for_room(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int ready;
    do {
        ready = poll(&out, 1, stop_requested() ? 0 : STOP_SLICE_MS);
    } while (ready <= 0 && !stop_requested());
    return ready > 0;
}

/* All of it, so that lines do not mix. Once a signal has asked to stop no other may end a wait:
 * then no more than a pipe with room takes at once. */
static size_t piece_of(size_t left)
{
    return stop_requested() && left > PIPE_BUF ? PIPE_BUF : left;
}

static int write_out(const struct text *text, struct written *written)
{
    if (text->failed) {
        return CASEBUS_ENOMEM;
    }
    while (written->size < text->size) {
        if (!wait_for_room()) {
            return CASEBUS_EINTR;
        }
        const ssize_t size = write(STDOUT_FILENO, text->data + written->size,
                                   piece_of(text->size - written->size));
        if (size < 0 && errno != EINTR && errno != EAGAIN) {
            return CASEBUS_EIO;
        }
        if (written->size == 0 && size > 0 && (size_t)size < text->size) {
            written->begin = lseek(STDOUT_FILENO, 0, SEEK_CUR) - size;
        }
        written->size += size > 0 ? (size_t)size : 0;
    }
    return 0;
}

/* Out of a regular file, where it is the last that anybody wrote: a line cut short would be one
 * with whatever is written next. The offset goes back too, for whoever shares it and does not
 * append. */
static void take_back(const struct written *written)
{
    struct stat file;
    const off_t end = written->begin + (off_t)written->size;
    if (written->size > 0 && fstat(STDOUT_FILENO, &file) == 0 && S_ISREG(file.st_mode) &&
        file.st_size == end && lseek(STDOUT_FILENO, 0, SEEK_CUR) == end &&
        ftruncate(STDOUT_FILENO, written->begin) == 0) {
        lseek(STDOUT_FILENO, written->begin, SEEK_SET);
    }
}

int terminal_print(const char *program, const struct text *text)
{
    struct written written = {0};
    const int rc = write_out(text, &written);
    if (rc != 0 && rc != CASEBUS_EINTR) {
        output_failed(program, rc == CASEBUS_EIO ? strerror(errno) : casebus_strerror(rc));
    }
    if (rc != 0) {
        take_back(&written);
    }
    return rc;
}

/* The byte of a regular file behind which the next write goes; -1: none, or not to be read. */
static int last_byte(void)
{
    struct stat file;
    unsigned char byte;
    if (fstat(STDOUT_FILENO, &file) != 0 || !S_ISREG(file.st_mode)) {
        return -1;
    }
    const bool appends = (fcntl(STDOUT_FILENO, F_GETFL) & O_APPEND) != 0;
    const off_t end = appends ? file.st_size : lseek(STDOUT_FILENO, 0, SEEK_CUR);
    const int fd = open("/proc/self/fd/1", O_RDONLY | O_CLOEXEC); /* ours may only write */
    if (fd < 0) {
        return -1;
    }
    const bool is_read = end > 0 && pread(fd, &byte, 1, end - 1) == 1;
    close(fd);
    return is_read ? byte : -1;
}

int terminal_end_cut_line(const char *program)
{
    const int byte = last_byte();
    struct text end = {0};
    if (byte < 0 || byte == '\n') {
        return 0;
    }
    text_add(&end, "\n");
    const int rc = terminal_print(program, &end);
    text_free(&end);
    return rc;
}
