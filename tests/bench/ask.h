/* Asking a server as fast as it answers, one request at a time or several on their way:
 * casebus, or the least that could answer (bare.h). */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include <casebus/client.h>

enum asked {
    ASKED_CASEBUS,
    ASKED_ECHO,
    ASKED_ROUTER,
    ASKED_COUNT
};
extern const char *const asked_words[ASKED_COUNT];

#define ASK_MANY 50
/* Of the bare servers: a record has the size it has in casebus's answer. */
#define BARE_RECORD_SIZE 600
#define BARE_KEY_SIZE 16
#define BARE_KEY "hse:0-%010u"

struct asker;
struct way {
    const char *name;
    unsigned in_flight, records;     /* records: of one reply */
    void (*ask)(struct asker *self); /* makes the next request */
    enum asked against;              /* ASKED_CASEBUS: nothing is compared with it */
};
extern const struct way ways[];
extern const unsigned ways_count;
const struct way *way_named(const char *name);

struct asker {
    enum asked asked;
    unsigned cases; /* that are there: the first ones of publisher 0. 0: none is found */
    uint64_t random;
    struct casebus_call *call;
    struct casebus_bytes request;
    char keys[ASK_MANY * BARE_KEY_SIZE];
};

/* Two with the same seed ask for the same. */
void asker_init(struct asker *self, enum asked asked, unsigned cases, unsigned seed);
void asker_end(struct asker *self);
/* A socket with as many requests under way as the way has. */
void *asker_connect(struct asker *self, void *context, const char *endpoint,
                    const struct way *way);
/* Takes the next answer, which must be one, and sends the next request. */
void asker_exchange(struct asker *self, const struct way *way, void *s);

#endif
