/* Taking reports from the caller.
 *
 * A report is made where it will be kept (compose.c), checked, numbered, taken (keep.c), tied
 * to those before it by the time it is needed (window.c), and from then on progress.c's. What
 * can never be accepted gets no number, so that it cannot hold up what comes behind it; where
 * the window is full the caller waits. The promise to him is that a number given means: kept
 * here until the broker has decided it.
 *
 * Sending is the hot path: the data is copied once (into a bundle again), hashed once, and the
 * clock is read once. Sockets are looked at once in TEND_EVERY reports, or when some time has
 * passed. */
#include <casebus/publisher.h>

#include "clock.h"
#include "handle.h"
#include "socket.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TEND_EVERY 64
#define TEND_US 5000

struct casebus_publisher_options casebus_publisher_options(void)
{
    return (struct casebus_publisher_options){
        .ingest = CASEBUS_INGEST_DEFAULT,
        .query = CASEBUS_QUERY_DEFAULT,
        .window = CASEBUS_PUBLISHER_WINDOW,
        .window_bytes = 16 * 1024 * 1024,
        .resend_ms = 200,
        .resend_max_ms = 3000,
        .outbox_count = 1000000,
        .outbox_bytes = 256 * 1024 * 1024,
        .outbox_group = 1,
        .verify = true,
    };
}

/* --- life --------------------------------------------------------------------------------- */

static bool options_valid(const struct casebus_publisher_options *o)
{
    return o->ingest && o->query && o->window >= 1 && o->window <= CASEBUS_PUBLISHER_WINDOW &&
           o->window_bytes > 0 && o->resend_ms >= 1 && o->resend_max_ms >= o->resend_ms &&
           o->resend_max_ms <= 3600000;
}

static bool outbox_options_valid(const struct casebus_publisher_options *o)
{
    return !o->outbox || (o->outbox[0] != '\0' && o->refused && o->outbox_count >= 1 &&
                          o->outbox_bytes >= 1 && o->outbox_bytes <= UINT64_C(1) << 40 &&
                          o->outbox_group >= 1 && o->outbox_group <= CASEBUS_PUBLISHER_WINDOW);
}

static int open_sockets(struct casebus_publisher *self)
{
    const struct casebus_publisher_options *o = &self->options;
    struct casebus_credentials credentials;
    int error = casebus_credentials_read(&credentials, o->secret, o->server, NULL, 0);
    if (!error) {
        error = casebus_ingest_open(&self->ingest, self->context, &credentials, o->ingest);
    }
    if (!error) {
        error = casebus_query_open(&self->query, self->context, &credentials, o->query);
    }
    casebus_credentials_forget(&credentials);
    return error;
}

static int open_all(struct casebus_publisher *self)
{
    const struct casebus_publisher_options *o = &self->options;
    self->context = o->context ? o->context : zmq_ctx_new();
    if (!self->context) {
        return CASEBUS_ENOMEM;
    }
    int error = casebus_window_init(&self->window, o->window, o->window_bytes);
    if (!error) {
        error = casebus_publisher_open_outbox(self);
    }
    return error ? error : open_sockets(self);
}

int casebus_publisher_new(struct casebus_publisher **self_p,
                          struct casebus_publisher_options options)
{
    *self_p = NULL;
    if (!options_valid(&options) || !outbox_options_valid(&options)) {
        return CASEBUS_EINVAL;
    }
    if (sodium_init() < 0) { /* may be called again; random numbers are its */
        return CASEBUS_EIO;
    }
    struct casebus_publisher *self = calloc(1, sizeof *self);
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->options = options;
    self->met = true;
    randombytes_buf(self->id, sizeof self->id);
    casebus_pace_init(&self->pace, options.resend_ms, options.resend_max_ms, options.window);
    msgpack_sbuffer_init(&self->request);
    msgpack_sbuffer_init(&self->bundle);
    zmq_msg_init(&self->ask_answer);
    int error = open_all(self);
    if (error) {
        casebus_publisher_destroy(&self);
        return error;
    }
    *self_p = self;
    return 0;
}

void casebus_publisher_destroy(struct casebus_publisher **self_p)
{
    struct casebus_publisher *self = *self_p;
    if (!self) {
        return;
    }
    *self_p = NULL;
    if (self->outbox && !self->dead) {
        (void)casebus_publisher_store(self, true, &self->settled, casebus_bytes(NULL, 0));
    }
    if (!self->dead) {
        (void)casebus_publisher_flush(self, false);
    }
    casebus_ingest_close(&self->ingest);
    casebus_query_close(&self->query);
    casebus_window_clear(&self->window);
    casebus_window_clear(&self->staged);
    casebus_outbox_close(&self->outbox);
    zmq_msg_close(&self->ask_answer);
    casebus_sessions_clear(&self->sessions);
    if (!self->options.context && self->context) {
        casebus_socket_end(self->context);
    }
    casebus_composer_clear(&self->composer);
    msgpack_sbuffer_destroy(&self->request);
    msgpack_sbuffer_destroy(&self->bundle);
    free(self);
}

/* --- one report --------------------------------------------------------------------------- */

/* Reads what was encoded, as the broker will. */
static int decode_again(struct casebus_bytes topic, struct casebus_bytes body,
                        struct casebus_fault *fault)
{
    struct casebus_report report;
    *fault = (struct casebus_fault){0};
    fault->code = casebus_report_decode(topic, body, &report, fault);
    return fault->code;
}

