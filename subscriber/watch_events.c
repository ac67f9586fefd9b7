/* casebus-watch with patterns: events as lines, as they happen.
 *
 * It begins nowhere else than where it says: a line on stderr for each pattern, once a heads
 * message has proved that every event behind that seq will come. stdout has events and nothing
 * else, one write a line, so a reader of the pipe never sees half of one nor waits for a full
 * buffer. Everything that is not an event (waiting, what is gone, another history) is a
 * sentence on stderr.
 *
 * A cursor is saved behind the lines it covers, when no more of them wait or there are many: a
 * watch that is killed prints at most the lines since then again, and skips none. A file that
 * it has left with half a line gets the end of that first, and then the event whole. Where a
 * signal comes while a reader stands still within a line, nothing is saved any more. */
#include "watch_events.h"

#include "cursor_file.h"
#include "deadline.h"
#include "flags.h"
#include "json.h"
#include "output.h"
#include "show.h"
#include "start_check.h"
#include "stop.h"
#include "terminal.h"

#include <casebus/subscriber.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 1500 /* before it says that it waits */
#define UNSAVED_MAX 1000 /* lines */
#define SAVE_MS 1000     /* a cursor that moves without lines is saved so often */

struct watch {
    const struct watch_settings *settings;
    struct casebus_subscriber *subscriber;
    bool colour, said_live, said_held;
    bool cut; /* a signal came before the last event was printed whole */
    enum casebus_subscriber_state said_state;
    int64_t deadline, save_at;
    uint64_t shown, unsaved;
    struct casebus_cursor saved;
    struct cursor_scope scope; /* of the cursor's file */
    struct cursor_lock lock;   /* on that */
    struct text line;
};

/* --- starting --------------------------------------------------------------------------- */

static int subscribe(struct watch *self)
{
    for (size_t i = 0; i < self->settings->pattern_count; i++) {
        const char *why = NULL;
        int rc =
            casebus_subscriber_subscribe(self->subscriber, self->settings->patterns[i], &why);
        if (rc != 0) {
            struct text pattern = {0};
            text_add_foreign(&pattern, casebus_cstr(self->settings->patterns[i]));
            fprintf(stderr, PROGRAM ": %s: %s\n", text_get(&pattern),
                    why != NULL ? why : casebus_strerror(rc));
            text_free(&pattern);
            return EXIT_USAGE;
        }
    }
    return EXIT_FINE;
}

/* The cursor's file: 1 it has one, 0 there is none, or a code, of which CASEBUS_EMALFORMED,
 * CASEBUS_EVALUE, CASEBUS_EPATTERN, CASEBUS_ELOCKED and CASEBUS_EIO are the file's. */
static int read_cursor(struct watch *self)
{
    const struct watch_settings *settings = self->settings;
    if (cursor_file_lock(&self->lock, settings->cursor) == CASEBUS_ELOCKED) {
        return CASEBUS_ELOCKED; /* what else is wrong is told when it is saved */
    }
    const int rc = cursor_scope_init(&self->scope, settings->audience, settings->patterns,
                                     settings->pattern_count);
    return rc != 0 ? rc : cursor_file_read(settings->cursor, &self->saved, &self->scope);
}

