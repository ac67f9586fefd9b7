/* casebus-ctl about events: history, replay, heads. */
#include "ctl.h"

#include "show.h"
#include "terminal.h"

#include <casebus/replay.h>
#include <string.h>
#include <unistd.h>

/* --- history ---------------------------------------------------------------------------- */

static const struct column event_columns[] = {
    {"SEQ", true, false},      {"TIME", false, false}, {"EVENT", false, false},
    {"VERSION", true, false},  {"ACTOR", false, true}, {"SESSION", false, true},
    {"CHANGED", false, false},
};

void ctl_events_table(struct table *table, struct casebus_bytes events)
{
    struct casebus_bytes event;
    struct rows rows = ctl_rows(events);
    table_init(table, event_columns, sizeof event_columns / sizeof *event_columns);
    while (ctl_next_row(&rows, &event)) {
        ctl_cell_value(table, event, "seq");
        text_add_instant(table_cell(table), casebus_as_uint(casebus_map_get(event, "at"), 0));
        ctl_cell_value(table, event, "event");
        ctl_cell_value(table, event, "version");
        ctl_cell_value(table, event, "actor");
        ctl_cell_value(table, event, "session");
        show_changed(casebus_map_get(event, "changed"), table_cell(table));
    }
}

int ctl_history(struct ctl *self)
{
    struct table table;
    casebus_call_begin(self->call, CASEBUS_OP_CASE_HISTORY);
    casebus_call_text(self->call, "id", self->argv[0]);
    if (!ctl_add_page(self)) {
        return EXIT_USAGE;
    }
    const int status = ctl_ask_for(self, "case", self->argv[0]);
    if (status != EXIT_FINE) {
        return status;
    }
    if (self->settings.json) {
        return ctl_print_result(self);
    }
    ctl_events_table(&table, ctl_result(self, "events"));
    return ctl_print_table(self, &table);
}

/* --- replay ----------------------------------------------------------------------------- */

static int print_event(struct ctl *self, const struct casebus_event *event, bool colour)
{
    if (self->settings.json) {
        struct json json = json_begin(&self->out, false);
        json_event(&json, event);
        return ctl_end_json(self, &json);
    }
    show_event(event, colour, &self->out);
    text_add(&self->out, "\n");
    return ctl_flush(self);
}

static int print_page(struct ctl *self, struct casebus_replay *replay)
{
    const bool colour = terminal_has_colour(STDOUT_FILENO);
    const struct casebus_event *event;
    int status = EXIT_FINE;
    if (casebus_replay_gone(replay) > 0) {
        fprintf(stderr, PROGRAM ": events up to seq %llu are gone from the log\n",
                (unsigned long long)casebus_replay_gone(replay));
    }
    while (status == EXIT_FINE && self->settings.limit > 0 &&
           casebus_replay_next(replay, &event) == 1) {
        status = print_event(self, event, colour);
        self->settings.limit--; /* of the whole; FLAG_UNSET is more than there can be */
    }
    return status;
}

static int replay_pages(struct ctl *self, struct casebus_replay *replay)
{
    uint64_t after = self->settings.after == FLAG_UNSET ? 0 : self->settings.after;
    int status = EXIT_FINE;
    do {
        int rc = casebus_replay_ask(replay, after);
        if (rc == 0) {
            rc = casebus_replay_page(replay, ctl_timeout(self));
        }
        if (rc == CASEBUS_EBEHIND) { /* nothing has happened after it */
            return EXIT_FINE;
        }
        if (rc != 0) {
            return ctl_failed(self, NULL, rc);
        }
        status = print_page(self, replay);
        after = casebus_replay_through(replay);
    } while (status == EXIT_FINE && self->settings.limit > 0 && !casebus_replay_done(replay));
    return status;
}

/* Why a pattern has no events in the log; NULL: it may have. */
static const char *why_not(const char *pattern)
{
    char prefix[CASEBUS_TOPIC_MAX + 1];
    const char *why = NULL;
    if (casebus_pattern_prefix(pattern, prefix, sizeof prefix, &why) < 0) {
        return why;
    }
    return strncmp(prefix, "sys:", 4) == 0 ? "heads are no events: the command is heads" : NULL;
}

static int check_patterns(char *const *patterns, int count)
{
    for (int i = 0; i < count; i++) {
        const char *const why = why_not(patterns[i]);
        if (why != NULL) {
            struct text pattern = {0};
            text_add_foreign(&pattern, casebus_cstr(patterns[i]));
            fprintf(stderr, PROGRAM ": %s: %s\n", text_get(&pattern), why);
            text_free(&pattern);
            return EXIT_USAGE;
        }
    }
    return EXIT_FINE;
}

int ctl_replay(struct ctl *self)
{
    static const char *const everything[] = {"case", "session"};
    struct casebus_replay *replay;
    int status = check_patterns(self->argv, self->argc);
    if (status != EXIT_FINE) {
        return status;
    }
    int rc = casebus_replay_new(&replay, self->client);
    rc = rc != 0 ? rc : casebus_replay_audience(replay, self->settings.audience);
    if (rc == 0) {
        rc = self->argc > 0 ? casebus_replay_cover(replay, (const char *const *)self->argv,
                                                   (size_t)self->argc)
                            : casebus_replay_cover(replay, everything, 2);
    }
    status = rc == 0 ? replay_pages(self, replay) : ctl_failed(self, NULL, rc);
    casebus_replay_destroy(&replay);
    return status;
}

/* --- heads ------------------------------------------------------------------------------ */

int ctl_heads(struct ctl *self)
{
    static const struct column columns[] = {{"STREAM", false, true}, {"HEAD", true, false}};
    struct table table;
    struct casebus_reader r;
    casebus_call_begin(self->call, CASEBUS_OP_HEADS);
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    if (self->settings.json) {
        return ctl_print_result(self);
    }
    table_init(&table, columns, 2);
    casebus_reader_init(&r, ctl_result(self, "heads"));
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        text_add_foreign(table_cell(&table), casebus_read_str(&r));
        text_format(table_cell(&table), "%llu", (unsigned long long)casebus_read_uint(&r));
    }
    return ctl_print_table(self, &table);
}
