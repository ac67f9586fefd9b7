/* Memory that a burst has needed goes back to the system.
 *
 * What is freed stays with the allocator: of ten thousand peers that have left, of a reader who
 * let hundreds of megabytes of replies wait, all but a few per cent, for as long as the process
 * lives. Looked at now and then, by one thread. Giving back holds up whoever allocates
 * meanwhile: some 70 ms for half a gigabyte, which is why it is done once a burst is over. */
#ifndef BROKER_MEMORY_H
#define BROKER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_LOOK_MS 2000

struct memory {
    int64_t look_at; /* monotonic ms */
    bool spare;      /* at the last look there was more than one needs */
};

/* Gives back what was not needed at the look before either. Call it at least each
 * MEMORY_LOOK_MS; `self` begins with zeros. */
void memory_look(struct memory *self, int64_t now);

#endif
