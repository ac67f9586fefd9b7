/* What a server uses; see usage.h. */
#include "usage.h"

#include "round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double cpu_so_far(pid_t server)
{
    clockid_t clock;
    struct timespec t;
    int error = clock_getcpuclockid(server, &clock);
    if (error != 0 || clock_gettime(clock, &t) != 0) {
        round_fail("server", error ? strerror(error) : strerror(errno));
    }
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* RssAnon: what it maps from files is not counted. */
static uint64_t own_memory_kib(pid_t server)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)server);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "RssAnon: %llu", &kib) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

void usage_begin(struct usage *self)
{
    self->cpu_us = cpu_so_far(self->server);
    usage_look(self, false);
}

void usage_look(struct usage *self, bool late)
{
    const uint64_t kib = own_memory_kib(self->server);
    uint64_t *most = late ? &self->late_kib : &self->early_kib;
    *most = kib > *most ? kib : *most;
}

void usage_end(struct usage *self)
{
    usage_look(self, true);
    self->cpu_us = cpu_so_far(self->server) - self->cpu_us;
}

uint64_t usage_most(const struct usage *self)
{
    return self->early_kib > self->late_kib ? self->early_kib : self->late_kib;
}

double usage_growth(const struct usage *self)
{
    return self->early_kib > 0 ? (double)self->late_kib / (double)self->early_kib : 0;
}
