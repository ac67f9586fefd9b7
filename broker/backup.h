/* Backups: a store copied logically (copy.h) while it goes on, checked as verify checks any
 * store, and only then given its name. */
#ifndef BROKER_BACKUP_H
#define BROKER_BACKUP_H

#include "copy.h"
#include "folder.h"
#include "run.h"
#include "verify.h"

struct backup_report {
    struct copy_progress copy;   /* the first half of the work */
    struct verify_report verify; /* the second */
    struct state state;          /* of the snapshot; of the copy, where its epoch is another */
    uint64_t events, bytes;      /* in its log; of its file */
    char why[FOLDER_PATH_MAX + 256]; /* what went wrong, for people */
};

/* Copies what a read transaction begun now sees into the folder `dir`, which is there and
 * empty, and checks it. On failure `why` says what. */
int backup_copy(struct store *store, const char *dir, const unsigned char *epoch,
                struct backup_report *report);
/* The same into a folder that appears only when all of it is there: `dir` is free before
 * (folder.h), and stays so on failure. Meanwhile the log's floor does not pass the snapshot's
 * seq. */
int backup_make(struct store *store, const char *dir, struct backup_report *report);
void backup_report_clear(struct backup_report *report);

/* The broker's one backup at a time, in a thread of its own. */
struct backup;

struct backup *backup_new(struct store *store); /* NULL: no memory */
void backup_destroy(struct backup **self_p);
/* Told in the backup's thread: it "began", is "done" or has "failed" (`why` "" but then), who
 * asked for it, and the folder. */
typedef void backup_tell_fn(const char *word, const char *asker, const char *dir,
                            const char *why);
#define BACKUP_JOINED 1
/* Begins one: 0. BACKUP_JOINED: one to the same folder runs already, of which its own asker is
 * told. CASEBUS_EBUSY: another runs; CASEBUS_EVALUE: the folder is not free, as *taken says. */
int backup_start(struct backup *self, const char *dir, const char *asker, backup_tell_fn *tell,
                 const char **taken);
const struct run *backup_run(struct backup *self);
/* Its report's text and numbers once it has ended, and its progress always. */
const struct backup_report *backup_report(const struct backup *self);
const char *backup_dir(const struct backup *self); /* of the latest */

#endif
