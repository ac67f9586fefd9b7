/* One round of a benchmark; see round.h. The processes share one piece of memory. */
#include "round.h"
#include "usage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US 1000
#define SILENCE_S 30
#define SETTLE_US 200000
#define QUIET_US 2000000
/* Latency in steps of a 32nd: 64 whole microseconds, then 32 steps for each doubling. */
#define STEPS (64 + 32 * 26)

const char *const cases_words[CASES_COUNT] = {"new", "synced", "updated"};

static struct shared {
    atomic_uint watching, publishing, go, failed;
    atomic_uint_fast64_t first_ns, last_ns;
    atomic_uint_fast64_t received[PEERS_MAX], answers;
    atomic_uint latency[STEPS];
} * shared;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t round_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void round_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    if (shared) {
        atomic_store(&shared->failed, 1);
    }
    exit(1);
}

unsigned round_share(const struct round *round, unsigned publisher)
{
    return round->messages / round->publishers +
           (publisher < round->messages % round->publishers);
}

/* --- latency ----------------------------------------------------------------------------- */

static unsigned step_of(uint64_t us)
{
    if (us < 64) {
        return (unsigned)us;
    }
    unsigned doublings = 63u - (unsigned)__builtin_clzll(us) - 5u; /* what is left has 6 bits */
    unsigned step = 64 + 32 * (doublings - 1) + (unsigned)(us >> doublings) - 32;
    return step < STEPS ? step : STEPS - 1;
}

static double step_value(unsigned step)
{
    if (step < 64) {
        return step;
    }
    unsigned doublings = (step - 64) / 32 + 1;
    return (double)((uint64_t)((step - 64) % 32 + 32) << doublings);
}

static double percentile(double share)
{
    uint64_t all = 0, seen = 0;
    unsigned step = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        all += atomic_load(&shared->latency[i]);
    }
    for (; step < STEPS - 1; step++) {
        seen += atomic_load(&shared->latency[step]);
        if ((double)seen >= share * (double)all) {
            break;
        }
    }
    return step_value(step);
}

/* --- publishers and watchers ------------------------------------------------------------- */

static void await(atomic_uint *flag, unsigned at_least)
{
    while (atomic_load(flag) < at_least && !atomic_load(&shared->failed)) {
        usleep(LOOK_US);
    }
}

unsigned round_idle_processes(const struct round *round)
{
    return (round->idle + IDLE_EACH - 1) / IDLE_EACH;
}

void round_read(void)
{
    atomic_fetch_add(&shared->publishing, 1);
    await(&shared->go, 1);
}

void round_answered(void)
{
    atomic_fetch_add(&shared->answers, 1);
}

void round_publish(void)
{
    round_read();
    uint64_t none = 0;
    atomic_compare_exchange_strong(&shared->first_ns, &none, now_ns());
}

