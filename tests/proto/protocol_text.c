/* PROTOCOL.md against the headers, row by row and both ways.
 *
 * The text is what programs in other languages are written from: a table of it that differs
 * from what the libraries do is a defect of one of the two. */
#include "proto/test.h"

#include <casebus/event.h>
#include <casebus/outcome.h>
#include <casebus/report.h>
#include <casebus/request.h>
#include <casebus/schema.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *protocol, *limits_header;

/* --- reading the text ------------------------------------------------------------------- */

enum {
    ROWS_MAX = 64,
    CELLS_MAX = 6,
    CELL_SIZE = 512
};

struct table {
    size_t rows;
    char cell[ROWS_MAX][CELLS_MAX][CELL_SIZE];
};

static char *load(const char *name)
{
    const char *root = getenv("CASEBUS_SRC");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("%s is not there: CASEBUS_SRC is the source tree", path);
    }
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The one place where `anchor` stands at the beginning of a line. */
static const char *find_line(const char *text, const char *anchor)
{
    char begin[256];
    snprintf(begin, sizeof begin, "\n%s", anchor);
    const char *found = strstr(text, begin);
    if (!found || strstr(found + 1, begin)) {
        fail_msg("\"%s\" should begin exactly one line", anchor);
    }
    return found + 1;
}

static void copy_cell(char *out, const char *begin, const char *end)
{
    while (begin < end && *begin == ' ') {
        begin++;
    }
    while (end > begin && end[-1] == ' ') {
        end--;
    }
    assert_true(end - begin < CELL_SIZE);
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = '\0';
}

/* Takes "| a | b |" apart; the line behind it. */
static const char *read_row(const char *line, char cells[CELLS_MAX][CELL_SIZE])
{
    size_t cell = 0;
    const char *end = strchr(line, '\n');
    assert_non_null(end);
    const char *begin = line + 1;
    for (const char *at = begin; at < end; at++) {
        if (*at == '|') {
            assert_true(cell < CELLS_MAX);
            copy_cell(cells[cell++], begin, at);
            begin = at + 1;
        }
    }
    return end + 1;
}

/* The first table behind the line that begins with `anchor`, without its head. */
static const struct table *table_behind(const char *anchor)
{
    static struct table table;
    static char head[CELLS_MAX][CELL_SIZE];
    const char *line = strstr(find_line(protocol, anchor), "\n|");
    assert_non_null(line);
    memset(&table, 0, sizeof table);
    line = read_row(read_row(line + 1, head), head);
    while (*line == '|') {
        assert_true(table.rows < ROWS_MAX);
        line = read_row(line, table.cell[table.rows++]);
    }
    return &table;
}

static void assert_quoted(const char *cell, const char *word)
{
    size_t size = strlen(cell);
    bool quoted = size >= 2 && cell[0] == '`' && cell[size - 1] == '`';
    if (!quoted || size != strlen(word) + 2 || memcmp(cell + 1, word, size - 2) != 0) {
        fail_msg("the text has %s where the library has \"%s\"", cell, word);
    }
}

/* The next word in backquotes, or false. */
static bool next_word(const char **text, const char *end, char *out, size_t size)
{
    const char *begin = memchr(*text, '`', (size_t)(end - *text));
    const char *close = begin ? memchr(begin + 1, '`', (size_t)(end - begin - 1)) : NULL;
    if (!close) {
        return false;
    }
    snprintf(out, size, "%.*s", (int)(close - begin - 1), begin + 1);
    *text = close + 1;
    return true;
}

/* --- topics ----------------------------------------------------------------------------- */

static void kinds_of_report_are_the_headers(void **state)
{
    (void)state;
    static const char *const topics[] = {
#define X(symbol, resource, event) resource ":" event ":",
        CASEBUS_REPORT_KINDS(X)
#undef X
    };
    const struct table *table = table_behind("### Kinds of report");
    assert_int_equal(table->rows, CASEBUS_REPORT_KIND_COUNT);
    for (size_t i = 0; i < table->rows; i++) {
        assert_quoted(table->cell[i][0], topics[i]);
    }
}

