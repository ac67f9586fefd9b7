/* A cursor in a file: one line, replaced as a whole. */
#ifndef CASEBUS_CURSOR_FILE_H
#define CASEBUS_CURSOR_FILE_H

#include <casebus/subscriber.h>

/* 1; 0: there is no such file; CASEBUS_EMALFORMED: it holds no cursor; CASEBUS_EIO: errno. */
int cursor_file_read(const char *path, struct casebus_cursor *cursor);
/* Durable when it returns 0; CASEBUS_EIO: errno, and the file is the old one or the
 * new one (replace_file.h). */
int cursor_file_write(const char *path, const struct casebus_cursor *cursor);

#endif
