/* Ctrl-C: the first asks, the loop stops reading and waits for what is under way; the second
 * does not ask. Two that come together are one: timeout(1) signals the process and then its
 * group, and neither a session nor the line of counts should be lost for that. Nothing here
 * restarts system calls, so that whoever waits notices. */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "clock.h"

#define TOGETHER_MS 500

static volatile sig_atomic_t requested;
static int64_t requested_ms; /* only the handler's, which is not interrupted by itself */

static void on_signal(int number)
{
    if (!requested) {
        requested_ms = clock_mono_ms();
        requested = 1;
    } else if (clock_mono_ms() - requested_ms > TOGETHER_MS) {
        _exit(128 + number);
    }
}

void stop_on_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool stop_requested(void)
{
    return requested != 0;
}
