/* Verifying cases: each entry against the events it points to, and every index in both directions. */
#include "verifying.h"

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
    uint64_t count; /* of its events since the case was created */
    uint64_t seen;  /* what the oldest of them says of how often the case was seen */
};

/* Walks one chain back to its beginning or to the floor. */
static void walk_chain(struct verifying *v, struct casebus_bytes id,
                       enum casebus_event_kind kind, uint64_t seq, uint64_t since,
                       struct chain *chain)
{
    while (seq >= v->oldest) {
        struct log_entry log;
        struct casebus_event event;
        if (!load_event(v, seq, &log, &event)) {
            return;
        }
        if (!of_topic(&event, kind, id) || event.prev_topic >= seq) {
            finding(v, "case %s: its chain of %s events is broken at %llu", shown(id),
                    casebus_event_kind_word(kind), (unsigned long long)seq);
            return;
        }
        v->chained++;
        if (seq > since) {
            chain->count++;
            chain->seen = casebus_as_uint(casebus_map_get(event.payload, "seen_count"), 0);
        }
        seq = event.prev_topic;
    }
}

/* A case is seen once when it is created and once with each synced event; where the first of them
 * are below the floor, the oldest that is kept says how many they were. */
static void check_seen(struct verifying *v, struct casebus_bytes id,
                       const struct case_entry *entry, const struct chain *synced)
{
    bool whole = entry->created_seq >= v->oldest;
    uint64_t before = whole ? 1 : synced->seen - 1;
    if ((whole || synced->count > 0) && entry->seen_count != before + synced->count) {
        finding(v, "case %s: seen_count is %llu, its events say %llu", shown(id),
                (unsigned long long)entry->seen_count,
                (unsigned long long)(before + synced->count));
    }
}

static void verify_chains(struct verifying *v, struct casebus_bytes id,
                          const struct case_entry *entry)
{
    for (unsigned k = 0; k < CASEBUS_CASE_EVENT_COUNT; k++) {
        enum casebus_event_kind kind = (enum casebus_event_kind)k;
        struct chain chain = {0};
        walk_chain(v, id, kind, entry->last[k], entry->created_seq, &chain);
        if (kind == CASEBUS_EVENT_SYNCED && !(entry->flags & CASE_REDACTED)) {
            check_seen(v, id, entry, &chain);
        }
    }
}

static void expect(struct verifying *v, enum tree tree, const struct key *key,
                   struct casebus_bytes id)
{
    if (!has(v, tree, key)) {
        finding(v, "%s: the entry of case %s is missing", tree_names[tree], shown(id));
    }
}

static void verify_living(struct verifying *v, struct casebus_bytes id,
                          const struct case_entry *entry)
{
    struct casebus_record record;
    struct casebus_bytes agency, regulator_id;
    if (casebus_case_id_split(id, &agency, &regulator_id) != 0) {
        finding(v, "case %s: not a case id", shown(id));
        return;
    }
    if (!record_load(v->txn, entry, &record)) {
        txn_forgive(v->txn);
        finding(v, "case %s: its record cannot be read", shown(id));
        return;
    }
    if ((entry->record_seq < v->oldest) != (entry->record.data != NULL)) {
        finding(v, "case %s: its record is kept in the %s, not in the %s", shown(id),
                entry->record.data ? "case" : "log", entry->record.data ? "log" : "case");
    }
    uint64_t version = casebus_as_uint(record.field[CASEBUS_CASE_VERSION], 0);
    if (version != entry->version) {
        finding(v, "case %s: version %llu, its record is of version %llu", shown(id),
                (unsigned long long)entry->version, (unsigned long long)version);
    }
    struct casebus_bytes date =
        casebus_as_str(record.field[CASEBUS_CASE_OFFENCE_ACTION_DATE]);
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
        total->fine_pence +=
            casebus_as_uint(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], 0);
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
        if (!(entry.flags & (CASE_DELETED | CASE_REDACTED))) {
            verify_living(v, c.key, &entry);
        } else if (entry.record.data) {
            finding(v, "case %s: keeps the record of a case that is gone", shown(c.key));
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
                    (unsigned long long)seq, shown(created.case_id));
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
        const struct total *t = total_of(&v->agencies, c.key);
        n++;
        if (!t || t->cases != agency.cases || t->fine_pence != agency.fine_pence ||
            t->newest != agency.created_seq) {
            finding(v, "agency %s: its totals are not those of its cases", shown(c.key));
        }
    }
    cursor_close(&c);
    if (n != v->state.agencies || n < v->agencies.count) {
        finding(v, "agency: %llu entries, the state says %llu, cases are of %zu",
                (unsigned long long)n, (unsigned long long)v->state.agencies,
                v->agencies.count);
    }
}

