/* Verifying a store: the run, its thread, and the event log with its heads; see verify.h. */
#include "pages.h"
#include "verifying.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what the parts share --------------------------------------------------------------- */

void finding(struct verifying *v, const char *format, ...)
{
    unsigned n = v->report->finding_count++;
    if (n >= FINDINGS_MAX) {
        return;
    }
    va_list args;
    va_start(args, format);
    if (vasprintf(&v->report->findings[n], format, args) < 0) {
        v->report->findings[n] = NULL;
        v->report->finding_count = n;
    }
    va_end(args);
}

const char *shown(struct casebus_bytes key)
{
    static _Thread_local char text[2 * KEY_MAX + 1];
    size_t n = 0;
    bool number = key.size == 8;
    if (number) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)key_to_number(key));
        return text;
    }
    for (size_t i = 0; i < key.size && n + 4 < sizeof text; i++) {
        unsigned char c = key.data[i];
        n += (size_t)snprintf(text + n, sizeof text - n, c < ' ' || c == 0x7f ? "|%02x" : "%c", c);
    }
    text[n] = '\0';
    return text;
}

struct total *total_of(struct totals *t, struct casebus_bytes name)
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
    if (low < t->count && casebus_bytes_is(name, t->list[low].name)) {
        return &t->list[low];
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
    struct total *new = &t->list[low];
    memmove(new + 1, new, (t->count++ - low) * sizeof *new);
    memset(new, 0, sizeof *new);
    snprintf(new->name, sizeof new->name, "%.*s", (int)name.size, (const char *)name.data);
    return new;
}

static bool given_up(const struct verifying *v)
{
    return atomic_load_explicit(&v->report->cancel, memory_order_relaxed) != 0;
}

bool next_entry(struct verifying *v, struct cursor *c, bool first)
{
    bool at = first ? cursor_seek(c, casebus_bytes("", 1)) : cursor_next(c);
    while (!at && txn_error(v->txn) == CASEBUS_ECORRUPT && c->key.data && !given_up(v)) {
        finding(v, "%s %s: bytes do not match their checksum", tree_names[c->tree],
                shown(c->key));
        txn_forgive(v->txn);
        at = cursor_next(c);
    }
    if (!at && txn_error(v->txn) != 0) {
        finding(v, "%s: the tree cannot be read: %s", tree_names[c->tree],
                casebus_strerror(txn_error(v->txn)));
        txn_forgive(v->txn);
    }
    if (at && !cursor_found_by_key(c)) {
        finding(v, "%s %s: cannot be found by its key", tree_names[c->tree], shown(c->key));
    }
    atomic_fetch_add_explicit(&v->report->checked, at, memory_order_relaxed);
    return at && !given_up(v);
}

bool next_decoded(struct verifying *v, struct cursor *c, bool first, enum entry_type type,
                  void *entry)
{
    bool at = next_entry(v, c, first);
    while (at && entry_decode(type, c->value, entry) != 0) {
        finding(v, "%s %s: cannot be decoded", tree_names[c->tree], shown(c->key));
        at = next_entry(v, c, false);
    }
    return at;
}

