/* Folders of stores: made, locked, emptied, synced. Renaming a finished folder into place is
 * what turns something half written into something that is there; until then nobody takes it
 * for a store. */
#include "folder.h"

#include "store_private.h"

#include <casebus/errors.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "unfinished" /* a file in folders that are no store yet */

int folder_failed(const char *path, char *why, size_t why_size)
{
    int code = store_open_error(errno);
    snprintf(why, why_size, "%s: %s", path, strerror(errno));
    return code;
}

bool folder_path(char path[FOLDER_PATH_MAX], const char *folder, const char *name)
{
    int size = snprintf(path, FOLDER_PATH_MAX, "%s/%s", folder, name);
    return size > 0 && size < FOLDER_PATH_MAX;
}

/* The folder it is in; false where its path is too long. */
static bool parent_of(const char *path, char parent[FOLDER_PATH_MAX])
{
    char copy[FOLDER_PATH_MAX];
    int size = snprintf(copy, sizeof copy, "%s", path);
    if (size < 0 || (size_t)size >= sizeof copy) {
        return false;
    }
    snprintf(parent, FOLDER_PATH_MAX, "%s", dirname(copy)); /* may write into it */
    return true;
}

bool folder_has_parent(const char *path)
{
    char parent[FOLDER_PATH_MAX];
    return !parent_of(path, parent) || access(parent, F_OK) == 0 || errno != ENOENT;
}

/* --- the store's own, and its lock -------------------------------------------------------- */

static const char *advice(int error)
{
    switch (error) {
    case ENOTDIR:
        return ": give a folder, or the name of one that can be made";
    case ENOENT:
        return ": make the folder it is to be in first";
    case EACCES:
    case EPERM:
    case EROFS:
        return ": whoever runs the broker must be able to write there";
    default:
        return "";
    }
}

/* What errno says of a folder that is to hold the store. */
static int unusable(const char *folder, char *why, size_t why_size)
{
    int error = errno, hint = error;
    if (error == ENOENT && folder_has_parent(folder)) {
        hint = EACCES; /* as /proc says it */
    }
    snprintf(why, why_size, "%s: cannot be the store's folder: %s%s", folder, strerror(error),
             advice(hint));
    return store_open_error(error);
}

int folder_make(const char *folder, char *why, size_t why_size)
{
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : unusable(folder, why, why_size);
}

int folder_lock(const char *folder, int *fd, char *why, size_t why_size)
{
    char path[FOLDER_PATH_MAX];
    if (!folder_path(path, folder, "broker.lock")) {
        errno = ENAMETOOLONG;
        return unusable(folder, why, why_size);
    }
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return unusable(folder, why, why_size);
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
        snprintf(why, why_size, "%s: another casebus-broker runs on this store", folder);
        close(*fd);
        *fd = -1;
        return CASEBUS_ELOCKED;
    }
    return 0;
}

/* --- making and removing ---------------------------------------------------------------- */

const char *folder_is_free(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        return errno == ENOENT ? NULL : strerror(errno);
    }
    bool empty = true;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    }
    closedir(dir);
    return empty ? NULL : "is there already and not empty";
}

static const char *const store_files[] = {DATA_FILE, READERS_FILE, "broker.lock"};

static void remove_files(const char *folder)
{
    char path[FOLDER_PATH_MAX];
    for (size_t i = 0; i < sizeof store_files / sizeof *store_files; i++) {
        if (folder_path(path, folder, store_files[i])) {
            unlink(path);
        }
    }
}

/* What has no marker may be anybody's, and a store. */
static int mark(const char *folder, char *why, size_t why_size)
{
    char path[FOLDER_PATH_MAX];
    if (!folder_path(path, folder, MARKER)) {
        errno = ENAMETOOLONG;
        return folder_failed(folder, why, why_size);
    }
    if (access(path, F_OK) < 0) {
        const char *taken = folder_is_free(folder);
        int fd = taken ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (taken) {
            snprintf(why, why_size, "%s: %s", folder, taken);
            return CASEBUS_EVALUE;
        }
        if (fd < 0) {
            return folder_failed(path, why, why_size);
        }
        close(fd);
    }
    return 0;
}

int folder_new(const char *folder, int *fd, char *why, size_t why_size)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        return folder_failed(folder, why, why_size);
    }
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0) {
        return folder_failed(folder, why, why_size);
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
        snprintf(why, why_size, "%s: another process works in it", folder);
        close(*fd);
        *fd = -1;
        return CASEBUS_ELOCKED;
    }
    int rc = mark(folder, why, why_size);
    if (rc == 0) {
        remove_files(folder);
    } else {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

int folder_finished(const char *folder)
{
    char path[FOLDER_PATH_MAX];
    return folder_path(path, folder, MARKER) && unlink(path) == 0 ? folder_sync(folder)
                                                                  : CASEBUS_EIO;
}

void folder_remove(const char *folder)
{
    char path[FOLDER_PATH_MAX];
    remove_files(folder);
    if (folder_path(path, folder, MARKER)) { /* last: until then it can be told from a store */
        unlink(path);
    }
    rmdir(folder);
}

/* --- making sure ------------------------------------------------------------------------ */

int folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: it cannot be */
    int rc = synced ? 0 : lmdb_error(errno);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

int folder_sync_parent(const char *path)
{
    char parent[FOLDER_PATH_MAX];
    return parent_of(path, parent) ? folder_sync(parent) : CASEBUS_EIO;
}
