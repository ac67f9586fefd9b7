/* A subscriber's handle: what it is made of, its patterns, how it starts and what it tells of
 * itself. The way through the messages is follow.c, what it has and misses is have.c.
 *
 * The order of subscriptions is the promise everything else rests on: patterns first, heads
 * last, so the first heads message proves that all are in place. libzmq sends them in the order
 * of the calls on a connection that exists, and in the order of their bytes on one it makes
 * again; that "sys:" sorts behind all others keeps the promise there too. It spares a repair;
 * that nothing is missed rests on heads alone.
 *
 * Contract: one thread a handle; everything handed out is borrowed until the next call. */
#include <casebus/bundle.h>
#include <casebus/subscriber.h>

#include "follow.h"
#include "link.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_EVENTS (4 * CASEBUS_HWM)
#define HOLD_BYTES (64 * 1024 * 1024) /* twice the events of the largest batch */

struct casebus_subscriber_options casebus_subscriber_options(void)
{
    return (struct casebus_subscriber_options){.fanout = CASEBUS_FANOUT_DEFAULT,
                                               .query = CASEBUS_QUERY_DEFAULT,
                                               .audience = NULL,
                                               .hwm = CASEBUS_HWM,
                                               .unordered = false,
                                               .hold_events = HOLD_EVENTS,
                                               .hold_bytes = HOLD_BYTES,
                                               .context = NULL};
}

static int keep_text(char **kept, const char *text)
{
    *kept = text != NULL ? strdup(text) : NULL;
    return *kept == NULL && text != NULL ? CASEBUS_ENOMEM : 0;
}

/* Its I/O thread is a batch job to the scheduler: with many readers on one machine it does not
 * push the broker aside each time that a few kilobytes have come, which would then be sent to
 * all of them in pieces. Where a processor is idle nothing is different. One that is of another
 * kind already stays that: libzmq would end the process where it must not be changed. */
static void *new_context(void)
{
    void *zmq = zmq_ctx_new();
    if (zmq != NULL && sched_getscheduler(0) == SCHED_OTHER) {
        zmq_ctx_set(zmq, ZMQ_THREAD_SCHED_POLICY, SCHED_BATCH);
    }
    return zmq;
}

static int open_parts(struct casebus_subscriber *self)
{
    const struct casebus_subscriber_options *options = &self->options;
    if (keep_text(&self->fanout, options->fanout) != 0 ||
        keep_text(&self->query, options->query) != 0 ||
        keep_text(&self->audience, options->audience) != 0 ||
        keep_text(&self->secret, options->secret) != 0 ||
        keep_text(&self->server, options->server) != 0 || casebus_have_new(&self->have) != 0) {
        return CASEBUS_ENOMEM;
    }
    self->zmq = options->context != NULL ? options->context : new_context();
    self->zmq_is_mine = options->context == NULL;
    if (self->zmq == NULL) {
        return CASEBUS_ENOMEM;
    }
    const int rc = casebus_link_open(&self->socket, self->zmq, ZMQ_XSUB,
                                     (struct link_keys){self->secret, self->server});
    return rc != 0 ? rc : casebus_link_set(self->socket, ZMQ_RCVHWM, options->hwm);
}

int casebus_subscriber_new(struct casebus_subscriber **self_p,
                           struct casebus_subscriber_options options)
{
    *self_p = NULL;
    if (options.fanout == NULL || options.query == NULL || options.hwm < 1) {
        return CASEBUS_EINVAL;
    }
    struct casebus_subscriber *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->options = options;
    int rc = open_parts(self);
    if (rc != 0) {
        casebus_subscriber_destroy(&self);
        return rc;
    }
    *self_p = self;
    return 0;
}

void casebus_subscriber_destroy(struct casebus_subscriber **self_p)
{
    struct casebus_subscriber *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    casebus_replay_destroy(&self->replay);
    casebus_client_destroy(&self->client);
    if (self->stage != FRESH) {
        intake_end(&self->intake);
    }
    if (self->socket != NULL) {
        zmq_close(self->socket);
    }
    if (self->zmq_is_mine && self->zmq != NULL) {
        casebus_link_end(self->zmq);
    }
    casebus_have_destroy(&self->have);
    for (size_t i = 0; i < self->patterns; i++) {
        free(self->pattern[i]);
    }
    free(self->fanout);
    free(self->query);
    free(self->secret);
    free(self->server);
    free(self->audience);
    free(self);
}