static void kinds_of_event_are_the_headers_with_their_numbers(void **state)
{
    (void)state;
    static const char *const topics[] = {
#define X(symbol, resource, event) resource ":" event ":",
        CASEBUS_EVENT_KINDS(X)
#undef X
    };
    const struct table *table = table_behind("### Kinds of event");
    assert_int_equal(table->rows, CASEBUS_EVENT_KIND_COUNT);
    for (size_t i = 0; i < table->rows; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        assert_quoted(table->cell[i][0], topics[i]);
        assert_string_equal(table->cell[i][1], number);
    }
}

static void patterns_have_the_prefixes_of_the_text(void **state)
{
    (void)state;
    const struct table *table = table_behind("stands for everything below");
    assert_true(table->rows >= 4);
    for (size_t i = 0; i < table->rows; i++) {
        const char *at = table->cell[i][0];
        char pattern[CELL_SIZE], prefix[CASEBUS_TOPIC_MAX + 1];
        unsigned count = 0;
        while (next_word(&at, at + strlen(at), pattern, sizeof pattern)) {
            assert_true(casebus_pattern_prefix(pattern, prefix, sizeof prefix, NULL) > 0);
            assert_quoted(table->cell[i][1], prefix);
            count++;
        }
        assert_true(count > 0);
    }
}

static void topics_of_heads_are_the_headers(void **state)
{
    (void)state;
    const struct table *table = table_behind("## Heads");
    assert_int_equal(table->rows, 2);
    assert_quoted(table->cell[0][0], CASEBUS_TOPIC_HEADS_ALL);
    assert_quoted(table->cell[1][0], CASEBUS_TOPIC_HEADS_BATCH);
}

static void endpoints_are_the_headers(void **state)
{
    (void)state;
    const struct table *table = table_behind("## Endpoints");
    assert_int_equal(table->rows, 3);
    assert_quoted(table->cell[0][1], CASEBUS_INGEST_DEFAULT);
    assert_quoted(table->cell[1][1], CASEBUS_FANOUT_DEFAULT);
    assert_quoted(table->cell[2][1], CASEBUS_QUERY_DEFAULT);
}

/* --- fields ----------------------------------------------------------------------------- */

static const char *const type_words[] = {
    [CASEBUS_TYPE_TEXT] = "text",       [CASEBUS_TYPE_DATE] = "date",
    [CASEBUS_TYPE_PENCE] = "pence",     [CASEBUS_TYPE_COUNT] = "count",
    [CASEBUS_TYPE_INSTANT] = "instant", [CASEBUS_TYPE_URL] = "url",
    [CASEBUS_TYPE_CHOICE] = "choice",   [CASEBUS_TYPE_MAP] = "map",
    [CASEBUS_TYPE_MAPS] = "maps",       [CASEBUS_TYPE_CASE_IDS] = "case ids",
};
static const char *const setter_words[] = {
    [CASEBUS_SET_IDENTITY] = "identity", [CASEBUS_SET_REPORT] = "report",
    [CASEBUS_SET_MERGED] = "merged",     [CASEBUS_SET_SOURCE] = "source",
    [CASEBUS_SET_STORE] = "store",
};

static void check_choices(const char *note, const char *const *choices)
{
    char word[CELL_SIZE];
    while (next_word(&note, note + strlen(note), word, sizeof word)) {
        assert_non_null(*choices);
        assert_string_equal(word, *choices++);
    }
    assert_null(*choices);
}

static void check_field(const struct casebus_field *field, char cells[CELLS_MAX][CELL_SIZE],
                        bool setter)
{
    char limit[24] = "";
    const char *note = cells[setter ? 4 : 3];
    if (field->max) {
        snprintf(limit, sizeof limit, "%u", (unsigned)field->max);
    }
    assert_quoted(cells[0], field->name);
    assert_string_equal(cells[1], type_words[field->type]);
    assert_string_equal(cells[2], limit);
    if (setter) {
        assert_string_equal(cells[3], setter_words[field->setter]);
    }
    assert_int_equal(strstr(note, "required") != NULL, field->required);
    if (field->choices) {
        check_choices(note, field->choices);
    }
}

