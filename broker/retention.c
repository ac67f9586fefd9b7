/* Asking for the floor to move; see retention.h. */
#include "retention.h"

#include "log.h"

#include <czmq.h>

/* Events of one step without any report; a report makes up to two, sometimes three. */
#define STEP_LEAST 512
#define STEP_PER_ITEM 2
#define PAUSE_MS 1000 /* after there was no space */

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

static struct log_bounds bounds_of(const struct trimming *self)
{
    return (struct log_bounds){
        .events = atomic_load_explicit(&self->retention->events, memory_order_relaxed),
        .bytes = atomic_load_explicit(&self->retention->bytes, memory_order_relaxed),
        .below = store_snapshot_lowest(self->store),
    };
}

void trimming_add(const struct trimming *self, struct batch *batch, uint64_t now_us)
{
    struct log_bounds bounds = bounds_of(self);
    struct item *item = &batch->items[batch->count];
    if (!log_too_long(&self->kept, &bounds) || self->failed ||
        zclock_mono() < self->not_before ||
        !make_body(&bounds, STEP_LEAST + STEP_PER_ITEM * batch->count, &item->body)) {
        return;
    }
    zmq_msg_init(&item->topic);
    item->submission = NOBODY_ASKED;
    item->entry = (struct apply_entry){
        .kind = APPLY_FLOOR,
        .actor = casebus_cstr("broker"),
        .topic = casebus_bytes("", 0),
        .body = casebus_bytes(zmq_msg_data(&item->body), zmq_msg_size(&item->body)),
        .at = now_us,
    };
    batch->count++;
}

bool trimming_withdraw(struct trimming *self, struct batch *batch)
{
    struct item *last = &batch->items[batch->count - 1];
    if (batch->end < batch->count || last->entry.kind != APPLY_FLOOR) {
        return false;
    }
    self->not_before = zclock_mono() + PAUSE_MS;
    zmq_msg_close(&last->topic);
    zmq_msg_close(&last->body);
    batch->count--;
    return true;
}

void trimming_done(struct trimming *self, const struct item *item)
{
    if (item->result.fault.code != 0) {
        self->failed = true;
        log_error("the log cannot be trimmed from %llu on: an event there is damaged; it grows",
                  (unsigned long long)state_oldest(&self->kept));
    }
}
