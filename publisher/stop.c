/* Ctrl-C: the first asks, the loop stops reading and waits for what is under way; the second
 * does not ask. Nothing here restarts system calls, so that whoever waits notices. */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t requests;

static void on_signal(int number)
{
    if (requests) {
        _exit(128 + number);
    }
    requests = 1;
}

void stop_on_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool stop_requested(void)
{
    return requests != 0;
}
