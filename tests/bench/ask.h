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
/* What is compared is asked for in the same bytes of all servers, and the answers are as long:
 * the ids stand at the end of a request, each behind its head, where the bare server finds
 * them; its records have the size they have in casebus's answer, and so has the rest. */
#define ASK_ID "hse:0-%08u"
#define ASK_ID_DIGITS 8
#define ASK_ID_SIZE (6 + ASK_ID_DIGITS)
#define ASK_ID_STRIDE (ASK_ID_SIZE + 1)
#define BARE_RECORD_SIZE 590
#define BARE_ONE_REST 53
#define BARE_MANY_REST 1318

struct asker;
struct way {
    const char *name;
    unsigned in_flight, records;      /* records: of one reply */
    void (*make)(struct asker *self); /* a request */
    unsigned ids;                     /* at its end: from one request to the next, others */
    enum asked against;               /* ASKED_CASEBUS: nothing is compared with it */
};
extern const struct way ways[];
extern const unsigned ways_count;
const struct way *way_named(const char *name);

struct asker {
    enum asked asked;
    unsigned cases; /* that are there: the first ones of publisher 0. 0: none is found */
    uint64_t random;
    struct casebus_call *call;
    unsigned char request[1024];
    size_t request_size;
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
