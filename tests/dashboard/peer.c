/* Who is at the other end: only the declared proxy is believed, and only its own word. */
#include "../subscriber/test.h"

#include "peer.h"

#include <arpa/inet.h>

static struct peer peer;

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union address address_of(const char *text)
{
    union address address = {.v4.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) != 1) {
        address = (union address){.v6.sin6_family = AF_INET6};
        assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
    }
    return address;
}

static const char *from(const char *text, const char *proxy, const char *for_whom,
                        const char *proto)
{
    const union address address = address_of(text);
    return peer_read(&peer, &address.any, proxy, for_whom, proto);
}

static void without_a_proxy_headers_mean_nothing(void **state)
{
    (void)state;
    assert_null(from("127.0.0.1", NULL, "192.0.2.1", "https"));
    assert_string_equal(peer.address, "127.0.0.1");
    assert_false(peer.tls);
}

static void the_proxy_is_believed(void **state)
{
    (void)state;
    assert_null(from("10.0.0.1", "10.0.0.1", "192.0.2.1", "https"));
    assert_string_equal(peer.address, "192.0.2.1");
    assert_true(peer.tls);
    assert_null(from("10.0.0.1", "10.0.0.1", "198.51.100.7, 192.0.2.1", "https"));
    assert_string_equal(peer.address, "192.0.2.1");
    assert_null(from("::ffff:10.0.0.1", "10.0.0.1", "2001:db8::5", "https"));
    assert_string_equal(peer.address, "2001:db8::5");
}

static void what_the_proxy_must_say(void **state)
{
    (void)state;
    assert_non_null(from("10.0.0.1", "10.0.0.1", "192.0.2.1", "http"));
    assert_non_null(from("10.0.0.1", "10.0.0.1", "192.0.2.1", NULL));
    assert_non_null(from("10.0.0.1", "10.0.0.1", NULL, "https"));
    assert_non_null(from("10.0.0.1", "10.0.0.1", "192.0.2.1, unknown", "https"));
    assert_non_null(from("10.0.0.1", "10.0.0.1", "", "https"));
    assert_non_null(from("127.0.0.1", "127.0.0.1", NULL, NULL));
}

static void others_are_not(void **state)
{
    (void)state;
    assert_non_null(from("10.0.0.2", "10.0.0.1", "127.0.0.1", "https"));
    assert_null(from("127.0.0.1", "10.0.0.1", "192.0.2.1", "https"));
    assert_string_equal(peer.address, "127.0.0.1");
    assert_false(peer.tls);
    assert_null(from("::1", "10.0.0.1", NULL, NULL));
}

static void a_network_counts_as_one(void **state)
{
    struct peer one;
    (void)state;
    assert_null(from("2001:db8:1:2::1", NULL, NULL, NULL));
    one = peer;
    assert_null(from("2001:db8:1:2:ffff::9", NULL, NULL, NULL));
    assert_memory_equal(one.key, peer.key, sizeof one.key);
    assert_null(from("2001:db8:1:3::1", NULL, NULL, NULL));
    assert_memory_not_equal(one.key, peer.key, sizeof one.key);
    assert_null(from("192.0.2.1", NULL, NULL, NULL));
    one = peer;
    assert_null(from("192.0.2.2", NULL, NULL, NULL));
    assert_memory_not_equal(one.key, peer.key, sizeof one.key);
}

static bool is_loopback(const char *text)
{
    const union address address = address_of(text);
    return peer_is_loopback(&address.any);
}

static void loopback_has_two_families(void **state)
{
    (void)state;
    assert_true(is_loopback("127.0.0.1"));
    assert_true(is_loopback("127.255.255.254"));
    assert_true(is_loopback("::1"));
    assert_true(is_loopback("::ffff:127.0.0.1"));
    assert_false(is_loopback("128.0.0.1"));
    assert_false(is_loopback("0.0.0.0"));
    assert_false(is_loopback("::"));
    assert_false(is_loopback("::ffff:10.0.0.1"));
    assert_false(is_loopback("::127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_proxy_headers_mean_nothing),
        cmocka_unit_test(the_proxy_is_believed),
        cmocka_unit_test(what_the_proxy_must_say),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(a_network_counts_as_one),
        cmocka_unit_test(loopback_has_two_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
