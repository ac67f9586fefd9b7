/* A subscriber's way through the messages.
 *
 * Joining: everything before the first heads message was sent before it, so it has a seq up to
 * the one that message names, and is dropped: the subscriber begins exactly there.
 *
 * Replaying: the log is read to its end, page by page, while live events wait in the socket.
 * The socket is emptied before each page is asked for, so it never holds more than one page's
 * time; nothing is lost by that, because an event that has arrived was committed before the
 * request leaves, and the last page reaches to where the broker stood when it answered. From
 * then on live events up to `through` are duplicates, and all others are still to come or in
 * the socket.
 *
 * Live: an event is judged against what there is (have.c); one behind a hole is held until the
 * hole has been reported. Heads are looked at stream by stream, one report a call.
 *
 * Contract: nothing here allocates or asks the clock for an event that waits already. */
#include "follow.h"

#include "link.h"

#include <errno.h>
#include <string.h>

#define QUESTION_INTERVAL_MS 1000
#define RESEND_LOOK_MS 250 /* how often a question on its way is looked after */

enum message {
    NOTHING,
    EVENT,
    HEADS
};

static struct casebus_bytes frame(zmq_msg_t *message)
{
    return casebus_bytes(zmq_msg_data(message), zmq_msg_size(message));
}

/* Takes one message off the socket: its number of frames, 0 if none waits, or a code. */
static int receive(struct casebus_subscriber *self)
{
    if (zmq_msg_recv(&self->topic, self->socket, ZMQ_DONTWAIT) < 0) {
        return zmq_errno() == EAGAIN ? 0 : casebus_link_error();
    }
    int frames = 1;
    for (bool more = zmq_msg_more(&self->topic); more; more = zmq_msg_more(&self->body)) {
        if (zmq_msg_recv(&self->body, self->socket, ZMQ_DONTWAIT) < 0) {
            return casebus_link_error();
        }
        frames++;
    }
    return frames;
}

static bool is_heads(struct casebus_bytes topic)
{
    return topic.size > 4 && memcmp(topic.data, "sys:", 4) == 0;
}

static enum message decode(struct casebus_subscriber *self)
{
    struct casebus_fault fault;
    const struct casebus_bytes topic = frame(&self->topic), body = frame(&self->body);
    if (is_heads(topic)) {
        return casebus_heads_decode(topic, body, &self->heads, &fault) == 0 ? HEADS : NOTHING;
    }
    return casebus_event_decode(topic, body, &self->event, &fault) == 0 ? EVENT : NOTHING;
}

/* The next message that can be read: NOTHING if none waits, or a code. */
static int read_message(struct casebus_subscriber *self)
{
    int frames;
    while ((frames = receive(self)) > 0) {
        const enum message message = frames == 2 ? decode(self) : NOTHING;
        if (message != NOTHING) {
            return (int)message;
        }
        self->stats.undecodable++;
    }
    return frames;
}

/* --- joining ---------------------------------------------------------------------------- */

static void join_here(struct casebus_subscriber *self)
{
    memcpy(self->epoch, self->heads.epoch, sizeof self->epoch);
    self->head = self->heads.seq;
    self->seq = self->from_log ? self->after : self->heads.seq;
    self->stage = self->from_log ? REPLAYING : LIVE;
    self->asked = self->reading = self->in_doubt = self->held = false;
    self->streams_left = 0;
    casebus_have_reset(self->have, self->seq);
}

/* The history has changed: what was asked for is of the old one, so it begins anew, live. */
static int leave_epoch(struct casebus_subscriber *self, int message)
{
    self->stats.epochs++;
    self->from_log = self->asked = false;
    self->stage = JOINING;
    if (message == HEADS) {
        join_here(self);
    }
    return CASEBUS_EEPOCH;
}

static bool same_epoch(const struct casebus_subscriber *self, const unsigned char *epoch)
{
    return memcmp(self->epoch, epoch, sizeof self->epoch) == 0;
}

/* A message of the history that is followed; of another one: CASEBUS_EEPOCH. */
static int read_own(struct casebus_subscriber *self)
{
    const int message = read_message(self);
    if ((message == EVENT && !same_epoch(self, self->event.epoch)) ||
        (message == HEADS && !same_epoch(self, self->heads.epoch))) {
        return leave_epoch(self, message);
    }
    if (message == HEADS) {
        self->stats.heads++;
        self->head = self->heads.seq > self->head ? self->heads.seq : self->head;
    }
    return message;
}

