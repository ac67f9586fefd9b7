/* Redaction: only the id of the case stays, everywhere.
 *
 * Its events keep their place in every chain (stream, topic, session) and lose what they said.
 * What LMDB has freed may still hold old bytes in its file until they are used again; a backup,
 * made key by key, does not. */
#include "deciding.h"

#include <string.h>

/* An event of the batch at hand has not been sent yet. */
static void stub_unsent(struct apply *self, uint64_t seq, struct casebus_bytes stub)
{
    const uint64_t first = self->event_count > 0 ? self->events[0].seq : UINT64_MAX;
    if (seq >= first) {
        self->events[seq - first].stub = txn_copy(self->txn, stub);
    }
}

/* Takes `changed` out of an event, and of one of this case all of its payload but the id: what
 * is left is its place in the chains. */
static void stub_event(struct apply *self, uint64_t seq, bool own, uint64_t *before)
{
    struct key key = key_number(seq);
    struct casebus_bytes value;
    struct log_entry log;
    struct casebus_event event;
    struct casebus_fault fault;
    msgpack_packer pk;
    *before = 0;
    if (!txn_get(self->txn, TREE_LOG, key_bytes(&key), &value) ||
        entry_decode(ENTRY_LOG, value, &log) != 0 ||
        casebus_event_read(log.topic, log.body, &event, &fault) != 0) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
        return;
    }
    *before = event.prev_topic;
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "id");
    casebus_pack_str(&pk, self->case_id);
    event.changed = casebus_bytes(NULL, 0);
    if (own) {
        event.payload = casebus_bytes(self->payload.data, self->payload.size);
    }
    msgpack_sbuffer_clear(&self->body);
    if (casebus_event_encode(&event, &self->body) < 0) {
        txn_fail(self->txn, CASEBUS_ENOMEM);
        return;
    }
    log.body = casebus_bytes(self->body.data, self->body.size);
    log.record = (struct record_place){0};
    unsigned char *out = txn_alloc(self->txn, entry_size(ENTRY_LOG, &log));
    if (out) {
        struct casebus_bytes stub = casebus_bytes(out, entry_encode(ENTRY_LOG, &log, out));
        txn_put_ours(self->txn, TREE_LOG, &key, stub);
        stub_unsent(self, seq, log.body);
        self->state.log_bytes += stub.size - value.size;
    }
}

static void stub_events(struct apply *self, const struct case_entry *entry)
{
    for (int kind = 0; kind < CASEBUS_CASE_EVENT_COUNT; kind++) {
        uint64_t seq = entry->last[kind];
        while (seq != 0 && seq >= self->state.floor && txn_error(self->txn) == 0) {
            stub_event(self, seq, true, &seq);
        }
    }
}

/* Reports that became this case collided with another one first: those conflicts say how they
 * differed from it. */
static void stub_conflicts(struct apply *self, uint64_t seq)
{
    while (seq != 0 && txn_error(self->txn) == 0) {
        struct key number = key_number(seq), key;
        struct casebus_bytes name;
        struct quarantine_entry q;
        uint64_t ignored;
        if (!txn_get(self->txn, TREE_CONFLICT, key_bytes(&number), &name)) {
            return;
        }
        key = key_text(name);
        if (!txn_load(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q)) {
            return;
        }
        if (seq >= self->state.floor) {
            stub_event(self, seq, false, &ignored);
        }
        seq = q.accepted_before;
    }
}

/* Undecided content goes; its rows stay, decided, so that the same content stays out. */
static void empty_quarantine(struct apply *self)
{
    struct cursor c;
    struct key first = key_text(self->case_id);
    first.data[first.size++] = 0;
    txn_flush(self->txn); /* a cursor sees only what LMDB has */
    cursor_open(&c, self->txn, TREE_QUARANTINE);
    for (bool at = cursor_seek(&c, key_bytes(&first));
         at && c.key.size == first.size + CASEBUS_HASH_SIZE &&
         memcmp(c.key.data, first.data, first.size) == 0;
         at = cursor_next(&c)) {
        struct quarantine_entry q;
        struct key key = key_text(c.key);
        if (!txn_load(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q)) {
            break;
        }
        if (q.status == QUARANTINE_OPEN) { /* of the others only the decision is left */
            self->state.quarantined--;
            q.status = QUARANTINE_REJECTED;
            q.outcome = CASEBUS_OUTCOME_REJECTED;
            q.data = casebus_bytes(NULL, 0);
            txn_save(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q);
        }
    }
    cursor_close(&c);
}

enum casebus_outcome decide_redacted(struct apply *self)
{
    struct case_entry entry;
    struct casebus_record old;
    if (!txn_load(self->txn, TREE_CASE, &self->case_key, ENTRY_CASE, &entry)) {
        return reject(self, CASEBUS_EUNKNOWN_CASE, "");
    }
    if (entry.flags & CASE_REDACTED) {
        return reject(self, CASEBUS_EREDACTED, "");
    }
    if (!(entry.flags & CASE_DELETED)) {
        if (!record_load(self->txn, &entry, &old)) {
            return reject(self, CASEBUS_EINTERNAL, "");
        }
        unindex_case(self, &old); /* its offender's map goes too, where it was this case's */
    }
    txn_flush(self->txn); /* a cursor sees only what LMDB has */
    stub_events(self, &entry);
    stub_conflicts(self, entry.accepted);
    empty_quarantine(self);
    entry.flags = CASE_REDACTED;
    entry.version++;
    entry.record_seq = entry.accepted = 0;
    entry.updated_at = self->at;
    entry.updated_seq = self->state.seq + 1;
    entry.fetched_at = 0;
    memset(entry.hash, 0, sizeof entry.hash);
    entry.source = entry.record = casebus_bytes(NULL, 0);
    emit_id(self, CASEBUS_EVENT_REDACTED, &entry);
    txn_save(self->txn, TREE_CASE, &self->case_key, ENTRY_CASE, &entry);
    return CASEBUS_OUTCOME_REDACTED;
}
