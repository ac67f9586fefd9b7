/* Seeing reports through: what goes to the socket again, what comes back, what follows.
 *
 * Reports go out in order of their numbers (gather.c), a cursor says how far. The broker
 * decides them in the same order and drops what comes out of it, so there is one way to send
 * again: the cursor is set back, and everything from there goes out once more. That happens
 * when a connection is new, when the broker names the number it wants, and when nothing has
 * moved for a while (pace.c).
 *
 * Confirmations come by a long poll, one at a time. The next goes out when one has brought
 * something: at once if the caller waits, the window is half full or no more may go out before;
 * otherwise some milliseconds after the one before, for a poll wakes threads here and at the
 * broker, and would be answered after each commit. After one that has not, a moment later, so
 * that a broker which answers `want` at once is not asked in a tight loop. The poll's `after`
 * is also what the broker measures its window by: no report is sent beyond the last one it has
 * certainly seen, and when half the window has been confirmed since, a poll that does not wait
 * moves it. Polls name the sessions that are open, and go on while there is one: they are its
 * heartbeat.
 *
 * Nothing here waits except step(), which every blocking call is a loop around. */
#include "handle.h"

#include "clock.h"

#include <sodium.h>
#include <string.h>

#define POLL_ANSWER_MS 2000 /* an answer may be late by this much */
#define BLOCKED_MS 2        /* a full queue does not say when it has drained */

/* --- time --------------------------------------------------------------------------------- */

int64_t casebus_publisher_until(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
}

/* --- out ---------------------------------------------------------------------------------- */

void casebus_publisher_go_back(struct casebus_publisher *self, uint64_t number, int64_t now)
{
    uint64_t before = self->window.first - 1;
    self->cursor = number - 1 > before ? number - 1 : before;
    casebus_pace_resent(&self->pace, now, randombytes_random());
}

static void listen_to_link(struct casebus_publisher *self, int64_t now)
{
    if (casebus_ingest_listen(&self->ingest)) {
        self->stats.links++;
        if (self->cursor > self->decided) {
            casebus_publisher_go_back(self, self->decided + 1, now);
        }
        /* The poll that was out may have gone down with the old connection. */
        self->poll_out = false;
        self->poll_due = now;
    }
    self->stats.linked = ingest_linked(&self->ingest);
}

static bool is_undecided(const struct casebus_publisher *self)
{
    return self->stats.confirmed < self->stats.stored;
}

/* Something is to be learnt from a poll, or to be said by it: that a session is alive. */
static bool wants_poll(const struct casebus_publisher *self)
{
    return is_undecided(self) || self->sessions.count > 0;
}

/* The caller will have to wait for confirmations, or reports wait for them to go out. */
static bool is_pressed(const struct casebus_publisher *self)
{
    return self->window.count > self->options.window / 2 ||
           self->window.bytes > self->options.window_bytes / 2 ||
           (self->cursor < window_last(&self->window) &&
            self->cursor >= casebus_publisher_sendable(self));
}

static int send_poll(struct casebus_publisher *self, int64_t now)
{
    bool behind = self->stats.confirmed - self->granted > CASEBUS_PUBLISHER_WINDOW / 2;
    struct confirm_poll poll = {
        .publisher = self->id,
        .after = self->stats.confirmed - self->base,
        .wait_ms = behind || !self->met ? 0 : casebus_sessions_wait_ms(&self->sessions),
        .outbox = self->outbox != NULL,
        .state = &self->settled.broker,
    };
    poll.sessions = casebus_sessions_share(&self->sessions, &poll.session_count);
    self->request.size = 0;
    casebus_confirm_encode(&poll, &self->request);
    struct casebus_bytes bytes = casebus_bytes(self->request.data, self->request.size);
    int rc = casebus_query_ask(&self->query, bytes, &self->poll_key);
    self->poll_unsent = rc == 0;
    if (rc == 1) {
        self->poll_out = true;
        self->poll_sent = now;
        self->poll_after = self->stats.confirmed;
        self->poll_retry = now + poll.wait_ms + POLL_ANSWER_MS;
        self->stats.polls++;
    }
    return rc < 0 ? rc : 0;
}

