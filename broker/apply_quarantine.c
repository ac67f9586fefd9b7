/* Conflicts: reports that would make one case out of two court records.
 *
 * A quarantine row is keyed by case and content, so the same report coming again is known:
 * still undecided it is a conflict without a new event, once rejected it is refused `decided`.
 * What an acceptance displaces becomes rejected content in its turn. */
#include "deciding.h"

#include "normal.h"

#include <string.h>

static void pack_differences(struct apply *self, const struct casebus_record *old)
{
    const struct casebus_bytes *new = self->report->record.field;
    struct casebus_bytes old_offender = old->field[CASEBUS_CASE_OFFENDER];
    struct casebus_bytes new_offender = new[CASEBUS_CASE_OFFENDER];
    msgpack_packer pk;
    strcpy(self->changes[0].field, "offence_action_date");
    self->changes[0].before = old->field[CASEBUS_CASE_OFFENCE_ACTION_DATE];
    self->changes[0].after = new[CASEBUS_CASE_OFFENCE_ACTION_DATE];
    strcpy(self->changes[1].field, "offender.name");
    self->changes[1].before = casebus_map_get(old_offender, "name");
    self->changes[1].after = casebus_map_get(new_offender, "name");
    msgpack_sbuffer_clear(&self->changed_fields);
    msgpack_packer_init(&pk, &self->changed_fields, msgpack_sbuffer_write);
    changes_pack(&pk, self->changes, 2);
}

enum casebus_outcome decide_conflict(struct apply *self, struct case_entry *entry,
                                     const struct casebus_record *record,
                                     const unsigned char *hash)
{
    struct key key = key_quarantine(self->case_id, hash);
    struct quarantine_entry q = {.status = QUARANTINE_ACCEPTED};
    bool known = txn_load(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q);
    if (known && (q.status == QUARANTINE_REJECTED || q.as.data)) { /* not of this case */
        return reject(self, CASEBUS_EDECIDED, "");
    }
    self->fault.code = 0;
    if (known && q.status == QUARANTINE_OPEN) {
        self->quarantine = q.seq;
        return CASEBUS_OUTCOME_CONFLICT;
    }
    struct casebus_event event = event_for(self, entry);
    msgpack_packer pk;
    q = (struct quarantine_entry){
        .status = QUARANTINE_OPEN,
        .seq = self->state.seq + 1,
        .at = self->at,
        .sent_at = self->report->sent_at,
        .actor = self->actor,
        .session = self->report->session,
        .data = self->report->data,
    };
    pack_differences(self, record);
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 2);
    casebus_pack_text(&pk, "id");
    casebus_pack_str(&pk, self->case_id);
    casebus_pack_text(&pk, "quarantine");
    msgpack_pack_uint64(&pk, q.seq);
    event.payload = casebus_bytes(self->payload.data, self->payload.size);
    event.changed = casebus_bytes(self->changed_fields.data, self->changed_fields.size);
    emit(self, &event, CASEBUS_EVENT_CONFLICT, self->report->topic.segment[2],
         self->report->topic.segment[3], &entry->last[CASEBUS_EVENT_CONFLICT]);
    struct key number = key_number(q.seq);
    txn_save(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q);
    txn_put(self->txn, TREE_CONFLICT, key_bytes(&number), key_bytes(&key));
    txn_save(self->txn, TREE_CASE, &self->case_key, ENTRY_CASE, entry);
    self->state.quarantined++;
    self->quarantine = q.seq;
    return CASEBUS_OUTCOME_CONFLICT;
}

/* --- decisions -------------------------------------------------------------------------- */

struct decision {
    uint64_t seq;
    struct casebus_bytes as;      /* absent: as the case it collided with */
    struct casebus_bytes case_id; /* the case it collided with */
    struct key key;
    struct quarantine_entry q;
};

static bool load_decision(struct apply *self, const struct apply_entry *entry,
                          struct decision *d)
{
    struct casebus_bytes key;
    memset(d, 0, sizeof *d);
    d->seq = casebus_as_uint(casebus_map_get(entry->body, "quarantine"), 0);
    d->as = casebus_as_str(casebus_map_get(entry->body, "as"));
    struct key number = key_number(d->seq);
    if (!txn_get(self->txn, TREE_CONFLICT, key_bytes(&number), &key) ||
        key.size <= CASEBUS_HASH_SIZE) {
        reject(self, CASEBUS_ENOTFOUND, "quarantine");
        return false;
    }
    d->key = key_text(key);
    d->case_id = txn_copy(self->txn, casebus_bytes(key.data, key.size - CASEBUS_HASH_SIZE - 1));
    if (!txn_load(self->txn, TREE_QUARANTINE, &d->key, ENTRY_QUARANTINE, &d->q)) {
        reject(self, CASEBUS_ENOTFOUND, "quarantine");
        return false;
    }
    if (d->q.seq != d->seq) { /* accepted; since then the same content collided again */
        reject(self, CASEBUS_EDECIDED, "quarantine");
        return false;
    }
    return true;
}

