/* Requests a second: of casebus, and of the least that could answer them.
 *
 *   casebus-asks casebus|bare [-f CASES] [-t SECONDS]
 *
 * prints a line of JSON for each way of asking. Bare is a ROUTER that looks keys up in LMDB and
 * sends the bytes found there, and for lock-step a REP that sends back what it gets. Records have
 * the size they have in casebus, and both are asked for ids at random. */
#include "round.h"
#include "sample.h"

#include <casebus/client.h>
#include <casebus/publisher.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define IN_FLIGHT 100
#define MANY 50
#define RECORD_SIZE 600 /* of the sample as casebus answers it */
#define KEY_SIZE 16
#define PATIENCE_MS 60000

struct asker;
struct way {
    const char *name;
    unsigned in_flight, records; /* records: of one reply, for people */
    void (*ask)(struct asker *self); /* makes the next request */
};

struct asker {
    struct round round;
    bool bare;
    unsigned cases;
    uint64_t random;
    struct casebus_call *call;
    struct casebus_bytes request;
    char keys[MANY * KEY_SIZE];
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A case that is there: xorshift64. */
static unsigned any_case(struct asker *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (unsigned)(self->random % self->cases);
}

/* --- the bare server ---------------------------------------------------------------------- */

static void check(const char *what, int rc)
{
    if (rc != 0) {
        round_fail(what, mdb_strerror(rc));
    }
}

static void fill_bare(MDB_env *env, MDB_dbi dbi, unsigned cases)
{
    MDB_txn *txn = NULL;
    char key[KEY_SIZE + 1], record[RECORD_SIZE] = {0};
    for (unsigned n = 0; n < cases; n++) {
        if (!txn) {
            check("begin", mdb_txn_begin(env, NULL, 0, &txn));
        }
        snprintf(key, sizeof key, "hse:0-%010u", n);
        MDB_val k = {KEY_SIZE, key}, v = {sizeof record, record};
        check("put", mdb_put(txn, dbi, &k, &v, MDB_APPEND));
        if (n % 10000 == 9999 || n == cases - 1) {
            check("commit", mdb_txn_commit(txn));
            txn = NULL;
        }
    }
}

static void answer(void *router, MDB_txn *txn, MDB_dbi dbi)
{
    static char reply[MANY * RECORD_SIZE];
    char envelope[256], keys[MANY * KEY_SIZE];
    size_t size = 0;
    int who = zmq_recv(router, envelope, sizeof envelope, 0);
    int asked = zmq_recv(router, keys, sizeof keys, 0);
    if (who < 0 || asked < 0) {
        return;
    }
    for (int at = 0; at + KEY_SIZE <= asked; at += KEY_SIZE) {
        MDB_val k = {KEY_SIZE, keys + at}, v;
        check("get", mdb_get(txn, dbi, &k, &v));
        memcpy(reply + size, v.mv_data, v.mv_size);
        size += v.mv_size;
    }
    zmq_send(router, envelope, (size_t)who, ZMQ_SNDMORE);
    zmq_send(router, reply, size, 0);
}

static void serve_bare(const struct asker *self)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    check("env", mdb_env_create(&env));
    check("size", mdb_env_set_mapsize(env, (size_t)64 << 30));
    check("open", mdb_env_open(env, self->round.folder, MDB_NOSYNC, 0600));
    check("begin", mdb_txn_begin(env, NULL, 0, &txn));
    check("dbi", mdb_dbi_open(txn, NULL, 0, &dbi));
    check("commit", mdb_txn_commit(txn));
    fill_bare(env, dbi, self->cases);
    check("begin", mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
    void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
    if (zmq_bind(router, self->round.query) != 0) {
        round_fail("router", zmq_strerror(errno));
    }
    for (;;) {
        mdb_txn_reset(txn); /* a snapshot for each request, as casebus takes one */
        check("renew", mdb_txn_renew(txn));
        answer(router, txn, dbi);
    }
}

static void serve_echo(const struct asker *self)
{
    char frame[4096];
    void *context = zmq_ctx_new(), *rep = zmq_socket(context, ZMQ_REP);
    if (zmq_bind(rep, self->round.ingest) != 0) {
        round_fail("echo", zmq_strerror(errno));
    }
    for (;;) {
        int size = zmq_recv(rep, frame, sizeof frame, 0);
        if (size >= 0) {
            zmq_send(rep, frame, RECORD_SIZE, 0);
        }
    }
}

static pid_t fork_server(void (*serve)(const struct asker *), const struct asker *self)
{
    pid_t pid = fork();
    if (pid == 0) {
        serve(self);
        _exit(0);
    }
    return pid;
}

/* --- casebus ------------------------------------------------------------------------------ */

static void fill_casebus(struct asker *self)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    struct casebus_publisher *publisher;
    struct sample sample;
    options.ingest = self->round.ingest;
    options.query = self->round.query;
    options.verify = false;
    if (casebus_publisher_new(&publisher, options) != 0) {
        round_fail("publisher", "cannot be made");
    }
    sample_init(&sample, 0);
    for (unsigned n = 0; n < self->cases; n++) {
        sample_turn_to(&sample, n);
        if (casebus_publisher_send(publisher, CASEBUS_REPORT_SCRAPED, casebus_cstr("hse"),
                                   casebus_bytes(sample.key, sample.key_size),
                                   casebus_bytes(NULL, 0),
                                   casebus_bytes(sample.data.data, sample.data.size),
                                   PATIENCE_MS) < 0) {
            round_fail("publisher", "a report was not taken");
        }
    }
    if (casebus_publisher_confirm(publisher, 0, PATIENCE_MS) != 0) {
        round_fail("publisher", "not all was confirmed");
    }
    sample_end(&sample);
    casebus_publisher_destroy(&publisher);
}

