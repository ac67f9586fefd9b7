/* Building the derived trees from cases, log, sessions and quarantine. */
#include "repairing.h"

#include "agency.h"

#include <casebus/event.h>
#include <string.h>

/* --- cases ------------------------------------------------------------------------------ */

static int load_agency(struct repairing *r, const struct key *key, struct agency_entry *agency)
{
    memset(agency, 0, sizeof *agency);
    if (!txn_load(r->write, TREE_AGENCY, key, ENTRY_AGENCY, agency)) {
        if (!load_old(r, TREE_AGENCY, key, ENTRY_AGENCY, agency) ||
            !agency_settings_valid(agency)) {
            memset(agency, 0, sizeof *agency); /* nothing is known of what was set of it */
        }
        agency->cases = agency->fine_pence = agency->created_seq = 0;
        r->state.agencies++;
    }
    return txn_error(r->write);
}

static int add_to_agency(struct repairing *r, struct casebus_bytes code, uint64_t fine)
{
    struct key key = key_text(code);
    struct agency_entry agency;
    int rc = load_agency(r, &key, &agency);
    agency.cases++;
    agency.fine_pence += fine;
    return rc ? rc : built(r, TREE_AGENCY, &key, ENTRY_AGENCY, &agency);
}

/* The old entry, where it can be read and is about this offender. */
static bool load_described(struct repairing *r, const struct key *key,
                           struct casebus_bytes agency, struct offender_entry *offender)
{
    if (!load_old(r, TREE_OFFENDER, key, ENTRY_OFFENDER, offender)) {
        return false;
    }
    struct key now = offender_key(agency, offender->offender);
    return offender->offender.size == 0 || /* the case that described it has gone */
           casebus_bytes_equal(key_bytes(&now), key_bytes(key));
}

/* What is lost of an offender is told from his cases: the newest record describes him. */
static void describe(struct repairing *r, struct casebus_bytes agency, struct casebus_bytes id,
                     struct casebus_bytes map, const struct case_entry *entry,
                     struct offender_entry *offender)
{
    struct key key = key_named(agency, offender->reported_by);
    struct case_entry reporter = {.record_seq = 0};
    if (offender->reported_by.size > 0) {
        txn_load(r->from, TREE_CASE, &key, ENTRY_CASE, &reporter);
    }
    if (entry->record_seq > reporter.record_seq) {
        offender->offender = map;
        offender->reported_by = id;
    }
    if (offender->first_seen == 0 || entry->inserted_at < offender->first_seen) {
        offender->first_seen = entry->inserted_at;
    }
    if (entry->updated_at > offender->last_seen) {
        offender->last_seen = entry->updated_at;
    }
}

static int add_to_offender(struct repairing *r, struct casebus_bytes agency,
                           struct casebus_bytes id, struct casebus_bytes map, uint64_t fine,
                           const struct case_entry *entry)
{
    struct key key = offender_key(agency, map);
    struct key reference = key_offender_case(&key, id);
    struct offender_entry offender, old = {.cases = 0};
    bool known = load_described(r, &key, agency, &old);
    if (!txn_load(r->write, TREE_OFFENDER, &key, ENTRY_OFFENDER, &offender)) {
        offender = known ? old : (struct offender_entry){.cases = 0};
        offender.cases = offender.fine_pence = 0;
        r->state.offenders++;
    }
    if (!known) {
        describe(r, agency, id, map, entry, &offender);
    }
    offender.cases++;
    offender.fine_pence += fine;
    int rc = txn_error(r->write);
    rc = rc ? rc : built(r, TREE_OFFENDER, &key, ENTRY_OFFENDER, &offender);
    return rc ? rc : built_bytes(r, TREE_OFFENDER, &reference, casebus_bytes("", 0));
}

