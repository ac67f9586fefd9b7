/* The reader: every encoding, its one sticky error, and its bounds. */
#include "proto/test.h"

#include <msgpack.h>

static struct casebus_reader over(struct casebus_bytes data)
{
    struct casebus_reader r;
    casebus_reader_init(&r, data);
    return r;
}

static uint64_t uint_of(struct casebus_bytes data)
{
    struct casebus_reader r = over(data);
    uint64_t number = casebus_read_uint(&r);
    assert_int_equal(r.error, 0);
    assert_ptr_equal(r.at, r.end);
    return number;
}

static int64_t int_of(struct casebus_bytes data)
{
    struct casebus_reader r = over(data);
    int64_t number = casebus_read_int(&r);
    assert_int_equal(r.error, 0);
    assert_ptr_equal(r.at, r.end);
    return number;
}

static void unsigned_integers_have_any_encoding(void **state)
{
    (void)state;
    assert_int_equal(uint_of(BYTES("\x05")), 5);
    assert_int_equal(uint_of(BYTES("\xcc\xff")), 255);
    assert_int_equal(uint_of(BYTES("\xcd\x01\x02")), 0x0102);
    assert_int_equal(uint_of(BYTES("\xce\x01\x02\x03\x04")), 0x01020304);
    assert_int_equal(uint_of(BYTES("\xcf\x01\x02\x03\x04\x05\x06\x07\x08")),
                     UINT64_C(0x0102030405060708));
}

static void a_signed_encoding_of_a_whole_number_is_unsigned(void **state)
{
    (void)state;
    assert_int_equal(uint_of(BYTES("\xd0\x7f")), 127);
    assert_int_equal(uint_of(BYTES("\xd1\x00\x05")), 5);
    assert_int_equal(uint_of(BYTES("\xd2\x00\x00\x00\x05")), 5);
    assert_int_equal(uint_of(BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x05")), 5);
}

static void negative_integers_have_any_encoding(void **state)
{
    (void)state;
    assert_int_equal(int_of(BYTES("\xff")), -1);
    assert_int_equal(int_of(BYTES("\xe0")), -32);
    assert_int_equal(int_of(BYTES("\xd0\x80")), -128);
    assert_int_equal(int_of(BYTES("\xd1\x80\x00")), -32768);
    assert_int_equal(int_of(BYTES("\xd2\xff\xff\xff\xfe")), -2);
    assert_int_equal(int_of(BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")), INT64_MIN);
}

static void a_negative_number_is_not_unsigned(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xff"));
    assert_int_equal(casebus_peek(&r), CASEBUS_INT);
    assert_int_equal(casebus_read_uint(&r), 0);
    assert_int_equal(r.error, CASEBUS_ETYPE);
}

static void a_number_too_large_for_signed_is_refused(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"));
    assert_int_equal(casebus_read_int(&r), 0);
    assert_int_equal(r.error, CASEBUS_EVALUE);
}

static void floats_have_two_encodings(void **state)
{
    (void)state;
    struct casebus_reader r =
        over(BYTES("\xca\x3f\xc0\x00\x00\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00"));
    assert_true(casebus_read_float(&r) > 1.49 && !r.error);
    assert_true(casebus_read_float(&r) < -1.49 && !r.error);
    assert_ptr_equal(r.at, r.end);
}

static void booleans_and_nil_are_read(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xc2\xc3\xc0"));
    assert_false(casebus_read_bool(&r));
    assert_true(casebus_read_bool(&r));
    casebus_read_nil(&r);
    assert_int_equal(r.error, 0);
    assert_ptr_equal(r.at, r.end);
}

static void text_and_bytes_of_every_header_are_read(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xa2hi\xd9\x02hi\xda\x00\x02hi\xdb\x00\x00\x00\x02hi"
                                         "\xc4\x01x\xc5\x00\x01x\xc6\x00\x00\x00\x01x"));
    for (int i = 0; i < 4; i++) {
        assert_text(casebus_read_str(&r), "hi");
    }
    for (int i = 0; i < 3; i++) {
        assert_text(casebus_read_bin(&r), "x");
    }
    assert_int_equal(r.error, 0);
    assert_ptr_equal(r.at, r.end);
}

static void empty_text_is_not_absent(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xa0"));
    struct casebus_bytes text = casebus_read_str(&r);
    assert_int_equal(r.error, 0);
    assert_non_null(text.data);
    assert_int_equal(text.size, 0);
}

static void maps_and_arrays_of_every_header_are_counted(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\x81\xa1"
                                         "a\xdc\x00\x01\xdd\x00\x00\x00\x01\xde\x00\x01\xa1"
                                         "b\xdf\x00\x00\x00\x01\xa1"
                                         "c\x91\x01"));
    assert_int_equal(casebus_read_map(&r), 1);
    assert_text(casebus_read_str(&r), "a");
    assert_int_equal(casebus_read_array(&r), 1);
    assert_int_equal(casebus_read_array(&r), 1);
    assert_int_equal(casebus_read_map(&r), 1);
    assert_text(casebus_read_str(&r), "b");
    assert_int_equal(casebus_read_map(&r), 1);
    assert_text(casebus_read_str(&r), "c");
    assert_int_equal(casebus_read_array(&r), 1);
    assert_int_equal(casebus_read_uint(&r), 1);
    assert_int_equal(r.error, 0);
}

