/* Values of the store: what is kept under each key, and how it is encoded.
 *
 * Each value is the members of one struct in the order of its layout: numbers as unsigned
 * LEB128, fixed members as they are, byte strings as a LEB128 length and the bytes. Members
 * that are zero or empty are left out at the end, so a member can be appended without rewriting
 * a store, and costs nothing where it is not used. store.c puts a checksum behind every value
 * (keys.h); the codecs here never see it.
 *
 * Checklist: append members only, here and in the layout in entries.c; anything else, and a
 * member that readers cannot do without, needs another SCHEMA_VERSION, and the table in keys.h,
 * verify and the tests' checker follow. */
#ifndef BROKER_ENTRIES_H
#define BROKER_ENTRIES_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>
#include <casebus/outcome.h>
#include <casebus/topic.h>

#define SCHEMA_VERSION 4

/* Entries hold a number for each outcome and each kind of event, with other members behind. */
_Static_assert(CASEBUS_OUTCOME_COUNT == 9 && CASEBUS_CASE_EVENT_COUNT == 7 &&
                   CASEBUS_EVENT_KIND_COUNT == 13,
               "one more changes the layout of stored entries: another SCHEMA_VERSION");

/* The store as a whole. */
struct state {
    uint64_t schema;
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t seq;   /* of the newest event */
    uint64_t entry; /* newest entry applied */
    uint64_t at;    /* time of the newest entry; never goes back */
    uint64_t cases; /* that can be got: neither deleted nor redacted */
    uint64_t offenders;
    uint64_t sessions;
    uint64_t agencies;
    uint64_t rejects;     /* number of the newest reject */
    uint64_t quarantined; /* undecided */
    uint64_t publishers;
    uint64_t floor;     /* events below this seq have been trimmed; 0: none */
    uint64_t log_bytes; /* of the log's values */
    uint64_t ticks;     /* seconds in which a session ran: what leases count */
    uint64_t running;   /* sessions that are running or stopping */
};

/* The seq of the oldest event that is kept; above `seq`: there is none. */
static inline uint64_t state_oldest(const struct state *s)
{
    return s->floor > 0 ? s->floor : 1;
}

#define CASE_DELETED 1u
#define CASE_REDACTED 2u
#define CASE_EDITED 4u /* changed since its hash was taken */

struct case_entry {
    uint64_t flags;
    uint64_t version;
    uint64_t record_seq; /* the event whose payload is the record; 0: none */
    uint64_t created_seq, updated_seq;
    uint64_t last[CASEBUS_CASE_EVENT_COUNT]; /* newest event of each kind of its topics */
    uint64_t inserted_at, updated_at, last_synced_at;
    uint64_t seen_count;
    uint64_t fetched_at; /* newest applied */
    /* Of the data last applied by a scrape; where both tell who and when, of such data. */
    unsigned char hash[CASEBUS_HASH_SIZE];
    struct casebus_bytes source; /* encoded map */
    struct casebus_bytes record; /* a living case's copy, where record_seq is below the floor */
    uint64_t accepted; /* newest conflict whose report was accepted as this case; 0: none */
};

struct created_entry {
    uint64_t before; /* the agency's created seq before this one */
    struct casebus_bytes case_id;
};

struct offender_entry {
    uint64_t first_seen, last_seen;
    uint64_t cases, fine_pence;
    struct casebus_bytes offender; /* the map as last reported; empty once that case has gone */
    struct casebus_bytes reported_by; /* regulator id of the case whose map it is */
};

struct agency_entry {
    uint64_t disabled;
    uint64_t cases, fine_pence;
    uint64_t created_seq; /* its newest */
    struct casebus_bytes name, base_url;
};

/* Stored: append only. */
enum session_status {
    SESSION_RUNNING,
    SESSION_STOPPING,
    SESSION_COMPLETED,
    SESSION_FAILED,
    SESSION_STOPPED,
    SESSION_LOST,
    SESSION_STATUS_COUNT
};
extern const char *const session_status_words[SESSION_STATUS_COUNT];

static inline bool status_is_final(uint64_t status)
{
    return status == SESSION_COMPLETED || status == SESSION_FAILED || status == SESSION_STOPPED;
}
/* Its worker is there, as far as is known. */
static inline bool status_is_running(uint64_t status)
{
    return status == SESSION_RUNNING || status == SESSION_STOPPING;
}

