/* casebus-watch: events as lines, as they happen.
 *
 * It begins nowhere else than where it says: a line on stderr for each pattern, once a heads
 * message has proved that every event behind that seq will come. stdout has events and nothing
 * else, one write a line, so a reader of the pipe never sees half of one nor waits for a full
 * buffer. Everything that is not an event (waiting, what is gone, another history) is a
 * sentence on stderr.
 *
 * A cursor is saved behind the lines it covers, when no more of them wait or there are many: a
 * watch that is killed prints at most the lines since then again, and skips none. */
#include "cursor_file.h"
#include "flags.h"
#include "json.h"
#include "show.h"
#include "start_check.h"
#include "stop.h"
#include "terminal.h"
#include "watch_table.h"

#include <casebus/keys.h>
#include <casebus/subscriber.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"

#define PROGRAM "casebus-watch"
#define PATIENCE_MS 1500 /* before it says that it waits */
#define SLICE_MS 500     /* a signal that comes just before a wait is seen after this */
#define UNSAVED_MAX 1000 /* lines */
#define SAVE_MS 1000     /* a cursor that moves without lines is saved so often */

struct settings {
    const char *ingest, *fanout, *query, *audience, *secret, *server, *cursor, *session;
    uint64_t count, after, limit;
    int timeout_ms;
    bool from_start, unordered, recent, sessions, json, help, version;
};

struct watch {
    struct settings settings;
    struct casebus_subscriber *subscriber;
    char **patterns;
    int pattern_count;
    bool colour, said_live, said_held;
    enum casebus_subscriber_state said_state;
    int64_t deadline, save_at;
    uint64_t shown, unsaved;
    struct casebus_cursor saved;
    struct text saved_patterns; /* of the cursor's file */
    struct text line;
};

static volatile sig_atomic_t resized;

static void resize(int signal_number)
{
    (void)signal_number;
    resized = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = resize};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, NULL);
    stop_on_signals();
}

#define ROW(flag, argument, member, read, help)                                                \
    {                                                                                          \
        flag, argument, help, read, offsetof(struct settings, member), 1                       \
    }

