/* When two encoded values are the same value. */
#include "proto/test.h"

#include <casebus/limits.h>
#include <stdio.h>

static void same(struct casebus_bytes a, struct casebus_bytes b)
{
    assert_true(casebus_value_equal(a, b));
    assert_true(casebus_value_equal(b, a));
}

static void different(struct casebus_bytes a, struct casebus_bytes b)
{
    assert_false(casebus_value_equal(a, b));
    assert_false(casebus_value_equal(b, a));
}

/* {"k0": 0, "k1": 1, …}, or from the last to the first. */
static struct casebus_bytes wide_map(uint32_t keys, int backwards)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, keys);
    for (uint32_t i = 0; i < keys; i++) {
        char key[24];
        uint32_t number = backwards ? keys - 1 - i : i;
        snprintf(key, sizeof key, "k%u", (unsigned)number);
        casebus_pack_text(&pk, key);
        msgpack_pack_uint32(&pk, number);
    }
    struct casebus_bytes map = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return map;
}

static void integers_are_compared_by_value(void **state)
{
    (void)state;
    same(BYTES("\x05"), BYTES("\xcd\x00\x05"));
    same(BYTES("\x05"), BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x05"));
    same(BYTES("\xff"), BYTES("\xd1\xff\xff"));
    different(build("5"), build("6"));
    different(build("-1"), build("-2"));
    different(BYTES("\xff"), BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
}

static void floats_are_compared_by_value(void **state)
{
    (void)state;
    same(BYTES("\xca\x3f\xc0\x00\x00"), BYTES("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"));
    different(build("%f", 1.5), build("%f", 1.25));
    different(build("%f", 1.0), build("1"));
}

static void text_is_compared_by_content(void **state)
{
    (void)state;
    same(BYTES("\xa2hi"), BYTES("\xd9\x02hi"));
    different(build("'hi'"), build("'ho'"));
    different(build("'hi'"), build("'hi '"));
    different(build("'hi'"), build("%b", BYTES("hi")));
}

static void kinds_differ(void **state)
{
    (void)state;
    different(build("nil"), build("false"));
    different(build("0"), build("false"));
    different(build("[]"), build("{}"));
    different(build("true"), build("false"));
    same(build("nil"), build("nil"));
}

static void the_order_of_an_array_matters(void **state)
{
    (void)state;
    same(BYTES("\x92\x01\x02"), BYTES("\xdc\x00\x02\x01\x02"));
    different(build("[1,2]"), build("[2,1]"));
    different(build("[1,2]"), build("[1,2,3]"));
}

static void the_order_of_keys_does_not_matter(void **state)
{
    (void)state;
    same(build("{a:1,b:2,c:{d:[1],e:2}}"), build("{c:{e:2,d:[1]},b:2,a:1}"));
    same(build("{a:1,b:2,c:3,d:4}"), build("{a:1,c:3,b:2,d:4}"));
}

static void a_value_behind_another_order_is_compared(void **state)
{
    (void)state;
    different(build("{a:1,b:2}"), build("{b:2,a:2}"));
    different(build("{a:1,b:2}"), build("{b:1,a:1}"));
    different(build("{a:1,b:2}"), build("{a:1,b:3}"));
}

static void another_key_is_a_difference(void **state)
{
    (void)state;
    different(build("{a:1}"), build("{b:1}"));
    different(build("{a:1}"), build("{a:1,b:1}"));
    different(build("{a:1,b:2}"), build("{a:1,bb:2}"));
}

static void wide_maps_in_any_order_are_the_same(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {33, CASEBUS_KEYS_MAX, CASEBUS_KEYS_MAX + 1, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        same(wide_map(sizes[i], 0), wide_map(sizes[i], 1));
        different(wide_map(sizes[i], 0), wide_map(sizes[i] - 1, 1));
    }
}

static void reading_goes_on_behind_a_map_in_another_order(void **state)
{
    (void)state;
    same(build("[{a:1,b:2},'behind']"), build("[{b:2,a:1},'behind']"));
    different(build("[{a:1,b:2},'behind']"), build("[{b:2,a:1},'other']"));
}

static void absent_values_are_equal_to_nothing(void **state)
{
    (void)state;
    different(casebus_bytes(NULL, 0), build("nil"));
    assert_false(casebus_value_equal(casebus_bytes(NULL, 0), casebus_bytes(NULL, 0)));
}

static void damaged_values_are_different_and_no_harm(void **state)
{
    (void)state;
    struct casebus_bytes whole = build("{a:[1,{b:'x'}],c:'text'}");
    struct casebus_bytes other = build("{c:'text',a:[1,{b:'x'}]}");
    for (size_t size = 0; size < whole.size; size++) {
        different(keep(whole.data, size), other);
    }
    different(join(repeat("\x91", 100000), build("1")),
              join(repeat("\x91", 100000), build("2")));
}

static void every_kind_is_compared_behind_another_order(void **state)
{
    (void)state;
    struct casebus_bytes bin = BYTES("\xff");
    same(build("{a:nil,b:%b,c:%f,d:true,e:-5,f:[{}]}", bin, 1.5),
         build("{f:[{}],e:-5,d:true,c:%f,b:%b,a:nil}", 1.5, bin));
    different(build("{a:nil,b:%b}", bin), build("{b:%b,a:nil}", BYTES("\xfe")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_compared_by_value),
        cmocka_unit_test(floats_are_compared_by_value),
        cmocka_unit_test(text_is_compared_by_content),
        cmocka_unit_test(kinds_differ),
        cmocka_unit_test(the_order_of_an_array_matters),
        cmocka_unit_test(the_order_of_keys_does_not_matter),
        cmocka_unit_test(a_value_behind_another_order_is_compared),
        cmocka_unit_test(another_key_is_a_difference),
        cmocka_unit_test(wide_maps_in_any_order_are_the_same),
        cmocka_unit_test(reading_goes_on_behind_a_map_in_another_order),
        cmocka_unit_test(absent_values_are_equal_to_nothing),
        cmocka_unit_test(damaged_values_are_different_and_no_harm),
        cmocka_unit_test(every_kind_is_compared_behind_another_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
