/* casebus-ctl about the broker itself: status.
 *
 * status is what a script waits with: it ends well only once requests are answered, heads come
 * out of the fan-out and reports would be taken in. That a port is open proves little; each
 * endpoint is used for what it is there for. The broker names its other endpoints, so --query
 * alone is enough to find them. */
#include "ctl.h"

#include "deadline.h"
#include "link.h"
#include "show.h"

#include <casebus/subscriber.h>
#include <string.h>
#include <zmq.h>

/* --- status ----------------------------------------------------------------------------- */

/* A broker bound to every address names none that can be connected to ("tcp://0.0.0.0:7402"):
 * then it is where it was asked, at that port. */
static void add_reachable(struct text *out, const char *query, struct casebus_bytes endpoint)
{
    static const char *const anywhere[] = {"tcp://0.0.0.0:", "tcp://*:", "tcp://[::]:"};
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++) {
        const size_t size = strlen(anywhere[i]);
        const char *const colon = strrchr(query, ':');
        if (endpoint.size > size && memcmp(endpoint.data, anywhere[i], size) == 0 &&
            strncmp(query, "tcp://", 6) == 0) {
            text_add_bytes(out, query, (size_t)(colon - query) + 1);
            text_add_bytes(out, (const char *)endpoint.data + size, endpoint.size - size);
            return;
        }
    }
    text_add_bytes(out, (const char *)endpoint.data, endpoint.size);
}

/* The endpoint that was given, or the one the broker names. */
static void find_endpoint(const struct ctl *self, const char *given, const char *name,
                          struct text *out)
{
    if (given != NULL) {
        text_add(out, given);
    } else {
        const struct casebus_bytes named =
            casebus_as_str(casebus_map_get(ctl_result(self, "endpoints"), name));
        add_reachable(out, ctl_query(self), named);
    }
}

/* Heads come out of it: 0 or a code. */
static int try_fanout(const struct ctl *self, const char *endpoint, int timeout_ms)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_subscriber *subscriber;
    options.fanout = endpoint;
    options.query = ctl_query(self);
    options.secret = self->settings.secret;
    options.server = self->settings.server;
    options.audience = self->settings.audience;
    int rc = casebus_subscriber_new(&subscriber, options);
    if (rc == 0) {
        rc = casebus_subscriber_subscribe(subscriber, "session", NULL);
    }
    if (rc == 0) {
        rc = casebus_subscriber_start(subscriber);
    }
    if (rc == 0) {
        rc = casebus_subscriber_join(subscriber, timeout_ms);
        rc = rc == 1 ? 0 : rc == 0 ? CASEBUS_ETIMEDOUT : rc;
    }
    casebus_subscriber_destroy(&subscriber);
    return rc;
}

/* Waits for the broker's subscription: before that a publisher's socket drops every report. */
static int wait_for_subscription(void *socket, const char *endpoint, int timeout_ms)
{
    char byte;
    if (zmq_connect(socket, endpoint) != 0) {
        return casebus_link_error();
    }
    int rc = casebus_link_set(socket, ZMQ_RCVTIMEO, timeout_ms);
    if (rc == 0 && zmq_recv(socket, &byte, 1, 0) < 0) {
        rc = zmq_errno() == EAGAIN ? CASEBUS_ETIMEDOUT : casebus_link_error();
    }
    return rc;
}

static int try_ingest(const struct ctl *self, const char *endpoint, int timeout_ms)
{
    void *const zmq = zmq_ctx_new();
    void *socket = NULL;
    int rc = zmq == NULL ? CASEBUS_ENOMEM
                         : casebus_link_open(&socket, zmq, ZMQ_XPUB,
                                             (struct link_keys){self->settings.secret,
                                                                self->settings.server});
    if (rc == 0) {
        rc = wait_for_subscription(socket, endpoint, timeout_ms);
        zmq_close(socket);
    }
    if (zmq != NULL) {
        zmq_ctx_term(zmq);
    }
    return rc;
}

static int try_endpoint(const struct ctl *self, const char *given, const char *name,
                        int (*try)(const struct ctl *, const char *, int), int timeout_ms)
{
    struct text endpoint = {0};
    find_endpoint(self, given, name, &endpoint);
    const int rc = try(self, text_get(&endpoint), timeout_ms);
    if (rc != 0) {
        struct text shown = {0};
        text_add_foreign(&shown, casebus_bytes(endpoint.data, endpoint.size));
        fprintf(stderr, PROGRAM ": %s at %s: %s%s\n", name, text_get(&shown),
                casebus_strerror(rc == CASEBUS_ETIMEDOUT ? CASEBUS_EUNREACHABLE : rc),
                self->settings.secret ? ", or does not let us in (whoami says what we may)"
                                      : "");
        text_free(&shown);
    }
    text_free(&endpoint);
    return rc == 0 ? EXIT_FINE : EXIT_NOT_REACHED;
}