static const struct flag flags[] = {
    ROW("recent", NULL, recent, flag_switch, "a table of the newest cases, kept true"),
    ROW("sessions", NULL, sessions, flag_switch, "a table of the newest scrape sessions"),
    ROW("session", "NAME", session, flag_text,
        "a table of what a session meets: AGENCY:ID, or new for the next that starts"),
    ROW("limit", "N", limit, flag_number, "rows of a table (20)"),
    ROW("json", NULL, json, flag_switch, "one JSON object a line"),
    ROW("count", "N", count, flag_count, "end after N events, or changes of a table"),
    ROW("timeout", "SECONDS", timeout_ms, flag_seconds, "end after SECONDS"),
    ROW("after", "SEQ", after, flag_number, "first what the log holds after SEQ"),
    ROW("from-start", NULL, from_start, flag_switch, "first everything the log holds"),
    ROW("cursor", "FILE", cursor, flag_text, "begin where FILE says, and keep it up to date"),
    ROW("unordered", NULL, unordered, flag_switch,
        "do not hold events back for those missing elsewhere"),
    ROW("fanout", "ENDPOINT", fanout, flag_text,
        "where events come from (" CASEBUS_FANOUT_DEFAULT ")"),
    ROW("query", "ENDPOINT", query, flag_text,
        "where the log is asked for (" CASEBUS_QUERY_DEFAULT ")"),
    ROW("audience", "NAME", audience, flag_text,
        "the broker's audience whose endpoint --fanout is"),
    ROW("ingest", "ENDPOINT", ingest, flag_text, "taken and not used"),
    ROW("secret", "FILE", secret, flag_text, "our own key pair, where the broker has keys"),
    ROW("server", "FILE.pub", server, flag_text, "the broker's public key; with --secret"),
    ROW("help", NULL, help, flag_switch, "this text"),
    ROW("version", NULL, version, flag_switch, "the version"),
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

static void print_help(void)
{
    fputs("usage: " PROGRAM " [options] PATTERN...\n"
          "       " PROGRAM " [options] --recent | --sessions [PATTERN...] | --session NAME\n"
          "Prints what happens to cases and sessions, as it happens; or a table, kept "
          "true.\n\n",
          stdout);
    flags_help(stdout, flags, FLAG_COUNT, 1);
    fputs(
        "\nWith --cursor nothing is skipped, and after a kill at most the last lines come "
        "again;\n"
        "--from-start and --after then count only while FILE does not exist, and other\n"
        "PATTERNs than those it was made with are refused.\n"
        "A table is drawn in place on a terminal, elsewhere printed again when it has "
        "changed;\n"
        "with --json each change is a line: the keys in order, and the rows that are other.\n"
        "PATTERNs then say what makes it look.\n"
        "A pattern is a topic or its first segments: case, case:created, case:created:hse,\n"
        "case:created:hse:4812345, session:ended; a last segment * stands for all below.\n"
        "Exit: 0 N events or changes seen, interrupted, or time up without --count; 1 output\n"
        "failed; 2 usage or an impossible pattern; 3 time up before N.\n",
        stdout);
}

static int usage(const char *complaint)
{
    fprintf(stderr, PROGRAM ": %s (--help says more)\n", complaint);
    return EXIT_USAGE;
}

/* --- starting --------------------------------------------------------------------------- */

static int subscribe(struct watch *self)
{
    for (int i = 0; i < self->pattern_count; i++) {
        const char *why = NULL;
        int rc = casebus_subscriber_subscribe(self->subscriber, self->patterns[i], &why);
        if (rc != 0) {
            struct text pattern = {0};
            text_add_foreign(&pattern, casebus_cstr(self->patterns[i]));
            fprintf(stderr, PROGRAM ": %s: %s\n", text_get(&pattern),
                    why != NULL ? why : casebus_strerror(rc));
            text_free(&pattern);
            return EXIT_USAGE;
        }
    }
    return EXIT_FINE;
}

/* The cursor's file: 1 it has one, 0 there is none, or a code, of which CASEBUS_EMALFORMED,
 * CASEBUS_EPATTERN and CASEBUS_EIO are the file's. */
static int read_cursor(struct watch *self)
{
    const int rc = cursor_file_patterns((const char *const *)self->patterns,
                                        (size_t)self->pattern_count, &self->saved_patterns);
    return rc != 0
               ? rc
               : cursor_file_read(self->settings.cursor, &self->saved, &self->saved_patterns);
}

/* From the cursor, if there is one; else from where the command line says: 0 or a code. */
static int start(struct watch *self)
{
    const struct settings *settings = &self->settings;
    if (settings->cursor != NULL) {
        const int rc = read_cursor(self);
        if (rc != 0) {
            return rc == 1 ? casebus_subscriber_start_cursor(self->subscriber, &self->saved)
                           : rc;
        }
    }
    if (settings->from_start || settings->after != FLAG_UNSET) {
        return casebus_subscriber_start_at(self->subscriber,
                                           settings->from_start ? 0 : settings->after);
    }
    return casebus_subscriber_start(self->subscriber);
}

static void say_other_patterns(const struct watch *self)
{
    struct text patterns = {0};
    for (const char *line = text_get(&self->saved_patterns), *end;
         (end = strchr(line, '\n')) != NULL; line = end + 1) {
        text_add(&patterns, " ");
        text_add_foreign(&patterns, casebus_bytes(line, (size_t)(end - line)));
    }
    fprintf(stderr,
            PROGRAM
            ": %s: a cursor of other patterns:%s. What these have missed before it would "
            "be skipped: give those, or another file\n",
            self->settings.cursor, text_get(&patterns));
    text_free(&patterns);
}

static int say_no_start(const struct watch *self, int rc)
{
    const struct settings *settings = &self->settings;
    if (rc == CASEBUS_EPATTERN) {
        say_other_patterns(self);
    } else if (settings->cursor != NULL && (rc == CASEBUS_EMALFORMED || rc == CASEBUS_EIO)) {
        fprintf(stderr, PROGRAM ": %s: %s\n", settings->cursor,
                rc == CASEBUS_EIO ? strerror(errno) : "holds no cursor");
    } else {
        fprintf(stderr, PROGRAM ": %s, %s: %s\n", settings->fanout, settings->query,
                rc == CASEBUS_EINVAL ? "not endpoints" : casebus_strerror(rc));
    }
    return EXIT_USAGE;
}

static int open_subscriber(struct watch *self)
{
    const struct settings *settings = &self->settings;
    struct casebus_subscriber_options options = casebus_subscriber_options();
    options.fanout = settings->fanout;
    options.query = settings->query;
    options.secret = settings->secret;
    options.server = settings->server;
    options.audience = settings->audience;
    options.unordered = settings->unordered;
    int rc = casebus_subscriber_new(&self->subscriber, options);
    if (rc != 0) {
        fprintf(stderr, PROGRAM ": %s\n", casebus_strerror(rc));
        return EXIT_USAGE;
    }
    int status = subscribe(self);
    if (status != EXIT_FINE) {
        return status;
    }
    rc = start(self);
    return rc == 0 ? EXIT_FINE : say_no_start(self, rc);
}

static bool time_is_up(const struct watch *self)
{
    return deadline_left(self->deadline) == 0;
}

static int slice(const struct watch *self, int longest)
{
    const int left = deadline_left(self->deadline);
    return left < 0 || left > longest ? longest : left;
}

static void say_live(struct watch *self)
{
    const uint64_t seq = casebus_subscriber_seq(self->subscriber);
    const uint64_t head = casebus_subscriber_head(self->subscriber);
    for (int i = 0; i < self->pattern_count; i++) {
        fprintf(stderr, "watching %s from seq %llu\n", self->patterns[i],
                (unsigned long long)seq);
    }
    if (seq > head) {
        fprintf(stderr, PROGRAM ": the broker is at seq %llu; nothing is shown up to %llu\n",
                (unsigned long long)head, (unsigned long long)seq);
    }
    self->said_live = true;
}

/* Waits for the broker until it is there, the time is up or a signal came: 0 or a code. */
static int join(struct watch *self)
{
    bool said = false;
    const int64_t patience = deadline_after(PATIENCE_MS);
    while (!stop_requested() && !time_is_up(self)) {
        int rc = casebus_subscriber_join(self->subscriber, slice(self, SLICE_MS));
        if (rc == 1) {
            say_live(self);
            return 0;
        }
        if (rc != 0) {
            return rc;
        }
        if (!said && deadline_left(patience) == 0) {
            start_check_say_waiting(PROGRAM, self->settings.fanout,
                                    self->settings.secret != NULL);
            said = true;
        }
    }
    return 0;
}

/* --- the cursor ------------------------------------------------------------------------- */

/* Behind the lines, which a file on a disk may not have yet. */
static int save_cursor(struct watch *self)
{
    struct casebus_cursor cursor;
    self->unsaved = 0;
    self->save_at = deadline_after(SAVE_MS);
    if (self->settings.cursor == NULL ||
        casebus_subscriber_cursor(self->subscriber, &cursor) != 0 ||
        (cursor.seq == self->saved.seq &&
         memcmp(cursor.epoch, self->saved.epoch, sizeof cursor.epoch) == 0)) {
        return EXIT_FINE;
    }
    if (fdatasync(STDOUT_FILENO) != 0 && errno == EIO) {
        fprintf(stderr, PROGRAM ": standard output: %s\n", strerror(errno));
        return EXIT_OUTPUT;
    }
    if (cursor_file_write(self->settings.cursor, &cursor, &self->saved_patterns) != 0) {
        fprintf(stderr, PROGRAM ": %s: %s\n", self->settings.cursor, strerror(errno));
        return EXIT_OUTPUT;
    }
    self->saved = cursor;
    return EXIT_FINE;
}

/* Nothing more waits, or much has been shown. */
static bool is_time_to_save(const struct watch *self, int rc)
{
    if (self->unsaved > 0) {
        return rc != 1 || self->unsaved >= UNSAVED_MAX;
    }
    return rc != 1 && deadline_left(self->save_at) == 0;
}

/* --- showing ---------------------------------------------------------------------------- */

/* Nobody has looked inside it yet. */
static bool is_readable(const struct casebus_event *event)
{
    struct casebus_fault fault;
    if (casebus_event_check(event, &fault) == 0) {
        return true;
    }
    fprintf(stderr, PROGRAM ": event %llu is not shown: %s: %s\n",
            (unsigned long long)event->seq, fault.field, casebus_strerror(fault.code));
    return false;
}

static int show(struct watch *self, const struct casebus_event *event)
{
    if (!is_readable(event)) {
        return EXIT_FINE;
    }
    text_clear(&self->line);
    if (self->settings.json) {
        struct json json = json_begin(&self->line, false);
        json_event(&json, event);
    } else {
        show_event(event, self->colour, &self->line);
    }
    text_add(&self->line, "\n");
    const int rc = terminal_write(STDOUT_FILENO, &self->line);
    if (rc != 0) {
        fprintf(stderr, PROGRAM ": standard output: %s\n",
                rc == CASEBUS_EIO ? strerror(errno) : casebus_strerror(rc));
        return EXIT_OUTPUT;
    }
    self->shown++;
    self->unsaved++;
    return EXIT_FINE;
}

static void say_gap(const struct casebus_gap *gap)
{
    struct text stream = {0};
    text_add_foreign(&stream, gap->stream);
    fprintf(stderr, PROGRAM ": events are gone: those of %s after seq %llu up to seq %llu\n",
            stream.size > 0 ? text_get(&stream) : "all patterns",
            (unsigned long long)gap->after, (unsigned long long)gap->through);
    text_free(&stream);
}

/* What is not an event: EXIT_FINE where watching goes on. */
static int report(struct watch *self, int rc)
{
    switch (rc) {
    case CASEBUS_EINTR:
        return EXIT_FINE;
    case CASEBUS_EGAP:
        say_gap(casebus_subscriber_gap(self->subscriber));
        return EXIT_FINE;
    case CASEBUS_EEPOCH:
        fputs(PROGRAM ": epoch changed: the broker's history is another one now\n", stderr);
        self->said_live = false;
        return save_cursor(self);
    default:
        fprintf(stderr, PROGRAM ": %s\n", casebus_strerror(rc));
        return EXIT_OUTPUT;
    }
}

static bool is_done(const struct watch *self)
{
    return stop_requested() ||
           (self->settings.count != FLAG_UNSET && self->shown >= self->settings.count);
}

/* What it is doing, where that lasts and is not what it should be doing. */
static void say_state(struct watch *self)
{
    const enum casebus_subscriber_state state = casebus_subscriber_state(self->subscriber);
    if (state != self->said_state) {
        fprintf(stderr, PROGRAM ": %s\n", casebus_subscriber_state_word(state));
        self->said_state = state;
    }
}

/* Nothing new can happen while the broker stores nothing. */
static void say_held(struct watch *self)
{
    const char *held = casebus_subscriber_held(self->subscriber);
    if ((held != NULL) == self->said_held) {
        return;
    }
    self->said_held = held != NULL;
    struct text line = {0};
    text_add_foreign(&line, casebus_cstr(held != NULL ? held : "reports are stored again"));
    fprintf(stderr, PROGRAM ": %s%s\n",
            held != NULL ? "the broker stores nothing for now: " : "", text_get(&line));
    text_free(&line);
}

static int next(struct watch *self, const struct casebus_event **event)
{
    if (!self->said_live) {
        return join(self);
    }
    return casebus_subscriber_next(self->subscriber, event,
                                   self->unsaved > 0 ? 0 : slice(self, SLICE_MS));
}

static int follow_event(struct watch *self)
{
    const struct casebus_event *event;
    bool waited = self->said_live && self->unsaved == 0;
    int status = EXIT_FINE;
    const int rc = next(self, &event);
    if (rc == 1) {
        status = show(self, event);
    } else if (rc < 0) {
        status = report(self, rc);
    } else if (terminal_reader_is_gone(STDOUT_FILENO)) {
        return EXIT_OUTPUT;
    } else if (waited) {
        say_state(self);
        say_held(self);
    }
    return status == EXIT_FINE && is_time_to_save(self, rc) ? save_cursor(self) : status;
}

static int follow_events(struct watch *self)
{
    int status = EXIT_FINE;
    self->said_state = CASEBUS_SUBSCRIBER_LIVE;
    while (status == EXIT_FINE && !is_done(self) && !time_is_up(self)) {
        status = follow_event(self);
    }
    if (status == EXIT_FINE) {
        status = save_cursor(self);
    }
    if (status == EXIT_FINE && !is_done(self) && self->settings.count != FLAG_UNSET) {
        fprintf(stderr, PROGRAM ": time is up after %llu of %llu events\n",
                (unsigned long long)self->shown, (unsigned long long)self->settings.count);
        return EXIT_SHORT;
    }
    return status;
}

static void say_losses(const struct watch *self)
{
    struct casebus_subscriber_stats stats;
    casebus_subscriber_stats(self->subscriber, &stats);
    if (stats.repaired > 0 || stats.lost > 0) {
        fprintf(stderr, PROGRAM ": repaired=%llu lost=%llu\n",
                (unsigned long long)stats.repaired, (unsigned long long)stats.lost);
    }
}

/* Why these options do not go together; NULL: they do. */
static const char *find_clash(const struct watch *self)
{
    const struct settings *settings = &self->settings;
    const int tables = settings->recent + settings->sessions + (settings->session != NULL);
    if (tables > 1) {
        return "--recent, --sessions or --session, one of them";
    }
    if (tables == 0) {
        return settings->limit != FLAG_UNSET ? "--limit is for tables" : NULL;
    }
    if (settings->session != NULL && self->pattern_count > 0) {
        return "--session takes no PATTERN";
    }
    return settings->from_start || settings->after != FLAG_UNSET || settings->cursor != NULL ||
                   settings->unordered
               ? "a table shows what is now: no --from-start, --after, --cursor, --unordered"
               : NULL;
}

static int show_table(struct watch *self)
{
    const struct settings *settings = &self->settings;
    const struct watch_table table = {
        .program = PROGRAM,
        .fanout = settings->fanout,
        .query = settings->query,
        .secret = settings->secret,
        .server = settings->server,
        .audience = settings->audience,
        .what = settings->recent     ? WATCH_RECENT
                : settings->sessions ? WATCH_SESSIONS
                                     : WATCH_SESSION,
        .session = settings->session,
        .patterns = (const char *const *)self->patterns,
        .pattern_count = (size_t)self->pattern_count,
        .limit = settings->limit != FLAG_UNSET ? settings->limit : WATCH_ROWS,
        .count = settings->count,
        .timeout_ms = settings->timeout_ms,
        .json = settings->json,
        .resized = &resized,
    };
    catch_signals();
    return watch_table(&table);
}

static int run(struct watch *self)
{
    const struct settings *settings = &self->settings;
    const struct casebus_client_options broker = {
        .query = settings->query, .secret = settings->secret, .server = settings->server};
    const char *clash = find_clash(self);
    char key[CASEBUS_WHY_SIZE];
    if (casebus_credentials_check(settings->secret, settings->server, key, sizeof key) != 0) {
        return usage(key);
    }
    if (clash != NULL) {
        return usage(clash);
    }
    if (!start_check_audience(&broker, settings->audience)) {
        fprintf(stderr, PROGRAM ": --audience %s: " START_CHECK_NO_AUDIENCE "\n",
                settings->audience);
        return EXIT_USAGE;
    }
    if (settings->recent || settings->sessions || settings->session != NULL) {
        return show_table(self);
    }
    if (self->pattern_count == 0) {
        return usage("which PATTERN?");
    }
    if (settings->from_start && settings->after != FLAG_UNSET) {
        return usage("--after or --from-start, not both");
    }
    if (settings->cursor != NULL && settings->unordered) {
        return usage("--cursor needs order, --unordered has none");
    }
    int status = open_subscriber(self);
    if (status == EXIT_FINE) {
        catch_signals();
        self->deadline = deadline_after(settings->timeout_ms);
        self->colour = !settings->json && terminal_has_colour(STDOUT_FILENO);
        status = follow_events(self);
        say_losses(self);
    }
    casebus_subscriber_destroy(&self->subscriber);
    text_free(&self->line);
    text_free(&self->saved_patterns);
    return status;
}

int main(int argc, char **argv)
{
    struct watch self = {.settings = {.fanout = CASEBUS_FANOUT_DEFAULT,
                                      .query = CASEBUS_QUERY_DEFAULT,
                                      .count = FLAG_UNSET,
                                      .after = FLAG_UNSET,
                                      .limit = FLAG_UNSET,
                                      .timeout_ms = -1}};
    uint64_t given;
    const int first =
        flags_read(PROGRAM, argc, argv, flags, FLAG_COUNT, &self.settings, &given);
    if (first < 0) {
        return EXIT_USAGE;
    }
    if (self.settings.help || self.settings.version) {
        if (self.settings.help) {
            print_help();
        } else {
            puts(PROGRAM " " CASEBUS_VERSION);
        }
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_OUTPUT;
    }
    self.patterns = argv + first;
    self.pattern_count = argc - first;
    return run(&self);
}
