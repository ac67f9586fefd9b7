/* casebus-ctl about cases: get, recent, list, known; and whose they are: offender, agencies,
 * agency. */
#include "ctl.h"

#include "show.h"

#include <casebus/topic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOADS_MAX 3

static bool is_case_id(const char *id)
{
    struct casebus_bytes agency, regulator_id;
    return casebus_case_id_split(casebus_cstr(id), &agency, &regulator_id) == 0;
}

/* --- get -------------------------------------------------------------------------------- */

static bool is_loadable(const char *word)
{
    return strcmp(word, "agency") == 0 || strcmp(word, "offender") == 0 ||
           strcmp(word, "history") == 0;
}

/* Adds the words of --load as an array. */
static int add_load(struct ctl *self)
{
    const char *words[LOADS_MAX];
    size_t count = 0;
    char *rest = self->settings.load != NULL ? strdup(self->settings.load) : NULL;
    char *const kept = rest;
    for (char *word; rest != NULL && (word = strsep(&rest, ",")) != NULL;) {
        if (count == LOADS_MAX || !is_loadable(word)) {
            free(kept);
            return ctl_usage("--load %s: agency, offender and history can be loaded, several "
                             "with a comma between them",
                             self->settings.load);
        }
        words[count++] = word;
    }
    if (count > 0) {
        casebus_call_texts(self->call, "load", words, count);
    }
    free(kept);
    return EXIT_FINE;
}

static const char *const loaded[] = {"agency_record", "offender_record", "history"};
#define LOADED_COUNT (sizeof loaded / sizeof *loaded)

/* The record itself, what was loaded beside its fields. */
static int print_record(struct ctl *self)
{
    struct json json = ctl_begin_json(self);
    json_open(&json, '{');
    json_pairs(&json, ctl_result(self, "case"));
    for (size_t i = 0; i < LOADED_COUNT; i++) {
        const struct casebus_bytes value = ctl_result(self, loaded[i]);
        if (value.data != NULL) {
            json_key(&json, casebus_cstr(loaded[i]));
            json_value(&json, value);
        }
    }
    json_close(&json, '}');
    return ctl_end_json(self, &json);
}

static void show_loaded(struct ctl *self, const char *key)
{
    const struct casebus_bytes record = ctl_result(self, key);
    if (record.data != NULL) {
        text_format(&self->out, "\n%s\n", key);
        show_record(record, &self->out);
    }
}

static int print_case(struct ctl *self)
{
    show_record(ctl_result(self, "case"), &self->out);
    show_loaded(self, "agency_record");
    show_loaded(self, "offender_record");
    const struct casebus_bytes history = ctl_result(self, "history");
    if (history.data == NULL) {
        return ctl_flush(self);
    }
    struct table table;
    ctl_events_table(&table, history);
    text_add(&self->out, "\n");
    return ctl_print_table(self, &table);
}

int ctl_get(struct ctl *self)
{
    if (!is_case_id(self->argv[0])) {
        return ctl_usage("%s: not a case id, which is AGENCY:REGULATOR_ID", self->argv[0]);
    }
    casebus_call_begin(self->call, CASEBUS_OP_CASE_GET);
    casebus_call_text(self->call, "id", self->argv[0]);
    int status = add_load(self);
    if (status == EXIT_FINE) {
        status = ctl_ask_for(self, "case", self->argv[0]);
    }
    if (status != EXIT_FINE) {
        return status;
    }
    return self->settings.json ? print_record(self) : print_case(self);
}

/* --- recent, list ----------------------------------------------------------------------- */

static const struct column case_columns[] = {
    {"CASE", false, false},    {"OFFENDER", false, true}, {"DATE", false, false},
    {"FINE", true, false},     {"RESULT", false, true},   {"VERSION", true, false},
    {"CREATED", false, false},
};

static int print_cases(struct ctl *self)
{
    struct table table;
    struct casebus_bytes row;
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    if (self->settings.json) {
        return ctl_print_result(self);
    }
    table_init(&table, case_columns, sizeof case_columns / sizeof *case_columns);
    while (ctl_next_row(&rows, &row)) {
        ctl_cell_value(&table, row, "id");
        ctl_cell_inner(&table, row, "offender", "name");
        ctl_cell_value(&table, row, "offence_action_date");
        ctl_cell_value(&table, row, "offence_fine_pence");
        ctl_cell_value(&table, row, "offence_result");
        ctl_cell_value(&table, row, "version");
        ctl_cell_value(&table, row, "inserted_at");
    }
    return ctl_print_table(self, &table);
}

