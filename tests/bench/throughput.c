/* Throughput of the broker, end to end, beside a bare zmq_proxy in the same run.
 *
 *   throughput [-n REPORTS] [-p PUBLISHERS] [-s SUBSCRIBERS] [-r ROUNDS]
 *
 * casebus: real reports of 512 bytes (12 fields, one session a publisher, one offender in four new, ids
 * ascending) through the publisher library, decided and fsynced, confirmed, and their events received
 * through the subscriber library. Raw: the same number of messages of the same size through PUB,
 * zmq_proxy and SUB, which promises nothing. The two take turns; the clock runs from the first send
 * to the last event at the last subscriber. The medians' ratio is the figure; absolute rates of a shared
 * machine mean little. CASEBUS_BIN names the folder of the programs. */
#include "sample.h"

#include <casebus/publisher.h>
#include <casebus/subscriber.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define PEERS_MAX 64

static struct {
    unsigned reports, publishers, subscribers, rounds;
} shape = {200000, 1, 1, 3};

/* Shared by the processes of one round. */
static struct shared {
    atomic_uint subscribers_ready, publishers_ready, go, failed;
    atomic_uint_fast64_t received[PEERS_MAX];
    atomic_uint_fast64_t first_ns, last_ns;
} *shared;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "throughput: %s: %s\n", what, why);
    atomic_store(&shared->failed, 1);
    exit(1);
}

static void await(atomic_uint *flag, unsigned at_least)
{
    while (atomic_load(flag) < at_least && !atomic_load(&shared->failed)) {
        usleep(1000);
    }
}

static void note_start(void)
{
    uint64_t none = 0;
    atomic_compare_exchange_strong(&shared->first_ns, &none, now_ns());
}

static void note_end(void)
{
    uint64_t now = now_ns(), last = atomic_load(&shared->last_ns);
    while (now > last && !atomic_compare_exchange_weak(&shared->last_ns, &last, now)) {
    }
}

static unsigned reports_of(unsigned publisher)
{
    return shape.reports / shape.publishers + (publisher < shape.reports % shape.publishers);
}

/* --- casebus ---------------------------------------------------------------------------- */

struct endpoints {
    char ingest[128], fanout[128], query[128];
};

static void publish_cases(const struct endpoints *e, unsigned index)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    struct casebus_publisher *publisher;
    struct sample sample;
    char session[32];
    options.ingest = e->ingest;
    options.query = e->query;
    options.verify = false;
    if (casebus_publisher_new(&publisher, options) != 0) {
        give_up("publisher", "cannot be made");
    }
    snprintf(session, sizeof session, "s%u", index);
    struct casebus_session_start start = {.database = "bench"};
    casebus_publisher_session_start(publisher, "hse", session, &start, 10000);
    if (casebus_publisher_confirm(publisher, 0, 10000) != 0) {
        give_up("publisher", "the session was not confirmed");
    }
    sample_init(&sample, index);
    const struct casebus_bytes session_id = casebus_cstr(session);
    atomic_fetch_add(&shared->publishers_ready, 1);
    await(&shared->go, 1);
    note_start();
    for (unsigned n = 0; n < reports_of(index); n++) {
        sample_turn_to(&sample, n);
        int64_t rc = casebus_publisher_send(
            publisher, CASEBUS_REPORT_SCRAPED, casebus_bytes("hse", 3),
            casebus_bytes(sample.key, sample.key_size), session_id,
            casebus_bytes(sample.data.data, sample.data.size), 30000);
        if (rc < 0) {
            give_up("publisher", casebus_strerror((int)rc));
        }
    }
    int rc = casebus_publisher_confirm(publisher, 0, 60000);
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(publisher);
    if (rc != 0 || stats->outcomes[CASEBUS_OUTCOME_CREATED] != reports_of(index)) {
        give_up("publisher", "not all was confirmed");
    }
    if (getenv("BENCH_VERBOSE")) {
        fprintf(stderr, "  resent %llu polls %llu\n", (unsigned long long)stats->resent,
                (unsigned long long)stats->polls);
    }
    sample_end(&sample);
    casebus_publisher_destroy(&publisher);
}

static void watch_cases(const struct endpoints *e, unsigned index)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_subscriber *subscriber;
    const struct casebus_event *event;
    uint64_t received = 0;
    options.fanout = e->fanout;
    options.query = e->query;
    options.hwm = 4000000; /* throughput is measured, not loss: this side drops nothing */
    if (casebus_subscriber_new(&subscriber, options) != 0 ||
        casebus_subscriber_subscribe(subscriber, "case:created", NULL) != 0 ||
        casebus_subscriber_start(subscriber) != 0 ||
        casebus_subscriber_join(subscriber, 10000) != 1) {
        give_up("subscriber", "cannot join");
    }
    atomic_fetch_add(&shared->subscribers_ready, 1);
    while (received < shape.reports && !atomic_load(&shared->failed)) {
        int rc = casebus_subscriber_next(subscriber, &event, 30000);
        if (rc == 1) {
            received++;
        } else if (rc == CASEBUS_EGAP) {
            give_up("subscriber", "events were lost");
        } else {
            give_up("subscriber", rc == 0 ? "nothing came for 30 s" : casebus_strerror(rc));
        }
    }
    note_end();
    atomic_store(&shared->received[index], received);
    casebus_subscriber_destroy(&subscriber);
}

