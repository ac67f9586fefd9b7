/* A real broker on a store whose publishers have not been heard of for years: it forgets them,
 * a minute after its start, and keeps the one that was heard today. */
#include "sender.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct desk d;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u;
}

static void prepare(void)
{
    struct sender old = {.actor = "ann", .publisher = {1}},
                  outbox = {.actor = "ann", .publisher = {2}};
    struct sender today = {.actor = "bob", .publisher = {1}};
    desk_open(&d); /* its clock is years ago */
    sender_next(&d, &old, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");
    sender_ack(&d, &old, 1, false);
    sender_next(&d, &outbox, "case:scraped:hse:2:", "{'offence_fine_pence': -1}");
    d.clock = now_us();
    sender_next(&d, &today, "case:scraped:hse:3:", "{'offender': {'name': 'A'}}");
    sender_ack(&d, &today, 1, false);
    assert_int_equal(desk_state(&d).publishers, 3);
    apply_destroy(&d.apply);
    txn_destroy(&d.txn);
    store_close(&d.store); /* the broker's now */
}

static pid_t start_broker(void)
{
    const char *bin = getenv("CASEBUS_BIN");
    char program[4096];
    assert_non_null(bin);
    snprintf(program, sizeof program, "%s/casebus-broker", bin);
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, "--data", d.dir, "--ingest", "tcp://127.0.0.1:*", "--fanout",
              "tcp://127.0.0.1:*", "--query", "tcp://127.0.0.1:*", "--map-size", "256M",
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

/* Looks until so many are left, or the broker has ended, or this test's own time is up. */
static void await_publishers(pid_t broker, uint64_t publishers)
{
    struct store_options options = {.dir = d.dir, .read_only = true, .map_bytes = 256u << 20};
    char why[4500] = "";
    if (store_open(&d.store, &options, why, sizeof why) != 0) {
        fail_msg("%s", why);
    }
    while (desk_state(&d).publishers != publishers) {
        assert_int_equal(waitpid(broker, NULL, WNOHANG), 0);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    store_close(&d.store);
}

static void idle_publishers_are_forgotten(void **state)
{
    (void)state;
    int status;
    prepare();
    pid_t broker = start_broker();
    await_publishers(broker, 1);
    kill(broker, SIGTERM);
    assert_int_equal(waitpid(broker, &status, 0), broker);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    desk_reopen(&d);
    struct sender today = {.actor = "bob", .publisher = {1}};
    assert_int_equal(sender_progress(&d, &today).decided, 1);
    assert_int_equal(desk_entries(&d, TREE_REFUSAL), 0);
    assert_int_equal(desk_findings(&d), 0);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(idle_publishers_are_forgotten)};
    return cmocka_run_group_tests_name("broker: retirement", tests, NULL, NULL);
}