static void verify_dates(struct verifying *v)
{
    struct cursor c;
    uint64_t n = 0;
    cursor_open(&c, v->txn, TREE_DATE);
    for (bool at = next_entry(v, &c, true); at; at = next_entry(v, &c, false)) {
        n++;
    }
    cursor_close(&c);
    if (n != v->living) { /* each case has been found to have one */
        finding(v, "date: %llu entries for %llu cases", (unsigned long long)n,
                (unsigned long long)v->living);
    }
}

static uint64_t fine_of_case(struct verifying *v, struct casebus_bytes offender_key_)
{
    const unsigned char *nul = memchr(offender_key_.data, 0, offender_key_.size);
    struct casebus_bytes agency =
        casebus_bytes(offender_key_.data, nul ? (size_t)(nul - offender_key_.data) : 0);
    struct key key = key_named(agency, key_offender_id(offender_key_));
    struct case_entry entry;
    struct casebus_record record;
    uint64_t fine = 0;
    if (txn_load(v->txn, TREE_CASE, &key, ENTRY_CASE, &entry) &&
        record_load(v->txn, &entry, &record)) {
        fine = casebus_as_uint(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], 0);
    }
    txn_forgive(v->txn);
    return fine;
}

static void verify_offenders(struct verifying *v)
{
    struct cursor c;
    struct offender_entry offender = {.cases = 0};
    struct key name = {.size = 0};
    uint64_t cases = 0, fine = 0, refs = 0, offenders = 0;
    cursor_open(&c, v->txn, TREE_OFFENDER);
    for (bool at = next_entry(v, &c, true);; at = next_entry(v, &c, false)) {
        bool is_offender = at && key_offender_id(c.key).size == 0;
        if (at && !is_offender) {
            refs++;
            cases++;
            fine += fine_of_case(v, c.key);
            continue;
        }
        if (cases != offender.cases || fine != offender.fine_pence) {
            finding(v, "offender %s: its totals are not those of its cases",
                    shown(key_bytes(&name)));
        }
        if (!at) {
            break;
        }
        offenders++;
        cases = fine = 0;
        name = key_text(c.key);
        if (entry_decode(ENTRY_OFFENDER, c.value, &offender) != 0) {
            finding(v, "offender %s: cannot be decoded", shown(c.key));
        }
        struct key reporter = key_offender_case(&name, offender.reported_by);
        if (offender.reported_by.data && !has(v, TREE_OFFENDER, &reporter)) {
            finding(v, "offender %s: shows the map of a case that is not his", shown(c.key));
        }
    }
    cursor_close(&c);
    if (refs != v->living || offenders != v->state.offenders) {
        finding(v, "offender: %llu of %llu offenders, %llu references for %llu cases",
                (unsigned long long)offenders, (unsigned long long)v->state.offenders,
                (unsigned long long)refs, (unsigned long long)v->living);
    }
}

void verify_indexes(struct verifying *v)
{
    verify_created(v);
    verify_agencies(v);
    verify_dates(v);
    verify_offenders(v);
}