static void a_count_that_the_bytes_cannot_hold_is_refused(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xdd\xff\xff\xff\xff\x01"));
    assert_int_equal(casebus_read_array(&r), 0);
    assert_int_equal(r.error, CASEBUS_EMALFORMED);
    r = over(BYTES("\x82\x01\x02\x03"));
    assert_int_equal(casebus_read_map(&r), 0);
    assert_int_equal(r.error, CASEBUS_EMALFORMED);
}

static void the_first_error_stays_and_everything_after_it_is_empty(void **state)
{
    (void)state;
    struct casebus_reader r = over(BYTES("\xa1x\x05\xa1y\x91\x01"));
    assert_int_equal(casebus_read_uint(&r), 0);
    assert_int_equal(r.error, CASEBUS_ETYPE);
    assert_int_equal(casebus_peek(&r), CASEBUS_NONE);
    assert_int_equal(casebus_read_uint(&r), 0);
    assert_null(casebus_read_str(&r).data);
    assert_null(casebus_read_bin(&r).data);
    assert_null(casebus_read_raw(&r).data);
    assert_int_equal(casebus_read_map(&r), 0);
    assert_int_equal(casebus_read_array(&r), 0);
    assert_int_equal(r.error, CASEBUS_ETYPE);
}

static void a_cut_value_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    struct casebus_bytes whole =
        build("{a:[1,300,70000,%u],b:'text of some length',c:%b}", UINT64_MAX, BYTES("bytes"));
    for (size_t size = 0; size < whole.size; size++) {
        struct casebus_reader r = over(keep(whole.data, size));
        assert_null(casebus_read_raw(&r).data);
        assert_int_equal(r.error, CASEBUS_EMALFORMED);
    }
}

static void an_extension_is_refused(void **state)
{
    (void)state;
    static const char *const ext[] = {"\xd4\x01x", "\xd5\x01xx", "\xc7\x01\x01x",
                                      "\xc8\x01\x01\x01x", "\xc9\x01\x01\x01\x01\x01x"};
    for (size_t i = 0; i < sizeof ext / sizeof ext[0]; i++) {
        struct casebus_reader r = over(casebus_cstr(ext[i]));
        casebus_skip(&r);
        assert_int_equal(r.error, CASEBUS_ETYPE);
    }
}

static void raw_is_the_next_value_whole(void **state)
{
    (void)state;
    struct casebus_bytes inner = build("{a:[1,{b:nil}],c:'x'}");
    struct casebus_bytes outer = build("[%r,7]", inner);
    struct casebus_reader r = over(outer);
    casebus_read_array(&r);
    assert_bytes(casebus_read_raw(&r), inner);
    assert_int_equal(casebus_read_uint(&r), 7);
    assert_int_equal(r.error, 0);
}

/* With zeros behind it, as many as there are values in the longest that a byte alone says. */
static void every_first_byte_is_passed_as_msgpack_c_passes_it(void **state)
{
    (void)state;
    unsigned char bytes[64] = {0};
    for (unsigned first = 0; first < 256; first++) {
        bytes[0] = (unsigned char)first;
        size_t size = 0;
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        bool whole = msgpack_unpack_next(&unpacked, (const char *)bytes, sizeof bytes, &size) ==
                         MSGPACK_UNPACK_SUCCESS &&
                     unpacked.data.type != MSGPACK_OBJECT_EXT;
        msgpack_unpacked_destroy(&unpacked);
        struct casebus_reader r = over(keep(bytes, sizeof bytes));
        assert_int_equal(casebus_read_raw(&r).size, whole ? size : 0);
        if (whole && size > 1) {
            r = over(keep(bytes, size - 1));
            assert_null(casebus_read_raw(&r).data);
            assert_int_equal(r.error, CASEBUS_EMALFORMED);
        }
    }
}

static void several_values_are_passed_at_once(void **state)
{
    (void)state;
    struct casebus_bytes list = build("['a',{b:[1,2]},nil,7]");
    struct casebus_reader r = over(list);
    casebus_skip_values(&r, casebus_read_array(&r) - 1);
    assert_int_equal(casebus_read_uint(&r), 7);
    casebus_skip_values(&r, 0);
    assert_int_equal(r.error, 0);
    casebus_skip_values(&r, 1);
    assert_int_equal(r.error, CASEBUS_EMALFORMED);
}

