/* CSV: cells are read back as they were, and no spreadsheet runs one. */
#include "../subscriber/test.h"

#include "csv.h"

static void assert_cell(const char *words, const char *expected)
{
    struct text out = {0};
    csv_add_cell(&out, casebus_cstr(words));
    assert_string_equal(text_get(&out), expected);
    text_free(&out);
}

static void plain_words_stay(void **state)
{
    (void)state;
    assert_cell("", "");
    assert_cell("Acme Ltd", "Acme Ltd");
    assert_cell("Siân's", "Siân's");
}

static void what_would_end_a_cell_is_quoted(void **state)
{
    (void)state;
    assert_cell("a,b", "\"a,b\"");
    assert_cell("say \"x\"", "\"say \"\"x\"\"\"");
    assert_cell("one\ntwo", "\"one\ntwo\"");
    assert_cell("one\rtwo", "\"one\rtwo\"");
    assert_cell(" edge", "\" edge\"");
    assert_cell("edge ", "\"edge \"");
}

static void formulas_are_text(void **state)
{
    (void)state;
    assert_cell("=1+1", "'=1+1");
    assert_cell("+44", "'+44");
    assert_cell("-1", "'-1");
    assert_cell("@x", "'@x");
    assert_cell("\tx", "'\tx");
    assert_cell("\r=x", "\"'\r=x\"");
    assert_cell("=\"a\",b", "\"'=\"\"a\"\",b\"");
    assert_cell("a=1", "a=1");
}

static size_t count(const char *text, const char *piece)
{
    size_t found = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece)) {
        found++;
    }
    return found;
}

/* {"id": "hse:1", "offender": {"name": "=x"}, "offence_fine_pence": 5, "updated_at": 0,
 * "related_cases": ["hse:2"]} */
static void a_record_is_a_line(void **state)
{
    (void)state;
    static const char record[] =
        "\x85\xa2id\xa5hse:1\xa8offender\x81\xa4name\xa2=x\xb2offence_fine_pence\x05"
        "\xaaupdated_at\x00\xadrelated_cases\x91\xa5hse:2";
    struct text header = {0}, line = {0};
    csv_add_header(&header);
    csv_add_record(&line, casebus_bytes(record, sizeof record - 1));
    assert_int_equal(strncmp(text_get(&header), "\xef\xbb\xbfid,agency,regulator_id,", 26), 0);
    assert_int_equal(strncmp(text_get(&line), "hse:1,,,,'=x,,", 14), 0);
    assert_non_null(strstr(text_get(&line), ",5,"));
    assert_non_null(strstr(text_get(&line), ",1970-01-01T00:00:00Z,"));
    assert_non_null(strstr(text_get(&line), "\"[\"\"hse:2\"\"]\""));
    assert_int_equal(count(text_get(&header), ","), count(text_get(&line), ","));
    assert_string_equal(text_get(&line) + line.size - 2, "\r\n");
    text_free(&header);
    text_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay),
        cmocka_unit_test(what_would_end_a_cell_is_quoted),
        cmocka_unit_test(formulas_are_text),
        cmocka_unit_test(a_record_is_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