static int index_living(struct repairing *r, struct casebus_bytes case_id,
                        const struct case_entry *entry)
{
    struct casebus_record record;
    struct casebus_bytes agency, id;
    if (casebus_case_id_split(case_id, &agency, &id) != 0 ||
        !record_load(r->from, entry, &record)) {
        txn_forgive(r->from);
        left_out(r, TREE_CASE, case_id);
        return 0;
    }
    uint64_t fine = casebus_as_uint(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], 0);
    struct key date =
        key_date(agency, casebus_as_str(record.field[CASEBUS_CASE_OFFENCE_ACTION_DATE]), id);
    r->state.cases++;
    int rc = built_bytes(r, TREE_DATE, &date, casebus_bytes("", 0));
    rc = rc ? rc : add_to_agency(r, agency, fine);
    return rc ? rc
              : add_to_offender(r, agency, id, record.field[CASEBUS_CASE_OFFENDER], fine,
                                entry);
}

/* Each created row names the one before it of its agency: known only once all are in order. */
static int chain_created(struct repairing *r)
{
    struct cursor c;
    struct created_entry created;
    int rc = 0;
    cursor_open(&c, r->from, TREE_CREATED);
    for (bool at = next_good(&c, true, ENTRY_CREATED, &created); at && rc == 0;
         at = next_good(&c, false, ENTRY_CREATED, &created)) {
        struct key number = key_text(c.key), agency_key;
        struct agency_entry agency;
        struct casebus_bytes code, id;
        casebus_case_id_split(created.case_id, &code, &id);
        agency_key = key_text(code);
        rc = load_agency(r, &agency_key, &agency);
        created.before = agency.created_seq;
        agency.created_seq = key_to_number(c.key);
        rc = rc ? rc : built(r, TREE_CREATED, &number, ENTRY_CREATED, &created);
        rc = rc ? rc : built(r, TREE_AGENCY, &agency_key, ENTRY_AGENCY, &agency);
    }
    cursor_close(&c);
    return rc ? rc : txn_error(r->from);
}

int build_cases(struct repairing *r)
{
    struct cursor c;
    struct case_entry entry;
    int rc = 0;
    cursor_open(&c, r->from, TREE_CASE);
    for (bool at = next_good(&c, true, ENTRY_CASE, &entry); at && rc == 0;
         at = next_good(&c, false, ENTRY_CASE, &entry)) {
        struct created_entry created = {0, c.key};
        struct key number = key_number(entry.created_seq);
        if (entry.created_seq != 0) {
            rc = built(r, TREE_CREATED, &number, ENTRY_CREATED, &created);
        }
        if (rc == 0 && !(entry.flags & (CASE_DELETED | CASE_REDACTED))) {
            rc = index_living(r, c.key, &entry);
        }
    }
    cursor_close(&c);
    rc = rc ? rc : txn_error(r->from);
    rc = rc ? rc : build_step(r);
    return rc ? rc : chain_created(r);
}

/* --- sessions, quarantine, counts ------------------------------------------------------- */

static int build_agency(struct repairing *r, const struct key *key)
{
    struct agency_entry agency;
    int rc = load_agency(r, key, &agency);
    return rc ? rc : built(r, TREE_AGENCY, key, ENTRY_AGENCY, &agency);
}

/* An agency may have sessions and no case. */
static int keep_agency_of(struct repairing *r, struct casebus_bytes session)
{
    struct casebus_bytes code, id;
    if (casebus_session_name_split(session, &code, &id) != 0) {
        return 0;
    }
    struct key key = key_text(code);
    return build_agency(r, &key);
}

/* What people have set of an agency is known to its old entry alone: one that has neither cases
 * nor sessions is kept for that; where it cannot be read, they have to set it again. */
static int keep_agencies(struct repairing *r)
{
    struct cursor c;
    int rc = 0;
    cursor_open(&c, r->old, TREE_AGENCY);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1));
         rc == 0 && (at || (txn_error(r->old) == CASEBUS_ECORRUPT && c.key.data));
         at = cursor_next(&c)) {
        struct key key = key_text(c.key);
        struct agency_entry agency;
        txn_forgive(r->old);
        if (!at || entry_decode(ENTRY_AGENCY, c.value, &agency) != 0 ||
            !agency_settings_valid(&agency)) {
            not_read(r, TREE_AGENCY, c.key,
                     "its name, base_url and enabled are to be set again");
        } else if (!txn_load(r->write, TREE_AGENCY, &key, ENTRY_AGENCY, &agency)) {
            rc = build_agency(r, &key);
        }
    }
    not_read_on(r, &c);
    cursor_close(&c);
    return rc;
}

