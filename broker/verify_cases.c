/* Verifying cases: each entry against the events it points to, and every index in both
 * directions. */
#include "verifying.h"

#include "agency.h"
#include "normal.h"

#include <stdlib.h>
#include <string.h>

static bool of_topic(const struct casebus_event *event, enum casebus_event_kind kind,
                     struct casebus_bytes case_id)
{
    struct key key = key_named(event->topic.segment[2], event->topic.segment[3]);
    return event->kind == kind && casebus_bytes_equal(key_bytes(&key), case_id);
}

struct chain {
    uint64_t since; /* a seq */
    uint64_t count; /* of its events above `since` */
    uint64_t seen;  /* what the oldest of them says of how often the case was seen */
    uint64_t at;    /* time of its newest */
};

/* Walks one chain back to its beginning or to the floor. */
static void walk_chain(struct verifying *v, struct casebus_bytes id,
                       enum casebus_event_kind kind, uint64_t seq, struct chain *chain)
{
    while (seq >= v->oldest) {
        struct log_entry log;
        struct casebus_event event;
        if (!load_event(v, seq, &log, &event)) {
            return;
        }
        if (!of_topic(&event, kind, id) || event.prev_topic >= seq) {
            finding(v, "case %s: its chain of %s events is broken at %llu",
                    shown(TREE_CASE, id), casebus_event_kind_word(kind),
                    (unsigned long long)seq);
            return;
        }
        v->chained++;
        if (seq > chain->since) {
            chain->count++;
            chain->seen = casebus_as_uint(casebus_map_get(event.payload, "seen_count"), 0);
        }
        chain->at = chain->at ? chain->at : event.at;
        seq = event.prev_topic;
    }
}

/* A case is seen once when it is created and once with each synced event; where the first of
 * them are below the floor, the oldest that is kept says how many they were. */
static void verify_seen(struct verifying *v, struct casebus_bytes id,
                        const struct case_entry *entry, const struct chain *synced)
{
    bool whole = entry->created_seq >= v->oldest;
    uint64_t before = whole ? 1 : synced->seen - 1;
    if (entry->flags & CASE_REDACTED) {
        return;
    }
    if ((whole || synced->count > 0) && entry->seen_count != before + synced->count) {
        finding(v, "case %s: seen_count is %llu, its events say %llu", shown(TREE_CASE, id),
                (unsigned long long)entry->seen_count,
                (unsigned long long)(before + synced->count));
    }
    if (synced->count > 0 && entry->last_synced_at != synced->at) {
        finding(v, "case %s: last_synced_at is not that of its last synced event",
                shown(TREE_CASE, id));
    }
}

static void verify_chains(struct verifying *v, struct casebus_bytes id,
                          const struct case_entry *entry)
{
    for (unsigned k = 0; k < CASEBUS_CASE_EVENT_COUNT; k++) {
        enum casebus_event_kind kind = (enum casebus_event_kind)k;
        struct chain chain = {.since = entry->created_seq};
        walk_chain(v, id, kind, entry->last[k], &chain);
        if (kind == CASEBUS_EVENT_SYNCED) {
            verify_seen(v, id, entry, &chain);
        }
    }
}

/* The seqs an entry holds besides its chains are ends of them. */
static void verify_seqs(struct verifying *v, struct casebus_bytes id,
                        const struct case_entry *entry)
{
    const uint64_t *last = entry->last;
    uint64_t record = last[CASEBUS_EVENT_UPDATED] > last[CASEBUS_EVENT_CREATED]
                          ? last[CASEBUS_EVENT_UPDATED]
                          : last[CASEBUS_EVENT_CREATED];
    uint64_t updated = entry->flags & CASE_REDACTED  ? last[CASEBUS_EVENT_REDACTED]
                       : entry->flags & CASE_DELETED ? last[CASEBUS_EVENT_DELETED]
                                                     : record;
    if (entry->created_seq != last[CASEBUS_EVENT_CREATED] || entry->updated_seq != updated ||
        entry->record_seq != (entry->flags & CASE_REDACTED ? 0 : record)) {
        finding(v,
                "case %s: created_seq, updated_seq and record_seq are not those of its events",
                shown(TREE_CASE, id));
    }
}

static void expect(struct verifying *v, enum tree tree, const struct key *key,
                   struct casebus_bytes id)
{
    char case_id[KEY_SHOWN_MAX];
    if (!has(v, tree, key)) {
        finding(v, "%s %s: the entry of case %s is missing", tree_names[tree],
                shown(tree, key_bytes(key)), key_shown(TREE_CASE, id, case_id));
    }
}

