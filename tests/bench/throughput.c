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

#define REPORT_SIZE 512
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

/* --- a report of 512 bytes -------------------------------------------------------------- */

static void pack_pair(msgpack_packer *pk, const char *key, const char *value)
{
    casebus_pack_text(pk, key);
    casebus_pack_text(pk, value);
}

static void pack_report(msgpack_sbuffer *out, unsigned publisher, unsigned n, size_t padding)
{
    static const char words[] = "Failed to ensure the health, safety and welfare at work of its "
                                "employees, contrary to section 2 of the Act, in that guards were "
                                "absent from the conveyor and nobody had been told. ";
    char name[32], text[400];
    msgpack_packer pk;
    msgpack_sbuffer_clear(out);
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    snprintf(name, sizeof name, "Offender %u-%07u Ltd", publisher, n / 4 * 4);
    for (size_t i = 0; i < padding && i < sizeof text - 1; i++) {
        text[i] = words[i % (sizeof words - 1)];
    }
    text[padding < sizeof text - 1 ? padding : sizeof text - 1] = '\0';
    msgpack_pack_map(&pk, 12);
    pack_pair(&pk, "case_reference", "R-2024");
    casebus_pack_text(&pk, "offender");
    msgpack_pack_map(&pk, 2);
    pack_pair(&pk, "name", name);
    pack_pair(&pk, "postcode", "AB12 3CD");
    pack_pair(&pk, "offence_action_type", "Court Case");
    pack_pair(&pk, "offence_action_date", "2024-01-02");
    pack_pair(&pk, "offence_result", "Guilty");
    casebus_pack_text(&pk, "offence_fine_pence");
    msgpack_pack_uint32(&pk, 100000 + n);
    casebus_pack_text(&pk, "offence_costs_pence");
    msgpack_pack_uint32(&pk, 70000);
    pack_pair(&pk, "offence_breaches", text);
    pack_pair(&pk, "regulator_function", "Construction");
    pack_pair(&pk, "url", "https://example.org/case");
    casebus_pack_text(&pk, "ext");
    msgpack_pack_map(&pk, 1);
    pack_pair(&pk, "area", "North");
    casebus_pack_text(&pk, "source");
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "page");
    msgpack_pack_uint32(&pk, n / 10);
    casebus_pack_text(&pk, "fetched_at");
    msgpack_pack_uint64(&pk, 1700000000000000u + n);
}

#define REPORT_HEAD 75 /* of a body, before data: v, publisher, number, check, session */

static size_t padding_for_size(void)
{
    msgpack_sbuffer probe;
    msgpack_sbuffer_init(&probe);
    pack_report(&probe, 0, 100000, 100);
    size_t padding = 100 + (REPORT_SIZE - REPORT_HEAD) - probe.size;
    msgpack_sbuffer_destroy(&probe);
    return padding;
}

/* --- casebus ---------------------------------------------------------------------------- */

struct endpoints {
    char ingest[128], fanout[128], query[128];
};

static void publish_cases(const struct endpoints *e, unsigned index)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    struct casebus_publisher *publisher;
    msgpack_sbuffer data;
    char session[32], key[32];
    size_t padding = padding_for_size();
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
    msgpack_sbuffer_init(&data);
    atomic_fetch_add(&shared->publishers_ready, 1);
    await(&shared->go, 1);
    note_start();
    for (unsigned n = 0; n < reports_of(index); n++) {
        pack_report(&data, index, n, padding);
        int size = snprintf(key, sizeof key, "%u-%08u", index, n);
        int64_t rc = casebus_publisher_send(
            publisher, CASEBUS_REPORT_SCRAPED, casebus_bytes("hse", 3),
            casebus_bytes(key, (size_t)size), casebus_cstr(session),
            casebus_bytes(data.data, data.size), 30000);
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
    msgpack_sbuffer_destroy(&data);
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

static void spawn(peer_fn *run, const struct endpoints *e, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            run(e, i);
            exit(0);
        }
    }
}

static double cpu_us(const struct rusage *used)
{
    return (double)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1e6 +
           (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec);
}

static double run_round(pid_t server, const struct endpoints *e, peer_fn *publish, peer_fn *watch)
{
    memset(shared, 0, sizeof *shared);
    spawn(watch, e, shape.subscribers);
    await(&shared->subscribers_ready, shape.subscribers);
    spawn(publish, e, shape.publishers);
    await(&shared->publishers_ready, shape.publishers);
    usleep(200000); /* raw subscribers cannot prove that their subscription has arrived */
    atomic_store(&shared->go, 1);
    double peers = 0;
    for (unsigned left = shape.subscribers + shape.publishers; left > 0; left--) {
        int status;
        struct rusage used;
        if (wait4(-1, &status, 0, &used) == server || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0) {
            atomic_store(&shared->failed, 1);
        }
        peers += cpu_us(&used);
    }
    struct rusage used;
    kill(server, SIGTERM);
    wait4(server, NULL, 0, &used);
    printf("  cpu a message: server %.2f us, publishers and subscribers %.2f us\n",
           cpu_us(&used) / shape.reports, peers / shape.reports);
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
