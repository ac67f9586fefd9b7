/* casebus-dashboard: what its parts share. */
#ifndef CASEBUS_DASHBOARD_H
#define CASEBUS_DASHBOARD_H

#include <casebus/client.h>

#include "../flags.h"
#include "asker.h"
#include "guard.h"

#define PROGRAM "casebus-dashboard"

#define ALLOW_HOSTS_MAX (GUARD_NAMES_MAX - 4)

struct settings {
    const char *http, *fanout, *query, *audience;
    const char *secret, *server;         /* key files, or NULL */
    const char *accounts, *behind_proxy; /* NULL: none */
    int session_idle_ms, session_max_ms;
    struct {
        const char *name[ALLOW_HOSTS_MAX];
        size_t count;
    } allow_hosts;
    uint64_t ring, streams, streams_per_address;
    bool help, version;
};

struct server;
struct people;
struct channels;
struct streams;

/* One for the process; parts get a pointer to it. */
struct dashboard {
    struct settings settings;
    bool ending; /* what sleeps is woken to end */
    void *zmq;
    struct asker *asker;
    struct casebus_call *call; /* a request being written */
    struct people *people;     /* NULL: no accounts, everybody is `local` */
    struct server *server;
    struct channels *channels;
    struct streams *streams;
};

#endif
