/* Meetings: what a report on a case did, as the log tells it afterwards.
 *
 * A report leaves one event of its case, or two: updated, then synced. Both are one meeting.
 * The events of a case are chained by topic, seven chains a case, all of which end in its
 * entry: so it can be said of each event whether there is a newer one, without a walk through
 * the log. */
#include "query.h"

#define TIMES_MAX 100
#define TIMES_WORK 1000 /* events of a case that are looked through to count them */

const char *const outcome_of_kind[CASEBUS_CASE_EVENT_COUNT] = {
    [CASEBUS_EVENT_CREATED] = "created",   [CASEBUS_EVENT_SYNCED] = "existing",
    [CASEBUS_EVENT_UPDATED] = "updated",   [CASEBUS_EVENT_CONFLICT] = "conflict",
    [CASEBUS_EVENT_DELETED] = "deleted",   [CASEBUS_EVENT_REDACTED] = "redacted",
    [CASEBUS_EVENT_RESOLVED] = "resolved",
};

void pack_meeting(msgpack_packer *pk, uint64_t seq, struct casebus_bytes id,
                  const char *outcome, uint64_t at)
{
    pack_uint(pk, "seq", seq);
    casebus_pack_text(pk, "id");
    casebus_pack_str(pk, id);
    casebus_pack_text(pk, "outcome");
    casebus_pack_text(pk, outcome);
    pack_uint(pk, "at", at);
}

bool read_event(struct query *q, uint64_t seq, struct log_entry *log,
                struct casebus_event *event)
{
    struct casebus_fault fault;
    q->work++;
    if (!txn_log(q->txn, seq, log) ||
        casebus_event_read(log->topic, log->body, event, &fault) != 0) {
        txn_fail(q->txn, CASEBUS_ECORRUPT);
        return false;
    }
    return true;
}

struct key case_of(const struct casebus_event *event)
{
    return key_named(event->topic.segment[2], event->topic.segment[3]);
}

static bool is_of_case(const struct casebus_event *event, struct casebus_bytes id)
{
    struct key of = case_of(event);
    return casebus_bytes_equal(key_bytes(&of), id);
}

/* A synced event right behind an updated one of the same case and session is the second half
 * of one report. Is the event `seq`, beside one that is known, the other half of it? */
static bool is_other_half(struct query *q, const struct casebus_event *event, uint64_t seq)
{
    struct log_entry log;
    struct casebus_event other;
    enum casebus_event_kind kind =
        seq < event->seq ? CASEBUS_EVENT_UPDATED : CASEBUS_EVENT_SYNCED;
    struct key id = case_of(event);
    return seq >= state_oldest(&q->state) && seq <= q->state.seq &&
           read_event(q, seq, &log, &other) && other.kind == kind &&
           is_of_case(&other, key_bytes(&id)) &&
           casebus_bytes_equal(other.session, event->session);
}

bool is_second_half(struct query *q, const struct casebus_event *event)
{
    return event->kind == CASEBUS_EVENT_SYNCED && is_other_half(q, event, event->seq - 1);
}

bool is_first_half(struct query *q, const struct casebus_event *event)
{
    return event->kind == CASEBUS_EVENT_UPDATED && is_other_half(q, event, event->seq + 1);
}

bool met_again(struct query *q, struct casebus_bytes session, struct casebus_bytes id,
               uint64_t seq, struct search *at)
{
    struct key key = key_text(id);
    struct case_entry entry;
    if (!txn_load(q->txn, TREE_CASE, &key, ENTRY_CASE, &entry)) {
        at->kind = CASEBUS_CASE_EVENT_COUNT;
        return false;
    }
    for (; at->kind < CASEBUS_CASE_EVENT_COUNT; at->kind++, at->at = 0) {
        if (at->at == 0) {
            at->at = entry.last[at->kind];
        }
        while (at->at > seq && q->work < WORK_MAX) {
            struct log_entry log;
            struct casebus_event event;
            struct casebus_fault fault;
            q->work++;
            if (!txn_log(q->txn, at->at, &log) ||
                casebus_event_read(log.topic, log.body, &event, &fault) != 0 ||
                !is_of_case(&event, id)) { /* a made-up `next` leads nowhere */
                at->kind = CASEBUS_CASE_EVENT_COUNT;
                return false;
            }
            if (casebus_bytes_equal(event.session, session)) {
                return true;
            }
            at->at = event.prev_topic;
        }
        if (at->at > seq) {
            return false; /* not known yet */
        }
    }
    return false;
}

unsigned newest_chain(const uint64_t *at)
{
    unsigned best = 0;
    for (unsigned k = 1; k < CASEBUS_CASE_EVENT_COUNT; k++) {
        if (at[k] > at[best]) {
            best = k;
        }
    }
    return best;
}

static bool in_span(const struct span *span, struct casebus_bytes session)
{
    return !span->session.data || casebus_bytes_equal(span->session, session);
}

uint64_t count_times(struct query *q, const struct case_entry *entry,
                     const struct casebus_event *event, const struct span *span)
{
    uint64_t at[CASEBUS_CASE_EVENT_COUNT], n = 1, synced = 0;
    memcpy(at, entry->last, sizeof at);
    at[event->kind] = event->prev_topic;
    for (unsigned left = TIMES_WORK; left > 0 && n < TIMES_MAX; left--) {
        struct log_entry log;
        struct casebus_event met;
        unsigned k = newest_chain(at);
        if (at[k] < span->lowest || !read_event(q, at[k], &log, &met)) {
            break;
        }
        bool ours = met.seq < event->seq && in_span(span, met.session) &&
                    /* the other half lies below: so does the meeting */
                    !(met.seq == span->lowest && is_second_half(q, &met));
        bool first_half = k == CASEBUS_EVENT_UPDATED && synced == met.seq + 1;
        n += ours && !first_half;
        if (ours && k == CASEBUS_EVENT_SYNCED) {
            synced = met.seq;
        }
        at[k] = met.prev_topic;
    }
    return n;
}

/* What was reported when a report conflicted, as far as quarantine has it. */
static struct casebus_bytes quarantined(struct query *q, uint64_t conflict)
{
    struct key number = key_number(conflict), key;
    struct casebus_bytes name;
    struct quarantine_entry e;
    if (!txn_get(q->txn, TREE_CONFLICT, key_bytes(&number), &name)) {
        return casebus_bytes(NULL, 0);
    }
    key = key_text(name);
    return txn_load(q->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &e)
               ? e.data
               : casebus_bytes(NULL, 0);
}

uint64_t page_of(struct query *q, const struct casebus_event *event, bool edited)
{
    struct casebus_bytes data =
        event->kind == CASEBUS_EVENT_CONFLICT ? quarantined(q, event->seq) : event->payload;
    struct casebus_bytes source =
        data.data && !edited ? casebus_map_get(data, "source") : casebus_bytes(NULL, 0);
    return source.data ? casebus_as_uint(casebus_map_get(source, "page"), PAGE_UNKNOWN)
                       : PAGE_UNKNOWN;
}