/* --- in ----------------------------------------------------------------------------------- */

static int take_answers(struct casebus_publisher *self, int64_t now)
{
    uint64_t key;
    zmq_msg_t message;
    int error = 0;
    while (!error && casebus_query_answer(&self->query, &key, &message) == 1) {
        if (self->poll_out && key == self->poll_key) {
            struct casebus_bytes body =
                casebus_bytes(zmq_msg_data(&message), zmq_msg_size(&message));
            error = casebus_publisher_answered(self, body, now);
        } else if (key == self->ask_key && !self->ask_answered) {
            self->ask_answered = true;
            zmq_msg_move(&self->ask_answer, &message);
        }
        zmq_msg_close(&message);
    }
    return error;
}

void casebus_publisher_hurry(struct casebus_publisher *self, int64_t now)
{
    if (self->poll_gathers) {
        self->poll_gathers = false;
        self->poll_due = now;
    }
}

/* --- turns -------------------------------------------------------------------------------- */

static bool silence_counts(const struct casebus_publisher *self)
{
    return self->cursor > self->decided && !self->blocked && ingest_linked(&self->ingest);
}

static int turn(struct casebus_publisher *self, int64_t now, bool gathers)
{
    int error = casebus_publisher_tell_kept(self);
    listen_to_link(self, now);
    error = error ? error : take_answers(self, now);
    if (!error && silence_counts(self) && now >= casebus_pace_due(&self->pace)) {
        casebus_publisher_go_back(self, self->decided + 1, now);
    }
    if (!error) {
        error = casebus_publisher_feed(self, now);
    }
    if (!error) {
        self->blocked = false; /* or it is found out again */
        error = casebus_publisher_flush(self, gathers);
    }
    if (self->poll_out && now >= self->poll_retry) {
        self->poll_out = false;
        self->poll_due = now;
    }
    if (self->poll_gathers && is_pressed(self)) {
        casebus_publisher_hurry(self, now);
    }
    if (!error && !self->poll_out && wants_poll(self) && now >= self->poll_due) {
        error = send_poll(self, now);
    }
    return error;
}

static int turn_once(struct casebus_publisher *self, int64_t now, bool gathers)
{
    if (!self->dead) {
        self->dead = turn(self, now, gathers);
        self->untended = 0;
    }
    return self->dead;
}

int casebus_publisher_turn(struct casebus_publisher *self, int64_t now)
{
    return turn_once(self, now, false);
}

int casebus_publisher_turn_in_flood(struct casebus_publisher *self, int64_t now)
{
    return turn_once(self, now, true);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_timer(const struct casebus_publisher *self, int64_t now, int64_t until)
{
    int64_t next = until;
    if (self->poll_out) {
        next = earlier(next, self->poll_retry);
    } else if (wants_poll(self) && !self->poll_unsent) {
        next = earlier(next, self->poll_due);
    }
    if (silence_counts(self)) {
        next = earlier(next, casebus_pace_due(&self->pace));
    }
    if (self->blocked) {
        next = earlier(next, now + BLOCKED_MS);
    }
    return next;
}

int casebus_publisher_step(struct casebus_publisher *self, int64_t until)
{
    if (self->dead) {
        return self->dead;
    }
    int64_t now = clock_mono_ms();
    if (until > self->poll_due) { /* the caller has nothing else to do meanwhile */
        casebus_publisher_hurry(self, now);
    }
    int64_t wait = next_timer(self, now, until) - now;
    zmq_pollitem_t items[2] = {
        {.socket = self->ingest.socket, .events = ZMQ_POLLIN},
        {.socket = self->query.socket, .events = ZMQ_POLLIN},
    };
    if (self->poll_unsent && wants_poll(self)) {
        items[1].events |= ZMQ_POLLOUT;
    }
    if (wait > 0 && zmq_poll(items, 2, wait < 60000 ? wait : 60000) < 0) {
        return zmq_errno() == EINTR ? CASEBUS_EINTR : CASEBUS_EIO;
    }
    return casebus_publisher_turn(self, clock_mono_ms());
}
