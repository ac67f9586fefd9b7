/* HTML: nothing that somebody else wrote is markup, and templates are filled. */
#include "../subscriber/test.h"

#include "asset.h"
#include "template.h"

#include <stdio.h>

static void assert_html(const char *words, const char *expected)
{
    struct text out = {0};
    html_add(&out, casebus_cstr(words));
    assert_string_equal(text_get(&out), expected);
    text_free(&out);
}

static void markup_becomes_entities(void **state)
{
    (void)state;
    assert_html("<script>alert('x')</script>",
                "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    assert_html("\"><img src=x onerror=y>", "&quot;&gt;&lt;img src=x onerror=y&gt;");
    assert_html("a & b &amp; c", "a &amp; b &amp;amp; c");
    assert_html("", "");
}

static void words_of_all_languages_stay(void **state)
{
    (void)state;
    assert_html("Siân & Söhne, 東京", "Siân &amp; Söhne, 東京");
}

static void lines_stay_lines(void **state)
{
    (void)state;
    assert_html("one\ntwo\tthree", "one\ntwo\tthree");
}

static void what_hides_or_turns_is_spelled_out(void **state)
{
    (void)state;
    assert_html("abc\u202edcba\u200b", "abc\\u202edcba\\u200b");
    assert_html("a\x1b[31m\rb\x7f", "a\\x1b[31m\\rb\\x7f");
}

static void bytes_that_are_no_text_are_shown(void **state)
{
    (void)state;
    assert_html("a\xff<\xc3", "a\\xff&lt;\\xc3");
}

static void assert_link(const char *url, const char *expected)
{
    struct text out = {0};
    html_add_link(&out, casebus_cstr(url));
    assert_string_equal(text_get(&out), expected);
    text_free(&out);
}

static void only_web_addresses_are_links(void **state)
{
    (void)state;
    assert_link("https://a.example/?x=\"y\"",
                "<a rel=\"noreferrer\" href=\"https://a.example/?x=&quot;y&quot;\">"
                "https://a.example/?x=&quot;y&quot;</a>");
    assert_link("javascript:alert(1)", "javascript:alert(1)");
    assert_link(" https://a.example", " https://a.example");
    assert_link("data:text/html,<b>", "data:text/html,&lt;b&gt;");
    assert_link("//a.example", "//a.example");
    assert_link("httpx://a", "httpx://a");
}

static void assert_value(const char *field, const char *encoded, size_t size,
                         const char *expected)
{
    struct text out = {0};
    html_add_value(&out, casebus_cstr(field), casebus_bytes(encoded, size));
    assert_string_equal(text_get(&out), expected);
    text_free(&out);
}

static void values_say_their_unit(void **state)
{
    (void)state;
    assert_value("offence_fine_pence", "\xcd\x04\xd2", 3, "£12.34");
    assert_value("updated_at", "\xcf\x00\x06\x0a\x24\x18\x1e\x40\x00", 9,
                 "<time datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13:20 UTC</time>");
    assert_value("offender.name", "\xa3<b>", 4, "&lt;b&gt;");
    assert_value("regulator_url", "\xa8http://x", 9,
                 "<a rel=\"noreferrer\" href=\"http://x\">http://x</a>");
    assert_value("ext", "\x81\xa3<i>\xa3</i", 9, "{&quot;&lt;i&gt;&quot;: &quot;&lt;/i&quot;}");
    assert_value("x", "\xc0", 1, "–");
}

/* Every template there is: without its comment, with each slot empty, and with markers. */
static void templates_are_filled(void **state)
{
    (void)state;
    for (const struct asset *asset = assets; asset->name != NULL; asset++) {
        char name[32];
        struct slots slots = {0};
        struct text out = {0};
        if (sscanf(asset->name, "pages/%31[a-z_].html", name) != 1) {
            continue;
        }
        template_fill(name, &slots, &out);
        assert_true(out.size > 0);
        assert_null(strstr(text_get(&out), "{{"));
        assert_null(strstr(text_get(&out), "<!--"));
        text_free(&out);
    }
}

static void a_slot_takes_words(void **state)
{
    (void)state;
    struct slots slots = {0};
    struct text out = {0};
    slot_words(&slots, "text", casebus_cstr("<b>"));
    slot_words(&slots, "text", casebus_cstr("{{code}}"));
    slot_words(&slots, "code", casebus_cstr("x"));
    template_fill("error", &slots, &out);
    assert_non_null(strstr(text_get(&out), "&lt;b&gt;{{code}}"));
    slots_clear(&slots);
    text_clear(&out);
    template_fill("error", &slots, &out);
    assert_null(strstr(text_get(&out), "&lt;b&gt;"));
    slots_free(&slots);
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_entities),
        cmocka_unit_test(words_of_all_languages_stay),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(what_hides_or_turns_is_spelled_out),
        cmocka_unit_test(bytes_that_are_no_text_are_shown),
        cmocka_unit_test(only_web_addresses_are_links),
        cmocka_unit_test(values_say_their_unit),
        cmocka_unit_test(templates_are_filled),
        cmocka_unit_test(a_slot_takes_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
