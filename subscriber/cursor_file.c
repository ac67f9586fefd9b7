/* A cursor in a file.
 *
 * Whoever begins with it must find the old one or the new one, whatever was killed or lost its
 * power in between (replace_file.h).
 *
 *   casebus-cursor 1 <epoch, 16 hexadecimal digits> <seq>
 *
 * The 1 is the version of this line. */
#include "cursor_file.h"

#include "replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER "casebus-cursor 1 "
#define LINE_MAX_SIZE 128

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_epoch(const char *text, unsigned char *epoch)
{
    for (size_t i = 0; i < CASEBUS_EPOCH_SIZE; i++) {
        const int high = nibble(text[2 * i]), low = high < 0 ? -1 : nibble(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        epoch[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static int parse(const char *line, struct casebus_cursor *cursor)
{
    const size_t header = strlen(HEADER);
    if (strncmp(line, HEADER, header) != 0 || !read_epoch(line + header, cursor->epoch)) {
        return CASEBUS_EMALFORMED;
    }
    const char *const number = line + header + 2 * CASEBUS_EPOCH_SIZE;
    char *end;
    if (number[0] != ' ' || number[1] < '0' || number[1] > '9') {
        return CASEBUS_EMALFORMED;
    }
    errno = 0;
    cursor->seq = strtoull(number + 1, &end, 10);
    return errno == 0 && strcmp(end, "\n") == 0 ? 1 : CASEBUS_EMALFORMED;
}

int cursor_file_read(const char *path, struct casebus_cursor *cursor)
{
    char line[LINE_MAX_SIZE];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : CASEBUS_EIO;
    }
    const ssize_t size = read(fd, line, sizeof line - 1);
    const int error = errno;
    close(fd);
    errno = error;
    if (size < 0) {
        return CASEBUS_EIO;
    }
    line[size] = '\0';
    return parse(line, cursor);
}

int cursor_file_write(const char *path, const struct casebus_cursor *cursor)
{
    char line[LINE_MAX_SIZE] = HEADER;
    char *at = line + strlen(line);
    for (size_t i = 0; i < CASEBUS_EPOCH_SIZE; i++) {
        at += sprintf(at, "%02x", (unsigned)cursor->epoch[i]);
    }
    at += sprintf(at, " %" PRIu64 "\n", cursor->seq);
    return replace_file(path, line, (size_t)(at - line), 0666) ? 0 : CASEBUS_EIO;
}
