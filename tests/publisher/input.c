/* Records out of files. */
#include "test.h"

#include "input.h"

#include <casebus/errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct input *input;
static struct row row;
static struct row_fault why;
static char path[] = "/tmp/casebus-input-XXXXXX";

static bool not_idle(void *arg)
{
    (void)arg;
    return true;
}

static int make_file(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    input_close(&input);
    return unlink(path);
}

static void write_file(const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int open_text(const char *text, size_t size, bool is_csv,
                     const struct column_name *names, size_t name_count)
{
    struct input_options options = {
        .path = path,
        .is_csv = is_csv,
        .names = names,
        .name_count = name_count,
        .idle = not_idle,
    };
    write_file(text, size);
    return input_open(&input, &options, &why);
}

static void open_json(const char *text)
{
    assert_int_equal(open_text(text, strlen(text), false, NULL, 0), 0);
}

static void open_csv(const char *text)
{
    assert_int_equal(open_text(text, strlen(text), true, NULL, 0), 0);
}

static void refuse_csv(const char *text, const char *field)
{
    assert_true(open_text(text, strlen(text), true, NULL, 0) < 0);
    assert_string_equal(why.field, field);
}

static void next(unsigned long line)
{
    assert_int_equal(input_next(input, &row), 1);
    assert_int_equal(row.line, line);
}

static void next_is(unsigned long line, const char *json)
{
    next(line);
    assert_non_null(row.record);
    char *text = json_dumps(row.record, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, json);
    free(text);
}

static void next_is_refused(unsigned long line, const char *field)
{
    next(line);
    assert_null(row.record);
    assert_string_equal(row.fault.field, field);
}

static void at_the_end(void)
{
    assert_int_equal(input_next(input, &row), 0);
}

/* --- NDJSON ------------------------------------------------------------------------------- */

static void each_line_is_a_record(void **state)
{
    (void)state;
    open_json("{\"a\":1}\n{\"a\":2}\n");
    next_is(1, "{\"a\":1}");
    next_is(2, "{\"a\":2}");
    at_the_end();
}

static void the_last_line_may_have_no_end(void **state)
{
    (void)state;
    open_json("{}\n{\"a\":2}");
    next_is(1, "{}");
    next_is(2, "{\"a\":2}");
    at_the_end();
}

static void blank_lines_are_counted_and_skipped(void **state)
{
    (void)state;
    open_json("\n  \r\n{}\n\n");
    next_is(3, "{}");
    at_the_end();
}

static void a_byte_order_mark_is_skipped(void **state)
{
    (void)state;
    open_json("\xef\xbb\xbf{}\n");
    next_is(1, "{}");
}

static void reading_goes_on_behind_a_bad_line(void **state)
{
    (void)state;
    open_json("{\n{}\n");
    next_is_refused(1, "-");
    next_is(2, "{}");
}

static void what_is_not_an_object_is_refused(void **state)
{
    (void)state;
    open_json("[{}]\n7\n");
    next_is_refused(1, "-");
    next_is_refused(2, "-");
}

static void an_array_is_told_how_to_become_lines(void **state)
{
    (void)state;
    static const char *const arrays[] = {"[ {\"a\":1}, {} ]\n", "[{\n", " [\r\n", "[]"};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        open_json(arrays[i]);
        next_is_refused(1, "-");
        assert_string_equal(row.fault.reason, "an array begins here: one object a line is "
                                              "expected, as jq -c '.[]' file.json prints them");
        at_the_end();
        input_close(&input);
    }
}

static void a_bracket_without_an_object_is_no_array_of_records(void **state)
{
    (void)state;
    open_json("[INFO] begin\n[7]\n");
    next_is_refused(1, "-");
    assert_non_null(strstr(row.fault.reason, "not JSON: "));
    next_is_refused(2, "-");
    assert_string_equal(row.fault.reason, "not a JSON object");
}

static void a_key_given_twice_is_refused(void **state)
{
    (void)state;
    open_json("{\"a\":1,\"a\":1}\n");
    next_is_refused(1, "-");
}

static void text_behind_the_object_is_refused(void **state)
{
    (void)state;
    open_json("{} {}\n");
    next_is_refused(1, "-");
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    open_json("{\"a\":\"\xc3\x28\"}\n");
    next_is_refused(1, "-");
}

