/* The command line of casebus-publish: one table, from which parsing and --help are made.
 *
 * What cannot make sense together is refused here, before anything is opened. */
#include "options.h"

#include "fields.h"

#include <casebus/endpoint.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CASEBUS_VERSION
#define CASEBUS_VERSION "unknown"
#endif

#define PROGRAM "casebus-publish"
#define PAGES_MAX 1000000000

/* Reading one option: NULL, or what is wrong with its value. */
typedef const char *option_reader(struct options *self, char *value);

struct option_row {
    const char *name;
    const char *value; /* what it takes, for people; NULL: nothing */
    option_reader *read;
    const char *help;
};

static const char *read_agency(struct options *self, char *value)
{
    self->agency = value;
    return casebus_agency_valid(casebus_cstr(value)) ? NULL : "not an agency's code, as in hse";
}

/* "csv" and "ndjson" are kept in is_csv once the name of the file has been looked at. */
static const char *read_format(struct options *self, char *value)
{
    self->is_csv = strcmp(value, "csv") == 0;
    return self->is_csv || strcmp(value, "ndjson") == 0 ? NULL : "neither ndjson nor csv";
}

static bool is_field_name(const char *name)
{
    const char *dot = strchr(name, '.');
    char map[64] = "";
    if (name[0] == '\0' || field_is_known(casebus_case_schema, name)) {
        return true;
    }
    if (!dot || !dot[1] || (size_t)(dot - name) >= sizeof map) {
        return false;
    }
    memcpy(map, name, (size_t)(dot - name));
    const struct casebus_field *field = field_find(casebus_case_schema, map);
    return field && field->type == CASEBUS_TYPE_MAP &&
           (!field->members || field_is_known(field->members, dot + 1));
}

static const char *read_map(struct options *self, char *value)
{
    char *equals = strrchr(value, '='); /* a column's name may have one, a field's has none */
    if (!equals || equals == value) {
        return "not COLUMN=FIELD";
    }
    if (self->name_count == OPTIONS_NAMES_MAX) {
        return "too many of them";
    }
    if (!is_field_name(equals + 1)) {
        return "the case record has no such field";
    }
    *equals = '\0';
    self->names[self->name_count++] = (struct column_name){value, equals + 1};
    return NULL;
}

static const char *check_session(const char *id)
{
    return casebus_segment_valid(casebus_cstr(id))
               ? NULL
               : "not a session's id, the ID of AGENCY:ID (no ':', '*' or control characters)";
}

static const char *read_session(struct options *self, char *value)
{
    self->session = value;
    return check_session(value);
}

static const char *read_resume_session(struct options *self, char *value)
{
    self->resume_session = value;
    return check_session(value);
}

static const char *read_new_session(struct options *self, char *value)
{
    (void)value;
    self->new_session = true;
    return NULL;
}

static const char *read_keep_open(struct options *self, char *value)
{
    (void)value;
    self->keep_open = true;
    return NULL;
}

static bool read_pages(const char *text, uint64_t *pages)
{
    char *end;
    errno = 0;
    *pages = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *pages > 0 &&
           *pages <= PAGES_MAX;
}

static const char *read_max_pages(struct options *self, char *value)
{
    const char *equals = strchr(value, '=');
    struct agency_pages row = {.agency =
                                   casebus_bytes(value, equals ? (size_t)(equals - value) : 0)};
    if (equals && !casebus_agency_valid(row.agency)) {
        return "not AGENCY=N, as in hse=20";
    }
    if (!read_pages(equals ? equals + 1 : value, &row.pages)) {
        return "not a number of pages";
    }
    if (self->max_pages_count == CASEBUS_AGENCIES_MAX) {
        return "too many of them";
    }
    self->max_pages[self->max_pages_count++] = row;
    return NULL;
}

uint64_t options_max_pages(const struct options *self, const char *agency)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < self->max_pages_count; i++) {
        const struct agency_pages *row = &self->max_pages[i];
        if (casebus_bytes_is(row->agency, agency)) {
            return row->pages;
        }
        pages = row->agency.size == 0 ? row->pages : pages;
    }
    return pages;
}

static const char *read_kind(struct options *self, enum casebus_report_kind kind)
{
    bool other = self->kind != CASEBUS_REPORT_SCRAPED && self->kind != kind;
    self->kind = kind;
    return other ? "records are edited, deleted or redacted: one of them" : NULL;
}

static const char *read_edited(struct options *self, char *value)
{
    (void)value;
    return read_kind(self, CASEBUS_REPORT_EDITED);
}

