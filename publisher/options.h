/* The command line of casebus-publish. See options.c. */
#ifndef CASEBUS_PUBLISH_OPTIONS_H
#define CASEBUS_PUBLISH_OPTIONS_H

#include "input.h"

#include <casebus/topic.h>

#define OPTIONS_NAMES_MAX 64

/* How many pages there are at most: of an agency's register, or of any (agency empty). */
struct agency_pages {
    struct casebus_bytes agency;
    uint64_t pages;
};

struct options {
    const char *path;
    const char *agency; /* of records that name none; or NULL */
    bool is_csv;
    struct column_name names[OPTIONS_NAMES_MAX];
    size_t name_count;
    const char *session, *resume_session; /* or NULL */
    bool new_session, keep_open;
    struct agency_pages max_pages[CASEBUS_AGENCIES_MAX];
    size_t max_pages_count;
    enum casebus_report_kind kind;
    bool dry_run;
    const char *outbox; /* a folder, or NULL */
    bool resume;        /* only what is in it; there is no path */
    double rate;        /* records a second; 0: as fast as it goes */
    int timeout_ms;     /* without a new confirmation */
    const char *ingest, *query;
    const char *secret, *server; /* key files, or NULL */
};

/* Reads the command line. -1: go on; otherwise the exit code of a command that is done: help
 * and version are printed, or what is wrong is. */
int options_read(struct options *self, int argc, char **argv);

/* The pages a session of this agency is to be started with; 0: not known. */
uint64_t options_max_pages(const struct options *self, const char *agency);

#endif
