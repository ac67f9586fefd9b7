/* A subscriber's way through the messages: what stands between the sockets and its intake.
 *
 * Joining: everything before the first heads message was sent before it, so it has a seq up to
 * the one that message names, and is dropped: the subscriber begins exactly there.
 *
 * Following: first what can be handed over; then an answer, if one is due; then what the socket
 * has. While the log is pulled the socket is left alone but before each page, so that it holds
 * no more than one page's time: an event that has arrived was committed before the request
 * leaves, and the last page reaches to where the broker stood when it answered.
 *
 * Nothing relies on the socket being connected: what does not come is found missing by the next
 * heads that do.
 *
 * Contract: nothing here asks the clock for an event that waits already. */
#include "follow.h"

#include "link.h"
#include "prefetch.h"

#include <casebus/bundle.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>

#define RESEND_LOOK_MS 250  /* how often a question on its way is looked after */
#define UNANSWERED_MS 5000  /* a question, before that is said: answers take milliseconds */
#define QUIET_GRACE_MS 2000 /* two more, for who has not been there to see them */
#define LARGE_BATCH 16      /* events of it that have come */
#define ENVELOPE 192        /* bytes of an event that are read: about all but its payload */

enum message {
    NOTHING,
    EVENT,
    BUNDLE,
    HEADS
};

/* Takes one message off the socket: its number of frames, 0 if none waits, or a code. */
static int receive(struct casebus_subscriber *self, struct slot *slot)
{
    if (!self->has_first && zmq_msg_recv(&slot->topic, self->socket, ZMQ_DONTWAIT) < 0) {
        return zmq_errno() == EAGAIN ? 0 : casebus_link_error();
    }
    self->has_first = false;
    int frames = 1;
    for (bool more = zmq_msg_more(&slot->topic); more; more = zmq_msg_more(&slot->body)) {
        const int rc = casebus_link_frame(self->socket, &slot->body);
        if (rc != 0) {
            return rc;
        }
        frames++;
    }
    self->quiet_since = 0;
    self->is_silent = self->has_yielded = self->has_grace = false;
    return frames;
}

/* Asks for a body's envelope, which another thread has written: it comes while the topic is
 * looked at. And for what lies behind the body: libzmq leaves messages where it has received
 * them, several at a time, so that this is nearly always the next one. */
CASEBUS_INLINE void expect(struct casebus_bytes body)
{
    prefetch(body.data, body.size, ENVELOPE);
    prefetch((const void *)((uintptr_t)body.data + body.size), ENVELOPE, ENVELOPE);
}

static enum message decode(struct casebus_subscriber *self, struct slot *slot)
{
    struct casebus_fault fault;
    struct casebus_bytes topic, body;
    slot_look(slot, &topic, &body);
    expect(body);
    if (casebus_topic_is_heads(topic)) {
        if (casebus_heads_decode(topic, body, &self->heads, &fault) != 0) {
            return NOTHING;
        }
        casebus_heads_keep_held(&self->heads, self->held, sizeof self->held);
        return HEADS;
    }
    if (casebus_topic_is_bundle(topic)) {
        return BUNDLE;
    }
    return casebus_event_read(topic, body, &slot->event, &fault) == 0 ? EVENT : NOTHING;
}

/* The next message that can be read, in the intake's slot: NOTHING if none waits, or a code. */
static int read_message(struct casebus_subscriber *self)
{
    struct slot *slot = intake_slot(&self->intake);
    int frames;
    if (slot == NULL) {
        return CASEBUS_ENOMEM;
    }
    while ((frames = receive(self, slot)) > 0) {
        const enum message message = frames == 2 ? decode(self, slot) : NOTHING;
        if (message != NOTHING) {
            return (int)message;
        }
        self->undecodable++;
    }
    return frames;
}

static int shorter(int left, int other)
{
    return left < 0 || left > other ? other : left;
}

static int connect_again(struct casebus_subscriber *self)
{
    self->is_silent = true;
    return casebus_link_reconnect(self->socket, self->fanout);
}

/* How many milliseconds more the connection may be quiet, or a code. One over which nothing
 * comes may be dead without anybody knowing, so it is made again; what that loses is found as
 * all losses are. A process that was stopped finds the time over when it goes on, though
 * messages may wait that libzmq has not read yet: it gets a little more time before it gives
 * up. */