/* Waits for the socket, and for an answer where one is due: 1, 0 time up, or a code. */
static int wait_for_message(struct casebus_subscriber *self, struct patience *patience)
{
    zmq_pollitem_t items[2] = {{.socket = self->socket, .events = ZMQ_POLLIN}};
    int left = patience_left(patience), count = 1;
    if (self->asked) {
        items[count++] = (zmq_pollitem_t){.socket = casebus_client_socket(self->client),
                                          .events = ZMQ_POLLIN};
        left = left < 0 || left > RESEND_LOOK_MS ? RESEND_LOOK_MS : left;
    }
    const int ready = zmq_poll(items, count, left);
    if (ready < 0) {
        return casebus_link_error();
    }
    return ready > 0 || patience_left(patience) != 0;
}

static int joining(struct casebus_subscriber *self, const struct casebus_event **event,
                   struct patience *patience)
{
    (void)event;
    for (;;) {
        int rc;
        while ((rc = read_message(self)) == EVENT) {
            self->stats.duplicates++;
        }
        if (rc == HEADS) {
            self->stats.heads++;
            join_here(self);
            return FOLLOW_AGAIN;
        }
        if (rc == NOTHING) {
            rc = wait_for_message(self, patience);
        }
        if (rc <= 0) {
            return rc;
        }
    }
}

/* --- replaying -------------------------------------------------------------------------- */

/* Drops the live events that the pages to come will hold. */
static int empty_socket(struct casebus_subscriber *self)
{
    for (int i = 0; i < self->options.hwm; i++) {
        const int message = read_own(self);
        if (message <= 0) {
            return message;
        }
        self->stats.duplicates += message == EVENT;
    }
    return 0;
}

static int ask_page(struct casebus_subscriber *self)
{
    int rc = empty_socket(self);
    if (rc == 0) {
        rc = casebus_replay_cover(self->replay, (const char *const *)self->pattern,
                                  self->patterns);
    }
    if (rc == 0) {
        rc = casebus_replay_ask(self->replay, self->after);
    }
    self->asked = rc == 0;
    return rc;
}

static int go_live(struct casebus_subscriber *self, uint64_t through)
{
    self->stage = LIVE;
    self->reading = false;
    casebus_have_reset(self->have, through);
    return FOLLOW_AGAIN;
}

static bool nothing_yet(int rc)
{
    return rc == CASEBUS_ETIMEDOUT || rc == CASEBUS_EUNREACHABLE;
}

/* Waits for the page that was asked for: FOLLOW_AGAIN, 0 or a code. */
static int take_page(struct casebus_subscriber *self, struct patience *patience)
{
    int rc = casebus_replay_page(self->replay, patience_left(patience));
    if (nothing_yet(rc)) {
        return 0;
    }
    if (rc == CASEBUS_EINTR) {
        return rc; /* it is still on its way */
    }
    self->asked = false;
    if (rc == CASEBUS_EBEHIND) {
        return go_live(self, self->after); /* nothing behind `after` has happened yet */
    }
    if (rc != 0) {
        return rc;
    }
    if (!same_epoch(self, casebus_replay_epoch(self->replay))) {
        return leave_epoch(self, NOTHING);
    }
    self->reading = true;
    const uint64_t gone = casebus_replay_gone(self->replay);
    if (gone > self->after) {
        self->gap = (struct casebus_gap){
            .stream = casebus_cstr(""), .after = self->after, .through = gone};
        self->stats.gaps++;
        return CASEBUS_EGAP;
    }
    return FOLLOW_AGAIN;
}

static int read_page(struct casebus_subscriber *self, const struct casebus_event **event)
{
    const uint64_t undecodable = casebus_replay_undecodable(self->replay);
    const int rc = casebus_replay_next(self->replay, event);
    self->stats.undecodable += casebus_replay_undecodable(self->replay) - undecodable;
    if (rc == 1) {
        self->stats.events++;
        self->stats.replayed++;
        return 1;
    }
    self->reading = false;
    self->after = casebus_replay_through(self->replay);
    return casebus_replay_done(self->replay) ? go_live(self, self->after) : FOLLOW_AGAIN;
}

static int replaying(struct casebus_subscriber *self, const struct casebus_event **event,
                     struct patience *patience)
{
    if (self->reading) {
        return read_page(self, event);
    }
    if (!self->asked) {
        int rc = ask_page(self);
        return rc == 0 ? FOLLOW_AGAIN : rc;
    }
    return take_page(self, patience);
}

/* --- live ------------------------------------------------------------------------------- */

static int report_gap(struct casebus_subscriber *self)
{
    self->stats.gaps++;
    return CASEBUS_EGAP;
}

