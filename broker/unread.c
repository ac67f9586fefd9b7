/* Bytes under way to each peer; see unread.h. */
#include "unread.h"

#include <casebus/limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define PLACES 16384 /* a power of two */

struct unread {
    atomic_size_t users; /* its maker, and every message under way */
    atomic_size_t bytes[PLACES];
};

struct reply {
    struct unread *table;
    size_t place, size;
    unsigned char data[];
};

static size_t place_of(struct casebus_bytes peer)
{
    return (size_t)XXH3_64bits(peer.data, peer.size) & (PLACES - 1);
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

/* Called by libzmq, on its own thread. */
static void let_go(void *data, void *hint)
{
    struct reply *reply = hint;
    (void)data;
    atomic_fetch_sub(&reply->table->bytes[reply->place], reply->size);
    leave(reply->table);
    free(reply);
}

int unread_message(struct unread *self, struct casebus_bytes peer, struct casebus_bytes bytes,
                   zmq_msg_t *message)
{
    if (bytes.size <= UNREAD_SMALL) {
        if (zmq_msg_init_size(message, bytes.size) < 0) {
            return CASEBUS_ENOMEM;
        }
        memcpy(zmq_msg_data(message), bytes.data, bytes.size);
        return 0;
    }
    struct reply *reply = malloc(sizeof *reply + bytes.size);
    if (!reply) {
        return CASEBUS_ENOMEM;
    }
    *reply = (struct reply){self, place_of(peer), bytes.size};
    atomic_fetch_add(&self->users, 1);
    size_t before = atomic_fetch_add(&self->bytes[reply->place], bytes.size);
    bool room = before + bytes.size <= CASEBUS_UNREAD_MAX;
    if (room) {
        memcpy(reply->data, bytes.data, bytes.size);
    }
    if (!room || zmq_msg_init_data(message, reply->data, bytes.size, let_go, reply) < 0) {
        let_go(NULL, reply);
        return room ? CASEBUS_ENOMEM : CASEBUS_EBUSY;
    }
    return 0;
}
