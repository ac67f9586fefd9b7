/* Taking reports from the caller.
 *
 * A report is built, checked and tied to those before it (number and check), copied into the
 * window, and from then on progress.c's. What can never be accepted gets no number, so that it
 * cannot hold up what comes behind it; where the window is full the caller waits. The promise
 * to him is that a number given means: kept here until the broker has decided it.
 *
 * Sending is the hot path: one encoding into scratch space, one hash, one copy. Sockets are
 * looked at once in TEND_EVERY reports, or when some time has passed. */
#include <casebus/publisher.h>

#include "handle.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEND_EVERY 64
#define TEND_MS 5

struct casebus_publisher_options casebus_publisher_options(void)
{
    return (struct casebus_publisher_options){
        .ingest = CASEBUS_INGEST_DEFAULT,
        .query = CASEBUS_QUERY_DEFAULT,
        .window = CASEBUS_PUBLISHER_WINDOW,
        .window_bytes = 16 * 1024 * 1024,
        .resend_ms = 200,
        .resend_max_ms = 3000,
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

static int open_all(struct casebus_publisher *self)
{
    const struct casebus_publisher_options *o = &self->options;
    self->context = o->context ? o->context : zmq_ctx_new();
    if (!self->context) {
        return CASEBUS_ENOMEM;
    }
    int error = casebus_window_init(&self->window, o->window, o->window_bytes);
    if (!error) {
        error = casebus_ingest_open(&self->ingest, self->context, o->ingest);
    }
    if (!error) {
        error = casebus_query_open(&self->query, self->context, o->query);
    }
    return error;
}

int casebus_publisher_new(struct casebus_publisher **self_p,
                          struct casebus_publisher_options options)
{
    *self_p = NULL;
    if (!options_valid(&options)) {
        return CASEBUS_EINVAL;
    }
    if (sodium_init() < 0) { /* may be called again; picks the fast hash of this machine */
        return CASEBUS_EIO;
    }
    struct casebus_publisher *self = calloc(1, sizeof *self);
    if (!self) {
        return CASEBUS_ENOMEM;
    }
    self->options = options;
    randombytes_buf(self->id, sizeof self->id);
    casebus_pace_init(&self->pace, options.resend_ms, options.resend_max_ms, options.window);
    msgpack_sbuffer_init(&self->report);
    msgpack_sbuffer_init(&self->request);
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
    casebus_ingest_close(&self->ingest);
    casebus_query_close(&self->query);
    casebus_window_clear(&self->window);
    zmq_msg_close(&self->ask_answer);
    if (!self->options.context && self->context) {
        zmq_ctx_term(self->context);
    }
    msgpack_sbuffer_destroy(&self->report);
    msgpack_sbuffer_destroy(&self->request);
    free(self);
}

/* --- one report --------------------------------------------------------------------------- */

struct text_topic {
    char text[CASEBUS_TOPIC_MAX + 1];
    struct casebus_bytes bytes;
};

static int fault_at(struct casebus_fault *fault, const char *field, int code)
{
    fault->code = code;
    fault->field[0] = '\0';
    strncat(fault->field, field, sizeof fault->field - 1);
    return code;
}

static int segment_fault(struct casebus_bytes text)
{
    return text.size == 0                    ? CASEBUS_EMISSING
           : text.size > CASEBUS_SEGMENT_MAX ? CASEBUS_ETOOLONG
           : !casebus_utf8_valid(text)       ? CASEBUS_EUTF8
                                             : CASEBUS_EVALUE;
}

/* Which part of a topic cannot be. */
static int topic_fault(bool is_case, struct casebus_bytes agency, struct casebus_bytes key,
                       struct casebus_fault *fault)
{
    if (agency.size == 0 || !casebus_agency_valid(agency)) {
        return fault_at(fault, "agency", segment_fault(agency));
    }
    return fault_at(fault, is_case ? "regulator_id" : "session_id", segment_fault(key));
}

static int build_topic(struct text_topic *topic, enum casebus_report_kind kind,
                       struct casebus_bytes agency, struct casebus_bytes key,
                       struct casebus_fault *fault)
{
    if (kind >= CASEBUS_REPORT_KIND_COUNT) {
        return fault_at(fault, "topic", CASEBUS_ETOPIC);
    }
    bool is_case = kind < CASEBUS_REPORT_SESSION_STARTED;
    int size = -1;
    if (agency.size > 0 && key.size > 0) {
        size =
            casebus_topic_build(topic->text, sizeof topic->text, is_case ? "case" : "session",
                                casebus_report_kind_word(kind), agency, key);
    }
    topic->bytes = casebus_bytes(topic->text, size > 0 ? (size_t)size : 0);
    return size > 0 ? 0 : topic_fault(is_case, agency, key, fault);
}

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Reads what was encoded, as the broker will. */
static int decode_again(struct casebus_bytes topic, struct casebus_bytes body, size_t *check_at,
                        struct casebus_fault *fault)
{
    struct casebus_report report;
    *fault = (struct casebus_fault){0};
    fault->code = casebus_report_decode(topic, body, &report, fault);
    *check_at = report.head.check_at;
    return fault->code;
}

/* Only where the check's pair is. */
static int decode_head(struct casebus_bytes body, size_t *check_at, struct casebus_fault *fault)
{
    struct casebus_report_head head;
    int error = casebus_report_head_decode(body, &head);
    *check_at = head.check_at;
    return error ? fault_at(fault, "", error) : 0;
}

int casebus_publisher_check(enum casebus_report_kind kind, struct casebus_bytes agency,
                            struct casebus_bytes key, struct casebus_bytes session,
                            struct casebus_bytes data, struct casebus_fault *fault)
{
    struct text_topic topic;
    int error = build_topic(&topic, kind, agency, key, fault);
    if (error) {
        return error;
    }
    struct casebus_report_parts parts = {.session = session, .data = data};
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    error = casebus_report_encode(&parts, &body);
    size_t check_at;
    error = error ? fault_at(fault, "", error)
                  : decode_again(topic.bytes, casebus_bytes(body.data, body.size), &check_at,
                                 fault);
    msgpack_sbuffer_destroy(&body);
    return error;
}

/* The body of the next number, in the scratch buffer, and the check of the number after it. */
static int build_body(struct casebus_publisher *self, struct casebus_bytes topic,
                      struct casebus_bytes session, struct casebus_bytes data,
                      unsigned char next_check[CASEBUS_CHECK_SIZE])
{
    struct casebus_report_parts parts = {
        .publisher = self->id,
        .number = window_last(&self->window) + 1,
        .check = self->window.next_check,
        .session = session,
        .sent_at = clock_us(),
        .data = data,
    };
    self->report.size = 0;
    int error = casebus_report_encode(&parts, &self->report);
    if (error) {
        return fault_at(&self->fault, "", error);
    }
    size_t check_at;
    struct casebus_bytes body = casebus_bytes(self->report.data, self->report.size);
    error = self->options.verify ? decode_again(topic, body, &check_at, &self->fault)
                                 : decode_head(body, &check_at, &self->fault);
    if (error) {
        return error;
    }
    unsigned char hash[CASEBUS_HASH_SIZE];
    casebus_report_hash(topic, body, check_at, hash);
    memcpy(next_check, parts.check, CASEBUS_CHECK_SIZE);
    casebus_check_next(next_check, hash);
    return 0;
}

static int wait_for_room(struct casebus_publisher *self, size_t size, int timeout_ms)
{
    if (casebus_window_has_room(&self->window, size)) {
        return 0;
    }
    int64_t until = casebus_publisher_until(timeout_ms);
    int error = casebus_publisher_turn(self, casebus_publisher_now());
    while (!error && !casebus_window_has_room(&self->window, size)) {
        if (casebus_publisher_now() >= until) {
            return CASEBUS_ETIMEDOUT;
        }
        error = casebus_publisher_step(self, until);
    }
    return error;
}

/* A new report goes out at once if the socket takes it; all else has time. */
static void tend(struct casebus_publisher *self)
{
    int64_t now = casebus_publisher_now_coarse();
    self->untended++;
    if (self->untended >= TEND_EVERY || now - self->turned >= TEND_MS) {
        casebus_publisher_turn(self, casebus_publisher_now());
        return;
    }
    int error = casebus_publisher_flush(self, now);
    if (error) {
        self->dead = error;
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
    struct text_topic topic;
    unsigned char next_check[CASEBUS_CHECK_SIZE];
    int error = build_topic(&topic, kind, agency, key, &self->fault);
    if (!error) {
        error = build_body(self, topic.bytes, session, data, next_check);
    }
    if (!error) {
        error = wait_for_room(self, topic.bytes.size + self->report.size, timeout_ms);
    }
    if (!error) {
        error = casebus_window_push(&self->window, topic.bytes,
                                    casebus_bytes(self->report.data, self->report.size),
                                    next_check);
    }
    if (error) {
        return error;
    }
    self->stats.sent = window_last(&self->window);
    tend(self);
    return (int64_t)self->stats.sent;
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
    int error = casebus_publisher_turn(self, casebus_publisher_now());
    while (!error && self->stats.confirmed == before) {
        if (casebus_publisher_now() >= until) {
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
    int error = casebus_publisher_turn(self, casebus_publisher_now());
    while (!error && self->stats.confirmed < goal) {
        if (casebus_publisher_now() >= until) {
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
