/* The inside of live views, shared by their files:
 *
 *   views.c       the hub: heads, replies, whose turn it is, what to wait for
 *   ask.c         requests on the hub's socket, each until its answer
 *   source.c      a query, asked once for all views that show it
 *   view.c        a view: its policy, its pages, what has changed
 *   view_state.c  what it says of itself
 *   view_query.c  queries: as requests, their rows' keys, what they watch
 *   rows.c        lists of rows and their differences
 *   streams.c     where each stream ends
 *
 * Times are milliseconds of the hub's clock. */
#ifndef CASEBUS_VIEW_PRIVATE_H
#define CASEBUS_VIEW_PRIVATE_H

#include <casebus/client.h>
#include <casebus/view.h>

#include "rows.h"
#include "streams.h"

#include <zmq.h>

#define PAGE_NEXT_MAX                                                                          \
    512 /* no broker's `next` is longer than a key of its store and a little */

/* How far something goes: to the event of a seq, and to an entry, for what makes no event. */
struct moment {
    uint64_t seq, entry;
};
static inline bool moment_reaches(struct moment self, struct moment what)
{
    return self.seq >= what.seq && self.entry >= what.entry;
}

/* --- queries (view_query.c) --------------------------------------------------------------- */

/* Which page of a query: of now, or of what there was at `as_of`. */
struct page {
    bool pinned;
    uint64_t as_of;
    size_t next_size;
    unsigned char next[PAGE_NEXT_MAX];
};

/* 0 or CASEBUS_EINVAL. */
int query_check(const struct casebus_query *query);
/* A request without `after_seq`. `after`: the seq that `since` became; 0: not known. */
void query_encode(const struct casebus_query *query, const struct page *page, uint64_t after,
                  struct casebus_call *call);
/* Its pages can be of a moment. */
bool query_has_as_of(const struct casebus_query *query);
/* It can be shown under policy keep. */
bool query_can_be_kept(const struct casebus_query *query);
/* What may be kept of a row that an answer, empty with this code or 0, has no more. */
void query_left(const struct casebus_query *query, int error, struct casebus_bytes row,
                msgpack_sbuffer *out);
/* Whether an answer with this code is one: there is nothing of that name. */
bool query_is_empty(const struct casebus_query *query, int error);
/* What it watches by itself: how many, at most CASEBUS_PATTERNS_MAX. */
size_t query_watches(const struct casebus_query *query, struct watch *watches);
/* Its rows can change without any event. */
bool query_watches_quiet(const struct casebus_query *query);
/* 0, or CASEBUS_EPATTERN with *why. */
int query_watch(const char *pattern, struct watch *watch, const char **why);
/* The rows of a result, one after the other: the reader begins with zero. */
struct row_reader {
    struct casebus_reader r;
    uint32_t left;
    bool begun;
};
#define QUERY_KEY_MAX (CASEBUS_AGENCY_MAX + 1 + CASEBUS_SEGMENT_MAX)
/* 1 and a row with its key (written into `key`, with NUL); 0: no more; CASEBUS_EPROTO: that is
 * no row, or the result has none. */
int query_row(const struct casebus_query *query, struct casebus_bytes result,
              struct row_reader *reader, struct casebus_bytes *row, char *key);

/* --- requests (ask.c) --------------------------------------------------------------------- */

/* A request, from when it is made until it is answered. All zero: none. */
struct ask {
    uint64_t token; /* in its envelope; 0: nothing is asked */
    int64_t since;
    int64_t again_at; /* to be sent (again) then */
    int again_after;
    unsigned char *request;
    size_t size;
};

void ask_end(struct ask *self);
/* Makes the request of `call` and sends it. 0 or a code. */
int ask_begin(struct casebus_views *hub, struct ask *self, struct casebus_call *call);
/* Sends it again if it is time. 0 or a code. */
int ask_again(struct casebus_views *hub, struct ask *self);
/* It is answered, or of no interest any more. */
void ask_done(struct casebus_views *hub, struct ask *self);
/* When it has something to do; INT64_MAX: never. */
int64_t ask_due(const struct ask *self);
/* The next reply that came: 1, 0 none, or a code. What is no reply is counted and passed over;
 * `reply` is borrowed until the next call. */
int ask_receive(struct casebus_views *hub, uint64_t *token, struct casebus_reply *reply);

/* --- sources (source.c) ------------------------------------------------------------------- */

/* What a query had at one moment. */
struct snapshot {
    size_t refs;
    uint64_t takers; /* views that have taken it */
    struct rows rows;
    struct moment moment; /* all that happened up to here is in it */
    uint64_t as_of, newer, floor;
    bool cut; /* rows were left out for their bytes, or for the requests they take */
    bool has_next;
    struct page next; /* the page behind it */
    int error;        /* why it is empty; 0 */
};
void snapshot_drop(struct snapshot **self_p);

/* What views ask for; those of whom all of it is equal share a source. */
struct want {
    struct casebus_query query;
    struct page page;
    unsigned window_ms, interval_ms;
    size_t bytes_max;
    const struct watch *watches;
    size_t watch_count;
    bool watches_quiet;
};

