/* Live views: queries that are kept true.
 *
 *   struct casebus_views *views;
 *   struct casebus_view *recent;
 *   struct casebus_view_options options = casebus_view_options();
 *   casebus_views_new(&views, casebus_views_options());
 *   options.after_fetch = show;
 *   casebus_view_open(&recent, views, casebus_query_recent(100), options, NULL);
 *   for (;;) {
 *       zmq_pollitem_t items[2] = …casebus_views_socket(views, 0 and 1), ZMQ_POLLIN…
 *       zmq_poll(items, 2, casebus_views_timeout(views));
 *       casebus_views_step(views);
 *   }
 *
 * A view asks its query, and asks again when one of the streams it watches has moved on, or
 * something without an event (a refused report) may have changed its rows: at once where the
 * last time is a window ago, otherwise when the window is over. It is never asked more often
 * than once a window, and is never staler than one (but for rows that are left out as the floor
 * rises: they go with the next answer). Whatever gets lost on the way, each heads message that
 * the broker sends (once a second, and after each batch) says where every stream ends, so a
 * view that has fallen behind knows it, and a view opened in the middle of a scrape ends equal
 * to the store.
 *
 * Views with the same query and window share what is fetched: one request a window for all of
 * them (casebus_views_stats: `saved`).
 *
 * No threads, no hidden waiting: everything happens in casebus_views_step(), on the caller's
 * loop. All handles of one casebus_views belong to one thread. Times are in milliseconds. */
#ifndef CASEBUS_VIEW_H
#define CASEBUS_VIEW_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

/* --- what views share --------------------------------------------------------------------- */

struct casebus_views;

struct casebus_views_options {
    const char *fanout;   /* the broker's endpoint for heads */
    const char *query;    /* and for requests */
    const char *secret;   /* file of our own key pair, see casebus/keys.h; NULL: plain */
    const char *server;   /* file of the broker's public key; with `secret` */
    const char *audience; /* of the broker's, whose endpoint `fanout` is; NULL: everybody's */
    void *context;        /* a ZeroMQ context to share; NULL: one of its own */
    unsigned requests;    /* on their way at a time; the others wait for their turn */
    unsigned stale_ms;    /* no heads, or no answer, for so long: views are stale */
};
/* The defaults: ports on this machine, plain, 8 requests, 3,000 ms. */
struct casebus_views_options casebus_views_options(void);

/* Does not wait for the broker. 0, CASEBUS_EINVAL (an option out of its range, an impossible
 * endpoint), CASEBUS_EKEY (a key file; casebus_credentials_read() says why), CASEBUS_ENOMEM,
 * CASEBUS_EIO. */
int casebus_views_new(struct casebus_views **self_p, struct casebus_views_options options);
/* Its views must have been closed. */
void casebus_views_destroy(struct casebus_views **self_p);

/* Sockets for zmq_poll() with ZMQ_POLLIN, `which` 0 or 1; not to be read from. Call
 * casebus_views_step() after the poll, whatever it said. */
void *casebus_views_socket(const struct casebus_views *self, int which);
/* How long until there is something to do though nothing came; never negative. */
int casebus_views_timeout(const struct casebus_views *self);
/* Does what there is to do and waits for nothing; callbacks are called from here. 0, or
 * CASEBUS_ENOMEM, CASEBUS_EIO: nothing is lost, the next call tries again. */
int casebus_views_step(struct casebus_views *self);

/* For a program without a loop of its own: waits until there is something to do, at most so
 * long, and does it. As casebus_views_step(), or CASEBUS_EINTR. */
int casebus_views_wait(struct casebus_views *self, int timeout_ms);

struct casebus_views_stats {
    uint64_t heads;    /* heads messages */
    uint64_t moves;    /* times that what somebody watches had moved on */
    uint64_t requests; /* sent, repeated ones not counted */
    uint64_t saved;    /* refetches that took what another view had fetched */
    uint64_t epochs;   /* changes of history */
    uint64_t undecodable;
};
void casebus_views_stats(const struct casebus_views *self, struct casebus_views_stats *stats);
/* The history that is followed, CASEBUS_EPOCH_SIZE bytes; NULL before the first heads. */
const unsigned char *casebus_views_epoch(const struct casebus_views *self);
/* The newest seq the broker has named. */
uint64_t casebus_views_head(const struct casebus_views *self);
/* Why the broker stores nothing for now ("read-only: …"); NULL: it does. */
const char *casebus_views_held(const struct casebus_views *self);

