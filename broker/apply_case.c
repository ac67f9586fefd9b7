/* Deciding reports on cases: scraped, edited, deleted; and the indexes that follow. */
#include "deciding.h"

#include "normal.h"

#include <stdio.h>
#include <string.h>

static struct casebus_bytes regulator_id_of(const struct apply *self)
{
    return self->report->topic.segment[3];
}

static struct casebus_bytes packed(const msgpack_sbuffer *b)
{
    return casebus_bytes(b->data, b->size);
}

static bool load_case(struct apply *self, struct case_entry *entry)
{
    return txn_load(self->txn, TREE_CASE, &self->case_key, ENTRY_CASE, entry);
}

static void save_case(struct apply *self, const struct case_entry *entry)
{
    txn_save(self->txn, TREE_CASE, &self->case_key, ENTRY_CASE, entry);
}

/* --- totals and indexes ----------------------------------------------------------------- */

static uint64_t fine_of(struct casebus_bytes raw)
{
    return casebus_as_uint(raw, 0);
}

/* The key of an offender's map: prepared already where the map is the report's own, or else
 * made in `room`. */
static const struct key *key_of_offender(const struct apply *self,
                                         struct casebus_bytes offender, struct key *room)
{
    bool prepared = self->prepared && self->prepared->offender.size > 0 &&
                    offender.data == self->report->record.field[CASEBUS_CASE_OFFENDER].data;
    if (prepared) {
        return &self->prepared->offender;
    }
    *room = offender_key(agency_of(self), offender);
    return room;
}

static void add_to_offender(struct apply *self, struct casebus_bytes offender, uint64_t fine)
{
    struct key room, case_ref;
    const struct key *key = key_of_offender(self, offender, &room);
    struct offender_entry entry = {.first_seen = self->at};
    key_make_offender_case(&case_ref, key, regulator_id_of(self));
    if (!txn_load(self->txn, TREE_OFFENDER, key, ENTRY_OFFENDER, &entry)) {
        self->state.offenders++;
    }
    entry.last_seen = self->at;
    entry.cases++;
    entry.fine_pence += fine;
    entry.offender = offender;
    entry.reported_by = regulator_id_of(self);
    txn_save(self->txn, TREE_OFFENDER, key, ENTRY_OFFENDER, &entry);
    txn_put(self->txn, TREE_OFFENDER, key_bytes(&case_ref), casebus_bytes("", 0));
}

static void take_from_offender(struct apply *self, struct casebus_bytes offender, uint64_t fine)
{
    struct key key = offender_key(agency_of(self), offender);
    struct key case_ref = key_offender_case(&key, regulator_id_of(self));
    struct offender_entry entry;
    txn_delete(self->txn, TREE_OFFENDER, &case_ref);
    if (!txn_load(self->txn, TREE_OFFENDER, &key, ENTRY_OFFENDER, &entry)) {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
        return;
    }
    entry.cases--;
    entry.fine_pence -= fine;
    if (entry.cases == 0) {
        txn_delete(self->txn, TREE_OFFENDER, &key);
        self->state.offenders--;
    } else {
        if (casebus_bytes_equal(entry.reported_by, regulator_id_of(self))) {
            /* The map was this case's, which may be redacted one day: no copy stays here. */
            entry.offender = entry.reported_by = casebus_bytes(NULL, 0);
        }
        txn_save(self->txn, TREE_OFFENDER, &key, ENTRY_OFFENDER, &entry);
    }
}

/* The case's offender is described or fined otherwise: another one, or the same one changed. */
static void change_offender(struct apply *self, struct casebus_bytes old, uint64_t old_fine,
                            struct casebus_bytes new, uint64_t new_fine)
{
    struct key room, from = offender_key(agency_of(self), old);
    const struct key *to = key_of_offender(self, new, &room);
    struct offender_entry entry;
    if (!casebus_bytes_equal(key_bytes(&from), key_bytes(to))) {
        take_from_offender(self, old, old_fine);
        add_to_offender(self, new, new_fine);
    } else if (txn_load(self->txn, TREE_OFFENDER, to, ENTRY_OFFENDER, &entry)) {
        entry.last_seen = self->at;
        entry.fine_pence += new_fine - old_fine;
        entry.offender = new;
        entry.reported_by = regulator_id_of(self);
        txn_save(self->txn, TREE_OFFENDER, to, ENTRY_OFFENDER, &entry);
    } else {
        txn_fail(self->txn, CASEBUS_ECORRUPT);
    }
}