static void a_line_over_the_limit_is_refused(void **state)
{
    (void)state;
    size_t size = INPUT_RECORD_MAX + 100;
    char *text = malloc(size + 4);
    assert_non_null(text);
    memset(text, ' ', size);
    memcpy(text, "{}", 2);
    memcpy(text + size, "\n{}\n", 4);
    assert_int_equal(open_text(text, size + 4, false, NULL, 0), 0);
    free(text);
    next_is_refused(1, "-");
    next_is(2, "{}");
    at_the_end();
}

static void a_file_that_is_not_there_says_why(void **state)
{
    (void)state;
    struct input_options options = {.path = "/nowhere/at/all", .idle = not_idle};
    assert_int_equal(input_open(&input, &options, &why), CASEBUS_EIO);
    assert_string_equal(why.field, "-");
    assert_non_null(strstr(why.reason, "No such file"));
}

static void a_folder_cannot_be_read(void **state)
{
    (void)state;
    struct input_options options = {.path = "/tmp", .idle = not_idle};
    assert_int_equal(input_open(&input, &options, &why), CASEBUS_EIO);
}

/* --- CSV ---------------------------------------------------------------------------------- */

static void cells_go_under_their_columns_names(void **state)
{
    (void)state;
    open_csv("agency,offender.name,ext.x\nhse,N,7\n");
    next_is(2, "{\"agency\":\"hse\",\"ext\":{\"x\":\"7\"},\"offender\":{\"name\":\"N\"}}");
    at_the_end();
}

static void an_empty_cell_is_absent(void **state)
{
    (void)state;
    open_csv("agency,url,offender.name\nhse,,\n");
    next_is(2, "{\"agency\":\"hse\"}");
}

static void a_record_of_fewer_or_more_cells_is_refused_with_the_counts(void **state)
{
    (void)state;
    open_csv("agency,url\nhse\nhse,u,v\nea,u\n");
    next_is_refused(2, "-");
    assert_string_equal(row.fault.reason, "1 column where the header has 2");
    next_is_refused(3, "-");
    assert_string_equal(row.fault.reason, "3 columns where the header has 2");
    next_is(4, "{\"agency\":\"ea\",\"url\":\"u\"}");
}

static void whole_numbers_are_numbers_where_the_field_has_them(void **state)
{
    (void)state;
    open_csv("regulator_id,source.page,offence_fine_pence\n12,3, 400 \n");
    next_is(2, "{\"offence_fine_pence\":400,\"regulator_id\":\"12\",\"source\":{\"page\":3}}");
}

static void what_is_no_whole_number_stays_text(void **state)
{
    (void)state;
    open_csv("source.page,source.row\n3a,12345678901234567890\n");
    next_is(2, "{\"source\":{\"page\":\"3a\",\"row\":\"12345678901234567890\"}}");
}

static void money_stays_text(void **state)
{
    (void)state;
    open_csv("offence_fine\n1200\n");
    next_is(2, "{\"offence_fine\":\"1200\"}");
}

static void related_cases_are_a_list(void **state)
{
    (void)state;
    open_csv("related_cases\nhse:1; hse:2;\n");
    next_is(2, "{\"related_cases\":[\"hse:1\",\"hse:2\"]}");
}

static void a_quoted_cell_may_have_lines_commas_and_quotes(void **state)
{
    (void)state;
    open_csv("url\n\"a,\n\"\"b\"\"\"\nc\n");
    next_is(2, "{\"url\":\"a,\\n\\\"b\\\"\"}");
    next_is(4, "{\"url\":\"c\"}");
}

static void lines_may_end_as_on_windows(void **state)
{
    (void)state;
    open_csv("url\r\na\r\n\"b\r\nc\"\r\nd\r\n");
    next_is(2, "{\"url\":\"a\"}");
    next_is(3, "{\"url\":\"b\\r\\nc\"}");
    next_is(5, "{\"url\":\"d\"}");
    at_the_end();
}

static void empty_lines_are_counted_and_skipped(void **state)
{
    (void)state;
    open_csv("url\n\n\na\n");
    next_is(4, "{\"url\":\"a\"}");
    at_the_end();
}

static void the_last_record_may_have_no_end(void **state)
{
    (void)state;
    open_csv("url\na");
    next_is(2, "{\"url\":\"a\"}");
    at_the_end();
}

