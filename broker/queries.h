/* The queries: answers requests on a ROUTER socket from read transactions. One thread. */
#ifndef BROKER_QUERIES_H
#define BROKER_QUERIES_H

#include "audience.h"
#include "counters.h"
#include "ports.h"
#include "store.h"

#include <czmq.h>

struct queries_options {
    const char *query; /* endpoint to bind */
    const struct gate *gate;
    struct store *store;
    struct counters *counters;
    const struct audiences *audiences;
    const char *ingest_bound, *fanout_bound; /* for broker.status */
    char *const *audience_bound;             /* the same, of each audience */
    char *query_bound;                       /* filled in */
    /* Set when it serves, cleared when it has ended, last of all: whoever sees it may read what
     * was written before. Also what tells a race detector of the hand-over inside libzmq. */
    atomic_bool serving;
    char why[256];
};

/* A command to the actor: the table of actors has been swapped, and what waits is judged by it.
 */
#define QUERIES_ACTORS "ACTORS"

/* For zactor_new(), after the bus has started. Signals when it serves
 * (`serving`) or could not start (`why`). */
void queries_actor(zsock_t *pipe, void *args);

#endif