struct source {
    struct source *next;
    struct casebus_views *hub;
    size_t users, awake;     /* views; of them those that are not paused and have begun */
    unsigned char *identity; /* all of what is wanted */
    size_t identity_size;
    struct casebus_query query;
    struct page page;
    unsigned window_ms, interval_ms;
    size_t bytes_max;
    struct watch *watches;
    size_t watch_count;
    bool watches_quiet;

    struct moment watched; /* the highest head of what it watches; entry: 0, or the hub's */
    bool forced;           /* to be asked though nothing moved */
    bool fetched;
    int64_t began; /* the last fetch; before the first: since when it is wanted */
    /* since when there is something that is not fetched; INT64_MAX: nothing */
    int64_t moved_at;
    int64_t retry_at; /* not before; 0 */
    struct ask ask;
    struct snapshot *now;    /* NULL: none yet */
    struct snapshot *making; /* the parts of an answer that is too large for one reply */
    size_t bytes;            /* of its rows */
    unsigned parts;
    uint64_t after; /* what `since` became; 0: not known */
    int error;      /* the last answer was none; 0 */
};

/* Finds or makes it. 0 or CASEBUS_ENOMEM. */
int source_join(struct source **self_p, struct casebus_views *hub, const struct want *want);
/* For one user less. */
void source_leave(struct source **self_p);
/* For one user more that is awake. */
void source_wake(struct source *self);
/* What it watches goes that far; what is not told is 0. */
void source_moved(struct source *self, struct moment to);
/* To be asked in any case; or only where nothing was fetched or asked yet. */
void source_force(struct source *self);
void source_load(struct source *self);
/* A new source of the page that `from` shows, as of that moment: begins with what it has. */
void source_seed(struct source *self, const struct source *from);
/* The history is another: what is known is void. */
void source_forget(struct source *self);
/* Is there something that its snapshot does not have? */
bool source_is_behind(const struct source *self);
/* It would ask now, had it its turn. */
bool source_wants(const struct source *self);
int source_fetch(struct source *self);
/* Takes the answer to its question: 0 or CASEBUS_ENOMEM. */
int source_answer(struct source *self, const struct casebus_reply *reply);
/* When it has something to do; INT64_MAX: never. */
int64_t source_due(const struct source *self);

/* --- the hub (views.c) -------------------------------------------------------------------- */

struct casebus_views {
    struct casebus_views_options options;
    char *fanout, *query;
    void *zmq;
    bool zmq_is_mine;
    void *sub, *dealer;
    zmq_msg_t reply; /* the last one */
    struct casebus_call *call;
    int64_t (*clock)(void); /* a test has its own */

    struct source *sources;
    struct casebus_view *views, *visiting; /* visiting: the next of a walk that is under way */
    struct streams streams;
    bool joined; /* the history is known */
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t head;    /* the newest seq that was named */
    uint64_t quiet;   /* the newest entry that was named for what makes no event */
    uint64_t claim;   /* up to here all heads have been named */
    bool doubt;       /* heads of another history came */
    int64_t doubt_at; /* not to be asked about before */
    struct ask doubt_ask;
    int64_t opened, heard; /* heads, last; INT64_MIN: never */
    int64_t quiet_since;   /* nothing came, or the connection was made again */
    char held[128];
    uint64_t tokens;
    unsigned on_way;
    int64_t look_at; /* when time alone changes what a view says */
    bool news;       /* views have something to take or to tell */
    struct casebus_views_stats stats;
};

int64_t hub_now(const struct casebus_views *self);
/* Heads have not come for too long. */
bool hub_is_stale(const struct casebus_views *self);

/* --- views (view.c, view_state.c) --------------------------------------------------------- */

struct casebus_view {
    struct casebus_view *next, *previous;
    struct casebus_views *hub;
    struct source *source;
    struct casebus_query query;
    struct casebus_view_options options; /* patterns are in `watches` */
    struct watch *watches;
    size_t watch_count;
    bool watches_quiet;
    struct page page;   /* that the source has */
    struct page *trail; /* the pages before it */
    size_t depth, room;

    struct snapshot *taken; /* shown; NULL: none of this history */
    struct snapshot *old;   /* not to be taken: the next one is waited for; NULL */
    struct rows shown;
    bool begun;         /* it may ask: initially, or something has moved since it was opened */
    struct moment base; /* where that was; a seq of UINT64_MAX: not known yet */
    bool fresh;         /* the next rows are a new list */
    bool paused;
    bool visited, closed; /* a callback is under way; and has closed it */

    struct casebus_view_status told;
    char words[192];
};

/* It may ask, and takes what comes. */
static inline bool view_is_awake(const struct casebus_view *self)
{
    return self->begun && !self->paused;
}
/* Another history: what is shown stays until the new rows are there. */
void view_forget(struct casebus_view *self);
/* Takes what its source has, and tells what has changed. 0 or CASEBUS_ENOMEM. */
int view_visit(struct casebus_view *self);
/* Its state as it is now; what else is in a status is left 0. */
struct casebus_view_status view_look(const struct casebus_view *self);
/* When that changes by time alone; INT64_MAX: never. */
int64_t view_due(const struct casebus_view *self);

#endif
