/* Publishing: reports that are kept until the broker has confirmed them.
 *
 * A publisher numbers its reports from 1, keeps each in a window until it is decided, and sends
 * again what got lost on the way, byte for byte. Nothing is ever dropped in silence: when the
 * window is full the caller waits, and what could not be confirmed in his time he is told.
 *
 * The handle belongs to one thread, and there is no other behind it: confirmations are taken in
 * and lost reports sent again only inside the calls below. Who has nothing to send calls
 * casebus_publisher_pump() now and then, and casebus_publisher_confirm() before the end; what
 * is unconfirmed when a publisher is destroyed may be lost.
 *
 * Timeouts are in milliseconds; 0 does not wait, a negative one waits for ever. Every call may
 * give CASEBUS_EINTR when a signal arrives while it waits, and CASEBUS_EDIVERGED once the
 * broker's history of this publisher is not ours: then nothing more is sent, and what is
 * unconfirmed has to be published by a new handle. */
#ifndef CASEBUS_PUBLISHER_H
#define CASEBUS_PUBLISHER_H

#include <casebus/outcome.h>
#include <casebus/report.h>

struct casebus_publisher;

/* What the broker did not take as reported: rejected, or in conflict (kept in quarantine).
 * Borrowed for the time of the callback. */
struct casebus_refusal {
    uint64_t number;
    enum casebus_outcome outcome; /* rejected or conflict */
    int code;                     /* 0: none was given */
    struct casebus_bytes field;   /* at fault; absent: NULL */
    struct casebus_bytes reason;  /* a sentence; absent: NULL */
    struct casebus_bytes topic;   /* absent: NULL */
    uint64_t quarantine;          /* of a conflict: its number there; 0: none */
};

struct casebus_publisher_options {
    const char *ingest;     /* endpoint for reports */
    const char *query;      /* endpoint for confirmations */
    unsigned window;        /* reports kept unconfirmed: 1 .. CASEBUS_PUBLISHER_WINDOW */
    size_t window_bytes;    /* and their bytes; one report always fits */
    unsigned resend_ms;     /* nothing moved for so long: send again; doubles ... */
    unsigned resend_max_ms; /* ... up to here, with jitter */
    bool verify;   /* decode each report before it gets its number, as the broker will */
    void *context; /* a ZeroMQ context; NULL: one of its own */
    /* Called from inside send, pump and confirm, once for each refusal, in order of number. It
     * must not call the publisher. NULL: refusals are only counted. */
    void (*refused)(void *arg, const struct casebus_refusal *refusal);
    void *refused_arg;
};
/* The defaults: ports on this machine, the largest window, 16 MiB, 200 ms to 3 s, verify. */
struct casebus_publisher_options casebus_publisher_options(void);

/* Makes a publisher with a fresh random id. It connects by itself, also to a broker that starts
 * later. 0, CASEBUS_EINVAL (an option out of range, an impossible endpoint), CASEBUS_ENOMEM,
 * CASEBUS_EIO. */
int casebus_publisher_new(struct casebus_publisher **self_p,
                          struct casebus_publisher_options options);
void casebus_publisher_destroy(struct casebus_publisher **self_p);

/* One report. `data` is an encoded map (absent: NULL), `session` the id of the session it
 * belongs to (absent: NULL). Everything is copied. Gives the report's number, or
 *   CASEBUS_ETIMEDOUT  the window stayed full; the report was not taken
 *   CASEBUS_ETOOLARGE, CASEBUS_ETOPIC, ...  it can never be accepted; it was not taken, and
 *                      casebus_publisher_fault() names the field. */
int64_t casebus_publisher_send(struct casebus_publisher *self, enum casebus_report_kind kind,
                               struct casebus_bytes agency, struct casebus_bytes key,
                               struct casebus_bytes session, struct casebus_bytes data,
                               int timeout_ms);
/* Of the last report that was refused here. Borrowed until the next call. */
const struct casebus_fault *casebus_publisher_fault(const struct casebus_publisher *self);

/* The check that send makes, alone: without a publisher and without sending. 0 or a code. */
int casebus_publisher_check(enum casebus_report_kind kind, struct casebus_bytes agency,
                            struct casebus_bytes key, struct casebus_bytes session,
                            struct casebus_bytes data, struct casebus_fault *fault);

/* Takes in confirmations and sends again what is due, until something is newly confirmed (1) or
 * the time is up (0). */
int casebus_publisher_pump(struct casebus_publisher *self, int timeout_ms);
/* Waits until every report up to `number` is decided (0: every report sent so far). 0 or
 * CASEBUS_ETIMEDOUT. */
int casebus_publisher_confirm(struct casebus_publisher *self, uint64_t number, int timeout_ms);

/* --- sessions ----------------------------------------------------------------------------- */

/* What describes a session; NULL and 0 are left out. */
struct casebus_session_start {
    const char *database; /* which register */
    uint64_t start_page, max_pages;
    const char *date_from, *date_to;
    const char *requested_by;
    const char *worker;
    const char *run; /* shared by the workers of one run */
};

/* Reports like all others: each gives its number. A status is "completed", "failed" or
 * "stopped"; reason may be NULL. Pages and errors are counted from the session's start. */
int64_t casebus_publisher_session_start(struct casebus_publisher *self, const char *agency,
                                        const char *session,
                                        const struct casebus_session_start *start,
                                        int timeout_ms);
int64_t casebus_publisher_session_progress(struct casebus_publisher *self, const char *agency,
                                           const char *session, uint64_t page,
                                           uint64_t page_errors, int timeout_ms);
int64_t casebus_publisher_session_end(struct casebus_publisher *self, const char *agency,
                                      const char *session, const char *status,
                                      const char *reason, int timeout_ms);
/* Does the broker know this session? 1 or 0, CASEBUS_ETIMEDOUT, or the broker's error. */
int casebus_publisher_session_known(struct casebus_publisher *self, const char *agency,
                                    const char *session, int timeout_ms);

/* --- what happened so far ----------------------------------------------------------------- */

struct casebus_publisher_stats {
    uint64_t sent;      /* reports taken from the caller: the last number */
    uint64_t confirmed; /* decided, all up to this number */
    uint64_t resent;    /* times a report went out again */
    uint64_t refusals;  /* rejected or in conflict */
    uint64_t outcomes[CASEBUS_OUTCOME_COUNT]; /* the broker's counts */
    uint64_t polls, answers;                  /* of publisher.confirm */
    uint64_t links;                           /* times the broker's ingest was reached */
    bool linked;                              /* reached now, as far as is known */
    char held[128];   /* why the broker decides nothing for now, in its words; empty: it does */
    int broker_error; /* the last answer was an error, or none we understand; 0: fine */
};
/* Borrowed; stays current for the life of the handle. */
const struct casebus_publisher_stats *casebus_publisher_stats(
    const struct casebus_publisher *self);
/* The 16 bytes of its id. */
const unsigned char *casebus_publisher_id(const struct casebus_publisher *self);

#endif