static int count_for_actor(struct repairing *r, struct casebus_bytes name, uint64_t publishers,
                           uint64_t sessions)
{
    struct actor_entry actor = {.publishers = 0};
    struct key key = key_text(name);
    txn_load(r->write, TREE_ACTOR, &key, ENTRY_ACTOR, &actor);
    actor.publishers += publishers;
    actor.sessions += sessions;
    return built(r, TREE_ACTOR, &key, ENTRY_ACTOR, &actor);
}

/* A session that has not ended. Where the state is lost, its ticks are told by the leases. */
static int build_active(struct repairing *r, struct casebus_bytes name,
                        const struct session_entry *session)
{
    struct key key = key_text(name);
    r->state.running += status_is_running(session->status);
    if (session->lease > r->state.ticks + 1) {
        r->state.ticks = session->lease - 1;
    }
    int rc = built_bytes(r, TREE_ACTIVE, &key, casebus_bytes("", 0));
    return rc ? rc : count_for_actor(r, session->actor, 0, 1);
}

static int build_sessions(struct repairing *r)
{
    struct cursor c;
    struct session_entry session;
    int rc = 0;
    cursor_open(&c, r->from, TREE_SESSION);
    for (bool at = next_good(&c, true, ENTRY_SESSION, &session); at && rc == 0;
         at = next_good(&c, false, ENTRY_SESSION, &session)) {
        struct key number = key_number(session.started_seq);
        r->state.sessions++;
        rc = built_bytes(r, TREE_STARTED, &number, c.key);
        rc = rc ? rc : keep_agency_of(r, c.key);
        if (rc == 0 && !status_is_final(session.status)) {
            rc = build_active(r, c.key, &session);
        }
    }
    cursor_close(&c);
    return rc ? rc : txn_error(r->from);
}

static int build_conflicts(struct repairing *r)
{
    struct cursor c;
    struct quarantine_entry q;
    int rc = 0;
    cursor_open(&c, r->from, TREE_QUARANTINE);
    for (bool at = next_good(&c, true, ENTRY_QUARANTINE, &q); at && rc == 0;
         at = next_good(&c, false, ENTRY_QUARANTINE, &q)) {
        struct key number = key_number(q.seq);
        r->state.quarantined += q.status == QUARANTINE_OPEN;
        if (q.seq != 0) {
            rc = built_bytes(r, TREE_CONFLICT, &number, c.key);
        }
    }
    cursor_close(&c);
    return rc ? rc : txn_error(r->from);
}

/* A report that came again after it was accepted has a newer conflict: the older one is known
 * to its own row alone, which is kept where it names a row that is there. */
static int keep_conflicts(struct repairing *r)
{
    struct cursor c;
    int rc = 0;
    cursor_open(&c, r->old, TREE_CONFLICT);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1));
         rc == 0 && (at || (txn_error(r->old) == CASEBUS_ECORRUPT && c.key.data));
         at = cursor_next(&c)) {
        struct quarantine_entry q;
        struct key number = key_text(c.key), key = key_text(c.value);
        txn_forgive(r->old);
        if (at && txn_load(r->from, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &q) &&
            q.seq > key_to_number(c.key)) {
            rc = built_bytes(r, TREE_CONFLICT, &number, c.value);
        }
        txn_forgive(r->from);
    }
    txn_forgive(r->old);
    cursor_close(&c);
    return rc;
}

static int count_publisher(struct repairing *r, struct casebus_bytes key)
{
    const size_t behind = CASEBUS_PUBLISHER_SIZE + 1;
    r->state.publishers++;
    return count_for_actor(
        r, casebus_bytes(key.data, key.size > behind ? key.size - behind : key.size), 1, 0);
}

