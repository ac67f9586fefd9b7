/* A reader: every event once, and in order.
 *
 * An event is taken where nothing is missing before it in its stream (have.c). One that is not
 * taken is parked: the log is asked for what is missing, and when the answer has come the
 * parked ones are offered again, so a stream that goes on while it is repaired is not repaired
 * for ever.
 *
 * A reader that waits for proof (ordered, of more than one stream) keeps what it has taken
 * until everything before it, in every stream, is there: that is the base of have.c, which
 * heads move, normally with each batch, and events that follow on it. When more waits than it
 * may, it drops all of it and pulls: it reads the log from its cursor, all patterns, page by
 * page, each of which proves itself. Starting from the log is the same. Meanwhile what comes
 * live is dropped: the pages will have it, and what they end before is found missing by its
 * heads.
 *
 * Other readers hand over what they have taken at once. So events of a bundle mostly do not
 * wait at all, and then are not copied: they are looked at when somebody asks for the next.
 *
 * Contract: what was handed over is never handed over again, and nothing is passed over but
 * what has been told as gone. */
#include "intake.h"

#include <string.h>

void intake_init(struct intake *self, struct have *have, const char *const *patterns,
                 size_t count, const struct casebus_subscriber_options *options)
{
    memset(self, 0, sizeof *self);
    hold_init(&self->hold);
    zmq_msg_init(&self->bundle.frame);
    self->have = have;
    self->pattern = patterns;
    self->patterns = count;
    self->hold_events = options->hold_events;
    self->hold_bytes = options->hold_bytes;
    self->unordered = options->unordered;
    self->one = casebus_have_is_one(have);
    self->waits = !self->unordered && !self->one;
}

void intake_recycle(struct intake *self, struct slot **slot)
{
    if (*slot != NULL) {
        hold_recycle(&self->hold, *slot);
        *slot = NULL;
    }
}

int intake_copy(struct intake *self, struct casebus_bytes topic, struct casebus_bytes body,
                struct slot **slot_p)
{
    struct slot *slot = *slot_p = hold_slot(&self->hold);
    struct casebus_fault fault;
    int rc = slot != NULL && slot_fill(slot, topic, body) ? 0 : CASEBUS_ENOMEM;
    if (rc == 0) {
        slot_look(slot, &topic, &body);
        rc = casebus_event_read(topic, body, &slot->event, &fault);
    }
    if (rc != 0) {
        intake_recycle(self, slot_p);
    }
    return rc;
}

void intake_end(struct intake *self)
{
    intake_recycle(self, &self->blank);
    intake_recycle(self, &self->current);
    zmq_msg_close(&self->bundle.frame);
    hold_end(&self->hold);
    casebus_have_destroy(&self->have);
}

static void drop_all(struct intake *self)
{
    hold_drop(&self->hold, &self->hold.ready);
    hold_drop(&self->hold, &self->hold.parked);
}

void intake_begin(struct intake *self, const unsigned char *epoch, uint64_t seq, bool from_log)
{
    drop_all(self);
    self->bundle.left.left = 0;
    memmove(self->epoch, epoch, sizeof self->epoch); /* it may be the same */
    casebus_have_reset(self->have, seq);
    self->proved = self->handed = self->pulled = seq;
    self->pulling = from_log;
    self->pull_repairs = self->epoch_doubt = self->one_by_one = false;
    self->asked = ASKED_NOTHING;
    self->ask_at = self->doubt_at = 0;
}

static bool is_mine(struct intake *self, const unsigned char *epoch)
{
    bool mine = memcmp(self->epoch, epoch, sizeof self->epoch) == 0;
    self->epoch_doubt = self->epoch_doubt || !mine;
    return mine;
}

/* --- bounds ----------------------------------------------------------------------------- */

void intake_keep_bounds(struct intake *self)
{
    if (self->hold.count <= self->hold_events && self->hold.bytes <= self->hold_bytes) {
        return;
    }
    if (!self->waits) {
        hold_drop(&self->hold, &self->hold.parked);
        return;
    }
    const uint64_t cursor = intake_cursor(self);
    intake_begin(self, self->epoch, cursor, true);
    self->pull_repairs = true;
    self->stats.overflows++;
}

/* --- live ------------------------------------------------------------------------------- */

struct slot *intake_slot(struct intake *self)
{
    if (self->blank == NULL) {
        self->blank = hold_slot(&self->hold);
    }
    return self->blank;
}

/* What becomes of an event that has come. */
enum fate {
    TAKEN,  /* it is this reader's: it may wait, but it is not missing any more */
    PARKED, /* something before it is missing */
    DROPPED,
    FAILED /* no memory: its heads will show it missing */
};

static enum fate judge(struct intake *self, const struct casebus_event *event)
{
    switch (casebus_have_event(self->have, event)) {
    case HAVE_NEW:
        self->since_heads++;
        return TAKEN;
    case HAVE_HOLE:
        return PARKED;
    case HAVE_NO_MEMORY:
        return FAILED;
    case HAVE_DUPLICATE:
        self->stats.duplicates++;
        return DROPPED;
    case HAVE_FOREIGN:
    default:
        self->stats.undecodable++;
        return DROPPED;
    }
}

static void add(struct intake *self, struct slot *slot, enum fate fate)
{
    hold_add(&self->hold, fate == TAKEN ? &self->hold.ready : &self->hold.parked, slot);
}

