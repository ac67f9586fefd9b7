/* What the parts of verify share. Private to verify*.c. */
#ifndef BROKER_VERIFYING_H
#define BROKER_VERIFYING_H

#include "record.h"
#include "verify.h"

struct total { /* recounted, of one agency, one stream or one actor */
    char name[CASEBUS_TOPIC_MAX];
    uint64_t cases, fine_pence, newest;
    uint64_t publishers, sessions; /* of an actor: sessions that have not ended */
    bool found;                    /* its entry */
};

struct totals { /* sorted by name */
    struct total *list;
    size_t count, capacity;
};

struct verifying {
    struct store *store;
    struct txn *txn;
    struct verify_report *report;
    struct state state;
    uint64_t oldest; /* seq of the oldest event kept: what is below was counted when it went */
    struct totals streams, agencies, actors;
    uint64_t living, chained; /* cases that can be got; case events reached through chains */
    uint64_t case_events, session_events;
    uint64_t told;       /* session events reached through chains */
    uint64_t running;    /* sessions */
    uint64_t at;         /* of the event before */
    struct key previous; /* in the tree being walked */
    uint64_t walked[TREE_COUNT];
    bool stopped; /* at damaged pages */
};

void finding(struct verifying *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A key as text, for findings; a static buffer each thread. */
const char *shown(enum tree tree, struct casebus_bytes key);
/* The total of that name, made where it is new; NULL: no memory. */
struct total *total_of(struct totals *totals, struct casebus_bytes name);
/* NULL: new. */
struct total *total_known(const struct totals *totals, struct casebus_bytes name);

/* Says that the check gets on. */
void step(struct verifying *v);

/* Goes through a tree: first true for the first call. Corrupt values become findings and are
 * passed over. */
bool next_entry(struct verifying *v, struct cursor *c, bool first);
bool next_decoded(struct verifying *v, struct cursor *c, bool first, enum entry_type type,
                  void *entry);
/* An event by its seq; a missing or unreadable one becomes a finding. */
bool load_event(struct verifying *v, uint64_t seq, struct log_entry *log,
                struct casebus_event *event);
bool has(struct verifying *v, enum tree tree, const struct key *key);

void verify_cases(struct verifying *v);
void verify_indexes(struct verifying *v);
void verify_sessions(struct verifying *v);
/* One that has not ended: its lease, its place in the index, its actor; counted for both. */
void verify_open_session(struct verifying *v, struct casebus_bytes key,
                         const struct session_entry *s);
void verify_active(struct verifying *v);
void verify_publishers(struct verifying *v);
void verify_quarantine(struct verifying *v);
/* A conflict event has put something into quarantine. */
void verify_conflict(struct verifying *v, const struct casebus_event *event);

#endif
