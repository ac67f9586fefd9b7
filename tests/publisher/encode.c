/* A file's record as a report's data. */
#include "test.h"

#include "encode.h"

#include <casebus/msgpack.h>
#include <stdbool.h>
#include <string.h>

static msgpack_sbuffer out;
static struct row_fault fault;

static int clear(void **state)
{
    (void)state;
    msgpack_sbuffer_destroy(&out);
    msgpack_sbuffer_init(&out);
    return 0;
}

/* Encodes a record given as JSON with ' for "; the result, or fails. */
static int encode(const char *text)
{
    char json[512];
    size_t size = strlen(text);
    assert_true(size < sizeof json);
    for (size_t i = 0; i <= size; i++) {
        json[i] = text[i] == '\'' ? '"' : text[i];
    }
    json_t *record = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(record);
    out.size = 0;
    int error = encode_record(record, &out, &fault);
    json_decref(record);
    return error;
}

static struct casebus_bytes encoded(const char *text)
{
    assert_int_equal(encode(text), 0);
    return casebus_bytes(out.data, out.size);
}

static void is_bytes(struct casebus_bytes bytes, const void *expected, size_t size)
{
    assert_int_equal(bytes.size, size);
    assert_memory_equal(bytes.data, expected, size);
}
#define IS(bytes, text) is_bytes(bytes, text, sizeof text - 1)

static void refused(const char *text, const char *field)
{
    assert_int_equal(encode(text), CASEBUS_EVALUE);
    assert_string_equal(fault.field, field);
}

static uint64_t pence(const char *text, const char *field)
{
    return casebus_as_uint(casebus_map_get(encoded(text), field), UINT64_MAX);
}

static void an_empty_record_is_an_empty_map(void **state)
{
    (void)state;
    IS(encoded("{}"), "\x80");
}

static void the_identity_is_left_out(void **state)
{
    (void)state;
    IS(encoded("{'agency':'hse','regulator_id':'1'}"), "\x80");
}

static void fields_come_in_the_tables_order(void **state)
{
    (void)state;
    IS(encoded("{'url':'u','case_reference':'c'}"), "\x82\xae"
                                                    "case_reference\xa1"
                                                    "c\xa3"
                                                    "url\xa1"
                                                    "u");
}

static void members_come_in_the_tables_order(void **state)
{
    (void)state;
    IS(encoded("{'offender':{'town':'t','name':'n'}}"), "\x81\xa8"
                                                        "offender\x82\xa4"
                                                        "name\xa1"
                                                        "n\xa4"
                                                        "town\xa1"
                                                        "t");
}

static void unknown_keys_are_kept_behind(void **state)
{
    (void)state;
    IS(encoded("{'zzz':1,'url':'u'}"), "\x82\xa3"
                                       "url\xa1"
                                       "u\xa3"
                                       "zzz\x01");
}

static void null_is_nil(void **state)
{
    (void)state;
    IS(encoded("{'url':null}"), "\x81\xa3"
                                "url\xc0");
}

static void extras_stay_as_they_are(void **state)
{
    (void)state;
    IS(encoded("{'ext':{'b':true,'a':[false,-1,1.5]}}"),
       "\x81\xa3"
       "ext\x82\xa1"
       "b\xc3\xa1"
       "a\x93\xc2\xff\xcb\x3f\xf8\0\0\0\0\0\0");
}

static void money_may_be_text(void **state)
{
    (void)state;
    assert_int_equal(pence("{'offence_fine':'£1,234.50'}", "offence_fine_pence"), 123450);
}

static void a_whole_number_of_money_is_pounds(void **state)
{
    (void)state;
    assert_int_equal(pence("{'offence_costs':950}", "offence_costs_pence"), 95000);
}

static void a_decimal_number_of_money_is_pounds(void **state)
{
    (void)state;
    assert_int_equal(pence("{'offence_fine':950.55}", "offence_fine_pence"), 95055);
    assert_int_equal(pence("{'offence_fine':0.29}", "offence_fine_pence"), 29);
}

static void pence_stay_pence(void **state)
{
    (void)state;
    assert_int_equal(pence("{'offence_fine_pence':95055}", "offence_fine_pence"), 95055);
}

static void no_money_clears_the_pence(void **state)
{
    (void)state;
    assert_true(casebus_is_nil(
        casebus_map_get(encoded("{'offence_fine':null}"), "offence_fine_pence")));
}

static void money_given_twice_is_refused(void **state)
{
    (void)state;
    refused("{'offence_fine':'£1','offence_fine_pence':100}", "offence_fine");
}

static void fractions_of_a_penny_are_refused(void **state)
{
    (void)state;
    refused("{'offence_fine':12.345}", "offence_fine");
    refused("{'offence_costs':'£12.345'}", "offence_costs");
}

static void negative_money_is_refused(void **state)
{
    (void)state;
    refused("{'offence_fine':-1}", "offence_fine");
    refused("{'offence_fine':-0.5}", "offence_fine");
}

static void money_of_another_type_is_refused(void **state)
{
    (void)state;
    refused("{'offence_fine':true}", "offence_fine");
}

static void an_offences_fine_is_pence(void **state)
{
    (void)state;
    IS(encoded("{'offences':[{'number':1,'fine':'£2'}]}"), "\x81\xa8"
                                                           "offences\x91\x82\xa6"
                                                           "number\x01\xaa"
                                                           "fine_pence\xcc\xc8");
}

static void an_offence_at_fault_is_named_by_its_place(void **state)
{
    (void)state;
    refused("{'offences':[{},{'fine':'many'}]}", "offences[1].fine");
}

static void an_instant_may_be_text(void **state)
{
    (void)state;
    struct casebus_bytes source =
        casebus_map_get(encoded("{'source':{'fetched_at':'1970-01-01T00:00:01Z'}}"), "source");
    assert_int_equal(casebus_as_uint(casebus_map_get(source, "fetched_at"), 0), 1000000);
}

static void text_that_is_no_instant_is_refused(void **state)
{
    (void)state;
    refused("{'source':{'fetched_at':'yesterday'}}", "source.fetched_at");
}

static void values_of_another_type_are_left_to_the_check(void **state)
{
    (void)state;
    IS(encoded("{'offender':'name'}"), "\x81\xa8"
                                       "offender\xa4"
                                       "name");
    IS(encoded("{'offences':{}}"), "\x81\xa8"
                                   "offences\x80");
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, clear)
    const struct CMUnitTest tests[] = {
        T(an_empty_record_is_an_empty_map),
        T(the_identity_is_left_out),
        T(fields_come_in_the_tables_order),
        T(members_come_in_the_tables_order),
        T(unknown_keys_are_kept_behind),
        T(null_is_nil),
        T(extras_stay_as_they_are),
        T(money_may_be_text),
        T(a_whole_number_of_money_is_pounds),
        T(a_decimal_number_of_money_is_pounds),
        T(pence_stay_pence),
        T(no_money_clears_the_pence),
        T(money_given_twice_is_refused),
        T(fractions_of_a_penny_are_refused),
        T(negative_money_is_refused),
        T(money_of_another_type_is_refused),
        T(an_offences_fine_is_pence),
        T(an_offence_at_fault_is_named_by_its_place),
        T(an_instant_may_be_text),
        T(text_that_is_no_instant_is_refused),
        T(values_of_another_type_are_left_to_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
