/* Asking and answering, as every subcommand of casebus-ctl does it.
 *
 * Complaints go to stderr as one sentence and become an exit status in one place, from one
 * table. What is printed on stdout is put together first and written once, so that an error in
 * the middle leaves nothing half printed. */
#include "ctl.h"

#include "show.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- complaining ------------------------------------------------------------------------ */

/* Exit statuses by code; for a code that is not here it is 1: the broker refused. */
static const struct {
    int code, status;
} statuses[] = {
    {CASEBUS_EUNREACHABLE, EXIT_NOT_REACHED},
    {CASEBUS_ETIMEDOUT, EXIT_NOT_REACHED},
    {CASEBUS_EPROTO, EXIT_NOT_REACHED},
    {CASEBUS_EINVAL, EXIT_USAGE},
    {CASEBUS_EPATTERN, EXIT_USAGE},
    {CASEBUS_ETOPIC, EXIT_USAGE},
    {CASEBUS_EMISSING, EXIT_USAGE},
    {CASEBUS_ETYPE, EXIT_USAGE},
    {CASEBUS_EVALUE, EXIT_USAGE},
    {CASEBUS_ETOOLONG, EXIT_USAGE},
    {CASEBUS_ETOOMANY, EXIT_USAGE},
    {CASEBUS_EUNKNOWN_OP, EXIT_USAGE},
};

static int status_of(int code)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].code == code) {
            return statuses[i].status;
        }
    }
    return EXIT_NOT_FOUND;
}

const char *ctl_query(const struct ctl *self)
{
    return self->settings.query != NULL ? self->settings.query : CASEBUS_QUERY_DEFAULT;
}

static bool begins_with(struct casebus_bytes text, struct casebus_bytes start)
{
    return text.size >= start.size && memcmp(text.data, start.data, start.size) == 0;
}

/* What the broker says, with the argument it speaks of; or what the code means. */
static void add_reason(const struct ctl *self, int code, struct text *line)
{
    const struct casebus_reply *reply = &self->reply;
    const bool said = reply->error == code && reply->error_text.size > 0;
    if (reply->error == code && reply->error_field.size > 0 &&
        !(said && begins_with(reply->error_text, reply->error_field))) {
        text_add_foreign(line, reply->error_field);
        text_add(line, ": ");
    }
    text_add_foreign(line, said ? reply->error_text : casebus_cstr(casebus_strerror(code)));
}

int ctl_failed(const struct ctl *self, const char *about, int code)
{
    struct text line = {0};
    if (about != NULL) {
        text_add_foreign(&line, casebus_cstr(about));
        text_add(&line, ": ");
    }
    add_reason(self, code, &line);
    if (status_of(code) == EXIT_NOT_REACHED) {
        text_format(&line, " (%s%s)", ctl_query(self),
                    self->settings.secret
                        ? "; or it does not take our key, or is not --server's"
                        : "; or it wants a key: --secret and --server");
    }
    fprintf(stderr, PROGRAM ": %s\n", text_get(&line));
    text_free(&line);
    return status_of(code);
}

int ctl_missing(const char *kind, const char *name)
{
    struct text line = {0};
    text_add_foreign(&line, casebus_cstr(name));
    fprintf(stderr, PROGRAM ": no %s %s\n", kind, text_get(&line));
    text_free(&line);
    return EXIT_NOT_FOUND;
}

/* --- asking ----------------------------------------------------------------------------- */

void ctl_add_text(struct ctl *self, const char *key, const char *value)
{
    if (value != NULL) {
        casebus_call_text(self->call, key, value);
    }
}

void ctl_add_uint(struct ctl *self, const char *key, uint64_t value)
{
    if (value != FLAG_UNSET) {
        casebus_call_uint(self->call, key, value);
    }
}

static bool add_token(struct ctl *self, const char *hex)
{
    unsigned char token[512];
    size_t size;
    if (!text_read_hex(hex, token, sizeof token, &size)) {
        return false;
    }
    casebus_call_bin(self->call, "next", casebus_bytes(token, size));
    return true;
}

bool ctl_add_page(struct ctl *self)
{
    const uint64_t limit = self->settings.limit;
    if (limit != FLAG_UNSET && limit > CASEBUS_PAGE_MAX) {
        ctl_usage("--limit %llu: " FLAG_ROWS, (unsigned long long)limit);
        return false;
    }
    ctl_add_uint(self, "limit", limit);
    ctl_add_uint(self, "as_of", self->settings.as_of);
    if (self->settings.next != NULL && !add_token(self, self->settings.next)) {
        ctl_usage("--next %s: not a token of a page before", self->settings.next);
        return false;
    }
    return true;
}

