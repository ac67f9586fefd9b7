/* Channels: live views as a stream of messages that any number of browsers share.
 *
 * A channel is a view (casebus/view.h) and what was said of it lately: each change is put into
 * words once, kept in a ring, and sent to all who listen. A listener is a place in that ring,
 * no queue: whoever falls out of it gets the whole list anew. A channel is for the eyes of one
 * actor: who speaks for others shows each only what he may see. */
#ifndef CASEBUS_DASHBOARD_CHANNEL_H
#define CASEBUS_DASHBOARD_CHANNEL_H

#include <casebus/view.h>

#include "dashboard.h"

#define CHANNELS_MAX 512
#define CHANNELS_AN_ACTOR 128    /* where there are actors: none of them has them all */
#define RING_BYTES (1024 * 1024) /* of a channel's ring; one message is kept in any case */

/* An event as it is sent, without its `id:` line. Shared; whoever has it holds a reference. */
struct message {
    unsigned refs;
    uint64_t mark;  /* goes into its id: a seq; never falls from message to message */
    uint64_t order; /* of publishing, over all channels; 0: has no place in it */
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    size_t size;
    char data[];
};
void message_drop(struct message **self_p);

struct channels;
struct channel;

struct channels_stats {
    unsigned channels, listeners;
    uint64_t messages; /* put into words */
    uint64_t resets;   /* lists sent whole: at the beginning, and to those who fell behind */
};

/* CASEBUS_EINVAL: not endpoints. */
int channels_new(struct channels **self_p, struct dashboard *dashboard);
void channels_destroy(struct channels **self_p); /* nobody listens any more */
struct casebus_views *channels_views(const struct channels *self);
void channels_stats(const struct channels *self, struct channels_stats *stats);
/* After the views' step: what is said once a second, and channels nobody needs any more. */
void channels_step(struct channels *self);
int channels_timeout(const struct channels *self);

/* --- listening ---------------------------------------------------------------------------- */

struct listener {
    struct listener *next, **back;
    struct channel *channel;
    uint64_t at;              /* the next message of the ring */
    bool whole;               /* wants the whole list */
    unsigned state, session;  /* the last of these that it was sent */
    void (*woken)(void *arg); /* there is something for it */
    void *arg;
};

/* Begins to listen to a view by its name ("recent", "session/hse/S1", …), as `actor` may see it
 * (empty: as we may), behind `last`, the id
 * of the last event that was received, in whichever channel (NULL: none). 0; CASEBUS_EVALUE:
 * there is no such view; CASEBUS_EBUSY: too many, in all or of the actor's; CASEBUS_ENOMEM. */
int listener_open(struct listener *self, struct channels *channels, const char *actor,
                  const char *name, const char *last);
void listener_close(struct listener *self);
/* Where its next message stands in the order of all; 0: a whole list, before all others;
 * UINT64_MAX: none. `mark`: what that message's is. */
uint64_t listener_next(const struct listener *self, uint64_t *mark);
/* Takes that message; NULL: none, or no memory. */
struct message *listener_take(struct listener *self);
/* What has no place in the order: states and sessions, only the newest of each. */
struct message *listener_take_state(struct listener *self);
/* The state is to be said again. */
void listener_repeat(struct listener *self);

#endif