static int ask_cases(struct ctl *self)
{
    if (!ctl_add_page(self)) {
        return EXIT_USAGE;
    }
    const int status = ctl_ask(self, NULL);
    return status == EXIT_FINE ? print_cases(self) : status;
}

int ctl_recent(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_CASE_RECENT);
    return ask_cases(self);
}

/* Days as they are written, YYYY-MM-DD; what is none the broker refuses. */
static bool is_reversed(const char *from, const char *to)
{
    return from != NULL && to != NULL && strlen(from) == strlen(to) && strcmp(from, to) > 0;
}

int ctl_list(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_CASE_LIST);
    ctl_add_text(self, "agency", self->settings.agency);
    ctl_add_text(self, "session", self->settings.session);
    ctl_add_text(self, "from", self->settings.from);
    ctl_add_text(self, "to", self->settings.to);
    /* A range of dates is only asked for in the order of dates. */
    const bool dated = self->settings.from != NULL || self->settings.to != NULL;
    if (is_reversed(self->settings.from, self->settings.to)) {
        return ctl_usage("--from %s is after --to %s: no day lies between them",
                         self->settings.from, self->settings.to);
    }
    const bool by_name = self->settings.offender != NULL;
    ctl_add_text(self, "offender", self->settings.offender);
    ctl_add_text(self, "order",
                 self->settings.order == NULL && dated && !by_name ? "date"
                                                                   : self->settings.order);
    return ask_cases(self);
}

/* --- offender --------------------------------------------------------------------------- */

int ctl_offender(struct ctl *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_OFFENDER_GET);
    casebus_call_text(self->call, "agency", self->argv[0]);
    casebus_call_text(self->call, "name", self->argv[1]);
    ctl_add_text(self, "postcode", self->settings.postcode);
    if (!ctl_add_page(self)) {
        return EXIT_USAGE;
    }
    const int status = ctl_ask_for(self, "offender", self->argv[1]);
    if (status == EXIT_FINE && !self->settings.json) {
        show_record(ctl_result(self, "offender_record"), &self->out);
        text_add(&self->out, "\n");
    }
    return status == EXIT_FINE ? print_cases(self) : status;
}

/* --- agencies, agency ------------------------------------------------------------------- */

static const struct column agency_columns[] = {
    {"AGENCY", false, false}, {"NAME", false, true},  {"ENABLED", false, false},
    {"CASES", true, false},   {"FINES", true, false}, {"BASE URL", false, true},
};

int ctl_agencies(struct ctl *self)
{
    struct table table;
    struct casebus_bytes row;
    casebus_call_begin(self->call, CASEBUS_OP_AGENCY_LIST);
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE || self->settings.json) {
        return status == EXIT_FINE ? ctl_print_result(self) : status;
    }
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    table_init(&table, agency_columns, sizeof agency_columns / sizeof *agency_columns);
    while (ctl_next_row(&rows, &row)) {
        ctl_cell_value(&table, row, "code");
        ctl_cell_value(&table, row, "name");
        ctl_cell_value(&table, row, "enabled");
        ctl_cell_count(&table, row, "cases");
        ctl_cell_value(&table, row, "fine_pence");
        ctl_cell_value(&table, row, "base_url");
    }
    return ctl_print_table(self, &table);
}

/* The row of that code; absent: the broker has none, or shows none. */
static struct casebus_bytes find_agency(struct ctl *self, const char *code)
{
    struct casebus_bytes row;
    struct rows rows = ctl_rows(ctl_result(self, "rows"));
    while (ctl_next_row(&rows, &row)) {
        if (casebus_bytes_is(casebus_as_str(casebus_map_get(row, "code")), code)) {
            return row;
        }
    }
    return casebus_bytes(NULL, 0);
}

static int print_agency(struct ctl *self, struct casebus_bytes record)
{
    if (self->settings.json) {
        struct json json = ctl_begin_json(self);
        json_value(&json, record);
        return ctl_end_json(self, &json);
    }
    show_record(record, &self->out);
    return ctl_flush(self);
}

static int show_agency(struct ctl *self, const char *code)
{
    casebus_call_begin(self->call, CASEBUS_OP_AGENCY_LIST);
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    const struct casebus_bytes record = find_agency(self, code);
    return record.data != NULL ? print_agency(self, record) : ctl_missing("agency", code);
}

