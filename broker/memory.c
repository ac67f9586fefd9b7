/* Giving memory back; see memory.h. */
#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* Below it the allocator may keep what it likes: the next batch needs it again. */
#define SPARE_MOST (16u << 20)

/* Bytes that this process has of its own in memory, the mapped store left out. */
static size_t resident(void)
{
    unsigned long pages = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*u %lu %lu", &pages, &shared) != 2) {
            pages = shared = 0;
        }
        fclose(file);
    }
    return (pages - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

void memory_look(struct memory *self, int64_t now)
{
    if (now < self->look_at) {
        return;
    }
    self->look_at = now + MEMORY_LOOK_MS;
    const struct mallinfo2 used = mallinfo2();
    bool spare = resident() > used.uordblks + used.hblkhd + SPARE_MOST;
    if (spare && self->spare) {
        malloc_trim(0);
    }
    self->spare = spare;
}
