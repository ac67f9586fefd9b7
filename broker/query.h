/* Requests: what the operations share. Private to query*.c.
 *
 * An operation reads its arguments, looks into the store through its hand's reader, whose
 * transaction serves all that is answered at one time, and packs its result. It gives 0, a
 * negative error (then field and text may say more), or QUERY_WAITS: it has been put aside and
 * is answered later. */
#ifndef BROKER_QUERY_H
#define BROKER_QUERY_H

#include "query_loop.h"

#include <casebus/event.h>

#define QUERY_WAITS 1
#define QUERY_APART 2 /* not for any hand: the queries' own thread does it */
/* Store entries one request may look at: then it answers what it has, with `next`. */
#define WORK_MAX 20000
#define ARGS_KEPT 12        /* arguments of a request that are found without a search */
#define BACKUP_DIR_MAX 1024 /* bytes of a backup's path */

struct query {
    struct queries *self;
    struct reader *reader;
    bool only_reads; /* whatever does more is QUERY_APART */
    struct casebus_request request;
    struct pair args[ARGS_KEPT]; /* its first ones */
    unsigned arg_count, args_kept;
    struct casebus_bytes actor;      /* his name */
    const struct actor *who;         /* NULL: nobody we know */
    const struct actor *by;          /* who speaks for him; NULL: he himself */
    const struct audience *audience; /* that it is asked for; NULL: none */
    const struct scope *scope;       /* what the answer may show */
    struct txn *txn;
    const struct found_case *ahead; /* what was found for it before; NULL: nothing */
    struct state state;
    msgpack_packer pk;      /* writes the result, into the reply */
    msgpack_packer rows_pk; /* writes rows, whose number is known only at the end */
    uint32_t row_count;
    unsigned work;
    char field[64];
    char text[128];
    const struct waiting *resumed;          /* of a request that waited: NULL the first time */
    const struct submission_result *answer; /* to its submission */
    bool time_up;
    size_t size;        /* of what would wait: the request, with its way back */
    int64_t wait_until; /* for QUERY_WAITS */
    enum waiting_kind wait_kind;
    uint64_t wait_id;
    unsigned char wait_publisher[CASEBUS_PUBLISHER_SIZE];
};

typedef int query_fn(struct query *q);

/* What the answer may show: sets `audience` and `scope`, by the audience it names or is of, or
 * by the agencies for which the actor has one of the verbs (NULL: none; `everywhere`: for all).
 * 0, CASEBUS_EINVAL, or CASEBUS_EDENIED, also for an operation that is only for who may see
 * everything. */
int read_scope(struct query *q, uint32_t any_of, bool everywhere);
/* What was done of an agency by another verb is told as to somebody who asks by one of these:
 * as his audience sees it, or of the agencies for which he has them. False: nothing of this
 * agency is his to see (`scope` may be NULL), and he is told what he named, and no more. */
bool read_form(struct query *q, uint32_t any_of, struct casebus_bytes agency);
/* May cases be looked for by these fields? 0, or CASEBUS_EDENIED on account of `argument`. */
int check_search(struct query *q, const char *argument, const char *const *fields);
extern const char *const offender_fields[]; /* what an offender is known by */
bool shows_all(const struct query *q, const char *const *fields);
/* What is shown of a case's record, of a session, of an event of the log. 0, CASEBUS_ECORRUPT,
 * CASEBUS_ENOMEM; `sent` is borrowed until the next of these. */
int pack_case(struct query *q, msgpack_packer *pk, const struct case_entry *entry);
void pack_session_map(struct query *q, msgpack_packer *pk, struct casebus_bytes agency,
                      struct casebus_bytes id, const struct session_entry *session);
int form_event(struct query *q, const struct log_entry *log, struct casebus_bytes body,
               struct casebus_bytes *sent);

/* Finds the arguments of a request that was decoded. */
void read_args(struct query *q);
/* One of them as encoded, or absent. */
struct casebus_bytes arg_raw(const struct query *q, const char *name);
/* Arguments. A wrong type or range fails with CASEBUS_EINVAL and the argument's name. */
int arg_text(struct query *q, const char *name, bool required, struct casebus_bytes *text);
int arg_number(struct query *q, const char *name, uint64_t min, uint64_t max, uint64_t missing,
               uint64_t *number);
