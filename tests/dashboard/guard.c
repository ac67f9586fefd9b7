/* Who may be asking: our own names, our own pages, JSON. */
#include "../subscriber/test.h"

#include "guard.h"

static const struct guard guard = {.own = {"127.0.0.1", "localhost", "[::1]"},
                                   .own_count = 3,
                                   .allowed = {"cases.example"},
                                   .allowed_count = 1,
                                   .port = 7480};

static void our_names_with_our_port(void **state)
{
    (void)state;
    assert_true(guard_host(&guard, "127.0.0.1:7480"));
    assert_true(guard_host(&guard, "localhost:7480"));
    assert_true(guard_host(&guard, "LocalHost:7480"));
    assert_true(guard_host(&guard, "[::1]:7480"));
}

static void no_other_name_or_port(void **state)
{
    (void)state;
    const char *const hosts[] = {"",
                                 ":7480",
                                 "localhost",
                                 "localhost:",
                                 "localhost:80",
                                 "localhost:74800",
                                 "localhost:7480:7480",
                                 "localhost:7480x",
                                 "localhost.:7480",
                                 "localhost.evil.example:7480",
                                 "evil.example:7480",
                                 "127.0.0.1.evil.example:7480",
                                 "::1:7480",
                                 "[::1]",
                                 "[::1]x:7480",
                                 "[::2]:7480"};
    assert_false(guard_host(&guard, NULL));
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_false(guard_host(&guard, hosts[i]));
    }
}

static void port_80_may_be_left_out(void **state)
{
    (void)state;
    struct guard on_80 = guard;
    on_80.port = 80;
    assert_true(guard_host(&on_80, "localhost"));
    assert_true(guard_host(&on_80, "localhost:80"));
    assert_true(guard_host(&on_80, "[::1]"));
    assert_false(guard_host(&on_80, "localhost:7480"));
}

static void allowed_names_have_any_port(void **state)
{
    (void)state;
    assert_true(guard_host(&guard, "cases.example"));
    assert_true(guard_host(&guard, "cases.example:8443"));
    assert_false(guard_host(&guard, "cases.example:x"));
    assert_false(guard_host(&guard, "cases.example:"));
    assert_false(guard_host(&guard, "x.cases.example"));
}

static void writes_come_from_our_pages(void **state)
{
    (void)state;
    const char *const host = "localhost:7480";
    assert_true(guard_same_origin(host, "http://localhost:7480", NULL, false));
    assert_true(guard_same_origin(host, "https://localhost:7480", "same-origin", false));
    assert_true(guard_same_origin(host, NULL, "same-origin", false));
    assert_false(guard_same_origin(host, NULL, NULL, false));
    assert_false(guard_same_origin(host, NULL, "same-site", false));
    assert_false(guard_same_origin(host, NULL, "none", false));
    assert_false(guard_same_origin(host, "null", "same-origin", false));
    assert_false(guard_same_origin(host, "http://localhost", NULL, false));
    assert_false(guard_same_origin(host, "http://localhost:7480.evil.example", NULL, false));
    assert_false(guard_same_origin(host, "ftp://localhost:7480", NULL, false));
    assert_false(guard_same_origin(NULL, "http://localhost:7480", NULL, false));
}

static void over_tls_so_did_the_page(void **state)
{
    (void)state;
    assert_true(guard_same_origin("cases.example", "https://cases.example", NULL, true));
    assert_true(guard_same_origin("cases.example", NULL, "same-origin", true));
    assert_false(guard_same_origin("cases.example", "http://cases.example", NULL, true));
}

static void forms_say_so(void **state)
{
    (void)state;
    assert_true(guard_is_form("application/x-www-form-urlencoded"));
    assert_true(guard_is_form("Application/X-WWW-Form-Urlencoded; charset=utf-8"));
    assert_false(guard_is_form("application/json"));
    assert_false(guard_is_form("text/plain"));
    assert_false(guard_is_form(NULL));
}

static void bodies_are_json(void **state)
{
    (void)state;
    assert_true(guard_is_json("application/json"));
    assert_true(guard_is_json("Application/JSON; charset=utf-8"));
    assert_true(guard_is_json("application/json ;x"));
    assert_false(guard_is_json(NULL));
    assert_false(guard_is_json(""));
    assert_false(guard_is_json("application/jsonp"));
    assert_false(guard_is_json("text/plain; application/json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_names_with_our_port),
        cmocka_unit_test(no_other_name_or_port),
        cmocka_unit_test(port_80_may_be_left_out),
        cmocka_unit_test(allowed_names_have_any_port),
        cmocka_unit_test(writes_come_from_our_pages),
        cmocka_unit_test(over_tls_so_did_the_page),
        cmocka_unit_test(forms_say_so),
        cmocka_unit_test(bodies_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
