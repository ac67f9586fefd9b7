/* A cursor in a file.
 *
 * Whoever begins with it must find the old one or the new one, whatever was killed or lost its
 * power in between (replace_file.h). A cursor says that everything before it was shown, which
 * is true of the audience and the patterns it was saved with and no others, so they stand there
 * too:
 *
 *   casebus-cursor 3 <epoch, 16 hexadecimal digits> <seq> <audience>
 *   case:created
 *   session
 *
 * The 3 is the version of this file. Without an audience the line ends behind the seq. */
#include "cursor_file.h"

#include "replace_file.h"

#include <casebus/topic.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER "casebus-cursor 3 "
#define LINKS_MAX 40 /* Linux follows no more */
#define FILE_SIZE_MAX (128 + CASEBUS_PATTERNS_MAX * (CASEBUS_TOPIC_MAX + 1))

/* --- what it is of ---------------------------------------------------------------------- */

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

static int add_patterns(const char *const *patterns, size_t count, struct text *lines)
{
    struct prefix *const prefixes = calloc(count, sizeof *prefixes);
    if (prefixes == NULL) {
        return CASEBUS_ENOMEM;
    }
    const int rc = read_patterns(patterns, count, prefixes);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (i == 0 || compare(&prefixes[i - 1], &prefixes[i]) != 0) {
            text_add(lines, prefixes[i].text);
            text_add(lines, "\n");
        }
    }
    free(prefixes);
    return rc;
}

int cursor_scope_init(struct cursor_scope *self, const char *audience,
                      const char *const *patterns, size_t count)
{
    *self = (struct cursor_scope){0};
    if (audience != NULL) {
        text_add_foreign(&self->audience, casebus_cstr(audience)); /* stays within its line */
    }
    const int rc = add_patterns(patterns, count, &self->patterns);
    return rc != 0 || !(self->audience.failed || self->patterns.failed) ? rc : CASEBUS_ENOMEM;
}

void cursor_scope_free(struct cursor_scope *self)
{
    text_free(&self->audience);
    text_free(&self->patterns);
}

/* --- the file --------------------------------------------------------------------------- */

/* What a file says its cursor is of. */
struct kept {
    const char *audience, *patterns;
};

/* The end of the first line, and the lines behind it. */
static bool parse_scope(char *rest, struct kept *kept)
{
    char *const end = strchr(rest, '\n');
    const bool named = rest[0] == ' ' && rest + 1 != end;
    if (end == NULL || (rest != end && !named)) {
        return false;
    }
    *end = '\0';
    *kept = (struct kept){.audience = named ? rest + 1 : rest, .patterns = end + 1};
    const size_t size = strlen(kept->patterns);
    return size > 0 && kept->patterns[size - 1] == '\n'; /* whole lines, one at least */
}

static bool parse(char *content, struct casebus_cursor *cursor, struct kept *kept)
{
    const size_t header = strlen(HEADER);
    char *const space =
        strncmp(content, HEADER, header) == 0 ? strchr(content + header, ' ') : NULL;
    char *end;
    size_t size;
    if (space == NULL || space[1] < '0' || space[1] > '9') {
        return false;
    }
    *space = '\0';
    if (!text_read_hex(content + header, cursor->epoch, sizeof cursor->epoch, &size) ||
        size != sizeof cursor->epoch) {
        return false;
    }
    errno = 0;
    cursor->seq = strtoull(space + 1, &end, 10);
    return errno == 0 && parse_scope(end, kept);
}

static bool is_same(const char *kept, struct text *ours)
{
    const bool same = strcmp(kept, text_get(ours)) == 0;
    text_clear(ours);
    text_add(ours, kept);
    return same;
}

static int compare_scope(const struct kept *kept, struct cursor_scope *scope)
{
    const bool same_audience = is_same(kept->audience, &scope->audience);
    const bool same_patterns = is_same(kept->patterns, &scope->patterns);
    return !same_audience ? CASEBUS_EVALUE : same_patterns ? 1 : CASEBUS_EPATTERN;
}

/* Whoever ends takes the name away: a lock counts while the file still has it. */
static bool is_there(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino;
}

static int lock_file(const char *path)
{
    while (true) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) {
            return CASEBUS_EIO;
        }
        const bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        const int error = errno;
        if (locked && is_there(fd, path)) {
            return fd;
        }
        close(fd);
        if (!locked) {
            return error == EWOULDBLOCK ? CASEBUS_ELOCKED : CASEBUS_EIO;
        }
    }
}

int cursor_file_lock(struct cursor_lock *self, const char *path)
{
    self->fd = -1;
    text_add(&self->path, path);
    text_add(&self->path, ".lock"); /* beside it: the file itself is another after each save */
    self->fd = self->path.failed ? CASEBUS_ENOMEM : lock_file(text_get(&self->path));
    return self->fd < 0 ? self->fd : 0;
}

void cursor_file_unlock(struct cursor_lock *self)
{
    if (self->path.size > 0 && self->fd >= 0) {
        (void)unlink(text_get(&self->path));
        close(self->fd);
    }
    text_free(&self->path);
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

int cursor_file_read(const char *path, struct casebus_cursor *cursor,
                     struct cursor_scope *scope)
{
    struct kept kept;
    char *const content = malloc(FILE_SIZE_MAX);
    if (content == NULL) {
        return CASEBUS_ENOMEM;
    }
    int rc = read_content(path, content, FILE_SIZE_MAX);
    if (rc > 0) {
        rc = parse(content, cursor, &kept) ? compare_scope(&kept, scope) : CASEBUS_EMALFORMED;
    }
    const int error = errno;
    free(content);
    errno = error;
    return rc;
}

/* One symbolic link further; false: the path is none, or memory is short. */
static bool follow_link(struct text *path)
{
    char target[PATH_MAX];
    const char *const slash = strrchr(text_get(path), '/');
    const ssize_t size = readlink(text_get(path), target, sizeof target);
    if (size < 0 || path->failed) {
        return false;
    }
    struct text next = {0};
    if (target[0] != '/' && slash != NULL) { /* it is from the link's folder */
        text_add_bytes(&next, path->data, (size_t)(slash + 1 - path->data));
    }
    text_add_bytes(&next, target, (size_t)size);
    text_free(path);
    *path = next;
    return true;
}

/* What a link leads to, which need not be there yet, is replaced, and the link stays. */
static bool replace_linked(const char *path, const struct text *content)
{
    struct text real = {0};
    int left = LINKS_MAX;
    text_add(&real, path);
    while (left > 0 && follow_link(&real)) {
        left--;
    }
    errno = ENOMEM;
    const bool fine =
        !real.failed && replace_file(text_get(&real), text_get(content), content->size, 0666);
    const int error = errno;
    text_free(&real);
    errno = error;
    return fine;
}

int cursor_file_write(const char *path, const struct casebus_cursor *cursor,
                      const struct cursor_scope *scope)
{
    struct text content = {0};
    text_add(&content, HEADER);
    text_add_hex(&content, casebus_bytes(cursor->epoch, sizeof cursor->epoch));
    text_add(&content, " ");
    text_add_uint(&content, cursor->seq);
    text_add(&content, scope->audience.size > 0 ? " " : "");
    text_add(&content, text_get(&scope->audience));
    text_add(&content, "\n");
    text_add(&content, text_get(&scope->patterns));
    errno = ENOMEM;
    const bool fine = !content.failed && replace_linked(path, &content);
    text_free(&content);
    return fine ? 0 : CASEBUS_EIO;
}
