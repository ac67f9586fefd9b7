/* Verifying a store: the run, its thread, and the event log with its heads; see verify.h. */
#include "verifying.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what the parts share --------------------------------------------------------------- */

void finding(struct verifying *v, const char *format, ...)
{
    struct verify_report *r = v->report;
    unsigned n = r->finding_count++;
    if (n >= FINDINGS_MAX) {
        return;
    }
    va_list args;
    va_start(args, format);
    if (vasprintf(&r->findings[n], format, args) < 0) {
        r->findings[n] = NULL;
        r->finding_count = n;
    } else if (r->said) {
        r->said(r->findings[n]);
    }
    va_end(args);
}

const char *shown(enum tree tree, struct casebus_bytes key)
{
    static _Thread_local char text[KEY_SHOWN_MAX];
    return key_shown(tree, key, text);
}

/* Where the name is, or where it belongs. */
static size_t place_of(const struct totals *t, struct casebus_bytes name)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (casebus_bytes_compare(casebus_cstr(t->list[middle].name), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct total *total_known(const struct totals *t, struct casebus_bytes name)
{
    size_t at = place_of(t, name);
    return at < t->count && casebus_bytes_is(name, t->list[at].name) ? &t->list[at] : NULL;
}

struct total *total_of(struct totals *t, struct casebus_bytes name)
{
    struct total *known = total_known(t, name);
    if (known) {
        return known;
    }
    if (t->count == t->capacity) {
        size_t wider = t->capacity ? t->capacity * 2 : 64;
        struct total *p = realloc(t->list, wider * sizeof *p);
        if (!p) {
            return NULL;
        }
        t->list = p;
        t->capacity = wider;
    }
    size_t at = place_of(t, name);
    struct total *new = &t->list[at];
    memmove(new + 1, new, (t->count++ - at) * sizeof *new);
    memset(new, 0, sizeof *new);
    snprintf(new->name, sizeof new->name, "%.*s", (int)name.size, (const char *)name.data);
    return new;
}

static bool given_up(const struct verifying *v)
{
    return atomic_load_explicit(&v->report->cancel, memory_order_relaxed) != 0;
}

void step(struct verifying *v)
{
    atomic_fetch_add_explicit(&v->report->steps, 1, memory_order_relaxed);
}

/* A tree whose keys do not rise is damaged, and might go on for ever. */
static bool goes_on(struct verifying *v, const struct cursor *c, bool first)
{
    if (!c->key.data) {
        return false;
    }
    step(v);
    v->walked[c->tree]++;
    if (!first && casebus_bytes_compare(key_bytes(&v->previous), c->key) >= 0) {
        finding(v, "%s %s: comes after a higher key: the tree is damaged", tree_names[c->tree],
                shown(c->tree, c->key));
        return false;
    }
    v->previous = key_text(c->key);
    return true;
}

bool next_entry(struct verifying *v, struct cursor *c, bool first)
{
    atomic_store_explicit(&v->report->tree, (int)c->tree, memory_order_relaxed);
    bool at = first ? cursor_seek(c, casebus_bytes("", 1)) : cursor_next(c);
    bool on = goes_on(v, c, first);
    while (!at && txn_error(v->txn) == CASEBUS_ECORRUPT && on && !given_up(v)) {
        finding(v, "%s %s: bytes do not match their checksum", tree_names[c->tree],
                shown(c->tree, c->key));
        txn_forgive(v->txn);
        at = cursor_next(c);
        on = goes_on(v, c, false);
    }
    if (!at && txn_error(v->txn) != 0) {
        finding(v, "%s: the tree cannot be read: %s", tree_names[c->tree],
                casebus_strerror(txn_error(v->txn)));
        txn_forgive(v->txn);
    }
    at = at && on;
    if (at && !cursor_found_by_key(c)) {
        finding(v, "%s %s: cannot be found by its key", tree_names[c->tree],
                shown(c->tree, c->key));
    }
    atomic_fetch_add_explicit(&v->report->checked, at, memory_order_relaxed);
    return at && !given_up(v);
}

bool next_decoded(struct verifying *v, struct cursor *c, bool first, enum entry_type type,
                  void *entry)
{
    bool at = next_entry(v, c, first);
    while (at && entry_decode(type, c->value, entry) != 0) {
        finding(v, "%s %s: cannot be decoded", tree_names[c->tree], shown(c->tree, c->key));
        at = next_entry(v, c, false);
    }
    return at;
}

bool load_event(struct verifying *v, uint64_t seq, struct log_entry *log,
                struct casebus_event *event)
{
    struct casebus_fault fault;
    step(v);
    if (!txn_log(v->txn, seq, log) ||
        casebus_event_decode(log->topic, log->body, event, &fault) != 0) {
        txn_forgive(v->txn);
        finding(v, "log %llu: an event that something points to is missing or unreadable",
                (unsigned long long)seq);
        return false;
    }
    return true;
}

bool has(struct verifying *v, enum tree tree, const struct key *key)
{
    struct casebus_bytes value;
    bool found = txn_get(v->txn, tree, key_bytes(key), &value);
    txn_forgive(v->txn);
    return found;
}

/* --- the log and the heads -------------------------------------------------------------- */

/* A redacted case's event has no record any more. */
static void check_place(struct verifying *v, uint64_t seq, const struct log_entry *log,
                        const struct casebus_event *event)
{
    struct record_place place;
    if ((event->kind == CASEBUS_EVENT_CREATED || event->kind == CASEBUS_EVENT_UPDATED) &&
        record_find_kept(event->payload, &place)) {
        place.at = (uint64_t)(event->payload.data - log->body.data);
    } else {
        place = (struct record_place){0};
    }
    const bool is_last = place.at == 0 || place.at + event->payload.size == log->body.size;
    if (!is_last || memcmp(&place, &log->record, sizeof place) != 0) {
        finding(v, "log %llu: its record is not where it says", (unsigned long long)seq);
    }
}

static void check_event(struct verifying *v, uint64_t seq, const struct log_entry *log)
{
    struct casebus_event event;
    struct casebus_fault fault;
    if (casebus_event_decode(log->topic, log->body, &event, &fault) != 0) {
        finding(v, "log %llu: not an event (%s)", (unsigned long long)seq, fault.field);
        return;
    }
    if (event.seq != seq) {
        finding(v, "log %llu: holds event %llu", (unsigned long long)seq,
                (unsigned long long)event.seq);
    }
    if (memcmp(event.epoch, v->state.epoch, sizeof event.epoch) != 0) {
        finding(v, "log %llu: of another epoch", (unsigned long long)seq);
    }
    if (event.at < v->at) {
        finding(v, "log %llu: its time lies before that of the event before",
                (unsigned long long)seq);
    }
    v->at = event.at;
    struct total *stream = total_of(&v->streams, casebus_topic_stream(event.topic_text));
    if (stream && event.prev != stream->newest) {
        finding(v, "log %llu: prev is %llu, the event before it in %s is %llu",
                (unsigned long long)seq, (unsigned long long)event.prev, stream->name,
                (unsigned long long)stream->newest);
    }
    if (stream) {
        stream->newest = seq;
    }
    check_place(v, seq, log, &event);
    if (event.kind == CASEBUS_EVENT_CONFLICT) {
        verify_conflict(v, &event);
    }
    v->case_events += event.kind < CASEBUS_CASE_EVENT_COUNT;
    v->session_events += event.kind >= CASEBUS_CASE_EVENT_COUNT;
}

/* Where the streams' chains begin: at the last event of each that has been trimmed. What is
 * wrong with a head itself, verify_heads() says. */
static void load_floor(struct verifying *v)
{
    struct cursor c;
    struct head_entry head;
    struct key before = {.size = 0};
    uint64_t newest = 0;
    v->oldest = state_oldest(&v->state);
    cursor_open(&c, v->txn, TREE_HEAD);
    bool at = cursor_seek(&c, casebus_bytes("", 1));
    while ((at || (txn_error(v->txn) == CASEBUS_ECORRUPT && c.key.data)) &&
           casebus_bytes_compare(key_bytes(&before), c.key) < 0) {
        before = key_text(c.key);
        if (at && entry_decode(ENTRY_HEAD, c.value, &head) == 0 && head.trimmed > 0) {
            struct total *stream = total_of(&v->streams, c.key);
            if (stream) {
                stream->newest = head.trimmed;
            }
            newest = head.trimmed > newest ? head.trimmed : newest;
        }
        txn_forgive(v->txn);
        at = cursor_next(&c);
    }
    txn_forgive(v->txn);
    cursor_close(&c);
    if (newest != v->oldest - 1 && !given_up(v)) {
        finding(v, "head: streams have lost events up to %llu, the floor is %llu",
                (unsigned long long)newest, (unsigned long long)v->state.floor);
    }
}

static void verify_log(struct verifying *v)
{
    struct cursor c;
    struct log_entry log;
    load_floor(v);
    uint64_t expected = v->oldest, bytes = 0;
    cursor_open(&c, v->txn, TREE_LOG);
    for (bool at = next_decoded(v, &c, true, ENTRY_LOG, &log); at;
         at = next_decoded(v, &c, false, ENTRY_LOG, &log)) {
        uint64_t seq = key_to_number(c.key);
        if (seq != expected) {
            finding(v, "log %llu to %llu: missing", (unsigned long long)expected,
                    (unsigned long long)seq - 1);
        }
        check_event(v, seq, &log);
        bytes += c.value.size;
        expected = seq + 1;
    }
    cursor_close(&c);
    if (bytes != v->state.log_bytes && !given_up(v)) {
        finding(v, "log: %llu bytes, the state says %llu", (unsigned long long)bytes,
                (unsigned long long)v->state.log_bytes);
    }
    if (expected - 1 != v->state.seq && !given_up(v)) {
        finding(v, "log: ends at %llu, the state says %llu", (unsigned long long)expected - 1,
                (unsigned long long)v->state.seq);
    }
    if (v->at > v->state.at) {
        finding(v, "meta state: its time lies before that of the newest event");
    }
}

static void verify_heads(struct verifying *v)
{
    struct cursor c;
    struct head_entry head;
    cursor_open(&c, v->txn, TREE_HEAD);
    for (bool at = next_decoded(v, &c, true, ENTRY_HEAD, &head); at;
         at = next_decoded(v, &c, false, ENTRY_HEAD, &head)) {
        struct total *stream = total_known(&v->streams, c.key);
        if (!stream || stream->newest != head.seq) {
            finding(v, "head %s: is %llu, its last event is %llu", shown(c.tree, c.key),
                    (unsigned long long)head.seq,
                    (unsigned long long)(stream ? stream->newest : 0));
        }
        if (stream) {
            stream->found = true;
        }
    }
    cursor_close(&c);
    for (size_t i = 0; i < v->streams.count && !given_up(v); i++) {
        if (!v->streams.list[i].found) {
            finding(v, "head %s: is missing", v->streams.list[i].name);
        }
    }
}

/* What has been walked is what LMDB counts: a branch that points past leaves shows here. */
static void verify_counts(struct verifying *v)
{
    struct store_sizes sizes;
    if (store_measure(v->txn, &sizes) != 0) {
        finding(v, "the trees cannot be measured");
        return;
    }
    uint64_t walked = 1; /* of those that share: the state, which has been read */
    for (int t = TREE_META + 1; t < TREE_COUNT; t++) {
        walked += v->walked[t];
        if (t < TREE_SHARED_LAST) {
            continue;
        }
        if (walked != sizes.entries[t]) {
            finding(v, "%s: %llu entries are there, LMDB counts %llu", tree_place((enum tree)t),
                    (unsigned long long)walked, (unsigned long long)sizes.entries[t]);
        }
        walked = 0;
    }
}

/* --- the pages -------------------------------------------------------------------------- */

static void tell(void *arg, const char *what)
{
    finding(arg, "%s", what);
}

static void verify_pages(struct verifying *v)
{
    int rc = store_check_pages(v->store, tell, v);
    if (rc != 0) {
        finding(v, "the pages cannot be checked: %s", casebus_strerror(rc));
    }
    v->stopped = v->report->serving && v->report->finding_count > 0;
    if (v->stopped) {
        finding(v,
                "damaged pages: a broker that serves goes no further; casebus-ctl verify %s "
                "says what stands on them",
                store_dir(v->store));
    }
}

/* --- a run ------------------------------------------------------------------------------ */

typedef void part_fn(struct verifying *v);

static part_fn *const parts[] = {
    verify_pages,    verify_log,    verify_heads,      verify_cases,      verify_indexes,
    verify_sessions, verify_active, verify_publishers, verify_quarantine, verify_counts,
};

static void estimate(struct verifying *v)
{
    struct store_sizes sizes;
    if (store_measure(v->txn, &sizes) == 0) {
        uint64_t all = 0;
        for (int t = 0; t < TREE_COUNT; t++) {
            all += sizes.entries[t];
        }
        atomic_store(&v->report->total, all);
    }
}

int verify_store(struct store *store, struct verify_report *report)
{
    struct verifying v = {.report = report, .store = store, .oldest = 1};
    int rc = txn_new_read(store, &v.txn);
    if (rc == 0) {
        rc = txn_begin(v.txn);
    }
    int snapshot = -1;
    if (rc == 0 && !txn_state(v.txn, &v.state)) {
        finding(&v, "meta state: missing or unreadable");
        txn_forgive(v.txn);
    } else if (rc == 0) {
        report->seq = v.state.seq;
        snapshot = store_snapshot_begin(store, v.state.seq);
        estimate(&v);
        for (size_t i = 0; i < sizeof parts / sizeof *parts && !v.stopped && !given_up(&v);
             i++) {
            parts[i](&v);
        }
    }
    store_snapshot_end(store, snapshot);
    txn_destroy(&v.txn);
    free(v.streams.list);
    free(v.agencies.list);
    free(v.actors.list);
    return rc;
}

void verify_report_clear(struct verify_report *report)
{
    for (unsigned i = 0; i < report->finding_count && i < FINDINGS_MAX; i++) {
        free(report->findings[i]);
    }
    memset(report, 0, sizeof *report);
}

/* --- the broker's thread ---------------------------------------------------------------- */

struct verifier {
    struct store *store;
    struct verify_report report;
    struct run run;
};

struct verifier *verifier_new(struct store *store)
{
    struct verifier *self = calloc(1, sizeof *self);
    if (self) {
        self->store = store;
    }
    return self;
}

static bool work(void *arg)
{
    struct verifier *self = arg;
    return verify_store(self->store, &self->report) == 0 && self->report.finding_count == 0;
}

int verifier_start(struct verifier *self)
{
    if (self->run.state == RUN_RUNNING) {
        return 0;
    }
    verify_report_clear(&self->report);
    self->report.serving = true;
    return run_start(&self->run, work, self);
}

const struct run *verifier_run(struct verifier *self)
{
    run_collect(&self->run);
    return &self->run;
}

const struct verify_report *verifier_report(const struct verifier *self)
{
    return &self->report;
}

void verifier_destroy(struct verifier **self_p)
{
    struct verifier *self = *self_p;
    if (self) {
        atomic_store(&self->report.cancel, 1);
        run_join(&self->run);
        verify_report_clear(&self->report);
        free(self);
        *self_p = NULL;
    }
}
