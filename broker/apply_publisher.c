/* Numbered reports: which of them may be decided, and what their publisher is told afterwards.
 *
 * Progress is keyed by actor and publisher, so nobody moves anybody else's. Refusals stay until
 * the publisher's poll has passed them; numbers are taken only so far beyond that, which bounds
 * them. */
#include "deciding.h"

#include <string.h>

/* Polls' `after` is recorded every now and then (ACK_EVERY in query_publisher.c), so that what
 * is promised, a window beyond `after`, needs another here beyond what is recorded. */
#define ACK_WINDOW (2 * CASEBUS_PUBLISHER_WINDOW)

struct actor_entry load_actor(struct apply *self, struct casebus_bytes actor)
{
    struct key key = key_text(actor);
    struct actor_entry entry = {.publishers = 0};
    txn_load(self->txn, TREE_ACTOR, &key, ENTRY_ACTOR, &entry);
    return entry;
}

void count_for_actor(struct apply *self, struct casebus_bytes actor, uint64_t publishers,
                     uint64_t sessions)
{
    struct key key = key_text(actor);
    struct actor_entry entry = load_actor(self, actor);
    entry.publishers += publishers;
    entry.sessions += sessions;
    if (entry.publishers > 0 || entry.sessions > 0) {
        txn_save(self->txn, TREE_ACTOR, &key, ENTRY_ACTOR, &entry);
    } else {
        txn_delete(self->txn, TREE_ACTOR, &key);
    }
}

/* One publisher more, or one less (by = -1), of the actor. */
static void count_publisher(struct apply *self, struct casebus_bytes of, uint64_t by)
{
    count_for_actor(self, of, by, 0);
    self->state.publishers += by;
}

enum apply_effect publisher_admits(struct apply *self, const struct casebus_report_head *head,
                                   struct publisher_entry *publisher)
{
    const struct key *key = &self->publisher_key;
    key_make_publisher(&self->publisher_key, self->actor, head->publisher);
    memset(publisher, 0, sizeof *publisher);
    if (!txn_load(self->txn, TREE_PUBLISHER, key, ENTRY_PUBLISHER, publisher) &&
        load_actor(self, self->actor).publishers >= CASEBUS_PUBLISHERS_MAX) {
        return EFFECT_CROWDED;
    }
    if (head->number <= publisher->decided) {
        return EFFECT_DUPLICATE;
    }
    if (head->number > publisher->decided + 1 || head->number > publisher->acked + ACK_WINDOW) {
        return EFFECT_AHEAD;
    }
    return memcmp(head->check, publisher->check, sizeof publisher->check) == 0
               ? EFFECT_DECIDED
               : EFFECT_DIVERGED;
}

static const struct casebus_field *field_named(const struct casebus_field *schema,
                                               struct casebus_bytes name)
{
    while (schema && schema->name && !casebus_bytes_is(name, schema->name)) {
        schema++;
    }
    return schema && schema->name ? schema : NULL;
}

/* Is this a name of the protocol that is not in the tables of the case record? Anything else
 * was made up by a peer. */
static bool is_known_key(struct casebus_bytes name)
{
    static const char *const others[] = {"v",       "publisher", "number", "check", "session",
                                         "sent_at", "data",      "void",   "topic"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (casebus_bytes_is(name, others[i])) {
            return true;
        }
    }
    return field_named(casebus_session_started_schema, name) ||
           field_named(casebus_session_progressed_schema, name) ||
           field_named(casebus_session_ended_schema, name);
}

struct casebus_bytes refused_field(const char *path)
{
    size_t first = strcspn(path, ".["), size = first;
    const struct casebus_field *field =
        field_named(casebus_case_schema, casebus_bytes(path, first));
    size_t second = first + strcspn(path + first, ".");
    if (field && field->members && path[second] == '.') {
        size_t end = second + 1 + strcspn(path + second + 1, ".[");
        bool known = field_named(field->members,
                                 casebus_bytes(path + second + 1, end - second - 1)) != NULL;
        size = known ? end : second;
    } else if (field && field->type != CASEBUS_TYPE_MAP) {
        size = strlen(path); /* an index at most */
    } else if (!field && !is_known_key(casebus_bytes(path, first))) {
        size = 0;
    }
    return casebus_bytes(path, size);
}

struct casebus_bytes refused_topic(struct casebus_bytes topic)
{
    return topic.size <= CASEBUS_TOPIC_MAX && casebus_utf8_valid(topic)
               ? topic
               : casebus_bytes(NULL, 0);
}

static struct refusal_entry refusal_of(struct apply *self, const struct apply_entry *entry,
                                       const struct casebus_report_head *head,
                                       enum casebus_outcome outcome)
{
    return (struct refusal_entry){
        .at = self->at,
        .outcome = outcome,
        .code = (uint64_t)-self->fault.code,
        .size = entry->body.size,
        .number = head->numbered ? head->number : 0,
        .quarantine = self->quarantine,
        .field = txn_copy(self->txn, refused_field(self->fault.field)),
        .topic = refused_topic(entry->topic),
        .actor = self->actor,
        .publisher = head->numbered ? txn_copy(self->txn, casebus_bytes(head->publisher,
                                                                        sizeof head->publisher))
                                    : casebus_bytes(NULL, 0),
        .session = self->report->session,
        .seq = self->state.seq,
    };
}

