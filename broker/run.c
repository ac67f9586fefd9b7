/* One long piece of work at a time, in a thread of its own. */
#include "run.h"

#include <casebus/errors.h>

const char *const run_state_words[] = {"none", "running", "passed", "failed"};

static void *work(void *arg)
{
    struct run *self = arg;
    self->passed = self->work(self->arg);
    atomic_store(&self->done, true);
    return NULL;
}

int run_start(struct run *self, run_work *what, void *arg)
{
    atomic_store(&self->done, false);
    self->work = what;
    self->arg = arg;
    if (pthread_create(&self->thread, NULL, work, self) != 0) {
        return CASEBUS_EBUSY;
    }
    self->state = RUN_RUNNING;
    self->number++;
    return 0;
}

void run_collect(struct run *self)
{
    if (self->state == RUN_RUNNING && atomic_load(&self->done)) {
        run_join(self);
    }
}

void run_join(struct run *self)
{
    if (self->state == RUN_RUNNING) {
        pthread_join(self->thread, NULL);
        self->state = self->passed ? RUN_PASSED : RUN_FAILED;
    }
}
