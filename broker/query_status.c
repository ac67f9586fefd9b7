/* The broker about itself. */
#include "query.h"

#ifndef CASEBUS_VERSION
#define CASEBUS_VERSION "unknown"
#endif

static void pack_audiences(struct query *q)
{
    const struct queries_options *o = q->self->options;
    casebus_pack_text(&q->pk, "audiences");
    msgpack_pack_map(&q->pk, o->audiences->count);
    for (unsigned i = 0; i < o->audiences->count; i++) {
        casebus_pack_text(&q->pk, o->audiences->audience[i].name);
        casebus_pack_text(&q->pk, o->audience_bound[i]);
    }
}

/* The fan-out of an audience is its own; whoever may see everything is told of the others. */
static void pack_endpoints(struct query *q)
{
    const struct queries_options *o = q->self->options;
    bool others = scope_is_everything(q->scope) && o->audiences->count > 0;
    casebus_pack_text(&q->pk, "endpoints");
    msgpack_pack_map(&q->pk, others ? 4 : 3);
    casebus_pack_text(&q->pk, "ingest");
    casebus_pack_text(&q->pk, o->ingest_bound);
    casebus_pack_text(&q->pk, "fanout");
    casebus_pack_text(&q->pk, q->audience
                                  ? o->audience_bound[q->audience - o->audiences->audience]
                                  : o->fanout_bound);
    casebus_pack_text(&q->pk, "query");
    casebus_pack_text(&q->pk, o->query_bound);
    if (others) {
        pack_audiences(q);
    }
}

static void pack_traffic(struct query *q)
{
    const struct counters *c = q->self->options->counters;
    casebus_pack_text(&q->pk, "applied");
    msgpack_pack_map(&q->pk, CASEBUS_OUTCOME_COUNT);
    for (unsigned i = 0; i < CASEBUS_OUTCOME_COUNT; i++) {
        pack_uint(&q->pk, casebus_outcome_word((enum casebus_outcome)i),
                  counted(&c->outcome[i]));
    }
    pack_refused_counts(q, "refused");
    pack_uint(&q->pk, "events", counted(&c->events));
    pack_uint(&q->pk, "batches", counted(&c->batches));
    pack_uint(&q->pk, "duplicates", counted(&c->duplicates));
    pack_uint(&q->pk, "ahead", counted(&c->ahead));
    pack_uint(&q->pk, "diverged", counted(&c->diverged));
    pack_uint(&q->pk, "held", counted(&c->held));
    pack_uint(&q->pk, "unstored", counted(&c->unstored));
    casebus_pack_text(&q->pk, "rates");
    msgpack_pack_map(&q->pk, 2);
    pack_uint(&q->pk, "reports_per_s", counted(&c->reports_per_s));
    pack_uint(&q->pk, "events_per_s", counted(&c->events_per_s));
    casebus_pack_text(&q->pk, "queues");
    msgpack_pack_map(&q->pk, 2);
    pack_uint(&q->pk, "polls", counted(&c->polls));
    pack_uint(&q->pk, "submissions", counted(&c->submissions));
}

/* Of the keyed endpoints. */
static void pack_connections(struct query *q)
{
    const struct counters *c = q->self->options->counters;
    casebus_pack_text(&q->pk, "connections");
    msgpack_pack_map(&q->pk, 3);
    pack_uint(&q->pk, "open", counted(&c->connections_open));
    pack_uint(&q->pk, "opened", counted(&c->connections_opened));
    pack_uint(&q->pk, "unfinished", counted(&c->handshakes_unfinished));
}

/* The kinds that had events in the minute. */
static void pack_minute_events(msgpack_packer *pk, const struct minute *m, bool there)
{
    uint64_t n[CASEBUS_EVENT_KIND_COUNT] = {0}; /* a snapshot: the bus goes on counting */
    unsigned kinds = 0;
    for (unsigned k = 0; there && k < CASEBUS_EVENT_KIND_COUNT; k++) {
        n[k] = counted(&m->events[k]);
        kinds += n[k] > 0;
    }
    msgpack_pack_map(pk, kinds);
    for (unsigned k = 0; k < CASEBUS_EVENT_KIND_COUNT; k++) {
        char kind[2 * CASEBUS_SEGMENT_MAX];
        if (n[k] > 0) {
            snprintf(kind, sizeof kind, "%s:%s",
                     casebus_event_kind_resource((enum casebus_event_kind)k),
                     casebus_event_kind_word((enum casebus_event_kind)k));
            pack_uint(pk, kind, n[k]);
        }
    }
}