static void blanks_are_kept(void **state)
{
    (void)state;
    open_csv("case_reference\n a b \n");
    next_is(2, "{\"case_reference\":\" a b \"}");
}

static void a_header_may_have_blanks_and_a_byte_order_mark(void **state)
{
    (void)state;
    open_csv("\xef\xbb\xbf agency , url\nhse,u\n");
    next_is(2, "{\"agency\":\"hse\",\"url\":\"u\"}");
}

static void a_cell_that_is_not_utf8_is_refused_by_its_name(void **state)
{
    (void)state;
    open_csv("agency,offender.name\nhse,\xa3\nea,N\n");
    next_is_refused(2, "offender.name");
    next_is(3, "{\"agency\":\"ea\",\"offender\":{\"name\":\"N\"}}");
}

static void an_open_quote_is_refused_where_it_opens_with_all_it_took(void **state)
{
    (void)state;
    open_csv("agency,url\nhse,a\n\"x\ny\",\"b\nea,c\r\nea,d\r\n");
    next_is(2, "{\"agency\":\"hse\",\"url\":\"a\"}");
    next_is_refused(4, "url");
    assert_string_equal(row.fault.reason,
                        "the quote that opens here is never closed: all up to line 6 (4 lines) "
                        "was taken into this row, and none of it is published");
    at_the_end();
}

static void an_open_quote_on_the_last_line_took_one(void **state)
{
    (void)state;
    open_csv("agency,url\nhse,\"a");
    next_is_refused(2, "url");
    assert_non_null(strstr(row.fault.reason, "line 2 (1 line)"));
    at_the_end();
}

static void an_open_quote_that_a_later_cell_closes_is_refused(void **state)
{
    (void)state;
    open_csv("agency,url\nhse,\"a\nhse,\"b\"\nhse,c\n");
    next_is_refused(2, "url");
    assert_non_null(strstr(row.fault.reason, "all up to line 3 (2 lines)"));
    next_is(4, "{\"agency\":\"hse\",\"url\":\"c\"}");
    at_the_end();
}

static void quotes_that_stay_on_their_line_are_text(void **state)
{
    (void)state;
    open_csv("agency,url\na \"b\" c,\"d \"e\" f\"\n\"g\nh\",i\"\n");
    next_is(2, "{\"agency\":\"a \\\"b\\\" c\",\"url\":\"d \\\"e\\\" f\"}");
    next_is(3, "{\"agency\":\"g\\nh\",\"url\":\"i\\\"\"}");
    at_the_end();
}

static void an_endless_record_ends_the_reading(void **state)
{
    (void)state;
    size_t size = INPUT_RECORD_MAX + 100;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, "url\n\"", 5);
    assert_int_equal(open_text(text, size, true, NULL, 0), 0);
    free(text);
    next_is_refused(2, "url");
    assert_non_null(strstr(row.fault.reason, "from line 2 on nothing is read or published"));
    at_the_end();
}

static void an_unknown_column_is_kept_under_its_name(void **state)
{
    (void)state;
    open_csv("Case No.,url\n7,u\n");
    next_is(2, "{\"Case No.\":\"7\",\"url\":\"u\"}");
}

static void another_registers_columns_can_be_named(void **state)
{
    (void)state;
    const struct column_name names[] = {{"Case No", "regulator_id"}, {"Who", "offender.name"}};
    const char *text = "Case No,Who\n7,N\n";
    assert_int_equal(open_text(text, strlen(text), true, names, 2), 0);
    next_is(2, "{\"offender\":{\"name\":\"N\"},\"regulator_id\":\"7\"}");
}

static void a_column_can_be_left_out(void **state)
{
    (void)state;
    const struct column_name names[] = {{"Notes", ""}};
    const char *text = "url,Notes\nu,n\n";
    assert_int_equal(open_text(text, strlen(text), true, names, 1), 0);
    next_is(2, "{\"url\":\"u\"}");
}

static void a_name_for_a_column_that_is_not_there_is_refused(void **state)
{
    (void)state;
    const struct column_name names[] = {{"Case", "regulator_id"}};
    const char *text = "Case No\n7\n";
    assert_true(open_text(text, strlen(text), true, names, 1) < 0);
    assert_string_equal(why.field, "Case");
}

