/* A real broker for tests of the library: on endpoints of its own, with a store that can be put
 * back or thrown away. */
#ifndef CASEBUS_TESTS_PUBLISHER_BROKER_H
#define CASEBUS_TESTS_PUBLISHER_BROKER_H

#include <sys/types.h>

struct broker {
    char folder[64]; /* for whatever the test needs, too */
    char ingest[128], query[128];
    pid_t pid;
    int out;
};

/* Makes the folder, starts nothing. */
void broker_init(struct broker *self);
/* Returns once it is ready. `flag` may be NULL. */
void broker_start(struct broker *self, const char *flag, const char *value);
void broker_kill(struct broker *self);
/* A file or folder in its folder, "store" the broker's: copied over another, which goes. */
void broker_copy(const struct broker *self, const char *from, const char *to);
/* Its store goes; it does not run. */
void broker_forget(const struct broker *self);
/* The broker, if it runs, and the folder. */
void broker_end(struct broker *self);

#endif