int intake_offer(struct intake *self, struct slot *slot)
{
    const enum fate fate = judge(self, &slot->event);
    if (fate == TAKEN || fate == PARKED) {
        add(self, slot, fate);
        return 0;
    }
    hold_recycle(&self->hold, slot);
    return fate == FAILED ? CASEBUS_ENOMEM : 0;
}

int intake_event(struct intake *self)
{
    struct slot *slot = self->blank;
    if (!is_mine(self, slot->event.epoch) || self->pulling) {
        return 0;
    }
    self->blank = NULL;
    slot->origin = FROM_SOCKET;
    const int rc = intake_offer(self, slot);
    intake_keep_bounds(self);
    return rc;
}

void intake_bundle(struct intake *self)
{
    zmq_msg_t *frame = &self->bundle.frame;
    zmq_msg_move(frame, &self->blank->body);
    if (!casebus_bundle_read(&self->bundle.left,
                             casebus_bytes(zmq_msg_data(frame), zmq_msg_size(frame)))) {
        self->stats.undecodable++;
    } else if (self->pulling) {
        self->bundle.left.left = 0;
    }
}

int intake_heads(struct intake *self, const struct casebus_heads *heads)
{
    self->stats.heads++;
    self->since_heads = 0;
    if (!is_mine(self, heads->epoch) || self->pulling) {
        return 0;
    }
    struct casebus_reader streams;
    casebus_reader_init(&streams, heads->streams);
    for (uint32_t left = casebus_read_map(&streams); left > 0; left--) {
        const struct casebus_bytes stream = casebus_read_str(&streams);
        const uint64_t head = casebus_read_uint(&streams);
        if (streams.error != 0 || casebus_have_head(self->have, stream, head) != 0) {
            return streams.error != 0 ? 0 : CASEBUS_ENOMEM; /* it claims nothing */
        }
    }
    casebus_have_claim(self->have, heads->is_batch ? heads->before : 0, heads->seq);
    (void)casebus_have_base(self->have);
    return 0;
}

static bool is_proved(struct intake *self, uint64_t seq)
{
    if (seq > self->proved) {
        self->proved = casebus_have_base(self->have);
    }
    return seq <= self->proved;
}

/* --- handing over ----------------------------------------------------------------------- */

static bool may_go(struct intake *self, const struct casebus_event *event)
{
    return !self->waits || is_proved(self, event->seq);
}

static bool next_held(struct intake *self, const struct casebus_event **event)
{
    const struct slot *first = self->hold.ready.first;
    if (first == NULL || !may_go(self, &first->event)) {
        return false;
    }
    self->current = hold_take(&self->hold, &self->hold.ready);
    *event = &self->current->event;
    self->stats.replayed += self->current->origin == FROM_LOG;
    self->stats.repaired += self->current->origin == FROM_REPAIR;
    return true;
}

/* An event of the bundle that is to wait is copied into a slot. Where that fails, one that was
 * taken is read again, from behind what was handed over: it counts as had by now, and only a
 * reader that waits for proof keeps any. */
static void keep_bundled(struct intake *self, struct casebus_bytes body, enum fate fate)
{
    struct slot *slot;
    if (intake_copy(self, self->bundle.event.topic_text, body, &slot) == 0) {
        add(self, slot, fate);
        intake_keep_bounds(self);
    } else if (fate == TAKEN) {
        intake_begin(self, self->epoch, self->handed, true);
    }
}

/* What follows from the bundle's next event: true, it can be handed over, from where it was
 * received. Nearly all are, for nothing waits before them. */
static bool look_at_bundled(struct intake *self, struct casebus_bytes topic,
                            struct casebus_bytes body)
{
    struct casebus_event *event = &self->bundle.event;
    struct casebus_fault fault;
    if (casebus_event_read(topic, body, event, &fault) != 0) {
        self->stats.undecodable++;
        return false;
    }
    const enum fate fate = is_mine(self, event->epoch) ? judge(self, event) : DROPPED;
    if (fate == TAKEN && self->hold.ready.first == NULL && may_go(self, event)) {
        return true;
    }
    if (fate == TAKEN || fate == PARKED) {
        keep_bundled(self, body, fate);
    }
    return false;
}

static bool next_bundled(struct intake *self, const struct casebus_event **event)
{
    struct casebus_bytes topic, body;
    int rc;
    while ((rc = casebus_frames_next(&self->bundle.left, &topic, &body)) != 0) {
        self->stats.undecodable += rc < 0;
        if (rc > 0 && look_at_bundled(self, topic, body)) {
            *event = &self->bundle.event;
            return true;
        }
        if (next_held(self, event)) {
            return true;
        }
    }
    return false;
}

bool intake_next(struct intake *self, const struct casebus_event **event)
{
    intake_recycle(self, &self->current);
    if (!next_held(self, event) && !next_bundled(self, event)) {
        return false;
    }
    self->handed = (*event)->seq;
    self->stats.received++;
    return true;
}

/* --- where it stands -------------------------------------------------------------------- */

uint64_t intake_cursor(struct intake *self)
{
    const struct slot *next = self->hold.ready.first;
    const uint64_t base = casebus_have_base(self->have);
    if (base <= self->handed || (next != NULL && next->event.seq <= base)) {
        return self->handed;
    }
    return base;
}

bool intake_is_repairing(const struct intake *self)
{
    return casebus_have_holes(self->have) > 0 || self->epoch_doubt ||
           (self->pulling && self->pull_repairs);
}