/* The list that people read: bounded, without content. */
void note_reject(struct apply *self, const struct apply_entry *entry,
                 const struct casebus_report_head *head)
{
    struct refusal_entry refusal = refusal_of(self, entry, head, CASEBUS_OUTCOME_REJECTED);
    struct key key = key_number(++self->state.rejects);
    txn_save(self->txn, TREE_REJECT, &key, ENTRY_REFUSAL, &refusal);
    if (self->state.rejects > CASEBUS_REJECTS_MAX) {
        key = key_number(self->state.rejects - CASEBUS_REJECTS_MAX);
        txn_delete(self->txn, TREE_REJECT, &key);
    }
}

void publisher_decided(struct apply *self, struct publisher_entry *publisher,
                       const struct apply_entry *entry, const struct apply_prepared *prepared,
                       enum casebus_outcome outcome)
{
    const struct casebus_report_head *head = &prepared->head;
    const struct key *key = &self->publisher_key;
    if (outcome == CASEBUS_OUTCOME_VOID) {
        casebus_check_next(publisher->check, prepared->report.void_hash);
    } else { /* its `check` was the publisher's, or it would not be decided */
        memcpy(publisher->check, prepared->next_check, sizeof publisher->check);
    }
    if (publisher->decided == 0) {
        count_publisher(self, self->actor, 1);
    }
    publisher->decided = head->number;
    publisher->last_seen_at = self->at;
    publisher->outcome[outcome]++;
    txn_save(self->txn, TREE_PUBLISHER, key, ENTRY_PUBLISHER, publisher);
    if (outcome == CASEBUS_OUTCOME_REJECTED || outcome == CASEBUS_OUTCOME_CONFLICT ||
        outcome ==
            CASEBUS_OUTCOME_VOID) { /* of two withdrawn, one may have been decided before */
        struct refusal_entry refusal = refusal_of(self, entry, head, outcome);
        struct key at = key_refusal(key, head->number);
        txn_save(self->txn, TREE_REFUSAL, &at, ENTRY_REFUSAL, &refusal);
    }
}

/* At most two windows of them: no number is taken further beyond what is acknowledged. */
static void drop_refusals(struct apply *self, const struct key *publisher, uint64_t first,
                          uint64_t last)
{
    for (uint64_t n = first; n <= last; n++) {
        struct key at = key_refusal(publisher, n);
        struct casebus_bytes value;
        bool there = txn_get(self->txn, TREE_REFUSAL, key_bytes(&at), &value);
        if (txn_error(self->txn) == CASEBUS_ECORRUPT) { /* there, but unreadable */
            txn_forgive(self->txn);
            there = true;
        }
        if (there) {
            txn_delete(self->txn, TREE_REFUSAL, &at);
        }
    }
}

void decide_ack(struct apply *self, const struct apply_entry *entry)
{
    struct casebus_bytes id = casebus_as_bin(casebus_map_get(entry->body, "publisher"));
    uint64_t after = casebus_as_uint(casebus_map_get(entry->body, "after"), 0);
    struct publisher_entry publisher;
    if (id.size != CASEBUS_PUBLISHER_SIZE) {
        return;
    }
    struct key key = key_publisher(self->actor, id.data);
    if (!txn_load(self->txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &publisher)) {
        return;
    }
    if (after > publisher.decided) {
        after = publisher.decided;
    }
    if (after > publisher.acked) {
        drop_refusals(self, &key, publisher.acked + 1, after);
        publisher.acked = after;
    }
    publisher.volatile_id = !casebus_as_bool(casebus_map_get(entry->body, "outbox"), true);
    publisher.last_seen_at = self->at;
    txn_save(self->txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &publisher);
}

bool publisher_is_idle(const struct publisher_entry *publisher, uint64_t at)
{
    const uint64_t day = 24ull * 3600 * 1000000;
    uint64_t days = publisher->volatile_id ? CASEBUS_VOLATILE_DAYS : CASEBUS_PUBLISHER_DAYS;
    return at > publisher->last_seen_at && at - publisher->last_seen_at >= days * day;
}

/* The entry names a publisher that looked idle when the entry was made. It may have sent
 * something since, so this is decided again, by the entry's time. */
void decide_retire(struct apply *self, const struct apply_entry *entry)
{
    struct casebus_bytes name = casebus_as_bin(casebus_map_get(entry->body, "publisher"));
    struct key key = key_text(name);
    struct publisher_entry publisher;
    if (name.size <= CASEBUS_PUBLISHER_SIZE + 1 ||
        !txn_load(self->txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &publisher) ||
        !publisher_is_idle(&publisher, self->at)) {
        return;
    }
    drop_refusals(self, &key, publisher.acked + 1, publisher.decided);
    txn_delete(self->txn, TREE_PUBLISHER, &key);
    count_publisher(self, casebus_bytes(name.data, name.size - CASEBUS_PUBLISHER_SIZE - 1),
                    (uint64_t)-1);
}
