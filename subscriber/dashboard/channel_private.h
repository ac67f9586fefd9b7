/* The inside of channels, shared by their files: channel.c keeps messages,
 * channel_words.c writes them, listener.c is who reads. */
#ifndef CASEBUS_DASHBOARD_CHANNEL_PRIVATE_H
#define CASEBUS_DASHBOARD_CHANNEL_PRIVATE_H

#include "channel.h"

#include "../json.h"

#include <xxhash.h>

/* A row as it was last sent. */
struct sent {
    XXH128_hash_t key, data;
};

struct channel {
    struct channel *next;
    struct channels *channels;
    char *actor, *name;
    struct casebus_view *view, *session; /* session: of session/… only */

    struct message **ring; /* a slot for each serial, modulo the room */
    uint64_t first, end;   /* serials: of the oldest that is kept, and behind the newest */
    size_t bytes;
    uint64_t lost_mark; /* the mark of the newest that is not kept any more */
    bool begun;         /* there is a list */
    struct sent *sent;
    size_t sent_count;
    uint64_t seq, newer;
    bool cut;
    struct message *whole; /* the list as it is; NULL: not put into words yet */

    struct message *state, *about; /* about: the session */
    unsigned state_number, about_number;
    bool state_due;
    int64_t state_at; /* not before */

    struct listener *listeners;
    int64_t idle_since; /* INT64_MAX: somebody listens */
};

struct channels {
    struct dashboard *dashboard;
    struct casebus_views *views;
    struct channel *first;
    unsigned char epoch[CASEBUS_EPOCH_SIZE]; /* of the marks */
    uint64_t mark, order;
    uint64_t room; /* of a ring, in messages */
    struct channels_stats stats;
    struct text scratch;
};

static inline struct message **slot_of(const struct channel *self, uint64_t serial)
{
    return &self->ring[serial % self->channels->room];
}

/* Finds it by actor and name, or opens it: 0, CASEBUS_EVALUE, CASEBUS_EBUSY, CASEBUS_ENOMEM. */
int channel_find(struct channels *self, const char *actor, const char *name,
                 struct channel **found);

/* --- words (channel_words.c) -------------------------------------------------------------- */

/* The list, with those of its rows that `wanted` marks (NULL: all of them, a reset). NULL: no
 * memory, or a row is no value. */
struct message *words_of_rows(struct channel *self, const struct casebus_row *rows,
                              size_t count, const bool *wanted);
/* What the view says of itself, and its session: into the scratch text. False: not a value. */
void write_state(struct channel *self);
bool write_session(struct channel *self, struct casebus_bytes session);
/* The scratch text as a message; NULL: no memory. */
struct message *message_of_scratch(const struct channels *channels);

#endif
