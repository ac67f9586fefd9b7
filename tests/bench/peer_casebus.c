/* casebus: reports through the publisher library, decided, fsynced and confirmed, their events
 * through the subscriber library. The time a report was sent is its source.fetched_at. */
#include "ask.h"
#include "idle.h"
#include "round.h"
#include "sample.h"

#include <casebus/limits.h>
#include <casebus/publisher.h>
#include <casebus/subscriber.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define PATIENCE_MS 60000

static pid_t serve(struct round *round)
{
    if (round->attached > 0) {
        return round->attached;
    }
    int out;
    char line[1024] = "", program[4096], data[4096];
    const char *bin = getenv("CASEBUS_BIN");
    snprintf(program, sizeof program, "%s/casebus-broker", bin ? bin : ".");
    snprintf(data, sizeof data, "%s%s", round->store ? round->store : round->folder,
             round->store ? "" : "/store");
    char any[] = "tcp://127.0.0.1:*";
    char *const argv[] = {program, "--data",  data, "--ingest",    any,     "--fanout",
                          any,     "--query", any,  "--log-level", "error", NULL};
    pid_t pid = round_spawn(argv, &out);
    FILE *ready = fdopen(out, "r");
    if (!ready || !fgets(line, sizeof line, ready) ||
        sscanf(line, "casebus-broker ready ingest=%127s fanout=%127s query=%127s",
               round->ingest, round->fanout, round->query) != 3) {
        round_fail("broker", "did not become ready");
    }
    fclose(ready);
    return pid;
}

/* --- publishing --------------------------------------------------------------------------- */

struct source {
    const struct round *round;
    unsigned index;
    struct casebus_publisher *publisher;
    struct sample sample;
    char session[32]; /* the same id with every agency; of this round alone */
};

static struct casebus_bytes agency_of(const struct round *round, unsigned n, char code[4])
{
    snprintf(code, 4, "hse");
    if (round->agencies > 1) {
        snprintf(code, 4, "x%02x", n % round->agencies & 0xffu);
    }
    return casebus_bytes(code, 3);
}

static void refused(void *arg, const struct casebus_refusal *refusal)
{
    (void)arg;
    round_fail("publisher", casebus_strerror(refusal->code));
}

static void open_source(struct source *self, const struct round *round, unsigned index)
{
    struct casebus_publisher_options options = casebus_publisher_options();
    char outbox[4096];
    *self = (struct source){.round = round, .index = index};
    options.ingest = round->ingest;
    options.query = round->query;
    options.verify = false; /* these reports are known to be right */
    options.refused = refused;
    if (round->outbox) {
        snprintf(outbox, sizeof outbox, "%s/outbox-%u", round->folder, index);
        options.outbox = outbox;
        options.outbox_group = 512;
    }
    int rc = casebus_publisher_new(&self->publisher, options);
    if (rc != 0) {
        round_fail("publisher", casebus_strerror(rc));
    }
    snprintf(self->session, sizeof self->session, "s%u-%u", index, round->first);
    sample_init(&self->sample, index, round->report_size, strlen(self->session));
}

static void start_sessions(struct source *self)
{
    struct casebus_session_start start = {.database = "bench"};
    for (unsigned i = 0; i < self->round->agencies; i++) {
        char agency[4];
        agency_of(self->round, i, agency);
        if (casebus_publisher_session_start(self->publisher, agency, self->session, &start,
                                            PATIENCE_MS) < 0) {
            round_fail("publisher", "a session cannot be started");
        }
    }
}

/* The round's n-th case of this publisher becomes the one at hand. */
static void turn_to(struct source *self, unsigned n)
{
    n += self->round->first;
    sample_turn_to(&self->sample, n);
    if (self->round->scattered) {
        sample_scatter(&self->sample, n);
    }
}

static void send_case(struct source *self, unsigned n)
{
    char agency[4];
    int64_t rc = casebus_publisher_send(
        self->publisher, CASEBUS_REPORT_SCRAPED, agency_of(self->round, n, agency),
        casebus_bytes(self->sample.key, self->sample.key_size), casebus_cstr(self->session),
        casebus_bytes(self->sample.data.data, self->sample.data.size), PATIENCE_MS);
    if (rc < 0) {
        round_fail("publisher", casebus_strerror((int)rc));
    }
}