static void verify_living(struct verifying *v, struct casebus_bytes id,
                          const struct case_entry *entry)
{
    struct casebus_record record;
    struct casebus_bytes agency, regulator_id;
    if (casebus_case_id_split(id, &agency, &regulator_id) != 0) {
        finding(v, "case %s: not a case id", shown(TREE_CASE, id));
        return;
    }
    if (!record_load(v->txn, entry, &record)) {
        txn_forgive(v->txn);
        finding(v, "case %s: its record cannot be read", shown(TREE_CASE, id));
        return;
    }
    if ((entry->record_seq < v->oldest) != (entry->record.data != NULL)) {
        finding(v, "case %s: its record is kept in the %s, not in the %s", shown(TREE_CASE, id),
                entry->record.data ? "case" : "log", entry->record.data ? "log" : "case");
    }
    uint64_t version = casebus_as_uint(record.field[CASEBUS_CASE_VERSION], 0);
    uint64_t updated_at = casebus_as_uint(record.field[CASEBUS_CASE_UPDATED_AT], 0);
    if (version != entry->version || updated_at != entry->updated_at) {
        finding(v, "case %s: version %llu, its record is of version %llu, or another time",
                shown(TREE_CASE, id), (unsigned long long)entry->version,
                (unsigned long long)version);
    }
    struct casebus_bytes date = casebus_as_str(record.field[CASEBUS_CASE_OFFENCE_ACTION_DATE]);
    struct key by_date = key_date(agency, date, regulator_id);
    struct key offender = offender_key(agency, record.field[CASEBUS_CASE_OFFENDER]);
    struct key by_offender = key_offender_case(&offender, regulator_id);
    struct key created = key_number(entry->created_seq);
    expect(v, TREE_DATE, &by_date, id);
    expect(v, TREE_OFFENDER, &by_offender, id);
    expect(v, TREE_CREATED, &created, id);
    struct total *total = total_of(&v->agencies, agency);
    if (total) {
        total->cases++;
        total->fine_pence += casebus_as_uint(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], 0);
    }
    v->living++;
}

void verify_cases(struct verifying *v)
{
    struct cursor c;
    struct case_entry entry;
    cursor_open(&c, v->txn, TREE_CASE);
    for (bool at = next_decoded(v, &c, true, ENTRY_CASE, &entry); at;
         at = next_decoded(v, &c, false, ENTRY_CASE, &entry)) {
        verify_chains(v, c.key, &entry);
        verify_seqs(v, c.key, &entry);
        if (!(entry.flags & (CASE_DELETED | CASE_REDACTED))) {
            verify_living(v, c.key, &entry);
        } else if (entry.record.data) {
            finding(v, "case %s: keeps the record of a case that is gone",
                    shown(TREE_CASE, c.key));
        }
    }
    cursor_close(&c);
    if (v->living != v->state.cases) {
        finding(v, "meta state: says %llu cases, there are %llu",
                (unsigned long long)v->state.cases, (unsigned long long)v->living);
    }
    if (v->chained != v->case_events) {
        finding(v, "log: %llu case events, %llu of them in the chains of a case",
                (unsigned long long)v->case_events, (unsigned long long)v->chained);
    }
}

/* --- indexes ---------------------------------------------------------------------------- */

static void verify_created(struct verifying *v)
{
    struct cursor c;
    struct created_entry created;
    struct total *total;
    cursor_open(&c, v->txn, TREE_CREATED);
    for (bool at = next_decoded(v, &c, true, ENTRY_CREATED, &created); at;
         at = next_decoded(v, &c, false, ENTRY_CREATED, &created)) {
        struct key key = key_text(created.case_id);
        struct case_entry entry;
        struct casebus_bytes agency, id;
        uint64_t seq = key_to_number(c.key);
        bool known = txn_load(v->txn, TREE_CASE, &key, ENTRY_CASE, &entry);
        txn_forgive(v->txn);
        if (!known || entry.created_seq < seq) {
            finding(v, "created %llu: names case %s, which was not created then",
                    (unsigned long long)seq, shown(TREE_CASE, created.case_id));
        }
        if (casebus_case_id_split(created.case_id, &agency, &id) != 0 ||
            !(total = total_of(&v->agencies, agency))) {
            continue;
        }
        if (created.before != total->newest) {
            finding(v, "created %llu: its agency's chain is broken", (unsigned long long)seq);
        }
        total->newest = seq;
    }
    cursor_close(&c);
}

static void verify_agencies(struct verifying *v)
{
    struct cursor c;
    struct agency_entry agency;
    uint64_t n = 0;
    cursor_open(&c, v->txn, TREE_AGENCY);
    for (bool at = next_decoded(v, &c, true, ENTRY_AGENCY, &agency); at;
         at = next_decoded(v, &c, false, ENTRY_AGENCY, &agency)) {
        struct total *t = total_of(&v->agencies, c.key);
        n++;
        if (!t || t->cases != agency.cases || t->fine_pence != agency.fine_pence ||
            t->newest != agency.created_seq) {
            finding(v, "agency %s: its totals are not those of its cases",
                    shown(c.tree, c.key));
        }
        if (!agency_settings_valid(&agency)) {
            finding(v, "agency %s: its name, base_url or enabled is none that can be set",
                    shown(c.tree, c.key));
        }
        if (t) {
            t->found = true;
        }
    }
    cursor_close(&c);
    for (size_t i = 0; i < v->agencies.count; i++) {
        if (!v->agencies.list[i].found) {
            finding(v, "agency %s: is missing", v->agencies.list[i].name);
        }
    }
    if (n != v->state.agencies) {
        finding(v, "meta state: says %llu agencies, there are %llu",
                (unsigned long long)v->state.agencies, (unsigned long long)n);
    }
}

