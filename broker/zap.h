/* The handler that libzmq asks about every connection (ZAP, ZeroMQ RFC 27): may this key in
 * here?
 *
 * A thread of its own, up before any other socket is bound. What it does not know it refuses.
 * The User-Id it gives a connection is the peer's public key; whose that is the table of actors
 * says anew for each message, so that a key taken out of it is worth nothing from then on. With
 * it goes a number that no other connection has.
 *
 * libzmq does not tell it when a connection ends, so it cannot know how many an actor has: what
 * is limited is how many he opens. */
#ifndef BROKER_ZAP_H
#define BROKER_ZAP_H

#include "actors.h"
#include "audience.h"
#include "counters.h"
#include "kept_out.h"
#include "quota.h"

#include <czmq.h>

/* The number of the connection: a property of its messages, in decimals, from 1. What a peer
 * says under that name itself libzmq leaves out. */
#define CONNECTION_NUMBER "X-Connection"

struct zap_options {
    struct actors *actors;
    const struct audiences *audiences;
    struct counters *counters;
    const struct limits *limits;
    struct kept_out *kept_out;
    atomic_bool serving; /* set when it answers, cleared when it no longer does */
    char why[128];
};

/* For zactor_new(); args is a struct zap_options that outlives the actor. Signals when it
 * answers or could not start (`why`). Where it fails later it signals again, answers nobody and
 * keeps its socket until $TERM, so that libzmq finds a handler that says nothing, and lets
 * nobody in. Destroy it when all sockets it stands before are closed. */
void zap_actor(zsock_t *pipe, void *args);

#endif
