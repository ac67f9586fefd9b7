/* How events, records and tables read. */
#include "pack.h"

#include "show.h"
#include "table.h"

#include <stdlib.h>
#include <time.h>

struct fixture {
    msgpack_sbuffer changed, payload;
    struct text out;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL) {
        return -1;
    }
    msgpack_sbuffer_init(&fixture->changed);
    msgpack_sbuffer_init(&fixture->payload);
    setenv("TZ", "UTC", 1);
    tzset();
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    msgpack_sbuffer_destroy(&fixture->changed);
    msgpack_sbuffer_destroy(&fixture->payload);
    text_free(&fixture->out);
    free(fixture);
    return 0;
}

/* Shows an event with these parts; NULL: absent. */
static const char *line(struct fixture *fixture, const char *topic, const char *changed,
                        const char *payload)
{
    struct casebus_event event = make_event(topic, 9, 7, 3);
    if (changed != NULL) {
        event.changed = pack(&fixture->changed, changed);
    }
    if (payload != NULL) {
        event.payload = pack(&fixture->payload, payload);
    }
    show_event(&event, false, &fixture->out);
    return text_get(&fixture->out);
}

static void a_created_case_has_time_name_and_fine(void **state)
{
    assert_string_equal(line(*state, "case:created:hse:48:", NULL,
                             "{\"id\": \"hse:48\", \"offender\": {\"name\": \"Acme Ltd\"}, "
                             "\"offence_fine_pence\": 123450}"),
                        "2023-11-14 22:13:20  created     hse:48  Acme Ltd  £1,234.50");
}

static void an_updated_case_says_what_was_what(void **state)
{
    assert_string_equal(
        line(*state, "case:updated:hse:48:",
             "[{\"field\": \"offence_fine_pence\", \"old\": 100000, \"new\": 200000}, "
             "{\"field\": \"offender.town\", \"new\": \"Leeds\"}]",
             "{\"offender\": {\"name\": \"Acme\"}}"),
        "2023-11-14 22:13:20  updated     hse:48  Acme  offence_fine £1,000.00 → £2,000.00, "
        "offender.town (none) → Leeds");
}

static void a_thin_event_names_the_fields(void **state)
{
    struct fixture *fixture = *state;
    struct casebus_event event = make_event("case:updated:hse:48:", 9, 7, 3);
    event.thin = true;
    event.changed = pack(&fixture->changed, "[{\"field\": \"offence_breaches\"}]");
    show_event(&event, false, &fixture->out);
    assert_string_equal(text_get(&fixture->out),
                        "2023-11-14 22:13:20  updated     hse:48  changed: offence_breaches");
}

static void a_synced_case_is_short(void **state)
{
    assert_string_equal(line(*state, "case:synced:hse:48:", NULL,
                             "{\"id\": \"hse:48\", \"version\": 1, \"seen_count\": 3}"),
                        "2023-11-14 22:13:20  synced      hse:48");
}

static void a_session_shows_its_counters(void **state)
{
    assert_string_equal(
        line(*state, "session:ended:hse:S1:", NULL,
             "{\"status\": \"completed\", \"pages_processed\": 12, \"cases_found\": 1040, "
             "\"cases_created\": 3, \"cases_updated\": 1, \"cases_existing\": 1036}"),
        "2023-11-14 22:13:20  ended       session hse:S1  completed  12 pages, 1,040 found: "
        "3 created, 1 updated, 1,036 existing, 0 refused, 0 page errors");
}

static void hostile_text_is_shown_harmless(void **state)
{
    assert_string_equal(line(*state, "case:created:hse:48:", NULL,
                             "{\"offender\": {\"name\": \"\\u001b[2J\\u009bx\\n\"}}"),
                        "2023-11-14 22:13:20  created     hse:48  \\x1b[2J\\x9bx\\n");
}

