/* The queries' thread: what it consists of, and how a request goes through it; see queries.c.
 * What an operation needs to answer one is in query.h. */
#ifndef BROKER_QUERY_LOOP_H
#define BROKER_QUERY_LOOP_H

#include "actors.h"
#include "crew.h"
#include "exchange.h"
#include "inlet.h"
#include "log.h"
#include "queries.h"
#include "record.h"
#include "unread.h"

#include <casebus/request.h>
#include <pthread.h>

struct query;

#define ENVELOPE_FRAMES (8 + 1) /* of the asker's, and the router's name for him */
#define ENVELOPE_BYTES 1024     /* without that name */

/* The way back to who asked. */
struct envelope {
    unsigned count;
    zmq_msg_t frame[ENVELOPE_FRAMES];
};

enum waiting_kind {
    WAITING_NOBODY,
    WAITING_CONFIRM,
    WAITING_SUBMISSION,
    WAITING_VERIFY,
    WAITING_BACKUP
};

/* A request that is answered later. */
struct waiting {
    enum waiting_kind kind;
    struct envelope envelope;
    zmq_msg_t body;
    int64_t until; /* monotonic ms */
    uint64_t id;   /* of its submission */
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE];
    char actor[ACTOR_NAME_SIZE]; /* whom it is for */
    size_t size;                 /* of its frames */
};
#define WAITING_MAX 4096
#define WAITING_BYTES (64u << 20) /* of all of them, each of CASEBUS_WAITING_MAX at most */

/* What has arrived of publishers, in sets by a hash of their ids: it is looked up for each
 * report of ever new ones, too. In a full set the oldest is forgotten; its poll times out. */
#define ARRIVED_SETS 1024
#define ARRIVED_WAYS 16
struct arrived {
    struct noticed publisher[ARRIVED_WAYS];
    unsigned count, next;
};

struct heartbeat {    /* a session that a poll has named */
    uint64_t session; /* its started seq */
    bool told;        /* the tick under way names it */
};
#define HEARTBEATS_MAX (16 * CASEBUS_SESSIONS_MAX)

/* A request that has come. */
struct asked {
    struct envelope envelope;
    zmq_msg_t body, reply;
    int rc;         /* of answer() */
    unsigned asker; /* a number for him, below LINE_ASKERS */
    size_t size;
    enum casebus_op op;
};
/* Taken in for one turn: so many, or when there are so many bytes of them no more. Their
 * replies wait for the last of them, and are bounded by what an actor may leave unread. */
#define ASKED_MAX 128
#define ASKED_BYTES (16u << 20)

/* Those that walk far, and what their askers have asked since, in the order they came in. */
#define LINE_PLACES 1024
#define LINE_BYTES (16u << 20) /* when there are so many it is full */
#define LINE_ASKERS 4096
struct line {
    struct asked place[LINE_PLACES]; /* a ring */
    unsigned first, count;
    size_t bytes;
    int64_t due;                    /* monotonic ms: it moves by then, whoever else is there */
    uint16_t of_asker[LINE_ASKERS]; /* how many are there */
};

/* A case that was looked for before its request is answered; id absent: none was found. */
struct found_case {
    struct casebus_bytes id;
    struct case_entry entry;
};

/* What one hand reads, judges and packs with. */
struct reader {
    struct txn *txn;
    struct state state; /* as read last */
    uint64_t state_of;  /* the snapshot it was read from; 0: none */
    int error;          /* of the newest refresh */
    struct actors *actors;
    const struct actor_table *table; /* of them, as of the newest refresh */
    struct log_limit denials;
    struct log_limit unread; /* refused for that */
    /* of the request at hand, where its actor has some agencies and no audience */
    struct scope own;
    struct found_case ahead[LOG_AHEAD_MAX];
    msgpack_sbuffer head; /* of every reply from this state */
    msgpack_sbuffer rows, reply;
    size_t rows_at;                /* where in the reply its rows come; 0: it has none */
    msgpack_sbuffer whole, formed; /* what a scope shows the half of, and that half */
};
int reader_open(struct reader *self, struct store *store, struct actors *actors);
void reader_close(struct reader *self);
/* The newest commit is read, and judged by the newest table of actors, from here on. */
void reader_refresh(struct reader *self);

enum {
    ROUTER,
    EXCHANGE,
    PIPE,
    INLETS
};

