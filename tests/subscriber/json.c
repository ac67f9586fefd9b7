/* msgpack and events as JSON. */
#include "pack.h"

#include "json.h"

#include <stdlib.h>

static void assert_json(const json_t *value, const char *expected)
{
    struct text text = {0};
    assert_non_null(value);
    json_write(value, false, &text);
    assert_string_equal(text_get(&text), expected);
    text_free(&text);
}

static void assert_converts(const char *given, const char *expected)
{
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    json_t *value = json_from_value(pack(&buffer, given));
    assert_json(value, expected);
    json_decref(value);
    msgpack_sbuffer_destroy(&buffer);
}

static void assert_bytes_convert(struct casebus_bytes given, const char *expected)
{
    json_t *value = json_from_value(given);
    assert_json(value, expected);
    json_decref(value);
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
    assert_converts("\"\\u001b[31m\\u009b\\u007f\"", "\"\\u001B[31m\\u009b\\u007f\"");
}

static void the_largest_signed_integer_is_a_number(void **state)
{
    (void)state;
    assert_bytes_convert(casebus_bytes("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9),
                         "9223372036854775807");
}

static void an_integer_beyond_json_keeps_its_digits(void **state)
{
    (void)state;
    assert_bytes_convert(casebus_bytes("\xcf\x80\x00\x00\x00\x00\x00\x00\x00", 9),
                         "\"9223372036854775808\"");
}

static void cut_bytes_are_no_value(void **state)
{
    (void)state;
    assert_null(json_from_value(casebus_bytes("\x82\xa1\x61\x01\xa1", 5)));
    assert_null(json_from_value(casebus_bytes("\x93\x01", 2)));
    assert_null(json_from_value(casebus_bytes("", 0)));
}

static void nesting_without_end_is_no_value(void **state)
{
    (void)state;
    unsigned char deep[1000];
    memset(deep, 0x91, sizeof deep);
    assert_null(json_from_value(casebus_bytes(deep, sizeof deep)));
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
    json_t *object = json_from_event(&event);
    assert_json(object,
                "{\"topic\": \"case:updated:hse:48:\", \"epoch\": \"65706f63682d3100\", "
                "\"event\": \"updated\", \"seq\": 9, \"prev\": 7, \"prev_topic\": 3, "
                "\"at\": 1700000000000000, \"actor\": \"local\", \"session\": \"S1\", "
                "\"version\": 2, \"changed\": [{\"field\": \"url\", \"new\": "
                "\"http://x\"}], \"payload\": {\"id\": \"hse:48\"}}");
    json_decref(object);
    msgpack_sbuffer_destroy(&changed);
    msgpack_sbuffer_destroy(&payload);
}

static void what_an_event_lacks_is_absent(void **state)
{
    (void)state;
    static const char *const optional[] = {"session", "version", "changed", "payload", "thin"};
    const struct casebus_event event = make_event("session:ended:hse:S1:", 1, 0, 0);
    json_t *object = json_from_event(&event);
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        assert_null(json_object_get(object, optional[i]));
    }
    assert_int_equal(json_object_size(object), 8);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stay_what_they_are),
        cmocka_unit_test(keys_keep_their_order),
        cmocka_unit_test(bytes_are_lowercase_hex),
        cmocka_unit_test(text_with_a_nul_is_whole),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(the_largest_signed_integer_is_a_number),
        cmocka_unit_test(an_integer_beyond_json_keeps_its_digits),
        cmocka_unit_test(cut_bytes_are_no_value),
        cmocka_unit_test(nesting_without_end_is_no_value),
        cmocka_unit_test(an_event_has_the_names_of_the_protocol),
        cmocka_unit_test(what_an_event_lacks_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
