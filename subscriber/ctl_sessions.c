/* casebus-ctl about scrape sessions: sessions, session, session stop. */
#include "ctl.h"

#include "show.h"

#include <casebus/topic.h>
#include <string.h>

static const struct column session_columns[] = {
    {"SESSION", false, false}, {"STATUS", false, false}, {"PAGES", true, false},
    {"FOUND", true, false},    {"CREATED", true, false}, {"UPDATED", true, false},
    {"EXISTING", true, false}, {"REFUSED", true, false}, {"STARTED", false, false},
    {"WORKER", false, true},
};

/* Sessions are named as cases are, by agency and id. */
static void cell_name(struct table *table, struct casebus_bytes session)
{
    struct text *const cell = table_cell(table);
    text_add_foreign(cell, casebus_as_str(casebus_map_get(session, "agency")));
    text_add(cell, ":");
    text_add_foreign(cell, casebus_as_str(casebus_map_get(session, "session_id")));
}

static int print_sessions(struct ctl *self)
{
    static const char *const counters[] = {"pages_processed", "cases_found",    "cases_created",
                                           "cases_updated",   "cases_existing", "errors_count"};
    struct table table;
    struct casebus_bytes row;
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    table_init(&table, session_columns, sizeof session_columns / sizeof *session_columns);
    while (ctl_next_row(&rows, &row)) {
        cell_name(&table, row);
        ctl_cell_value(&table, row, "status");
        for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
            ctl_cell_count(&table, row, counters[i]);
        }
        ctl_cell_value(&table, row, "started_at");
        ctl_cell_value(&table, row, "worker");
    }
    return ctl_print_table(self, &table);
}

int ctl_sessions(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_SESSION_LIST);
    ctl_add_text(self, "agency", self->settings.agency);
    ctl_add_text(self, "status", self->settings.status);
    if (!ctl_add_page(self)) {
        return EXIT_USAGE;
    }
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    return self->settings.json ? ctl_print_result(self) : print_sessions(self);
}

/* Adds the session the operands name: "hse:S1", or "hse" and "S1". */
static int add_name(struct ctl *self)
{
    struct casebus_bytes agency = casebus_cstr(self->argv[0]), id;
    if (self->argc == 2) {
        id = casebus_cstr(self->argv[1]);
    } else if (casebus_session_name_split(agency, &agency, &id) != 0) {
        return ctl_usage("%s: not a session, which is AGENCY:ID", self->argv[0]);
    }
    casebus_call_str(self->call, "agency", agency);
    casebus_call_str(self->call, "session_id", id);
    return EXIT_FINE;
}

static int ask_named(struct ctl *self, enum casebus_op op, bool paged)
{
    casebus_call_begin(self->call, op);
    int status = add_name(self);
    if (status == EXIT_FINE && paged && !ctl_add_page(self)) {
        status = EXIT_USAGE;
    }
    if (status == EXIT_FINE) {
        struct text name = {0};
        text_format(&name, "%s%s%s", self->argv[0], self->argc == 2 ? ":" : "",
                    self->argc == 2 ? self->argv[1] : "");
        status = ctl_ask_for(self, "session", text_get(&name));
        text_free(&name);
    }
    return status;
}

static int print_session_cases(struct ctl *self)
{
    static const struct column columns[] = {{"SEQ", true, false},
                                            {"CASE", false, false},
                                            {"OUTCOME", false, false},
                                            {"TIME", false, false}};
    struct table table;
    struct casebus_bytes row;
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    table_init(&table, columns, sizeof columns / sizeof *columns);
    while (ctl_next_row(&rows, &row)) {
        ctl_cell_value(&table, row, "seq");
        ctl_cell_value(&table, row, "id");
        ctl_cell_value(&table, row, "outcome");
        text_add_instant(table_cell(&table), casebus_as_uint(casebus_map_get(row, "at"), 0));
    }
    return ctl_print_table(self, &table);
}

/* "hse:S1: stopping", or what else it is now. */
static int print_stopped(struct ctl *self)
{
    const struct casebus_bytes session = ctl_result(self, "session");
    const struct casebus_bytes reason = casebus_as_str(casebus_map_get(session, "end_reason"));
    text_add_foreign(&self->out, casebus_as_str(casebus_map_get(session, "agency")));
    text_add(&self->out, ":");
    text_add_foreign(&self->out, casebus_as_str(casebus_map_get(session, "session_id")));
    text_add(&self->out, ": ");
    text_add_foreign(&self->out, casebus_as_str(casebus_map_get(session, "status")));
    if (reason.data != NULL) {
        text_add(&self->out, ", ");
        text_add_foreign(&self->out, reason);
    }
    text_add(&self->out, "\n");
    return ctl_flush(self);
}

static int stop_session(struct ctl *self)
{
    self->argc--;
    self->argv++;
    if (self->argc == 0) {
        return ctl_usage("session stop needs AGENCY:ID");
    }
    if (self->settings.cases) {
        return ctl_usage("session stop has no option --cases");
    }
    const int status = ask_named(self, CASEBUS_OP_SESSION_STOP, false);
    if (status != EXIT_FINE) {
        return status;
    }
    return self->settings.json ? ctl_print_result(self) : print_stopped(self);
}

int ctl_session(struct ctl *self)
{
    if (strcmp(self->argv[0], "stop") == 0) {
        return stop_session(self);
    }
    if (self->argc > 2) {
        return ctl_usage("session %s: AGENCY:ID, or stop AGENCY:ID", self->argv[0]);
    }
    const bool cases = self->settings.cases;
    const int status =
        ask_named(self, cases ? CASEBUS_OP_SESSION_CASES : CASEBUS_OP_SESSION_GET, cases);
    if (status != EXIT_FINE) {
        return status;
    }
    if (self->settings.json) {
        return ctl_print_result(self);
    }
    if (cases) {
        return print_session_cases(self);
    }
    show_record(ctl_result(self, "session"), &self->out);
    return ctl_flush(self);
}
