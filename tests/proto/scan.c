/* What passes the scan and what does not, and the path it gives. */
#include "proto/test.h"

#include <casebus/limits.h>
#include <stdio.h>
#include <string.h>

static void passes(struct casebus_bytes data)
{
    struct casebus_fault fault = {0};
    int error = casebus_scan(data, casebus_scan_limits(), &fault);
    if (error) {
        fail_msg("%s at \"%s\"", casebus_strerror(error), fault.field);
    }
}

static void refused(struct casebus_bytes data, int code, const char *field)
{
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_scan(data, casebus_scan_limits(), &fault), code);
    assert_fault(&fault, code, field);
    assert_int_equal(casebus_scan(data, casebus_scan_limits(), NULL), code);
}

/* {"k0": 0, "k1": 0, …} with one key twice where `twice` is one of them. */
static struct casebus_bytes wide_map(uint32_t keys, uint32_t twice)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, keys);
    for (uint32_t i = 0; i < keys; i++) {
        char key[24];
        uint32_t number = i == keys - 1 && twice < keys ? twice : i;
        snprintf(key, sizeof key, "k%u", (unsigned)number);
        casebus_pack_text(&pk, key);
        msgpack_pack_int(&pk, 0);
    }
    struct casebus_bytes map = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return map;
}

/* An array in an array in an array …, the innermost empty. */
static struct casebus_bytes nested(size_t levels)
{
    struct casebus_bytes outer = repeat("\x91", levels - 1);
    return join(outer, BYTES("\x90"));
}

static struct casebus_bytes nils(unsigned count)
{
    unsigned char head[] = {0xdc, (unsigned char)(count >> 8), (unsigned char)count};
    return join(keep(head, sizeof head), repeat("\xc0", count));
}

static void one_value_of_every_kind_passes(void **state)
{
    (void)state;
    passes(build("{a:1,b:-1,c:'t\xc3\xa4xt',d:%b,e:nil,f:true,g:[1,[2]],h:{i:{}},j:%f}",
                 BYTES("\x00\xff"), 1.5));
    passes(build("7"));
}

static void nothing_is_refused(void **state)
{
    (void)state;
    refused(BYTES(""), CASEBUS_EMALFORMED, "");
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct casebus_bytes whole = build("{a:[1,300],bc:{d:'text'},e:%b}", BYTES("bytes"));
    for (size_t size = 0; size < whole.size; size++) {
        assert_int_equal(casebus_scan(keep(whole.data, size), casebus_scan_limits(), NULL),
                         CASEBUS_EMALFORMED);
    }
}

static void trailing_bytes_are_refused(void **state)
{
    (void)state;
    refused(BYTES("\x80\x00"), CASEBUS_EMALFORMED, "");
}

static void a_count_beyond_the_bytes_is_refused(void **state)
{
    (void)state;
    refused(BYTES("\x81\xa1"
                  "a\xdd\xff\xff\xff\xff\x00"),
            CASEBUS_EMALFORMED, "a");
    refused(BYTES("\xdf\x7f\xff\xff\xff\xa1"
                  "a\x00"),
            CASEBUS_EMALFORMED, "");
    refused(BYTES("\x81\xa1"
                  "a\xdb\xff\xff\xff\xff\x00"),
            CASEBUS_EMALFORMED, "a");
}

static void sixteen_levels_pass(void **state)
{
    (void)state;
    passes(nested(CASEBUS_DEPTH_MAX));
}

static void seventeen_levels_are_refused(void **state)
{
    (void)state;
    refused(nested(CASEBUS_DEPTH_MAX + 1), CASEBUS_EDEPTH,
            "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]");
}

static void a_reply_may_be_deeper(void **state)
{
    (void)state;
    assert_int_equal(
        casebus_scan(nested(CASEBUS_DEPTH_MAX + 8), casebus_scan_limits_reply(), NULL), 0);
    assert_int_equal(casebus_scan(nested(100000), casebus_scan_limits_reply(), NULL),
                     CASEBUS_EDEPTH);
}

static void as_many_values_as_allowed_pass(void **state)
{
    (void)state;
    passes(nils(CASEBUS_ELEMENTS_MAX));
}

static void one_value_more_is_refused(void **state)
{
    (void)state;
    refused(nils(CASEBUS_ELEMENTS_MAX + 1), CASEBUS_ETOOMANY, "");
}

static void values_are_counted_over_all_levels(void **state)
{
    (void)state;
    struct casebus_scan_limits limits = casebus_scan_limits();
    struct casebus_bytes six = build("[[1,2],[3,4]]");
    limits.elements = 6;
    assert_int_equal(casebus_scan(six, limits, NULL), 0);
    limits.elements = 5;
    assert_int_equal(casebus_scan(six, limits, NULL), CASEBUS_ETOOMANY);
}

