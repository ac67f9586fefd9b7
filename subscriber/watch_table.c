/* casebus-watch's tables: a live view on a terminal, in a file or a pipe, or as JSON.
 *
 * On a terminal the table is drawn over itself: the cursor goes up as many lines as were drawn,
 * and what is below is cleared, in one write. No line is longer than the terminal is wide, or
 * it would take two of it; the last line says what the view says of itself. Elsewhere the table
 * is printed again when it has changed, behind an empty line, and changes of state are
 * sentences on stderr.
 *
 * --session new watches the sessions until one starts that was not there at first. */
#include "watch_table.h"

#include "deadline.h"
#include "flags.h"
#include "start_check.h"
#include "stop.h"
#include "terminal.h"

#include <casebus/topic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_MS 1000
#define PATIENCE_MS 3000 /* before it says that it waits */
#define STARTED_MAX 100  /* sessions that start within a window; of them the first is taken */
#define BOLD "\033[1m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

struct live {
    const struct watch_table *settings;
    struct casebus_views *views;
    struct casebus_view *view;    /* the table's */
    struct casebus_view *session; /* the line's above it; NULL */
    struct casebus_view *waiting; /* for a session to start; NULL */
    uint64_t newest;              /* started_seq of those that were there */
    bool knows_newest;
    char started[CASEBUS_CASE_ID_MAX + 1];
    bool terminal, colour, changed, restated;
    bool unreached;    /* said that no broker is there */
    bool held, turned; /* nothing is stored for now; that is new and not said yet */
    size_t lines;      /* drawn last */
    enum casebus_view_state said;
    uint64_t shown;
    int status; /* an exit code */
    struct text out;
};

static void write_out(struct live *self)
{
    const int rc = terminal_print(PROGRAM, &self->out);
    if (rc != 0 && rc != CASEBUS_EINTR) {
        self->status = EXIT_OUTPUT;
    }
}

/* --- what comes --------------------------------------------------------------------------- */

static const char *name_of(const struct live *self, const struct casebus_view *view)
{
    static const char *const names[] = {
        [WATCH_RECENT] = "recent", [WATCH_SESSIONS] = "sessions", [WATCH_SESSION] = "cases"};
    return view == self->session ? "session" : names[self->settings->what];
}

static bool is_counted(const struct live *self)
{
    return self->settings->count != FLAG_UNSET && self->shown >= self->settings->count;
}

static void fetched(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    struct live *self = arg;
    self->changed = true;
    if (self->settings->json && !is_counted(self) && self->status == EXIT_FINE) {
        struct casebus_view_status status;
        casebus_view_status(view, &status);
        text_clear(&self->out);
        watch_diff_print(name_of(self, view), status.seq, status.newer, status.cut, diff,
                         &self->out);
        write_out(self);
        self->shown++;
    }
}

static void restated(void *arg, struct casebus_view *view)
{
    struct live *self = arg;
    (void)view;
    self->restated = true;
}

/* Of those that were not there the one that started first. */
static void look_for_start(void *arg, struct casebus_view *view,
                           const struct casebus_diff *diff)
{
    struct live *self = arg;
    uint64_t first = UINT64_MAX, newest = 0;
    (void)view;
    for (size_t i = 0; i < diff->now_count; i++) {
        const struct casebus_row *row = &diff->now[i];
        const uint64_t seq = casebus_as_uint(casebus_map_get(row->data, "started_seq"), 0);
        newest = seq > newest ? seq : newest;
        if (self->knows_newest && !diff->reset && seq > self->newest && seq < first) {
            first = seq;
            snprintf(self->started, sizeof self->started, "%s", row->key);
        }
    }
    if (!self->knows_newest || diff->reset) {
        self->newest = newest;
        self->knows_newest = true;
    }
}

/* --- opening ------------------------------------------------------------------------------ */