int ctl_timeout(const struct ctl *self)
{
    return self->settings.timeout_ms == TIMEOUT_UNSET ? TIMEOUT_DEFAULT_MS
                                                      : self->settings.timeout_ms;
}

int ctl_ask(struct ctl *self, const char *about)
{
    int rc = casebus_call_send(self->call, self->client, &self->reply, ctl_timeout(self));
    return rc == 0 ? EXIT_FINE : ctl_failed(self, about, rc);
}

int ctl_ask_for(struct ctl *self, const char *kind, const char *name)
{
    const int rc = casebus_call_send(self->call, self->client, &self->reply, ctl_timeout(self));
    if (rc == CASEBUS_ENOTFOUND) {
        return ctl_missing(kind, name);
    }
    return rc == 0 ? EXIT_FINE : ctl_failed(self, name, rc);
}

struct casebus_bytes ctl_result(const struct ctl *self, const char *key)
{
    return casebus_map_get(self->reply.result, key);
}

/* --- printing --------------------------------------------------------------------------- */

int ctl_flush(struct ctl *self)
{
    const int rc = terminal_print(PROGRAM, &self->out);
    text_clear(&self->out);
    return rc == 0 ? EXIT_FINE : EXIT_NOT_FOUND;
}

struct json ctl_begin_json(struct ctl *self)
{
    return json_begin(&self->out, isatty(STDOUT_FILENO));
}

int ctl_end_json(struct ctl *self, const struct json *json)
{
    if (json->broken) {
        text_clear(&self->out);
        return ctl_failed(self, NULL, CASEBUS_EPROTO);
    }
    text_add(&self->out, "\n");
    return ctl_flush(self);
}

int ctl_print_result(struct ctl *self)
{
    struct json json = ctl_begin_json(self);
    json_value(&json, self->reply.result);
    return ctl_end_json(self, &json);
}

/* How to get the page behind this one. */
static void say_next(struct ctl *self)
{
    const struct casebus_bytes next = casebus_as_bin(ctl_result(self, "next"));
    const uint64_t as_of = casebus_as_uint(ctl_result(self, "as_of"), FLAG_UNSET);
    struct text token = {0};
    if (next.data == NULL) {
        return;
    }
    text_add_hex(&token, next);
    fprintf(stderr, "more: --next %s", text_get(&token));
    if (as_of != FLAG_UNSET) {
        fprintf(stderr, " --as-of %llu", (unsigned long long)as_of);
    }
    fputs("\n", stderr);
    text_free(&token);
}

/* Of lists that are made from the log. */
static void say_floor(const struct ctl *self)
{
    const uint64_t floor = casebus_as_uint(ctl_result(self, "floor"), 0);
    if (floor > 0 && ctl_result(self, "next").data == NULL) {
        fprintf(stderr, PROGRAM ": the log begins at seq %llu, what was before is not in it\n",
                (unsigned long long)floor);
    }
}

int ctl_print_table(struct ctl *self, struct table *table)
{
    table_print(table, terminal_columns(STDOUT_FILENO), &self->out);
    table_free(table);
    const int status = ctl_flush(self);
    say_next(self);
    say_floor(self);
    return status;
}

void ctl_cell_value(struct table *table, struct casebus_bytes map, const char *key)
{
    const struct casebus_bytes raw = casebus_map_get(map, key);
    struct text *const cell = table_cell(table);
    if (raw.data != NULL) {
        show_value(casebus_cstr(key), raw, 0, cell);
    }
}

void ctl_cell_inner(struct table *table, struct casebus_bytes map, const char *outer,
                    const char *key)
{
    ctl_cell_value(table, casebus_map_get(map, outer), key);
}

void ctl_cell_count(struct table *table, struct casebus_bytes map, const char *key)
{
    text_add_count(table_cell(table), casebus_as_uint(casebus_map_get(map, key), 0));
}

struct rows ctl_rows(struct casebus_bytes array)
{
    struct rows rows;
    casebus_reader_init(&rows.reader, array);
    rows.left = casebus_read_array(&rows.reader);
    return rows;
}

bool ctl_next_row(struct rows *rows, struct casebus_bytes *row)
{
    if (rows->left == 0) {
        return false;
    }
    rows->left--;
    *row = casebus_read_raw(&rows->reader);
    return rows->reader.error == 0;
}
