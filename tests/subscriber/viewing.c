/* Views before a broker that does what the test wants: what their tests share. */
#include "viewing.h"

#include "view_private.h"

#include <stdio.h>
#include <stdlib.h>

struct peer *peer;
struct casebus_views *views;
struct seen seen;
static int64_t now;

static int64_t test_clock(void)
{
    return now;
}

void join(void)
{
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(peer_subscription(peer), "sys:heads:", 10);
    }
}

void hear(void)
{
    join();
    heads(10);
}

void allow_requests(unsigned count)
{
    views->options.requests = count;
}

void connect_to(const char *fanout)
{
    struct casebus_views_options options = casebus_views_options();
    options.fanout = fanout;
    options.query = PEER_QUERY;
    options.context = peer->zmq;
    casebus_views_destroy(&views);
    assert_int_equal(casebus_views_new(&views, options), 0);
    views->clock = test_clock;
    views->opened = views->quiet_since = now;
}

int viewing_setup_unheard(void **state)
{
    if (peer_setup(state) != 0) {
        return -1;
    }
    peer = *state;
    now = 1000000;
    memset(&seen, 0, sizeof seen);
    connect_to(PEER_FANOUT);
    return 0;
}

int viewing_setup(void **state)
{
    const int rc = viewing_setup_unheard(state);
    if (rc == 0) {
        hear();
    }
    return rc;
}

int viewing_teardown(void **state)
{
    casebus_views_destroy(&views);
    return peer_teardown(state);
}

/* --- time and messages ------------------------------------------------------------------ */

void loop(void)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(casebus_views_step(views), 0);
    }
}

void pass(int ms)
{
    now += ms;
    loop();
}

void move_stream(const char *stream, uint64_t seq)
{
    char json[128];
    snprintf(json, sizeof json, "{\"%s\": %llu}", stream, (unsigned long long)seq);
    peer_heads(peer, seq, json);
    loop();
}

void heads(uint64_t seq)
{
    peer_heads(peer, seq, "{}");
    loop();
}

void move_quiet(uint64_t entry)
{
    peer->quiet = entry;
    peer_heads_batch(peer, 10, 10, "{}");
    loop();
}

/* --- views ------------------------------------------------------------------------------ */

static const char *name_of(const struct casebus_row *row)
{
    return strncmp(row->key, "hse:", 4) == 0 ? row->key + 4 : row->key;
}

static void write_rows(const struct casebus_row *rows, size_t count, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const struct casebus_bytes value =
            casebus_as_str(casebus_map_get(rows[i].data, "value"));
        at += (size_t)snprintf(
            out + at, size - at, "%s%s%s%.*s%s", i > 0 ? " " : "", name_of(&rows[i]),
            value.data != NULL ? "=" : "", (int)value.size,
            value.data != NULL ? (const char *)value.data : "", rows[i].gone ? "!" : "");
        assert_true(at < size);
    }
}

static size_t write_change(const struct casebus_change *change, char *out, size_t size)
{
    const struct casebus_row *row = change->now != NULL ? change->now : change->old;
    const char *key = name_of(row);
    switch (change->kind) {
    case CASEBUS_ROW_ADDED:
        return (size_t)snprintf(out, size, "+%s@%zu ", key, change->to);
    case CASEBUS_ROW_REMOVED:
        return (size_t)snprintf(out, size, "-%s@%zu ", key, change->from);
    case CASEBUS_ROW_CHANGED:
        return (size_t)snprintf(out, size, "~%s:%zu>%zu ", key, change->from, change->to);
    case CASEBUS_ROW_MOVED:
    default:
        return (size_t)snprintf(out, size, "^%s:%zu>%zu ", key, change->from, change->to);
    }
}

static void see(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    size_t at = 0, count;
    (void)arg;
    assert_ptr_equal(casebus_view_rows(view, &count), diff->now);
    assert_int_equal(count, diff->now_count);
    seen.count++;
    seen.reset = diff->reset;
    seen.changes[0] = '\0';
    write_rows(diff->now, diff->now_count, seen.rows, sizeof seen.rows);
    for (size_t i = 0; i < diff->change_count; i++) {
        at += write_change(&diff->changes[i], seen.changes + at, sizeof seen.changes - at);
        assert_true(at < sizeof seen.changes);
    }
    seen.changes[at > 0 ? at - 1 : 0] = '\0';
}

static void see_state(void *arg, struct casebus_view *view)
{
    (void)arg;
    (void)view;
    seen.states++;
}

struct casebus_view_options watching(unsigned window_ms)
{
    struct casebus_view_options options = casebus_view_options();
    options.refetch_window_ms = window_ms;
    options.after_fetch = see;
    options.state_changed = see_state;
    return options;
}

struct casebus_view *open_view(struct casebus_query query, struct casebus_view_options options)
{
    struct casebus_view *view;
    assert_int_equal(casebus_view_open(&view, views, query, options, NULL), 0);
    loop();
    return view;
}

void close_view(struct casebus_view **view)
{
    casebus_view_close(view);
    assert_null(*view);
}

/* --- requests --------------------------------------------------------------------------- */

struct casebus_bytes asked(const char *op)
{
    assert_true(peer_is_asked(peer, 0));
    const struct casebus_bytes request = peer_request(peer);
    assert_bytes_are(casebus_as_str(casebus_map_get(request, "op")), op);
    return request;
}

void assert_not_asked(void)
{
    assert_false(peer_is_asked(peer, 0));
}

uint64_t asked_number(struct casebus_bytes request, const char *key)
{
    return casebus_as_uint(casebus_map_get(request, key), UINT64_MAX);
}

void answer_json(uint64_t seq, const char *json)
{
    char text[4096];
    assert_true(strlen(json) < sizeof text);
    strcpy(text, json);
    for (char *quote = text; (quote = strchr(quote, '\'')) != NULL;) {
        *quote = '"';
    }
    peer->seq = seq;
    peer_reply(peer, text);
    loop();
}

void answer(uint64_t seq, const char *rows, const char *more)
{
    char json[4096], list[1024];
    size_t at = (size_t)snprintf(json, sizeof json, "{%s%s'rows': [", more != NULL ? more : "",
                                 more != NULL ? ", " : "");
    assert_true(strlen(rows) < sizeof list);
    strcpy(list, rows);
    char *rest = list, *word;
    for (bool first = true; (word = strtok_r(rest, " ", &rest)) != NULL; first = false) {
        char *value = strchr(word, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        at += (size_t)snprintf(json + at, sizeof json - at, "%s{'id': 'hse:%s'%s%s%s}",
                               first ? "" : ", ", word, value != NULL ? ", 'value': '" : "",
                               value != NULL ? value : "", value != NULL ? "'" : "");
    }
    snprintf(json + at, sizeof json - at, "]}");
    answer_json(seq, json);
}

void refuse(uint64_t seq, int code)
{
    peer->seq = seq;
    peer_refuse(peer, code, "no");
    loop();
}

struct casebus_view_status status_of(const struct casebus_view *view)
{
    struct casebus_view_status status;
    casebus_view_status(view, &status);
    return status;
}

struct casebus_views_stats hub_stats(void)
{
    struct casebus_views_stats stats;
    casebus_views_stats(views, &stats);
    return stats;
}
