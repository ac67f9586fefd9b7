/* What casebus-broker does to a store instead of serving it. Each prints what it did and
 * returns the program's exit code. The work is done in a child process (guard.h). */
#ifndef BROKER_OFFLINE_H
#define BROKER_OFFLINE_H

enum {
    EXIT_OK,
    EXIT_CHECK_FAILED,
    EXIT_USAGE,
    EXIT_START,
    EXIT_STORE,
    EXIT_KEYS
};

/* Checks the store in a folder, beside a running broker too; timeout_s 0: as long as it gets
 * on. */
int offline_verify(const char *dir, unsigned timeout_s);
/* Puts a backup in the place of the store in `dir`, under a new epoch. */
int offline_restore(const char *dir, const char *backup);
/* Rebuilds what is derived from records and log. */
int offline_repair(const char *dir);

#endif