static void check_schema(const char *anchor, const struct casebus_field *schema, bool setter)
{
    const struct table *table = table_behind(anchor);
    for (size_t i = 0; i < table->rows; i++) {
        char cells[CELLS_MAX][CELL_SIZE];
        if (!schema[i].name) {
            fail_msg("%s is only in the text", table->cell[i][0]);
        }
        memcpy(cells, table->cell[i], sizeof cells);
        check_field(&schema[i], cells, setter);
    }
    if (schema[table->rows].name) {
        fail_msg("\"%s\" is only in the table of the library", schema[table->rows].name);
    }
}

static void fields_of_a_case_are_the_tables(void **state)
{
    (void)state;
    check_schema("## The case record", casebus_case_schema, true);
}

static void fields_of_an_offender_are_the_tables(void **state)
{
    (void)state;
    check_schema("`offender`:", casebus_offender_schema, false);
}

static void fields_of_an_offence_are_the_tables(void **state)
{
    (void)state;
    check_schema("an entry of `offences`:", casebus_offence_schema, false);
}

static void fields_of_a_source_are_the_tables(void **state)
{
    (void)state;
    check_schema("`source`:", casebus_source_schema, false);
}

static void fields_of_a_session_are_the_tables(void **state)
{
    (void)state;
    check_schema("`data` of `session:started`:", casebus_session_started_schema, false);
    check_schema("of `session:progressed`", casebus_session_progressed_schema, false);
    check_schema("of `session:ended`", casebus_session_ended_schema, false);
}

static void settings_of_an_agency_are_the_tables(void **state)
{
    (void)state;
    check_schema("### `agency.set`", casebus_agency_schema, false);
}

/* --- messages --------------------------------------------------------------------------- */

/* The keys of `map` are the rows from `row` on; the row behind them. */
static size_t check_keys(const struct table *table, size_t row, msgpack_sbuffer *map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, casebus_bytes(map->data, map->size));
    for (uint32_t left = casebus_read_map(&r); left > 0; left--, row++) {
        struct casebus_bytes key = casebus_read_str(&r);
        char word[CELL_SIZE];
        casebus_skip(&r);
        assert_int_equal(r.error, 0);
        assert_true(row < table->rows);
        snprintf(word, sizeof word, "%.*s", (int)key.size, (const char *)key.data);
        assert_quoted(table->cell[row][0], word);
    }
    msgpack_sbuffer_destroy(map);
    return row;
}

static msgpack_sbuffer empty(void)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    return out;
}

/* Of rows and keys of a report, the last row is `void`, which replaces `data`. */
static void keys_of_a_report_are_the_encoders(void **state)
{
    (void)state;
    static const unsigned char zeros[CASEBUS_PUBLISHER_SIZE];
    struct casebus_report_parts parts = {.publisher = zeros, .number = 1, .check = zeros};
    msgpack_sbuffer out = empty();
    assert_int_equal(casebus_report_encode(&parts, &out), 0);
    const struct table *first = table_behind("## Reports");
    assert_int_equal(check_keys(first, 0, &out), first->rows);

    const struct table *rest = table_behind("then, in any order:");
    assert_int_equal(rest->rows, 4);
    assert_quoted(rest->cell[0][0], "session");
    assert_quoted(rest->cell[1][0], "sent_at");
    assert_quoted(rest->cell[2][0], "data");
    assert_quoted(rest->cell[3][0], "void");
}

static void keys_of_an_event_are_the_encoders(void **state)
{
    (void)state;
    struct casebus_event event = {
        .kind = CASEBUS_EVENT_UPDATED,
        .seq = 1,
        .actor = BYTES("local"),
        .session = BYTES("s1"),
        .version = 1,
        .changed = build("[]"),
        .payload = build("{}"),
        .thin = true,
    };
    msgpack_sbuffer out = empty();
    assert_int_equal(casebus_event_encode(&event, &out), 0);
    const struct table *table = table_behind("## Events");
    assert_int_equal(check_keys(table, 0, &out), table->rows);
}

