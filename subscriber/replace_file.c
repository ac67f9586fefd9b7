/* A small file that is replaced as a whole: written beside it, made durable, renamed over it.
 */
#include "replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is written stays beside the file until it is durable. */
static bool write_durably(const char *path, const char *text, size_t size, mode_t mode)
{
    unlink(path); /* what somebody left has his mode, not ours */
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return false;
    }
    errno = ENOSPC; /* a short write */
    const bool fine = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    const int error = errno;
    if (close(fd) != 0 && fine) {
        return false;
    }
    errno = error;
    return fine;
}

/* A rename is durable with its folder. */
static bool sync_folder(char *path)
{
    char *const slash = strrchr(path, '/');
    const char *folder = ".";
    if (slash != NULL) {
        slash[slash == path] = '\0'; /* "/" keeps its own */
        folder = path;
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool fine = fsync(fd) == 0 || errno == EINVAL; /* some file systems have nothing to sync */
    const int error = errno;
    close(fd);
    errno = error;
    return fine;
}

bool replace_file(const char *path, const char *content, size_t size, mode_t mode)
{
    const size_t room = strlen(path) + sizeof ".new";
    char *const beside = malloc(room);
    if (beside == NULL) {
        errno = ENOMEM;
        return false;
    }
    snprintf(beside, room, "%s.new", path);
    const bool renamed =
        write_durably(beside, content, size, mode) && rename(beside, path) == 0;
    const int error = errno;
    if (!renamed) {
        unlink(beside); /* it takes room, and nobody would look for it */
        errno = error;
    }
    const bool fine = renamed && sync_folder(beside);
    free(beside);
    return fine;
}