static const char *read_deleted(struct options *self, char *value)
{
    (void)value;
    return read_kind(self, CASEBUS_REPORT_DELETED);
}

static const char *read_redacted(struct options *self, char *value)
{
    (void)value;
    return read_kind(self, CASEBUS_REPORT_REDACTED);
}

static const char *read_dry_run(struct options *self, char *value)
{
    (void)value;
    self->dry_run = true;
    return NULL;
}

static const char *read_outbox(struct options *self, char *value)
{
    self->outbox = value;
    return *value ? NULL : "not a folder";
}

static const char *read_resume(struct options *self, char *value)
{
    (void)value;
    self->resume = true;
    return NULL;
}

static bool read_number(const char *text, double least, double most, double *number)
{
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number >= least && *number <= most;
}

static const char *read_rate(struct options *self, char *value)
{
    return read_number(value, 0.001, 1e7, &self->rate) ? NULL
                                                       : "not a number of records a second";
}

static const char *read_timeout(struct options *self, char *value)
{
    double seconds;
    bool fine = read_number(value, 0.1, 86400, &seconds);
    self->timeout_ms = fine ? (int)(seconds * 1000) : 0;
    return fine ? NULL : "not a number of seconds";
}

static const char *read_ingest(struct options *self, char *value)
{
    self->ingest = value;
    return casebus_endpoint_connect_fault(value);
}

static const char *read_query(struct options *self, char *value)
{
    self->query = value;
    return casebus_endpoint_connect_fault(value);
}

static const char *read_secret(struct options *self, char *value)
{
    self->secret = value;
    return NULL;
}

static const char *read_server(struct options *self, char *value)
{
    self->server = value;
    return NULL;
}

/* Every program takes the same three endpoints; this one publishes no events. */
static const char *read_fanout(struct options *self, char *value)
{
    (void)self;
    (void)value;
    return NULL;
}

