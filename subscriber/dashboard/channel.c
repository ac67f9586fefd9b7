/* Channels: live views as a stream of messages.
 *
 * What an id must mean: "I have everything up to here", for several views at once, of which
 * each has its own snapshots. So messages have marks that never fall, whichever view they are
 * of: the seq of the snapshot, or the highest mark so far where that is higher. Listeners take
 * messages in the order of publishing; after a break everything with a mark not below the last
 * one received is sent again, and taking a message twice does no harm. Where the ring does not
 * reach back so far, the list is sent whole.
 *
 * Contract: everything happens on one thread; views call back from casebus_views_step(). */
#include "channel_private.h"

#include "../deadline.h"
#include "view_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MS 1000   /* what a view says of itself, at most so often */
#define LINGER_MS 60000 /* a channel nobody listens to is kept for who comes back */

/* --- messages ----------------------------------------------------------------------------- */

void message_drop(struct message **self_p)
{
    struct message *self = *self_p;
    *self_p = NULL;
    if (self != NULL && --self->refs == 0) {
        free(self);
    }
}

static void wake(struct channel *self)
{
    struct listener *next;
    for (struct listener *at = self->listeners; at != NULL; at = next) {
        next = at->next;
        at->woken(at->arg);
    }
}

/* --- the ring ----------------------------------------------------------------------------- */

static void drop_oldest(struct channel *self)
{
    struct message **slot = slot_of(self, self->first);
    self->lost_mark = (*slot)->mark;
    self->bytes -= (*slot)->size;
    self->first++;
    message_drop(slot);
}

static void drop_all(struct channel *self)
{
    while (self->first < self->end) {
        drop_oldest(self);
    }
}

static void push(struct channel *self, struct message *message)
{
    while (self->first < self->end && (self->end - self->first == self->channels->room ||
                                       self->bytes + message->size > RING_BYTES)) {
        drop_oldest(self);
    }
    *slot_of(self, self->end) = message;
    self->end++;
    self->bytes += message->size;
}

static struct sent sent_of(const struct casebus_row *row)
{
    return (struct sent){.key = XXH3_128bits(row->key, strlen(row->key)),
                         .data = XXH3_128bits(row->data.data, row->data.size)};
}

static bool was_sent(const struct channel *self, const struct sent *row)
{
    for (size_t i = 0; i < self->sent_count; i++) {
        if (XXH128_isEqual(self->sent[i].key, row->key)) {
            return XXH128_isEqual(self->sent[i].data, row->data) != 0;
        }
    }
    return false;
}

static bool same_order(const struct channel *self, const struct sent *now, size_t count)
{
    bool same = count == self->sent_count;
    for (size_t i = 0; same && i < count; i++) {
        same = XXH128_isEqual(self->sent[i].key, now[i].key) != 0;
    }
    return same;
}

/* The history is another one: marks begin anew, nothing that was kept can be gone on from, and
 * how far a list was complete says nothing about it. */
static void follow_epoch(struct channels *self)
{
    const unsigned char *const epoch = casebus_views_epoch(self->views);
    if (epoch == NULL || memcmp(epoch, self->epoch, sizeof self->epoch) == 0) {
        return;
    }
    memcpy(self->epoch, epoch, sizeof self->epoch);
    self->mark = 0;
    for (struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        drop_all(channel);
        channel->lost_mark = 0;
        message_drop(&channel->state);
        channel->state_due = true;
    }
}

static void publish(struct channel *self, struct message *message)
{
    self->begun = true;
    message_drop(&self->whole);
    if (message == NULL) { /* no memory: whoever listens gets the list whole, later */
        self->lost_mark = self->channels->mark;
        drop_all(self);
        self->end++;
        self->first = self->end;
    } else {
        message->order = ++self->channels->order;
        push(self, message);
    }
    wake(self);
}