static int complain(const char *what, const char *why)
{
    struct text name = {0};
    text_add_foreign(&name, casebus_cstr(what));
    fprintf(stderr, PROGRAM ": %s: %s\n", text_get(&name), why);
    text_free(&name);
    return EXIT_USAGE;
}

static struct casebus_view_options view_options(struct live *self)
{
    struct casebus_view_options options = casebus_view_options();
    options.refetch_window_ms = WINDOW_MS;
    options.after_fetch = fetched;
    options.state_changed = restated;
    options.arg = self;
    return options;
}

static int open_view(struct live *self, struct casebus_view **view, struct casebus_query query,
                     struct casebus_view_options options)
{
    const char *why = NULL;
    const int rc = casebus_view_open(view, self->views, query, options, &why);
    if (rc == 0) {
        return EXIT_FINE;
    }
    if (rc == CASEBUS_EPATTERN) {
        return complain("PATTERN", why);
    }
    return complain("the table", casebus_strerror(rc));
}

/* One that has a table before it begins is no mistake; one that is only misspelt is. */
static void warn_of_no_session(const struct live *self)
{
    const struct watch_table *settings = self->settings;
    struct casebus_bytes agency, id;
    const struct casebus_client_options broker = {
        .query = settings->query, .secret = settings->secret, .server = settings->server};
    if (casebus_session_name_split(casebus_cstr(settings->session), &agency, &id) == 0 &&
        !start_check_session(&broker, settings->audience, agency, id)) {
        complain(settings->session,
                 "there is no such session; waiting for it to start (--sessions shows those "
                 "there are)");
    }
}

static int open_session(struct live *self, const char *name)
{
    char agency[CASEBUS_AGENCY_MAX + 1] = "", id[CASEBUS_SEGMENT_MAX + 1] = "";
    struct casebus_bytes first, second;
    if (casebus_session_name_split(casebus_cstr(name), &first, &second) != 0) {
        return complain(name, "not a session, which is AGENCY:ID, or new");
    }
    memcpy(agency, first.data, first.size);
    memcpy(id, second.data, second.size);
    const unsigned limit = (unsigned)self->settings->limit;
    const int status = open_view(
        self, &self->view, casebus_query_session_cases(agency, id, limit), view_options(self));
    return status != EXIT_FINE
               ? status
               : open_view(self, &self->session, casebus_query_session(agency, id),
                           view_options(self));
}

static int wait_for_session(struct live *self)
{
    struct casebus_view_options options = view_options(self);
    options.refetch_window_ms = WINDOW_MS / 4;
    options.after_fetch = look_for_start;
    if (!self->terminal) {
        fprintf(stderr, PROGRAM ": waiting for a session to start\n");
    }
    return open_view(self, &self->waiting, casebus_query_sessions(NULL, NULL, STARTED_MAX),
                     options);
}

static int open_table(struct live *self)
{
    const struct watch_table *settings = self->settings;
    struct casebus_view_options options = view_options(self);
    const unsigned limit = (unsigned)settings->limit;
    if (settings->what == WATCH_SESSION) {
        if (strcmp(settings->session, "new") == 0) {
            return wait_for_session(self);
        }
        warn_of_no_session(self);
        return open_session(self, settings->session);
    }
    options.patterns = settings->pattern_count > 0 ? settings->patterns : NULL;
    options.pattern_count = settings->pattern_count;
    return open_view(self, &self->view,
                     settings->what == WATCH_RECENT ? casebus_query_recent(limit)
                                                    : casebus_query_sessions(NULL, NULL, limit),
                     options);
}

static int open_live(struct live *self)
{
    struct casebus_views_options options = casebus_views_options();
    options.fanout = self->settings->fanout;
    options.query = self->settings->query;
    options.secret = self->settings->secret;
    options.server = self->settings->server;
    options.audience = self->settings->audience;
    const int rc = casebus_views_new(&self->views, options);
    if (rc == 0) {
        return open_table(self);
    }
    fprintf(stderr, PROGRAM ": %s, %s: %s\n", options.fanout, options.query,
            casebus_strerror(rc));
    return EXIT_USAGE;
}

