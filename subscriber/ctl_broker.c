/* casebus-ctl about the broker itself: status, verify.
 *
 * status is what a script waits with: it ends well only once requests are answered, heads come
 * out of the fan-out and reports would be taken in. That a port is open proves little; each
 * endpoint is used for what it is there for. The broker names its other endpoints, so --query
 * alone is enough to find them.
 *
 * verify asks the running broker, which checks in a transaction of its own while it goes on. A
 * folder is checked by the broker's program: this one knows nothing of the store. */
#include "ctl.h"

#include "deadline.h"
#include "link.h"
#include "show.h"

#include <casebus/subscriber.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define VERIFY_POLL_MS 1000
#define BROKER "casebus-broker"

/* --- status ----------------------------------------------------------------------------- */

static const char *query_endpoint(const struct ctl *self)
{
    return self->settings.query != NULL ? self->settings.query : CASEBUS_QUERY_DEFAULT;
}

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
        add_reachable(out, query_endpoint(self), named);
    }
}

/* Heads come out of it: 0 or a code. */
static int try_fanout(const struct ctl *self, const char *endpoint, int timeout_ms)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_subscriber *subscriber;
    options.fanout = endpoint;
    options.query = query_endpoint(self);
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

/* The broker's subscription arrives on it, without which every report would be dropped. */
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
    (void)self;
    void *const zmq = zmq_ctx_new();
    void *const socket = zmq != NULL ? casebus_link_open(zmq, ZMQ_XPUB) : NULL;
    int rc = CASEBUS_ENOMEM;
    if (socket != NULL) {
        rc = wait_for_subscription(socket, endpoint, timeout_ms);
        zmq_close(socket);
    }
    if (zmq != NULL) {
        zmq_ctx_term(zmq);
    }
    return rc;
}

static int try_endpoint(const struct ctl *self, const char *given, const char *name,
                        int (*try)(const struct ctl *, const char *, int),
                        int64_t deadline)
{
    struct text endpoint = {0};
    find_endpoint(self, given, name, &endpoint);
    const int rc = try(self, text_get(&endpoint), deadline_left(deadline));
    if (rc != 0) {
        struct text shown = {0};
        text_add_foreign(&shown, casebus_bytes(endpoint.data, endpoint.size));
        fprintf(stderr, PROGRAM ": %s at %s: %s\n", name, text_get(&shown),
                casebus_strerror(rc == CASEBUS_ETIMEDOUT ? CASEBUS_EUNREACHABLE : rc));
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
    show_record(reply->result, &self->out);
    return ctl_flush(self);
}

int ctl_status(struct ctl *self)
{
    const int64_t deadline = deadline_after(ctl_timeout(self));
    casebus_call_begin(self->call, CASEBUS_OP_BROKER_STATUS);
    int status = ctl_ask(self, NULL);
    if (status != EXIT_FINE) {
        return status;
    }
    const int fanout =
        try_endpoint(self, self->settings.fanout, "fanout", try_fanout, deadline);
    const int ingest =
        try_endpoint(self, self->settings.ingest, "ingest", try_ingest, deadline);
    status = print_status(self);
    return fanout != EXIT_FINE ? fanout : ingest != EXIT_FINE ? ingest : status;
}

/* --- verify ----------------------------------------------------------------------------- */

static void say_progress(const struct ctl *self, bool end)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    struct text line = {0};
    text_add(&line, "\rchecked ");
    text_add_count(&line, casebus_as_uint(ctl_result(self, "checked"), 0));
    text_add(&line, " of about ");
    text_add_count(&line, casebus_as_uint(ctl_result(self, "total"), 0));
    text_add(&line, end ? "\n" : " ");
    fputs(text_get(&line), stderr);
    text_free(&line);
}

static bool state_is(const struct ctl *self, const char *state)
{
    return casebus_bytes_is(casebus_as_str(ctl_result(self, "state")), state);
}

static int print_findings(struct ctl *self)
{
    struct casebus_bytes finding;
    const bool passed = state_is(self, "passed");
    if (self->settings.json) {
        const int status = ctl_print_result(self);
        return passed ? status : EXIT_NOT_FOUND;
    }
    struct rows rows = ctl_rows(ctl_result(self, "findings"));
    while (ctl_next_row(&rows, &finding)) {
        text_add_foreign(&self->out, casebus_as_str(finding));
        text_add(&self->out, "\n");
    }
    text_add(&self->out, passed ? "passed: " : "failed: ");
    text_add_count(&self->out, casebus_as_uint(ctl_result(self, "checked"), 0));
    text_add(&self->out, " records, up to seq ");
    text_format(&self->out, "%llu\n",
                (unsigned long long)casebus_as_uint(ctl_result(self, "seq"), self->reply.seq));
    const int status = ctl_flush(self);
    return passed ? status : EXIT_NOT_FOUND;
}

/* The check may take hours and --timeout limits the whole; whether there is a broker shows
 * soon, at every poll. */
static int verify_broker(struct ctl *self)
{
    const int whole = self->settings.timeout_ms;
    const int64_t deadline = deadline_after(whole == TIMEOUT_UNSET ? -1 : whole);
    uint64_t run = FLAG_UNSET;
    do {
        const int left = deadline_left(deadline);
        self->settings.timeout_ms =
            left >= 0 && left < TIMEOUT_DEFAULT_MS ? left : TIMEOUT_DEFAULT_MS;
        casebus_call_begin(self->call, CASEBUS_OP_STORE_VERIFY);
        ctl_add_uint(self, "run", run);
        casebus_call_uint(self->call, "wait_ms", VERIFY_POLL_MS);
        const int status = ctl_ask(self, NULL);
        if (status != EXIT_FINE) {
            return status;
        }
        run = casebus_as_uint(ctl_result(self, "run"), FLAG_UNSET);
        say_progress(self, !state_is(self, "running"));
        if (!state_is(self, "running")) {
            return print_findings(self);
        }
    } while (deadline_left(deadline) != 0);
    fputs(PROGRAM ": time is up and the check still runs\n", stderr);
    return EXIT_NOT_REACHED;
}

/* The broker's program beside this one, or the one in PATH; does not come back but for errors.
 */
static int verify_folder(const char *folder)
{
    char path[4096];
    char *arguments[] = {(char[]){BROKER}, (char[]){"--verify"}, NULL, NULL};
    char *const copy = strdup(folder);
    arguments[2] = copy;
    ssize_t size = copy != NULL ? readlink("/proc/self/exe", path, sizeof path) : -1;
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    if (size > 0 && (size_t)size + sizeof BROKER <= sizeof path) {
        memcpy(path + size, BROKER, sizeof BROKER);
        execv(path, arguments);
    }
    execvp(BROKER, arguments);
    fprintf(stderr, PROGRAM ": " BROKER ": %s\n", strerror(errno));
    free(copy);
    return EXIT_NOT_FOUND;
}

int ctl_verify(struct ctl *self)
{
    if (self->argc == 0) {
        return verify_broker(self);
    }
    if (self->settings.json) {
        return ctl_usage("verify DIR prints text: --json is for a running broker");
    }
    return verify_folder(self->argv[0]);
}