static void index_date(struct apply *self, struct casebus_bytes action_date, bool present)
{
    struct key key;
    key_make_date(&key, agency_of(self), casebus_as_str(action_date), regulator_id_of(self));
    if (present) {
        txn_put(self->txn, TREE_DATE, key_bytes(&key), casebus_bytes("", 0));
    } else {
        txn_delete(self->txn, TREE_DATE, &key);
    }
}

static void index_case(struct apply *self, const struct draft *draft, struct case_entry *entry,
                       struct agency_entry *agency)
{
    uint64_t fine = fine_of(draft->record->field[CASEBUS_CASE_OFFENCE_FINE_PENCE]);
    struct created_entry created = {agency->created_seq, self->case_id};
    struct key key;
    key_make_number(&key, entry->created_seq);
    txn_save(self->txn, TREE_CREATED, &key, ENTRY_CREATED, &created);
    index_date(self, draft->record->field[CASEBUS_CASE_OFFENCE_ACTION_DATE], true);
    add_to_offender(self, draft->record->field[CASEBUS_CASE_OFFENDER], fine);
    agency->created_seq = entry->created_seq;
    agency->cases++;
    agency->fine_pence += fine;
    save_agency(self, agency_of(self), agency);
    self->state.cases++;
}

/* The case leaves every list; its created row stays behind and is passed over by readers. */
void unindex_case(struct apply *self, const struct casebus_record *record)
{
    uint64_t fine = fine_of(record->field[CASEBUS_CASE_OFFENCE_FINE_PENCE]);
    struct agency_entry agency;
    index_date(self, record->field[CASEBUS_CASE_OFFENCE_ACTION_DATE], false);
    take_from_offender(self, record->field[CASEBUS_CASE_OFFENDER], fine);
    if (load_agency(self, agency_of(self), &agency)) {
        agency.cases--;
        agency.fine_pence -= fine;
        save_agency(self, agency_of(self), &agency);
    }
    self->state.cases--;
}

static void reindex_case(struct apply *self, const struct casebus_record *old,
                         const struct draft *draft)
{
    const struct casebus_bytes *new = draft->record->field;
    uint64_t old_fine = fine_of(old->field[CASEBUS_CASE_OFFENCE_FINE_PENCE]);
    uint64_t new_fine = fine_of(new[CASEBUS_CASE_OFFENCE_FINE_PENCE]);
    struct casebus_bytes old_date = old->field[CASEBUS_CASE_OFFENCE_ACTION_DATE];
    if (!casebus_bytes_equal(old_date, new[CASEBUS_CASE_OFFENCE_ACTION_DATE])) {
        index_date(self, old_date, false);
        index_date(self, new[CASEBUS_CASE_OFFENCE_ACTION_DATE], true);
    }
    if (old_fine != new_fine ||
        !casebus_bytes_equal(old->field[CASEBUS_CASE_OFFENDER], new[CASEBUS_CASE_OFFENDER])) {
        change_offender(self, old->field[CASEBUS_CASE_OFFENDER], old_fine,
                        new[CASEBUS_CASE_OFFENDER], new_fine);
    }
    struct agency_entry agency;
    if (old_fine != new_fine && load_agency(self, agency_of(self), &agency)) {
        agency.fine_pence += new_fine - old_fine;
        save_agency(self, agency_of(self), &agency);
    }
}

/* --- events of a case ------------------------------------------------------------------- */

static void emit_record(struct apply *self, enum casebus_event_kind kind,
                        const struct draft *draft, struct case_entry *entry,
                        size_t change_count)
{
    struct casebus_event event = event_for(self, entry);
    const struct payload payload = {draft, entry};
    msgpack_packer pk;
    if (kind == CASEBUS_EVENT_UPDATED) {
        msgpack_sbuffer_clear(&self->changed_fields);
        msgpack_packer_init(&pk, &self->changed_fields, msgpack_sbuffer_write);
        changes_pack(&pk, self->changes, change_count);
        event.changed = packed(&self->changed_fields);
    }
    emit_with(self, &event, &payload, kind, agency_of(self), regulator_id_of(self),
              &entry->last[kind]);
}

