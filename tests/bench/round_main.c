/* One round of the benchmark, for bench.py:
 *
 *   casebus-round PEER [-p PUBLISHERS] [-s SUBSCRIBERS] [-n MESSAGES] [-r RATE]
 *                      [-c new|synced|updated] [-f FILLED] [-o]
 *
 * prints one line of JSON. Without a peer it prints those it was built with, one a line. */
#include "round.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
          "       [-c new|synced|updated] [-f filled] [-o]\n",
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

static bool read_option(int option, struct round *round)
{
    if (option == 'o') {
        round->outbox = true;
        return true;
    }
    if (option == 'c') {
        return read_cases(optarg, &round->cases);
    }
    unsigned value = (unsigned)strtoul(optarg ? optarg : "", NULL, 10);
    switch (option) {
    case 'p':
        round->publishers = value;
        return value >= 1 && value <= PEERS_MAX;
    case 's':
        round->subscribers = value;
        return value >= 1 && value <= PEERS_MAX;
    case 'n':
        round->messages = value;
        return value >= 1;
    case 'r':
        round->rate = value;
        return true;
    case 'f':
        round->filled = value;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct round round = {.publishers = 1, .subscribers = 1, .messages = 200000};
    const struct peer *peer = NULL;
    char folder[4096];
    if (argc == 1) {
        for (size_t i = 0; i < COUNT; i++) {
            printf("%s\t%s\n", peers[i]->name, peers[i]->promise);
        }
        return 0;
    }
    for (size_t i = 0; i < COUNT; i++) {
        peer = strcmp(argv[1], peers[i]->name) == 0 ? peers[i] : peer;
    }
    for (int option; (option = getopt(argc, argv, "p:s:n:r:c:f:o")) != -1;) {
        if (!read_option(option, &round)) {
            return usage();
        }
    }
    if (!peer || (peer != &peer_casebus && (round.outbox || round.filled > 0 ||
                                            round.cases != CASES_NEW))) {
        return usage();
    }
    const char *scratch = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/casebus-bench-XXXXXX", scratch ? scratch : "/tmp");
    if (!mkdtemp(folder)) {
        round_fail(folder, strerror(errno));
    }
    round.folder = folder;
    int code = round_run(peer, &round);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return code;
}