static int quiet_left(struct casebus_subscriber *self)
{
    const int64_t now = clock_mono_ms();
    const bool was_away = now - self->quiet_looked >= QUIET_GRACE_MS;
    self->quiet_since = self->quiet_since != 0 ? self->quiet_since : now;
    self->quiet_looked = now;
    if (now - self->quiet_since >= LINK_QUIET_MS) {
        if (was_away && !self->has_grace) {
            self->has_grace = true;
            self->quiet_since = now - LINK_QUIET_MS + QUIET_GRACE_MS;
        } else {
            self->quiet_since = now;
            const int rc = connect_again(self);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return shorter((int)(self->quiet_since + LINK_QUIET_MS - now), QUIET_GRACE_MS / 2);
}

/* Waits for the socket, which was just found empty, by receiving from it: that saves the poll()
 * of its descriptor. The first frame that comes stays in the slot that is received into. While
 * the log is pulled, waits for the time alone. */
static int wait_for_socket(struct casebus_subscriber *self, int left)
{
    if (self->intake.pulling) {
        return poll(NULL, 0, left);
    }
    struct slot *slot = intake_slot(&self->intake); /* as it was: nothing came into it */
    if (left == 0 || slot == NULL) {
        return 0;
    }
    if (zmq_setsockopt(self->socket, ZMQ_RCVTIMEO, &left, sizeof left) != 0) {
        return -1;
    }
    self->has_first = zmq_msg_recv(&slot->topic, self->socket, 0) >= 0;
    return self->has_first ? 1 : zmq_errno() == EAGAIN ? 0 : -1;
}

/* Waits for an answer, and, unless the log is pulled, for the socket. */
static int wait_for_both(struct casebus_subscriber *self, int left)
{
    zmq_pollitem_t items[2] = {
        {.socket = casebus_client_socket(self->client), .events = ZMQ_POLLIN},
        {.socket = self->socket, .events = ZMQ_POLLIN},
    };
    return zmq_poll(items, self->intake.pulling ? 1 : 2, left);
}

/* Waits for the socket, or the answer that is due, or the time of the next question: 1, 0 time
 * up, or a code. */
static int wait_for_message(struct casebus_subscriber *self, struct patience *patience)
{
    int left = patience_left(patience);
    const bool asked = self->intake.asked != ASKED_NOTHING;
    const int64_t due = intake_due(&self->intake);
    if (asked) {
        left = shorter(left, RESEND_LOOK_MS);
    } else if (due != INT64_MAX) {
        left = shorter(left, deadline_left(due));
    }
    if (!self->intake.pulling) { /* or it would always be ready */
        const int quiet = quiet_left(self);
        if (quiet < 0) {
            return quiet;
        }
        left = shorter(left, quiet);
    }
    const int ready = asked ? wait_for_both(self, left) : wait_for_socket(self, left);
    if (ready < 0) {
        return casebus_link_error();
    }
    return ready > 0 || patience_left(patience) != 0;
}

/* --- joining ---------------------------------------------------------------------------- */

static void note_head(struct casebus_subscriber *self, uint64_t seq)
{
    self->head = seq > self->head ? seq : self->head;
}

static void join_here(struct casebus_subscriber *self)
{
    self->head = self->heads.seq;
    self->seq = self->from_log ? self->from.seq : self->heads.seq;
    intake_begin(&self->intake, self->has_cursor ? self->from.epoch : self->heads.epoch,
                 self->seq, self->from_log);
    self->intake.stats.heads++;
    self->stage = FOLLOWING;
}

int casebus_follow_join(struct casebus_subscriber *self, struct patience *patience)
{
    for (;;) {
        int rc;
        while ((rc = read_message(self)) == EVENT || rc == BUNDLE) {
        }
        if (rc == HEADS) {
            join_here(self);
            return 1;
        }
        if (rc == NOTHING) {
            rc = wait_for_message(self, patience);
        }
        if (rc <= 0) {
            return rc;
        }
    }
}

/* --- asking ----------------------------------------------------------------------------- */

/* Gives what was read to the intake: 0 or a code. */
static int take_message(struct casebus_subscriber *self, int message)
{
    if (message == EVENT) {
        return intake_event(&self->intake);
    }
    if (message == BUNDLE) {
        intake_bundle(&self->intake);
        return 0;
    }
    if (memcmp(self->heads.epoch, self->intake.epoch, sizeof self->heads.epoch) == 0) {
        note_head(self, self->heads.seq);
    }
    return intake_heads(&self->intake, &self->heads);
}

/* Drops the live messages that the pages to come will hold. */
static int empty_socket(struct casebus_subscriber *self)
{
    for (int i = 0; i < self->options.hwm; i++) {
        const int message = read_message(self);
        if (message <= 0) {
            return message;
        }
        int rc = take_message(self, message);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Asks what there is to ask: 0 or a code. */
static int ask(struct casebus_subscriber *self)
{
    struct question question;
    int rc = self->intake.pulling ? empty_socket(self) : 0;
    if (rc != 0) {
        return rc;
    }
    intake_question(&self->intake, clock_mono_ms(), &question);
    if (question.count == 0) {
        return 0;
    }
    rc = casebus_replay_cover(self->replay, question.patterns, question.count);
    if (rc == 0) {
        rc = casebus_replay_ask(self->replay, question.after);
        self->asked_at = clock_mono_ms();
    }
    if (rc != 0) {
        intake_refused(&self->intake, clock_mono_ms());
    }
    return rc;
}

bool casebus_follow_is_unanswered(const struct casebus_subscriber *self)
{
    return self->intake.asked != ASKED_NOTHING &&
           clock_mono_ms() - self->asked_at >= UNANSWERED_MS;
}

static bool is_due(struct casebus_subscriber *self)
{
    const int64_t due = intake_due(&self->intake);
    return due != INT64_MAX && (due == 0 || due <= clock_mono_ms());
}

/* --- answers ---------------------------------------------------------------------------- */

/* Is it an error that passes by itself? */
static bool is_passing(int rc)
{
    return casebus_error_passes(rc) || rc == CASEBUS_ENOSPC;
}

static int take_page(struct casebus_subscriber *self, bool behind)
{
    struct casebus_bytes topic, body;
    const struct answer answer = {.epoch = casebus_replay_epoch(self->replay),
                                  .seq = casebus_replay_seq(self->replay),
                                  .through = casebus_replay_through(self->replay),
                                  .gone = casebus_replay_gone(self->replay),
                                  .behind = behind};
    const int told = intake_answer(&self->intake, clock_mono_ms(), &answer);
    if (told == CASEBUS_EEPOCH) {
        self->seq = self->head = answer.seq;
        return told;
    }
    note_head(self, answer.seq);
    while (casebus_replay_next_frames(self->replay, &topic, &body) == 1) {
        const int rc = intake_logged(&self->intake, topic, body);
        if (rc != 0) {
            return rc;
        }
    }
    intake_answered(&self->intake, clock_mono_ms());
    return told;
}

/* Takes the answer if it is there: 1 it was, 0, or a code. */
static int take_answer(struct casebus_subscriber *self)
{
    const int rc = casebus_replay_page(self->replay, 0);
    if (rc == CASEBUS_ETIMEDOUT || rc == CASEBUS_EUNREACHABLE) {
        return 0;
    }
    if (rc == CASEBUS_EINTR) {
        return rc; /* it is still on its way */
    }
    if (rc == 0 || rc == CASEBUS_EBEHIND) {
        const int told = take_page(self, rc != 0);
        return told != 0 ? told : 1;
    }
    intake_refused(&self->intake, clock_mono_ms());
    return is_passing(rc) ? 1 : rc;
}

/* --- following -------------------------------------------------------------------------- */

/* In the middle of a large batch the others are on their way: whoever else has something to do
 * for a processor that is busy gets on first, once for all that has come. A reader that slept
 * would be woken, and push him aside, for each few kilobytes. Where a processor is idle this
 * takes less than a microsecond. */
static bool yields(struct casebus_subscriber *self)
{
    const struct intake *intake = &self->intake;
    if (self->has_yielded || !intake->waits || intake->pulling ||
        intake->since_heads < LARGE_BATCH) {
        return false;
    }
    self->has_yielded = true;
    sched_yield();
    return true;
}

/* Something is there, or the time is up (0), or a code: one step on the way to an event. */
static int step(struct casebus_subscriber *self, struct patience *patience)
{
    int rc = self->intake.asked != ASKED_NOTHING ? take_answer(self) : 0;
    if (rc != 0) {
        return rc;
    }
    rc = self->intake.pulling ? NOTHING : read_message(self);
    if (rc > 0) {
        rc = take_message(self, rc);
        return rc != 0 ? rc : 1;
    }
    return rc != NOTHING ? rc : yields(self) ? 1 : wait_for_message(self, patience);
}

int casebus_follow(struct casebus_subscriber *self, const struct casebus_event **event,
                   struct patience *patience)
{
    int rc = 1;
    while (rc > 0) {
        if (is_due(self)) {
            rc = ask(self);
            if (rc != 0) {
                return rc;
            }
        }
        if (intake_next(&self->intake, event)) {
            return 1;
        }
        rc = step(self, patience);
    }
    return rc;
}
