/* Signs of life on their way into ticks.
 *
 * Polls name the sessions of their workers; here they are gathered, each once, and given to
 * apply once a second as a tick. One is under way at a time: a slow disk makes fewer ticks, not
 * many at once, and sessions that live by their reports alone are not overrun by seconds in
 * which nothing could be decided. Names stay here until a tick with them is in the store. While
 * nothing runs and nobody who was lost is heard from, nothing is written. */
#include "query_loop.h"

/* The place of a session, or where it belongs. */
static size_t place_of(const struct queries *self, uint64_t session)
{
    size_t low = 0, high = self->heartbeat_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->heartbeats[middle].session < session) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Bounded by what is active: only that is remembered, and an actor has not more of it than he
 * may. */
void note_heartbeat(struct queries *self, const struct session_entry *session)
{
    size_t at = place_of(self, session->started_seq);
    struct heartbeat *place = &self->heartbeats[at];
    if (status_is_final(session->status)) {
        return;
    }
    if (at == self->heartbeat_count || place->session != session->started_seq) {
        if (self->heartbeat_count == HEARTBEATS_MAX) {
            return;
        }
        memmove(place + 1, place, (self->heartbeat_count++ - at) * sizeof *place);
        place->session = session->started_seq;
    }
    place->told = false;
}

static void forget(struct queries *self, bool told_only)
{
    size_t kept = 0;
    for (size_t i = 0; told_only && i < self->heartbeat_count; i++) {
        if (!self->heartbeats[i].told) {
            self->heartbeats[kept++] = self->heartbeats[i];
        }
    }
    self->heartbeat_count = kept;
}

/* The name of a session that has not ended meanwhile. */
static bool name_active(struct queries *self, uint64_t session, struct casebus_bytes *name)
{
    struct key number = key_number(session);
    struct casebus_bytes nothing;
    bool active = txn_get(self->txn, TREE_STARTED, key_bytes(&number), name) &&
                  txn_get(self->txn, TREE_ACTIVE, *name, &nothing);
    if (txn_error(self->txn) == CASEBUS_ECORRUPT) {
        txn_forgive(self->txn);
    }
    return active;
}

static uint32_t pack_heard(struct queries *self, msgpack_packer *pk)
{
    uint32_t n = 0;
    for (size_t i = 0; i < self->heartbeat_count; i++) {
        struct casebus_bytes name;
        self->heartbeats[i].told = true;
        if (name_active(self, self->heartbeats[i].session, &name)) {
            casebus_pack_str(pk, name);
            n++;
        }
    }
    return n;
}

static void submit_tick(struct queries *self, uint32_t heard, const msgpack_sbuffer *names)
{
    msgpack_packer pk;
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "heard");
    msgpack_pack_array(&pk, heard);
    msgpack_sbuffer_write(&body, names->data, names->size);
    self->tick_under_way = ++self->last_submission;
    if (submit_own(self, APPLY_TICK, &body, self->tick_under_way) != 0) {
        self->tick_under_way = 0; /* the bus is busy: in a second */
    }
    msgpack_sbuffer_destroy(&body);
}

static void look(struct queries *self)
{
    struct state state;
    msgpack_packer pk;
    msgpack_sbuffer names;
    if (!txn_state(self->txn, &state)) {
        return;
    }
    msgpack_sbuffer_init(&names);
    msgpack_packer_init(&pk, &names, msgpack_sbuffer_write);
    uint32_t heard = pack_heard(self, &pk);
    if (state.running > 0 || heard > 0) {
        submit_tick(self, heard, &names);
    } else {
        forget(self, false);
    }
    msgpack_sbuffer_destroy(&names);
}

/* Ticks keep to a beat: what one is late does not make the next one late. */
void make_tick(struct queries *self, int64_t now)
{
    if (now < self->tick_at) {
        return;
    }
    self->tick_at += CASEBUS_TICK_MS;
    if (self->tick_at <= now) {
        self->tick_at = now + CASEBUS_TICK_MS;
    }
    if (self->tick_under_way == 0 && !held_reason(self->options->counters)) {
        if (txn_begin(self->txn) == 0) {
            look(self);
        }
        txn_end(self->txn);
    }
}

void tick_done(struct queries *self, const struct submission_result *result)
{
    self->tick_under_way = 0;
    if (result->code == 0) {
        forget(self, true);
    }
}