static void emit_synced(struct apply *self, struct case_entry *entry, bool stale)
{
    struct casebus_event event = event_for(self, entry);
    struct casebus_bytes source =
        stale ? self->report->record.field[CASEBUS_CASE_SOURCE] : entry->source;
    msgpack_packer pk;
    msgpack_sbuffer_clear(&self->payload);
    msgpack_packer_init(&pk, &self->payload, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 4u + (source.data ? 1u : 0u) + (stale ? 1u : 0u));
    casebus_pack_text(&pk, "id");
    casebus_pack_str(&pk, self->case_id);
    casebus_pack_text(&pk, "version");
    msgpack_pack_uint64(&pk, entry->version);
    casebus_pack_text(&pk, "last_synced_at");
    msgpack_pack_uint64(&pk, entry->last_synced_at);
    casebus_pack_text(&pk, "seen_count");
    msgpack_pack_uint64(&pk, entry->seen_count);
    if (source.data) {
        casebus_pack_text(&pk, "source");
        casebus_pack_raw(&pk, source);
    }
    if (stale) {
        casebus_pack_text(&pk, "stale");
        msgpack_pack_true(&pk);
    }
    event.payload = packed(&self->payload);
    emit(self, &event, CASEBUS_EVENT_SYNCED, agency_of(self), regulator_id_of(self),
         &entry->last[CASEBUS_EVENT_SYNCED]);
}

/* --- scraped ---------------------------------------------------------------------------- */

static bool says_fetched(const struct apply *self)
{
    struct casebus_bytes source = self->report->record.field[CASEBUS_CASE_SOURCE];
    return source.data && casebus_map_get(source, "fetched_at").data;
}

static uint64_t fetched_at(const struct apply *self)
{
    struct casebus_bytes source = self->report->record.field[CASEBUS_CASE_SOURCE];
    uint64_t t = source.data ? casebus_as_uint(casebus_map_get(source, "fetched_at"), 0) : 0;
    return t < self->at ? t : self->at;
}

/* Seen by a scraper now; what is not a field of the record. */
static void mark_seen(struct apply *self, struct case_entry *entry)
{
    struct casebus_bytes source = self->report->record.field[CASEBUS_CASE_SOURCE];
    uint64_t fetched = fetched_at(self);
    entry->last_synced_at = self->at;
    entry->seen_count++;
    if (source.data) {
        entry->source = source;
    }
    if (fetched > entry->fetched_at) {
        entry->fetched_at = fetched;
    }
}

static enum casebus_outcome synced(struct apply *self, struct case_entry *entry, bool stale)
{
    if (stale) {
        entry->last_synced_at = self->at;
        entry->seen_count++;
    } else {
        mark_seen(self, entry);
    }
    emit_synced(self, entry, stale);
    save_case(self, entry);
    return CASEBUS_OUTCOME_SYNCED;
}

static size_t size_of_record(struct apply *self, const struct draft *draft,
                             const struct case_entry *entry)
{
    unsigned char *out = txn_alloc(self->txn, draft_bound(draft, self->case_id, entry));
    struct record_place place;
    return out ? (size_t)(draft_put(draft, self->case_id, entry, out, &place) - out) : 0;
}

/* Refuses a draft that is not a record. */
static int check_draft(struct apply *self, const struct draft *draft,
                       const struct case_entry *entry)
{
    /* What the store keeps of a case, its numbers grown and its largest source included. */
    const size_t kept = CASEBUS_SOURCE_MAX + 128;
    int rc = draft_check(draft, &self->fault);
    if (rc == 0 && draft_bound(draft, self->case_id, entry) + kept > CASEBUS_RECORD_MAX) {
        struct case_entry bare = *entry;
        bare.source = casebus_bytes(NULL, 0);
        if (size_of_record(self, draft, &bare) + kept > CASEBUS_RECORD_MAX) {
            reject(self, CASEBUS_ETOOLARGE, "");
            rc = CASEBUS_ETOOLARGE;
        }
    }
    return rc;
}