static void keys_of_heads_are_the_encoders(void **state)
{
    (void)state;
    struct casebus_heads heads = {
        .is_batch = true, .streams = build("{}"), .quiet = 1, .held = BYTES("read-only")};
    msgpack_sbuffer out = empty();
    assert_int_equal(casebus_heads_encode(&heads, &out), 0);
    const struct table *table = table_behind("| `sys:heads:batch:`");
    assert_int_equal(check_keys(table, 0, &out), table->rows);
}

static void keys_of_a_reply_are_the_encoders(void **state)
{
    (void)state;
    struct casebus_reply reply = {0};
    msgpack_sbuffer out = empty();
    assert_int_equal(casebus_reply_encode(&reply, &out), 0);
    const struct table *table = table_behind("## Requests");
    assert_int_equal(check_keys(table, 0, &out), table->rows - 1);
    assert_quoted(table->cell[table->rows - 1][0], "error");
}

/* --- words ------------------------------------------------------------------------------ */

static void operations_are_the_headers(void **state)
{
    (void)state;
    const char *at = find_line(protocol, "## Requests");
    const char *end = find_line(protocol, "## Error codes");
    unsigned op = 0;
    for (; (at = strstr(at, "\n### ")) != NULL && at < end; op++) {
        char name[CELL_SIZE];
        assert_true(next_word(&at, strchr(at + 1, '\n'), name, sizeof name));
        if (op == CASEBUS_OP_COUNT) {
            fail_msg("%s is only in the text", name);
        }
        assert_string_equal(name, casebus_op_name((enum casebus_op)op));
    }
    assert_int_equal(op, CASEBUS_OP_COUNT);
}

static void error_codes_are_the_headers_with_their_sentences(void **state)
{
    (void)state;
    static const int codes[] = {
#define X(code, number, word, text) code,
        CASEBUS_ERRORS(X)
#undef X
    };
    const struct table *table = table_behind("## Error codes");
    assert_int_equal(table->rows, sizeof codes / sizeof codes[0]);
    for (size_t i = 0; i < table->rows; i++) {
        assert_quoted(table->cell[i][0], casebus_error_word(codes[i]));
        assert_string_equal(table->cell[i][1], casebus_strerror(codes[i]));
    }
}

static void outcomes_are_the_headers(void **state)
{
    (void)state;
    const char *at = find_line(protocol, "Outcomes: ");
    const char *end = strchr(at, '\n');
    unsigned count = 0;
    for (char word[CELL_SIZE]; next_word(&at, end, word, sizeof word); count++) {
        assert_int_equal(casebus_outcome_from_word(casebus_cstr(word)), count);
        assert_string_equal(casebus_outcome_word((enum casebus_outcome)count), word);
    }
    assert_int_equal(count, CASEBUS_OUTCOME_COUNT);
}

/* --- limits ----------------------------------------------------------------------------- */

/* clang-format off */
#define LIMITS(X)                                                                              \
    X(PROTOCOL_VERSION)                                                                        \
    X(REPORT_MAX)                                                                              \
    X(RECORD_MAX) X(SOURCE_MAX)                                                                \
    X(FRAME_MAX) X(SUBSCRIPTION_MAX) X(REQUEST_MAX) X(REPLY_MAX) X(FULL_EVENT_MAX) X(EVENT_BUNDLE_MAX) X(BUNDLES_WAITING) X(REPORT_BUNDLE_MAX) X(BUNDLED_MAX)    \
    X(TOPIC_MAX) X(SEGMENT_MAX) \
        X(AGENCY_MAX) X(CASE_ID_MAX) X(AGENCIES_MAX) X(DEPTH_MAX) X(KEYS_MAX) X(KEY_MAX)       \
            X(ELEMENTS_MAX) X(OFFENCES_MAX) X(RELATED_MAX) X(PENCE_MAX) X(PUBLISHER_SIZE)      \
                X(CHECK_SIZE) X(HASH_SIZE) X(EPOCH_SIZE) X(PUBLISHER_WINDOW) X(PUBLISHERS_MAX) \
                X(PUBLISHER_DAYS) X(VOLATILE_DAYS) X(SESSIONS_MAX) X(TICK_MS)                  \
                X(LEASE_TICKS) X(GET_MANY_MAX)                                                 \
                    X(KNOWN_MAX) X(PAGE_MAX) X(PAGE_DEFAULT) X(REPLAY_MAX) X(PATTERNS_MAX)     \
                        X(SESSIONS_PER_POLL) X(POLL_MAX_MS) X(WAITING_MAX) X(BATCH_MAX) X(BATCH_BYTES) X(HWM) \
                            X(INGEST_HWM) X(REQUESTS_QUEUED) X(REPLIES_QUEUED) X(UNREAD_MAX) X(UNREAD_ACTOR_MAX)       \
                                X(HEADS_INTERVAL_MS) X(REJECTS_MAX)
