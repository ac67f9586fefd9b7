/* What is an endpoint, and why others are none. */
#include "proto/test.h"

#include <casebus/endpoint.h>
#include <string.h>

static void both_take(const char *endpoint)
{
    const char *fault = casebus_endpoint_fault(endpoint);
    fault = fault ? fault : casebus_endpoint_connect_fault(endpoint);
    if (fault) {
        fail_msg("%s: %s", endpoint, fault);
    }
}

static void only_binds(const char *endpoint, const char *fault)
{
    assert_null(casebus_endpoint_fault(endpoint));
    assert_non_null(strstr(casebus_endpoint_connect_fault(endpoint), fault));
}

static void neither_takes(const char *endpoint, const char *fault)
{
    assert_non_null(strstr(casebus_endpoint_fault(endpoint), fault));
    assert_non_null(strstr(casebus_endpoint_connect_fault(endpoint), fault));
}

static void endpoints_are_tcp_and_ipc(void **state)
{
    (void)state;
    both_take("tcp://127.0.0.1:7401");
    both_take("tcp://broker-1.example.org:65535");
    both_take("tcp://[fe80::1%eth0]:7401");
    both_take("tcp://127.0.0.1:0;127.0.0.1:7401");
    both_take("ipc:///run/casebus/ingest");
    both_take("ipc://here");
    both_take("ipc://@abstract");
}

static void what_is_none_is_told_what_one_looks_like(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "foo",
                                       "7401",
                                       "127.0.0.1:7401",
                                       "tcp:/127.0.0.1:7401",
                                       "tcp://",
                                       "tcp://127.0.0.1",
                                       "tcp://:7401",
                                       "ipc://",
                                       "inproc://x",
                                       "TCP://127.0.0.1:7401"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        neither_takes(none[i], "tcp://ADDRESS:PORT or ipc://PATH, as tcp://127.0.0.1:7401");
    }
    only_binds("tcp://http://127.0.0.1:7401", "must be an endpoint");
    only_binds("tcp://two words:7401", "must be an endpoint");
}

static void ports_and_paths_have_bounds(void **state)
{
    (void)state;
    char path[128] = "ipc://";
    memset(path + 6, 'a', 107);
    both_take(path);
    strcat(path, "a");
    neither_takes(path, "too long a path");
    neither_takes("tcp://127.0.0.1:65536", "port above 65535");
    neither_takes("tcp://127.0.0.1:99999", "port above 65535");
}

static void what_the_system_chooses_can_only_be_bound(void **state)
{
    (void)state;
    only_binds("tcp://127.0.0.1:*", "needs a port");
    only_binds("tcp://127.0.0.1:0", "needs a port");
    only_binds("tcp://127.0.0.1:", "needs a port");
    only_binds("tcp://127.0.0.1:7401/", "needs a port");
    only_binds("tcp://[::1]", "needs a port");
    only_binds("tcp://*:7401", "give its address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_tcp_and_ipc),
        cmocka_unit_test(what_is_none_is_told_what_one_looks_like),
        cmocka_unit_test(ports_and_paths_have_bounds),
        cmocka_unit_test(what_the_system_chooses_can_only_be_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