/* The reply's own place in history belongs to how the broker is. */
static int print_status_json(struct ctl *self)
{
    const struct casebus_reply *reply = &self->reply;
    struct json json = ctl_begin_json(self);
    json_open(&json, '{');
    json_key(&json, casebus_cstr("epoch"));
    json_hex(&json, casebus_bytes(reply->epoch, sizeof reply->epoch));
    json_key(&json, casebus_cstr("seq"));
    json_uint(&json, reply->seq);
    json_key(&json, casebus_cstr("entry"));
    json_uint(&json, reply->entry);
    json_pairs(&json, reply->result);
    json_close(&json, '}');
    return ctl_end_json(self, &json);
}

/* "19:53  case:created 12, session:started 1"; nothing for a quiet minute. */
static void add_minute(struct casebus_bytes minute, struct text *out)
{
    struct casebus_reader r;
    casebus_reader_init(&r, casebus_map_get(minute, "events"));
    const uint32_t kinds = casebus_read_map(&r);
    for (uint32_t i = 0; i < kinds && r.error == 0; i++) {
        if (i == 0) {
            text_format(out, "%-24s  ", "events of the minute");
            text_add_instant(out, casebus_as_uint(casebus_map_get(minute, "at"), 0));
        }
        text_add(out, i == 0 ? "  " : ", ");
        text_add_foreign(out, casebus_read_str(&r));
        text_add(out, " ");
        text_add_count(out, casebus_read_uint(&r));
    }
    text_add(out, kinds > 0 ? "\n" : "");
}

/* The status as show_record() has it, but for `minutes`: a line each, the newest first. */
static void add_status(struct casebus_bytes result, struct text *out)
{
    struct casebus_reader r;
    struct casebus_bytes minute;
    casebus_reader_init(&r, result);
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes key = casebus_read_str(&r), value = casebus_read_raw(&r);
        if (casebus_bytes_is(key, "minutes")) {
            struct rows minutes = ctl_rows(value);
            while (ctl_next_row(&minutes, &minute)) {
                add_minute(minute, out);
            }
        } else {
            show_pair(key, value, out);
        }
    }
}

static int print_status(struct ctl *self)
{
    const struct casebus_reply *reply = &self->reply;
    if (self->settings.json) {
        return print_status_json(self);
    }
    text_format(&self->out, "%-24s  ", "epoch");
    text_add_hex(&self->out, casebus_bytes(reply->epoch, sizeof reply->epoch));
    text_format(&self->out, "\n%-24s  %llu\n%-24s  %llu\n", "seq",
                (unsigned long long)reply->seq, "entry", (unsigned long long)reply->entry);
    add_status(reply->result, &self->out);
    return ctl_flush(self);
}

/* May whoever asks connect to ingest? Without a verb for reports he is not let in there, so it
 * is not tried. */
static int ask_may_report(struct ctl *self, bool *may)
{
    casebus_call_begin(self->call, CASEBUS_OP_ACTOR_WHOAMI);
    const int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    struct casebus_reader r;
    casebus_reader_init(&r, ctl_result(self, "may"));
    *may = false;
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes verb = casebus_read_str(&r);
        *may |= verb.size > 7 && memcmp(verb.data, "report.", 7) == 0;
        casebus_skip(&r);
    }
    return EXIT_FINE;
}

int ctl_status(struct ctl *self)
{
    const int64_t deadline = deadline_after(ctl_timeout(self));
    bool reports = true;
    if (self->settings.secret != NULL) {
        const int asked = ask_may_report(self, &reports);
        if (asked != EXIT_FINE) {
            return asked;
        }
    }
    casebus_call_begin(self->call, CASEBUS_OP_BROKER_STATUS);
    int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    /* Half of the time: where the fan-out does not answer, some is left for ingest. */
    const int fanout = try_endpoint(self, self->settings.fanout, "fanout", try_fanout,
                                    deadline_left(deadline) / 2);
    const int ingest = reports ? try_endpoint(self, self->settings.ingest, "ingest", try_ingest,
                                              deadline_left(deadline))
                               : EXIT_FINE;
    status = print_status(self);
    return fanout != EXIT_FINE ? fanout : ingest != EXIT_FINE ? ingest : status;
}