int casebus_publisher_check(enum casebus_report_kind kind, struct casebus_bytes agency,
                            struct casebus_bytes key, struct casebus_bytes session,
                            struct casebus_bytes data, struct casebus_fault *fault)
{
    struct composer composer = {0};
    int error = casebus_compose_topic(&composer, kind, agency, key, fault);
    if (error) {
        return error;
    }
    struct casebus_report_parts parts = {.session = session, .data = data};
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    error = casebus_report_encode(&parts, &body);
    error = error ? casebus_fault_at(fault, "", error)
                  : decode_again(composer_topic(&composer), casebus_bytes(body.data, body.size),
                                 fault);
    msgpack_sbuffer_destroy(&body);
    return error;
}

/* Makes a report as the next one, and checks it. *check_at: where its check is to be. */
static int make(struct casebus_publisher *self, struct casebus_report_parts *parts,
                size_t *check_at)
{
    static const unsigned char any_check[CASEBUS_CHECK_SIZE];
    struct window *tail = publisher_tail(self);
    struct kept *kept = casebus_window_next(tail);
    parts->publisher = self->id;
    parts->number = window_last(tail) + 1 - self->base;
    parts->check = any_check;
    int error = casebus_compose_report(&self->composer, parts, kept, check_at);
    if (error) {
        return casebus_fault_at(&self->fault, "", error);
    }
    error = self->options.verify ? decode_again(kept_topic(kept), kept_body(kept), &self->fault)
                                 : 0;
    if (error) {
        kept_close(kept);
    }
    return error;
}

static int wait_for_room(struct casebus_publisher *self, size_t size, int64_t until)
{
    int error = casebus_publisher_turn(self, clock_mono_ms());
    while (!error && !casebus_publisher_has_room(self, size)) {
        error = casebus_publisher_make_room(self);
        if (error || casebus_publisher_has_room(self, size)) {
            break;
        }
        if (clock_mono_ms() >= until) {
            return CASEBUS_ETIMEDOUT;
        }
        error = casebus_publisher_step(self, until);
    }
    return error;
}

/* Keeps a report. Waiting for room may change id and number, so it is made again then. */
static int keep(struct casebus_publisher *self, struct casebus_report_parts *parts,
                int timeout_ms)
{
    size_t check_at;
    int64_t until = INT64_MIN; /* not waited yet */
    for (;;) {
        int error = make(self, parts, &check_at);
        if (error) {
            return error;
        }
        struct kept *kept = casebus_window_next(publisher_tail(self));
        size_t size = kept_size(kept);
        if (casebus_publisher_has_room(self, size)) {
            casebus_publisher_expect(self, size);
            return casebus_publisher_take(self, check_at);
        }
        kept_close(kept);
        until = until == INT64_MIN ? casebus_publisher_until(timeout_ms) : until;
        error = wait_for_room(self, size, until);
        if (error) {
            return error;
        }
    }
}

/* A new report goes out at once if the socket takes it, or in a flood with the next ones; all
 * else has time. A clock that was set back makes a turn too. */
static void tend(struct casebus_publisher *self, uint64_t now_us)
{
    self->untended++;
    if (now_us - self->tended_at >= TEND_US) {
        self->tended_at = now_us;
        casebus_publisher_turn(self, clock_mono_ms());
    } else if (self->untended >= TEND_EVERY) {
        self->tended_at = now_us;
        casebus_publisher_turn_in_flood(self, clock_mono_ms());
    } else {
        self->dead = casebus_publisher_flush(self, true);
    }
}

int64_t casebus_publisher_send(struct casebus_publisher *self, enum casebus_report_kind kind,
                               struct casebus_bytes agency, struct casebus_bytes key,
                               struct casebus_bytes session, struct casebus_bytes data,
                               int timeout_ms)
{
    if (self->dead) {
        return self->dead;
    }
    int error = casebus_compose_topic(&self->composer, kind, agency, key, &self->fault);
    if (error) {
        return error;
    }
    struct casebus_report_parts parts = {
        .session = session,
        .sent_at = clock_utc_us(),
        .data = data,
    };
    error = keep(self, &parts, timeout_ms);
    if (error) {
        return error;
    }
    int64_t number = (int64_t)self->stats.sent;
    tend(self, parts.sent_at);
    return number;
}

const struct casebus_fault *casebus_publisher_fault(const struct casebus_publisher *self)
{
    return &self->fault;
}

/* --- waiting ------------------------------------------------------------------------------ */

int casebus_publisher_pump(struct casebus_publisher *self, int timeout_ms)
{
    int64_t until = casebus_publisher_until(timeout_ms);
    uint64_t before = self->stats.confirmed;
    int error = casebus_publisher_postpone(self, casebus_publisher_sync(self));
    error = error ? error : casebus_publisher_turn(self, clock_mono_ms());
    while (!error && self->stats.confirmed == before) {
        if (clock_mono_ms() >= until) {
            return 0;
        }
        error = casebus_publisher_step(self, until);
    }
    return error ? error : 1;
}

int casebus_publisher_confirm(struct casebus_publisher *self, uint64_t number, int timeout_ms)
{
    int64_t until = casebus_publisher_until(timeout_ms);
    uint64_t goal = number ? number : self->stats.sent;
    if (goal > self->stats.sent) {
        return CASEBUS_EINVAL;
    }
    int error = goal > self->stats.stored ? casebus_publisher_sync(self) : self->dead;
    int64_t now = clock_mono_ms();
    casebus_publisher_hurry(self, now);
    error = error ? error : casebus_publisher_turn(self, now);
    while (!error && self->stats.confirmed < goal) {
        if (clock_mono_ms() >= until) {
            return CASEBUS_ETIMEDOUT;
        }
        error = casebus_publisher_step(self, until);
    }
    return error;
}

const struct casebus_publisher_stats *casebus_publisher_stats(
    const struct casebus_publisher *self)
{
    return &self->stats;
}

const unsigned char *casebus_publisher_id(const struct casebus_publisher *self)
{
    return self->id;
}