/* --- drawing ------------------------------------------------------------------------------ */

/* Its session, where it is known; lines that were added. */
static size_t print_session(const struct live *self, struct text *out)
{
    size_t count = 0;
    const struct casebus_row *rows =
        self->session != NULL ? casebus_view_rows(self->session, &count) : NULL;
    if (count > 0) {
        watch_session_print(rows[0].data, out);
    }
    return count > 0 ? 1 : 0;
}

/* What the session met before the log's beginning is in no table; lines that were added. */
static size_t print_floor(const struct live *self, struct text *out)
{
    struct casebus_view_status status;
    size_t count = 0;
    const struct casebus_row *rows =
        self->session != NULL ? casebus_view_rows(self->session, &count) : NULL;
    const uint64_t started =
        count > 0 ? casebus_as_uint(casebus_map_get(rows[0].data, "started_seq"), 0) : 0;
    casebus_view_status(self->view, &status);
    if (self->session == NULL || status.floor <= started) {
        return 0;
    }
    text_format(out, "what it met before #%llu is not kept\n",
                (unsigned long long)status.floor);
    return 1;
}

/* The table, as many rows of it as `height` lines have room for (0: all); lines above it. */
static size_t print_table(const struct live *self, size_t width, size_t height,
                          struct text *out)
{
    struct watch_rows rows = {.count = 0};
    size_t above = print_session(self, out);
    if (self->view == NULL) {
        return above;
    }
    above += print_floor(self, out);
    rows.row = casebus_view_rows(self->view, &rows.count);
    const size_t others = above + 2; /* with the titles and the words */
    if (height > 0 && rows.count + others > height) {
        rows.count = height > others ? height - others : 0;
    }
    watch_rows_print(self->settings->what, rows, width, out);
    return above;
}

static bool has_joined(const struct live *self)
{
    return casebus_views_epoch(self->views) != NULL;
}

static const char *words_of(const struct live *self)
{
    if (self->unreached && !has_joined(self)) {
        return self->settings->secret != NULL
                   ? "waiting for a broker that takes our key; its log says whom it refused"
                   : "waiting for a broker";
    }
    return self->view != NULL ? casebus_view_words(self->view)
                              : "waiting for a session to start";
}

static bool is_stale(const struct live *self)
{
    struct casebus_view_status status;
    casebus_view_status(self->view != NULL ? self->view : self->waiting, &status);
    return status.state == CASEBUS_VIEW_STALE;
}

static void add_line(struct live *self, const char *line, size_t size, size_t width,
                     const char *colour)
{
    text_add(&self->out, self->colour ? colour : "");
    text_add_bytes(&self->out, line, text_fit(line, size, width));
    text_add(&self->out, self->colour && *colour != '\0' ? PLAIN "\n" : "\n");
    self->lines++;
}

/* Over what was drawn before. */
static void draw(struct live *self)
{
    struct text body = {0};
    const size_t width = terminal_columns(STDOUT_FILENO);
    const size_t height = terminal_rows(STDOUT_FILENO);
    const size_t titles = print_table(self, width, height > 1 ? height - 1 : 1, &body);
    text_clear(&self->out);
    if (*self->settings->resized) {
        *self->settings->resized = 0;
        text_add(&self->out, "\033[H\033[2J"); /* how lines were broken anew nobody knows */
    } else if (self->lines > 0) {
        text_format(&self->out, "\033[%zuF\033[J", self->lines);
    }
    self->lines = 0;
    const char *line = text_get(&body);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        add_line(self, line, (size_t)(end - line), width, self->lines == titles ? BOLD : "");
    }
    const char *words = words_of(self);
    add_line(self, words, strlen(words), width, is_stale(self) ? RED : "");
    self->out.failed = self->out.failed || body.failed;
    text_free(&body);
    write_out(self);
}