static enum casebus_outcome create(struct apply *self, struct case_entry *entry,
                                   const unsigned char *hash)
{
    struct draft draft;
    struct agency_entry agency;
    int rc = record_merge(self->txn, NULL, &self->report->record, &draft, NULL, NULL);
    if (rc != 0) {
        return reject(self, rc, "");
    }
    entry->record_seq = 0;
    entry->source = entry->record = casebus_bytes(NULL, 0);
    rc = check_draft(self, &draft, entry);
    if (rc != 0) {
        self->fault.code = rc;
        return CASEBUS_OUTCOME_REJECTED;
    }
    if (!load_agency(self, agency_of(self), &agency)) {
        return reject(self, CASEBUS_ETOOMANY, "agency");
    }
    entry->flags = 0;
    entry->version++;
    entry->seen_count = 0;
    entry->fetched_at = 0;
    mark_seen(self, entry);
    entry->inserted_at = entry->updated_at = self->at;
    entry->record_seq = entry->created_seq = entry->updated_seq = self->state.seq + 1;
    memcpy(entry->hash, hash, sizeof entry->hash);
    emit_record(self, CASEBUS_EVENT_CREATED, &draft, entry, 0);
    index_case(self, &draft, entry, &agency);
    save_case(self, entry);
    return CASEBUS_OUTCOME_CREATED;
}

/* A new version of a known case, from a draft that differs in `changes`. */
static void update(struct apply *self, struct case_entry *entry,
                   const struct casebus_record *old, const struct draft *draft,
                   size_t change_count)
{
    entry->version++;
    entry->updated_at = self->at;
    entry->record_seq = entry->updated_seq = self->state.seq + 1;
    entry->record = casebus_bytes(NULL, 0);
    emit_record(self, CASEBUS_EVENT_UPDATED, draft, entry, change_count);
    reindex_case(self, old, draft);
}

/* Does it say both that tell one court record from another? */
static bool tells_apart(const struct casebus_record *r)
{
    return casebus_as_str(r->field[CASEBUS_CASE_OFFENCE_ACTION_DATE]).data &&
           offender_name(r->field[CASEBUS_CASE_OFFENDER]).data;
}

static bool conflicts(const struct apply *self, const struct casebus_record *old)
{
    const struct casebus_record *new = &self->report->record;
    return tells_apart(old) && tells_apart(new) &&
           !casebus_bytes_equal(casebus_as_str(old->field[CASEBUS_CASE_OFFENCE_ACTION_DATE]),
                                casebus_as_str(new->field[CASEBUS_CASE_OFFENCE_ACTION_DATE])) &&
           !normal_equal(offender_name(old->field[CASEBUS_CASE_OFFENDER]),
                         offender_name(new->field[CASEBUS_CASE_OFFENDER]));
}

/* A report of some fields only, which can collide with nothing, does not stand for what the
 * case is: an acceptance is to know what it displaces. What it changes it changes as an edit
 * does. */
static void keep_hash(struct apply *self, struct case_entry *entry,
                      const struct casebus_record *old, const unsigned char *hash, bool changed)
{
    if (tells_apart(old) && !tells_apart(&self->report->record)) {
        entry->flags |= changed ? CASE_EDITED : 0;
    } else {
        entry->flags &= ~(uint64_t)CASE_EDITED;
        memcpy(entry->hash, hash, sizeof entry->hash);
    }
}

/* The report differs from what was last applied: perhaps in a field, perhaps only in its bytes.
 */
static enum casebus_outcome compare(struct apply *self, struct case_entry *entry,
                                    const struct casebus_record *old, const unsigned char *hash)
{
    struct draft draft;
    size_t changes;
    int rc =
        record_merge(self->txn, old, &self->report->record, &draft, self->changes, &changes);
    if (rc != 0) {
        return reject(self, rc, "");
    }
    if (changes > 0) {
        rc = check_draft(self, &draft, entry);
        if (rc != 0) {
            self->fault.code = rc;
            return CASEBUS_OUTCOME_REJECTED;
        }
    }
    keep_hash(self, entry, old, hash, changes > 0);
    if (changes == 0) {
        return synced(self, entry, false);
    }
    mark_seen(self, entry);
    update(self, entry, old, &draft, changes);
    emit_synced(self, entry, false);
    save_case(self, entry);
    return CASEBUS_OUTCOME_UPDATED;
}

