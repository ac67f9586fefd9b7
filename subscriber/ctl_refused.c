/* casebus-ctl about what was not stored: quarantine, rejects. */
#include "ctl.h"

#include "show.h"

#include <string.h>

/* --- quarantine ------------------------------------------------------------------------- */

static const struct column quarantine_columns[] = {
    {"N", true, false},         {"CASE", false, false},   {"TIME", false, false},
    {"STORED AS", false, true}, {"ON", false, false},     {"REPORTED AS", false, true},
    {"ON", false, false},       {"SESSION", false, true},
};

static void add_collision(struct table *table, struct casebus_bytes record)
{
    ctl_cell_inner(table, record, "offender", "name");
    ctl_cell_value(table, record, "offence_action_date");
}

static int print_quarantine(struct ctl *self)
{
    struct table table;
    struct casebus_bytes row;
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    table_init(&table, quarantine_columns,
               sizeof quarantine_columns / sizeof *quarantine_columns);
    while (ctl_next_row(&rows, &row)) {
        ctl_cell_value(&table, row, "quarantine");
        ctl_cell_value(&table, row, "id");
        text_add_instant(table_cell(&table), casebus_as_uint(casebus_map_get(row, "at"), 0));
        add_collision(&table, casebus_map_get(row, "case"));
        add_collision(&table, casebus_map_get(row, "reported"));
        ctl_cell_value(&table, row, "session");
    }
    return ctl_print_table(self, &table);
}

static int list_quarantine(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_QUARANTINE_LIST);
    ctl_add_text(self, "agency", self->settings.agency);
    if (!ctl_add_page(self)) {
        return EXIT_USAGE;
    }
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    return self->settings.json ? ctl_print_result(self) : print_quarantine(self);
}

static int decide(struct ctl *self, enum casebus_op op)
{
    uint64_t number;
    if (self->argc < 2 || !text_read_number(self->argv[1], &number)) {
        return ctl_usage("quarantine %s needs N, the number quarantine shows", self->argv[0]);
    }
    casebus_call_begin(self->call, op);
    casebus_call_uint(self->call, "quarantine", number);
    ctl_add_text(self, "as", self->settings.as);
    const int status = ctl_ask_for(self, "quarantined report", self->argv[1]);
    if (status != EXIT_FINE) {
        return status;
    }
    if (self->settings.json) {
        return ctl_print_result(self);
    }
    text_add_foreign(&self->out, casebus_as_str(ctl_result(self, "id")));
    text_add(&self->out, ": ");
    text_add_foreign(&self->out, casebus_as_str(ctl_result(self, "outcome")));
    text_add(&self->out, "\n");
    return ctl_flush(self);
}

static int accept_one(struct ctl *self)
{
    return decide(self, CASEBUS_OP_QUARANTINE_ACCEPT);
}

static int reject_one(struct ctl *self)
{
    if (self->settings.as != NULL) {
        return ctl_usage("only accept has --as");
    }
    return decide(self, CASEBUS_OP_QUARANTINE_REJECT);
}

int ctl_quarantine(struct ctl *self)
{
    static const struct {
        const char *word;
        int (*run)(struct ctl *self);
    } words[] = {{"list", list_quarantine}, {"accept", accept_one}, {"reject", reject_one}};
    if (self->argc == 0) {
        return list_quarantine(self);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(self->argv[0], words[i].word) == 0) {
            return words[i].run(self);
        }
    }
    return ctl_usage("quarantine %s: list, accept N or reject N", self->argv[0]);
}

/* --- rejects ---------------------------------------------------------------------------- */

static const struct column reject_columns[] = {
    {"N", true, false},     {"TIME", false, false}, {"CODE", false, false},
    {"FIELD", false, true}, {"TOPIC", false, true}, {"REASON", false, true},
    {"SIZE", true, false},
};

/* "refused since the broker started: missing 3, bad_value 9" */
static void say_counts(struct ctl *self)
{
    struct casebus_reader r;
    const char *before = "refused since the broker started: ";
    struct text line = {0};
    casebus_reader_init(&r, ctl_result(self, "counts"));
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        text_add(&line, before);
        text_add_foreign(&line, casebus_read_str(&r));
        text_add(&line, " ");
        text_add_count(&line, casebus_read_uint(&r));
        before = ", ";
    }
    if (line.size > 0) {
        fprintf(stderr, "%s\n", text_get(&line));
    }
    text_free(&line);
}

int ctl_rejects(struct ctl *self)
{
    struct table table;
    struct casebus_bytes row;
    casebus_call_begin(self->call, CASEBUS_OP_REJECTS_LIST);
    if (!ctl_add_page(self)) {
        return EXIT_USAGE;
    }
    int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    if (self->settings.json) {
        return ctl_print_result(self);
    }
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    table_init(&table, reject_columns, sizeof reject_columns / sizeof *reject_columns);
    while (ctl_next_row(&rows, &row)) {
        ctl_cell_value(&table, row, "reject");
        text_add_instant(table_cell(&table), casebus_as_uint(casebus_map_get(row, "at"), 0));
        ctl_cell_value(&table, row, "code");
        ctl_cell_value(&table, row, "field");
        ctl_cell_value(&table, row, "topic");
        ctl_cell_value(&table, row, "reason");
        ctl_cell_value(&table, row, "size");
    }
    status = ctl_print_table(self, &table);
    say_counts(self);
    return status;
}
