/* Views before a broker that does what the test wants, and a clock that does too: what their
 * tests share. */
#ifndef TESTS_SUBSCRIBER_VIEWING_H
#define TESTS_SUBSCRIBER_VIEWING_H

#include "peer.h"

#include <casebus/view.h>

extern struct peer *peer;
extern struct casebus_views *views;

/* What after_fetch told last; `count` its calls. */
struct seen {
    unsigned count, states;
    bool reset;
    char rows[512];    /* "3=a 2 1!": of hse:3 the value a; hse:1 is gone */
    char changes[512]; /* "+3@0 ~2:0>1 ^1:2>0 -4@3": added, changed, moved, removed */
};
extern struct seen seen;

/* For cmocka: connected, the broker at seq 10, heard. */
int viewing_setup(void **state);
int viewing_setup_unheard(void **state); /* the same without the first heads */
int viewing_teardown(void **state);
void connect_to(const char *fanout); /* anew */
void join(void);                     /* its subscriptions have arrived */
void hear(void);                     /* and the first heads come: seq 10 */
void allow_requests(unsigned count); /* at a time */

/* Milliseconds pass; the loop goes round. */
void pass(int ms);
void loop(void);
/* Streams move: "case:created:hse:". */
void move_stream(const char *stream, uint64_t seq);
void heads(uint64_t seq);
/* Something made no event, the broker being at seq 10 still. */
void move_quiet(uint64_t entry);

struct casebus_view_options watching(unsigned window_ms);
struct casebus_view *open_view(struct casebus_query query, struct casebus_view_options options);
void close_view(struct casebus_view **view);

/* The request that must be there, until the next: its map. */
struct casebus_bytes asked(const char *op);
void assert_not_asked(void);
uint64_t asked_number(struct casebus_bytes request, const char *key);
/* Answers what was asked last: rows "3=a 2 1" of ids hse:3 and so on; `more`: members of the
 * result as JSON with ' for ", or NULL. */
void answer(uint64_t seq, const char *rows, const char *more);
void answer_json(uint64_t seq, const char *json); /* ' for " */
void refuse(uint64_t seq, int code);

struct casebus_view_status status_of(const struct casebus_view *view);
struct casebus_views_stats hub_stats(void);

#endif
