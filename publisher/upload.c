/* Publishing one file: read, check, send, and see that it is confirmed.
 *
 * A record that cannot be right is refused here, with its line, before it gets a number; what
 * the broker refuses comes back by number and is told by line as well. Reading goes on in both
 * cases. What ends an upload early is the input becoming unreadable, a broker that does not
 * confirm, Ctrl-C, and somebody who asked its sessions to stop; sessions are ended then too, as
 * far as the broker still listens, and the counts printed are those of what happened. */
#include "upload.h"

#include "clock.h"
#include "encode.h"
#include "fields.h"
#include "reason.h"
#include "scrape.h"
#include "stop.h"
#include "summary.h"

#include <casebus/keys.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTBOX_GROUP 512 /* records that share a commit of the outbox */

/* --- refusals ----------------------------------------------------------------------------- */

static void refuse(struct upload *self, const char *field, const char *reason)
{
    self->refused_here++;
    say_refused(&self->voice, self->line, field, (int)strlen(field), reason,
                (int)strlen(reason));
}

static struct casebus_bytes reason_of(const struct casebus_refusal *refusal)
{
    if (refusal->code == CASEBUS_EUNKNOWN_CASE) {
        return casebus_cstr("there is no such case that could be corrected or deleted");
    }
    if (refusal->reason.data || refusal->code) {
        return refusal->reason.data ? refusal->reason
                                    : casebus_cstr(casebus_strerror(refusal->code));
    }
    return casebus_cstr("another offender and another action date");
}

static const char *text_or_empty(struct casebus_bytes text)
{
    return text.data ? (const char *)text.data : "";
}

/* Of an earlier run nobody knows the file any more. */
static void tell_left(struct upload *self, const struct casebus_refusal *refusal)
{
    struct casebus_bytes text = reason_of(refusal);
    bool conflict = refusal->outcome == CASEBUS_OUTCOME_CONFLICT;
    self->left_refused += conflict ? 0 : 1;
    say(&self->voice, "of an earlier run: %.*s %.*s%s%.*s%s", (int)refusal->topic.size,
        text_or_empty(refusal->topic), (int)refusal->field.size, text_or_empty(refusal->field),
        refusal->field.size ? ": " : "", (int)text.size, (const char *)text.data,
        conflict ? "; in quarantine" : "");
}

static void on_diverged(void *arg, const struct casebus_divergence *divergence)
{
    struct upload *self = arg;
    say(&self->voice,
        "note: the broker knows another history of this publisher; %llu reports go again under "
        "a fresh id, and may be stored twice; if a backup was restored, publish again what was "
        "confirmed since that backup",
        (unsigned long long)(divergence->last - divergence->first + 1));
}

static void on_refused(void *arg, const struct casebus_refusal *refusal)
{
    struct upload *self = arg;
    unsigned long line = ledger_line(&self->ledger, refusal->number);
    struct casebus_bytes text = reason_of(refusal);
    char reason[400];
    if (refusal->number <= self->left) {
        tell_left(self, refusal);
        return;
    }
    if (line == 0) {
        self->sessions_refused++;
        say(&self->voice, "%.*s %.*s", (int)refusal->topic.size, text_or_empty(refusal->topic),
            (int)text.size, (const char *)text.data);
        return;
    }
    self->refused_there += refusal->outcome != CASEBUS_OUTCOME_CONFLICT;
    int size = snprintf(reason, sizeof reason, "%.*s", (int)text.size, (const char *)text.data);
    if (refusal->outcome == CASEBUS_OUTCOME_CONFLICT) {
        say_at(&self->voice, line, "note: %.*s; in quarantine as %llu", (int)text.size,
               (const char *)text.data, (unsigned long long)refusal->quarantine);
        return;
    }
    size = size < (int)sizeof reason ? size : (int)sizeof reason - 1;
    say_refused(&self->voice, line, (const char *)refusal->field.data, (int)refusal->field.size,
                reason, size);
}

/* --- one record --------------------------------------------------------------------------- */