/* Judges the event that was read: 1, 0 dropped, or CASEBUS_EGAP and the event held. */
static int take_event(struct casebus_subscriber *self, const struct casebus_event **event)
{
    self->held = false;
    switch (casebus_have_event(self->have, &self->event, &self->gap)) {
    case HAVE_NEW:
        self->stats.events++;
        *event = &self->event;
        return 1;
    case HAVE_HOLE:
        self->held = true;
        return report_gap(self);
    case HAVE_DUPLICATE:
        self->stats.duplicates++;
        return 0;
    case HAVE_FOREIGN:
    default:
        self->stats.undecodable++;
        return 0;
    }
}

static void open_heads(struct casebus_subscriber *self)
{
    casebus_reader_init(&self->streams, self->heads.streams);
    self->streams_left = casebus_read_map(&self->streams);
    self->in_doubt = true;
}

/* Looks at the heads that are left: CASEBUS_EGAP at the first hole, or 0. */
static int take_heads(struct casebus_subscriber *self)
{
    while (self->streams_left > 0) {
        self->streams_left--;
        const struct casebus_bytes stream = casebus_read_str(&self->streams);
        const uint64_t head = casebus_read_uint(&self->streams);
        if (self->streams.error != 0) {
            self->streams_left = 0;
            self->stats.undecodable++;
        } else if (casebus_have_head(self->have, stream, head, self->heads.seq, &self->gap) ==
                   HAVE_HOLE) {
            return report_gap(self);
        }
    }
    return 0;
}

static void ask_question(struct casebus_subscriber *self)
{
    const char *patterns[CASEBUS_PATTERNS_MAX];
    uint64_t after;
    const int64_t now = now_ms();
    self->in_doubt = false; /* until the next heads message */
    if (now < self->question_at) {
        return;
    }
    const size_t count = casebus_have_doubts(self->have, patterns, &after);
    if (count > 0 && casebus_replay_cover(self->replay, patterns, count) == 0 &&
        casebus_replay_ask(self->replay, after) == 0) {
        self->asked = true;
        self->question_at = now + QUESTION_INTERVAL_MS;
        self->stats.questions++;
    }
}

/* Takes the answer if it is there. A refusal is no answer: the doubt stays, and the next heads
 * message brings the question again. */
static void take_answer(struct casebus_subscriber *self)
{
    const struct casebus_event *event;
    const int rc = casebus_replay_page(self->replay, 0);
    if (nothing_yet(rc)) {
        return;
    }
    self->asked = false;
    if (rc != 0 || !same_epoch(self, casebus_replay_epoch(self->replay))) {
        return;
    }
    while (casebus_replay_next(self->replay, &event) == 1) {
        casebus_have_found(self->have, event->topic_text, event->seq);
    }
    casebus_have_answered(self->have, casebus_replay_through(self->replay));
}

/* Also while events come without a pause: a hole in a quiet topic shows no other way. */
static void settle_doubts(struct casebus_subscriber *self)
{
    if (self->replay == NULL) {
        return;
    }
    if (self->asked) {
        take_answer(self);
    } else if (self->in_doubt) {
        ask_question(self);
    }
}

/* What is left over from before comes first: 1, CASEBUS_EGAP, or 0. */
static int take_left_over(struct casebus_subscriber *self, const struct casebus_event **event)
{
    if (self->held) {
        return take_event(self, event);
    }
    int rc = take_heads(self);
    if (rc == 0 && self->single_topics) {
        settle_doubts(self);
        rc = casebus_have_missed(self->have, &self->gap) ? report_gap(self) : 0;
    }
    return rc;
}

static int live(struct casebus_subscriber *self, const struct casebus_event **event,
                struct patience *patience)
{
    for (;;) {
        int rc = take_left_over(self, event);
        if (rc != 0) {
            return rc;
        }
        while ((rc = read_own(self)) == EVENT) {
            rc = take_event(self, event);
            if (rc != 0) {
                return rc;
            }
        }
        if (rc < 0) {
            return rc;
        }
        if (rc == HEADS) {
            open_heads(self);
        } else {
            rc = wait_for_message(self, patience);
        }
        if (rc <= 0) {
            return rc;
        }
    }
}

int casebus_follow(struct casebus_subscriber *self, const struct casebus_event **event,
                   struct patience *patience)
{
    typedef int stretch(struct casebus_subscriber *, const struct casebus_event **,
                        struct patience *);
    static stretch *const stretches[] = {
        [JOINING] = joining, [REPLAYING] = replaying, [LIVE] = live};
    return stretches[self->stage](self, event, patience);
}
