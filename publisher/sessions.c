/* The sessions that the broker is to hear from: those started or resumed through this handle
 * and not ended yet. One whose end is still on its way has not: the broker would hold it for
 * lost where that takes long.
 *
 * Being named in a poll is a session's heartbeat, so there is a poll while there is a session,
 * also when nothing is unconfirmed. A poll names a share of them; where they are more, polls
 * wait less, so that all are named in the time of one.
 *
 * What is to stop comes from the broker, and only names that are in the list here mean
 * anything. */
#include "sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 4

void casebus_sessions_clear(struct sessions *self)
{
    free(self->list);
    *self = (struct sessions){.list = NULL};
}

static struct heard *find(const struct sessions *self, struct casebus_bytes agency,
                          struct casebus_bytes id)
{
    for (size_t i = 0; i < self->count; i++) {
        if (casebus_bytes_is(id, self->list[i].id) &&
            casebus_bytes_is(agency, self->list[i].agency)) {
            return &self->list[i];
        }
    }
    return NULL;
}

int casebus_sessions_reserve(struct sessions *self)
{
    if (self->count < self->room) {
        return 0;
    }
    if (self->count >= CASEBUS_SESSIONS_MAX) {
        return CASEBUS_ETOOMANY;
    }
    size_t room = self->room ? self->room * 2 : ROOM_LEAST;
    struct heard *list = realloc(self->list, room * sizeof *list);
    if (!list) {
        return CASEBUS_ENOMEM;
    }
    self->list = list;
    self->room = room;
    return 0;
}

void casebus_sessions_add(struct sessions *self, const char *agency, const char *id)
{
    struct heard *heard = find(self, casebus_cstr(agency), casebus_cstr(id));
    if (heard && !heard->end) {
        return;
    }
    heard = heard ? heard : &self->list[self->count++];
    heard->stopping = false;
    heard->end = 0;
    snprintf(heard->agency, sizeof heard->agency, "%s", agency);
    snprintf(heard->id, sizeof heard->id, "%s", id);
}

void casebus_sessions_end(struct sessions *self, const char *agency, const char *id,
                          uint64_t number)
{
    struct heard *heard = find(self, casebus_cstr(agency), casebus_cstr(id));
    if (heard) {
        heard->end = number;
    }
}

static void remove_at(struct sessions *self, size_t at)
{
    self->count--;
    memmove(&self->list[at], &self->list[at + 1], (self->count - at) * sizeof *self->list);
    self->next -= at < self->next ? 1 : 0; /* the one behind it is not passed over */
}

void casebus_sessions_confirmed(struct sessions *self, uint64_t number)
{
    for (size_t at = self->count; at > 0; at--) {
        uint64_t end = self->list[at - 1].end;
        if (end && end <= number) {
            remove_at(self, at - 1);
        }
    }
}

const struct heard *casebus_sessions_share(struct sessions *self, size_t *count)
{
    size_t from = self->next < self->count ? self->next : 0, left = self->count - from;
    *count = left < CASEBUS_SESSIONS_PER_POLL ? left : CASEBUS_SESSIONS_PER_POLL;
    self->next = from + *count;
    return self->list ? &self->list[from] : NULL;
}

unsigned casebus_sessions_wait_ms(const struct sessions *self)
{
    size_t shares = (self->count + CASEBUS_SESSIONS_PER_POLL - 1) / CASEBUS_SESSIONS_PER_POLL;
    return CASEBUS_POLL_MAX_MS / (shares ? (unsigned)shares : 1);
}

void casebus_sessions_stop(struct sessions *self, struct casebus_bytes stop,
                           const struct casebus_publisher_options *options)
{
    struct casebus_reader r;
    casebus_reader_init(&r, stop);
    for (uint32_t left = stop.data ? casebus_read_array(&r) : 0; left > 0 && !r.error; left--) {
        struct casebus_bytes name = casebus_read_raw(&r);
        struct heard *heard = find(self, casebus_as_str(casebus_map_get(name, "agency")),
                                   casebus_as_str(casebus_map_get(name, "session_id")));
        if (heard && !heard->stopping) {
            heard->stopping = true;
            if (options->stop && !heard->end) {
                options->stop(options->stop_arg, heard->agency, heard->id);
            }
        }
    }
}