/* clang-format on */

static const struct {
    const char *name;
    uint64_t value;
} limits[] = {
#define X(name) {#name, CASEBUS_##name},
    LIMITS(X)
#undef X
};
#define LIMIT_COUNT (sizeof limits / sizeof limits[0])

static void limits_are_the_headers_values(void **state)
{
    (void)state;
    const struct table *table = table_behind("## Limits");
    for (size_t i = 0; i < LIMIT_COUNT && i < table->rows; i++) {
        char value[24];
        snprintf(value, sizeof value, "%llu", (unsigned long long)limits[i].value);
        assert_quoted(table->cell[i][0], limits[i].name);
        assert_string_equal(table->cell[i][1], value);
    }
    assert_int_equal(table->rows, LIMIT_COUNT);
}

/* The comment behind a #define, as the text should have it. */
static void read_comment(const char *line, char *out)
{
    const char *end = strchr(line, '\n');
    const char *begin = strstr(line, "/* "), *close = strstr(line, " */");
    assert_non_null(end);
    *out = '\0';
    if (begin && begin < end) {
        assert_true(close && close < end);
        copy_cell(out, begin + 3, close);
    }
}

/* Ports and addresses are in another table. */
static bool is_limit(const char *name, size_t size)
{
    return !memmem(name, size, "_PORT", 5) &&
           !(size > 8 && memmem(name, size, "_DEFAULT", 8) && memcmp(name, "PAGE", 4) != 0) &&
           !(size > 2 && memcmp(name + size - 2, "_H", 2) == 0);
}

static void no_limit_of_the_header_is_missing_in_the_text(void **state)
{
    (void)state;
    static const char define[] = "\n#define CASEBUS_";
    const struct table *table = table_behind("## Limits");
    size_t count = 0;
    for (const char *at = limits_header; (at = strstr(at, define)) != NULL;) {
        char name[CELL_SIZE], comment[CELL_SIZE];
        at += sizeof define - 1;
        size_t size = strcspn(at, " \n");
        if (!is_limit(at, size)) {
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)size, at);
        read_comment(at, comment);
        assert_true(count < table->rows);
        assert_quoted(table->cell[count][0], name);
        assert_string_equal(table->cell[count][2], comment);
        count++;
    }
    assert_int_equal(count, table->rows);
}

static void group_thousands(uint64_t value, char *out, size_t size)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        assert_true(length + 3 < size);
        if (i > 0 && (count - i) % 3 == 0) {
            out[length++] = ',';
        }
        out[length++] = digits[i];
    }
    out[length] = '\0';
}

