/* Command lines from a table: one row says an option's name, what it takes, who takes it and
 * what help says of it. */
#ifndef CASEBUS_FLAGS_H
#define CASEBUS_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct flag {
    const char *name;
    const char *argument; /* "SECONDS"; NULL: a switch */
    const char *help;
    /* Reads the argument into the settings' member: NULL, or what the argument must be. */
    const char *(*read)(const char *text, void *member);
    size_t member;     /* its offset in the settings */
    uint32_t commands; /* bits of the subcommands that take it */
};

/* The readers, and what the member is. */
const char *flag_switch(const char *text, void *member);   /* bool */
const char *flag_text(const char *text, void *member);     /* const char *, not empty */
const char *flag_any_text(const char *text, void *member); /* const char *, "" too */
const char *flag_endpoint(const char *text, void *member); /* const char *, to connect to */
const char *flag_number(const char *text, void *member);   /* uint64_t, up to 2^53 - 1 */
const char *flag_count(const char *text, void *member);    /* the same, from 1 */
const char *flag_rows(const char *text, void *member);     /* the same, to CASEBUS_PAGE_MAX */
const char *flag_seconds(const char *text, void *member);  /* int, milliseconds; "0.5" too */

#define FLAG_ROWS "must be a whole number from 1 to 500"

/* Where an unset number stands, so that it can be told from 0. */
#define FLAG_UNSET UINT64_MAX

/* Reads the options, wherever they stand among the operands, into `settings`; argv's operands
 * are then argv[the result] on. A bit of `given` is set for each row that occurred. A complaint
 * goes to stderr, headed by `program`: -1. At most 64 rows. */
int flags_read(const char *program, int argc, char **argv, const struct flag *flags,
               size_t count, void *settings, uint64_t *given);
/* Prints a help line for each row that one of `commands` takes. */
void flags_help(FILE *out, const struct flag *flags, size_t count, uint32_t commands);

#endif
