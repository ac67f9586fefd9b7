/* msgpack and events as JSON. */
#include "pack.h"

#include "json.h"

/* The value as one line; NULL: it is none. */
static void assert_bytes_convert(struct casebus_bytes given, const char *expected)
{
    struct text text = {0};
    struct json json = json_begin(&text, false);
    json_value(&json, given);
    assert_int_equal(json.broken, expected == NULL);
    if (expected != NULL) {
        assert_string_equal(text_get(&text), expected);
    }
    text_free(&text);
}

static void assert_converts(const char *given, const char *expected)
{
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    assert_bytes_convert(pack(&buffer, given), expected);
    msgpack_sbuffer_destroy(&buffer);
}

static void values_stay_what_they_are(void **state)
{
    (void)state;
    static const char json[] = "{\"a\": [1, -1, 2.5, true, false, null, \"Siân\"], \"b\": {}}";
    assert_converts(json, json);
}

static void keys_keep_their_order(void **state)
{
    (void)state;
    assert_converts("{\"z\": 1, \"a\": 2, \"m\": 3}", "{\"z\": 1, \"a\": 2, \"m\": 3}");
}

static void bytes_are_lowercase_hex(void **state)
{
    (void)state;
    assert_converts("{\"epoch\": \"0x00ffab12\"}", "{\"epoch\": \"00ffab12\"}");
}

static void text_with_a_nul_is_whole(void **state)
{
    (void)state;
    assert_converts("\"a\\u0000b\"", "\"a\\u0000b\"");
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    assert_converts("\"\\u001b[31m\\u009b\\u007f\"", "\"\\u001b[31m\\u009b\\u007f\"");
}

static void quotes_and_backslashes_are_escaped(void **state)
{
    (void)state;
    assert_converts("\"a\\\"b\\\\c/\"", "\"a\\\"b\\\\c/\"");
}

static void the_largest_integer_keeps_its_digits(void **state)
{
    (void)state;
    assert_bytes_convert(casebus_bytes("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9),
                         "18446744073709551615");
}

static void the_lowest_integer_keeps_its_digits(void **state)
{
    (void)state;
    assert_bytes_convert(casebus_bytes("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9),
                         "-9223372036854775808");
}

static void a_whole_float_stays_a_float(void **state)
{
    (void)state;
    assert_converts("[3.0, 0.1, 1e300]", "[3.0, 0.10000000000000001, 1.0000000000000001e+300]");
}

static void cut_bytes_are_no_value(void **state)
{
    (void)state;
    assert_bytes_convert(casebus_bytes("\x82\xa1\x61\x01\xa1", 5), NULL);
    assert_bytes_convert(casebus_bytes("\x93\x01", 2), NULL);
    assert_bytes_convert(casebus_bytes("", 0), NULL);
}

static void nesting_without_end_is_no_value(void **state)
{
    (void)state;
    unsigned char deep[1000];
    memset(deep, 0x91, sizeof deep);
    assert_bytes_convert(casebus_bytes(deep, sizeof deep), NULL);
}

static void for_people_it_goes_over_lines(void **state)
{
    (void)state;
    msgpack_sbuffer buffer;
    struct text text = {0};
    struct json json = json_begin(&text, true);
    msgpack_sbuffer_init(&buffer);
    json_value(&json, pack(&buffer, "{\"a\": [1, 2], \"b\": {}, \"c\": []}"));
    assert_string_equal(text_get(&text), "{\n  \"a\": [\n    1,\n    2\n  ],\n"
                                         "  \"b\": {},\n  \"c\": []\n}");
    text_free(&text);
    msgpack_sbuffer_destroy(&buffer);
}

static void pairs_go_into_the_open_object(void **state)
{
    (void)state;
    msgpack_sbuffer buffer;
    struct text text = {0};
    struct json json = json_begin(&text, false);
    msgpack_sbuffer_init(&buffer);
    json_open(&json, '{');
    json_pairs(&json, pack(&buffer, "{}"));
    json_pairs(&json, pack(&buffer, "{\"a\": 1, \"b\": [true]}"));
    json_key(&json, casebus_cstr("c"));
    json_hex(&json, casebus_bytes("\x0f", 1));
    json_close(&json, '}');
    assert_string_equal(text_get(&text), "{\"a\": 1, \"b\": [true], \"c\": \"0f\"}");
    text_free(&text);
    msgpack_sbuffer_destroy(&buffer);
}

static void assert_event(const struct casebus_event *event, const char *expected)
{
    struct text text = {0};
    struct json json = json_begin(&text, false);
    json_event(&json, event);
    assert_false(json.broken);
    assert_string_equal(text_get(&text), expected);
    text_free(&text);
}

static void an_event_has_the_names_of_the_protocol(void **state)
{
    (void)state;
    msgpack_sbuffer changed, payload;
    msgpack_sbuffer_init(&changed);
    msgpack_sbuffer_init(&payload);
    struct casebus_event event = make_event("case:updated:hse:48:", 9, 7, 3);
    event.session = casebus_cstr("S1");
    event.version = 2;
    event.changed = pack(&changed, "[{\"field\": \"url\", \"new\": \"http://x\"}]");
    event.payload = pack(&payload, "{\"id\": \"hse:48\"}");
    assert_event(&event, "{\"topic\": \"case:updated:hse:48:\", \"epoch\": "
                         "\"65706f63682d3100\", \"event\": \"updated\", \"seq\": 9, "
                         "\"prev\": 7, \"prev_topic\": 3, \"at\": 1700000000000000, "
                         "\"actor\": \"local\", \"session\": \"S1\", \"version\": 2, "
                         "\"changed\": [{\"field\": \"url\", \"new\": \"http://x\"}], "
                         "\"payload\": {\"id\": \"hse:48\"}}");
    msgpack_sbuffer_destroy(&changed);
    msgpack_sbuffer_destroy(&payload);
}

static void what_an_event_lacks_is_absent(void **state)
{
    (void)state;
    const struct casebus_event event = make_event("session:ended:hse:S1:", 1, 0, 0);
    assert_event(&event, "{\"topic\": \"session:ended:hse:S1:\", \"epoch\": "
                         "\"65706f63682d3100\", \"event\": \"ended\", \"seq\": 1, "
                         "\"prev\": 0, \"prev_topic\": 0, \"at\": 1700000000000000, "
                         "\"actor\": \"local\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stay_what_they_are),
        cmocka_unit_test(keys_keep_their_order),
        cmocka_unit_test(bytes_are_lowercase_hex),
        cmocka_unit_test(text_with_a_nul_is_whole),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(quotes_and_backslashes_are_escaped),
        cmocka_unit_test(the_largest_integer_keeps_its_digits),
        cmocka_unit_test(the_lowest_integer_keeps_its_digits),
        cmocka_unit_test(a_whole_float_stays_a_float),
        cmocka_unit_test(cut_bytes_are_no_value),
        cmocka_unit_test(nesting_without_end_is_no_value),
        cmocka_unit_test(for_people_it_goes_over_lines),
        cmocka_unit_test(pairs_go_into_the_open_object),
        cmocka_unit_test(an_event_has_the_names_of_the_protocol),
        cmocka_unit_test(what_an_event_lacks_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
