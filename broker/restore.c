/* Putting a store in the place of another; see restore.h for the order of things, which is what
 * keeps either the old store or the new one there at every instant. */
#include "restore.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- the place -------------------------------------------------------------------------- */

static int name_replaced(struct place *self)
{
    char name[64];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(name, sizeof name, "replaced-%Y-%m-%dT%H%M%S", &tm);
    snprintf(name + n, sizeof name - n, ".%06ldZ", now.tv_nsec / 1000);
    return folder_path(self->replaced, self->folder, name) ? 0 : CASEBUS_ETOOLONG;
}

/* An attempt that was killed after its one step has left the old store under `restoring`: it is
 * kept. One killed before has left a second name of the store that is still in its place. */
static int tidy(struct place *self, char *why, size_t why_size)
{
    char ours[FOLDER_PATH_MAX], theirs[FOLDER_PATH_MAX];
    struct stat a, b;
    if (!folder_path(ours, self->folder, DATA_FILE) ||
        !folder_path(theirs, self->restoring, DATA_FILE) || stat(theirs, &b) < 0) {
        return 0;
    }
    if (stat(ours, &a) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
        return unlink(theirs) < 0 ? folder_failed(theirs, why, why_size) : 0;
    }
    int rc = name_replaced(self);
    folder_remove(self->beside);
    if (rc == 0 && rename(self->restoring, self->replaced) < 0) {
        rc = folder_failed(self->restoring, why, why_size);
    }
    self->replaced[0] = '\0';
    return rc;
}

int place_open(struct place *self, const char *folder, char *why, size_t why_size)
{
    memset(self, 0, sizeof *self);
    self->lock = self->building = -1;
    snprintf(self->folder, sizeof self->folder, "%s", folder);
    if (!folder_path(self->restoring, folder, "restoring") ||
        !folder_path(self->beside, self->restoring, "new")) {
        snprintf(why, why_size, "the folder's name is too long");
        return CASEBUS_ETOOLONG;
    }
    int rc = folder_make(folder, why, why_size);
    rc = rc ? rc : folder_lock(folder, &self->lock, why, why_size);
    rc = rc ? rc : tidy(self, why, why_size);
    if (rc == 0 && mkdir(self->restoring, 0700) < 0 && errno != EEXIST) {
        rc = folder_failed(self->restoring, why, why_size);
    }
    return rc ? rc : folder_new(self->beside, &self->building, why, why_size);
}

/* Gives the store that is there a second name, under which it stays when the first is taken. */
static int keep_old(const struct place *self, const char *data, bool *there, char *why,
                    size_t why_size)
{
    char kept[FOLDER_PATH_MAX];
    *there = true;
    if (!folder_path(kept, self->restoring, DATA_FILE)) {
        return CASEBUS_ETOOLONG;
    }
    if (link(data, kept) < 0) {
        *there = errno != ENOENT;
        return *there ? folder_failed(kept, why, why_size) : 0;
    }
    return folder_sync(self->restoring);
}

int place_take(struct place *self, char *why, size_t why_size)
{
    char data[FOLDER_PATH_MAX], fresh[FOLDER_PATH_MAX], readers[FOLDER_PATH_MAX];
    bool there;
    if (!folder_path(data, self->folder, DATA_FILE) ||
        !folder_path(fresh, self->beside, DATA_FILE) ||
        !folder_path(readers, self->folder, READERS_FILE)) {
        snprintf(why, why_size, "the folder's name is too long");
        return CASEBUS_ETOOLONG;
    }
    int rc = keep_old(self, data, &there, why, why_size);
    if (rc != 0) {
        return rc;
    }
    unlink(readers);               /* of the old file: whoever still reads that keeps his */
    if (rename(fresh, data) < 0) { /* the step */
        return folder_failed(data, why, why_size);
    }
    if (folder_sync(self->folder) != 0) {
        return folder_failed(self->folder, why, why_size);
    }
    folder_remove(self->beside);
    if (there && name_replaced(self) == 0 && rename(self->restoring, self->replaced) < 0) {
        snprintf(self->replaced, sizeof self->replaced, "%s", self->restoring);
    }
    return folder_sync(self->folder) != 0 ? folder_failed(self->folder, why, why_size) : 0;
}

void place_close(struct place *self)
{
    char ignored[64];
    if (self->building >= 0) {
        folder_remove(self->beside);
        close(self->building);
        if (self->replaced[0] == '\0') {
            tidy(self, ignored, sizeof ignored);
        }
        rmdir(self->restoring);
    }
    if (self->lock >= 0) {
        close(self->lock);
    }
}

/* --- restoring -------------------------------------------------------------------------- */

int restore_store(struct place *place, const char *from, struct backup_report *report)
{
    struct store *store;
    struct store_options options = {.dir = from, .read_only = true};
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    int rc = store_open(&store, &options, report->why, sizeof report->why);
    if (rc != 0) {
        return rc;
    }
    randombytes_buf(epoch, sizeof epoch);
    rc = backup_copy(store, place->beside, epoch, report);
    store_close(&store);
    return rc ? rc : place_take(place, report->why, sizeof report->why);
}