static int count_publishers(struct repairing *r)
{
    struct cursor c;
    struct publisher_entry publisher;
    uint64_t decided = 0;
    int rc = 0;
    cursor_open(&c, r->from, TREE_PUBLISHER);
    for (bool at = next_good(&c, true, ENTRY_PUBLISHER, &publisher); at && rc == 0;
         at = next_good(&c, false, ENTRY_PUBLISHER, &publisher)) {
        decided += publisher.decided;
        rc = count_publisher(r, c.key);
    }
    cursor_close(&c);
    if (r->state.entry < decided) {
        r->state.entry = decided;
    }
    cursor_open(&c, r->from, TREE_REJECT);
    if (cursor_last(&c) || c.key.data) {
        r->state.rejects = key_to_number(c.key);
    }
    cursor_close(&c);
    txn_forgive(r->from);
    return rc;
}

int build_others(struct repairing *r)
{
    int rc = build_sessions(r);
    rc = rc ? rc : keep_agencies(r);
    rc = rc ? rc : build_conflicts(r);
    rc = rc ? rc : keep_conflicts(r);
    return rc ? rc : count_publishers(r);
}

/* --- heads ------------------------------------------------------------------------------ */

static void note_time(struct repairing *r, const struct log_entry *log)
{
    uint64_t at = casebus_as_uint(casebus_map_get(log->body, "at"), 0);
    if (at > r->state.at) {
        r->state.at = at;
    }
}

/* What the old head remembers of trimmed events; unreadable: any below the floor may be its. */
static uint64_t trimmed_of(struct repairing *r, const struct key *stream)
{
    struct head_entry old;
    if (load_old(r, TREE_HEAD, stream, ENTRY_HEAD, &old)) {
        return old.trimmed;
    }
    return state_oldest(&r->state) - 1;
}

static int heads_of_log(struct repairing *r)
{
    struct cursor c;
    struct log_entry log;
    int rc = 0;
    r->state.log_bytes = 0;
    cursor_open(&c, r->from, TREE_LOG);
    for (bool at = next_good(&c, true, ENTRY_LOG, &log); at && rc == 0;
         at = next_good(&c, false, ENTRY_LOG, &log)) {
        struct key stream = key_text(casebus_topic_stream(log.topic));
        struct head_entry head = {key_to_number(c.key), 0};
        if (!txn_load(r->write, TREE_HEAD, &stream, ENTRY_HEAD, &head)) {
            head.trimmed = trimmed_of(r, &stream);
        }
        head.seq = key_to_number(c.key);
        r->state.log_bytes += c.value.size;
        note_time(r, &log);
        rc = built(r, TREE_HEAD, &stream, ENTRY_HEAD, &head);
        if (head.seq > r->state.seq) {
            r->state.seq = head.seq;
        }
    }
    cursor_close(&c);
    return rc ? rc : txn_error(r->from);
}

/* A head whose event the log does not give (trimmed, or damaged) is known to the old tree
 * alone. */
static int keep_heads(struct repairing *r)
{
    struct cursor c;
    struct head_entry head, now;
    int rc = 0;
    cursor_open(&c, r->old, TREE_HEAD);
    for (bool at = next_good(&c, true, ENTRY_HEAD, &head); at && rc == 0;
         at = next_good(&c, false, ENTRY_HEAD, &head)) {
        struct log_entry log;
        struct key stream = key_text(c.key);
        bool there = txn_log(r->from, head.seq, &log);
        txn_forgive(r->from);
        bool later =
            txn_load(r->write, TREE_HEAD, &stream, ENTRY_HEAD, &now) && now.seq >= head.seq;
        if (!there && !later && head.seq <= r->state.seq) {
            rc = built(r, TREE_HEAD, &stream, ENTRY_HEAD, &head);
        }
    }
    not_read_on(r, &c);
    cursor_close(&c);
    return rc ? rc : txn_error(r->write);
}

int build_heads(struct repairing *r)
{
    int rc = heads_of_log(r);
    return rc ? rc : keep_heads(r);
}