int casebus_subscriber_subscribe(struct casebus_subscriber *self, const char *pattern,
                                 const char **why)
{
    char prefix[CASEBUS_TOPIC_MAX + 1];
    const char *reason = NULL;
    if (why == NULL) {
        why = &reason;
    }
    *why = NULL;
    if (self->stage != FRESH) {
        return CASEBUS_EINVAL;
    }
    if (self->patterns == CASEBUS_PATTERNS_MAX) {
        _Static_assert(CASEBUS_PATTERNS_MAX == 64, "as it is told");
        *why = "one too many: there can be 64 patterns";
        return CASEBUS_ETOOMANY;
    }
    const int size = casebus_pattern_prefix(pattern, prefix, sizeof prefix, why);
    if (size < 0) {
        return size;
    }
    if (strncmp(prefix, "sys:", 4) == 0) {
        *why = "heads are no events: a subscriber follows them by itself; try case or session";
        return CASEBUS_EPATTERN;
    }
    int rc = keep_text(&self->pattern[self->patterns], pattern);
    if (rc != 0) {
        return rc;
    }
    self->patterns++;
    return casebus_have_cover(self->have, casebus_bytes(prefix, (size_t)size));
}

/* What ZMQ_SUBSCRIBE of a SUB sends. An XSUB does not compare each message that has come with
 * all patterns once more, as the broker has done, and casebus_have_event() will. */
