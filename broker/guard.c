/* A child that may crash or hang; see guard.h. */
#include "guard.h"

#include "clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_NOT_A_RESULT 126

void *guard_memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Dies with its parent, and by the signal itself: without a core, without anybody's handler. */
static _Noreturn void be_child(const struct guard_options *options)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    const struct rlimit no_core = {0, 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        signal(deadly[i], SIG_DFL);
    }
    int result = options->work(options->arg);
    fflush(NULL);
    _exit(result);
}

struct watch {
    const struct guard_options *options;
    int64_t began, moved; /* ms */
    uint64_t steps;
};

static enum guard_end look(struct watch *w)
{
    const struct guard_options *o = w->options;
    const int64_t now = clock_mono_ms();
    const uint64_t steps = o->steps(o->arg);
    if (steps != w->steps) {
        w->steps = steps;
        w->moved = now;
    }
    if (o->whole_s > 0 && now - w->began >= (int64_t)o->whole_s * 1000) {
        return GUARD_TIME_UP;
    }
    return now - w->moved >= (int64_t)o->quiet_s * 1000 ? GUARD_HUNG : GUARD_DONE;
}

/* Until the child has ended or is not to go on. */
static enum guard_end wait_for(pid_t child, struct watch *w, int *status)
{
    const struct timespec pause = {0, 5000000};
    for (;;) {
        pid_t ended = waitpid(child, status, WNOHANG);
        if (ended == child) {
            return GUARD_DONE;
        }
        enum guard_end end = ended < 0 && errno != EINTR ? GUARD_FAILED : look(w);
        if (end != GUARD_DONE) {
            kill(child, SIGKILL);
            while (waitpid(child, status, 0) < 0 && errno == EINTR) {
            }
            return end;
        }
        nanosleep(&pause, NULL);
    }
}

enum guard_end guard_run(const struct guard_options *options, int *result, char *why,
                         size_t why_size)
{
    struct watch w = {.options = options, .began = clock_mono_ms(), .moved = clock_mono_ms()};
    int status = 0;
    fflush(NULL); /* what is buffered must not be written twice */
    pid_t child = fork();
    if (child < 0) {
        snprintf(why, why_size, "cannot start a process: %s", strerror(errno));
        return GUARD_FAILED;
    }
    if (child == 0) {
        be_child(options);
    }
    enum guard_end end = wait_for(child, &w, &status);
    *result = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (end == GUARD_HUNG) {
        snprintf(why, why_size, "made no progress for %u s", options->quiet_s);
    } else if (end == GUARD_TIME_UP) {
        snprintf(why, why_size, "was not finished after %u s", options->whole_s);
    } else if (end == GUARD_DONE && (!WIFEXITED(status) || *result >= EXIT_NOT_A_RESULT)) {
        snprintf(why, why_size, "crashed (%s)",
                 WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it left by itself");
        end = GUARD_CRASHED;
    }
    return end;
}