static pid_t start_broker(const char *dir, struct endpoints *e)
{
    int out[2];
    char line[1024] = "", path[4096];
    const char *bin = getenv("CASEBUS_BIN");
    snprintf(path, sizeof path, "%s/casebus-broker", bin ? bin : ".");
    if (pipe(out) != 0) {
        give_up("pipe", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        execl(path, path, "--data", dir, "--ingest", "tcp://127.0.0.1:*", "--fanout",
              "tcp://127.0.0.1:*", "--query", "tcp://127.0.0.1:*", "--log-level", "error",
              (char *)NULL);
        fprintf(stderr, "throughput: %s: %s\n", path, strerror(errno));
        _exit(127);
    }
    close(out[1]);
    FILE *ready = fdopen(out[0], "r");
    if (!fgets(line, sizeof line, ready) ||
        sscanf(line, "casebus-broker ready ingest=%127s fanout=%127s query=%127s", e->ingest,
               e->fanout, e->query) != 3) {
        give_up("broker", "did not become ready");
    }
    fclose(ready);
    return pid;
}

/* --- raw -------------------------------------------------------------------------------- */

static void *raw_socket(void *context, int type, const char *endpoint, bool binds)
{
    int hwm = CASEBUS_HWM, one = 1;
    void *s = zmq_socket(context, type);
    zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(s, ZMQ_RCVHWM, &hwm, sizeof hwm);
    if (type == ZMQ_XPUB || type == ZMQ_PUB) {
        zmq_setsockopt(s, ZMQ_XPUB_NODROP, &one, sizeof one);
    }
    if ((binds ? zmq_bind(s, endpoint) : zmq_connect(s, endpoint)) != 0) {
        give_up(endpoint, zmq_strerror(errno));
    }
    return s;
}

static pid_t start_proxy(const struct endpoints *e)
{
    int ready[2];
    char byte;
    if (pipe(ready) != 0) {
        give_up("pipe", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        void *context = zmq_ctx_new();
        void *in = raw_socket(context, ZMQ_XSUB, e->ingest, true);
        void *out = raw_socket(context, ZMQ_XPUB, e->fanout, true);
        if (write(ready[1], "r", 1) != 1) {
            _exit(1);
        }
        zmq_proxy(in, out, NULL);
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) {
        give_up("proxy", "did not start");
    }
    close(ready[0]);
    return pid;
}

static void send_raw(void *s, const char *topic, const char *body)
{
    while (zmq_send(s, topic, strlen(topic), ZMQ_SNDMORE) < 0) {
    }
    while (zmq_send(s, body, REPORT_SIZE, 0) < 0) {
    }
}

static void publish_raw(const struct endpoints *e, unsigned index)
{
    void *context = zmq_ctx_new();
    void *s = raw_socket(context, ZMQ_XPUB, e->ingest, false);
    char topic[64], body[REPORT_SIZE] = {0}, subscribed[64];
    if (zmq_recv(s, subscribed, sizeof subscribed, 0) < 0) { /* the link is up */
        give_up("raw publisher", zmq_strerror(errno));
    }
    atomic_fetch_add(&shared->publishers_ready, 1);
    await(&shared->go, 1);
    note_start();
    for (unsigned n = 0; n < reports_of(index); n++) {
        snprintf(topic, sizeof topic, "case:created:hse:%u-%08u:", index, n);
        send_raw(s, topic, body);
    }
    zmq_close(s);
    zmq_ctx_term(context);
}

static void watch_raw(const struct endpoints *e, unsigned index)
{
    void *context = zmq_ctx_new();
    void *s = raw_socket(context, ZMQ_SUB, e->fanout, false);
    int wait = 30000;
    zmq_msg_t m;
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_setsockopt(s, ZMQ_SUBSCRIBE, "case:created:", 13);
    atomic_fetch_add(&shared->subscribers_ready, 1);
    zmq_msg_init(&m);
    unsigned received = 0;
    while (received < shape.reports && !atomic_load(&shared->failed)) {
        do {
            if (zmq_msg_recv(&m, s, 0) < 0) {
                give_up("raw subscriber", "nothing came for 30 s");
            }
        } while (zmq_msg_more(&m));
        received++;
    }
    note_end();
    atomic_store(&shared->received[index], received);
    zmq_msg_close(&m);
    zmq_close(s);
    zmq_ctx_term(context);
}

/* --- a round ---------------------------------------------------------------------------- */

typedef void peer_fn(const struct endpoints *e, unsigned index);

static void spawn(peer_fn *run, const struct endpoints *e, unsigned count, pid_t *pids)
{
    fflush(stdout); /* or every child prints it again */
    for (unsigned i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            run(e, i);
            exit(0);
        }
    }
}

/* Microseconds of the processors' time, in the program and in the kernel for it. */
struct cpu {
    double user, system;
};

static void add_cpu(struct cpu *sum, const struct rusage *used)
{
    sum->user += (double)used->ru_utime.tv_sec * 1e6 + (double)used->ru_utime.tv_usec;
    sum->system += (double)used->ru_stime.tv_sec * 1e6 + (double)used->ru_stime.tv_usec;
}

/* Waits for these to end; what they used. */
static struct cpu reap(const pid_t *pids, unsigned count)
{
    struct cpu cpu = {0, 0};
    for (unsigned i = 0; i < count; i++) {
        int status;
        struct rusage used;
        if (wait4(pids[i], &status, 0, &used) != pids[i] || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0) {
            atomic_store(&shared->failed, 1);
            continue;
        }
        add_cpu(&cpu, &used);
    }
    return cpu;
}

static double run_round(pid_t server, const struct endpoints *e, peer_fn *publish, peer_fn *watch)
{
    pid_t watchers[PEERS_MAX], publishers[PEERS_MAX];
    memset(shared, 0, sizeof *shared);
    spawn(watch, e, shape.subscribers, watchers);
    await(&shared->subscribers_ready, shape.subscribers);
    spawn(publish, e, shape.publishers, publishers);
    await(&shared->publishers_ready, shape.publishers);
    usleep(200000); /* raw subscribers cannot prove that their subscription has arrived */
    atomic_store(&shared->go, 1);
    struct cpu out = reap(publishers, shape.publishers), in = reap(watchers, shape.subscribers);
    struct cpu own = {0, 0};
    struct rusage used;
    kill(server, SIGTERM);
    wait4(server, NULL, 0, &used);
    add_cpu(&own, &used);
    double n = shape.reports;
    printf("  cpu a message, user+kernel us: server %.2f+%.2f, publishers %.2f+%.2f, "
           "subscribers %.2f+%.2f; server waits %.3f\n",
           own.user / n, own.system / n, out.user / n, out.system / n, in.user / n,
           in.system / n, (double)used.ru_nvcsw / n);
    double seconds = (double)(atomic_load(&shared->last_ns) - atomic_load(&shared->first_ns)) / 1e9;
    return atomic_load(&shared->failed) ? 0 : shape.reports / seconds;
}

static double round_casebus(void)
{
    char dir[] = "/tmp/casebus-bench-XXXXXX", command[128];
    struct endpoints e;
    if (!mkdtemp(dir)) {
        give_up(dir, strerror(errno));
    }
    pid_t broker = start_broker(dir, &e);
    double rate = run_round(broker, &e, publish_cases, watch_cases);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? rate : 0;
}

static double round_raw(void)
{
    struct endpoints e;
    snprintf(e.ingest, sizeof e.ingest, "tcp://127.0.0.1:%d", 20000 + (int)getpid() % 20000);
    snprintf(e.fanout, sizeof e.fanout, "tcp://127.0.0.1:%d", 40001 + (int)getpid() % 20000);
    return run_round(start_proxy(&e), &e, publish_raw, watch_raw);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    int option;
    double casebus[16], raw[16];
    while ((option = getopt(argc, argv, "n:p:s:r:")) != -1) {
        unsigned value = (unsigned)strtoul(optarg ? optarg : "0", NULL, 10);
        *(option == 'n'   ? &shape.reports
          : option == 'p' ? &shape.publishers
          : option == 's' ? &shape.subscribers
                          : &shape.rounds) = value;
        if (option == '?' || value == 0) {
            fprintf(stderr, "usage: throughput [-n reports] [-p publishers] [-s subscribers] "
                            "[-r rounds]\n");
            return 2;
        }
    }
    if (shape.publishers > PEERS_MAX || shape.subscribers > PEERS_MAX || shape.rounds > 16) {
        fprintf(stderr, "throughput: at most %d peers and 16 rounds\n", PEERS_MAX);
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < shape.rounds; i++) {
        raw[i] = round_raw();
        casebus[i] = round_casebus();
        printf("round %u: raw zmq_proxy %.0f/s, casebus %.0f/s\n", i + 1, raw[i], casebus[i]);
        fflush(stdout);
        if (raw[i] == 0 || casebus[i] == 0) {
            return 1;
        }
    }
    double r = median(raw, shape.rounds), c = median(casebus, shape.rounds);
    printf("%u,%u  %u reports of %d bytes, medians of %u: raw %.0f/s, casebus %.0f/s, ratio %.2f\n",
           shape.publishers, shape.subscribers, shape.reports, REPORT_SIZE, shape.rounds, r, c,
           c / r);
    return 0;
}
