/* A run: one long piece of work at a time in a thread of its own, which others start, join and
 * wait for. The thread that starts runs is the one that collects them. */
#ifndef BROKER_RUN_H
#define BROKER_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum run_state {
    RUN_NONE,
    RUN_RUNNING,
    RUN_PASSED,
    RUN_FAILED
};
extern const char *const run_state_words[];

typedef bool run_work(void *arg); /* did it pass? */

struct run {
    enum run_state state;
    uint64_t number; /* of the latest */
    pthread_t thread;
    run_work *work;
    void *arg;
    bool passed;
    atomic_bool done; /* set last by the thread: what it wrote before may then be read */
};

/* Not while one runs. 0 or CASEBUS_EBUSY. */
int run_start(struct run *self, run_work *work, void *arg);
/* Takes the result of a run that has ended; called now and then. */
void run_collect(struct run *self);
/* Waits for the run, where there is one: the work has been told to give up. */
void run_join(struct run *self);

#endif
