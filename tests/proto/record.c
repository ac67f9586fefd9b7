/* The case record and the session's data against their tables. */
#include "proto/test.h"

#include <casebus/schema.h>
#include <string.h>

static struct casebus_record parsed(struct casebus_bytes map)
{
    struct casebus_record record;
    struct casebus_fault fault = {0};
    int error = casebus_record_parse(map, true, &record, &fault);
    if (error) {
        fail_msg("%s at \"%s\"", casebus_strerror(error), fault.field);
    }
    return record;
}

/* Refused in a report. */
static void refused(struct casebus_bytes map, int code, const char *field)
{
    struct casebus_record record;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_record_parse(map, true, &record, &fault), code);
    assert_fault(&fault, code, field);
    assert_int_equal(casebus_record_parse(map, true, &record, NULL), code);
}

static void refused_in_a_stored_record(struct casebus_bytes map, int code, const char *field)
{
    struct casebus_record record;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_record_parse(map, false, &record, &fault), code);
    assert_fault(&fault, code, field);
}

static void fields_are_taken_apart_as_encoded(void **state)
{
    (void)state;
    struct casebus_bytes offender = build("{name:'A Ltd',town:'Bangor'}");
    struct casebus_bytes map =
        build("{offence_fine_pence:95000,offender:%r,url:'http://x'}", offender);
    struct casebus_record record = parsed(map);
    assert_bytes(record.encoded, map);
    assert_bytes(record.field[CASEBUS_CASE_OFFENDER], offender);
    assert_bytes(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], build("95000"));
    assert_text(casebus_as_str(record.field[CASEBUS_CASE_URL]), "http://x");
    assert_null(record.field[CASEBUS_CASE_SOURCE].data);
}

static void every_field_is_found_in_any_order(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    msgpack_packer pk;
    struct casebus_record record;
    for (int backwards = 0; backwards < 2; backwards++) {
        msgpack_sbuffer_init(&out);
        msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
        msgpack_pack_map(&pk, CASEBUS_CASE_FIELD_COUNT);
        for (int i = 0; i < CASEBUS_CASE_FIELD_COUNT; i++) {
            int at = backwards ? CASEBUS_CASE_FIELD_COUNT - 1 - i : i;
            static const char *const values[] = {
                [CASEBUS_TYPE_TEXT] = "'x'",    [CASEBUS_TYPE_DATE] = "'2024-01-01'",
                [CASEBUS_TYPE_PENCE] = "1",     [CASEBUS_TYPE_COUNT] = "1",
                [CASEBUS_TYPE_INSTANT] = "1",   [CASEBUS_TYPE_URL] = "'http://x'",
                [CASEBUS_TYPE_MAP] = "{}",      [CASEBUS_TYPE_MAPS] = "[]",
                [CASEBUS_TYPE_CASE_IDS] = "[]",
            };
            casebus_pack_text(&pk, casebus_case_schema[at].name);
            casebus_pack_raw(&pk, build(values[casebus_case_schema[at].type]));
        }
        assert_int_equal(
            casebus_record_parse(casebus_bytes(out.data, out.size), false, &record, NULL), 0);
        assert_int_equal(record.unknown_count, 0);
        for (int i = 0; i < CASEBUS_CASE_FIELD_COUNT; i++) {
            assert_non_null(record.field[i].data);
        }
        msgpack_sbuffer_destroy(&out);
    }
}

static void names_have_their_length(void **state)
{
    (void)state;
    const struct casebus_field *const tables[] = {
        casebus_case_schema,
        casebus_offender_schema,
        casebus_offence_schema,
        casebus_source_schema,
        casebus_session_started_schema,
        casebus_session_progressed_schema,
        casebus_session_ended_schema,
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct casebus_field *field = tables[i]; field->name; field++) {
            assert_int_equal(field->name_size, strlen(field->name));
        }
    }
}

static void unknown_keys_are_counted_and_allowed(void **state)
{
    (void)state;
    struct casebus_record record = parsed(build("{new_thing:[1],url:'http://x',other:nil}"));
    assert_int_equal(record.unknown_count, 2);
    parsed(build("{offender:{new_thing:1},source:{new_thing:1},offences:[{new_thing:1}]}"));
}