/* From the cursor, if there is one; else from where the command line says: 0 or a code. */
static int start(struct watch *self)
{
    const struct watch_settings *settings = self->settings;
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

static void say_other_audience(const struct watch *self)
{
    const bool named = self->scope.audience.size > 0;
    struct text name = {0};
    text_add_foreign(&name, casebus_cstr(text_get(&self->scope.audience)));
    fprintf(stderr,
            PROGRAM ": %s: a cursor of another audience: %s. What this one was shown before it "
                    "would be skipped: %s%s, or another file\n",
            self->settings->cursor, named ? text_get(&name) : "none, the broker's own endpoint",
            named ? "give --audience " : "give no --audience", text_get(&name));
    text_free(&name);
}

static void say_other_patterns(const struct watch *self)
{
    struct text patterns = {0};
    for (const char *line = text_get(&self->scope.patterns), *end;
         (end = strchr(line, '\n')) != NULL; line = end + 1) {
        text_add(&patterns, " ");
        text_add_foreign(&patterns, casebus_bytes(line, (size_t)(end - line)));
    }
    fprintf(stderr,
            PROGRAM
            ": %s: a cursor of other patterns:%s. What these have missed before it would "
            "be skipped: give those, or another file\n",
            self->settings->cursor, text_get(&patterns));
    text_free(&patterns);
}

static int say_no_start(const struct watch *self, int rc)
{
    const struct watch_settings *settings = self->settings;
    if (rc == CASEBUS_EVALUE) {
        say_other_audience(self);
    } else if (rc == CASEBUS_EPATTERN) {
        say_other_patterns(self);
    } else if (rc == CASEBUS_ELOCKED) {
        fprintf(stderr,
                PROGRAM ": %s: another casebus-watch keeps this cursor: end that one, or give "
                        "another file\n",
                settings->cursor);
    } else if (settings->cursor != NULL && (rc == CASEBUS_EMALFORMED || rc == CASEBUS_EIO)) {
        fprintf(stderr, PROGRAM ": %s: %s\n", settings->cursor,
                rc == CASEBUS_EIO ? strerror(errno) : "holds no cursor");
    } else {
        fprintf(stderr, PROGRAM ": %s, %s: %s\n", settings->fanout, settings->query,
                casebus_strerror(rc));
    }
    return EXIT_USAGE;
}

static int open_subscriber(struct watch *self)
{
    const struct watch_settings *settings = self->settings;
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
    for (size_t i = 0; i < self->settings->pattern_count; i++) {
        fprintf(stderr, "watching %s from seq %llu\n", self->settings->patterns[i],
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
        int rc = casebus_subscriber_join(self->subscriber, slice(self, STOP_SLICE_MS));
        if (rc == 1) {
            say_live(self);
            return 0;
        }
        if (rc != 0) {
            return rc;
        }
        if (!said && deadline_left(patience) == 0) {
            start_check_say_waiting(PROGRAM, self->settings->fanout,
                                    self->settings->secret != NULL);
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
    if (self->settings->cursor == NULL || self->cut ||
        casebus_subscriber_cursor(self->subscriber, &cursor) != 0 ||
        (cursor.seq == self->saved.seq &&
         memcmp(cursor.epoch, self->saved.epoch, sizeof cursor.epoch) == 0)) {
        return EXIT_FINE;
    }
    if (fdatasync(STDOUT_FILENO) != 0 && errno == EIO) {
        output_failed(PROGRAM, strerror(errno));
        return EXIT_OUTPUT;
    }
    if (cursor_file_write(self->settings->cursor, &cursor, &self->scope) != 0) {
        fprintf(stderr, PROGRAM ": %s: %s\n", self->settings->cursor, strerror(errno));
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

/* Can all of it be read? What is inside `changed` and `payload` has not been checked yet. */
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
    if (self->settings->json) {
        struct json json = json_begin(&self->line, false);
        json_event(&json, event);
    } else {
        show_event(event, self->colour, &self->line);
    }
    text_add(&self->line, "\n");
    const int rc = terminal_print(PROGRAM, &self->line);
    self->cut = rc == CASEBUS_EINTR;
    if (rc == 0) {
        self->shown++;
        self->unsaved++;
    }
    return rc == 0 || self->cut ? EXIT_FINE : EXIT_OUTPUT;
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
           (self->settings->count != FLAG_UNSET && self->shown >= self->settings->count);
}

/* Says on stderr what it is doing, where that has changed. */
static void say_state(struct watch *self)
{
    const enum casebus_subscriber_state state = casebus_subscriber_state(self->subscriber);
    if (state != self->said_state) {
        const bool unanswered = state == CASEBUS_SUBSCRIBER_UNANSWERED;
        fprintf(stderr, PROGRAM ": %s%s%s\n", casebus_subscriber_state_word(state),
                unanswered ? " at " : "", unanswered ? self->settings->query : "");
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
                                   self->unsaved > 0 ? 0 : slice(self, STOP_SLICE_MS));
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
    if (status == EXIT_FINE && !is_done(self) && self->settings->count != FLAG_UNSET) {
        fprintf(stderr, PROGRAM ": time is up after %llu of %llu events\n",
                (unsigned long long)self->shown, (unsigned long long)self->settings->count);
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

/* Only with a cursor does an event that was cut come again. */
static int end_cut_line(const struct watch *self)
{
    return self->settings->cursor == NULL || terminal_end_cut_line(PROGRAM) == 0 ? EXIT_FINE
                                                                                 : EXIT_OUTPUT;
}

int watch_events(const struct watch_settings *settings)
{
    struct watch self = {.settings = settings};
    int status = open_subscriber(&self);
    if (status == EXIT_FINE) {
        status = end_cut_line(&self);
    }
    if (status == EXIT_FINE) {
        stop_on_signals();
        self.deadline = deadline_after(settings->timeout_ms);
        self.colour = !settings->json && terminal_has_colour(STDOUT_FILENO);
        status = follow_events(&self);
        say_losses(&self);
    }
    casebus_subscriber_destroy(&self.subscriber);
    text_free(&self.line);
    cursor_scope_free(&self.scope);
    cursor_file_unlock(&self.lock);
    return status;
}
