/* apply: what a report causes.
 *
 * Whatever changes the store comes through here as an entry: time, actor, kind, bytes. Apply
 * decides from the entry and the store alone; it asks no clock, no socket and no random source,
 * so the same entries end in the same store (the same cases, seqs, heads, decisions), however
 * they are cut into batches. This signature is the seam behind which entries may one day come
 * from a replicated journal.
 *
 *   apply_begin(a)            load the state into the open write transaction
 *   apply_entry(a, &e, &r)    decide one entry; its events are queued
 *   apply_finish(a)           put the state back; then txn_commit()
 *   apply_events(a, &n)       what to publish, once the commit has succeeded
 *
 * The rules are those of PROTOCOL.md "What a report causes". A rule's change is a new apply
 * version. */
#ifndef BROKER_APPLY_H
#define BROKER_APPLY_H

#include "store.h"

#include <casebus/outcome.h>
#include <casebus/report.h>

enum apply_kind {
    APPLY_REPORT, /* topic and body as a publisher sent them */
    APPLY_ACCEPT, /* a quarantine decision; body: map {quarantine, as} */
    APPLY_REJECT, /* body: map {quarantine} */
    APPLY_ACK,    /* a publisher has taken answers; body: map {publisher, after, outbox} */
    APPLY_RETIRE, /* a publisher long idle is forgotten; body: map {publisher: its key} */
    /* The log is longer than it may be: its oldest events go, `most` of them at most in this
     * entry; body: map {events, bytes (0: no limit), below (the floor stays under it), most} */
    APPLY_FLOOR,
    /* A second of running sessions; body: map {heard: names ("agency:session id") of those that
     * polls gave a sign of life since the last one} */
    APPLY_TICK,
    APPLY_STOP, /* a session is asked to stop; body: map {agency, session_id} */
    /* Settings of an agency; body: map {agency, and those that are set: name, base_url (empty:
     * none any more), enabled} */
    APPLY_AGENCY
};

struct apply_entry {
    enum apply_kind kind;
    uint64_t at; /* the broker's clock, microseconds UTC; apply never lets it go back */
    struct casebus_bytes actor;
    struct casebus_bytes topic, body;
    const struct apply_prepared *prepared; /* NULL: apply prepares it */
    bool refused; /* the store could not carry it out: it is decided as rejected, `internal` */
};

/* What can be done to a report without the store, and so on another thread: checked, taken
 * apart, and then tied, several at once, to what its publisher sends next. A function of the
 * entry's bytes alone; everything in it borrows from them. */
struct apply_prepared {
    struct casebus_bytes topic, body; /* what it was made of */
    struct casebus_report_head head;  /* numbered only where the first keys could be read */
    struct casebus_report report;
    struct casebus_fault fault; /* code 0: the report is in order */
    /* of a numbered report, once it is tied: check(n + 1), by its own `check` */
    unsigned char next_check[CASEBUS_CHECK_SIZE];
    unsigned char content[CASEBUS_HASH_SIZE]; /* of a case report: content_hash() */
    struct key offender; /* the key of the offender it names; size 0: it names none whole */
};
void apply_prepare(struct casebus_bytes topic, struct casebus_bytes body,
                   struct apply_prepared *prepared);
/* Up to CASEBUS_TIED_MAX, numbered or not: together they take a fraction of the time. */
void apply_tie(struct apply_prepared *const prepared[], size_t count);

/* Why a numbered report had no effect. */
enum apply_effect {
    EFFECT_DECIDED,
    EFFECT_DUPLICATE, /* decided before */
    EFFECT_AHEAD,     /* a number before it is missing, or it is beyond the window */
    EFFECT_DIVERGED,  /* the right number, another check; or its publisher's entry is corrupt */
    EFFECT_CROWDED    /* a new publisher of an actor who has as many as he may */
};

struct apply_result {
    enum apply_effect effect;
    enum casebus_outcome outcome;
    bool quiet; /* it has changed something that no event of its own tells of */
    /* a session was asked to stop that had not been: polls that name it have news */
    bool asked;
    bool numbered;
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE]; /* of a numbered report */
    uint64_t number;
    struct casebus_fault fault;            /* of a rejection; code 0 otherwise */
    char case_id[CASEBUS_CASE_ID_MAX + 1]; /* of a decision: the case it was stored as, or "" */
};

/* An event to publish: topic and body as they go out (thin where the rule says so). Valid until
 * the transaction ends. */
struct apply_event {
    uint64_t seq;
    enum casebus_event_kind kind;
    struct casebus_bytes topic, body;
    struct casebus_bytes stub; /* apply's own: what a redaction at hand makes of the body */
};

/* How long the log may be. */
struct log_bounds {
    uint64_t events, bytes; /* that may stay; 0: any number */
    uint64_t below;         /* the floor does not pass this seq: somebody may read from there */
};
bool log_too_long(const struct state *state, const struct log_bounds *bounds);

/* Has the publisher been silent for so long at that time that its id is to go? */
bool publisher_is_idle(const struct publisher_entry *publisher, uint64_t at);

struct apply;

int apply_new(struct apply **self_p, struct txn *txn);
void apply_destroy(struct apply **self_p);
/* Begins a batch in the transaction, which has begun. */
int apply_begin(struct apply *self);
/* What is decided after the entry at hand, and lives as long: its memory is fetched meanwhile,
 * for another thread has written it, and its processor's cache is far away. In two parts: a
 * processor that is asked for more than a dozen lines at once waits. */
void apply_expect(struct apply *self, const struct apply_entry *next);
/* 0; or an error of the store (no memory, I/O): the batch must be given up. */
int apply_entry(struct apply *self, const struct apply_entry *entry,
                struct apply_result *result);
int apply_finish(struct apply *self);
const struct apply_event *apply_events(const struct apply *self, size_t *count);
const struct state *apply_state(const struct apply *self);
/* True where something was decided: a batch without effect needs no commit. */
bool apply_changed(const struct apply *self);

/* What is kept and said of a refused report, whose content is neither: of its fault's path as
 * much as is names of the protocol, for keys of `ext` and of fields nobody knows are content;
 * and its topic, absent where it is too long or no text. Borrowed from the argument. */
struct casebus_bytes refused_field(const char *path);
struct casebus_bytes refused_topic(struct casebus_bytes topic);

#endif
