/* A small file that is replaced as a whole. */
#ifndef CASEBUS_REPLACE_FILE_H
#define CASEBUS_REPLACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whoever opens `path` finds the old content or the new one, whatever was killed or lost its
 * power in between: it is written beside the file (PATH.new, with `mode` less the umask), made
 * durable, and renamed over it, which puts a file in the place of a symbolic link. One writer
 * at a time. False: errno; `path` has the old content or, where only its folder could not be
 * made durable, the new one, and nothing is left beside it. */
bool replace_file(const char *path, const char *content, size_t size, mode_t mode);

#endif