/* --- ways of asking ----------------------------------------------------------------------- */

static void encode(struct asker *self)
{
    if (casebus_call_encoded(self->call, &self->request) != 0) {
        round_fail("request", "cannot be encoded");
    }
}

static void ask_get(struct asker *self)
{
    char id[64];
    if (self->bare) {
        snprintf(self->keys, sizeof self->keys, "hse:0-%010u", any_case(self));
        self->request = casebus_bytes(self->keys, KEY_SIZE);
        return;
    }
    snprintf(id, sizeof id, "hse:0-%08u", any_case(self));
    casebus_call_begin(self->call, CASEBUS_OP_CASE_GET);
    casebus_call_text(self->call, "id", id);
    encode(self);
}

static void ask_many(struct asker *self)
{
    char ids[MANY][64];
    const char *texts[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        unsigned n = any_case(self);
        char key[KEY_SIZE + 1];
        snprintf(key, sizeof key, "hse:0-%010u", n);
        memcpy(self->keys + i * KEY_SIZE, key, KEY_SIZE);
        snprintf(ids[i], sizeof ids[i], "hse:0-%08u", n);
        texts[i] = ids[i];
    }
    if (self->bare) {
        self->request = casebus_bytes(self->keys, sizeof self->keys);
        return;
    }
    casebus_call_begin(self->call, CASEBUS_OP_CASE_GET_MANY);
    casebus_call_texts(self->call, "ids", texts, MANY);
    encode(self);
}

static void ask_recent(struct asker *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_CASE_RECENT);
    casebus_call_uint(self->call, "limit", 100);
    encode(self);
}

static void ask_list(struct asker *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_CASE_LIST);
    casebus_call_text(self->call, "agency", "hse");
    casebus_call_text(self->call, "from", "2024-01-01");
    casebus_call_text(self->call, "to", "2024-12-31");
    casebus_call_text(self->call, "order", "date");
    casebus_call_uint(self->call, "limit", 50);
    encode(self);
}

static void ask_replay(struct asker *self)
{
    static const char *const patterns[] = {"case"};
    casebus_call_begin(self->call, CASEBUS_OP_LOG_REPLAY);
    casebus_call_uint(self->call, "after", any_case(self));
    casebus_call_texts(self->call, "patterns", patterns, 1);
    casebus_call_uint(self->call, "limit", 500);
    encode(self);
}

static const struct way ways[] = {
    {"get, lock-step", 1, 1, ask_get},
    {"get, pipelined", IN_FLIGHT, 1, ask_get},
    {"get_many(50), pipelined", IN_FLIGHT, MANY, ask_many},
    {"recent(100), pipelined", 10, 100, ask_recent},
    {"list(50), pipelined", 10, 50, ask_list},
    {"replay(500), pipelined", 10, 500, ask_replay},
};
#define WAYS (sizeof ways / sizeof *ways)

/* --- asking ------------------------------------------------------------------------------- */