void round_pace(const struct round *round, unsigned n)
{
    if (round->rate == 0) {
        return;
    }
    uint64_t due = atomic_load(&shared->first_ns) +
                   (uint64_t)n * 1000000000u * round->publishers / round->rate;
    /* A call that ends at once takes 20 us of a processor, in a virtual machine. */
    if (now_ns() >= due) {
        return;
    }
    struct timespec t = {.tv_sec = (time_t)(due / 1000000000u),
                         .tv_nsec = (long)(due % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

void round_watch(void)
{
    atomic_fetch_add(&shared->watching, 1);
}

static void note_end(void)
{
    uint64_t now = now_ns(), last = atomic_load(&shared->last_ns);
    while (now > last && !atomic_compare_exchange_weak(&shared->last_ns, &last, now)) {
    }
}

bool round_received(const struct round *round, unsigned watcher, uint64_t sent_at)
{
    if (round->rate > 0) {
        const uint64_t now = round_clock();
        atomic_fetch_add(&shared->latency[step_of(now > sent_at ? now - sent_at : 0)], 1);
    }
    const uint64_t received = atomic_load(&shared->received[watcher]) + 1;
    atomic_store(&shared->received[watcher], received);
    if (received < round->messages) {
        return !atomic_load(&shared->failed);
    }
    note_end();
    return false;
}

bool round_waits(unsigned watcher)
{
    static uint64_t seen, since;
    const uint64_t received = atomic_load(&shared->received[watcher]), now = now_ns();
    if (received != seen || since == 0) {
        seen = received;
        since = now;
    }
    if (atomic_load(&shared->go) == 1 && now - since > SILENCE_S * UINT64_C(1000000000)) {
        round_fail("watcher", "nothing came for 30 s");
    }
    return !atomic_load(&shared->failed);
}

/* --- servers ------------------------------------------------------------------------------ */

pid_t round_spawn(char *const argv[], int *out)
{
    int ends[2] = {-1, -1};
    if (out && pipe(ends) != 0) {
        round_fail("pipe", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_WRONLY);
        dup2(out ? ends[1] : null, STDOUT_FILENO);
        execvp(argv[0], argv);
        fprintf(stderr, "bench: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (out) {
        close(ends[1]);
        *out = ends[0];
    }
    return pid;
}

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

void round_await_port(int port)
{
    struct sockaddr_in address = address_of(port);
    for (unsigned tries = 0; tries < 10000; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (rc == 0) {
            return;
        }
        usleep(LOOK_US);
    }
    round_fail("server", "does not listen");
}

int round_free_port(void)
{
    struct sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        round_fail("port", strerror(errno));
    }
    close(fd);
    return ntohs(address.sin_port);
}

/* --- the round ---------------------------------------------------------------------------- */

static void start_all(process_fn *run, const struct round *round, unsigned count, pid_t *pids)
{
    fflush(stdout); /* or every child prints it again */
    for (unsigned i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            run(round, i);
            exit(0);
        }
    }
}

/* Half of the messages have come out. */
static bool is_late(const struct round *round)
{
    return atomic_load(&shared->received[0]) > round->messages / 2;
}

/* Waits for these to end, looking at the server meanwhile. */
static void reap(const struct round *round, const pid_t *pids, unsigned count,
                 struct usage *usage)
{
    for (unsigned i = 0; i < count; i++) {
        int status;
        while (waitpid(pids[i], &status, WNOHANG) == 0) {
            usage_look(usage, is_late(round));
            usleep(20 * LOOK_US);
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            atomic_store(&shared->failed, 1);
        }
    }
}

static void end_all(const pid_t *pids, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

static void print_result(const struct peer *peer, const struct round *round,
                         const struct usage *usage, double quiet_us)
{
    double seconds =
        (double)(atomic_load(&shared->last_ns) - atomic_load(&shared->first_ns)) / 1e9;
    printf("{\"peer\": \"%s\", \"shape\": \"%u,%u\", \"messages\": %u, \"rate\": %u, "
           "\"cases\": \"%s\", \"outbox\": %s, \"per_s\": %.0f, \"server_cpu_us\": %.3f, "
           "\"server_memory_kib\": %llu, \"server_memory_growth\": %.3f",
           peer->name, round->publishers, round->subscribers, round->messages, round->rate,
           cases_words[round->cases], round->outbox ? "true" : "false",
           round->messages / seconds, usage->cpu_us / round->messages,
           (unsigned long long)usage_most(usage), usage_growth(usage));
    if (round->rate > 0) {
        printf(", \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f", percentile(0.5),
               percentile(0.99), percentile(0.999));
    }
    if (round->idle > 0) {
        printf(", \"server_quiet_cpu_us_per_s\": %.0f", quiet_us);
    }
    if (round->readers > 0) {
        printf(", \"answers_per_s\": %.0f", (double)atomic_load(&shared->answers) / seconds);
    }
    printf("}\n");
}

/* What the server uses in a second while nothing comes. Heads go to those who are idle once a
 * second; and some peers cannot prove that a subscription has arrived. */
static double settle(const struct round *round, pid_t server)
{
    struct usage quiet = {.server = server};
    const unsigned us = round->idle > 0 ? QUIET_US : SETTLE_US;
    usage_begin(&quiet);
    usleep(us);
    usage_end(&quiet);
    return quiet.cpu_us * 1e6 / us;
}

/* Its cpu_us a second before it begins. */
static double run_processes(const struct peer *peer, const struct round *round,
                            struct usage *usage)
{
    pid_t watchers[PEERS_MAX], publishers[PEERS_MAX], idle[PEERS_MAX], readers[PEERS_MAX];
    const unsigned idle_count = round_idle_processes(round);
    start_all(peer->watch, round, round->subscribers, watchers);
    start_all(peer->idle, round, idle_count, idle);
    await(&shared->watching, round->subscribers + idle_count);
    start_all(peer->read, round, round->readers, readers);
    start_all(peer->publish, round, round->publishers, publishers);
    await(&shared->publishing, round->publishers + round->readers);
    const double quiet_us = settle(round, usage->server);
    usage_begin(usage);
    atomic_store(&shared->go, 1);
    reap(round, publishers, round->publishers, usage);
    reap(round, watchers, round->subscribers, usage);
    usage_end(usage);
    end_all(readers, round->readers);
    end_all(idle, idle_count);
    return quiet_us;
}

int round_run(const struct peer *peer, struct round *round)
{
    shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        round_fail("memory", strerror(errno));
    }
    struct usage usage = {.server = peer->serve(round)};
    const double quiet_us = run_processes(peer, round, &usage);
    if (round->attached == 0) {
        kill(usage.server, SIGTERM);
        waitpid(usage.server, NULL, 0);
    }
    if (atomic_load(&shared->failed)) {
        return 1;
    }
    print_result(peer, round, &usage, quiet_us);
    return 0;
}