static void a_short_text_is_known_before_it_is_read(void **state)
{
    (void)state;
    struct casebus_bytes list = build("['version','versions','ver',7]");
    struct casebus_reader r = over(list);
    const bool expected[] = {true, false, false, false, false};
    casebus_read_array(&r);
    for (unsigned i = 0; i < 5; i++) { /* the last one behind the end */
        assert_int_equal(casebus_is_next(&r, casebus_cstr("version")), expected[i]);
        casebus_skip(&r);
    }
    struct casebus_bytes cut = keep("\xa7versio", 7);
    r = over(cut);
    assert_false(casebus_is_next(&r, casebus_cstr("version")));
}

static void raw_passes_any_nesting(void **state)
{
    (void)state;
    struct casebus_bytes deep = repeat("\x91", 100000);
    struct casebus_reader r = over(deep);
    assert_null(casebus_read_raw(&r).data);
    assert_int_equal(r.error, CASEBUS_EMALFORMED);
}

static void a_key_of_a_map_is_found(void **state)
{
    (void)state;
    struct casebus_bytes map = build("{a:1,long_name:{a:2},b:'x'}");
    assert_text(casebus_as_str(casebus_map_get(map, "b")), "x");
    assert_int_equal(
        casebus_as_uint(casebus_map_get(casebus_map_get(map, "long_name"), "a"), 0), 2);
}

static void a_key_that_is_not_there_is_absent(void **state)
{
    (void)state;
    assert_null(casebus_map_get(build("{a:1,abc:2}"), "ab").data);
    assert_null(casebus_map_get(build("[1,2]"), "a").data);
    assert_null(casebus_map_get(casebus_bytes(NULL, 0), "a").data);
}

static void another_type_is_missing(void **state)
{
    (void)state;
    assert_int_equal(casebus_as_uint(build("'5'"), 42), 42);
    assert_int_equal(casebus_as_uint(casebus_bytes(NULL, 0), 42), 42);
    assert_true(casebus_as_bool(build("0"), true));
    assert_false(casebus_as_bool(casebus_bytes(NULL, 0), false));
    assert_false(casebus_as_bool(build("false"), true));
    assert_null(casebus_as_str(build("5")).data);
    assert_null(casebus_as_bin(build("'text'")).data);
}

static void nil_is_recognised(void **state)
{
    (void)state;
    assert_true(casebus_is_nil(build("nil")));
    assert_false(casebus_is_nil(build("false")));
    assert_false(casebus_is_nil(casebus_bytes(NULL, 0)));
}

static void order_is_memcmp_with_the_shorter_first(void **state)
{
    (void)state;
    assert_true(casebus_bytes_compare(BYTES("ab"), BYTES("abc")) < 0);
    assert_true(casebus_bytes_compare(BYTES("b"), BYTES("abc")) > 0);
    assert_true(casebus_bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_int_equal(casebus_bytes_compare(BYTES("abc"), BYTES("abc")), 0);
    assert_true(casebus_bytes_compare(casebus_bytes(NULL, 0), BYTES("a")) < 0);
}

static void a_whole_number_is_signed_too(void **state)
{
    (void)state;
    assert_int_equal(int_of(BYTES("\x05")), 5);
    assert_int_equal(int_of(BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff")), INT64_MAX);
}

static void text_read_as_a_signed_number_is_refused(void **state)
{
    (void)state;
    struct casebus_reader r = over(build("'5'"));
    assert_int_equal(casebus_read_int(&r), 0);
    assert_int_equal(r.error, CASEBUS_ETYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_integers_have_any_encoding),
        cmocka_unit_test(a_signed_encoding_of_a_whole_number_is_unsigned),
        cmocka_unit_test(negative_integers_have_any_encoding),
        cmocka_unit_test(a_negative_number_is_not_unsigned),
        cmocka_unit_test(a_number_too_large_for_signed_is_refused),
        cmocka_unit_test(floats_have_two_encodings),
        cmocka_unit_test(booleans_and_nil_are_read),
        cmocka_unit_test(text_and_bytes_of_every_header_are_read),
        cmocka_unit_test(empty_text_is_not_absent),
        cmocka_unit_test(maps_and_arrays_of_every_header_are_counted),
        cmocka_unit_test(a_count_that_the_bytes_cannot_hold_is_refused),
        cmocka_unit_test(the_first_error_stays_and_everything_after_it_is_empty),
        cmocka_unit_test(a_cut_value_is_refused_wherever_it_is_cut),
        cmocka_unit_test(an_extension_is_refused),
        cmocka_unit_test(raw_is_the_next_value_whole),
        cmocka_unit_test(every_first_byte_is_passed_as_msgpack_c_passes_it),
        cmocka_unit_test(several_values_are_passed_at_once),
        cmocka_unit_test(a_short_text_is_known_before_it_is_read),
        cmocka_unit_test(raw_passes_any_nesting),
        cmocka_unit_test(a_key_of_a_map_is_found),
        cmocka_unit_test(a_key_that_is_not_there_is_absent),
        cmocka_unit_test(another_type_is_missing),
        cmocka_unit_test(nil_is_recognised),
        cmocka_unit_test(order_is_memcmp_with_the_shorter_first),
        cmocka_unit_test(a_whole_number_is_signed_too),
        cmocka_unit_test(text_read_as_a_signed_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