bool load_event(struct verifying *v, uint64_t seq, struct log_entry *log,
                struct casebus_event *event)
{
    struct casebus_fault fault;
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

static struct casebus_bytes stream_of(const struct casebus_event *event)
{
    const unsigned char *start = event->topic_text.data;
    const unsigned char *agency = event->topic.segment[2].data;
    return casebus_bytes(start, (size_t)(agency - start) + event->topic.segment[2].size + 1);
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
    struct total *stream = total_of(&v->streams, stream_of(&event));
    if (stream && event.prev != stream->newest) {
        finding(v, "log %llu: prev is %llu, the event before it in %s is %llu",
                (unsigned long long)seq, (unsigned long long)event.prev, stream->name,
                (unsigned long long)stream->newest);
    }
    if (stream) {
        stream->newest = seq;
    }
    v->case_events += event.kind < CASEBUS_CASE_EVENT_COUNT;
    v->session_events += event.session.data != NULL;
}

static void verify_log(struct verifying *v)
{
    struct cursor c;
    struct log_entry log;
    uint64_t expected = 1;
    cursor_open(&c, v->txn, TREE_LOG);
    for (bool at = next_decoded(v, &c, true, ENTRY_LOG, &log); at;
         at = next_decoded(v, &c, false, ENTRY_LOG, &log)) {
        uint64_t seq = key_to_number(c.key);
        if (seq != expected) {
            finding(v, "log %llu to %llu: missing", (unsigned long long)expected,
                    (unsigned long long)seq - 1);
        }
        check_event(v, seq, &log);
        expected = seq + 1;
    }
    cursor_close(&c);
    if (expected - 1 != v->state.seq && !given_up(v)) {
        finding(v, "log: ends at %llu, the state says %llu", (unsigned long long)expected - 1,
                (unsigned long long)v->state.seq);
    }
}

static void verify_heads(struct verifying *v)
{
    struct cursor c;
    struct head_entry head;
    size_t seen = 0;
    cursor_open(&c, v->txn, TREE_HEAD);
    for (bool at = next_decoded(v, &c, true, ENTRY_HEAD, &head); at;
         at = next_decoded(v, &c, false, ENTRY_HEAD, &head)) {
        size_t before = v->streams.count;
        const struct total *stream = total_of(&v->streams, c.key);
        seen += v->streams.count == before;
        if (!stream || stream->newest != head.seq) {
            finding(v, "head %s: is %llu, its last event is %llu", shown(c.key),
                    (unsigned long long)head.seq,
                    (unsigned long long)(stream ? stream->newest : 0));
        }
    }
    cursor_close(&c);
    if (seen < v->streams.count && !given_up(v)) {
        finding(v, "head: %zu of %zu streams have none", v->streams.count - seen,
                v->streams.count);
    }
}

/* --- the pages -------------------------------------------------------------------------- */

static void tell(void *arg, const char *what)
{
    finding(arg, "%s", what);
}

static void verify_pages(struct verifying *v)
{
    int rc = pages_check(v->store, tell, v);
    if (rc != 0) {
        finding(v, "the pages cannot be checked: %s", casebus_strerror(rc));
    }
}

/* --- a run ------------------------------------------------------------------------------ */

typedef void part_fn(struct verifying *v);

static part_fn *const parts[] = {
    verify_pages,     verify_log,       verify_heads,      verify_cases,      verify_indexes,
    verify_sessions,  verify_publishers, verify_quarantine,
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
    struct verifying v = {.report = report, .store = store};
    int rc = txn_new_read(store, &v.txn);
    if (rc == 0) {
        rc = txn_begin(v.txn);
    }
    if (rc == 0 && !txn_state(v.txn, &v.state)) {
        finding(&v, "meta state: missing or unreadable");
        txn_forgive(v.txn);
    } else if (rc == 0) {
        report->seq = v.state.seq;
        estimate(&v);
        for (size_t i = 0; i < sizeof parts / sizeof *parts && !given_up(&v); i++) {
            parts[i](&v);
        }
    }
    txn_destroy(&v.txn);
    free(v.streams.list);
    free(v.agencies.list);
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
    enum verify_state state;
    uint64_t run;
    pthread_t thread;
    atomic_bool done; /* set last by the thread: what it wrote before may then be read */
    int result;
};

struct verifier *verifier_new(struct store *store)
{
    struct verifier *self = calloc(1, sizeof *self);
    if (self) {
        self->store = store;
    }
    return self;
}

static void *run(void *arg)
{
    struct verifier *self = arg;
    self->result = verify_store(self->store, &self->report);
    atomic_store(&self->done, true);
    return NULL;
}

int64_t verifier_start(struct verifier *self)
{
    if (self->state != VERIFY_RUNNING) {
        verify_report_clear(&self->report);
        atomic_store(&self->done, false);
        if (pthread_create(&self->thread, NULL, run, self) != 0) {
            return CASEBUS_EBUSY;
        }
        self->state = VERIFY_RUNNING;
        self->run++;
    }
    return (int64_t)self->run;
}

void verifier_collect(struct verifier *self)
{
    if (self->state == VERIFY_RUNNING && atomic_load(&self->done)) {
        pthread_join(self->thread, NULL);
        bool passed = self->result == 0 && self->report.finding_count == 0;
        self->state = passed ? VERIFY_PASSED : VERIFY_FAILED;
    }
}

enum verify_state verifier_state(const struct verifier *self, uint64_t *run_number)
{
    *run_number = self->run;
    return self->state;
}

const struct verify_report *verifier_report(const struct verifier *self)
{
    return &self->report;
}

void verifier_destroy(struct verifier **self_p)
{
    struct verifier *self = *self_p;
    if (self) {
        if (self->state == VERIFY_RUNNING) {
            atomic_store(&self->report.cancel, 1);
            pthread_join(self->thread, NULL);
        }
        verify_report_clear(&self->report);
        free(self);
        *self_p = NULL;
    }
}
