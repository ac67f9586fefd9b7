/* Publishing: reports that are kept until the broker has confirmed them.
 *
 * A publisher numbers its reports from 1, keeps each until it is decided, and sends again what
 * got lost on the way, byte for byte. Nothing is ever dropped in silence: when there is no room
 * the caller waits, and what could not be confirmed in his time he is told.
 *
 * Where reports are kept is the caller's choice. With an outbox, a folder, each is on the disk
 * before casebus_publisher_send() returns and stays there until it is confirmed, whatever
 * happens to broker, network and this process; the next publisher on the folder goes on where
 * this one ended, with the same numbers (what was confirmed last may be unconfirmed there for a
 * moment, until the broker has been asked). It takes reports at once, and sends them when what
 * was left there is decided. Without an outbox they live as long as the handle.
 *
 * The handle belongs to one thread, and there is no other behind it: confirmations are taken in
 * and lost reports sent again only inside the calls below. Who has nothing to send calls
 * casebus_publisher_pump() now and then, and casebus_publisher_confirm() before the end: of
 * reports that are sent while more than some 500 are unconfirmed, the last may wait for the
 * next call of any function, as many as fill a message of 32 KiB. Without an outbox, what is
 * unconfirmed when a publisher is destroyed may be lost. So are sessions kept alive: the broker
 * holds one for lost that it has not heard from for 10 s, so whoever has one open pumps every
 * few seconds at least.
 *
 * A broker whose history of this publisher is not ours (it was restored, or the outbox was put
 * back or copied) is found out by comparing checks. Then everything unconfirmed goes under a
 * fresh id, on the disk before anything is sent under it, and the caller is told which reports
 * may be stored twice. Numbers stay what they are. (Writing a full outbox of 256 MiB anew takes
 * seconds, and twice its size in memory meanwhile.)
 *
 * Timeouts are in milliseconds; 0 does not wait, a negative one waits for ever. Every call may
 * give CASEBUS_EINTR when a signal arrives while it waits, and CASEBUS_EIO (CASEBUS_ECORRUPT,
 * where the outbox cannot be read) once a socket or the disk failed: then nothing more is done
 * with this handle, and what is in the outbox is for the next. */
#ifndef CASEBUS_PUBLISHER_H
#define CASEBUS_PUBLISHER_H

#include <casebus/outcome.h>
#include <casebus/report.h>

struct casebus_publisher;

/* What did not become what was reported: rejected, in conflict (kept in quarantine), or void
 * (it was withdrawn, or damaged in the outbox: code CASEBUS_ECORRUPT). Borrowed for the time of
 * the callback. */
struct casebus_refusal {
    uint64_t number;              /* 0: the outbox has lost it */
    enum casebus_outcome outcome; /* rejected, conflict or void */
    int code;                     /* 0: none was given */
    struct casebus_bytes field;   /* at fault; absent: NULL */
    struct casebus_bytes reason;  /* a sentence; absent: NULL */
    struct casebus_bytes topic;   /* absent: NULL */
    struct casebus_bytes session; /* of the report; absent: NULL */
    struct casebus_bytes data;    /* what was reported, an encoded map; absent: NULL */
    uint64_t quarantine;          /* of a conflict: its number there; 0: none */
};

/* The broker's history of this publisher was not ours. */
struct casebus_divergence {
    const unsigned char *old_id; /* the 16 bytes given up */
    uint64_t first, last;        /* what was unconfirmed and may be stored twice */
};

struct casebus_publisher_options {
    const char *ingest;     /* endpoint for reports */
    const char *query;      /* endpoint for confirmations */
    const char *secret;     /* file of our own key pair, see casebus/keys.h; NULL: plain */
    const char *server;     /* file of the broker's public key; with `secret` */
    unsigned window;        /* reports kept unconfirmed: 1 .. CASEBUS_PUBLISHER_WINDOW */
    size_t window_bytes;    /* and their bytes; one report always fits */
    unsigned resend_ms;     /* nothing moved for so long: send again; doubles ... */
    unsigned resend_max_ms; /* ... up to here, with jitter */
    const char *outbox;     /* folder, made where its parent is; NULL: memory only */
    uint64_t outbox_count;  /* reports kept in it */
    uint64_t outbox_bytes;  /* and their bytes, those of refused ones included */
    unsigned outbox_group;  /* reports that may share a commit, see casebus_publisher_sync() */
    bool verify;   /* decode each report before it gets its number, as the broker will */
    void *context; /* a ZeroMQ context; NULL: one of its own */
    /* Called from inside send, pump, confirm and sync, in order of number, once for each
     * refusal; with an outbox at least once: it is kept there until this has returned, and told
     * again where the process died too early. It must not call the publisher. NULL: refusals
     * are only counted; not with an outbox. */
    void (*refused)(void *arg, const struct casebus_refusal *refusal);
    void *refused_arg;
    /* Called likewise after a fresh id was taken. May be NULL. */
    void (*diverged)(void *arg, const struct casebus_divergence *divergence);
    void *diverged_arg;
    /* Called likewise, once a session: somebody asked it to stop. Finish what is at hand and
     * end it, "stopped"; until then everything goes on as before. May be NULL. */
    void (*stop)(void *arg, const char *agency, const char *session);
    void *stop_arg;
};
/* The defaults: ports on this machine, the largest window, 16 MiB, 200 ms to 3 s, verify; of an
 * outbox 1,000,000 reports, 256 MiB, each in a commit of its own. */
struct casebus_publisher_options casebus_publisher_options(void);