static void a_name_that_only_begins_alike_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(parsed(build("{ur:1,urls:2,offence:3}")).unknown_count, 3);
    struct casebus_bytes with_nul = join(BYTES("\x81\xa4url\0"), build("5"));
    assert_int_equal(parsed(with_nul).unknown_count, 1);
}

static void what_is_not_a_map_is_refused(void **state)
{
    (void)state;
    refused(build("[]"), CASEBUS_ETYPE, "");
    refused(build("{offender:'A Ltd'}"), CASEBUS_ETYPE, "offender");
    refused(build("{ext:[]}"), CASEBUS_ETYPE, "ext");
}

static void what_the_store_keeps_is_refused_in_a_report(void **state)
{
    (void)state;
    refused(build("{id:'hse:1'}"), CASEBUS_EVALUE, "id");
    refused(build("{version:1}"), CASEBUS_EVALUE, "version");
    refused(build("{updated_seq:nil}"), CASEBUS_EVALUE, "updated_seq");
}

static void text_has_a_limit_in_bytes(void **state)
{
    (void)state;
    parsed(build("{offender:{postcode:'1234567890123456'}}"));
    refused(build("{offender:{postcode:'12345678901234567'}}"), CASEBUS_ETOOLONG,
            "offender.postcode");
    refused(build("{offender:{postcode:'12345678901234\xc3\xa4\xc3\xa4'}}"), CASEBUS_ETOOLONG,
            "offender.postcode");
}

static void text_may_have_tabs_and_lines(void **state)
{
    (void)state;
    parsed(build("{offence_breaches:'one\ttwo\nthree\r\nfour and more of it\nfive'}"));
}

static void other_control_characters_are_refused_wherever_they_are(void **state)
{
    (void)state;
    for (size_t at = 0; at < 20; at++) {
        char text[20];
        memset(text, 'x', sizeof text);
        text[at] = (char)(at + 1 < 9 ? at + 1 : 0x1f);
        refused(build("{case_reference:%t}", casebus_bytes(text, sizeof text)), CASEBUS_EVALUE,
                "case_reference");
    }
    refused(build("{case_reference:%t}", BYTES("a\0b")), CASEBUS_EVALUE, "case_reference");
    refused(build("{case_reference:%t}", BYTES("line\nand\x1b[2J")), CASEBUS_EVALUE,
            "case_reference");
}

static void a_blank_name_is_refused(void **state)
{
    (void)state;
    refused(build("{offender:{name:''}}"), CASEBUS_EVALUE, "offender.name");
    refused(build("{offender:{name:' \t\n'}}"), CASEBUS_EVALUE, "offender.name");
    refused(build("{offender:{name:'\xc2\xa0\xe2\x80\x89\xe3\x80\x80'}}"), CASEBUS_EVALUE,
            "offender.name");
    parsed(build("{offender:{name:' \xc2\xa0x'}}"));
    parsed(build("{offender:{name:'\xc2\xa3'}}"));
}

static void another_text_may_be_empty(void **state)
{
    (void)state;
    parsed(build("{case_reference:'',offender:{town:' '}}"));
}

static void text_is_text(void **state)
{
    (void)state;
    refused(build("{case_reference:5}"), CASEBUS_ETYPE, "case_reference");
    refused(build("{case_reference:%b}", BYTES("x")), CASEBUS_ETYPE, "case_reference");
}

static void days_of_the_calendar_are_dates(void **state)
{
    (void)state;
    static const char *const days[] = {"2024-02-29", "2000-02-29", "1000-01-01", "9999-12-31",
                                       "2023-04-30"};
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        assert_true(casebus_date_valid(casebus_cstr(days[i])));
    }
}

static void other_texts_are_not_dates(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "2023-02-29", "1900-02-29",  "2023-04-31", "2023-00-01", "2023-13-01", "2023-01-00",
        "2023-1-01",  "2023-01-001", "0999-12-31", "23-01-01",   "2023/01/01", "01-01-2023",
        "",           "2023-01-0x",  "+023-01-01", "2023-01-32",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(casebus_date_valid(keep(bad[i], strlen(bad[i]))));
        refused(build("{offence_action_date:%s}", bad[i]), CASEBUS_EVALUE,
                "offence_action_date");
    }
    refused(build("{offence_action_date:20240101}"), CASEBUS_ETYPE, "offence_action_date");
}

