/* Folders that hold a store, or are to hold one: locks, whether they are free, and making sure
 * that what was renamed stays renamed. */
#ifndef BROKER_FOLDER_H
#define BROKER_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#define FOLDER_PATH_MAX 4096
#define DATA_FILE "data.mdb" /* LMDB's names */
#define READERS_FILE "lock.mdb"

/* What errno says of a path: its code, and a sentence in `why`. */
int folder_failed(const char *path, char *why, size_t why_size);

/* The path in the folder; false where it is too long. */
bool folder_path(char path[FOLDER_PATH_MAX], const char *folder, const char *name);

/* False where the folder it is to be in is not there. */
bool folder_has_parent(const char *path);

/* Makes the folder that is to hold the store, where it is not there. */
int folder_make(const char *folder, char *why, size_t why_size);
/* Takes the lock by which one broker has a store; *fd keeps it until it is closed. */
int folder_lock(const char *folder, int *fd, char *why, size_t why_size);

/* NULL where there is nothing of that name, or an empty folder; else what is. */
const char *folder_is_free(const char *folder);

/* Makes a folder for something unfinished, or empties the one that a killed process left.
 * Locked while *fd is open: CASEBUS_ELOCKED where another process works in it. */
int folder_new(const char *folder, int *fd, char *why, size_t why_size);
/* It is finished: nothing may be emptied out of it any more. */
int folder_finished(const char *folder);
/* Removes a store's files and the folder they are in; what else is there stays. */
void folder_remove(const char *folder);

/* What was written, made, renamed or removed in this folder is on the disk. */
int folder_sync(const char *folder);
int folder_sync_parent(const char *path);

#endif
