/* The broker's settings: one table, from which come the flags, the file, --help and the checks.
 */
#ifndef BROKER_SETTINGS_H
#define BROKER_SETTINGS_H

#include "audience.h"
#include "permission.h"
#include "quota.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct settings {
    char data[4096];
    char ingest[256], fanout[256], query[256];
    uint64_t map_size;
    uint64_t retain_events, retain_bytes; /* 0: no limit */
    uint64_t limits[LIMIT_COUNT];         /* of any one actor; 0: none */
    char log_level[16];
    char secret[4096], actors[4096]; /* files; empty: none */
    struct roles roles;              /* those built in, and the settings file's */
    struct audiences audiences;      /* sections of the file */
};

struct settings settings_default(void);
/* Reads "name = value" lines and sections "[audience NAME]"; # begins a comment. False: why
 * says file, line and what is wrong. */
bool settings_read_file(struct settings *s, const char *path, char *why, size_t why_size);
/* One setting by name, as a flag or a line gives it. */
bool settings_set(struct settings *s, const char *name, const char *value, char *why,
                  size_t why_size);
/* What no setting can say alone: may these endpoints be bound, each once, with these keys? */
bool settings_check(const struct settings *s, char *why, size_t why_size);
/* The table, for --help; and the settings as a file would say them, for -n. */
void settings_help(FILE *out);
void settings_print(const struct settings *s, FILE *out);
/* Takes from `fresh` what may change while running. What has changed and must wait for a
 * restart is named in `waiting`; "": nothing. */
void settings_reload(struct settings *s, const struct settings *fresh, char *waiting,
                     size_t waiting_size);

/* The names of all settings, for getopt: NULL past the last. */
const char *settings_name(unsigned index);

#endif