int arg_bin(struct query *q, const char *name, size_t size, bool required,
            struct casebus_bytes *bin);
/* An array of 1 to max values; the reader stands before the first. */
int arg_array(struct query *q, const char *name, uint32_t max, struct casebus_reader *r,
              uint32_t *count);
int arg_limit(struct query *q, uint64_t *limit);
/* The moment a list is of; missing: now. One more is a seq, too. */
int arg_as_of(struct query *q, uint64_t *as_of);
int bad_arg(struct query *q, const char *name, const char *text);

/* Absent: false. */
int arg_bool(struct query *q, const char *name, bool *value);

/* Is there room for another row, and work left for it? */
bool more_rows(const struct query *q, uint64_t limit);
/* What was gathered with rows_pk comes here in the reply; once, and nothing is gathered later.
 */
void place_rows(struct query *q);
/* A pair of the result: an array of these rows. */
void pack_rows(struct query *q, const char *name);
void pack_next(struct query *q, const struct key *next);
/* The pairs `as_of` and `newer`. How many rows a list has above that moment is counted up to
 * NEWER_MAX, and through so many rows of its tree. */
#define NEWER_MAX 1000
#define NEWER_WORK 5000
void pack_moment(struct query *q, uint64_t as_of, uint64_t newer);
void pack_uint(msgpack_packer *pk, const char *name, uint64_t value);

/* A case by its id, which came as `argument`. CASEBUS_ENOTFOUND, EDELETED, EREDACTED. */
int find_case(struct query *q, const char *argument, struct casebus_bytes id,
              struct case_entry *entry);

/* What comes with a case: the argument `load`, of which `allowed` is. */
enum {
    LOAD_AGENCY = 1,
    LOAD_OFFENDER = 2,
    LOAD_HISTORY = 4
};
int read_load(struct query *q, unsigned allowed, unsigned *load);
unsigned loaded_pairs(unsigned load);
/* The pairs `agency_record` and `offender_record`, the latter of the offender that a case's map
 * describes. */
void pack_agency(struct query *q, msgpack_packer *pk, struct casebus_bytes code);
void pack_offender(struct query *q, msgpack_packer *pk, struct casebus_bytes agency,
                   struct casebus_bytes offender);
int pack_loaded(struct query *q, msgpack_packer *pk, struct casebus_bytes id,
                const struct case_entry *entry, unsigned load);

/* A list in the order of a tree whose keys are seqs, newest first, by the arguments `limit`,
 * `next` and `as_of`. */
struct seq_list {
    enum tree tree;
    /* Is this entry of the tree a row of the list? Packs it, unless `pk` is NULL. */
    bool (*row)(struct query *q, const struct seq_list *self, uint64_t seq,
                struct casebus_bytes value, msgpack_packer *pk);
    struct casebus_bytes agency; /* absent: all */
    unsigned statuses;           /* of sessions: a bit each */
};
int list_by_seq(struct query *q, const struct seq_list *list);

/* A session by the arguments `agency` and `session_id`. CASEBUS_ENOTFOUND. */
int asked_session(struct query *q, struct casebus_bytes *agency, struct casebus_bytes *id,
                  struct session_entry *session);

/* An event that must be there; false: the transaction has failed. */
bool read_event(struct query *q, uint64_t seq, struct log_entry *log,
                struct casebus_event *event);
/* The case of an event. */
struct key case_of(const struct casebus_event *event);
/* What an event did, as the lists of cases say it. */
extern const char *const outcome_of_kind[CASEBUS_CASE_EVENT_COUNT];
/* The four pairs that every row of such a list has. */
void pack_meeting(msgpack_packer *pk, uint64_t seq, struct casebus_bytes id,
                  const char *outcome, uint64_t at);