static void a_hearing_is_not_before_the_action(void **state)
{
    (void)state;
    parsed(build("{offence_action_date:'2024-01-02',offence_hearing_date:'2024-01-02'}"));
    refused(build("{offence_action_date:'2024-01-02',offence_hearing_date:'2024-01-01'}"),
            CASEBUS_EVALUE, "offence_hearing_date");
    refused(build("{offence_hearing_date:'2023-12-31',offence_action_date:'2024-01-02'}"),
            CASEBUS_EVALUE, "offence_hearing_date");
}

static void one_date_cleared_is_no_order(void **state)
{
    (void)state;
    parsed(build("{offence_action_date:nil,offence_hearing_date:'2024-01-01'}"));
    parsed(build("{offence_action_date:'2024-01-01',offence_hearing_date:nil}"));
}

static void money_is_whole_pence_up_to_the_limit(void **state)
{
    (void)state;
    parsed(build("{offence_fine_pence:0}"));
    parsed(build("{offence_fine_pence:%u}", (uint64_t)CASEBUS_PENCE_MAX));
    refused(build("{offence_fine_pence:%u}", (uint64_t)CASEBUS_PENCE_MAX + 1), CASEBUS_EVALUE,
            "offence_fine_pence");
    refused(build("{offence_fine_pence:-1}"), CASEBUS_EVALUE, "offence_fine_pence");
    refused(build("{offence_fine_pence:%f}", 950.5), CASEBUS_ETYPE, "offence_fine_pence");
    refused(build("{offence_fine_pence:'950'}"), CASEBUS_ETYPE, "offence_fine_pence");
}

static void numbers_are_exact_in_every_language(void **state)
{
    (void)state;
    uint64_t most = (UINT64_C(1) << 53) - 1;
    parsed(build("{source:{page:%u,fetched_at:%u}}", most, most));
    refused(build("{source:{page:%u}}", most + 1), CASEBUS_EVALUE, "source.page");
    refused(build("{source:{fetched_at:%u}}", most + 1), CASEBUS_EVALUE, "source.fetched_at");
    refused(build("{source:{fetched_at:-5}}"), CASEBUS_EVALUE, "source.fetched_at");
}

static void a_url_is_one_of_the_web(void **state)
{
    (void)state;
    parsed(build("{url:'http://x',regulator_url:'https://example.org/case?id=1#x'}"));
    static const char *const bad[] = {"ftp://x",
                                      "http:/x",
                                      "http://",
                                      "https://",
                                      "HTTP://x",
                                      "",
                                      "javascript:alert(1)",
                                      "www.example.org"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused(build("{url:%s}", bad[i]), CASEBUS_EVALUE, "url");
    }
}

static void a_url_has_no_blanks_or_control_characters(void **state)
{
    (void)state;
    refused(build("{url:'http://x y'}"), CASEBUS_EVALUE, "url");
    refused(build("{url:'http://x\n'}"), CASEBUS_EVALUE, "url");
    refused(build("{url:'http://example.org/a/long/path\x7f'}"), CASEBUS_EVALUE, "url");
    refused(build("{regulator_url:'http://example.org/a/long/path/with a blank/in/it'}"),
            CASEBUS_EVALUE, "regulator_url");
}

static void a_choice_is_one_of_its_words(void **state)
{
    (void)state;
    parsed(build("{offender:{business_type:'plc'}}"));
    refused(build("{offender:{business_type:'PLC'}}"), CASEBUS_EVALUE,
            "offender.business_type");
    refused(build("{offender:{business_type:''}}"), CASEBUS_EVALUE, "offender.business_type");
}

static void offences_are_maps_with_members(void **state)
{
    (void)state;
    parsed(build("{offences:[{number:1,fine_pence:5},{hearing_date:'2024-01-01'},{}]}"));
    refused(build("{offences:{}}"), CASEBUS_ETYPE, "offences");
    refused(build("{offences:[1]}"), CASEBUS_ETYPE, "offences[0]");
    refused(build("{offences:[{},{},{},{fine_pence:-1}]}"), CASEBUS_EVALUE,
            "offences[3].fine_pence");
}