enum casebus_outcome store_scraped(struct apply *self, struct case_entry *entry, bool known,
                                   const unsigned char *hash)
{
    struct casebus_record old;
    if (!known || entry->flags & CASE_DELETED) {
        return create(self, entry, hash);
    }
    if (!record_load(self->txn, entry, &old)) {
        return reject(self, CASEBUS_EINTERNAL, "");
    }
    return compare(self, entry, &old, hash);
}

enum casebus_outcome decide_scraped(struct apply *self)
{
    struct case_entry entry = {.flags = 0};
    const unsigned char *hash = self->prepared->content;
    bool known = load_case(self, &entry);
    if (entry.flags & CASE_REDACTED) {
        return reject(self, CASEBUS_EREDACTED, "");
    }
    if (self->report->record.field[CASEBUS_CASE_SOURCE].size > CASEBUS_SOURCE_MAX) {
        return reject(self, CASEBUS_ETOOLARGE, "source");
    }
    if (!known || entry.flags & CASE_DELETED) {
        return create(self, &entry, hash);
    }
    if (says_fetched(self) && fetched_at(self) < entry.fetched_at) {
        return synced(self, &entry, true);
    }
    if (!(entry.flags & CASE_EDITED) && memcmp(entry.hash, hash, sizeof entry.hash) == 0) {
        return synced(self, &entry, false); /* as last applied: the record need not be read */
    }
    struct casebus_record old;
    if (!record_load(self->txn, &entry, &old)) {
        return reject(self, CASEBUS_EINTERNAL, "");
    }
    if (conflicts(self, &old)) {
        return decide_conflict(self, &entry, &old, hash);
    }
    return compare(self, &entry, &old, hash);
}

/* --- edited, deleted -------------------------------------------------------------------- */

/* The case of an edit or a deletion: it must be there to be changed. */
static bool load_living(struct apply *self, struct case_entry *entry)
{
    if (!load_case(self, entry)) {
        reject(self, CASEBUS_EUNKNOWN_CASE, "");
        return false;
    }
    if (entry->flags & (CASE_REDACTED | CASE_DELETED)) {
        reject(self, entry->flags & CASE_REDACTED ? CASEBUS_EREDACTED : CASEBUS_EDELETED, "");
        return false;
    }
    return true;
}

enum casebus_outcome decide_edited(struct apply *self)
{
    struct case_entry entry;
    struct casebus_record old;
    struct draft draft;
    size_t changes;
    if (!load_living(self, &entry)) {
        return CASEBUS_OUTCOME_REJECTED;
    }
    if (!record_load(self->txn, &entry, &old)) {
        return reject(self, CASEBUS_EINTERNAL, "");
    }
    int rc =
        record_merge(self->txn, &old, &self->report->record, &draft, self->changes, &changes);
    if (rc == 0 && changes > 0) {
        rc = check_draft(self, &draft, &entry);
    }
    if (rc != 0) {
        self->fault.code = rc;
        return CASEBUS_OUTCOME_REJECTED;
    }
    if (changes == 0) {
        return CASEBUS_OUTCOME_SYNCED;
    }
    entry.flags |= CASE_EDITED; /* the next scrape is compared, whatever its hash */
    update(self, &entry, &old, &draft, changes);
    save_case(self, &entry);
    return CASEBUS_OUTCOME_UPDATED;
}

enum casebus_outcome decide_deleted(struct apply *self)
{
    struct case_entry entry;
    struct casebus_record old;
    if (!load_living(self, &entry)) {
        return CASEBUS_OUTCOME_REJECTED;
    }
    if (!record_load(self->txn, &entry, &old)) {
        return reject(self, CASEBUS_EINTERNAL, "");
    }
    unindex_case(self, &old);
    entry.flags |= CASE_DELETED;
    entry.record = casebus_bytes(NULL, 0);
    entry.version++;
    entry.updated_at = self->at;
    entry.updated_seq = self->state.seq + 1;
    emit_id(self, CASEBUS_EVENT_DELETED, &entry);
    save_case(self, &entry);
    return CASEBUS_OUTCOME_DELETED;
}
