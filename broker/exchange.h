/* What the bus and the queries say to each other, over one inproc PAIR: plain structs, copied.
 *
 * Queries to bus: an entry to apply (submission, then its body as a second frame).
 * Bus to queries: what became of a submission; and after each commit, which publishers it
 * concerned, so that their polls can be answered. What finds the pipe full is kept, notices
 * merged into one: the bus never waits, and nothing is forgotten. */
#ifndef BROKER_EXCHANGE_H
#define BROKER_EXCHANGE_H

#include "actors.h"
#include "apply.h"
#include "noticed.h"

#define EXCHANGE_ENDPOINT "inproc://exchange"
#define NOTICE_MAX CASEBUS_BATCH_MAX /* publishers: a batch has no more */
#define SUBMISSIONS_MAX 256 /* that wait for an answer at a time; a tick waits besides */

struct submission {
    uint64_t id; /* the asker's; 0: no answer wanted */
    enum apply_kind kind;
    char actor[ACTOR_NAME_SIZE];
    char by[ACTOR_NAME_SIZE]; /* who speaks for him; empty: he himself */
};

enum exchange_kind {
    EXCHANGE_RESULT,
    EXCHANGE_NOTICE
};

struct submission_result {
    enum exchange_kind kind;
    uint64_t id;
    enum casebus_outcome outcome;
    int code;
    char field[96];
    char case_id[CASEBUS_CASE_ID_MAX + 1];
};

struct notice {
    enum exchange_kind kind;
    bool everybody; /* look at all polls: more publishers than fit, or a session is to stop */
    unsigned count;
    struct noticed publisher[NOTICE_MAX]; /* as many are sent as there are */
};

#endif
