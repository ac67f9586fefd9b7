/* The bytes of a file or a pipe (private to casebus-publish). See source.c. */
#ifndef CASEBUS_PUBLISH_SOURCE_H
#define CASEBUS_PUBLISH_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
    int fd;
    bool waits;     /* a pipe or a terminal: reading may take for ever */
    uint64_t size;  /* of a file; 0: not known */
    uint64_t taken; /* bytes given out so far */
    /* Called while nothing comes, and again and again; true: stop reading. */
    bool (*idle)(void *arg);
    void *idle_arg;
    unsigned char *buffer;
    size_t at, end;
    bool ended;
};

/* `path` "-" is standard input. 0 or CASEBUS_EIO with errno, CASEBUS_ENOMEM. */
int source_open(struct source *self, const char *path, bool (*idle)(void *), void *idle_arg);
void source_close(struct source *self);
/* What comes next, some of it, not copied: 1; 0: the end; CASEBUS_EINTR: idle said stop;
 * CASEBUS_EIO with errno. */
int source_peek(struct source *self, const unsigned char **data, size_t *size);
void source_take(struct source *self, size_t size);

#endif
