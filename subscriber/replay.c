/* Reading the event log, page by page: what every reader that missed something does.
 *
 * A page says how far it reaches (`through`), and that is taken as a proof only where it can be
 * one: it never lies below what was asked for, and it either moves or the broker stands there.
 * Anything else would make a reader ask for ever, or believe that it has what it has not.
 *
 * Contract: the page's bytes are the client's reply, so the client is not used for anything
 * else between asking and the page's last event. */
#include <casebus/bundle.h>
#include <casebus/replay.h>

#include <stdlib.h>
#include <string.h>

struct casebus_replay {
    struct casebus_client *client;
    struct casebus_call *call;
    const char *pattern[CASEBUS_PATTERNS_MAX];
    size_t patterns;
    uint64_t after, through, gone;
    struct casebus_reply reply;
    struct casebus_frames events; /* behind what was handed over */
    struct casebus_event event;
    uint64_t undecodable;
};

int casebus_replay_new(struct casebus_replay **self_p, struct casebus_client *client)
{
    *self_p = NULL;
    struct casebus_replay *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->client = client;
    int rc = casebus_call_new(&self->call);
    if (rc != 0) {
        casebus_replay_destroy(&self);
        return rc;
    }
    *self_p = self;
    return 0;
}

void casebus_replay_destroy(struct casebus_replay **self_p)
{
    struct casebus_replay *self = *self_p;
    *self_p = NULL;
    if (self != NULL) {
        casebus_call_destroy(&self->call);
        free(self);
    }
}

int casebus_replay_audience(struct casebus_replay *self, const char *audience)
{
    return casebus_call_audience(self->call, audience);
}

int casebus_replay_cover(struct casebus_replay *self, const char *const *patterns, size_t count)
{
    if (count == 0 || count > CASEBUS_PATTERNS_MAX) {
        return CASEBUS_EINVAL;
    }
    memcpy(self->pattern, patterns, count * sizeof *patterns);
    self->patterns = count;
    return 0;
}

int casebus_replay_ask(struct casebus_replay *self, uint64_t after)
{
    struct casebus_bytes request;
    self->after = self->through = after;
    self->gone = 0;
    self->events = (struct casebus_frames){0};
    casebus_call_begin(self->call, CASEBUS_OP_LOG_REPLAY);
    casebus_call_uint(self->call, "after", after);
    casebus_call_texts(self->call, "patterns", self->pattern, self->patterns);
    casebus_call_uint(self->call, "limit", CASEBUS_REPLAY_MAX);
    int rc = casebus_call_encoded(self->call, &request);
    return rc != 0 ? rc : casebus_client_send(self->client, request);
}

int casebus_replay_page(struct casebus_replay *self, int timeout_ms)
{
    int rc = casebus_client_receive(self->client, &self->reply, timeout_ms);
    if (rc != 0) {
        return rc;
    }
    const struct casebus_bytes result = self->reply.result;
    const bool good = casebus_frames_init(&self->events, casebus_map_get(result, "events"));
    self->gone = casebus_as_uint(casebus_map_get(result, "gone"), 0);
    const uint64_t through = casebus_as_uint(casebus_map_get(result, "through"), UINT64_MAX);
    if (self->reply.seq < self->after) {
        self->events.left = 0;
        return CASEBUS_EBEHIND;
    }
    bool proves = through != UINT64_MAX && through <= self->reply.seq &&
                  (through > self->after || self->after == self->reply.seq);
    if (!good || !proves) {
        self->events.left = 0;
        return CASEBUS_EPROTO;
    }
    self->through = through;
    return 0;
}

int casebus_replay_next_frames(struct casebus_replay *self, struct casebus_bytes *topic,
                               struct casebus_bytes *body)
{
    int rc;
    while ((rc = casebus_frames_next(&self->events, topic, body)) < 0) {
        self->undecodable++;
    }
    return rc;
}

int casebus_replay_next(struct casebus_replay *self, const struct casebus_event **event)
{
    struct casebus_bytes topic, body;
    struct casebus_fault fault;
    while (casebus_replay_next_frames(self, &topic, &body) == 1) {
        if (casebus_event_decode(topic, body, &self->event, &fault) == 0) {
            *event = &self->event;
            return 1;
        }
        self->undecodable++;
    }
    return 0;
}

uint64_t casebus_replay_through(const struct casebus_replay *self)
{
    return self->through;
}

bool casebus_replay_done(const struct casebus_replay *self)
{
    return self->through >= self->reply.seq;
}

uint64_t casebus_replay_gone(const struct casebus_replay *self)
{
    return self->gone;
}

uint64_t casebus_replay_seq(const struct casebus_replay *self)
{
    return self->reply.seq;
}

const unsigned char *casebus_replay_epoch(const struct casebus_replay *self)
{
    return self->reply.epoch;
}

struct casebus_bytes casebus_replay_error_text(const struct casebus_replay *self)
{
    return self->reply.error_text;
}

uint64_t casebus_replay_undecodable(const struct casebus_replay *self)
{
    return self->undecodable;
}
