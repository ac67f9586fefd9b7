/* Handles that are made and ended while signals come, one after the other. */
#include "test.h"

#include <casebus/client.h>
#include <casebus/subscriber.h>
#include <casebus/view.h>
#include <dirent.h>
#include <signal.h>
#include <sys/time.h>

#define ROUNDS 25
#define NOBODY "tcp://127.0.0.1:1"

static void on_alarm(int signal)
{
    (void)signal;
}

static void let_signals_come(int every_us)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval timer = {{0, every_us}, {0, every_us}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Of this process: those of ZeroMQ's threads are among them. */
static size_t descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void follow_and_leave(void)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_subscriber *subscriber;
    options.fanout = options.query = NOBODY;
    assert_int_equal(casebus_subscriber_new(&subscriber, options), 0);
    assert_int_equal(casebus_subscriber_subscribe(subscriber, "case", NULL), 0);
    assert_int_equal(casebus_subscriber_subscribe(subscriber, "session", NULL), 0);
    assert_int_equal(casebus_subscriber_start(subscriber), 0);
    casebus_subscriber_destroy(&subscriber);
}

static void view_and_leave(void)
{
    struct casebus_views_options options = casebus_views_options();
    struct casebus_views *views;
    options.fanout = options.query = NOBODY;
    assert_int_equal(casebus_views_new(&views, options), 0);
    casebus_views_destroy(&views);
}

static void ask_and_leave(void)
{
    const struct casebus_client_options options = {.query = NOBODY};
    struct casebus_client *client;
    assert_int_equal(casebus_client_new(&client, options), 0);
    casebus_client_destroy(&client);
}

static void nothing_is_left_of(void (*made_and_ended)(void))
{
    made_and_ended();
    const size_t before = descriptors();
    let_signals_come(200);
    for (int i = 0; i < ROUNDS; i++) {
        made_and_ended();
    }
    let_signals_come(0);
    assert_int_equal(descriptors(), before);
}

static void a_subscriber_starts_and_ends_while_signals_come(void **state)
{
    (void)state;
    nothing_is_left_of(follow_and_leave);
}

static void views_open_and_end_while_signals_come(void **state)
{
    (void)state;
    nothing_is_left_of(view_and_leave);
}

static void a_client_opens_and_ends_while_signals_come(void **state)
{
    (void)state;
    nothing_is_left_of(ask_and_leave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscriber_starts_and_ends_while_signals_come),
        cmocka_unit_test(views_open_and_end_while_signals_come),
        cmocka_unit_test(a_client_opens_and_ends_while_signals_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