static bool is_answered(const struct asker *self, zmq_msg_t *m)
{
    struct casebus_reply reply;
    struct casebus_fault fault;
    const struct casebus_bytes body = casebus_bytes(zmq_msg_data(m), zmq_msg_size(m));
    return self->bare ? body.size >= RECORD_SIZE
                      : casebus_reply_decode(body, &reply, &fault) == 0 && reply.error == 0;
}

static void send_next(struct asker *self, const struct way *way, void *s, bool enveloped)
{
    way->ask(self);
    if (enveloped) {
        zmq_send(s, "", 0, ZMQ_SNDMORE);
    }
    zmq_send(s, self->request.data, self->request.size, 0);
}

static void receive(const struct asker *self, void *s)
{
    zmq_msg_t m;
    zmq_msg_init(&m);
    do {
        if (zmq_msg_recv(&m, s, 0) < 0) {
            round_fail("asker", zmq_strerror(errno));
        }
    } while (zmq_msg_more(&m));
    if (!is_answered(self, &m)) {
        round_fail("asker", "an answer is none");
    }
    zmq_msg_close(&m);
}

static void measure(struct asker *self, const struct way *way, void *context, double seconds)
{
    const bool lock_step = way->in_flight == 1, enveloped = !self->bare && !lock_step;
    void *s = zmq_socket(context, lock_step ? ZMQ_REQ : ZMQ_DEALER);
    int none = 0, patience = PATIENCE_MS;
    unsigned long answers = 0;
    zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_connect(s, self->bare && lock_step ? self->round.ingest : self->round.query);
    for (unsigned i = 0; i < way->in_flight; i++) {
        send_next(self, way, s, enveloped);
    }
    receive(self, s); /* the connection is up, the first pages are there */
    double start = now_s(), end = start;
    for (; end - start < seconds; end = answers % 16 == 0 ? now_s() : end) {
        send_next(self, way, s, enveloped);
        receive(self, s);
        answers++;
    }
    printf("{\"name\": \"%s\", \"peer\": \"%s\", \"cases\": %u, \"per_s\": %.0f, "
           "\"records\": %u}\n",
           way->name, self->bare ? "bare" : "casebus", self->cases,
           (double)answers / (end - start), way->records);
    zmq_close(s);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

static void run(struct asker *self, double seconds)
{
    pid_t servers[2] = {0, 0};
    if (self->bare) {
        snprintf(self->round.query, sizeof self->round.query, "tcp://127.0.0.1:%d",
                 round_free_port());
        snprintf(self->round.ingest, sizeof self->round.ingest, "tcp://127.0.0.1:%d",
                 round_free_port());
        servers[0] = fork_server(serve_bare, self);
        servers[1] = fork_server(serve_echo, self);
    } else {
        servers[0] = peer_casebus.serve(&self->round);
        fill_casebus(self);
    }
    void *context = zmq_ctx_new();
    for (size_t i = 0; i < WAYS; i++) {
        if (!self->bare || ways[i].ask == ask_get || ways[i].ask == ask_many) {
            measure(self, &ways[i], context, seconds);
        }
    }
    zmq_ctx_term(context);
    for (unsigned i = 0; i < 2 && servers[i] > 0; i++) {
        kill(servers[i], SIGTERM);
        waitpid(servers[i], NULL, 0);
    }
}

int main(int argc, char **argv)
{
    struct asker self = {.cases = 100000, .random = 88172645463325252u};
    double seconds = 3;
    char folder[4096];
    self.bare = argc > 1 && strcmp(argv[1], "bare") == 0;
    bool good = self.bare || (argc > 1 && strcmp(argv[1], "casebus") == 0);
    for (int option; good && (option = getopt(argc, argv, "f:t:")) != -1;) {
        good = option != '?';
        if (option == 'f') {
            self.cases = (unsigned)strtoul(optarg, NULL, 10);
        } else if (option == 't') {
            seconds = strtod(optarg, NULL);
        }
    }
    if (!good || self.cases == 0 || !(seconds > 0)) {
        fputs("usage: casebus-asks casebus|bare [-f cases] [-t seconds]\n", stderr);
        return 2;
    }
    const char *scratch = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/casebus-bench-XXXXXX", scratch ? scratch : "/tmp");
    if (!mkdtemp(folder) || casebus_call_new(&self.call) != 0) {
        round_fail(folder, strerror(errno));
    }
    self.round.folder = folder;
    run(&self, seconds);
    casebus_call_destroy(&self.call);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