/* Is this the synced event of a report that has an updated one, or the updated of these two? */
bool is_second_half(struct query *q, const struct casebus_event *event);
bool is_first_half(struct query *q, const struct casebus_event *event);
/* A case's events are the chains of its seven topics, `at` the newest of each that was not
 * looked at yet: which of them comes next. */
unsigned newest_chain(const uint64_t *at);

/* How far the later events of a case have been looked through. */
struct search {
    uint64_t kind, at; /* at 0: from the newest of this kind */
};
/* Has the session met this case again, after the event `seq`? A search that has looked at
 * enough stops where it is, with kinds left, and goes on from there with the next page. */
bool met_again(struct query *q, struct casebus_bytes session, struct casebus_bytes id,
               uint64_t seq, struct search *at);

/* Events of one session, or of all (absent), from `lowest` on. */
struct span {
    struct casebus_bytes session;
    uint64_t lowest;
};
/* How often the event's case was met up to it. */
uint64_t count_times(struct query *q, const struct case_entry *entry,
                     const struct casebus_event *event, const struct span *span);
/* The page of the register that the report came from; an edit comes from none. */
#define PAGE_UNKNOWN UINT64_MAX
uint64_t page_of(struct query *q, const struct casebus_event *event, bool edited);
/* The answer to session.cases with `once`, and the size of its `next`. */
#define MET_NEXT_SIZE (4 * 8)
int cases_once(struct query *q, struct casebus_bytes agency, struct casebus_bytes id,
               const struct session_entry *session);

/* An event of the log as a map: the event's keys and `topic`. */
int pack_event_map(struct query *q, msgpack_packer *pk, const struct log_entry *log);

/* A map of error word to how many reports it refused since the broker started. */
void pack_refused_counts(struct query *q, const char *name);

/* Gives an entry to the bus; the request waits for what becomes of it. */
int submit(struct query *q, enum apply_kind kind, const msgpack_sbuffer *body, bool wait);
/* Is it for its worker to stop this session? */
bool is_to_stop(const struct session_entry *session);
/* Is it within the limits of its actor, being so large? Then it is counted: 0, or
 * CASEBUS_ELIMITED with a sentence, which has been logged. */
int check_rate(struct query *q, size_t size);
/* May it wait, with what waits for its actor already? 0, or CASEBUS_ELIMITED likewise. */
int check_waiting(struct query *q);
/* Could this request wait? It has to be asked before anything is begun that it would wait for.
 * 0; CASEBUS_ETOOLARGE, CASEBUS_EBUSY, or CASEBUS_ELIMITED: its actor has no place left. */
int find_place(struct query *q);
/* Who asks (q->who, q->by, q->actor)? CASEBUS_EDENIED: nobody who may ask anything. */
int identify(struct query *q, zmq_msg_t *body);
/* Counts and logs that this is denied, for what q->text says: CASEBUS_EDENIED. */
int deny(struct query *q);
/* By one of these verbs he may know of cases and sessions what a worker goes on by. */
#define VERBS_WORKER (VERB_BIT(VERB_ASK) | VERB_BIT(VERB_REPORT_SCRAPED))
/* May he ask this? Sets what he is shown. 0, or CASEBUS_EDENIED with a sentence, which has been
 * logged. */
int authorise(struct query *q);
/* Has he one of these verbs, for all agencies? */
bool may_everywhere(const struct query *q, uint32_t any_of);
/* For an operation that knows better what it is about; agency NULL: all of them. */
int may(struct query *q, enum verb verb, struct casebus_bytes agency);
/* Who asks, and for whom, as lines "audit" of the log say it: "actor=ann by=desk". */
void audit_asker(const struct query *q, char *text, size_t size);

query_fn query_case_get, query_case_get_many, query_case_known, query_case_recent,
    query_case_list, query_case_history, query_log_replay, query_heads, query_session_get,
    query_session_list, query_session_cases, query_session_stop, query_quarantine_list,
    query_quarantine_accept, query_quarantine_reject, query_publisher_confirm,
    query_rejects_list, query_store_verify, query_store_backup, query_broker_status,
    query_log_cases, query_offender_get, query_agency_list, query_agency_set,
    query_actor_whoami, query_actor_can;

#endif
