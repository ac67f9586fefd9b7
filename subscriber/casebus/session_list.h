/* The list of what a scrape does: the newest cases of one session, or of all since an instant.
 *
 * At most N rows, newest first, one a case: a case that is met again moves to the front, with
 * its outcome of then and how often it was met. Each row has its case with agency and offender
 * as the broker gives them to who asks. The broker can answer it at any time, so it survives a
 * reload, a lost connection and a restart of either side. It is a live view
 * (casebus/view.h) underneath, with the same loop, states, sharing and bounds. */
#ifndef CASEBUS_SESSION_LIST_H
#define CASEBUS_SESSION_LIST_H

#include <casebus/view.h>

struct casebus_session_list;

/* A row. Borrowed like those of views. */
struct casebus_met {
    const char *case_id; /* or "#" and its number: a refused report that names no case */
    uint64_t seq;        /* of the event; of a refused report the newest event before it */
    uint64_t at;         /* microseconds UTC */
    const char *outcome; /* created, updated, existing, conflict, rejected, deleted, redacted,
                          * resolved; other: of a broker that knows more of them */
    uint64_t times;      /* how often the session met it, up to 100 */
    uint64_t page;       /* of the register, 0: not known */
    struct casebus_bytes record, agency, offender; /* encoded maps; absent: NULL */
    struct casebus_bytes row;                      /* the whole, as the broker gave it */
};

struct casebus_session_list_options {
    unsigned rows;              /* 1 to CASEBUS_PAGE_MAX; 50 */
    unsigned refetch_window_ms; /* 1,000 */
    size_t bytes_max;           /* 4 MiB */
    bool clear_at_end;          /* empty the list when the session has ended; true */
    /* Its rows, its session, or what it says of itself; it may close the list. */
    void (*changed)(void *arg, struct casebus_session_list *list);
    void *arg;
};
struct casebus_session_list_options casebus_session_list_options(void);

/* Of one session. CASEBUS_EINVAL, CASEBUS_ENOMEM. */
int casebus_session_list_open(struct casebus_session_list **self_p, struct casebus_views *views,
                              const char *agency, const char *session_id,
                              struct casebus_session_list_options options);
/* Of all sessions, since an instant (microseconds UTC, by the broker's clock). The broker
 * turns it into a seq once. */
int casebus_session_list_open_since(struct casebus_session_list **self_p,
                                    struct casebus_views *views, uint64_t since,
                                    struct casebus_session_list_options options);
void casebus_session_list_close(struct casebus_session_list **self_p);

/* Newest first. */
const struct casebus_met *casebus_session_list_rows(const struct casebus_session_list *self,
                                                    size_t *count);
/* The session itself, encoded; absent: not known yet, or a list since an instant. */
struct casebus_bytes casebus_session_list_session(const struct casebus_session_list *self);
/* "50 of 213": how many cases the session has met, by its counters; of a list since an
 * instant, or while they are not known, how many rows there are. */
uint64_t casebus_session_list_total(const struct casebus_session_list *self);
/* From now on only what is newer, here and for nobody else. Before the first rows have come it
 * is these that are cleared. */
void casebus_session_list_clear(struct casebus_session_list *self);
/* The same, from a seq that was remembered, of the history that is followed or, where the
 * broker was not heard yet, of that which will be. In another one it clears nothing. */
void casebus_session_list_clear_through(struct casebus_session_list *self, uint64_t seq);
void casebus_session_list_status(const struct casebus_session_list *self,
                                 struct casebus_view_status *status);
/* As casebus_view_words(). */
const char *casebus_session_list_words(struct casebus_session_list *self);

#endif
