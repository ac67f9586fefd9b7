/* The floor: how the log is trimmed at its old end.
 *
 * An entry says how long the log may be, and how far one step may go; which events that means
 * is decided here, from the state's own counts, so that the same entries leave the same log. An
 * event goes only when nothing needs it any more: the record that only it holds is copied into
 * its case's entry, its stream remembers it as the last one trimmed (so that a replay can say
 * what is gone), and its session keeps it counted (so that verify can still recount what is
 * above). Whatever else points below the floor, the chains of topics, streams and sessions,
 * ends there for its readers. */
#include "deciding.h"

#include <stdio.h>

/* Bytes of events one step lets go of: its commit stays short even where events are large, and
 * yet keeps up with batches of large reports. */
#define STEP_BYTES (2u * CASEBUS_BATCH_BYTES)

static uint64_t number_in(const struct apply_entry *entry, const char *name, uint64_t missing)
{
    return casebus_as_uint(casebus_map_get(entry->body, name), missing);
}

bool log_too_long(const struct state *s, const struct log_bounds *b)
{
    uint64_t oldest = state_oldest(s);
    bool events = b->events != 0 && s->seq + 1 - oldest > b->events;
    bool bytes = b->bytes != 0 && s->log_bytes > b->bytes;
    return (events || bytes) && oldest <= s->seq && oldest < b->below;
}

/* Puts the record of an event that is going where its case finds it, if it is the newest. */
static void keep_record(struct apply *self, uint64_t seq, const struct casebus_event *event)
{
    struct key key = key_named(event->topic.segment[2], event->topic.segment[3]);
    struct case_entry entry;
    bool known = txn_load(self->txn, TREE_CASE, &key, ENTRY_CASE, &entry);
    if (known && entry.record_seq == seq && !(entry.flags & CASE_DELETED)) {
        entry.record = event->payload;
        txn_save(self->txn, TREE_CASE, &key, ENTRY_CASE, &entry);
    }
}

static void keep_in_stream(struct apply *self, uint64_t seq, const struct casebus_event *event)
{
    struct key key = key_text(casebus_topic_stream(event->topic_text));
    struct head_entry head;
    if (!txn_load(self->txn, TREE_HEAD, &key, ENTRY_HEAD, &head)) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
        return;
    }
    head.trimmed = seq;
    txn_save(self->txn, TREE_HEAD, &key, ENTRY_HEAD, &head);
}

/* Is the event before this synced one the updated half of the same report? It just went. */
static bool second_half(struct apply *self, uint64_t seq, const struct casebus_event *event,
                        uint64_t session_before)
{
    char updated[CASEBUS_TOPIC_MAX + 1];
    struct head_entry head;
    if (session_before != seq - 1) {
        return false;
    }
    int size = snprintf(updated, sizeof updated,
                        "case:updated:%.*s:", (int)event->topic.segment[2].size,
                        (const char *)event->topic.segment[2].data);
    struct key key = key_text(casebus_bytes(updated, (size_t)size));
    return txn_load(self->txn, TREE_HEAD, &key, ENTRY_HEAD, &head) && head.trimmed == seq - 1;
}

static void keep_in_session(struct apply *self, uint64_t seq, const struct casebus_event *event,
                            uint64_t session_before)
{
    struct key key = key_named(event->topic.segment[2], event->session);
    struct session_entry s;
    if (!txn_load(self->txn, TREE_SESSION, &key, ENTRY_SESSION, &s)) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
        return;
    }
    s.trimmed_created += event->kind == CASEBUS_EVENT_CREATED;
    s.trimmed_updated += event->kind == CASEBUS_EVENT_UPDATED;
    s.trimmed_conflicts += event->kind == CASEBUS_EVENT_CONFLICT;
    s.trimmed_synced +=
        event->kind == CASEBUS_EVENT_SYNCED && !second_half(self, seq, event, session_before);
    txn_save(self->txn, TREE_SESSION, &key, ENTRY_SESSION, &s);
}

/* Lets the event at the floor go; the bytes of its value. */
static uint64_t trim(struct apply *self, uint64_t seq)
{
    struct key key = key_number(seq);
    struct casebus_bytes value;
    struct log_entry log;
    struct casebus_event event;
    struct casebus_fault fault;
    if (!txn_get(self->txn, TREE_LOG, key_bytes(&key), &value) ||
        entry_decode(ENTRY_LOG, value, &log) != 0 ||
        casebus_event_read(log.topic, log.body, &event, &fault) != 0) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
        return 0;
    }
    if (event.kind == CASEBUS_EVENT_CREATED || event.kind == CASEBUS_EVENT_UPDATED) {
        keep_record(self, seq, &event);
    }
    if (event.kind < CASEBUS_CASE_EVENT_COUNT && log.session_before != 0) {
        keep_in_session(self, seq, &event, log.session_before);
    }
    keep_in_stream(self, seq, &event);
    txn_delete(self->txn, TREE_LOG, &key);
    self->state.log_bytes -= value.size;
    self->state.floor = seq + 1;
    return value.size;
}

void decide_floor(struct apply *self, const struct apply_entry *entry)
{
    struct log_bounds bounds = {
        .events = number_in(entry, "events", 0),
        .bytes = number_in(entry, "bytes", 0),
        .below = number_in(entry, "below", 0),
    };
    uint64_t most = number_in(entry, "most", 0), bytes = 0;
    while (most-- > 0 && bytes < STEP_BYTES && log_too_long(&self->state, &bounds) &&
           txn_error(self->txn) == 0) {
        bytes += trim(self, state_oldest(&self->state));
    }
}