static void a_field_of_another_type_does_no_harm(void **state)
{
    assert_string_equal(line(*state, "case:created:hse:48:", "{}",
                             "{\"offender\": 5, \"offence_fine_pence\": \"much\"}"),
                        "2023-11-14 22:13:20  created     hse:48  much");
}

static void colour_is_around_the_words(void **state)
{
    struct fixture *fixture = *state;
    const struct casebus_event event = make_event("case:created:hse:48:", 9, 7, 3);
    show_event(&event, true, &fixture->out);
    assert_non_null(strstr(text_get(&fixture->out), "\x1b[32mcreated   \x1b[0m"));
}

static void a_long_value_is_cut_in_a_change(void **state)
{
    struct fixture *fixture = *state;
    show_changed(pack(&fixture->changed,
                      "[{\"field\": \"x\", \"new\": \"0123456789012345678901234567890123456789"
                      "012345678901234567890123456789\"}]"),
                 &fixture->out);
    assert_string_equal(text_get(&fixture->out),
                        "x (none) → 01234567890123456789012345678901234567890123456…");
}

static void a_record_has_a_line_a_value(void **state)
{
    struct fixture *fixture = *state;
    show_record(pack(&fixture->payload,
                     "{\"id\": \"hse:1\", \"offender\": {\"name\": \"A\"}, \"offences\": "
                     "[{\"fine_pence\": 100}], \"inserted_at\": 1700000000000000, "
                     "\"key\": \"0xff00\", \"seen_count\": 1234}"),
                &fixture->out);
    assert_string_equal(text_get(&fixture->out),
                        "id                        hse:1\n"
                        "offender.name             A\n"
                        "offences.1.fine           £1.00\n"
                        "inserted_at               2023-11-14 22:13:20\n"
                        "key                       ff00\n"
                        "seen_count                1234\n");
}

/* --- tables ----------------------------------------------------------------------------- */

static const struct column columns[] = {
    {"ID", false, false}, {"NAME", false, true}, {"N", true, false}};

static const char *print(struct fixture *fixture, const char *const *cells, size_t count,
                         size_t width)
{
    struct table table;
    table_init(&table, columns, 3);
    for (size_t i = 0; i < count; i++) {
        text_add(table_cell(&table), cells[i]);
    }
    table_print(&table, width, &fixture->out);
    table_free(&table);
    return text_get(&fixture->out);
}

static void a_table_is_as_wide_as_its_cells(void **state)
{
    static const char *const cells[] = {"a", "Siân", "5", "bcd", "", "1,000"};
    assert_string_equal(print(*state, cells, 6, 0), "ID   NAME      N\n"
                                                    "a    Siân      5\n"
                                                    "bcd        1,000\n");
}

static void a_flexible_column_gives_room(void **state)
{
    static const char *const cells[] = {"a", "a name that is too long", "5"};
    assert_string_equal(print(*state, cells, 3, 20), "ID  NAME           N\n"
                                                     "a   a name that …  5\n");
}

static void a_table_without_rows_has_its_titles(void **state)
{
    assert_string_equal(print(*state, NULL, 0, 80), "ID  NAME  N\n");
}

static void a_last_row_may_lack_cells(void **state)
{
    static const char *const cells[] = {"a"};
    assert_string_equal(print(*state, cells, 1, 0), "ID  NAME  N\na\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_created_case_has_time_name_and_fine), TEST(an_updated_case_says_what_was_what),
        TEST(a_thin_event_names_the_fields),         TEST(a_synced_case_is_short),
        TEST(a_session_shows_its_counters),          TEST(hostile_text_is_shown_harmless),
        TEST(a_field_of_another_type_does_no_harm),  TEST(colour_is_around_the_words),
        TEST(a_long_value_is_cut_in_a_change),       TEST(a_record_has_a_line_a_value),
        TEST(a_table_is_as_wide_as_its_cells),       TEST(a_flexible_column_gives_room),
        TEST(a_table_without_rows_has_its_titles),   TEST(a_last_row_may_lack_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