static void print(struct live *self)
{
    text_clear(&self->out);
    text_add(&self->out, self->shown > 0 ? "\n" : "");
    print_table(self, 0, 0, &self->out);
    write_out(self);
    self->shown++;
}

/* Where nobody sees the words: what it is doing, where that has changed. */
static void say_state(struct live *self)
{
    struct casebus_view_status status;
    struct casebus_view *view = self->view != NULL ? self->view : self->waiting;
    casebus_view_status(view, &status);
    if ((status.state != self->said || self->turned) && status.state != CASEBUS_VIEW_LOADING) {
        self->said = status.state;
        self->turned = false;
        fprintf(stderr, PROGRAM ": %s\n", casebus_view_words(view));
    }
}

/* Of this no view tells: it is of the broker. */
static void look_at_held(struct live *self)
{
    const bool held = casebus_views_held(self->views) != NULL;
    if (held != self->held) {
        self->held = held;
        self->turned = self->restated = true;
    }
}

static void look_for_broker(struct live *self, int64_t patience)
{
    if (self->unreached || deadline_left(patience) != 0 || has_joined(self)) {
        return;
    }
    self->unreached = self->restated = true;
    if (!self->terminal || self->settings->json) {
        start_check_say_waiting(PROGRAM, self->settings->fanout,
                                self->settings->secret != NULL);
    }
}

/* Shows what has changed since the last time. */
static void show(struct live *self)
{
    look_at_held(self);
    if (!self->terminal || self->settings->json) {
        if (self->restated) {
            say_state(self);
        }
        if (self->changed && !self->settings->json && self->view != NULL) {
            print(self);
        }
    } else if (self->changed || self->restated || *self->settings->resized) {
        self->shown += self->changed ? 1 : 0;
        draw(self);
    }
    self->changed = self->restated = false;
}

/* --- the loop ----------------------------------------------------------------------------- */

static void follow_started(struct live *self)
{
    if (self->waiting != NULL && self->started[0] != '\0') {
        casebus_view_close(&self->waiting);
        self->status = open_session(self, self->started);
        self->changed = false;
    }
}

static int show_until_done(struct live *self)
{
    const struct watch_table *settings = self->settings;
    const int64_t deadline = deadline_after(settings->timeout_ms);
    const int64_t patience = deadline_after(PATIENCE_MS);
    self->said = CASEBUS_VIEW_CONNECTING;
    while (self->status == EXIT_FINE && !stop_requested() && !is_counted(self)) {
        const int left = deadline_left(deadline);
        if (left == 0) {
            return settings->count != FLAG_UNSET ? EXIT_SHORT : EXIT_FINE;
        }
        const int rc = casebus_views_wait(
            self->views, left < 0 || left > STOP_SLICE_MS ? STOP_SLICE_MS : left);
        if (rc != 0 && rc != CASEBUS_EINTR) {
            fprintf(stderr, PROGRAM ": %s\n", casebus_strerror(rc));
            return EXIT_OUTPUT;
        }
        follow_started(self);
        look_for_broker(self, patience);
        if (self->status == EXIT_FINE) {
            show(self);
        }
        if (terminal_reader_is_gone(STDOUT_FILENO)) {
            return EXIT_OUTPUT;
        }
    }
    return self->status;
}

int watch_table(const struct watch_table *settings)
{
    struct live self = {.settings = settings,
                        .terminal = terminal_columns(STDOUT_FILENO) > 0,
                        .colour = terminal_has_colour(STDOUT_FILENO),
                        .status = EXIT_FINE,
                        .restated = true};
    int status = open_live(&self);
    if (status == EXIT_FINE) {
        status = show_until_done(&self);
    }
    casebus_view_close(&self.view);
    casebus_view_close(&self.session);
    casebus_view_close(&self.waiting);
    casebus_views_destroy(&self.views);
    text_free(&self.out);
    return status;
}