/* The record of the living case that an index entry speaks of. */
static bool load_owner(struct verifying *v, struct casebus_bytes agency,
                       struct casebus_bytes id, struct casebus_record *record)
{
    struct key key = key_named(agency, id);
    struct case_entry entry;
    step(v);
    bool living = txn_load(v->txn, TREE_CASE, &key, ENTRY_CASE, &entry) &&
                  !(entry.flags & (CASE_DELETED | CASE_REDACTED)) &&
                  record_load(v->txn, &entry, record);
    txn_forgive(v->txn);
    return living;
}

static void verify_dates(struct verifying *v)
{
    struct cursor c;
    cursor_open(&c, v->txn, TREE_DATE);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        struct casebus_bytes date, agency = key_agency(c.key);
        struct casebus_bytes id = key_date_id(c.key, &date);
        struct casebus_record record;
        struct key now = {.size = 0};
        if (load_owner(v, agency, id, &record)) {
            now = key_date(agency,
                           casebus_as_str(record.field[CASEBUS_CASE_OFFENCE_ACTION_DATE]), id);
        }
        if (!casebus_bytes_equal(key_bytes(&now), c.key)) {
            finding(v, "date %s: no case has that date", shown(c.tree, c.key));
        }
    }
    cursor_close(&c);
}

/* --- offenders -------------------------------------------------------------------------- */

struct offenders {
    struct key key; /* of the one whose references are being counted */
    struct offender_entry entry;
    uint64_t cases, fine, count;
};

static void end_offender(struct verifying *v, struct offenders *o)
{
    if (o->cases != o->entry.cases || o->fine != o->entry.fine_pence) {
        finding(v, "offender %s: its totals are not those of its cases",
                shown(TREE_OFFENDER, key_bytes(&o->key)));
    }
    o->cases = o->fine = 0;
    memset(&o->entry, 0, sizeof o->entry);
}

static void begin_offender(struct verifying *v, struct offenders *o, const struct cursor *c)
{
    end_offender(v, o);
    o->count++;
    o->key = key_text(c->key);
    if (entry_decode(ENTRY_OFFENDER, c->value, &o->entry) != 0) {
        finding(v, "offender %s: cannot be decoded", shown(c->tree, c->key));
        return;
    }
    if (!o->entry.offender.data) {
        return; /* the case that described it has gone */
    }
    struct key now = offender_key(key_agency(c->key), o->entry.offender);
    struct key reporter = key_offender_case(&o->key, o->entry.reported_by);
    if (!casebus_bytes_equal(key_bytes(&now), c->key) || !has(v, TREE_OFFENDER, &reporter)) {
        finding(v, "offender %s: describes another", shown(c->tree, c->key));
    }
}

static void count_reference(struct verifying *v, struct offenders *o, const struct cursor *c)
{
    struct casebus_bytes agency = key_agency(c->key), id = key_offender_id(c->key);
    struct casebus_bytes of = casebus_bytes(c->key.data, c->key.size - id.size);
    struct casebus_record record;
    struct key now = {.size = 0};
    if (!casebus_bytes_equal(of, key_bytes(&o->key))) {
        end_offender(v, o);
        o->key = key_text(of);
        finding(v, "offender %s: is missing", shown(c->tree, of));
    }
    if (load_owner(v, agency, id, &record)) {
        now = offender_key(agency, record.field[CASEBUS_CASE_OFFENDER]);
    }
    if (!casebus_bytes_equal(key_bytes(&now), of)) {
        finding(v, "offender %s: no such case has this offender", shown(c->tree, c->key));
        return;
    }
    o->cases++;
    o->fine += casebus_as_uint(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], 0);
}

static void verify_offenders(struct verifying *v)
{
    struct cursor c;
    struct offenders o = {.count = 0};
    cursor_open(&c, v->txn, TREE_OFFENDER);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        if (key_offender_id(c.key).size == 0) {
            begin_offender(v, &o, &c);
        } else {
            count_reference(v, &o, &c);
        }
    }
    cursor_close(&c);
    end_offender(v, &o);
    if (o.count != v->state.offenders) {
        finding(v, "meta state: says %llu offenders, there are %llu",
                (unsigned long long)v->state.offenders, (unsigned long long)o.count);
    }
}

void verify_indexes(struct verifying *v)
{
    verify_created(v);
    verify_agencies(v);
    verify_dates(v);
    verify_offenders(v);
}
