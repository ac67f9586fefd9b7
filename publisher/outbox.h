/* The folder in which reports are durable (private to the publisher). See outbox.c.
 *
 * A report has one number for its whole life here. The broker counts from 1 for each publisher
 * id, and an id may have to be given up: number n goes to it as n - base. */
#ifndef CASEBUS_PUBLISHER_OUTBOX_H
#define CASEBUS_PUBLISHER_OUTBOX_H

#include "confirm.h"
#include "window.h"

struct outbox;

/* What a confirmation leaves behind. */
struct outbox_settled {
    uint64_t through;                        /* decided: reports up to here go */
    unsigned char check[CASEBUS_CHECK_SIZE]; /* of the number after it */
    struct broker_state broker;
    uint64_t outcomes[CASEBUS_OUTCOME_COUNT]; /* the broker's counts under this id */
    uint64_t taken;                           /* refusals up to this key were told: they go */
};

/* An id that was given up, and what may be stored twice since; last 0: none. */
struct outbox_split {
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    uint64_t first, last;
};

/* What is on the disk, apart from reports and refusals. */
struct outbox_state {
    unsigned char id[CASEBUS_PUBLISHER_SIZE];
    uint64_t base;
    uint64_t last; /* the highest number ever taken; settled.through: nothing is kept */
    unsigned char next_check[CASEBUS_CHECK_SIZE]; /* of last + 1 */
    uint64_t bytes;                               /* of reports and refusals */
    uint64_t voids;                               /* reports that go as voids */
    uint64_t refusals;                            /* written ever: the last one's key */
    struct outbox_settled settled;
    struct outbox_split split; /* until the caller has been told */
};

struct outbox_options {
    const char *folder; /* made if it is not there; its parent is */
    uint64_t count_max; /* reports kept */
    uint64_t bytes_max; /* their bytes, refused ones included */
};

/* 0; CASEBUS_ELOCKED: it is open already; CASEBUS_ESCHEMA: not an outbox of this version;
 * CASEBUS_ECORRUPT, CASEBUS_ENOSPC, CASEBUS_ENOMEM; CASEBUS_EIO: errno says why. */
int casebus_outbox_open(struct outbox **self_p, const struct outbox_options *options);
void casebus_outbox_close(struct outbox **self_p);
/* Borrowed; current for the life of the outbox, and never ahead of the disk. */
const struct outbox_state *casebus_outbox_state(const struct outbox *self);
/* Its file was damaged when it was opened: reports may be missing, some without a trace. */
bool casebus_outbox_salvaged(const struct outbox *self);
/* Is there a place for so many reports of `bytes` bytes together, where those up to `through`
 * are decided? An empty outbox has one for any. */
bool casebus_outbox_has_room(const struct outbox *self, uint64_t through, uint64_t count,
                             uint64_t bytes);

/* One commit: on the disk when it returns, or nothing of it is, but that on a full disk some of
 * what was confirmed may be gone all the same. */
struct outbox_change {
    struct window *reports;               /* to be added: numbers last + 1 and up; or NULL */
    const struct outbox_settled *settled; /* what was confirmed since */
    struct casebus_bytes refusals;        /* what the broker said of them; absent: NULL */
    bool split_told;
};
/* 0, CASEBUS_ENOSPC or CASEBUS_EIO. */
int casebus_outbox_write(struct outbox *self, const struct outbox_change *change);
/* Puts a void in the place of a report that is kept, on the disk. Its hash and check stay. */
int casebus_outbox_replace(struct outbox *self, uint64_t number, const struct kept *kept);
/* A fresh id under which everything that is kept goes from number 1; what cannot be read any
 * more becomes a void. On the disk, in one step. */
int casebus_outbox_renumber(struct outbox *self, const unsigned char *id,
                            const struct broker_state *broker);

struct outbox_damage {
    uint64_t number;
    unsigned char hash[CASEBUS_HASH_SIZE];
    char topic[CASEBUS_TOPIC_MAX]; /* as far as can be seen; may be damaged too */
    size_t topic_size;
};
/* Reads on behind the window's last report while it has room. 0; or the next report is damaged:
 * CASEBUS_ECORRUPT, its hash is known; CASEBUS_EDIVERGED: not even that. */
int casebus_outbox_feed(struct outbox *self, struct window *window,
                        struct outbox_damage *damage);
/* One report: 0, and the caller closes it; CASEBUS_ENOTFOUND, CASEBUS_ECORRUPT, ... */
int casebus_outbox_read(struct outbox *self, uint64_t number, struct kept *kept);
/* check(number) for settled.through < number <= last + 1; 0 or CASEBUS_ECORRUPT. */
int casebus_outbox_check(struct outbox *self, uint64_t number,
                         unsigned char check[CASEBUS_CHECK_SIZE]);
/* The first refusal that is kept under a key above `after`: 1, valid until the next call; 0:
 * none; or a code. */
int casebus_outbox_refusal(struct outbox *self, uint64_t after, uint64_t *key,
                           struct casebus_refusal *refusal);

/* The words for a report that was damaged here. */
#define OUTBOX_DAMAGED "damaged in the outbox"

#endif
