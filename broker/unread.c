/* Bytes under way to each peer; see unread.h. */
#include "unread.h"

#include "hash.h"

#include <casebus/limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 16384 /* a power of two */

struct place {
    atomic_size_t bytes;
    atomic_bool full; /* a reply found no room, and most of those before are still there */
};

struct unread {
    atomic_size_t users; /* its maker, and every message under way */
    struct place peers[PLACES], actors[PLACES];
};

struct reply {
    struct unread *table;
    struct place *peer, *actor;
    size_t size;
    unsigned char data[];
};

static struct place *place_of(struct place places[PLACES], struct casebus_bytes name)
{
    return &places[hash_64(name.data, name.size, 0) & (PLACES - 1)];
}

static void leave(struct unread *self)
{
    if (atomic_fetch_sub(&self->users, 1) == 1) {
        free(self);
    }
}

struct unread *unread_new(void)
{
    struct unread *self = calloc(1, sizeof *self);
    if (self) {
        atomic_store(&self->users, 1);
    }
    return self;
}

void unread_destroy(struct unread **self_p)
{
    if (*self_p) {
        leave(*self_p);
        *self_p = NULL;
    }
}

static bool add(struct place *place, size_t size, size_t most)
{
    bool room = atomic_fetch_add(&place->bytes, size) + size <= most;
    if (!room) {
        atomic_store(&place->full, true);
    }
    return room;
}

static void take_off(struct place *place, size_t size, size_t most)
{
    if (atomic_fetch_sub(&place->bytes, size) - size <= most / 2) {
        atomic_store(&place->full, false);
    }
}

/* Called by libzmq, on its own thread. */
static void let_go(void *data, void *hint)
{
    struct reply *reply = hint;
    (void)data;
    take_off(reply->peer, reply->size, CASEBUS_UNREAD_MAX);
    take_off(reply->actor, reply->size, CASEBUS_UNREAD_ACTOR_MAX);
    leave(reply->table);
    free(reply);
}

/* Counts it, and says whether there was room for it. */
static bool count_in(struct reply *reply)
{
    atomic_fetch_add(&reply->table->users, 1);
    bool peer = add(reply->peer, reply->size, CASEBUS_UNREAD_MAX);
    bool actor = add(reply->actor, reply->size, CASEBUS_UNREAD_ACTOR_MAX);
    return peer && actor;
}

bool unread_is_full(struct unread *self, struct casebus_bytes actor, struct casebus_bytes peer)
{
    return atomic_load(&place_of(self->peers, peer)->full) ||
           atomic_load(&place_of(self->actors, actor)->full);
}

int unread_message(struct unread *self, struct casebus_bytes actor, struct casebus_bytes peer,
                   size_t size, zmq_msg_t *message)
{
    if (size <= UNREAD_SMALL) {
        return zmq_msg_init_size(message, size) < 0 ? CASEBUS_ENOMEM : 0;
    }
    struct reply *reply = malloc(sizeof *reply + size);
    if (!reply) {
        return CASEBUS_ENOMEM;
    }
    *reply =
        (struct reply){self, place_of(self->peers, peer), place_of(self->actors, actor), size};
    bool room = count_in(reply);
    if (!room || zmq_msg_init_data(message, reply->data, size, let_go, reply) < 0) {
        let_go(NULL, reply);
        return room ? CASEBUS_ENOMEM : CASEBUS_EBUSY;
    }
    return 0;
}