static void offences_have_a_limit(void **state)
{
    (void)state;
    struct casebus_bytes most = join(BYTES("\xdc\x02\x00"), repeat("\x80", 512));
    struct casebus_bytes more = join(BYTES("\xdc\x02\x01"), repeat("\x80", 513));
    parsed(build("{offences:%r}", most));
    refused(build("{offences:%r}", more), CASEBUS_ETOOMANY, "offences");
}

static void related_cases_are_case_ids(void **state)
{
    (void)state;
    parsed(build("{related_cases:['hse:1','ea:T/2 3']}"));
    refused(build("{related_cases:['hse:1','4812345']}"), CASEBUS_EVALUE, "related_cases[1]");
    refused(build("{related_cases:[1]}"), CASEBUS_ETYPE, "related_cases[0]");
    refused(build("{related_cases:'hse:1'}"), CASEBUS_ETYPE, "related_cases");
    struct casebus_bytes more = join(BYTES("\xdc\x02\x01"), repeat("\xa4ts:1", 513));
    refused(build("{related_cases:%r}", more), CASEBUS_ETOOMANY, "related_cases");
}

static void nil_clears_what_a_report_sets(void **state)
{
    (void)state;
    struct casebus_record record = parsed(
        build("{case_reference:nil,offences:nil,url:nil,offence_fine_pence:nil,offender:nil,"
              "ext:nil}"));
    assert_true(casebus_is_nil(record.field[CASEBUS_CASE_OFFENDER]));
}

static void nil_clears_a_key_of_a_map_that_merges(void **state)
{
    (void)state;
    parsed(build("{offender:{name:nil,town:nil,business_type:nil},ext:{a:nil}}"));
}

static void nil_is_refused_everywhere_else(void **state)
{
    (void)state;
    refused(build("{agency:nil}"), CASEBUS_ETYPE, "agency");
    refused(build("{regulator_id:nil}"), CASEBUS_ETYPE, "regulator_id");
    refused(build("{source:nil}"), CASEBUS_ETYPE, "source");
    refused(build("{source:{page:nil}}"), CASEBUS_ETYPE, "source.page");
    refused(build("{offences:[{result:nil}]}"), CASEBUS_ETYPE, "offences[0].result");
    refused(build("{related_cases:[nil]}"), CASEBUS_ETYPE, "related_cases[0]");
}

static void nil_is_refused_in_a_stored_record(void **state)
{
    (void)state;
    refused_in_a_stored_record(build("{case_reference:nil}"), CASEBUS_ETYPE, "case_reference");
    refused_in_a_stored_record(build("{offender:{town:nil}}"), CASEBUS_ETYPE, "offender.town");
}

static void a_new_case_needs_an_offender_with_a_name(void **state)
{
    (void)state;
    struct casebus_fault fault = {0};
    struct casebus_record record = parsed(build("{offender:{name:'A Ltd'}}"));
    assert_int_equal(casebus_record_complete(&record, &fault), 0);
    record = parsed(build("{url:'http://x'}"));
    assert_int_equal(casebus_record_complete(&record, &fault), CASEBUS_EMISSING);
    assert_fault(&fault, CASEBUS_EMISSING, "offender");
    record = parsed(build("{offender:{town:'Bangor'}}"));
    assert_int_equal(casebus_record_complete(&record, &fault), CASEBUS_EMISSING);
    assert_fault(&fault, CASEBUS_EMISSING, "offender.name");
}

static void what_is_cleared_is_missing_in_a_new_case(void **state)
{
    (void)state;
    struct casebus_record record = parsed(build("{offender:nil}"));
    assert_int_equal(casebus_record_complete(&record, NULL), CASEBUS_EMISSING);
    record = parsed(build("{offender:{name:nil}}"));
    assert_int_equal(casebus_record_complete(&record, NULL), CASEBUS_EMISSING);
}