static const struct option_row rows[] = {
    {"agency", "A", read_agency, "agency of the records that name none"},
    {"format", "ndjson|csv", read_format, "default: csv for FILE.csv, otherwise ndjson"},
    {"map", "COLUMN=FIELD", read_map,
     "CSV: what a column of another register means; COLUMN= leaves it out"},
    {"session", "ID", read_session,
     "publish in this session of the file's one agency; start it if it is not known"},
    {"resume-session", "ID", read_resume_session,
     "go on with this session, behind the page the broker knows of it; each record needs "
     "source.page, and they come page by page"},
    {"new-session", NULL, read_new_session, "open a session for each agency in the file"},
    {"keep-open", NULL, read_keep_open, "do not end the session"},
    {"max-pages", "[AGENCY=]N", read_max_pages,
     "how many pages a session that is started may have, for whoever watches it; for each "
     "agency or for all"},
    {"edited", NULL, read_edited, "the records are corrections made by people"},
    {"deleted", NULL, read_deleted, "the records name cases to delete"},
    {"redacted", NULL, read_redacted,
     "the records name cases of which only the id is to stay, for good"},
    {"dry-run", NULL, read_dry_run, "check the records, send nothing"},
    {"outbox", "DIR", read_outbox,
     "keep each record in this folder until it is confirmed; send first what an earlier run "
     "left"},
    {"resume", NULL, read_resume, "with --outbox, without FILE: send only what is left there"},
    {"rate", "N", read_rate, "at most N records a second"},
    {"timeout", "S", read_timeout,
     "give up after S seconds without a new confirmation (default 30)"},
    {"ingest", "ENDPOINT", read_ingest, "default " CASEBUS_INGEST_DEFAULT},
    {"query", "ENDPOINT", read_query, "default " CASEBUS_QUERY_DEFAULT},
    {"fanout", "ENDPOINT", read_fanout, "taken and not used"},
    {"secret", "FILE", read_secret, "our own key pair, where the broker has keys"},
    {"server", "FILE.pub", read_server, "the broker's public key; with --secret"},
    {"help", NULL, NULL, "this text"},
    {"version", NULL, NULL, "the version"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* What keeps a case as the broker gives it out from being published as it is. */
static void print_broker_fields(void)
{
    const char *between = "";
    printf(
        "\nOf a case that casebus-ctl get --json prints, leave out what only the broker sets:\n"
        "  jq -c 'del(");
    for (const struct casebus_field *field = casebus_case_schema; field->name; field++) {
        if (field->setter == CASEBUS_SET_STORE) {
            printf("%s.%s", between, field->name);
            between = ",";
        }
    }
    puts(")'");
}

static void print_help(void)
{
    printf(
        "usage: " PROGRAM " [option]... FILE|-\n"
        "       " PROGRAM " [option]... --outbox DIR --resume\n\n"
        "Publishes the case records of a file: NDJSON, or CSV with a header, under the names\n"
        "of the case record's fields. Money may be pounds (offence_fine, offence_costs).\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        int width = printf("  --%s%s%s", rows[i].name, rows[i].value ? " " : "",
                           rows[i].value ? rows[i].value : "");
        printf("%*s%s\n", width < 24 ? 24 - width : 2, "", rows[i].help);
    }
    printf(
        "\nEnds with one line of counts; each refused record is FILE:LINE: field: reason on\n"
        "stderr. Exit code: 0 everything confirmed, 1 some records refused, or output could\n"
        "not be written, 2 usage or unreadable input, 3 broker not reached or not\n"
        "confirming, 4 a session was asked to stop, and has been ended, 130 interrupted\n"
        "before the end of the file. A report in quarantine is confirmed: a note says so,\n"
        "and casebus-ctl quarantine shows it.\n"
        "--dry-run cannot know what only the broker knows (whether a case is new, and needs\n"
        "an offender's name).\n");
    print_broker_fields();
}

static int complain(const char *about, const char *what)
{
    fprintf(stderr, PROGRAM ": %s: %s\n" PROGRAM " --help says more\n", about, what);
    return 2;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t size = strlen(text), tail_size = strlen(tail);
    return size > tail_size && strcmp(text + size - tail_size, tail) == 0;
}

/* Is there an outbox in the folder? --resume needs one: opening the folder would make an empty
 * one. */
static bool is_outbox(const char *folder)
{
    char path[4096];
    int size = snprintf(path, sizeof path, "%s/data.mdb", folder);
    return size < (int)sizeof path && access(path, F_OK) == 0;
}

static int check_together(struct options *self, bool format_given)
{
    if (!format_given) {
        self->is_csv = ends_with(self->path, ".csv");
    }
    if (self->resume && (!self->outbox || self->dry_run)) {
        return complain("--resume", self->outbox ? "excludes --dry-run" : "needs --outbox DIR");
    }
    if (self->resume && !is_outbox(self->outbox)) {
        return complain(self->outbox, "there is no outbox to resume");
    }
    int kinds = (self->session ? 1 : 0) + (self->resume_session ? 1 : 0) + self->new_session;
    if (kinds > 1) {
        return complain("--session, --resume-session, --new-session", "one of them");
    }
    if (self->keep_open && kinds == 0) {
        return complain("--keep-open", "there is no session to keep open");
    }
    if (self->max_pages_count > 0 && !self->session && !self->new_session) {
        return complain("--max-pages", "no session is started; add --new-session");
    }
    if (self->name_count > 0 && !self->is_csv) {
        return complain("--map", "only a CSV file has columns");
    }
    return -1;
}

static int read_row(struct options *self, const struct option_row *row, char *value)
{
    if (!row->read) {
        if (strcmp(row->name, "help") == 0) {
            print_help();
        } else {
            puts(PROGRAM " " CASEBUS_VERSION);
        }
        return 0;
    }
    const char *wrong = row->read(self, value);
    char about[128];
    snprintf(about, sizeof about, "--%s%s%s", row->name, value ? " " : "", value ? value : "");
    return wrong ? complain(about, wrong) : -1;
}

int options_read(struct options *self, int argc, char **argv)
{
    struct option longs[ROW_COUNT + 1] = {{0}};
    bool format_given = false;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        longs[i] = (struct option){rows[i].name,
                                   rows[i].value ? required_argument : no_argument, NULL, 1};
    }
    *self = (struct options){
        .kind = CASEBUS_REPORT_SCRAPED,
        .timeout_ms = 30000,
        .ingest = CASEBUS_INGEST_DEFAULT,
        .query = CASEBUS_QUERY_DEFAULT,
    };
    int c, index = 0, done = -1;
    while (done < 0 && (c = getopt_long(argc, argv, "", longs, &index)) != -1) {
        if (c != 1) { /* getopt has said what is wrong */
            return 2;
        }
        format_given = format_given || rows[index].read == read_format;
        done = read_row(self, &rows[index], optarg);
    }
    if (done >= 0) {
        return done;
    }
    if (self->resume && argc == optind) {
        self->path = "-"; /* nothing is read */
        return check_together(self, true);
    }
    if (self->resume) {
        return complain("--resume", "reads no file");
    }
    if (argc - optind != 1) {
        return complain(argc == optind ? "no file" : "more than one file",
                        "give one FILE, or - for standard input");
    }
    self->path = argv[optind];
    return check_together(self, format_given);
}