struct identity {
    struct casebus_bytes agency, key;
};

static int read_text(const json_t *record, const char *name, const char *otherwise,
                     struct casebus_bytes *text, struct row_fault *fault)
{
    const json_t *value = json_object_get(record, name);
    if (value ? !json_is_string(value) : !otherwise) {
        char reason[REASON_SIZE];
        reason_write(value ? CASEBUS_ETYPE : CASEBUS_EMISSING, name, reason);
        return row_fault_set(fault, name, "%s", reason);
    }
    *text = value ? casebus_bytes(json_string_value(value), json_string_length(value))
                  : casebus_cstr(otherwise);
    return 0;
}

static int read_identity(const struct upload *self, const json_t *record,
                         struct identity *identity, struct row_fault *fault)
{
    int error = read_text(record, "agency", self->options->agency, &identity->agency, fault);
    return error ? error : read_text(record, "regulator_id", NULL, &identity->key, fault);
}

/* A key that the case record does not have is kept; a typing error would be as well. */
static void warn_of_unknown(struct upload *self, const json_t *record)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)record, key, value)
    {
        if (!field_is_known(casebus_case_schema, key) && !json_object_get(self->unknown, key) &&
            json_object_size(self->unknown) < CASEBUS_KEYS_MAX) {
            json_object_set_new(self->unknown, key, json_true());
            say_at(&self->voice, self->line,
                   "note: %s: the case record has no such field; it is kept as it is", key);
        }
    }
}

/* What has no name cannot be kept under it. */
static void warn_of_unnamed(struct upload *self, const struct row *row)
{
    if (row->unnamed > 0 && !self->unnamed_told) {
        self->unnamed_told = true;
        say_at(&self->voice, self->line,
               "note: column %zu has no name in the header: what stands in it is left out",
               row->unnamed);
    }
}

static void refuse_for(struct upload *self, int code, const char *field)
{
    char reason[REASON_SIZE];
    reason_write(code, field, reason);
    refuse(self, field, reason);
}

/* The whole local check, for those who must know before something is sent. */
static bool passes(struct upload *self, const struct identity *identity,
                   struct casebus_bytes session, struct casebus_bytes data)
{
    struct casebus_fault fault;
    int error = casebus_publisher_check(self->options->kind, identity->agency, identity->key,
                                        session, data, &fault);
    if (error) {
        refuse_for(self, error, fault.field);
    }
    return error == 0;
}

static void hand_over(struct upload *self, const struct identity *identity,
                      struct casebus_bytes session, struct casebus_bytes data)
{
    int64_t rc;
    do {
        rc = casebus_publisher_send(self->publisher, self->options->kind, identity->agency,
                                    identity->key, session, data, UPLOAD_SLICE_MS);
    } while (upload_again(self, rc));
    if (rc > 0) {
        self->passed++;
        upload_went(self);
        self->stuck = ledger_note(&self->ledger, (uint64_t)rc, self->line);
    } else if (upload_is_in_the_way((int)rc)) {
        self->stuck = (int)rc;
    } else {
        refuse_for(self, (int)rc, casebus_publisher_fault(self->publisher)->field);
    }
}

/* A session is opened for a record that can be published, for no other. */
static void send_in_session(struct upload *self, const struct identity *identity,
                            const json_t *record, struct casebus_bytes data)
{
    struct row_fault fault;
    struct casebus_bytes session;
    if (!scrape_is_open(self, identity->agency) &&
        !passes(self, identity, casebus_bytes(NULL, 0), data)) {
        return;
    }
    int error = scrape_enter(self, identity->agency, record, &session, &fault);
    if (error == SCRAPE_PASSES_OVER) {
        return;
    }
    if (upload_is_in_the_way(error)) {
        self->stuck = error;
    } else if (error) {
        refuse(self, fault.field, fault.reason);
    } else {
        hand_over(self, identity, session, data);
    }
}