static void a_header_with_another_separator_is_told_so(void **state)
{
    (void)state;
    refuse_csv("agency;url\nhse;u\n", "header");
    assert_string_equal(why.reason, "the columns seem to be separated by ';': casebus-publish "
                                    "reads commas");
    refuse_csv("agency\turl\nhse\tu\n", "header");
    assert_non_null(strstr(why.reason, "separated by tabs"));
}

static void a_semicolon_in_a_column_that_is_named_separates_nothing(void **state)
{
    (void)state;
    const struct column_name names[] = {{"No;Ref", "regulator_id"}};
    const char *text = "No;Ref\n7\n";
    assert_int_equal(open_text(text, strlen(text), true, names, 1), 0);
    next_is(2, "{\"regulator_id\":\"7\"}");
}

static void two_columns_of_one_name_are_refused(void **state)
{
    (void)state;
    refuse_csv("url,url\n", "url");
}

static void a_map_is_no_column(void **state)
{
    (void)state;
    refuse_csv("agency,offender\n", "offender");
    refuse_csv("agency,offences\n", "offences");
}

static void an_open_quote_in_the_header_is_told_with_its_line(void **state)
{
    (void)state;
    refuse_csv("agency,\"u\nl\",\"x\nhse,u\n", "header");
    assert_string_equal(why.reason, "the quote that opens on line 2 is not closed");
}

static void an_empty_file_has_no_header(void **state)
{
    (void)state;
    refuse_csv("", "-");
    assert_string_equal(why.reason, "is empty: the first line must name the columns");
}

static void a_header_alone_is_no_record(void **state)
{
    (void)state;
    open_csv("agency,url\n");
    at_the_end();
}

static void an_empty_file_of_json_is_no_record(void **state)
{
    (void)state;
    open_json("");
    at_the_end();
}

static void the_share_read_ends_at_one(void **state)
{
    (void)state;
    open_csv("url\na\n");
    next(2);
    at_the_end();
    assert_true(input_share(input) > 0.99);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
    const struct CMUnitTest tests[] = {
        T(each_line_is_a_record),
        T(the_last_line_may_have_no_end),
        T(blank_lines_are_counted_and_skipped),
        T(a_byte_order_mark_is_skipped),
        T(reading_goes_on_behind_a_bad_line),
        T(what_is_not_an_object_is_refused),
        T(an_array_is_told_how_to_become_lines),
        T(a_bracket_without_an_object_is_no_array_of_records),
        T(a_key_given_twice_is_refused),
        T(text_behind_the_object_is_refused),
        T(bytes_that_are_not_utf8_are_refused),
        T(a_line_over_the_limit_is_refused),
        T(a_file_that_is_not_there_says_why),
        T(a_folder_cannot_be_read),
        T(cells_go_under_their_columns_names),
        T(an_empty_cell_is_absent),
        T(a_record_of_fewer_or_more_cells_is_refused_with_the_counts),
        T(whole_numbers_are_numbers_where_the_field_has_them),
        T(what_is_no_whole_number_stays_text),
        T(money_stays_text),
        T(related_cases_are_a_list),
        T(a_quoted_cell_may_have_lines_commas_and_quotes),
        T(lines_may_end_as_on_windows),
        T(empty_lines_are_counted_and_skipped),
        T(the_last_record_may_have_no_end),
        T(blanks_are_kept),
        T(a_header_may_have_blanks_and_a_byte_order_mark),
        T(a_cell_that_is_not_utf8_is_refused_by_its_name),
        T(an_open_quote_is_refused_where_it_opens_with_all_it_took),
        T(an_open_quote_on_the_last_line_took_one),
        T(an_open_quote_that_a_later_cell_closes_is_refused),
        T(quotes_that_stay_on_their_line_are_text),
        T(an_endless_record_ends_the_reading),
        T(an_unknown_column_is_kept_under_its_name),
        T(another_registers_columns_can_be_named),
        T(a_column_can_be_left_out),
        T(a_name_for_a_column_that_is_not_there_is_refused),
        T(a_header_with_another_separator_is_told_so),
        T(an_open_quote_in_the_header_is_told_with_its_line),
        T(a_semicolon_in_a_column_that_is_named_separates_nothing),
        T(two_columns_of_one_name_are_refused),
        T(a_map_is_no_column),
        T(an_empty_file_has_no_header),
        T(a_header_alone_is_no_record),
        T(an_empty_file_of_json_is_no_record),
        T(the_share_read_ends_at_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
