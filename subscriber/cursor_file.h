/* A cursor in a file, with the patterns it is of; replaced as a whole. */
#ifndef CASEBUS_CURSOR_FILE_H
#define CASEBUS_CURSOR_FILE_H

#include "text.h"

#include <casebus/subscriber.h>

/* The patterns of a watch, as its file keeps them: a line each, sorted, each once, without what
 * only spells the same otherwise. CASEBUS_EPATTERN: one of them is none. */
int cursor_file_patterns(const char *const *patterns, size_t count, struct text *lines);

/* 1; 0: there is no such file; CASEBUS_EMALFORMED: it holds no cursor; CASEBUS_EIO: errno;
 * CASEBUS_EPATTERN: it is the cursor of other patterns, which `lines` has then. */
int cursor_file_read(const char *path, struct casebus_cursor *cursor, struct text *lines);
/* Durable when it returns 0; CASEBUS_EIO: errno, and the file is the old one or the
 * new one (replace_file.h). */
int cursor_file_write(const char *path, const struct casebus_cursor *cursor,
                      const struct text *lines);

#endif