static void take_record(struct upload *self, struct row *row)
{
    struct identity identity;
    struct casebus_bytes data = casebus_bytes(NULL, 0), none = casebus_bytes(NULL, 0);
    int error = read_identity(self, row->record, &identity, &row->fault);
    bool has_data = self->options->kind != CASEBUS_REPORT_DELETED &&
                    self->options->kind != CASEBUS_REPORT_REDACTED;
    if (!error && has_data) {
        self->data.size = 0;
        error = encode_record(row->record, &self->data, &row->fault);
        data = casebus_bytes(self->data.data, self->data.size);
        warn_of_unknown(self, row->record);
        warn_of_unnamed(self, row);
    }
    if (error) {
        refuse(self, row->fault.field, row->fault.reason);
    } else if (!self->publisher) {
        self->passed += passes(self, &identity, none, data) ? 1 : 0;
    } else if (self->scrapes) {
        send_in_session(self, &identity, row->record, data);
    } else {
        hand_over(self, &identity, none, data);
    }
}

/* --- the file ----------------------------------------------------------------------------- */

/* Not the line read last: its record may have waited for room in vain. */
static void tell_where_it_stopped(struct upload *self)
{
    if (self->done > 0) {
        say_at(&self->voice, self->done, "note: stopped reading behind this line");
    } else {
        say(&self->voice, "note: stopped before the first record");
    }
}

static void read_all(struct upload *self)
{
    struct row row;
    int rc = 1;
    while (!self->stuck && (rc = input_next(self->input, &row)) == 1) {
        self->line = row.line;
        if (upload_is_over(self)) {
            break;
        }
        if (!row.record) {
            refuse(self, row.fault.field, row.fault.reason);
        } else {
            if (self->publisher) {
                upload_hold_back(self);
            }
            take_record(self, &row);
        }
        self->done = self->stuck ? self->done : self->line;
    }
    if (rc == CASEBUS_EIO) {
        self->unreadable = true;
        say(&self->voice, "%s: %s", self->options->path, strerror(errno));
    }
    self->cut_short = stop_requested() && rc != 0; /* not at the end of the file */
    if (self->cut_short) {
        tell_where_it_stopped(self);
    }
}

/* Waits until everything handed over is confirmed, or patience ends; where the disk of the
 * outbox is full, until everything that is in it is. */
static int confirm_all(struct upload *self)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    int rc;
    do {
        uint64_t goal = self->stuck == CASEBUS_ENOSPC ? stats->stored : 0;
        rc = casebus_publisher_confirm(self->publisher, goal, UPLOAD_SLICE_MS);
    } while (upload_again(self, rc));
    return rc;
}

/* What an earlier run left stands first in the outbox, so it goes first. */
static void tell_of_what_is_left(struct upload *self)
{
    say(&self->voice,
        self->left_open == 1 ? "%llu report of an earlier run is in %s: it goes first"
                             : "%llu reports of an earlier run are in %s: they go first",
        (unsigned long long)self->left_open, self->options->outbox);
}

/* Sends that alone. */
static void resume(struct upload *self)
{
    self->stuck = confirm_all(self);
    self->cut_short = self->stuck && stop_requested();
}

static void finish(struct upload *self)
{
    if (self->scrapes && !self->stuck) {
        self->stuck = self->unreadable   ? scrapes_end(self, "failed", "unreadable input")
                      : stop_requested() ? scrapes_end(self, "stopped", "interrupted")
                                         : scrapes_end(self, "completed", NULL);
    }
    if (self->stuck == CASEBUS_EIO) {
        return;
    }
    int rc = confirm_all(self);
    self->stuck = self->stuck ? self->stuck : rc;
}

/* --- beginning and end -------------------------------------------------------------------- */

static int open_input(struct upload *self)
{
    const struct options *o = self->options;
    struct row_fault why;
    struct input_options input = {
        .path = o->path,
        .is_csv = o->is_csv,
        .names = o->names,
        .name_count = o->name_count,
        .required = "regulator_id",
        .idle = upload_idle,
        .idle_arg = self,
    };
    int error = input_open(&self->input, &input, &why);
    if (error) {
        bool is_of_file = strcmp(why.field, "-") == 0;
        say(&self->voice, "%s: %s%s%s", o->path, is_of_file ? "" : why.field,
            is_of_file ? "" : ": ", why.reason);
    }
    return error;
}

