/* Asking for the floor to move; see retention.h. */
#include "retention.h"

/* Events of one step without any report; a report makes up to two, sometimes three. */
#define STEP_LEAST 512
#define STEP_PER_ITEM 2

static bool make_body(const struct log_bounds *b, uint64_t most, zmq_msg_t *body)
{
    msgpack_packer pk;
    msgpack_sbuffer map;
    msgpack_sbuffer_init(&map);
    msgpack_packer_init(&pk, &map, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 4);
    casebus_pack_text(&pk, "events");
    msgpack_pack_uint64(&pk, b->events);
    casebus_pack_text(&pk, "bytes");
    msgpack_pack_uint64(&pk, b->bytes);
    casebus_pack_text(&pk, "below");
    msgpack_pack_uint64(&pk, b->below);
    casebus_pack_text(&pk, "most");
    msgpack_pack_uint64(&pk, most);
    bool made = zmq_msg_init_size(body, map.size) == 0;
    if (made) {
        memcpy(zmq_msg_data(body), map.data, map.size);
    }
    msgpack_sbuffer_destroy(&map);
    return made;
}

static struct log_bounds bounds_of(const struct retention *self, const struct store *store)
{
    return (struct log_bounds){
        .events = atomic_load_explicit(&self->events, memory_order_relaxed),
        .bytes = atomic_load_explicit(&self->bytes, memory_order_relaxed),
        .below = store_snapshot_lowest(store),
    };
}

bool retention_is_due(const struct retention *self, const struct state *state,
                      const struct store *store)
{
    struct log_bounds bounds = bounds_of(self, store);
    return log_too_long(state, &bounds);
}

void retention_add(const struct retention *self, const struct store *store, struct batch *batch,
                   uint64_t now)
{
    struct log_bounds bounds = bounds_of(self, store);
    struct item *item = &batch->items[batch->count];
    if (!make_body(&bounds, STEP_LEAST + STEP_PER_ITEM * batch->count, &item->body)) {
        return;
    }
    zmq_msg_init(&item->topic);
    item->submission = NOBODY_ASKED;
    item->entry = (struct apply_entry){
        .kind = APPLY_FLOOR,
        .actor = casebus_cstr("broker"),
        .topic = casebus_bytes("", 0),
        .body = casebus_bytes(zmq_msg_data(&item->body), zmq_msg_size(&item->body)),
        .at = now,
    };
    batch->count++;
}
