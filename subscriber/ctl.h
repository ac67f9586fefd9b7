/* casebus-ctl: what its subcommands share. */
#ifndef CASEBUS_CTL_H
#define CASEBUS_CTL_H

#include <casebus/client.h>

#include "flags.h"
#include "json.h"
#include "table.h"

#define PROGRAM "casebus-ctl"
#define TIMEOUT_DEFAULT_MS 5000
#define TIMEOUT_UNSET (-2)

enum {
    EXIT_FINE = 0,
    EXIT_NOT_FOUND = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_REACHED = 3
};

struct ctl_settings {
    const char *ingest, *fanout, *query, *audience; /* NULL: not given */
    const char *secret, *server;                    /* key files, or NULL */
    const char *agency, *from, *to, *session, *order, *status, *next, *load, *as, *offender,
        *postcode, *out;
    const char *accounts, *actor, *name, *url;
    uint64_t limit, as_of, after; /* FLAG_UNSET: not given */
    int timeout_ms;
    bool json, cases, enable, disable, help, version;
};

struct ctl {
    struct ctl_settings settings;
    int argc; /* operands behind the subcommand */
    char **argv;
    struct casebus_client *client;
    struct casebus_call *call;
    struct casebus_reply reply;
    struct text out;
};

/* --- asking ----------------------------------------------------------------------------- */

/* Arguments from the options, where they were given. ctl_add_page() adds limit, next and as_of;
 * false after a complaint. */
void ctl_add_text(struct ctl *self, const char *key, const char *value);
void ctl_add_uint(struct ctl *self, const char *key, uint64_t value);
bool ctl_add_page(struct ctl *self);

/* Sends the call; the exit status, after a complaint where it is not 0. `about` (may be NULL)
 * is what the complaint is about. */
int ctl_ask(struct ctl *self, const char *about);
/* The same about one thing, `name`, of a kind ("case"), which may not be there. */
int ctl_ask_for(struct ctl *self, const char *kind, const char *name);
/* The endpoint that is asked. */
const char *ctl_query(const struct ctl *self);
/* What is left of --timeout, for one request. */
int ctl_timeout(const struct ctl *self);
/* The value of a key of the last reply's result. */
struct casebus_bytes ctl_result(const struct ctl *self, const char *key);

/* --- complaining ------------------------------------------------------------------------ */

int ctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "no case hse:1": says that it is not there; gives the exit status for that. */
int ctl_missing(const char *kind, const char *name);
/* Says what an error code means; gives the exit status for it. */
int ctl_failed(const struct ctl *self, const char *about, int code);

/* --- printing --------------------------------------------------------------------------- */

/* Writes self->out and empties it; the exit status. */
int ctl_flush(struct ctl *self);
/* Begins a document in self->out, and ends and prints it; the exit status. */
struct json ctl_begin_json(struct ctl *self);
int ctl_end_json(struct ctl *self, const struct json *json);
/* The last reply's result as the document. */
int ctl_print_result(struct ctl *self);
/* Prints and frees the table, and says how to go on where there is more, and of what was before
 * the log's beginning that it is not in it. */
int ctl_print_table(struct ctl *self, struct table *table);

/* Cells. */
void ctl_cell_value(struct table *table, struct casebus_bytes map, const char *key);
void ctl_cell_inner(struct table *table, struct casebus_bytes map, const char *outer,
                    const char *key);
void ctl_cell_count(struct table *table, struct casebus_bytes map, const char *key);

/* Walks an encoded array: false at its end. */
struct rows {
    struct casebus_reader reader;
    uint32_t left;
};
struct rows ctl_rows(struct casebus_bytes array);
bool ctl_next_row(struct rows *rows, struct casebus_bytes *row);

/* --- the subcommands: exit statuses ----------------------------------------------------- */

int ctl_get(struct ctl *self);
int ctl_recent(struct ctl *self);
int ctl_list(struct ctl *self);
int ctl_history(struct ctl *self);
int ctl_known(struct ctl *self);
int ctl_offender(struct ctl *self);
int ctl_agencies(struct ctl *self);
int ctl_agency(struct ctl *self);
int ctl_replay(struct ctl *self);
int ctl_heads(struct ctl *self);
int ctl_sessions(struct ctl *self);
int ctl_session(struct ctl *self);
int ctl_quarantine(struct ctl *self);
int ctl_rejects(struct ctl *self);
int ctl_status(struct ctl *self);
int ctl_verify(struct ctl *self);
int ctl_backup(struct ctl *self);
int ctl_user(struct ctl *self);
int ctl_keygen(struct ctl *self);
int ctl_whoami(struct ctl *self);
int ctl_can(struct ctl *self);

/* A table of events given as maps, as case.history has them. */
void ctl_events_table(struct table *table, struct casebus_bytes events);

#endif
