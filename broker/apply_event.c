/* Apply's events: each is encoded once, in the memory that is both stored and sent, with its
 * seq and its places in the chains of its stream, its topic and its session. */
#include "deciding.h"

#include <stdlib.h>
#include <string.h>

static bool room_for_event(struct apply *self)
{
    if (self->event_count < self->event_capacity) {
        return true;
    }
    size_t wider = self->event_capacity ? self->event_capacity * 2 : 4096;
    struct apply_event *p = realloc(self->events, wider * sizeof *p);
    if (!p) {
        txn_fail(self->txn, CASEBUS_ENOMEM);
        return false;
    }
    self->events = p;
    self->event_capacity = wider;
    return true;
}

static struct casebus_bytes sent_form(struct apply *self, const struct casebus_event *event,
                                      struct casebus_bytes full)
{
    if (full.size <= CASEBUS_FULL_EVENT_MAX) {
        return full;
    }
    msgpack_sbuffer_clear(&self->body);
    if (casebus_event_encode_thin(event, &self->body) < 0) {
        txn_fail(self->txn, CASEBUS_ENOMEM);
    }
    return txn_copy(self->txn, casebus_bytes(self->body.data, self->body.size));
}

static void take_seq(struct apply *self, struct casebus_event *event,
                     struct casebus_bytes stream, uint64_t *last)
{
    struct head_entry head = {0};
    struct key head_key;
    key_make_text(&head_key, stream);
    txn_load(self->txn, TREE_HEAD, &head_key, ENTRY_HEAD, &head);
    event->seq = ++self->state.seq;
    event->prev = head.seq;
    event->prev_topic = *last;
    head.seq = event->seq;
    *last = event->seq;
    txn_save(self->txn, TREE_HEAD, &head_key, ENTRY_HEAD, &head);
}

static size_t event_bound(const struct apply *self, const struct casebus_event *event,
                          const struct payload *record)
{
    size_t more = record ? draft_bound(record->draft, self->case_id, record->kept) : 0;
    return casebus_event_bound(event) + more;
}

/* Where its record is, if it has one, goes to *place. */
static unsigned char *put_event(const struct apply *self, struct casebus_event *event,
                                const struct payload *record, unsigned char *body,
                                struct record_place *place)
{
    if (!record) {
        return casebus_event_put(event, body);
    }
    unsigned char *at = casebus_event_put_open(event, body);
    unsigned char *end = draft_put(record->draft, self->case_id, record->kept, at, place);
    event->payload = casebus_bytes(at, (size_t)(end - at));
    place->at = (uint64_t)(at - body);
    return end;
}

/* Encodes the event once, where it is stored and sent from: its log entry is built around it.
 */
static bool log_event(struct apply *self, struct casebus_event *event,
                      const struct payload *record, struct log_entry *log)
{
    size_t head = LOG_HEAD_MAX + log->topic.size;
    unsigned char *out =
        txn_alloc(self->txn, head + event_bound(self, event, record) + LOG_TAIL_MAX);
    if (!out) {
        return false;
    }
    unsigned char *body = out + head, *end = put_event(self, event, record, body, &log->record);
    log->body = casebus_bytes(body, (size_t)(end - body));
    struct casebus_bytes value = log_entry_around(log, out);
    txn_trim(self->txn, out, (size_t)(value.data + value.size - out));
    self->state.log_bytes += value.size;
    struct key key;
    key_make_number(&key, event->seq);
    txn_put_ours(self->txn, TREE_LOG, &key, value);
    return true;
}

void emit_with(struct apply *self, struct casebus_event *event, const struct payload *record,
               enum casebus_event_kind kind, struct casebus_bytes agency,
               struct casebus_bytes key, uint64_t *last)
{
    char topic[CASEBUS_TOPIC_MAX + 1];
    int size = casebus_topic_build(topic, sizeof topic, casebus_event_kind_resource(kind),
                                   casebus_event_kind_word(kind), agency, key);
    if (size < 0 || !room_for_event(self)) {
        txn_fail(self->txn, size < 0 ? CASEBUS_EINTERNAL : CASEBUS_ENOMEM);
        return;
    }
    event->kind = kind;
    memcpy(event->epoch, self->state.epoch, sizeof event->epoch);
    event->at = self->at;
    event->actor = self->actor;
    struct log_entry log = {.topic = casebus_bytes(topic, (size_t)size)};
    size_t key_size = key.size + 1; /* with its colon; what stands before it is the stream */
    take_seq(self, event, casebus_bytes(topic, log.topic.size - key_size), last);
    if (self->in_session) {
        log.session_before = self->session.newest;
        self->session.newest = event->seq;
    }
    if (log_event(self, event, record, &log)) {
        self->events[self->event_count++] =
            (struct apply_event){.seq = event->seq,
                                 .kind = kind,
                                 .topic = log.topic,
                                 .body = sent_form(self, event, log.body)};
    }
}

void emit(struct apply *self, struct casebus_event *event, enum casebus_event_kind kind,
          struct casebus_bytes agency, struct casebus_bytes key, uint64_t *last)
{
    emit_with(self, event, NULL, kind, agency, key, last);
}

void emit_id(struct apply *self, enum casebus_event_kind kind, struct case_entry *entry)
{
    struct casebus_event event = event_for(self, entry);
    msgpack_packer pk;
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "id");
    casebus_pack_str(&pk, self->case_id);
    event.payload = casebus_bytes(self->payload.data, self->payload.size);
    emit(self, &event, kind, self->report->topic.segment[2], self->report->topic.segment[3],
         &entry->last[kind]);
}