static void as_many_keys_as_allowed_pass(void **state)
{
    (void)state;
    passes(wide_map(CASEBUS_KEYS_MAX, UINT32_MAX));
}

static void one_key_more_is_refused(void **state)
{
    (void)state;
    refused(wide_map(CASEBUS_KEYS_MAX + 1, UINT32_MAX), CASEBUS_ETOOMANY, "");
}

static void heads_of_every_agency_pass_as_a_reply(void **state)
{
    (void)state;
    struct casebus_bytes heads = wide_map(CASEBUS_AGENCIES_MAX * 13, UINT32_MAX);
    assert_int_equal(casebus_scan(heads, casebus_scan_limits_reply(), NULL), 0);
}

static void a_key_twice_is_refused_whatever_the_size_of_the_map(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {2, 3, 16, 31, 32, 33, 34, 100, 511, 512};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t places[] = {0, (sizes[i] - 1) / 2, sizes[i] - 2};
        for (size_t n = 0; n < 3; n++) {
            char name[24];
            passes(wide_map(sizes[i], UINT32_MAX));
            snprintf(name, sizeof name, "k%u", (unsigned)places[n]);
            refused(wide_map(sizes[i], places[n]), CASEBUS_EDUPLICATE, name);
        }
    }
}

static void the_same_key_in_two_maps_passes(void **state)
{
    (void)state;
    passes(build("{a:{a:1,b:2},b:{a:1,b:2},c:[{a:1},{a:1}]}"));
}

static void a_key_twice_behind_a_nested_map_is_found(void **state)
{
    (void)state;
    refused(build("{a:{b:{c:1,d:2,c:3}}}"), CASEBUS_EDUPLICATE, "a.b.c");
    refused(build("{a:1,b:{a:1,c:{d:1}},a:2}"), CASEBUS_EDUPLICATE, "a");
}

static void keys_that_look_alike_pass(void **state)
{
    (void)state;
    passes(build("{aaaaaaaaXbbbbbbbb:1,aaaaaaaaYbbbbbbbb:2,aaaaaaaaZbbbbbbbb:3}"));
}

static void a_key_that_is_not_text_is_refused(void **state)
{
    (void)state;
    refused(BYTES("\x81\x01\x01"), CASEBUS_ETYPE, "");
    refused(BYTES("\x81\xc4\x01x\x01"), CASEBUS_ETYPE, "");
}

static void an_empty_key_is_refused(void **state)
{
    (void)state;
    refused(BYTES("\x81\xa1"
                  "a\x81\xa0\x01"),
            CASEBUS_EVALUE, "a");
}

static void a_key_of_128_bytes_passes(void **state)
{
    (void)state;
    char format[160];
    snprintf(format, sizeof format, "{%.*s:1}", CASEBUS_KEY_MAX,
             (const char *)repeat("k", CASEBUS_KEY_MAX).data);
    passes(build(format));
}

static void a_key_of_129_bytes_is_refused(void **state)
{
    (void)state;
    char format[160];
    snprintf(format, sizeof format, "{%.*s:1}", CASEBUS_KEY_MAX + 1,
             (const char *)repeat("k", CASEBUS_KEY_MAX + 1).data);
    refused(build(format), CASEBUS_ETOOLONG, "");
}

static void bad_utf8_is_refused_in_texts_and_keys(void **state)
{
    (void)state;
    refused(build("{a:['ok','\xff']}"), CASEBUS_EUTF8, "a[1]");
    refused(build("{a:{b\xff:1}}"), CASEBUS_EUTF8, "a");
    refused(build("{a:'a longer text with \xc3\x28 in it'}"), CASEBUS_EUTF8, "a");
}

static void bytes_that_are_not_text_may_hold_anything(void **state)
{
    (void)state;
    passes(build("{a:%b}", BYTES("\xff\xfe\x00")));
}

static void extensions_are_refused(void **state)
{
    (void)state;
    refused(BYTES("\x81\xa1"
                  "a\xd4\x01x"),
            CASEBUS_ETYPE, "a");
    refused(BYTES("\x81\xa1"
                  "a\xc7\x02\x01xx"),
            CASEBUS_ETYPE, "a");
}

static void the_byte_that_means_nothing_is_refused(void **state)
{
    (void)state;
    refused(BYTES("\x91\xc1"), CASEBUS_EMALFORMED, "[0]");
}