static void emit_resolved(struct apply *self, const struct decision *d, const char *word)
{
    struct key key = key_text(d->case_id);
    struct case_entry entry;
    struct casebus_bytes agency, id;
    msgpack_packer pk;
    if (!txn_load(self->txn, TREE_CASE, &key, ENTRY_CASE, &entry) ||
        casebus_case_id_split(d->case_id, &agency, &id) != 0) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
        return;
    }
    struct casebus_event event = {.version = entry.version};
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, d->as.data ? 4 : 3);
    casebus_pack_text(&pk, "id");
    casebus_pack_str(&pk, d->case_id);
    casebus_pack_text(&pk, "quarantine");
    msgpack_pack_uint64(&pk, d->seq);
    casebus_pack_text(&pk, "decision");
    casebus_pack_text(&pk, word);
    if (d->as.data) {
        casebus_pack_text(&pk, "as");
        casebus_pack_str(&pk, d->as);
    }
    event.payload = casebus_bytes(self->payload.data, self->payload.size);
    emit(self, &event, CASEBUS_EVENT_RESOLVED, agency, id, &entry.last[CASEBUS_EVENT_RESOLVED]);
    txn_save(self->txn, TREE_CASE, &key, ENTRY_CASE, &entry);
}

static void close_decision(struct apply *self, struct decision *d, uint64_t status,
                           enum casebus_outcome outcome)
{
    d->q.status = status;
    d->q.outcome = outcome;
    d->q.as = d->as;
    d->q.data = casebus_bytes(NULL, 0); /* kept no longer than somebody has to look at it */
    txn_save(self->txn, TREE_QUARANTINE, &d->key, ENTRY_QUARANTINE, &d->q);
    self->state.quarantined--;
}

/* What an acceptance displaces is not to come back by the next scrape. */
static void displace(struct apply *self, const unsigned char *hash)
{
    static const unsigned char none[CASEBUS_HASH_SIZE];
    if (memcmp(hash, none, sizeof none) == 0) {
        return;
    }
    struct key key = key_quarantine(self->case_id, hash);
    struct quarantine_entry q = {.status = QUARANTINE_OPEN};
    bool open = txn_load(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q) &&
                q.status == QUARANTINE_OPEN;
    if (!open) {
        q.status = QUARANTINE_REJECTED;
        q.outcome = CASEBUS_OUTCOME_REJECTED;
        txn_save(self->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q);
    }
}

/* Makes the stored report the one being decided, for the case it is to become. */
static int restore_report(struct apply *self, const struct decision *d, struct casebus_bytes id)
{
    struct casebus_report *report = &self->restored;
    memset(report, 0, sizeof *report);
    self->report = report;
    self->prepared = NULL;
    report->kind = CASEBUS_REPORT_SCRAPED;
    report->data = d->q.data;
    report->topic.count = 4;
    key_make_text(&self->case_key, id);
    self->case_id = txn_copy(self->txn, id);
    if (casebus_case_id_split(self->case_id, &report->topic.segment[2],
                              &report->topic.segment[3]) != 0) {
        return CASEBUS_EINVAL;
    }
    return casebus_record_parse(report->data, true, &report->record, &self->fault);
}

static enum casebus_outcome accept_report(struct apply *self, struct decision *d)
{
    struct case_entry entry = {.flags = 0};
    unsigned char hash[CASEBUS_HASH_SIZE], before[CASEBUS_HASH_SIZE];
    int rc = restore_report(self, d, d->as.data ? d->as : d->case_id);
    if (rc != 0) {
        return reject(self, rc, "as");
    }
    bool known = txn_load(self->txn, TREE_CASE, &self->case_key, ENTRY_CASE, &entry);
    if (entry.flags & CASE_REDACTED) {
        return reject(self, CASEBUS_EREDACTED, "");
    }
    if (d->as.data && known && !(entry.flags & CASE_DELETED)) {
        return reject(self, CASEBUS_EVALUE, "as"); /* it would only collide there */
    }
    content_hash(&self->report->record, hash);
    bool displaces = known && !(entry.flags & CASE_DELETED);
    memcpy(before, entry.hash, sizeof before);
    if (d->as.data) { /* the conflict shows some of this case: a redaction must find it */
        d->q.accepted_before = entry.accepted;
        entry.accepted = d->seq;
    }
    enum casebus_outcome outcome = store_scraped(self, &entry, known, hash);
    if (outcome != CASEBUS_OUTCOME_REJECTED) {
        if (displaces) {
            displace(self, before);
        }
        emit_resolved(self, d, "accept");
        close_decision(self, d, QUARANTINE_ACCEPTED, outcome);
    }
    return outcome;
}

enum casebus_outcome decide_quarantine(struct apply *self, const struct apply_entry *entry,
                                       struct apply_result *result)
{
    struct decision d;
    uint64_t wanted = entry->kind == APPLY_ACCEPT ? QUARANTINE_ACCEPTED : QUARANTINE_REJECTED;
    if (!load_decision(self, entry, &d)) {
        return CASEBUS_OUTCOME_REJECTED;
    }
    struct casebus_bytes id = d.as.data ? d.as : d.case_id;
    if (id.size <= CASEBUS_CASE_ID_MAX) {
        memcpy(result->case_id, id.data, id.size);
        result->case_id[id.size] = '\0';
    }
    if (d.q.status != QUARANTINE_OPEN) { /* deciding the same way again is harmless */
        return d.q.status == wanted && casebus_bytes_equal(d.q.as, d.as)
                   ? (enum casebus_outcome)d.q.outcome
                   : reject(self, CASEBUS_EDECIDED, "quarantine");
    }
    if (entry->kind == APPLY_ACCEPT) {
        return accept_report(self, &d);
    }
    emit_resolved(self, &d, "reject");
    close_decision(self, &d, QUARANTINE_REJECTED, CASEBUS_OUTCOME_REJECTED);
    return CASEBUS_OUTCOME_REJECTED;
}