static void confirm(struct source *self)
{
    int rc = casebus_publisher_confirm(self->publisher, 0, PATIENCE_MS);
    if (rc != 0) {
        round_fail("publisher", "not all was confirmed");
    }
}

/* Cases that will be reported again are there before the clock begins. */
static void report_first(struct source *self)
{
    const unsigned share = round_share(self->round, self->index);
    for (unsigned n = 0; self->round->cases != CASES_NEW && n < share; n++) {
        turn_to(self, n);
        send_case(self, n);
    }
    confirm(self);
}

static void publish(const struct round *round, unsigned index)
{
    struct source self;
    open_source(&self, round, index);
    start_sessions(&self);
    report_first(&self);
    round_publish();
    for (unsigned n = 0; n < round_share(round, index); n++) {
        turn_to(&self, n);
        if (round->cases == CASES_UPDATED && n % 2 == 1) {
            sample_correct(&self.sample, 900000 + n);
        }
        round_pace(round, n);
        if (round->rate > 0) {
            sample_stamp(&self.sample, round_clock());
        }
        send_case(&self, n);
        if (round->rate > 0) {
            casebus_publisher_pump(self.publisher, 0);
        }
    }
    confirm(&self);
    sample_end(&self.sample);
    casebus_publisher_destroy(&self.publisher);
}

/* --- watching ----------------------------------------------------------------------------- */

/* Every report has one event of this kind. */
static const char *pattern_of(const struct round *round)
{
    return round->cases == CASES_NEW ? "case:created" : "case:synced";
}

static void subscribe(struct casebus_subscriber *subscriber, const struct round *round)
{
    char nothing[64];
    int rc = casebus_subscriber_subscribe(subscriber, pattern_of(round), NULL);
    for (unsigned i = 1; i < round->patterns && rc == 0; i++) {
        snprintf(nothing, sizeof nothing, "case:created:hse:none-%u", i);
        rc = casebus_subscriber_subscribe(subscriber, nothing, NULL);
    }
    if (rc != 0) {
        round_fail("subscriber", casebus_strerror(rc));
    }
}

static struct casebus_subscriber *join(const struct round *round)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_subscriber *subscriber;
    options.fanout = round->fanout;
    options.query = round->query;
    options.hwm = 4000000; /* throughput is measured, not loss: this side drops nothing */
    if (casebus_subscriber_new(&subscriber, options) != 0) {
        round_fail("subscriber", "cannot be made");
    }
    subscribe(subscriber, round);
    if (casebus_subscriber_start(subscriber) != 0 ||
        casebus_subscriber_join(subscriber, PATIENCE_MS) != 1) {
        round_fail("subscriber", "cannot join");
    }
    return subscriber;
}

static uint64_t sent_at(const struct round *round, const struct casebus_event *event)
{
    if (round->rate == 0) {
        return 0;
    }
    const struct casebus_bytes source = casebus_map_get(event->payload, "source");
    return source.data ? casebus_as_uint(casebus_map_get(source, "fetched_at"), 0) : 0;
}

static void watch(const struct round *round, unsigned index)
{
    struct casebus_subscriber *subscriber = join(round);
    const struct casebus_event *event;
    round_watch();
    for (bool more = true; more;) {
        int rc = casebus_subscriber_next(subscriber, &event, 1000);
        if (rc == 1) {
            more = round_received(round, index, sent_at(round, event));
        } else if (rc == 0) {
            more = round_waits(index);
        } else {
            round_fail("subscriber", casebus_strerror(rc));
        }
    }
    casebus_subscriber_destroy(&subscriber);
}

/* --- reading ------------------------------------------------------------------------------ */

/* As much as it can, until it is ended: cases at random, of those that are there. */
static void read_on(const struct round *round, unsigned index)
{
    struct asker asker;
    const struct way *way = way_named("get, pipelined");
    void *context = zmq_ctx_new();
    asker_init(&asker, ASKED_CASEBUS, round->there, index);
    void *s = asker_connect(&asker, context, round->query, way);
    round_read();
    for (;;) {
        asker_exchange(&asker, way, s);
        round_answered();
    }
}

const struct peer peer_casebus = {.name = "casebus",
                                  .promise = "fsynced, decided, confirmed",
                                  .serve = serve,
                                  .publish = publish,
                                  .watch = watch,
                                  .idle = idle_watch,
                                  .read = read_on};