static void the_end_of_a_session_needs_a_status(void **state)
{
    (void)state;
    struct casebus_fault fault = {0};
    const struct casebus_field *ended = casebus_session_ended_schema;
    assert_int_equal(
        casebus_map_check(build("{reason:'x',status:'failed'}"), ended, true, NULL), 0);
    assert_int_equal(casebus_map_check(build("{reason:'x'}"), ended, true, &fault),
                     CASEBUS_EMISSING);
    assert_fault(&fault, CASEBUS_EMISSING, "status");
    assert_int_equal(casebus_map_check(build("{status:'lost'}"), ended, true, &fault),
                     CASEBUS_EVALUE);
    assert_int_equal(casebus_map_check(build("{status:nil}"), ended, true, &fault),
                     CASEBUS_ETYPE);
    assert_fault(&fault, CASEBUS_ETYPE, "status");
}

static void one_value_is_checked_alone(void **state)
{
    (void)state;
    struct casebus_fault fault = {0};
    const struct casebus_field *url = &casebus_case_schema[CASEBUS_CASE_URL];
    assert_int_equal(casebus_value_check(build("'http://x'"), url, true, &fault), 0);
    assert_int_equal(casebus_value_check(build("nil"), url, true, &fault), 0);
    assert_int_equal(casebus_value_check(build("5"), url, true, &fault), CASEBUS_ETYPE);
    assert_fault(&fault, CASEBUS_ETYPE, "url");
    assert_int_equal(casebus_value_check(casebus_bytes(NULL, 0), url, true, &fault),
                     CASEBUS_EMALFORMED);
}

static void a_url_has_a_limit(void **state)
{
    (void)state;
    parsed(build("{url:%t}", join(BYTES("http://x"), repeat("y", 2040))));
    refused(build("{url:%t}", join(BYTES("http://x"), repeat("y", 2041))), CASEBUS_ETOOLONG,
            "url");
}

static void a_long_name_of_an_unknown_key_is_allowed(void **state)
{
    (void)state;
    struct casebus_record record =
        parsed(build("{a_name_that_is_longer_than_thirty_one_bytes:1,url:'http://x'}"));
    assert_int_equal(record.unknown_count, 1);
    assert_non_null(record.field[CASEBUS_CASE_URL].data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_taken_apart_as_encoded),
        cmocka_unit_test(every_field_is_found_in_any_order),
        cmocka_unit_test(names_have_their_length),
        cmocka_unit_test(unknown_keys_are_counted_and_allowed),
        cmocka_unit_test(a_name_that_only_begins_alike_is_unknown),
        cmocka_unit_test(what_is_not_a_map_is_refused),
        cmocka_unit_test(what_the_store_keeps_is_refused_in_a_report),
        cmocka_unit_test(text_has_a_limit_in_bytes),
        cmocka_unit_test(text_may_have_tabs_and_lines),
        cmocka_unit_test(other_control_characters_are_refused_wherever_they_are),
        cmocka_unit_test(a_blank_name_is_refused),
        cmocka_unit_test(another_text_may_be_empty),
        cmocka_unit_test(text_is_text),
        cmocka_unit_test(days_of_the_calendar_are_dates),
        cmocka_unit_test(other_texts_are_not_dates),
        cmocka_unit_test(a_hearing_is_not_before_the_action),
        cmocka_unit_test(one_date_cleared_is_no_order),
        cmocka_unit_test(money_is_whole_pence_up_to_the_limit),
        cmocka_unit_test(numbers_are_exact_in_every_language),
        cmocka_unit_test(a_url_is_one_of_the_web),
        cmocka_unit_test(a_url_has_no_blanks_or_control_characters),
        cmocka_unit_test(a_choice_is_one_of_its_words),
        cmocka_unit_test(offences_are_maps_with_members),
        cmocka_unit_test(offences_have_a_limit),
        cmocka_unit_test(related_cases_are_case_ids),
        cmocka_unit_test(nil_clears_what_a_report_sets),
        cmocka_unit_test(nil_clears_a_key_of_a_map_that_merges),
        cmocka_unit_test(nil_is_refused_everywhere_else),
        cmocka_unit_test(nil_is_refused_in_a_stored_record),
        cmocka_unit_test(a_new_case_needs_an_offender_with_a_name),
        cmocka_unit_test(what_is_cleared_is_missing_in_a_new_case),
        cmocka_unit_test(the_end_of_a_session_needs_a_status),
        cmocka_unit_test(one_value_is_checked_alone),
        cmocka_unit_test(a_url_has_a_limit),
        cmocka_unit_test(a_long_name_of_an_unknown_key_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
