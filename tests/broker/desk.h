/* A desk to apply entries at: a real store in a temporary folder, and reports written as JSON.
 *
 *   struct desk d;
 *   desk_open(&d);
 *   desk_report(&d, "case:scraped:hse:1:", "{'offender': {'name': 'A'}}");   ' stands for "
 *   assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
 *   assert_string_equal(desk_events(&d), "created 1");
 *   desk_close(&d);
 *
 * Each report is a batch of its own; desk_begin() and desk_end() make larger ones. The clock is
 * the desk's and moves a second a report. */
#ifndef TESTS_DESK_H
#define TESTS_DESK_H

#include "apply.h"
#include "record.h"

#include <casebus/event.h>
#include <casebus/report.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct desk {
    char dir[64];
    uint64_t map_bytes;
    struct store *store;
    struct txn *txn;
    struct apply *apply;
    uint64_t clock;
    bool batch;          /* between begin and end */
    size_t shown;        /* events of this batch that desk_events() has told of */
    const char *session; /* reports name this one; NULL: none */
    struct apply_result result;
    char events[4096];
    json_t *event;     /* the newest event of the last report, as JSON */
    char *kept[30000]; /* bodies and topics of the batch */
    size_t kept_count;
};

void desk_open(struct desk *d);
/* With a store that can grow to so much: where there are thousands, of a few reports each. */
void desk_open_map(struct desk *d, uint64_t map_bytes);
/* Closes the store; the folder goes too. */
void desk_close(struct desk *d);
/* For cmocka, with the desk as the state before a test: opens it; closes it, and the test has
 * failed where its store does not agree with itself. */
int desk_set_up(void **state);
int desk_tear_down(void **state);
/* Closes it, whatever the test has put into its store. */
int desk_shut(void **state);
void desk_reopen(struct desk *d);

void desk_begin(struct desk *d);
void desk_end(struct desk *d);
void desk_apply(struct desk *d, const struct apply_entry *entry);
/* An unnumbered report; `data` JSON with ' for ", NULL: none. */
void desk_report(struct desk *d, const char *topic, const char *data);
void desk_raw(struct desk *d, const char *topic, const void *body, size_t size);
/* A copy that lives until the batch at hand is committed, as what an entry points to must. */
struct casebus_bytes desk_keep(struct desk *d, struct casebus_bytes bytes);
/* Trims the log to so many events (0: any number) and bytes (0: any), not above `below`, at
 * most `most` events of it. */
struct desk_bounds {
    uint64_t events, bytes, below, most;
};
void desk_trim(struct desk *d, struct desk_bounds bounds);
void desk_decide(struct desk *d, enum apply_kind kind, uint64_t quarantine, const char *as);
/* A second of running sessions; `heard` a JSON array of names ("hse:s1"), NULL: nobody. */
void desk_tick(struct desk *d, const char *heard);
/* Asks hse's session to stop, in ann's name. */
void desk_stop(struct desk *d, const char *session);
/* Sets what `settings` say of an agency, in ann's name: JSON, the body of the entry. */
void desk_set(struct desk *d, const char *settings);

/* The kinds of the events the last report made, each with its case or session id: "updated 1
 * synced 1". */
const char *desk_events(const struct desk *d);
/* A path in the newest event: "payload.offender.name"; NULL: not there. */
const char *desk_at(const struct desk *d, const char *path);

struct case_entry desk_case(struct desk *d, const char *id);
/* The agency's record; its texts stay until the next call. False: there is none. */
bool desk_agency(struct desk *d, const char *code, struct agency_entry *agency);
struct state desk_state(struct desk *d);
/* A digest of every key and value of every tree. */
uint64_t desk_digest(struct desk *d);
/* How many findings verify has; they are printed. */
unsigned desk_findings(struct desk *d);
uint64_t desk_entries(struct desk *d, enum tree tree);
/* Does any value of the store hold these bytes? */
bool desk_holds(struct desk *d, const char *bytes);

/* JSON (with ' for ") to msgpack. */
void desk_pack(const char *text, msgpack_sbuffer *out);

#endif
