/* Limits of any one actor, and what he has used of them.
 *
 * Rates are kept as one instant each: until when what he has taken is paid for. Whoever has
 * one left of a period's worth may take more, so that after a pause a whole period's worth goes
 * at once, and the last to go may be larger than what was left. An account is forgotten when
 * its place is needed and it owes nothing: who is absent has used nothing.
 *
 * A quota is one thread's, or its owner locks it; limits are read from anywhere. */
#ifndef BROKER_QUOTA_H
#define BROKER_QUOTA_H

#include "actors.h"
#include "counters.h"

#include <casebus/limits.h>

/* X(limit, setting, how the setting is read, preset, what is counted, help) */
#define LIMITS(X)                                                                              \
    X(LIMIT_REPORTS, "actor-reports", COUNT_OF, "0", "reports a second",                       \
      "reports an actor may send a second, 0: any number")                                     \
    X(LIMIT_BYTES, "actor-bytes", BYTES, "0", "bytes a second",                                \
      "bytes of them a second, and as many of requests, 0: any number (K, M, G, T)")           \
    X(LIMIT_REQUESTS, "actor-requests", COUNT_OF, "0", "requests a second",                    \
      "requests an actor may make a second, 0: any number")                                    \
    X(LIMIT_WAITING, "actor-waiting", COUNT_OF, "1024", "requests that wait",                  \
      "requests of an actor that wait at a time, 0: any number")                               \
    X(LIMIT_PATTERNS, "actor-patterns", COUNT_OF, "16384", "patterns a connection",            \
      "patterns a connection may have (with --actors), 0: any number")                         \
    X(LIMIT_CONNECTIONS, "actor-connections", COUNT_OF, "4096", "connections a minute",        \
      "connections an actor may open a minute (with --actors), 0: any number")

enum limit {
#define X(limit, name, type, preset, what, help) limit,
    LIMITS(X)
#undef X
    LIMIT_COUNT
};

/* The settings: written by the main thread at the start and at a SIGHUP, read by all. */
struct limits {
    atomic_uint_fast64_t of[LIMIT_COUNT]; /* 0: none */
};

static inline uint64_t limit_of(const struct limits *self, enum limit limit)
{
    return atomic_load_explicit(&self->of[limit], memory_order_relaxed);
}

/* The name of its setting. */
const char *limit_name(enum limit limit);
/* "over its limit of 100 reports a second (actor-reports)" */
#define LIMIT_TEXT_SIZE 96
const char *limit_say(enum limit limit, uint64_t value, char text[LIMIT_TEXT_SIZE]);

/* A publisher is missing the report of this number, which was not taken. */
struct missing {
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE];
    uint64_t number;
    enum limit limit; /* that it was over */
    int64_t until;    /* ns: remembered so long */
};

struct account {
    char actor[ACTOR_NAME_SIZE];     /* empty: nobody's */
    uint64_t value[LIMIT_COUNT];     /* as it was when he last took something */
    int64_t paid_until[LIMIT_COUNT]; /* ns */
    unsigned waiting;                /* requests, now */
    struct missing missing;
    uint64_t unsaid[LIMIT_COUNT]; /* refusals that are not in the log yet */
    int64_t said_at[LIMIT_COUNT]; /* ns; 0: never */
};

struct quota;

/* NULL: out of memory. */
struct quota *quota_new(struct counters *counters);
void quota_destroy(struct quota **self_p);
/* Of the clock that quotas go by: monotonic ns. */
int64_t quota_now(void);
/* His account, until the next call. */
struct account *quota_account(struct quota *self, const char *actor);
/* May he have so much more (0: nothing) of each limit that is a rate? LIMIT_COUNT: yes, and it
 * is taken; otherwise the limit he is over, and nothing is. */
enum limit account_take(struct account *self, const struct limits *limits,
                        const uint64_t more[LIMIT_COUNT], int64_t now);
/* Counts a refusal, and says it in the log: of an actor and a limit once a second at most, then
 * with how many there were. `where` says at what: "op=case.get". */
void quota_refuse(struct quota *self, struct account *account, enum limit limit, uint64_t value,
                  int64_t now, const char *where);

#endif