/* This minute and those before it, down to the broker's start. */
static void pack_minutes(struct query *q)
{
    const struct counters *c = q->self->options->counters;
    uint64_t now = clock_utc_us() / MINUTE_US;
    uint64_t begun = c->started_at / MINUTE_US;
    uint64_t n = now >= begun ? now - begun + 1 : 1;
    n = n < MINUTES_SHOWN ? n : MINUTES_SHOWN;
    casebus_pack_text(&q->pk, "minutes");
    msgpack_pack_array(&q->pk, n);
    for (uint64_t i = 0; i < n; i++) {
        const struct minute *m = &c->minute[(now - i) % MINUTES_KEPT];
        msgpack_pack_map(&q->pk, 2);
        pack_uint(&q->pk, "at", (now - i) * MINUTE_US);
        casebus_pack_text(&q->pk, "events");
        pack_minute_events(&q->pk, m, atomic_load(&m->number) == now - i);
    }
}

static int pack_store(struct query *q)
{
    struct store_sizes sizes;
    int rc = store_measure(q->txn, &sizes);
    casebus_pack_text(&q->pk, "store");
    msgpack_pack_map(&q->pk, 10);
    pack_uint(&q->pk, "cases", q->state.cases);
    pack_uint(&q->pk, "sessions", q->state.sessions);
    pack_uint(&q->pk, "offenders", q->state.offenders);
    pack_uint(&q->pk, "publishers", q->state.publishers);
    pack_uint(&q->pk, "floor", q->state.floor);
    pack_uint(&q->pk, "retained_events", q->state.seq + 1 - state_oldest(&q->state));
    pack_uint(&q->pk, "retained_bytes", q->state.log_bytes);
    pack_uint(&q->pk, "file_bytes", sizes.file_bytes);
    pack_uint(&q->pk, "map_bytes", sizes.map_bytes);
    pack_uint(&q->pk, "used_bytes", sizes.used_bytes);
    return rc;
}

/* The broker's counters are of all agencies: who sees some of them gets the number of their
 * cases. */
static int pack_shown_store(struct query *q)
{
    uint64_t cases = 0;
    for (unsigned i = 0; i < q->scope->agencies; i++) {
        struct key key =
            key_text(casebus_bytes(q->scope->agency[i].code, q->scope->agency[i].size));
        struct agency_entry agency;
        if (txn_load(q->txn, TREE_AGENCY, &key, ENTRY_AGENCY, &agency)) {
            cases += agency.cases;
        }
    }
    casebus_pack_text(&q->pk, "store");
    msgpack_pack_map(&q->pk, 2);
    pack_uint(&q->pk, "cases", cases);
    pack_uint(&q->pk, "floor", q->state.floor);
    return 0;
}

int query_broker_status(struct query *q)
{
    const char *held = held_reason(q->self->options->counters);
    bool all = q->scope->agencies == 0, keyed = q->self->options->gate->keys != NULL;
    msgpack_pack_map(&q->pk, all ? (keyed ? 18 : 17) : 5);
    casebus_pack_text(&q->pk, "version");
    casebus_pack_text(&q->pk, CASEBUS_VERSION);
    pack_uint(&q->pk, "started_at", q->self->options->counters->started_at);
    casebus_pack_text(&q->pk, "state");
    casebus_pack_text(&q->pk, held ? held : "serving");
    pack_endpoints(q);
    if (!all) {
        return pack_shown_store(q);
    }
    pack_traffic(q);
    if (keyed) {
        pack_connections(q);
    }
    pack_minutes(q);
    return pack_store(q);
}