struct queries {
    struct queries_options *options;
    zsock_t *pipe, *router, *exchange;
    struct inlet inlets[INLETS]; /* of these sockets */
    bool keyed;                  /* who asks has a key; set before anybody can ask */
    struct crew *crew;
    struct quota *quota;              /* of the actors who ask */
    pthread_mutex_t quota_lock;       /* for all hands use it */
    struct reader readers[HANDS_MAX]; /* a hand's each */
    struct txn *txn; /* the first reader's, for what this thread does on its own */
    struct asked asked[ASKED_MAX];
    unsigned asked_count, answered;
    struct line line;
    struct asked *turn[ASKED_MAX]; /* of either, whose turn it is */
    unsigned alone;   /* so many of them one hand answers, in this order; 0: several hands do */
    unsigned take;    /* so many at a time, by what they cost */
    int64_t cost_ns;  /* of one, for one hand */
    uint64_t batches; /* that were committed, when last looked at */
    int64_t committing_until; /* monotonic ms: so long commits count as going on */
    bool asked_soon;          /* the last wait was not long, and ended with a request */
    struct waiting *waiting[WAITING_MAX];
    size_t waiting_count, waiting_bytes;
    size_t submissions; /* of them */
    int64_t earliest;   /* monotonic ms: none of them is overdue before */
    uint64_t last_submission;
    /* What polls have said since the entry that was the newest then: see acknowledge(). */
    uint64_t acks, acks_since;
    struct arrived arrived[ARRIVED_SETS];
    struct heartbeat heartbeats[HEARTBEATS_MAX]; /* since the last tick, by session */
    size_t heartbeat_count;
    int64_t tick_at;         /* monotonic ms: the next one */
    uint64_t tick_under_way; /* its submission; 0: none */
    struct verifier *verifier;
    struct backup *backup;
    struct unread *unread;
    struct log_limit dropped; /* requests whose way back is too long */
    int64_t reader_check_at, retire_at;
    int64_t clock_offset; /* of the clock to the one that does not jump, when last looked at */
    struct key retire_from; /* where the look for idle publishers goes on; size 0: first */
    bool stop;
};

/* --- answering (answer.c, query_ahead.c) -------------------------------------------------- */

/* Answers the request in `body`. 0: *reply is made; CASEBUS_ENOMEM: it could not be; or what
 * the operation gave: QUERY_WAITS, QUERY_APART. */
int answer(struct query *q, struct casebus_bytes asker, zmq_msg_t *body, zmq_msg_t *reply);
/* Makes the reply: what the operation has packed (rc 0), or the error. */
int finish(struct query *q, int rc, struct casebus_bytes asker, zmq_msg_t *reply);

/* Which operation a request names, before it is looked at any further. */
enum casebus_op op_of(struct casebus_bytes body);
/* Does it walk far through the store, or may it? */
bool walks_far(enum casebus_op op);

/* Finds what these requests are going to ask for, up to LOG_AHEAD_MAX of them. */
void look_ahead(struct reader *self, struct asked *const *asked, unsigned count);

/* --- the way back (query_envelope.c) ------------------------------------------------------ */

/* Reads one request: its last frame is the body, all before it the way back. False: nothing is
 * there. With more of them than an envelope may have, the request is dropped: e->count is 0. */
bool envelope_receive(struct inlet *router, struct envelope *e, zmq_msg_t *body);
/* Borrowed from the envelope, which has frames. */
struct casebus_bytes envelope_asker(struct envelope *e);
/* The frames change hands. */
void envelope_move(struct envelope *to, struct envelope *from);
/* Takes envelope and reply. */
void envelope_send(struct queries *self, struct envelope *e, zmq_msg_t *reply);
void envelope_close(struct envelope *e);

/* --- turns (query_turns.c) ---------------------------------------------------------------- */

/* A slice of the requests that have come, by whose turn it is. */
void turns_take(struct queries *self);
/* Until something has come for this thread, at most `ms` from `now`. */
void turns_await(struct queries *self, int64_t now, int64_t ms);
/* Those that have no answer yet get none. */
void turns_end(struct queries *self);
/* The crew's work: that item of `turn`. */
void answer_one(void *arg, unsigned hand, unsigned item);

/* --- waiting (query_waiting.c) ------------------------------------------------------------ */

/* Answers a request on this thread, or puts it aside; takes envelope and body. */
void handle(struct queries *self, struct envelope *e, zmq_msg_t *body, struct query *q);
/* Asks again, of those that wait: whose time is up, whose run has ended, whose submission this
 * answers, whose publisher is in the notice, and all there are, by a new table of actors. */
void resume_overdue(struct queries *self, int64_t now);
void resume_ended(struct queries *self);
void take_answer(struct queries *self, const struct submission_result *answer);
void take_notice(struct queries *self, struct notice *n);
void judge_anew(struct queries *self);
/* Monotonic ms: when something is to be done, though nothing comes. */
int64_t next_deadline(struct queries *self, int64_t now);
/* Nobody waits any more, nor gets an answer. */
void waiting_end(struct queries *self);

/* --- what the broker asks for itself (heartbeats.c, retire.c) ----------------------------- */

/* Gives an entry to the bus in the broker's name: 0, or CASEBUS_EBUSY. With `id` (from
 * ++last_submission) what becomes of it is told to tick_done(). */
int submit_own(struct queries *self, enum apply_kind kind, const msgpack_sbuffer *body,
               uint64_t id);
/* Remembers a sign of life of a session, for the next tick. */
void note_heartbeat(struct queries *self, const struct session_entry *session);
/* Once a second, while a session runs: a tick. */
void make_tick(struct queries *self, int64_t now);
void tick_done(struct queries *self, const struct submission_result *result);
/* Now and then: asks for the end of publishers that have long been idle. */
void retire_idle(struct queries *self, int64_t now);

/* --- of publishers and actors (query_waiting.c, query_limits.c) --------------------------- */

/* What has arrived of a publisher, as far as is remembered; NULL: nothing. */
const struct noticed *find_arrived(const struct queries *self, struct casebus_bytes actor,
                                   const unsigned char *publisher);

/* One more request of the actor waits, or one less. */
void count_waiter(struct queries *self, const char *actor, int change);

#endif
