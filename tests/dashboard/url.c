/* What a browser asks for: pieces are told apart before they are decoded. */
#include "../subscriber/test.h"

#include "url.h"

static void assert_refused(const char *target, int code)
{
    struct url url;
    assert_int_equal(url_parse(&url, target, URL_TARGET_MAX), code);
    url_free(&url);
}

static struct url parsed(const char *target)
{
    struct url url;
    assert_int_equal(url_parse(&url, target, URL_TARGET_MAX), 0);
    return url;
}

static void the_root_has_no_segments(void **state)
{
    (void)state;
    struct url url = parsed("/");
    assert_int_equal(url.segment_count, 0);
    url_free(&url);
    url = parsed("/?a=b");
    assert_int_equal(url.segment_count, 0);
    assert_string_equal(url_parameter(&url, "a"), "b");
    url_free(&url);
}

static void a_slash_in_an_id_is_none_between_segments(void **state)
{
    (void)state;
    struct url url = parsed("/cases/orr%3AT%2FH%2f2005");
    assert_int_equal(url.segment_count, 2);
    assert_string_equal(url.segment[0], "cases");
    assert_string_equal(url.segment[1], "orr:T/H/2005");
    url_free(&url);
}

static void a_last_slash_is_an_empty_segment(void **state)
{
    (void)state;
    struct url url = parsed("/cases/");
    assert_int_equal(url.segment_count, 2);
    assert_string_equal(url.segment[1], "");
    url_free(&url);
    url = parsed("//");
    assert_int_equal(url.segment_count, 2);
    url_free(&url);
}

static void a_query_is_pairs(void **state)
{
    (void)state;
    struct url url = parsed("/cases?a=1&b=x+y%2B&c&&d=&e=f=g&a=2");
    assert_string_equal(url_parameter(&url, "a"), "1");
    assert_string_equal(url_parameter(&url, "b"), "x y+");
    assert_null(url_parameter(&url, "c"));
    assert_null(url_parameter(&url, "d"));
    assert_string_equal(url_parameter(&url, "e"), "f=g");
    assert_null(url_parameter(&url, "f"));
    assert_int_equal(url.parameter_count, 6);
    url_free(&url);
}

static void a_plus_in_a_path_is_a_plus(void **state)
{
    (void)state;
    struct url url = parsed("/a+b");
    assert_string_equal(url.segment[0], "a+b");
    url_free(&url);
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    const char *const targets[] = {"",      "*",      "http://x/", "/%",      "/%4",
                                   "/%zz",  "/%4%31", "/a%00b",    "/%ff",    "/%ed%a0%80",
                                   "/?a=%", "/?%00",  "/?a=%ff",   "/%c0%af", "/?%zz=1"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        assert_refused(targets[i], CASEBUS_EVALUE);
    }
}

static void more_than_fits_is_refused(void **state)
{
    (void)state;
    char target[URL_TARGET_MAX + 2];
    assert_refused("/1/2/3/4/5/6/7", CASEBUS_ETOOMANY);
    assert_refused("/?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17", CASEBUS_ETOOMANY);
    memset(target, 'x', sizeof target);
    target[0] = '/';
    target[sizeof target - 1] = '\0';
    assert_refused(target, CASEBUS_ETOOLONG);
    target[sizeof target - 2] = '\0';
    struct url url = parsed(target);
    url_free(&url);
}

static void the_limit_is_the_callers(void **state)
{
    (void)state;
    struct url url;
    assert_int_equal(url_parse(&url, "/?ab", 4), 0);
    url_free(&url);
    assert_int_equal(url_parse(&url, "/?abc", 4), CASEBUS_ETOOLONG);
    url_free(&url);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    const char *const piece = "T/H/2005 02?&=+%é\"<>#:;@'~.-_";
    struct text out = {0};
    text_add(&out, "/");
    url_add(&out, casebus_cstr(piece));
    text_add(&out, "?x=");
    url_add(&out, casebus_cstr(piece));
    struct url url = parsed(text_get(&out));
    assert_string_equal(url.segment[0], piece);
    assert_string_equal(url_parameter(&url, "x"), piece);
    assert_null(strpbrk(text_get(&out), "\"<>#&' "));
    url_free(&url);
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_has_no_segments),
        cmocka_unit_test(a_slash_in_an_id_is_none_between_segments),
        cmocka_unit_test(a_last_slash_is_an_empty_segment),
        cmocka_unit_test(a_query_is_pairs),
        cmocka_unit_test(a_plus_in_a_path_is_a_plus),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(more_than_fits_is_refused),
        cmocka_unit_test(the_limit_is_the_callers),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
