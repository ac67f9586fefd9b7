/* One round of a benchmark: a server, processes that publish through it and processes that
 * watch what comes out, and what was measured.
 *
 * A peer is a server and the kinds of process it is used by. The clock of the throughput
 * runs from the first message sent to the last one received by the last watcher; of each
 * message's latency, from just before it is sent to when it has been received. */
#ifndef BENCH_ROUND_H
#define BENCH_ROUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PEERS_MAX 64

enum cases {
    CASES_NEW,     /* every message is a case that was not there */
    CASES_SYNCED,  /* every case is there already, as reported */
    CASES_UPDATED, /* ... every second one with another fine */
    CASES_COUNT
};
extern const char *const cases_words[CASES_COUNT];

struct round {
    unsigned publishers, subscribers;
    unsigned messages;    /* of all publishers together */
    unsigned rate;        /* a second, of all together; 0: as fast as it goes */
    unsigned report_size; /* of a message, in bytes */
    /* What follows is casebus's alone. */
    enum cases cases;
    unsigned first;     /* of each publisher's cases: from it on none is in the store */
    unsigned there;     /* so many cases are in the store, without a hole */
    bool scattered;     /* ids in no order */
    bool outbox;        /* each report on the publisher's disk before it is sent */
    unsigned agencies;  /* that the cases are spread over */
    unsigned patterns;  /* of each watcher; all but one match nothing */
    unsigned idle;      /* subscribers that get nothing, many in a process */
    unsigned readers;   /* processes that ask for cases that are there while others publish */
    const char *store;  /* a store that stays; NULL: a new one in the folder */
    const char *folder; /* for files of this round, empty */
    pid_t attached;     /* a server that runs already, at the endpoints below; 0: none */
    char ingest[128], fanout[128], query[128]; /* endpoints */
};

typedef void process_fn(const struct round *round, unsigned index);

struct peer {
    const char *name, *promise;
    /* Starts the server; it can be connected to when this returns. */
    pid_t (*serve)(struct round *round);
    /* Each in a process of its own, which ends when it has sent or received all. */
    process_fn *publish, *watch;
    /* Likewise, but they are ended; NULL: there are none. */
    process_fn *idle, *read;
};
extern const struct peer peer_casebus, peer_raw;
#ifdef BENCH_REDIS
extern const struct peer peer_redis;
#endif
#ifdef BENCH_NATS
extern const struct peer peer_jetstream;
#endif

/* Of those that are idle, how many share a process. */
#define IDLE_EACH 2500
#define IDLE_MAX (IDLE_EACH * PEERS_MAX)
unsigned round_idle_processes(const struct round *round);

/* How many of the messages are this publisher's. */
unsigned round_share(const struct round *round, unsigned publisher);

/* Of a publisher: it is connected; returns when all are, and the clock begins. */
void round_publish(void);
/* Of a reader: the same. */
void round_read(void);
/* It has had an answer. */
void round_answered(void);
/* Waits until the n-th message of this publisher is due. */
void round_pace(const struct round *round, unsigned n);
/* The time that goes with a message: microseconds since 1970. */
uint64_t round_clock(void);

/* Of a watcher, or of a process of idle ones: they will receive what is sent from now on. */
void round_watch(void);
/* It has received one that was sent then. False: that was the last. */
bool round_received(const struct round *round, unsigned watcher, uint64_t sent_at);
/* Nothing has come for long; false: give up. */
bool round_waits(unsigned watcher);

/* Ends the process, and with it the round. */
void round_fail(const char *what, const char *why) __attribute__((noreturn));
/* Starts a program whose standard output can be read from *out (NULL: it is dropped). */
pid_t round_spawn(char *const argv[], int *out);
/* Waits until something listens on that port of this machine. */
void round_await_port(int port);
/* A port that nobody listened on just now. */
int round_free_port(void);

/* Runs it, and prints one JSON object on a line. 0, or 1. */
int round_run(const struct peer *peer, struct round *round);

#endif
