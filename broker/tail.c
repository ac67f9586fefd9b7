/* The newest events against everything that a commit writes beside them; see tail.h. */
#include "tail.h"

#include <casebus/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct tail {
    struct txn *txn;
    struct state state;
    char fault[512];
};

static bool disagree(struct tail *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool disagree(struct tail *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->fault, sizeof t->fault, format, args);
    va_end(args);
    return false;
}

static bool is_prefix(struct casebus_bytes prefix, struct casebus_bytes of)
{
    return of.size >= prefix.size && memcmp(of.data, prefix.data, prefix.size) == 0;
}

/* `last` is said to be the newest event whose topic begins so, and this one is at `seq`: then
 * it is this one, or a newer one that is there. */
static bool is_newest(struct tail *t, uint64_t last, uint64_t seq, struct casebus_bytes topic)
{
    struct log_entry log;
    return last == seq || (last > seq && last <= t->state.seq && txn_log(t->txn, last, &log) &&
                           is_prefix(topic, log.topic));
}

static bool agrees_with_head(struct tail *t, const struct casebus_event *event)
{
    struct head_entry head;
    struct key stream = key_text(casebus_topic_stream(event->topic_text));
    if (!txn_load(t->txn, TREE_HEAD, &stream, ENTRY_HEAD, &head)) {
        return disagree(t, "log %llu: its stream has no head", (unsigned long long)event->seq);
    }
    return is_newest(t, head.seq, event->seq, key_bytes(&stream)) ||
           disagree(t, "head %.*s: is %llu, and not of the newest event", (int)stream.size,
                    (const char *)stream.data, (unsigned long long)head.seq);
}

static bool agrees_with_case(struct tail *t, const struct casebus_event *event,
                             const struct key *key)
{
    struct case_entry entry;
    return (txn_load(t->txn, TREE_CASE, key, ENTRY_CASE, &entry) &&
            is_newest(t, entry.last[event->kind], event->seq, event->topic_text)) ||
           disagree(t, "case %.*s: its entry is older than event %llu", (int)key->size,
                    (const char *)key->data, (unsigned long long)event->seq);
}

static bool agrees_with_session(struct tail *t, const struct casebus_event *event,
                                const struct key *key)
{
    struct session_entry entry;
    return (txn_load(t->txn, TREE_SESSION, key, ENTRY_SESSION, &entry) &&
            is_newest(t, entry.last[event->kind - CASEBUS_CASE_EVENT_COUNT], event->seq,
                      event->topic_text)) ||
           disagree(t, "session %.*s: its entry is older than event %llu", (int)key->size,
                    (const char *)key->data, (unsigned long long)event->seq);
}

static bool check_event(struct tail *t, uint64_t seq, const struct log_entry *log)
{
    struct casebus_event event;
    struct casebus_fault fault;
    if (casebus_event_decode(log->topic, log->body, &event, &fault) != 0 || event.seq != seq ||
        memcmp(event.epoch, t->state.epoch, sizeof event.epoch) != 0) {
        return disagree(t, "log %llu: is not that event", (unsigned long long)seq);
    }
    struct key key = key_named(event.topic.segment[2], event.topic.segment[3]);
    return agrees_with_head(t, &event) &&
           (event.kind < CASEBUS_CASE_EVENT_COUNT ? agrees_with_case(t, &event, &key)
                                                  : agrees_with_session(t, &event, &key));
}

static bool check_log(struct tail *t)
{
    struct cursor c;
    struct log_entry log;
    uint64_t expected = t->state.seq, oldest = state_oldest(&t->state);
    bool good = true;
    cursor_open(&c, t->txn, TREE_LOG);
    bool at = cursor_last(&c);
    if (txn_error(t->txn) == 0 && at != (expected >= oldest)) {
        good =
            disagree(t, "log: %s", at ? "has events that the state does not know" : "is empty");
    }
    for (unsigned n = 0; good && at && expected >= oldest && n < TAIL_EVENTS; n++, expected--) {
        uint64_t seq = key_to_number(c.key);
        if (seq != expected || entry_decode(ENTRY_LOG, c.value, &log) != 0) {
            good = disagree(t, "log: event %llu is missing or unreadable",
                            (unsigned long long)expected);
        } else {
            good = check_event(t, seq, &log);
        }
        at = good && cursor_prev(&c);
    }
    cursor_close(&c);
    if (txn_error(t->txn) != 0) {
        return disagree(t, "log: event %llu or what belongs to it: %s",
                        (unsigned long long)expected, casebus_strerror(txn_error(t->txn)));
    }
    return good;
}

int tail_check(struct store *store, char *why, size_t why_size)
{
    struct tail t = {.txn = NULL};
    int rc = txn_new_read(store, &t.txn);
    rc = rc ? rc : txn_begin(t.txn);
    if (rc == 0 && !txn_state(t.txn, &t.state)) {
        rc = CASEBUS_ECORRUPT;
    }
    bool good = rc == 0 && check_log(&t);
    txn_destroy(&t.txn);
    if (rc != 0) {
        snprintf(why, why_size, "%s: %s", store_dir(store), casebus_strerror(rc));
        return rc;
    }
    if (!good) {
        snprintf(
            why, why_size,
            "%s: the store does not agree with itself (%s); casebus-broker --verify says "
            "all that is wrong, --repair rebuilds what can be, --restore puts a backup back",
            store_dir(store), t.fault);
    }
    return good ? 0 : CASEBUS_ECORRUPT;
}