static void explain_opening(struct upload *self, int error, int why)
{
    const struct options *o = self->options;
    char key[CASEBUS_WHY_SIZE];
    if (casebus_credentials_check(o->secret, o->server, key, sizeof key)) {
        say(&self->voice, "%s", key);
    } else if (o->outbox && error == CASEBUS_ESCHEMA) {
        say(&self->voice, "%s is no outbox, or one of another version: nothing was changed",
            o->outbox);
    } else if (o->outbox && error == CASEBUS_ECORRUPT) {
        say(&self->voice,
            "%s is damaged, and nothing can be read of it: move it away and publish what was "
            "in it again (what the broker has comes out as synced)",
            o->outbox);
    } else if (o->outbox && error != CASEBUS_EINVAL) {
        say(&self->voice, "cannot open the outbox %s: %s", o->outbox,
            error == CASEBUS_EIO && why ? strerror(why) : casebus_strerror(error));
    } else {
        say(&self->voice, "cannot connect to %s and %s: %s", o->ingest, o->query,
            casebus_strerror(error));
    }
}

static int open_publisher(struct upload *self)
{
    const struct options *o = self->options;
    struct casebus_publisher_options options = casebus_publisher_options();
    options.ingest = o->ingest;
    options.query = o->query;
    options.secret = o->secret;
    options.server = o->server;
    options.refused = on_refused;
    options.refused_arg = self;
    options.diverged = on_diverged;
    options.diverged_arg = self;
    options.stop = scrapes_on_stop;
    options.stop_arg = self;
    options.outbox = o->outbox;
    options.outbox_group = OUTBOX_GROUP;
    errno = 0;
    int error = casebus_publisher_new(&self->publisher, options);
    if (error) {
        explain_opening(self, error, errno);
        return error;
    }
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    if (stats->outbox_salvaged) {
        say(&self->voice,
            "%s was damaged: what could be read of it was saved, what is missing is said below "
            "where that is known; the damaged file stays as damaged.mdb in it",
            o->outbox);
    }
    self->left = self->seen = stats->sent;
    self->left_open = stats->sent - stats->confirmed;
    ledger_begin(&self->ledger, stats->sent);
    if (o->session || o->resume_session || o->new_session) {
        self->scrapes = scrapes_new();
    }
    return 0;
}

static int run(struct upload *self)
{
    if (!self->options->dry_run && open_publisher(self)) {
        return 2;
    }
    if (!self->options->resume && open_input(self)) {
        return 2;
    }
    self->moved_at = self->next_at = clock_mono_us();
    if (self->left_open > 0) {
        tell_of_what_is_left(self);
    }
    if (self->options->resume) {
        resume(self);
    } else {
        read_all(self);
        if (self->publisher) {
            finish(self);
        }
    }
    say_no_progress(&self->voice);
    if (self->stuck) {
        summary_explain_stuck(self);
    }
    if (!self->publisher) {
        say(&self->voice, "dry run: nothing is sent; records that pass: %llu",
            (unsigned long long)self->passed);
    }
    summary_print(self);
    return summary_exit_code(self);
}

int upload_run(const struct options *options)
{
    struct upload *self = calloc(1, sizeof *self);
    if (!self) {
        fprintf(stderr, "casebus-publish: %s\n", casebus_strerror(CASEBUS_ENOMEM));
        return 2;
    }
    self->options = options;
    self->unknown = json_object();
    msgpack_sbuffer_init(&self->data);
    voice_init(&self->voice, options->path);
    int code = run(self);
    casebus_publisher_destroy(&self->publisher);
    input_close(&self->input);
    msgpack_sbuffer_destroy(&self->data);
    json_decref(self->unknown);
    ledger_end(&self->ledger);
    free(self->scrapes);
    free(self);
    return code;
}
