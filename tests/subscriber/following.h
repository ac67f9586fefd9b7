/* A subscriber before a broker that does what the test wants: what its tests share. */
#ifndef TESTS_SUBSCRIBER_FOLLOWING_H
#define TESTS_SUBSCRIBER_FOLLOWING_H

#include "peer.h"

#include <casebus/subscriber.h>

#define CREATED "case:created:hse:"
#define UPDATED "case:updated:hse:"
#define ONE CREATED "1:"
#define TWO CREATED "2:"
#define CHANGED UPDATED "1:"
#define SOON 10000 /* a limit, not a wait */

extern struct peer *peer;
extern struct casebus_subscriber *subscriber;
extern struct casebus_subscriber_options options; /* the subscriber's */
extern const struct casebus_event *event;         /* of the last next() */

int following_setup(void **state);
int following_teardown(void **state);
/* The same with other options. */
void make_anew(void);

void subscribe(const char *pattern);
/* Subscribed and live, the broker at `seq`. */
void go_live(const char *pattern, uint64_t seq);

int next(int timeout_ms);
void assert_next_is(uint64_t seq);
void assert_gap(const char *stream, uint64_t after, uint64_t through);
/* Waits for the question and looks at it. */
void assert_asked(uint64_t after, const char *pattern);
void assert_cursor(uint64_t seq);
struct casebus_subscriber_stats stats(void);

#endif
