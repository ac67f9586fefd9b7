/* Making backups; see backup.h. A backup is written beside the name it is to have, as
 * DIR.partial; what a killed broker left there is no store (the state is written last) and goes
 * with the next attempt. */
#include "backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct backup_report *report, int code, const char *what)
{
    if (report->why[0] == '\0') {
        snprintf(report->why, sizeof report->why, "%s", what);
    }
    return code;
}

/* --- copying ---------------------------------------------------------------------------- */

static int copy(struct store *store, const char *dir, const unsigned char *epoch,
                struct backup_report *report)
{
    struct txn *txn = NULL;
    struct copy_options options = {.dir = dir, .epoch = epoch};
    int rc = txn_new_read(store, &txn);
    rc = rc ? rc : txn_begin(txn);
    if (rc == 0 && !txn_state(txn, &report->state)) {
        rc = CASEBUS_ECORRUPT;
    }
    if (rc == 0) {
        int snapshot = store_snapshot_begin(store, report->state.seq);
        rc = store_copy(txn, &options, &report->copy, report->why, sizeof report->why);
        store_snapshot_end(store, snapshot);
    }
    txn_destroy(&txn);
    return rc != 0 ? fail(report, rc, casebus_strerror(rc)) : 0;
}

static void say_first(void *arg, const char *what)
{
    fail(arg, CASEBUS_ECORRUPT, what);
}

/* LMDB ends the process that goes through damaged pages: that must not be the broker. */
static int check_pages(struct store *store, struct backup_report *report)
{
    int rc = store_check_pages(store, say_first, report);
    return rc                       ? fail(report, rc, casebus_strerror(rc))
           : report->why[0] != '\0' ? CASEBUS_ECORRUPT
                                    : 0;
}

/* What the copy says of itself, read back from it. */
static int read_back(struct store *copied, struct backup_report *report)
{
    struct txn *txn = NULL;
    struct store_sizes sizes;
    int rc = txn_new_read(copied, &txn);
    rc = rc ? rc : txn_begin(txn);
    if (rc == 0 && !txn_state(txn, &report->state)) {
        rc = CASEBUS_ECORRUPT;
    }
    rc = rc ? rc : store_measure(txn, &sizes);
    if (rc == 0) {
        report->events = sizes.entries[TREE_LOG];
        report->bytes = sizes.file_bytes;
    }
    txn_destroy(&txn);
    return rc;
}

static int check(const char *dir, struct backup_report *report)
{
    struct store *store;
    struct store_options options = {.dir = dir, .read_only = true};
    char path[FOLDER_PATH_MAX];
    int rc = store_open(&store, &options, report->why, sizeof report->why);
    if (rc != 0) {
        return rc;
    }
    rc = verify_store(store, &report->verify);
    if (rc == 0 && atomic_load(&report->copy.cancel)) {
        rc = CASEBUS_EINTR;
    }
    if (rc == 0 && report->verify.finding_count > 0) {
        const char *first = report->verify.findings[0];
        rc = fail(report, CASEBUS_ECORRUPT, first ? first : "the check found something");
    }
    rc = rc ? rc : read_back(store, report);
    store_close(&store);
    if (folder_path(path, dir, READERS_FILE)) {
        unlink(path); /* nobody reads it, and it is of this machine only */
    }
    return rc != 0 ? fail(report, rc, casebus_strerror(rc)) : 0;
}

int backup_copy(struct store *store, const char *dir, const unsigned char *epoch,
                struct backup_report *report)
{
    int rc = copy(store, dir, epoch, report);
    return rc ? rc : check(dir, report);
}

int backup_make(struct store *store, const char *dir, struct backup_report *report)
{
    char partial[FOLDER_PATH_MAX];
    int lock = -1;
    size_t size = strlen(dir);
    while (size > 1 && dir[size - 1] == '/') {
        size--;
    }
    if (snprintf(partial, sizeof partial, "%.*s.partial", (int)size, dir) >=
        (int)sizeof partial) {
        return fail(report, CASEBUS_ETOOLONG, "the folder's name is too long");
    }
    const char *taken = folder_is_free(dir);
    if (!taken && !folder_has_parent(dir)) {
        snprintf(report->why, sizeof report->why,
                 "%s: its parent folder is not there: make that first", dir);
        return CASEBUS_EINVAL;
    }
    int rc = taken ? fail(report, CASEBUS_EVALUE, taken)
                   : folder_new(partial, &lock, report->why, sizeof report->why);
    if (rc != 0) {
        return rc;
    }
    report->verify.serving = true;
    rc = check_pages(store, report);
    rc = rc ? rc : backup_copy(store, partial, NULL, report);
    if (rc == 0 && (folder_finished(partial) != 0 || rename(partial, dir) < 0)) {
        rc = fail(report, CASEBUS_EIO, "the finished backup cannot be given its name");
    }
    if (rc == 0 && folder_sync_parent(dir) != 0) {
        rc = fail(report, CASEBUS_EIO, "the folder the backup is in cannot be synced");
        folder_remove(dir);
    }
    if (rc != 0) {
        folder_remove(partial);
    }
    close(lock);
    return rc;
}

void backup_report_clear(struct backup_report *report)
{
    verify_report_clear(&report->verify);
    memset(report, 0, sizeof *report);
}

/* --- the broker's thread ---------------------------------------------------------------- */

struct backup {
    struct store *store;
    char dir[FOLDER_PATH_MAX];
    char asker[256];
    backup_tell_fn *tell;
    struct backup_report report;
    struct run run;
};

struct backup *backup_new(struct store *store)
{
    struct backup *self = calloc(1, sizeof *self);
    if (self) {
        self->store = store;
    }
    return self;
}

static bool work(void *arg)
{
    struct backup *self = arg;
    self->tell("began", self->asker, self->dir, "");
    bool made = backup_make(self->store, self->dir, &self->report) == 0;
    self->tell(made ? "done" : "failed", self->asker, self->dir, made ? "" : self->report.why);
    return made;
}

int backup_start(struct backup *self, const char *dir, const char *asker, backup_tell_fn *tell,
                 const char **taken)
{
    bool same = strcmp(self->dir, dir) == 0;
    *taken = NULL;
    if (self->run.state == RUN_RUNNING) {
        return same ? BACKUP_JOINED : CASEBUS_EBUSY;
    }
    *taken = folder_is_free(dir);
    if (*taken) {
        return CASEBUS_EVALUE;
    }
    backup_report_clear(&self->report);
    snprintf(self->dir, sizeof self->dir, "%s", dir);
    snprintf(self->asker, sizeof self->asker, "%s", asker);
    self->tell = tell;
    return run_start(&self->run, work, self);
}

const struct run *backup_run(struct backup *self)
{
    run_collect(&self->run);
    return &self->run;
}

const struct backup_report *backup_report(const struct backup *self)
{
    return &self->report;
}

const char *backup_dir(const struct backup *self)
{
    return self->dir;
}

void backup_destroy(struct backup **self_p)
{
    struct backup *self = *self_p;
    if (self) {
        atomic_store(&self->report.copy.cancel, 1);
        atomic_store(&self->report.verify.cancel, 1);
        run_join(&self->run);
        backup_report_clear(&self->report);
        free(self);
        *self_p = NULL;
    }
}