static void floats_that_are_no_number_are_refused(void **state)
{
    (void)state;
    refused(BYTES("\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), CASEBUS_EVALUE, "[0]");
    refused(BYTES("\x91\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), CASEBUS_EVALUE, "[0]");
    refused(BYTES("\x91\xca\x7f\x80\x00\x00"), CASEBUS_EVALUE, "[0]");
    passes(BYTES("\x91\xca\x7f\x7f\xff\xff"));
}

static void a_path_names_keys_and_indexes(void **state)
{
    (void)state;
    refused(build("{data:{offences:[{a:1},{a:1},{b:1,c:'\xff'}]}}"), CASEBUS_EUTF8,
            "data.offences[2].c");
}

static void a_path_too_long_is_cut_at_its_end(void **state)
{
    (void)state;
    struct casebus_fault fault;
    char format[400];
    snprintf(format, sizeof format, "{a:{%.*s:{%.*s:'\xff'}}}", 100,
             (const char *)repeat("\xc3\xa4", 50).data, 60, (const char *)repeat("z", 60).data);
    assert_int_equal(casebus_scan(build(format), casebus_scan_limits(), &fault), CASEBUS_EUTF8);
    assert_int_equal(strlen(fault.field), sizeof fault.field - 2);
    assert_memory_equal(fault.field, "a.\xc3\xa4", 4);
    assert_true(casebus_utf8_valid(casebus_cstr(fault.field)));
}

static void control_characters_of_a_key_do_not_reach_a_path(void **state)
{
    (void)state;
    refused(build("{a\x1b(2J:{b\xc2\x9b:1,c:'\xff'}}"), CASEBUS_EUTF8, "a?(2J.c");
    refused(build("{b\xc2\x9b:'\xff'}"), CASEBUS_EUTF8, "b??");
    refused(build("{a b\xc2\xa0:'\xff'}"), CASEBUS_EUTF8, "a b\xc2\xa0");
    refused(BYTES("\x81\xa3"
                  "a\0b\xa1\xff"),
            CASEBUS_EUTF8, "a?b");
}

/* However trusted: the keys of all maps open at once have their place on a stack. */
static void keys_of_nested_wide_maps_are_bounded(void **state)
{
    (void)state;
    uint32_t most = casebus_scan_limits_reply().keys;
    struct casebus_bytes inner = build("1");
    for (int level = 0; level < 3; level++) {
        struct casebus_bytes map = wide_map(most, UINT32_MAX);
        inner = join(keep(map.data, map.size - 1), inner); /* in place of its last value */
        assert_int_equal(casebus_scan(inner, casebus_scan_limits_reply(), NULL),
                         level < 2 ? 0 : CASEBUS_ETOOMANY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_of_every_kind_passes),
        cmocka_unit_test(nothing_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(trailing_bytes_are_refused),
        cmocka_unit_test(a_count_beyond_the_bytes_is_refused),
        cmocka_unit_test(sixteen_levels_pass),
        cmocka_unit_test(seventeen_levels_are_refused),
        cmocka_unit_test(a_reply_may_be_deeper),
        cmocka_unit_test(as_many_values_as_allowed_pass),
        cmocka_unit_test(one_value_more_is_refused),
        cmocka_unit_test(values_are_counted_over_all_levels),
        cmocka_unit_test(as_many_keys_as_allowed_pass),
        cmocka_unit_test(one_key_more_is_refused),
        cmocka_unit_test(heads_of_every_agency_pass_as_a_reply),
        cmocka_unit_test(a_key_twice_is_refused_whatever_the_size_of_the_map),
        cmocka_unit_test(the_same_key_in_two_maps_passes),
        cmocka_unit_test(a_key_twice_behind_a_nested_map_is_found),
        cmocka_unit_test(keys_that_look_alike_pass),
        cmocka_unit_test(a_key_that_is_not_text_is_refused),
        cmocka_unit_test(an_empty_key_is_refused),
        cmocka_unit_test(a_key_of_128_bytes_passes),
        cmocka_unit_test(a_key_of_129_bytes_is_refused),
        cmocka_unit_test(bad_utf8_is_refused_in_texts_and_keys),
        cmocka_unit_test(bytes_that_are_not_text_may_hold_anything),
        cmocka_unit_test(extensions_are_refused),
        cmocka_unit_test(the_byte_that_means_nothing_is_refused),
        cmocka_unit_test(floats_that_are_no_number_are_refused),
        cmocka_unit_test(a_path_names_keys_and_indexes),
        cmocka_unit_test(a_path_too_long_is_cut_at_its_end),
        cmocka_unit_test(control_characters_of_a_key_do_not_reach_a_path),
        cmocka_unit_test(keys_of_nested_wide_maps_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