struct session_entry {
    uint64_t status;
    uint64_t started_seq, started_at, ended_at, last_seen_at;
    uint64_t pages_processed, page_errors;
    uint64_t created, updated, existing, errors;
    uint64_t newest;        /* newest event of this session: begins its list */
    uint64_t progressed_at; /* time of its newest event of its own */
    uint64_t unshown;       /* 1: counters moved since its newest event */
    uint64_t last[CASEBUS_EVENT_KIND_COUNT - CASEBUS_CASE_EVENT_COUNT];
    struct casebus_bytes data;       /* encoded map of the started fields */
    struct casebus_bytes end_reason; /* text */
    /* Of its events below the floor, as verify counts them: */
    uint64_t trimmed_created, trimmed_updated, trimmed_synced, trimmed_conflicts;
    uint64_t lease;             /* the tick from which its silence counts */
    uint64_t stop_asked;        /* 1: somebody asked it to stop */
    struct casebus_bytes actor; /* who started it */
};

struct head_entry {
    uint64_t seq;
    uint64_t trimmed; /* the stream's newest event below the floor; 0: none */
};

struct actor_entry {
    uint64_t publishers;
    uint64_t sessions; /* that he started and that have not ended */
};

struct publisher_entry {
    uint64_t decided;
    unsigned char check[CASEBUS_CHECK_SIZE]; /* check(decided + 1) */
    uint64_t acked;                          /* `after` of its polls, as applied */
    uint64_t last_seen_at;
    uint64_t outcome[CASEBUS_OUTCOME_COUNT]; /* how many reports came to each */
    uint64_t volatile_id;                    /* 1: polls say outbox: false */
};

struct refusal_entry {
    uint64_t at;
    uint64_t outcome; /* rejected or conflict */
    uint64_t code;    /* the error code, negated */
    uint64_t size;    /* of the body */
    uint64_t number;  /* of a numbered report */
    uint64_t quarantine;
    struct casebus_bytes field, topic, actor, publisher, session;
    uint64_t seq; /* the newest event when it was refused */
};

/* Stored: append only. */
enum quarantine_status {
    QUARANTINE_OPEN,
    QUARANTINE_ACCEPTED,
    QUARANTINE_REJECTED
};

struct quarantine_entry {
    uint64_t status;
    uint64_t seq; /* its conflict event */
    uint64_t at, sent_at;
    struct casebus_bytes actor, session;
    struct casebus_bytes data; /* as reported; emptied by a redaction */
    struct casebus_bytes as;   /* accepted as this case */
    uint64_t outcome;          /* of the decision */
    uint64_t accepted_before;  /* the conflict before it whose report became the case `as` */
};

/* Where the record is that an event has for payload, and in it the pairs of what the store
 * keeps of a case (record.h), so that a reply need not look for them; all 0: it has none. */
struct record_place {
    uint64_t at;                 /* of the payload in the body, which ends with it */
    uint64_t kept_at, kept_size; /* bytes, in the payload */
    uint64_t kept_pairs;
};

struct log_entry {
    uint64_t session_before; /* the event before it of the same session, 0: none */
    struct casebus_bytes topic;
    struct casebus_bytes body; /* the event in full */
    struct record_place record;
};

enum entry_type {
    ENTRY_STATE,
    ENTRY_CASE,
    ENTRY_CREATED,
    ENTRY_OFFENDER,
    ENTRY_AGENCY,
    ENTRY_SESSION,
    ENTRY_HEAD,
    ENTRY_PUBLISHER,
    ENTRY_REFUSAL,
    ENTRY_QUARANTINE,
    ENTRY_LOG,
    ENTRY_ACTOR,
    ENTRY_TYPE_COUNT
};

/* The size of the struct of a type. */
size_t entry_struct_size(enum entry_type type);
/* An upper bound of what entry_encode() writes. */
size_t entry_size(enum entry_type type, const void *entry);
/* Writes into out, which holds at least entry_size(); the bytes written. */
size_t entry_encode(enum entry_type type, const void *entry, unsigned char *out);
/* Fills *entry, byte strings borrowed from `value`. 0 or CASEBUS_ECORRUPT. */
int entry_decode(enum entry_type type, struct casebus_bytes value, void *entry);

/* Asks for the byte strings of an entry that is about to be encoded. */
void entry_fetch(enum entry_type type, const void *entry);

/* A log entry whose body already lies in memory, with LOG_HEAD_MAX bytes and the topic's size
 * before it (`room`) and LOG_TAIL_MAX behind it: the head is written right before the body, the
 * tail behind it, and log->topic becomes the topic in it. The whole is the value, encoded as
 * entry_encode() would. */
#define LOG_HEAD_MAX 32
#define LOG_TAIL_MAX 40
struct casebus_bytes log_entry_around(struct log_entry *log, unsigned char *room);

#endif
