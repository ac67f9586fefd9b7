/* The bus's receiving: reports and what requests ask to be decided, into the batch that fills.
 */
#include "bus_private.h"

#include "clock.h"
#include "prefetch.h"

/* Reads what is left of a message that has more frames than it may. */
static void skip_rest(void *socket, zmq_msg_t *last)
{
    while (zmq_msg_more(last)) {
        if (zmq_msg_recv(last, socket, 0) < 0) {
            return;
        }
    }
}

static struct casebus_bytes bytes_of(zmq_msg_t *m)
{
    return casebus_bytes(zmq_msg_data(m), zmq_msg_size(m));
}

/* The next message, as if it were one report: there is always a body. */
static bool receive_message(struct bus *self, struct item *item)
{
    zmq_msg_init(&item->topic);
    if (!inlet_receive(&self->in, &item->topic)) {
        return false;
    }
    zmq_msg_init(&item->body);
    bool two_frames = zmq_msg_more(&item->topic);
    if (two_frames) {
        zmq_msg_recv(&item->body, self->in.socket, 0); /* frames of a message arrive together */
        if (zmq_msg_more(&item->body)) {
            skip_rest(self->in.socket, &item->body);
            two_frames = false;
        }
    }
    item->entry.topic = bytes_of(&item->topic);
    item->entry.body = two_frames ? bytes_of(&item->body) : casebus_bytes("", 0);
    return true;
}

/* The next of the bundle that is open, or what has come. */
static bool find_report(struct bus *self, struct item *item)
{
    if (self->bundle.open) {
        if (unbundle_next(&self->bundle, item)) {
            return true;
        }
        inlet_attend(&self->in);
    }
    return !self->stop && self->in.may_have && receive_message(self, item) &&
           (!unbundle_begin(&self->bundle, item) || unbundle_next(&self->bundle, item));
}

/* Of the item behind it, which there always is one of: what is written first. */
#define NEXT_ITEM offsetof(struct item, prepared.report.record)

static bool receive_report(struct bus *self, struct item *item)
{
    if (!find_report(self, item)) {
        return false;
    }
    item->submission = 0;
    item->entry = (struct apply_entry){
        .kind = APPLY_REPORT,
        .topic = item->entry.topic,
        .body = item->entry.body,
        .prepared = &item->prepared,
        .at = clock_utc_us(),
    };
    prefetch_to_write(item + 1, NEXT_ITEM, NEXT_ITEM);
    apply_prepare(item->entry.topic, item->entry.body, &item->prepared);
    return true;
}

/* May it be decided? Notes the actor who sent the message it came in; its share of that
 * message's bytes counts against him. */
static bool is_admitted(struct bus *self, struct item *item, struct noticed *untaken)
{
    return self->bundle.open
               ? admit(&self->admission, item, &self->bundle.topic, self->bundle.share, untaken)
               : admit(&self->admission, item, &item->topic,
                       item->entry.topic.size + item->entry.body.size, untaken);
}

/* Keeps it in the batch; the bytes by which that has grown. */
static size_t keep(struct bus *self, struct batch *b, struct item *item)
{
    return self->bundle.open ? unbundle_keep(&self->bundle, b, item)
                             : item->entry.topic.size + item->entry.body.size;
}

static bool receive_submission(struct bus *self, struct item *item)
{
    struct submission s;
    zmq_msg_init(&item->topic);
    if (!inlet_receive(&self->peer, &item->topic)) {
        return false;
    }
    zmq_msg_init(&item->body);
    zmq_msg_recv(&item->body, self->peer.socket, 0);
    memcpy(&s, zmq_msg_data(&item->topic), sizeof s);
    const struct submission *kept = zmq_msg_data(&item->topic);
    item->submission = s.id ? s.id : NOBODY_ASKED;
    item->entry = (struct apply_entry){
        .kind = s.kind,
        .actor = casebus_cstr(kept->actor),
        .topic = casebus_bytes("", 0),
        .body = bytes_of(&item->body),
        .at = clock_utc_us(),
    };
    return true;
}

/* Prepared, but not tied yet. */
struct untied {
    struct apply_prepared *report[CASEBUS_TIED_MAX];
    size_t count;
};

static void tie(struct untied *untied)
{
    apply_tie(untied->report, untied->count);
    untied->count = 0;
}

static void tie_with_others(struct untied *untied, struct apply_prepared *report)
{
    untied->report[untied->count++] = report;
    if (untied->count == CASEBUS_TIED_MAX) {
        tie(untied);
    }
}

/* A slice at a time, so that subscriptions and heads are not kept waiting by a flood; and no
 * longer than the commit at hand takes, for the next one begins with what is here. */
#define RECEIVE_SLICE 256

void bus_receive(struct bus *self)
{
    struct batch *b = self->filling;
    struct untied untied = {.count = 0};
    while (!self->stop && self->peer.may_have && batch_takes_submissions(b) &&
           receive_submission(self, &b->items[b->count])) {
        b->bytes += b->items[b->count++].entry.body.size;
    }
    for (int n = 0;
         n < RECEIVE_SLICE && batch_has_room(b) && !committer_is_done(self->committer) &&
         receive_report(self, &b->items[b->count]);
         n++) {
        struct item *item = &b->items[b->count];
        struct noticed untaken;
        if (!is_admitted(self, item, &untaken)) {
            if (item->prepared.head.numbered) {
                bus_notice(&self->notice, &untaken);
            }
            zmq_msg_close(&item->topic);
            zmq_msg_close(&item->body);
            continue;
        }
        tie_with_others(&untied, &item->prepared);
        b->count++;
        b->bytes += keep(self, b, item);
    }
    tie(&untied);
}
