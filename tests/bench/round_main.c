/* One round of the benchmark, for bench.py; `casebus-round help` says how. Prints one line of
 * JSON. Without a peer it prints those it was built with, one a line. */
#include "round.h"
#include "sample.h"

#include <casebus/limits.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct peer *const peers[] = {
    &peer_casebus,
    &peer_raw,
#ifdef BENCH_REDIS
    &peer_redis,
#endif
#ifdef BENCH_NATS
    &peer_jetstream,
#endif
};
#define COUNT (sizeof peers / sizeof *peers)

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

static int usage(void)
{
    fputs("usage: casebus-round PEER [-p publishers] [-s subscribers] [-n messages] [-r rate]\n"
          "                     [-b bytes of a message]\n"
          "of casebus alone:    [-c new|synced|updated] [-o: outbox] [-x: ids in no order]\n"
          "                     [-a agencies] [-k patterns] [-i idle subscribers]\n"
          "                     [-d store that stays] [-f first new case] [-w cases there]\n"
          "                     [-q readers, with -w]\n"
          "                     [-e PID,INGEST,FANOUT,QUERY: a broker that runs]\n",
          stderr);
    return 2;
}

static bool read_cases(const char *word, enum cases *cases)
{
    for (unsigned i = 0; i < CASES_COUNT; i++) {
        if (strcmp(word, cases_words[i]) == 0) {
            *cases = (enum cases)i;
            return true;
        }
    }
    return false;
}

struct number {
    char option;
    unsigned min, max, preset;
    size_t offset;
    bool shared; /* by all peers */
};
static const struct number numbers[] = {
    {'p', 1, PEERS_MAX, 1, offsetof(struct round, publishers), true},
    {'s', 1, PEERS_MAX, 1, offsetof(struct round, subscribers), true},
    {'n', 1, 90000000, 200000, offsetof(struct round, messages), true},
    {'r', 0, UINT_MAX, 0, offsetof(struct round, rate), true},
    {'b', REPORT_SIZE, REPORT_SIZE_MAX, REPORT_SIZE, offsetof(struct round, report_size), true},
    {'f', 0, 90000000, 0, offsetof(struct round, first), false},
    {'w', 0, 90000000, 0, offsetof(struct round, there), false},
    {'a', 1, CASEBUS_AGENCIES_MAX, 1, offsetof(struct round, agencies), false},
    {'k', 1, CASEBUS_PATTERNS_MAX, 1, offsetof(struct round, patterns), false},
    {'i', 0, IDLE_MAX, 0, offsetof(struct round, idle), false},
    {'q', 0, PEERS_MAX, 0, offsetof(struct round, readers), false},
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

static unsigned *number_in(struct round *round, const struct number *number)
{
    return (unsigned *)((char *)round + number->offset);
}

static bool read_number(struct round *round, int option, bool is_casebus)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        if (numbers[i].option == option && (is_casebus || numbers[i].shared)) {
            const unsigned long value = strtoul(optarg, NULL, 10);
            *number_in(round, &numbers[i]) = (unsigned)value;
            return value >= numbers[i].min && value <= numbers[i].max;
        }
    }
    return false;
}

static bool read_attached(struct round *round)
{
    return sscanf(optarg, "%d,%127[^,],%127[^,],%127s", &round->attached, round->ingest,
                  round->fanout, round->query) == 4;
}

static bool read_option(struct round *round, int option, bool is_casebus)
{
    if (!is_casebus) {
        return read_number(round, option, false);
    }
    switch (option) {
    case 'o':
        return round->outbox = true;
    case 'x':
        return round->scattered = true;
    case 'c':
        return read_cases(optarg, &round->cases);
    case 'd':
        return (round->store = optarg) != NULL;
    case 'e':
        return read_attached(round);
    default:
        return read_number(round, option, true);
    }
}

static const struct peer *peer_named(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(name, peers[i]->name) == 0) {
            return peers[i];
        }
    }
    return NULL;
}

/* Thousands of subscribers need as many files, here and in the server. */
static void allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    struct round round = {0};
    char folder[4096];
    if (argc == 1) {
        for (size_t i = 0; i < COUNT; i++) {
            printf("%s\t%s\n", peers[i]->name, peers[i]->promise);
        }
        return 0;
    }
    for (size_t i = 0; i < NUMBERS; i++) {
        *number_in(&round, &numbers[i]) = numbers[i].preset;
    }
    const struct peer *peer = peer_named(argv[1]);
    bool good = peer != NULL;
    for (int option;
         good && (option = getopt(argc, argv, "p:s:n:r:b:f:w:a:k:i:q:c:d:e:ox")) != -1;) {
        good = read_option(&round, option, peer == &peer_casebus);
    }
    if (!good || (round.readers > 0 && round.there == 0)) {
        return usage();
    }
    const char *scratch = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/casebus-bench-XXXXXX", scratch ? scratch : "/tmp");
    if (!mkdtemp(folder)) {
        round_fail(folder, strerror(errno));
    }
    round.folder = folder;
    allow_files();
    int code = round_run(peer, &round);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return code;
}