static int set_agency(struct ctl *self, const char *code)
{
    const struct ctl_settings *const s = &self->settings;
    casebus_call_begin(self->call, CASEBUS_OP_AGENCY_SET);
    casebus_call_text(self->call, "agency", code);
    ctl_add_text(self, "name", s->name);
    ctl_add_text(self, "base_url", s->url);
    if (s->enable || s->disable) {
        casebus_call_bool(self->call, "enabled", s->enable);
    }
    const int status = ctl_ask_for(self, "agency", code);
    return status == EXIT_FINE ? print_agency(self, ctl_result(self, "agency_record")) : status;
}

int ctl_agency(struct ctl *self)
{
    const struct ctl_settings *const s = &self->settings;
    if (s->enable && s->disable) {
        return ctl_usage("agency: --enable or --disable, not both");
    }
    const bool sets = s->name != NULL || s->url != NULL || s->enable || s->disable;
    return sets ? set_agency(self, self->argv[0]) : show_agency(self, self->argv[0]);
}

/* --- known ------------------------------------------------------------------------------ */

/* Ids on their way to the broker, as many as one request takes. */
struct batch {
    char *ids[CASEBUS_KNOWN_MAX];
    size_t count;
    struct json json; /* with --json: all that are known, printed at the end */
};

static void empty_batch(struct batch *batch)
{
    while (batch->count > 0) {
        free(batch->ids[--batch->count]);
    }
}

static int take_known(struct ctl *self, struct batch *batch)
{
    struct casebus_bytes id;
    struct rows rows = ctl_rows(ctl_result(self, "known"));
    while (ctl_next_row(&rows, &id)) {
        if (self->settings.json) {
            json_value(&batch->json, id);
        } else {
            text_add_foreign(&self->out, casebus_as_str(id));
            text_add(&self->out, "\n");
        }
    }
    return self->settings.json ? EXIT_FINE : ctl_flush(self);
}

static int ask_batch(struct ctl *self, struct batch *batch)
{
    if (batch->count == 0) {
        return EXIT_FINE;
    }
    casebus_call_begin(self->call, CASEBUS_OP_CASE_KNOWN);
    casebus_call_texts(self->call, "ids", (const char *const *)batch->ids, batch->count);
    const int status = ctl_ask(self, NULL);
    empty_batch(batch);
    return status == EXIT_FINE ? take_known(self, batch) : status;
}

/* `line` of standard input; 0: it is an operand. */
static int add_id(struct ctl *self, struct batch *batch, const char *id, unsigned line)
{
    char where[32] = "";
    if (!is_case_id(id)) {
        if (line > 0) {
            snprintf(where, sizeof where, "line %u: ", line);
        }
        return ctl_usage("%s%s: not a case id, which is AGENCY:REGULATOR_ID", where, id);
    }
    batch->ids[batch->count] = strdup(id);
    if (batch->ids[batch->count] == NULL) {
        return ctl_failed(self, NULL, CASEBUS_ENOMEM);
    }
    batch->count++;
    return batch->count == CASEBUS_KNOWN_MAX ? ask_batch(self, batch) : EXIT_FINE;
}

/* An id a line; ids may have blanks inside, so only the line's end is taken off. */
static int read_ids(struct ctl *self, struct batch *batch, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    unsigned number = 0;
    int status = EXIT_FINE;
    while (status == EXIT_FINE && getline(&line, &room, in) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        number++;
        if (*line != '\0') {
            status = add_id(self, batch, line, number);
        }
    }
    if (status == EXIT_FINE && ferror(in)) {
        status = ctl_usage("standard input: %s", strerror(errno));
    }
    free(line);
    return status;
}

static void begin_known(struct ctl *self, struct batch *batch)
{
    batch->json = ctl_begin_json(self);
    json_open(&batch->json, '{');
    json_key(&batch->json, casebus_cstr("known"));
    json_open(&batch->json, '[');
}

static int end_known(struct ctl *self, struct batch *batch)
{
    json_close(&batch->json, ']');
    json_close(&batch->json, '}');
    return ctl_end_json(self, &batch->json);
}

int ctl_known(struct ctl *self)
{
    struct batch batch = {.count = 0};
    int status = EXIT_FINE;
    if (self->settings.json) {
        begin_known(self, &batch);
    }
    for (int i = 0; i < self->argc && status == EXIT_FINE; i++) {
        status = strcmp(self->argv[i], "-") == 0 ? read_ids(self, &batch, stdin)
                                                 : add_id(self, &batch, self->argv[i], 0);
    }
    if (status == EXIT_FINE) {
        status = ask_batch(self, &batch);
    }
    if (status == EXIT_FINE && self->settings.json) {
        status = end_known(self, &batch);
    }
    empty_batch(&batch);
    return status;
}
