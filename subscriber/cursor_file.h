/* A cursor in a file, with what it is of; replaced as a whole. */
#ifndef CASEBUS_CURSOR_FILE_H
#define CASEBUS_CURSOR_FILE_H

#include "text.h"

#include <casebus/subscriber.h>

/* What a watch is shown, as its file keeps it. */
struct cursor_scope {
    struct text audience; /* its name; empty: none, the broker's own endpoint */
    struct text patterns; /* a line each, sorted, each once, without what only spells the same
                           * otherwise */
};

/* `audience` may be NULL. CASEBUS_EPATTERN: one of the patterns is none. */
int cursor_scope_init(struct cursor_scope *self, const char *audience,
                      const char *const *patterns, size_t count);
void cursor_scope_free(struct cursor_scope *self);

/* Held by the one who keeps a cursor: two would each skip what the other has shown. */
struct cursor_lock {
    struct text path;
    int fd;
};

/* 0; CASEBUS_ELOCKED: somebody else holds it; CASEBUS_EIO: no file can be made there. Of one
 * that was killed PATH.lock stays, and means nothing. */
int cursor_file_lock(struct cursor_lock *self, const char *path);
void cursor_file_unlock(struct cursor_lock *self); /* also where it was not locked */

/* 1; 0: there is no such file; CASEBUS_EMALFORMED: it holds no cursor; CASEBUS_EIO: errno;
 * CASEBUS_EVALUE, CASEBUS_EPATTERN: it is the cursor of another audience, of other patterns,
 * and `scope` is then the file's. */
int cursor_file_read(const char *path, struct casebus_cursor *cursor,
                     struct cursor_scope *scope);
/* Durable when it returns 0; CASEBUS_EIO: errno, and the file is the old one or the
 * new one (replace_file.h). */
int cursor_file_write(const char *path, const struct casebus_cursor *cursor,
                      const struct cursor_scope *scope);

#endif
