/* What casebus-broker was called to do. */
#ifndef BROKER_COMMAND_H
#define BROKER_COMMAND_H

#include "settings.h"

struct command {
    struct settings settings;
    const char *config;
    const char *verify, *restore, *repair; /* folders, for offline.h; all NULL: serve */
    uint64_t timeout_s;                    /* of --verify */
    bool check_only;
    int argc;
    char **argv;
};

/* From argc and argv, which are set, and the settings file they name. -1: go on; otherwise the
 * exit code: all has been said. */
int command_read(struct command *c);
/* Says what was wrong with it; the exit code for that. */
int command_usage(const char *why);
/* Sets settings by the flags, which win over a file that has been read; config_only: looks for
 * the file's name alone. -1 or an exit code, as above. */
int command_read_flags(struct command *c, bool config_only);

#endif