/* Makes a message of the rows that are not as they were last sent, where there are any. */
static void tell_rows(struct channel *self, const struct casebus_row *rows, size_t count,
                      bool reset)
{
    struct sent *const now = calloc(count + 1, sizeof *now);
    bool *const wanted = calloc(count + 1, sizeof *wanted);
    bool changed = reset || !self->begun;
    if (now == NULL || wanted == NULL) {
        free(now);
        free(wanted);
        free(self->sent);
        self->sent = NULL;
        self->sent_count = 0;
        publish(self, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        now[i] = sent_of(&rows[i]);
        wanted[i] = reset || !was_sent(self, &now[i]);
        changed = changed || wanted[i];
    }
    changed = changed || !same_order(self, now, count);
    reset = reset || !self->begun;
    free(self->sent);
    self->sent = now;
    self->sent_count = count;
    if (changed) {
        publish(self, words_of_rows(self, rows, count, reset ? NULL : wanted));
    }
    free(wanted);
}

static void rows_changed(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    struct channel *const self = arg;
    struct casebus_view_status status;
    casebus_view_status(view, &status);
    follow_epoch(self->channels);
    self->seq = status.seq;
    self->newer = status.newer;
    self->cut = status.cut;
    if (status.seq > self->channels->mark) {
        self->channels->mark = status.seq;
    }
    tell_rows(self, diff->now, diff->now_count, diff->reset);
    self->state_due = true;
}

/* --- states ------------------------------------------------------------------------------- */

/* Makes a message of the words in `scratch`, where they differ from those of *now. */
static void tell(struct channel *self, struct message **now, unsigned *number)
{
    const struct text *const out = &self->channels->scratch;
    if (*now != NULL && (*now)->size == out->size &&
        memcmp((*now)->data, text_get(out), out->size) == 0) {
        return;
    }
    struct message *const message = message_of_scratch(self->channels);
    if (message != NULL) {
        message_drop(now);
        *now = message;
        *number += 1;
        wake(self);
    }
}

static void state_changed(void *arg, struct casebus_view *view)
{
    struct channel *const self = arg;
    (void)view;
    self->state_due = true;
}

static void session_changed(void *arg, struct casebus_view *view,
                            const struct casebus_diff *diff)
{
    struct channel *const self = arg;
    (void)view;
    if (diff->now_count == 0) {
        return;
    }
    if (write_session(self, diff->now[0].data)) {
        tell(self, &self->about, &self->about_number);
    }
}

/* --- opened and closed -------------------------------------------------------------------- */

static void channel_free(struct channel *self)
{
    if (self->ring != NULL) {
        drop_all(self);
    }
    if (self->view != NULL) {
        casebus_view_close(&self->view);
    }
    if (self->session != NULL) {
        casebus_view_close(&self->session);
    }
    message_drop(&self->whole);
    message_drop(&self->state);
    message_drop(&self->about);
    free(self->ring);
    free(self->sent);
    free(self->actor);
    free(self->name);
    free(self);
}

static int open_views(struct channel *self, const struct view_name *name)
{
    struct casebus_view_options options = casebus_view_options();
    options.refetch_window_ms = name->window_ms;
    options.bytes_max = name->bytes_max;
    if (self->actor[0] != '\0') {
        options.refetch_interval_ms =
            name->window_ms; /* what he may see can change by itself */
    }
    options.after_fetch = rows_changed;
    options.state_changed = state_changed;
    options.arg = self;
    int rc = casebus_view_open(&self->view, self->channels->views, name->query, options, NULL);
    if (rc == 0 && name->with_session) {
        options.after_fetch = session_changed;
        options.state_changed = NULL;
        rc = casebus_view_open(&self->session, self->channels->views, name->session, options,
                               NULL);
    }
    return rc;
}

static void set_actor(struct casebus_query *query, const char *actor)
{
    snprintf(query->on_behalf, sizeof query->on_behalf, "%s", actor);
}

static int channel_new(struct channel **self_p, struct channels *channels, const char *actor,
                       const char *text)
{
    struct view_name name;
    struct channel *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->channels = channels;
    self->actor = strdup(actor);
    self->name = strdup(text);
    self->ring = calloc(channels->room, sizeof(struct message *));
    int rc = self->actor == NULL || self->name == NULL || self->ring == NULL
                 ? CASEBUS_ENOMEM
                 : view_name_read(&name, text);
    if (rc == 0) {
        set_actor(&name.query, actor);
        set_actor(&name.session, actor);
        rc = open_views(self, &name);
    }
    if (rc != 0) {
        channel_free(self);
        return rc == CASEBUS_EINVAL ? CASEBUS_EVALUE : rc;
    }
    self->idle_since = clock_mono_ms();
    self->state_due = true;
    self->next = channels->first;
    channels->first = self;
    channels->stats.channels++;
    *self_p = self;
    return 0;
}

static void channel_end(struct channels *self, struct channel *channel)
{
    struct channel **at = &self->first;
    while (*at != channel) {
        at = &(*at)->next;
    }
    *at = channel->next;
    self->stats.channels--;
    channel_free(channel);
}

static bool is_of(const struct channel *self, const char *actor)
{
    return actor == NULL || strcmp(self->actor, actor) == 0;
}

static unsigned count_of(const struct channels *self, const char *actor)
{
    unsigned count = 0;
    for (struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        count += is_of(channel, actor);
    }
    return count;
}

/* The one of the actor's (NULL: of all) that nobody has listened to for longest; NULL: all are
 * listened to. */
static struct channel *idlest(const struct channels *self, const char *actor)
{
    struct channel *found = NULL;
    int64_t since = INT64_MAX;
    for (struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        if (is_of(channel, actor) && channel->idle_since < since) {
            since = channel->idle_since;
            found = channel;
        }
    }
    return found;
}

/* For one more of the actor's; where there is none the idlest goes, of his own or of all. 0,
 * CASEBUS_EBUSY. */
static int make_room(struct channels *self, const char *actor)
{
    const bool full = actor[0] != '\0' && count_of(self, actor) == CHANNELS_AN_ACTOR;
    if (!full && self->stats.channels < CHANNELS_MAX) {
        return 0;
    }
    struct channel *const idle = idlest(self, full ? actor : NULL);
    if (idle == NULL) {
        return CASEBUS_EBUSY;
    }
    channel_end(self, idle);
    return 0;
}

int channel_find(struct channels *self, const char *actor, const char *name,
                 struct channel **found)
{
    for (struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        if (strcmp(channel->name, name) == 0 && strcmp(channel->actor, actor) == 0) {
            *found = channel;
            return 0;
        }
    }
    const int rc = make_room(self, actor);
    return rc == 0 ? channel_new(found, self, actor, name) : rc;
}

int channels_new(struct channels **self_p, struct dashboard *dashboard)
{
    struct channels *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    struct casebus_views_options options = casebus_views_options();
    options.audience = dashboard->settings.audience;
    options.fanout = dashboard->settings.fanout;
    options.query = dashboard->settings.query;
    options.secret = dashboard->settings.secret;
    options.server = dashboard->settings.server;
    options.context = dashboard->zmq;
    self->dashboard = dashboard;
    self->room = dashboard->settings.ring;
    const int rc = casebus_views_new(&self->views, options);
    if (rc != 0) {
        channels_destroy(&self);
    }
    *self_p = self;
    return rc;
}

void channels_destroy(struct channels **self_p)
{
    struct channels *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    while (self->first != NULL) {
        channel_end(self, self->first);
    }
    if (self->views != NULL) {
        casebus_views_destroy(&self->views);
    }
    text_free(&self->scratch);
    free(self);
}

struct casebus_views *channels_views(const struct channels *self)
{
    return self->views;
}

void channels_stats(const struct channels *self, struct channels_stats *stats)
{
    *stats = self->stats;
}

/* --- in time ------------------------------------------------------------------------------ */

void channels_step(struct channels *self)
{
    const int64_t now = clock_mono_ms();
    struct channel *next;
    for (struct channel *channel = self->first; channel != NULL; channel = next) {
        next = channel->next;
        if (channel->listeners == NULL && now - channel->idle_since >= LINGER_MS) {
            channel_end(self, channel);
        } else if (channel->state_due && now >= channel->state_at) {
            channel->state_due = false;
            channel->state_at = now + STATE_MS;
            write_state(channel);
            tell(channel, &channel->state, &channel->state_number);
        }
    }
}

int channels_timeout(const struct channels *self)
{
    int64_t due = INT64_MAX;
    for (const struct channel *channel = self->first; channel != NULL;
         channel = channel->next) {
        const int64_t end =
            channel->listeners == NULL ? channel->idle_since + LINGER_MS : INT64_MAX;
        const int64_t state = channel->state_due ? channel->state_at : INT64_MAX;
        due = end < due ? end : due;
        due = state < due ? state : due;
    }
    return deadline_left(due);
}