/* --- queries ------------------------------------------------------------------------------ */

enum casebus_query_kind {
    CASEBUS_QUERY_RECENT,        /* rows: records, the newest created first */
    CASEBUS_QUERY_CASES,         /* the same, of an agency, a range of dates */
    CASEBUS_QUERY_CASE,          /* one row: {case, agency_record, offender_record} or none */
    CASEBUS_QUERY_SESSION,       /* one row: the session, or none */
    CASEBUS_QUERY_SESSIONS,      /* rows: sessions, newest first */
    CASEBUS_QUERY_SESSION_CASES, /* rows as session.cases gives them with `once` and `load` */
    CASEBUS_QUERY_CASES_SINCE,   /* rows as log.cases gives them */
    CASEBUS_QUERY_QUARANTINE     /* rows as quarantine.list gives them */
};

#define CASEBUS_ON_BEHALF_MAX 63 /* of an actor's name */

/* A plain value; texts are copied into it. Empty and 0: not asked for. */
struct casebus_query {
    enum casebus_query_kind kind;
    unsigned limit; /* rows of a page, 1 to CASEBUS_PAGE_MAX */
    char agency[CASEBUS_AGENCY_MAX + 1];
    char id[CASEBUS_SEGMENT_MAX + 1]; /* regulator id, or session id */
    char from[11], to[11];            /* dates */
    char status[16];                  /* of sessions: a word, or "active" */
    bool by_date;                     /* cases by action date, not by creation */
    uint64_t since;                   /* instant; the first reply turns it into a seq */
    /* The actor whose eyes it is for, where that is not us: we need to be allowed to speak for
     * him. Views of different actors share nothing. */
    char on_behalf[CASEBUS_ON_BEHALF_MAX + 1];
};
/* Values that are too long for their member are cut and then refused by casebus_view_open(). */
struct casebus_query casebus_query_recent(unsigned limit);
struct casebus_query casebus_query_cases(const char *agency, const char *from, const char *to,
                                         unsigned limit);
struct casebus_query casebus_query_case(const char *case_id);
struct casebus_query casebus_query_session(const char *agency, const char *session_id);
struct casebus_query casebus_query_sessions(const char *agency, const char *status,
                                            unsigned limit);
struct casebus_query casebus_query_session_cases(const char *agency, const char *session_id,
                                                 unsigned limit);
struct casebus_query casebus_query_cases_since(uint64_t since, unsigned limit);
struct casebus_query casebus_query_quarantine(const char *agency, unsigned limit);

/* --- views -------------------------------------------------------------------------------- */

struct casebus_view;

enum casebus_view_policy {
    CASEBUS_VIEW_MERGE, /* new rows enter at their rank, the last ones leave */
    CASEBUS_VIEW_KEEP,  /* the rows shown stay the rows shown, with their values of now, and
                         * `newer` counts those that are not; where nothing is shown, the first
                         * rows enter. For cases, sessions (all of them, or "active" ones),
                         * quarantine and single rows; others are refused */
    CASEBUS_VIEW_LOSE   /* rows are replaced: each fetch is a new list */
};

/* A row. Borrowed: from a callback until it returns, otherwise until the next step. */
struct casebus_row {
    const char *key;           /* case id, "agency:session id", quarantine number */
    struct casebus_bytes data; /* encoded map */
    bool gone; /* kept, but no longer there: deleted, redacted; decided; ended, of "active". Of
                * what was a case, or a report of one, `data` then has its names only (id,
                * quarantine, …; of a single case none): nothing of what it said */
};

enum casebus_change_kind {
    CASEBUS_ROW_ADDED,
    CASEBUS_ROW_CHANGED, /* other data; perhaps another place too */
    CASEBUS_ROW_MOVED,   /* another place only; not told of rows that others pushed */
    CASEBUS_ROW_REMOVED
};
struct casebus_change {
    enum casebus_change_kind kind;
    size_t from, to;                     /* places before and after; SIZE_MAX: none */
    const struct casebus_row *old, *now; /* NULL: none */
};

/* What a fetch has changed. With `reset` everything is new: the first fetch, a new page,
 * another history, policy lose. */
