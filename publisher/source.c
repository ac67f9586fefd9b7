/* The bytes of a file or a pipe, without being held up by a pipe that has none.
 *
 * A scraper may write its records into casebus-publish as it finds them, minutes apart. While
 * it is silent the publisher still has confirmations to take in and reports to send again; so
 * where reading can wait, somebody else (`idle`) is given the time, in small pieces. */
#include "source.h"

#include <casebus/errors.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (64 * 1024)
#define IDLE_MS 20

static const unsigned char byte_order_mark[] = {0xef, 0xbb, 0xbf};

int source_open(struct source *self, const char *path, bool (*idle)(void *), void *idle_arg)
{
    *self = (struct source){.fd = STDIN_FILENO, .idle = idle, .idle_arg = idle_arg};
    if (strcmp(path, "-") != 0) {
        self->fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    struct stat status;
    if (self->fd < 0 || fstat(self->fd, &status)) {
        return CASEBUS_EIO;
    }
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return CASEBUS_EIO;
    }
    self->waits = !S_ISREG(status.st_mode);
    self->size = self->waits ? 0 : (uint64_t)status.st_size;
    self->buffer = malloc(BUFFER_SIZE);
    return self->buffer ? 0 : CASEBUS_ENOMEM;
}

void source_close(struct source *self)
{
    if (self->fd > STDIN_FILENO) {
        close(self->fd);
        self->fd = -1;
    }
    free(self->buffer);
    self->buffer = NULL;
}

/* 1: something is there to read; 0: not yet. */
static int wait_readable(struct source *self)
{
    struct pollfd item = {.fd = self->fd, .events = POLLIN};
    int rc = poll(&item, 1, IDLE_MS);
    if (rc < 0 && errno != EINTR) {
        return CASEBUS_EIO;
    }
    return rc > 0 ? 1 : 0;
}

static int fill(struct source *self)
{
    for (;;) {
        int ready = self->waits ? wait_readable(self) : 1;
        ssize_t got = ready == 1 ? read(self->fd, self->buffer, BUFFER_SIZE) : -1;
        if (got >= 0) {
            self->at = 0;
            self->end = (size_t)got;
            self->ended = got == 0;
            return 0;
        }
        if (ready < 0 || (ready == 1 && errno != EINTR && errno != EAGAIN)) {
            return CASEBUS_EIO;
        }
        if (self->idle(self->idle_arg)) {
            return CASEBUS_EINTR;
        }
    }
}

int source_peek(struct source *self, const unsigned char **data, size_t *size)
{
    bool first = self->taken == 0 && self->end == 0;
    if (self->at == self->end && !self->ended) {
        int error = fill(self);
        if (error) {
            return error;
        }
    }
    if (first && self->end >= sizeof byte_order_mark &&
        memcmp(self->buffer, byte_order_mark, sizeof byte_order_mark) == 0) {
        source_take(self, sizeof byte_order_mark);
        return source_peek(self, data, size);
    }
    *data = self->buffer + self->at;
    *size = self->end - self->at;
    return *size > 0 ? 1 : 0;
}

void source_take(struct source *self, size_t size)
{
    self->at += size;
    self->taken += size;
}