/* Makes a publisher, with a fresh random id or the one in the outbox; what is unconfirmed there
 * (stats: sent and confirmed) goes out by itself. It connects by itself, also to a broker that
 * starts later. 0, CASEBUS_EINVAL (an option out of range, an impossible endpoint),
 * CASEBUS_EKEY (a key file; casebus_credentials_read() says why), CASEBUS_ENOMEM, CASEBUS_EIO;
 * of the outbox also CASEBUS_ELOCKED (another publisher has it open), CASEBUS_ESCHEMA (not an
 * outbox of this version), CASEBUS_ECORRUPT, CASEBUS_ENOSPC. */
int casebus_publisher_new(struct casebus_publisher **self_p,
                          struct casebus_publisher_options options);
/* Syncs, as far as the disk lets it. */
void casebus_publisher_destroy(struct casebus_publisher **self_p);

/* One report. `data` is an encoded map (absent: NULL), `session` the id of the session it
 * belongs to (absent: NULL). Everything is copied. Gives the report's number, or
 *   CASEBUS_ETIMEDOUT  the window or the outbox stayed full; the report was not taken
 *   CASEBUS_ENOSPC     the disk of the outbox is full; the report was not taken
 *   CASEBUS_ETOOLARGE, CASEBUS_ETOPIC, ...  it can never be accepted; it was not taken, and
 *                      casebus_publisher_fault() names the field. */
int64_t casebus_publisher_send(struct casebus_publisher *self, enum casebus_report_kind kind,
                               struct casebus_bytes agency, struct casebus_bytes key,
                               struct casebus_bytes session, struct casebus_bytes data,
                               int timeout_ms);
/* With an outbox_group above 1, send returns before its report is on the disk; it is there with
 * the last of its group, before pump and confirm wait, and after this. 0; CASEBUS_ENOSPC: not
 * yet, nothing is lost, call it again; CASEBUS_EIO. Without an outbox: 0. */
int casebus_publisher_sync(struct casebus_publisher *self);
/* Takes an unconfirmed report back: a void goes in its place, and `refused` is told of it when
 * that is decided. Where the broker has decided the report meanwhile, that stands. `reason` has
 * at most 256 bytes. 0; CASEBUS_ENOTFOUND: confirmed already, or never sent; CASEBUS_EINVAL,
 * CASEBUS_ENOSPC, ... */
int casebus_publisher_withdraw(struct casebus_publisher *self, uint64_t number,
                               const char *reason);
/* Of the last report that was refused here. Borrowed until the next call. */
const struct casebus_fault *casebus_publisher_fault(const struct casebus_publisher *self);

/* The check that send makes, alone: without a publisher and without sending. 0 or a code. */
int casebus_publisher_check(enum casebus_report_kind kind, struct casebus_bytes agency,
                            struct casebus_bytes key, struct casebus_bytes session,
                            struct casebus_bytes data, struct casebus_fault *fault);

/* Takes in confirmations and sends again what is due, until something is newly confirmed (1) or
 * the time is up (0). Confirmations are asked for one after the other while this or confirm
 * waits for them, and every few milliseconds otherwise. */
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
 * "stopped"; reason may be NULL. Pages and errors are counted from the session's start. A page
 * is reported once all its records have been sent: a session that is resumed goes on behind it.
 *
 * From its start until its end is confirmed the broker hears from a session with every poll, so
 * that it knows that its worker lives; at most 4,096 at a time (then CASEBUS_ETOOMANY). */
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
/* Goes on with a session that another handle has started (with an outbox too: a session is of
 * the handle, not of the folder), lost or not. 0 and the page behind which to go on, which is
 * the last that was reported, 0: none was; CASEBUS_ENOTFOUND (its start may still be on its
 * way), CASEBUS_EENDED, CASEBUS_ETIMEDOUT, CASEBUS_EINVAL (impossible names), or the broker's
 * error (stats: said); where casebus_error_passes(), ask again later. */
int casebus_publisher_session_resume(struct casebus_publisher *self, const char *agency,
                                     const char *session, uint64_t *page, int timeout_ms);

/* --- what happened so far ----------------------------------------------------------------- */

struct casebus_publisher_stats {
    uint64_t sent;      /* reports taken from the caller: the last number */
    uint64_t confirmed; /* decided, all up to this number */
    uint64_t resent;    /* times a report went out again */
    uint64_t stored;    /* in the outbox or confirmed, all up to this number */
    uint64_t refusals;  /* rejected, in conflict or void */
    uint64_t diverged;  /* times a fresh id was taken */
    uint64_t outcomes[CASEBUS_OUTCOME_COUNT]; /* of what was confirmed by this handle */
    uint64_t left; /* up to this number an earlier handle took them, in this outbox */
    uint64_t left_outcomes[CASEBUS_OUTCOME_COUNT]; /* of `outcomes`, those of these */
    uint64_t polls, answers;                       /* of publisher.confirm */
    uint64_t links;                                /* times the broker's ingest was reached */
    bool linked;                                   /* reached now, as far as is known */
    char held[128];   /* why the broker decides nothing for now, in its words; empty: it does */
    char said[128];   /* why it refused the last session_resume; empty: it did not */
    int broker_error; /* the last answer was an error, or none we understand; 0: fine */
    /* The outbox was damaged when it was opened, and what could be read of it was saved.
     * Reports that are missing are told as refusals, unless nothing that is left knows of them.
     */
    bool outbox_salvaged;
    int outbox_error; /* what follows from an answer could not be stored, and is asked for
                         again: CASEBUS_ENOSPC; 0: fine */
};
/* Borrowed; stays current for the life of the handle. */
const struct casebus_publisher_stats *casebus_publisher_stats(
    const struct casebus_publisher *self);
/* The 16 bytes of its id, which a divergence changes. */
const unsigned char *casebus_publisher_id(const struct casebus_publisher *self);

#endif