/* Sentences repeat some limits; a changed one would stay behind in them. */
static void limits_in_sentences_are_the_headers(void **state)
{
    (void)state;
    static const struct {
        const char *sentence;
        uint64_t value;
    } said[] = {
        {"The body is a map of at most %s bytes", CASEBUS_REPORT_MAX},
        {"A record after merging is at most %s bytes", CASEBUS_RECORD_MAX},
        {"as further keys. At most %s bytes", CASEBUS_REQUEST_MAX},
        {"taking rows past %s bytes", CASEBUS_REPLY_MAX},
        {"An event larger than %s bytes", CASEBUS_FULL_EVENT_MAX},
        {"each\nof at most %s bytes (", CASEBUS_EVENT_BUNDLE_MAX},
        {"(%s, or one event, while", CASEBUS_FULL_EVENT_MAX},
        {"while %s bytes of them wait for readers)", CASEBUS_BUNDLES_WAITING},
        {"A bundle is at most %s bytes", CASEBUS_REPORT_BUNDLE_MAX},
        {"and has at most %s reports", CASEBUS_BUNDLED_MAX},
        {"integer pence (GBP), 0 to %s |", CASEBUS_PENCE_MAX},
        {"takes the %s numbers beyond", CASEBUS_PUBLISHER_WINDOW},
        {"An actor has at most %s ids", CASEBUS_PUBLISHERS_MAX},
        {"An actor has at most %s sessions that have not ended", CASEBUS_SESSIONS_MAX},
        {"or for %s days (all others)", CASEBUS_PUBLISHER_DAYS},
        {"`ids` (array of 1 to %s case ids), `load`", CASEBUS_GET_MANY_MAX},
        {"`ids` (array of 1 to %s case ids). Result", CASEBUS_KNOWN_MAX},
        {"`limit` is 1 to %s", CASEBUS_PAGE_MAX},
        {"(array of 1 to %s patterns)", CASEBUS_PATTERNS_MAX},
        {"`limit` (1 to %s, default 500)", CASEBUS_REPLAY_MAX},
        {"| at most %s; the worker's", CASEBUS_SESSIONS_PER_POLL},
        {"integer, 0 to %s | default", CASEBUS_POLL_MAX_MS},
        {"refused reports, at most %s are kept", CASEBUS_REJECTS_MAX},
        {"Every segment is 1 to %s bytes of UTF-8", CASEBUS_SEGMENT_MAX},
        {"Map keys are text of 1 to %s bytes", CASEBUS_KEY_MAX},
    };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        char number[32], sentence[256];
        const char *hole = strstr(said[i].sentence, "%s");
        group_thousands(said[i].value, number, sizeof number);
        snprintf(sentence, sizeof sentence, "%.*s%s%s", (int)(hole - said[i].sentence),
                 said[i].sentence, number, hole + 2);
        if (!strstr(protocol, sentence)) {
            fail_msg("PROTOCOL.md does not say \"%s\"", sentence);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    protocol = load("proto/PROTOCOL.md");
    limits_header = load("proto/casebus/limits.h");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(protocol);
    free(limits_header);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_report_are_the_headers),
        cmocka_unit_test(kinds_of_event_are_the_headers_with_their_numbers),
        cmocka_unit_test(patterns_have_the_prefixes_of_the_text),
        cmocka_unit_test(topics_of_heads_are_the_headers),
        cmocka_unit_test(endpoints_are_the_headers),
        cmocka_unit_test(fields_of_a_case_are_the_tables),
        cmocka_unit_test(fields_of_an_offender_are_the_tables),
        cmocka_unit_test(fields_of_an_offence_are_the_tables),
        cmocka_unit_test(fields_of_a_source_are_the_tables),
        cmocka_unit_test(fields_of_a_session_are_the_tables),
        cmocka_unit_test(settings_of_an_agency_are_the_tables),
        cmocka_unit_test(keys_of_a_report_are_the_encoders),
        cmocka_unit_test(keys_of_an_event_are_the_encoders),
        cmocka_unit_test(keys_of_heads_are_the_encoders),
        cmocka_unit_test(keys_of_a_reply_are_the_encoders),
        cmocka_unit_test(operations_are_the_headers),
        cmocka_unit_test(error_codes_are_the_headers_with_their_sentences),
        cmocka_unit_test(outcomes_are_the_headers),
        cmocka_unit_test(limits_are_the_headers_values),
        cmocka_unit_test(no_limit_of_the_header_is_missing_in_the_text),
        cmocka_unit_test(limits_in_sentences_are_the_headers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
