/* The bus: takes reports in, has them decided and committed, sends events out. One thread. */
#ifndef BROKER_BUS_H
#define BROKER_BUS_H

#include "audience.h"
#include "counters.h"
#include "ports.h"
#include "retention.h"
#include "store.h"

#include <czmq.h>

struct bus_options {
    const char *ingest, *fanout; /* endpoints to bind */
    const struct gate *gate;
    const struct audiences *audiences; /* and theirs */
    struct store *store;
    struct counters *counters;
    struct retention retention; /* may change while the bus runs */
    /* Filled in before the actor says it is ready. */
    char *ingest_bound, *fanout_bound;
    char *audience_bound[AUDIENCES_MAX];
    /* Set when it serves, cleared when it has ended, last of all: whoever sees it may read what
     * was written before. Also what tells a race detector of the hand-over inside libzmq. */
    atomic_bool serving;
    char why[256]; /* where it could not start */
    int failure;   /* the error that ended it; 0: asked to */
};

/* A command to the actor: ends all live connections, so that who still may connects again. */
#define BUS_REBIND "REBIND"

/* For zactor_new(); args is a struct bus_options that outlives the actor. Signals when it
 * serves (`serving`) or could not start (`why`). Ends on $TERM with the batch at hand finished,
 * or by itself on an error of the store that it must not go on after (`failure`). */
void bus_actor(zsock_t *pipe, void *args);

#endif
