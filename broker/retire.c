/* Looking for publishers that have been idle for so long that their ids are to be forgotten.
 *
 * Looking is done here, a slice at a time beside the requests; forgetting is an entry, and
 * whether the publisher really has been idle is decided there (apply_publisher.c). */
#include "query_loop.h"

#define SLICE 1000     /* publishers looked at in one turn */
#define AT_ONCE 50     /* entries made in one turn */
#define EVERY_MS 60000 /* from one round to the next */
#define NEXT_SLICE_MS 1000

static bool submit_retirement(struct queries *self, struct casebus_bytes key)
{
    msgpack_packer pk;
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, key);
    int rc = submit_own(self, APPLY_RETIRE, &body, 0);
    msgpack_sbuffer_destroy(&body);
    return rc == 0;
}

/* A publisher that cannot be read is verify's to name: those behind it are looked at all the
 * same. */
static bool pass_unreadable(struct queries *self, struct cursor *c, bool at)
{
    while (!at && c->key.data && txn_error(self->txn) == CASEBUS_ECORRUPT) {
        txn_forgive(self->txn);
        at = cursor_next(c);
    }
    return at;
}

/* Looks at publishers from where the last turn ended. True: the round is done. */
static bool look(struct queries *self, uint64_t now)
{
    struct cursor c;
    unsigned seen = 0, asked = 0;
    struct key *from = &self->retire_from;
    cursor_open(&c, self->txn, TREE_PUBLISHER);
    bool at = cursor_seek(&c, from->size ? key_bytes(from) : casebus_bytes("", 1));
    at = pass_unreadable(self, &c, at);
    for (; at && seen < SLICE && asked < AT_ONCE;
         at = pass_unreadable(self, &c, cursor_next(&c)), seen++) {
        struct publisher_entry publisher;
        if (entry_decode(ENTRY_PUBLISHER, c.value, &publisher) == 0 &&
            publisher_is_idle(&publisher, now)) {
            if (!submit_retirement(self, c.key)) {
                break; /* the bus is busy: from here on the next time */
            }
            asked++;
        }
    }
    *from = at ? key_text(c.key) : (struct key){.size = 0};
    cursor_close(&c);
    return !at;
}

/* After a start, and after the clock has jumped, every publisher looks idle. One that is alive
 * polls within seconds, so all of them are given a minute. */
static bool too_early(struct queries *self, int64_t now)
{
    int64_t offset = zclock_time() - now;
    bool jumped = self->retire_at == 0 || offset > self->clock_offset + EVERY_MS;
    self->clock_offset = offset;
    return jumped;
}

void retire_idle(struct queries *self, int64_t now)
{
    bool done = true;
    if (now < self->retire_at) {
        return;
    }
    if (!too_early(self, now)) {
        if (txn_begin(self->txn) == 0) {
            done = look(self, clock_utc_us());
        }
        txn_end(self->txn);
    }
    self->retire_at = now + (done ? EVERY_MS : NEXT_SLICE_MS);
}
