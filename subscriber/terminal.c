/* Where the commands' output goes: a terminal, which has a width and colours, or something that
 * reads lines, for which a line must never come in pieces that mix with another writer's. So
 * there is no buffer behind these calls: a text is one write. A file keeps whole lines: what a
 * full disk took of a text is taken back, what a kill has cut is ended. */
#include "terminal.h"

#include "output.h"

#include <casebus/errors.h>
#include <errno.h>
#include <fcntl.h>
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

static int write_out(const struct text *text, struct written *written)
{
    if (text->failed) {
        return CASEBUS_ENOMEM;
    }
    while (written->size < text->size) {
        const ssize_t size =
            write(STDOUT_FILENO, text->data + written->size, text->size - written->size);
        if (size < 0 && errno != EINTR) {
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

bool terminal_print(const char *program, const struct text *text)
{
    struct written written = {0};
    const int rc = write_out(text, &written);
    if (rc != 0) {
        output_failed(program, rc == CASEBUS_EIO ? strerror(errno) : casebus_strerror(rc));
        take_back(&written);
    }
    return rc == 0;
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

bool terminal_end_cut_line(const char *program)
{
    const int byte = last_byte();
    struct text end = {0};
    if (byte < 0 || byte == '\n') {
        return true;
    }
    text_add(&end, "\n");
    const bool fine = terminal_print(program, &end);
    text_free(&end);
    return fine;
}