static int send_prefix(struct casebus_subscriber *self, struct casebus_bytes kind,
                       struct casebus_bytes prefix)
{
    unsigned char frame[1 + CASEBUS_TOPIC_BUNDLE_SIZE + CASEBUS_TOPIC_MAX + 1];
    unsigned char *end = frame;
    *end++ = 1;
    end = casebus_put_raw(casebus_put_raw(end, kind), prefix);
    int rc;
    do { /* a reader that lacks one of them would wait for ever */
        rc = zmq_send(self->socket, frame, (size_t)(end - frame), 0);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc < 0 ? casebus_link_error() : 0;
}

/* Events of whole streams come in bundles, those of a single topic alone; they are in a bundle
 * too where the stream is another pattern's. */
static int subscribe_to(struct casebus_subscriber *self, struct casebus_bytes prefix)
{
    const bool single = casebus_topic_stream(prefix).size < prefix.size;
    if (single && casebus_have_covers(self->intake.have, casebus_topic_stream(prefix))) {
        return 0;
    }
    return send_prefix(self, casebus_cstr(single ? "" : CASEBUS_TOPIC_BUNDLE), prefix);
}

static int subscribe_all(struct casebus_subscriber *self)
{
    char prefix[CASEBUS_TOPIC_MAX + 1];
    const char *why;
    for (size_t i = 0; i < self->patterns; i++) {
        const int size = casebus_pattern_prefix(self->pattern[i], prefix, sizeof prefix, &why);
        const int rc =
            size < 0 ? size : subscribe_to(self, casebus_bytes(prefix, (size_t)size));
        if (rc != 0) {
            return rc;
        }
    }
    /* Those of each batch are what a reader that waits for proof waits for. */
    static const char *const heads[] = {CASEBUS_TOPIC_HEADS_BATCH, CASEBUS_TOPIC_HEADS_ALL};
    for (size_t i = self->intake.waits ? 0 : 1; i < sizeof heads / sizeof *heads; i++) {
        const int rc = send_prefix(self, casebus_cstr(""), casebus_cstr(heads[i]));
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int open_replay(struct casebus_subscriber *self)
{
    const struct casebus_client_options options = {.query = self->query,
                                                   .secret = self->secret,
                                                   .server = self->server,
                                                   .context = self->zmq};
    int rc = casebus_client_new(&self->client, options);
    rc = rc != 0 ? rc : casebus_replay_new(&self->replay, self->client);
    return rc != 0 ? rc : casebus_replay_audience(self->replay, self->audience);
}

/* 0; or a code: it is as it was, and may be started again. */
static int connect_all(struct casebus_subscriber *self)
{
    int rc = open_replay(self);
    rc = rc != 0 ? rc : casebus_link_connect(self->socket, self->fanout);
    if (rc != 0) {
        casebus_replay_destroy(&self->replay);
        casebus_client_destroy(&self->client);
    }
    return rc;
}

/* From where the broker stands, or from the log behind `from`, of any history where it names
 * none. A start that is refused leaves nothing behind for the next one, or for the one before.
 */
static int start(struct casebus_subscriber *self, const struct casebus_cursor *from,
                 bool has_epoch)
{
    if (self->stage != FRESH || self->patterns == 0) {
        return CASEBUS_EINVAL;
    }
    const int rc = connect_all(self);
    if (rc != 0) {
        return rc;
    }
    if (from != NULL) {
        self->from = *from;
        self->from_log = true;
        self->has_cursor = has_epoch;
    }
    intake_init(&self->intake, self->have, (const char *const *)self->pattern, self->patterns,
                &self->options);
    self->have = NULL;
    self->stage = JOINING;
    return subscribe_all(self);
}

int casebus_subscriber_start(struct casebus_subscriber *self)
{
    return start(self, NULL, false);
}

int casebus_subscriber_start_at(struct casebus_subscriber *self, uint64_t after)
{
    const struct casebus_cursor from = {.seq = after};
    return start(self, &from, false);
}

int casebus_subscriber_start_cursor(struct casebus_subscriber *self,
                                    const struct casebus_cursor *cursor)
{
    return start(self, cursor, true);
}

int casebus_subscriber_join(struct casebus_subscriber *self, int timeout_ms)
{
    if (self->stage == FRESH) {
        return CASEBUS_EINVAL;
    }
    struct patience patience = patience_of(timeout_ms);
    return self->stage == JOINING ? casebus_follow_join(self, &patience) : 1;
}

int casebus_subscriber_next(struct casebus_subscriber *self, const struct casebus_event **event,
                            int timeout_ms)
{
    *event = NULL;
    if (self->stage == FRESH) {
        return CASEBUS_EINVAL;
    }
    struct patience patience = patience_of(timeout_ms);
    if (self->stage == JOINING) {
        const int rc = casebus_follow_join(self, &patience);
        if (rc != 1) {
            return rc;
        }
    }
    return casebus_follow(self, event, &patience);
}

int casebus_subscriber_cursor(struct casebus_subscriber *self, struct casebus_cursor *cursor)
{
    const struct intake *intake = &self->intake;
    if (self->stage != FOLLOWING || (intake->unordered && !intake->one)) {
        return CASEBUS_EINVAL;
    }
    memcpy(cursor->epoch, intake->epoch, sizeof cursor->epoch);
    cursor->seq = intake_cursor(&self->intake);
    return 0;
}

const struct casebus_gap *casebus_subscriber_gap(const struct casebus_subscriber *self)
{
    return &self->intake.gap;
}

enum casebus_subscriber_state casebus_subscriber_state(const struct casebus_subscriber *self)
{
    if (self->stage != FOLLOWING) {
        return CASEBUS_SUBSCRIBER_CONNECTING;
    }
    if (self->is_silent) {
        return CASEBUS_SUBSCRIBER_SILENT;
    }
    if (casebus_follow_is_unanswered(self)) {
        return CASEBUS_SUBSCRIBER_UNANSWERED;
    }
    if (intake_is_repairing(&self->intake)) {
        return CASEBUS_SUBSCRIBER_REPAIRING;
    }
    return self->intake.pulling ? CASEBUS_SUBSCRIBER_CATCHING_UP : CASEBUS_SUBSCRIBER_LIVE;
}

const char *casebus_subscriber_state_word(enum casebus_subscriber_state state)
{
    static const char *const words[] = {
        [CASEBUS_SUBSCRIBER_CONNECTING] = "connecting",
        [CASEBUS_SUBSCRIBER_CATCHING_UP] = "catching up",
        [CASEBUS_SUBSCRIBER_REPAIRING] = "repairing",
        [CASEBUS_SUBSCRIBER_UNANSWERED] = "waiting for what the log holds; nobody answers",
        [CASEBUS_SUBSCRIBER_LIVE] = "live",
        [CASEBUS_SUBSCRIBER_SILENT] = "nothing comes from the broker any more; waiting for it",
    };
    return words[state];
}

const char *casebus_subscriber_held(const struct casebus_subscriber *self)
{
    return self->held[0] != '\0' ? self->held : NULL;
}

uint64_t casebus_subscriber_seq(const struct casebus_subscriber *self)
{
    return self->seq;
}

uint64_t casebus_subscriber_head(const struct casebus_subscriber *self)
{
    return self->head;
}

const unsigned char *casebus_subscriber_epoch(const struct casebus_subscriber *self)
{
    return self->stage == FOLLOWING ? self->intake.epoch : NULL;
}

void *casebus_subscriber_socket(const struct casebus_subscriber *self)
{
    return self->socket;
}

void casebus_subscriber_stats(const struct casebus_subscriber *self,
                              struct casebus_subscriber_stats *stats)
{
    *stats = self->intake.stats;
    stats->undecodable += self->undecodable;
    if (self->replay != NULL) {
        stats->undecodable += casebus_replay_undecodable(self->replay);
    }
}
