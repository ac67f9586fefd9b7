/* Requests a second: of casebus on a store that is filled, and of the least that could answer
 * them, in turn.
 *
 *   casebus-asks STORE CASES SECONDS ROUNDS
 *
 * prints a line of JSON for each way of asking, server and round, measured for so long. All are
 * asked for the same ids, at random. */
#include "ask.h"
#include "bare.h"
#include "round.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

struct asks {
    struct round round;
    unsigned cases;
    double seconds;
    pid_t server[ASKED_COUNT];
    char endpoint[ASKED_COUNT][128];
    void *context;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void serve_bare(struct asks *self, enum asked asked)
{
    snprintf(self->endpoint[asked], sizeof self->endpoint[asked], "tcp://127.0.0.1:%d",
             round_free_port());
    self->server[asked] = fork();
    if (self->server[asked] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (asked == ASKED_ECHO) {
            bare_echo(self->endpoint[asked]);
        }
        bare_router(self->round.folder, self->cases, self->endpoint[asked]);
    }
}

static void serve_all(struct asks *self)
{
    serve_bare(self, ASKED_ECHO);
    serve_bare(self, ASKED_ROUTER);
    self->server[ASKED_CASEBUS] = peer_casebus.serve(&self->round);
    snprintf(self->endpoint[ASKED_CASEBUS], sizeof self->endpoint[ASKED_CASEBUS], "%s",
             self->round.query);
}

/* Asks for as many cases as there are, so that what is measured behind it is not how pages of
 * the file are mapped when they are first touched. The bare server fills its store first;
 * nobody is measured beside that. */
static void warm(struct asks *self, enum asked asked)
{
    struct asker asker;
    const struct way *way = way_named("get_many(50), pipelined");
    asker_init(&asker, asked, self->cases, 0);
    void *s = asker_connect(&asker, self->context, self->endpoint[asked], way);
    for (unsigned answered = 0; answered <= self->cases; answered += way->records) {
        asker_exchange(&asker, way, s);
    }
    zmq_close(s);
    asker_end(&asker);
}

static void measure(struct asks *self, const struct way *way, enum asked asked, unsigned n)
{
    struct asker asker;
    unsigned long answers = 0;
    asker_init(&asker, asked, self->cases, n);
    void *s = asker_connect(&asker, self->context, self->endpoint[asked], way);
    asker_exchange(&asker, way, s); /* the connection is up */
    double start = now_s(), end = start;
    for (; end - start < self->seconds; end = answers % 16 == 0 ? now_s() : end) {
        asker_exchange(&asker, way, s);
        answers++;
    }
    printf("{\"name\": \"%s\", \"peer\": \"%s\", \"cases\": %u, \"per_s\": %.0f, "
           "\"records\": %u}\n",
           way->name, asked_words[asked], self->cases, (double)answers / (end - start),
           way->records);
    fflush(stdout);
    zmq_close(s);
    asker_end(&asker);
}

static void take_turns(struct asks *self, unsigned rounds)
{
    for (unsigned n = 0; n < rounds; n++) {
        for (unsigned i = 0; i < ways_count; i++) {
            measure(self, &ways[i], ASKED_CASEBUS, n);
            if (ways[i].against != ASKED_CASEBUS) {
                measure(self, &ways[i], ways[i].against, n);
            }
        }
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

int main(int argc, char **argv)
{
    struct asks self = {0};
    char folder[4096];
    if (argc != 5 || !((self.seconds = strtod(argv[3], NULL)) > 0)) {
        fputs("usage: casebus-asks STORE CASES SECONDS ROUNDS\n", stderr);
        return 2;
    }
    const char *scratch = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/casebus-bench-XXXXXX", scratch ? scratch : "/tmp");
    if (!mkdtemp(folder)) {
        round_fail(folder, strerror(errno));
    }
    self.round.folder = folder;
    self.round.store = argv[1];
    self.cases = (unsigned)strtoul(argv[2], NULL, 10);
    serve_all(&self);
    self.context = zmq_ctx_new();
    warm(&self, ASKED_ROUTER);
    warm(&self, ASKED_CASEBUS);
    take_turns(&self, (unsigned)strtoul(argv[4], NULL, 10));
    zmq_ctx_term(self.context);
    for (unsigned i = 0; i < ASKED_COUNT; i++) {
        kill(self.server[i], SIGTERM);
        waitpid(self.server[i], NULL, 0);
    }
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
