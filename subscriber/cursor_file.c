/* A cursor in a file.
 *
 * Whoever begins with it must find the old one or the new one, whatever was killed or lost its
 * power in between (replace_file.h). A cursor says that everything before it was shown, which
 * is true of the patterns it was saved with and no others, so they stand there too:
 *
 *   casebus-cursor 2 <epoch, 16 hexadecimal digits> <seq>
 *   case:created
 *   session
 *
 * The 2 is the version of this file. */
#include "cursor_file.h"

#include "replace_file.h"

#include <casebus/topic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER "casebus-cursor 2 "
#define FILE_SIZE_MAX (128 + CASEBUS_PATTERNS_MAX * (CASEBUS_TOPIC_MAX + 1))

/* --- patterns --------------------------------------------------------------------------- */

struct prefix {
    char text[CASEBUS_TOPIC_MAX + 1];
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct prefix *)a)->text, ((const struct prefix *)b)->text);
}

static int read_patterns(const char *const *patterns, size_t count, struct prefix *prefixes)
{
    for (size_t i = 0; i < count; i++) {
        char *const text = prefixes[i].text;
        const char *why;
        const int size =
            casebus_pattern_prefix(patterns[i], text, sizeof prefixes[i].text, &why);
        if (size < 0) {
            return size;
        }
        text[size - 1] = '\0'; /* its last ':' */
    }
    qsort(prefixes, count, sizeof *prefixes, compare);
    return 0;
}

int cursor_file_patterns(const char *const *patterns, size_t count, struct text *lines)
{
    struct prefix *const prefixes = calloc(count, sizeof *prefixes);
    if (prefixes == NULL) {
        return CASEBUS_ENOMEM;
    }
    const int rc = read_patterns(patterns, count, prefixes);
    text_clear(lines);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (i == 0 || compare(&prefixes[i - 1], &prefixes[i]) != 0) {
            text_add(lines, prefixes[i].text);
            text_add(lines, "\n");
        }
    }
    free(prefixes);
    return rc != 0 || !lines->failed ? rc : CASEBUS_ENOMEM;
}

/* --- the file --------------------------------------------------------------------------- */

/* Takes the first line apart: what is behind it, or NULL. */
static const char *parse(char *content, struct casebus_cursor *cursor)
{
    const size_t header = strlen(HEADER);
    char *const space =
        strncmp(content, HEADER, header) == 0 ? strchr(content + header, ' ') : NULL;
    char *end;
    size_t size;
    if (space == NULL || space[1] < '0' || space[1] > '9') {
        return NULL;
    }
    *space = '\0';
    if (!text_read_hex(content + header, cursor->epoch, sizeof cursor->epoch, &size) ||
        size != sizeof cursor->epoch) {
        return NULL;
    }
    errno = 0;
    cursor->seq = strtoull(space + 1, &end, 10);
    return errno == 0 && *end == '\n' ? end + 1 : NULL;
}

/* Whole lines, one at least. */
static int compare_patterns(const char *kept, struct text *lines)
{
    const size_t size = strlen(kept);
    if (size == 0 || kept[size - 1] != '\n') {
        return CASEBUS_EMALFORMED;
    }
    if (strcmp(kept, text_get(lines)) == 0) {
        return 1;
    }
    text_clear(lines);
    text_add(lines, kept);
    return CASEBUS_EPATTERN;
}

/* As much as a cursor's file can hold, terminated: 1; 0 there is none; or a code. */
static int read_content(const char *path, char *content, size_t room)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : CASEBUS_EIO;
    }
    const ssize_t size = read(fd, content, room - 1);
    const int error = errno;
    close(fd);
    errno = error;
    content[size > 0 ? size : 0] = '\0';
    return size < 0 ? CASEBUS_EIO : 1;
}

int cursor_file_read(const char *path, struct casebus_cursor *cursor, struct text *lines)
{
    char *const content = malloc(FILE_SIZE_MAX);
    if (content == NULL) {
        return CASEBUS_ENOMEM;
    }
    int rc = read_content(path, content, FILE_SIZE_MAX);
    if (rc > 0) {
        const char *const kept = parse(content, cursor);
        rc = kept != NULL ? compare_patterns(kept, lines) : CASEBUS_EMALFORMED;
    }
    const int error = errno;
    free(content);
    errno = error;
    return rc;
}

int cursor_file_write(const char *path, const struct casebus_cursor *cursor,
                      const struct text *lines)
{
    struct text content = {0};
    text_add(&content, HEADER);
    text_add_hex(&content, casebus_bytes(cursor->epoch, sizeof cursor->epoch));
    text_add(&content, " ");
    text_add_uint(&content, cursor->seq);
    text_add(&content, "\n");
    text_add(&content, text_get(lines));
    errno = ENOMEM;
    const bool fine =
        !content.failed && replace_file(path, text_get(&content), content.size, 0666);
    text_free(&content);
    return fine ? 0 : CASEBUS_EIO;
}