struct casebus_diff {
    const struct casebus_row *old, *now;
    size_t old_count, now_count;
    const struct casebus_change *changes; /* empty with `reset` */
    size_t change_count;
    bool reset;
};

enum casebus_view_state {
    CASEBUS_VIEW_CONNECTING,  /* no heads yet */
    CASEBUS_VIEW_LOADING,     /* the first rows are on their way */
    CASEBUS_VIEW_LIVE,        /* true, or not older than the window */
    CASEBUS_VIEW_CATCHING_UP, /* older than the window: an answer is overdue, or was behind */
    CASEBUS_VIEW_STALE        /* the broker is not heard: the last good rows */
};

struct casebus_view_options {
    /* What makes it ask again, where that is not what the query is about; up to
     * CASEBUS_PATTERNS_MAX, as casebus_subscriber_subscribe() takes them. A pattern of four
     * segments watches its stream. NULL: the query's own, and what makes no event. */
    const char *const *patterns;
    size_t pattern_count;
    enum casebus_view_policy policy;
    unsigned refetch_window_ms;   /* 0: each time something moves */
    unsigned refetch_interval_ms; /* ask so often though nothing moved; 0: never */
    bool initial;                 /* ask at once; false: only when something has moved */
    size_t bytes_max;             /* of the rows; those that do not fit are left out (`cut`) */
    /* After each fetch that changed something, and each reset. It may open and close views, its
     * own too. */
    void (*after_fetch)(void *arg, struct casebus_view *view, const struct casebus_diff *diff);
    /* When state or `through` has changed. */
    void (*state_changed)(void *arg, struct casebus_view *view);
    void *arg;
};
/* merge, a window of 5,000, initial, 16 MiB. */
struct casebus_view_options casebus_view_options(void);

/* 0; CASEBUS_EINVAL: the query or an option is out of range; CASEBUS_EPATTERN: *why (may be
 * NULL) says what is wrong with a pattern, in static storage; CASEBUS_ENOMEM. */
int casebus_view_open(struct casebus_view **self_p, struct casebus_views *views,
                      struct casebus_query query, struct casebus_view_options options,
                      const char **why);
void casebus_view_close(struct casebus_view **self_p);

/* The rows that are shown, in their order. Borrowed until the next step. */
const struct casebus_row *casebus_view_rows(const struct casebus_view *self, size_t *count);

struct casebus_view_status {
    enum casebus_view_state state;
    uint64_t seq;     /* of the snapshot that is shown */
    uint64_t entry;   /* and the broker's newest entry in it */
    uint64_t through; /* the rows are complete up to here */
    uint64_t newer;   /* rows that are not shown: policy keep, or a later page; at most 1,000 */
    uint64_t floor;   /* of a session's cases: what was met before this seq is not known */
    bool cut;         /* rows were left out for their bytes */
    bool has_next, has_previous; /* pages */
    bool paused;
    int64_t since; /* stale: since when, microseconds UTC; 0 */
    int error;     /* why it is stale or empty: 0 or a code (CASEBUS_ENOTFOUND, …) */
};
void casebus_view_status(const struct casebus_view *self, struct casebus_view_status *status);
const char *casebus_view_state_word(enum casebus_view_state state);
/* "live, complete through #123", "live (the actor may not do this)", "stale since 12:03:04 (the
 * broker does not answer)", "live, complete through #9; read-only: disk full": for people.
 * Borrowed until the next call.
 */
const char *casebus_view_words(struct casebus_view *self);

/* A paused view asks nothing, so what is redacted meanwhile stands in it until it is resumed or
 * closed; resumed, it asks at once if something moved meanwhile. */
void casebus_view_pause(struct casebus_view *self);
void casebus_view_resume(struct casebus_view *self);
/* Asks again as if everything had moved; what is shown under policy keep is the list of now. */
void casebus_view_refresh(struct casebus_view *self);

/* Pages are of one moment ("as of"): the rows that existed when the first was left, with their
 * values of now; `newer` counts those that came since. Those of what was met (session cases,
 * cases since) are not: what is met again moves to the first. */
enum casebus_view_page {
    CASEBUS_PAGE_FIRST,
    CASEBUS_PAGE_NEXT,
    CASEBUS_PAGE_PREVIOUS
};
/* 0, or CASEBUS_ENOTFOUND: there is none. The rows come with the next fetch, as a reset. */
int casebus_view_turn(struct casebus_view *self, enum casebus_view_page page);

#endif
