/* What the parts of apply share: the deciding of one entry. Private to apply*.c. */
#ifndef BROKER_DECIDING_H
#define BROKER_DECIDING_H

#include "apply.h"
#include "record.h"

#include <casebus/event.h>
#include <casebus/report.h>

struct apply {
    struct txn *txn;
    struct state state;
    bool changed;
    struct apply_event *events;
    size_t event_count, event_capacity;
    msgpack_sbuffer payload, body; /* scratch for the event in the making */
    struct change changes[CHANGES_MAX];
    msgpack_sbuffer changed_fields;
    struct casebus_bytes next_body; /* of what comes next: it is only fetched */
    /* Of the entry being decided: */
    uint64_t at;
    /* The clock was set back: `at` is that of an entry before, a second ahead. */
    bool time_stands;
    struct casebus_bytes actor;
    const struct casebus_report *report;
    const struct apply_prepared *prepared; /* of the report; NULL: it is from quarantine */
    struct key case_key;                   /* or the session's */
    struct casebus_bytes case_id;          /* the same, in memory of the transaction */
    bool in_session;                       /* the report names a session that is known */
    struct key session_key;
    struct session_entry session;
    struct key publisher_key; /* of a numbered report */
    struct casebus_fault fault;
    struct apply_prepared prepared_here; /* of an entry that comes unprepared */
    struct casebus_report restored;      /* a report that comes out of quarantine */
    uint64_t quarantine;                 /* the conflict's seq, of an outcome conflict */
};

/* The agency of the report's topic. */
static inline struct casebus_bytes agency_of(const struct apply *self)
{
    return self->report->topic.segment[2];
}

/* The event of a report on a case; emit() fills in kind, topic and places in the chains. */
static inline struct casebus_event event_for(const struct apply *self,
                                             const struct case_entry *entry)
{
    return (struct casebus_event){.session = self->report->session, .version = entry->version};
}

/* Where a step of an entry began: what it has done can be rolled back to here. */
struct savepoint {
    struct txn_mark mark;
    struct state state;
    size_t event_count;
};
struct savepoint savepoint(const struct apply *self);
/* Rolls back where the store could not answer for something the step touched, and makes its
 * fault `internal`. True: it was rolled back. False: nothing has failed, or the whole batch has
 * (then the transaction has the error). */
bool rollback_failed(struct apply *self, const struct savepoint *begin);

/* The outcome "rejected", with the code and the field at fault. */
enum casebus_outcome reject(struct apply *self, int code, const char *field);

/* apply_event.c */
/* Gives the event its kind, topic, seq and chains, puts it into the log and among what is to be
 * published. *last is the newest event of its topic so far, and becomes its seq. */
void emit(struct apply *self, struct casebus_event *event, enum casebus_event_kind kind,
          struct casebus_bytes agency, struct casebus_bytes key, uint64_t *last);

/* A record that is written where its event is. */
struct payload {
    const struct draft *draft;
    const struct case_entry *kept;
};
/* The same; `record` becomes the event's payload (NULL: `event` has its own). */
void emit_with(struct apply *self, struct casebus_event *event, const struct payload *record,
               enum casebus_event_kind kind, struct casebus_bytes agency,
               struct casebus_bytes key, uint64_t *last);

/* An event of the case whose payload is its id alone. */
void emit_id(struct apply *self, enum casebus_event_kind kind, struct case_entry *entry);

/* apply_case.c */
enum casebus_outcome decide_scraped(struct apply *self);
enum casebus_outcome decide_edited(struct apply *self);
enum casebus_outcome decide_deleted(struct apply *self);
/* A scraped report as if it could conflict with nothing; `report` in self. */
enum casebus_outcome store_scraped(struct apply *self, struct case_entry *entry, bool known,
                                   const unsigned char *hash);
void unindex_case(struct apply *self, const struct casebus_record *record);

/* apply_agency.c */
/* The agency of that code, made where it is not known. False: there are too many of them. */
bool load_agency(struct apply *self, struct casebus_bytes code, struct agency_entry *agency);
void save_agency(struct apply *self, struct casebus_bytes code,
                 const struct agency_entry *agency);
enum casebus_outcome decide_agency(struct apply *self, const struct apply_entry *entry);

/* apply_redact.c */
enum casebus_outcome decide_redacted(struct apply *self);

/* apply_quarantine.c */
enum casebus_outcome decide_conflict(struct apply *self, struct case_entry *entry,
                                     const struct casebus_record *record,
                                     const unsigned char *hash);
enum casebus_outcome decide_quarantine(struct apply *self, const struct apply_entry *entry,
                                       struct apply_result *result);

/* Counters that moved are told with a report or a tick, so often at most (microseconds). */
#define PROGRESS_EVERY 1000000u

/* apply_session.c */
enum casebus_outcome decide_session(struct apply *self);
/* The session that a case report names: it is heard from. */
void find_session(struct apply *self);
/* Makes the session of session_key the one at hand. False: none, or it cannot be read. */
bool load_session(struct apply *self);
void save_session(struct apply *self);
/* An event of the session at hand, with all it is now. */
void emit_session(struct apply *self, enum casebus_event_kind kind);
/* The session at hand has come to its end. */
void end_session(struct apply *self, enum session_status status, struct casebus_bytes reason);
/* Moves the session's counters by the outcome, and tells about it now and then. */
void count_in_session(struct apply *self, enum casebus_outcome outcome);

/* apply_lease.c */
/* A sign of life of the session at hand: its ticks are counted from `tick` on. */
void hear_session(struct apply *self, uint64_t tick);
void decide_tick(struct apply *self, const struct apply_entry *entry);
enum casebus_outcome decide_stop(struct apply *self, const struct apply_entry *entry,
                                 struct apply_result *result);

/* apply_publisher.c */
/* What an actor has: so many publishers and open sessions more (less: -1). */
void count_for_actor(struct apply *self, struct casebus_bytes actor, uint64_t publishers,
                     uint64_t sessions);
struct actor_entry load_actor(struct apply *self, struct casebus_bytes actor);
/* May this numbered report be decided now? */
enum apply_effect publisher_admits(struct apply *self, const struct casebus_report_head *head,
                                   struct publisher_entry *publisher);
void publisher_decided(struct apply *self, struct publisher_entry *publisher,
                       const struct apply_entry *entry, const struct apply_prepared *prepared,
                       enum casebus_outcome outcome);
void note_reject(struct apply *self, const struct apply_entry *entry,
                 const struct casebus_report_head *head);
void decide_ack(struct apply *self, const struct apply_entry *entry);
void decide_retire(struct apply *self, const struct apply_entry *entry);

/* apply_floor.c */
void decide_floor(struct apply *self, const struct apply_entry *entry);

#endif
