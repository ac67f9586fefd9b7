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
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER "casebus-cursor 1 "
#define LINE_MAX_SIZE 128

/* Takes the line apart. */
static int parse(char *line, struct casebus_cursor *cursor)
{
    const size_t header = strlen(HEADER);
    char *const space = strncmp(line, HEADER, header) == 0 ? strchr(line + header, ' ') : NULL;
    char *end;
    size_t size;
    if (space == NULL || space[1] < '0' || space[1] > '9') {
        return CASEBUS_EMALFORMED;
    }
    *space = '\0';
    if (!text_read_hex(line + header, cursor->epoch, sizeof cursor->epoch, &size) ||
        size != sizeof cursor->epoch) {
        return CASEBUS_EMALFORMED;
    }
    errno = 0;
    cursor->seq = strtoull(space + 1, &end, 10);
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
    struct text line = {0};
    text_add(&line, HEADER);
    text_add_hex(&line, casebus_bytes(cursor->epoch, sizeof cursor->epoch));
    text_add(&line, " ");
    text_add_uint(&line, cursor->seq);
    text_add(&line, "\n");
    errno = ENOMEM;
    const bool fine = !line.failed && replace_file(path, text_get(&line), line.size, 0666);
    text_free(&line);
    return fine ? 0 : CASEBUS_EIO;
}
