/* casebus: reports through the publisher library, decided, fsynced and confirmed, their events
 * through the subscriber library. The time a report was sent is its source.fetched_at. */
#include "round.h"
#include "sample.h"

#include <casebus/publisher.h>
#include <casebus/subscriber.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static pid_t serve(struct round *round)
{
    int out;
    char line[1024] = "", program[4096], data[4096];
    const char *bin = getenv("CASEBUS_BIN");
    snprintf(program, sizeof program, "%s/casebus-broker", bin ? bin : ".");
    snprintf(data, sizeof data, "%s/store", round->folder);
    char any[] = "tcp://127.0.0.1:*";
    char *const argv[] = {program,    "--data", data,          "--ingest", any,  "--fanout",
                          any,        "--query", any,          "--log-level", "error", NULL};
    pid_t pid = round_spawn(argv, &out);
    FILE *ready = fdopen(out, "r");
    if (!ready || !fgets(line, sizeof line, ready) ||
        sscanf(line, "casebus-broker ready ingest=%127s fanout=%127s query=%127s", round->ingest,
               round->fanout, round->query) != 3) {
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
    char session[32];
};

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
    snprintf(self->session, sizeof self->session, "s%u", index);
    struct casebus_session_start start = {.database = "bench"};
    casebus_publisher_session_start(self->publisher, "hse", self->session, &start, PATIENCE_MS);
    sample_init(&self->sample, index);
}

static void send_case(struct source *self)
{
    int64_t rc = casebus_publisher_send(
        self->publisher, CASEBUS_REPORT_SCRAPED, casebus_bytes("hse", 3),
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

/* What is there before the clock begins. */
static void fill(struct source *self)
{
    const struct round *round = self->round;
    const unsigned share = round_share(round, self->index);
    const unsigned filled = round->filled / round->publishers;
    /* Cases that will be reported again, then others. */
    for (unsigned n = 0; round->cases != CASES_NEW && n < share; n++) {
        sample_turn_to(&self->sample, n);
        send_case(self);
    }
    for (unsigned n = 0; n < filled; n++) {
        sample_turn_to(&self->sample, share + n);
        send_case(self);
    }
    confirm(self);
}

static void publish(const struct round *round, unsigned index)
{
    struct source self;
    open_source(&self, round, index);
    fill(&self);
    round_publish();
    for (unsigned n = 0; n < round_share(round, index); n++) {
        sample_turn_to(&self.sample, n);
        if (round->cases == CASES_UPDATED && n % 2 == 1) {
            sample_correct(&self.sample, 900000 + n);
        }
        round_pace(round, n);
        if (round->rate > 0) {
            sample_stamp(&self.sample, round_clock());
        }
        send_case(&self);
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

static struct casebus_subscriber *join(const struct round *round)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    struct casebus_subscriber *subscriber;
    options.fanout = round->fanout;
    options.query = round->query;
    options.hwm = 4000000; /* throughput is measured, not loss: this side drops nothing */
    if (casebus_subscriber_new(&subscriber, options) != 0 ||
        casebus_subscriber_subscribe(subscriber, pattern_of(round), NULL) != 0 ||
        casebus_subscriber_start(subscriber) != 0 ||
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

/* Those that were put in before the clock began are not counted. */
static bool is_counted(const struct round *round, const struct casebus_event *event)
{
    unsigned long publisher, n;
    if (round->filled == 0 || round->cases != CASES_NEW) {
        return true;
    }
    const struct casebus_bytes id = event->topic.segment[3];
    return sscanf((const char *)id.data, "%lu-%lu:", &publisher, &n) == 2 &&
           n < round_share(round, (unsigned)publisher);
}

static void watch(const struct round *round, unsigned index)
{
    struct casebus_subscriber *subscriber = join(round);
    const struct casebus_event *event;
    round_watch();
    for (bool more = true; more;) {
        int rc = casebus_subscriber_next(subscriber, &event, 1000);
        if (rc == 1) {
            more = !is_counted(round, event) ||
                   round_received(round, index, sent_at(round, event));
        } else if (rc == 0) {
            more = round_waits(index);
        } else {
            round_fail("subscriber", casebus_strerror(rc));
        }
    }
    casebus_subscriber_destroy(&subscriber);
}

const struct peer peer_casebus = {"casebus", "fsynced, decided, confirmed", serve, publish,
                                  watch};
