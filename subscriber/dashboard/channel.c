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
#include "channel.h"

#include "../deadline.h"
#include "../json.h"
#include "view_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define STATE_MS 1000  /* what a view says of itself, at most so often */
#define LINGER_MS 60000 /* a channel nobody listens to is kept for who comes back */

/* A row as it was last sent. */
struct sent {
    XXH128_hash_t key, data;
};

struct channel {
    struct channel *next;
    struct channels *channels;
    char *name;
    struct casebus_view *view, *session; /* session: of session/… only */

    struct message **ring; /* a slot for each serial, modulo the room */
    uint64_t first, end;   /* serials: of the oldest that is kept, and behind the newest */
    size_t bytes;
    uint64_t lost_mark; /* the mark of the newest that is not kept any more */
    bool begun;         /* there is a list */
    struct sent *sent;
    size_t sent_count;
    uint64_t seq, newer;
    bool cut;
    struct message *whole; /* the list as it is; NULL: not put into words yet */

    struct message *state, *about; /* about: the session */
    unsigned state_number, about_number;
    bool state_due;
    int64_t state_at; /* not before */

    struct listener *listeners;
    int64_t idle_since; /* INT64_MAX: somebody listens */
};

struct channels {
    struct dashboard *dashboard;
    struct casebus_views *views;
    struct channel *first;
    unsigned char epoch[CASEBUS_EPOCH_SIZE]; /* of the marks */
    uint64_t mark, order;
    uint64_t room; /* of a ring, in messages */
    struct channels_stats stats;
    struct text scratch;
};

/* --- messages ----------------------------------------------------------------------------- */

static struct message *message_new(const struct text *text)
{
    struct message *self = text->failed ? NULL : malloc(sizeof *self + text->size);
    if (self != NULL) {
        *self = (struct message){.refs = 1, .size = text->size};
        memcpy(self->data, text_get(text), text->size);
    }
    return self;
}

static struct message *hold(struct message *self)
{
    if (self != NULL) {
        self->refs++;
    }
    return self;
}

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

static struct message **slot_of(const struct channel *self, uint64_t serial)
{
    return &self->ring[serial % self->channels->room];
}

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

/* --- lists in words ----------------------------------------------------------------------- */

static void put_name(struct json *json, const struct channel *self)
{
    json_key(json, casebus_cstr("view"));
    json_str(json, casebus_cstr(self->name));
}

static void put_uint(struct json *json, const char *key, uint64_t number)
{
    json_key(json, casebus_cstr(key));
    json_uint(json, number);
}

static void put_bool(struct json *json, const char *key, bool value)
{
    json_key(json, casebus_cstr(key));
    json_bool(json, value);
}

static void put_row(struct json *json, const struct casebus_row *row)
{
    json_open(json, '{');
    json_key(json, casebus_cstr("key"));
    json_str(json, casebus_cstr(row->key));
    json_key(json, casebus_cstr("row"));
    json_value(json, row->data);
    json_close(json, '}');
}

/* The list, with those of its rows that `wanted` names (NULL: all). */
static struct message *write_rows(struct channel *self, const struct casebus_row *rows,
                                  size_t count, const bool *wanted)
{
    struct text *const out = &self->channels->scratch;
    text_clear(out);
    text_add(out, "event: rows\ndata: ");
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    put_name(&json, self);
    put_uint(&json, "seq", self->seq);
    put_bool(&json, "reset", wanted == NULL);
    json_key(&json, casebus_cstr("order"));
    json_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        json_str(&json, casebus_cstr(rows[i].key));
    }
    json_close(&json, ']');
    json_key(&json, casebus_cstr("rows"));
    json_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        if (wanted == NULL || wanted[i]) {
            put_row(&json, &rows[i]);
        }
    }
    json_close(&json, ']');
    put_uint(&json, "newer", self->newer);
    put_bool(&json, "cut", self->cut);
    json_close(&json, '}');
    text_add(out, "\n\n");
    struct message *const message = json.broken ? NULL : message_new(out);
    if (message != NULL) {
        message->mark = self->channels->mark;
        memcpy(message->epoch, self->channels->epoch, sizeof message->epoch);
        self->channels->stats.messages++;
    }
    return message;
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

/* The history is another one: marks begin anew, and nothing that was kept can be gone on from. */
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

/* Puts into words what is not as it was last sent. */
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
        publish(self, write_rows(self, rows, count, reset ? NULL : wanted));
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

/* The list as it is, in words that are kept until it changes. */
static struct message *whole_list(struct channel *self)
{
    size_t count;
    if (self->whole == NULL) {
        const struct casebus_row *const rows = casebus_view_rows(self->view, &count);
        self->whole = write_rows(self, rows, count, NULL);
    }
    return hold(self->whole);
}

/* --- states ------------------------------------------------------------------------------- */

static void write_state(struct channel *self)
{
    struct text *const out = &self->channels->scratch;
    struct casebus_view_status status;
    casebus_view_status(self->view, &status);
    text_clear(out);
    text_add(out, "event: state\ndata: ");
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    put_name(&json, self);
    json_key(&json, casebus_cstr("state"));
    json_str(&json, casebus_cstr(casebus_view_state_word(status.state)));
    json_key(&json, casebus_cstr("words"));
    json_str(&json, casebus_cstr(casebus_view_words(self->view)));
    put_uint(&json, "through", status.through);
    put_uint(&json, "newer", status.newer);
    json_close(&json, '}');
    text_add(out, "\n\n");
}

/* In words, where they are others than before. */
static void tell(struct channel *self, struct message **now, unsigned *number)
{
    const struct text *const out = &self->channels->scratch;
    if (*now != NULL && (*now)->size == out->size &&
        memcmp((*now)->data, text_get(out), out->size) == 0) {
        return;
    }
    struct message *const message = message_new(out);
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
    struct text *const out = &self->channels->scratch;
    (void)view;
    if (diff->now_count == 0) {
        return;
    }
    text_clear(out);
    text_add(out, "event: session\ndata: ");
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    put_name(&json, self);
    json_key(&json, casebus_cstr("session"));
    json_value(&json, diff->now[0].data);
    json_close(&json, '}');
    text_add(out, "\n\n");
    if (!json.broken) {
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
    free(self->name);
    free(self);
}

static int open_views(struct channel *self, const struct view_name *name)
{
    struct casebus_view_options options = casebus_view_options();
    options.refetch_window_ms = name->window_ms;
    options.bytes_max = name->bytes_max;
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

static int channel_new(struct channel **self_p, struct channels *channels, const char *text)
{
    struct view_name name;
    struct channel *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->channels = channels;
    self->name = strdup(text);
    self->ring = calloc(channels->room, sizeof(struct message *));
    int rc = self->name == NULL || self->ring == NULL ? CASEBUS_ENOMEM
                                                      : view_name_read(&name, text);
    if (rc == 0) {
        rc = open_views(self, &name);
    }
    if (rc != 0) {
        channel_free(self);
        return rc == CASEBUS_EINVAL ? CASEBUS_EVALUE : rc;
    }
    self->idle_since = now_ms();
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

/* The one that nobody has listened to for longest; NULL: all are listened to. */
static struct channel *idlest(const struct channels *self)
{
    struct channel *found = NULL;
    int64_t since = INT64_MAX;
    for (struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        if (channel->idle_since < since) {
            since = channel->idle_since;
            found = channel;
        }
    }
    return found;
}

static int find_or_open(struct channels *self, const char *name, struct channel **found)
{
    for (struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        if (strcmp(channel->name, name) == 0) {
            *found = channel;
            return 0;
        }
    }
    if (self->stats.channels == CHANNELS_MAX) {
        struct channel *const idle = idlest(self);
        if (idle == NULL) {
            return CASEBUS_EBUSY;
        }
        channel_end(self, idle);
    }
    return channel_new(found, self, name);
}

int channels_new(struct channels **self_p, struct dashboard *dashboard)
{
    struct channels *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    struct casebus_views_options options = casebus_views_options();
    options.fanout = dashboard->settings.fanout;
    options.query = dashboard->settings.query;
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
    const int64_t now = now_ms();
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
    for (const struct channel *channel = self->first; channel != NULL; channel = channel->next) {
        const int64_t end = channel->listeners == NULL ? channel->idle_since + LINGER_MS
                                                       : INT64_MAX;
        const int64_t state = channel->state_due ? channel->state_at : INT64_MAX;
        due = end < due ? end : due;
        due = state < due ? state : due;
    }
    return deadline_left(due);
}

/* --- listening ---------------------------------------------------------------------------- */

/* "0123456789abcdef-42": false where it is of another history, or none at all. */
static bool read_last(const struct channels *self, const char *last, uint64_t *mark)
{
    struct text epoch = {0};
    text_add_hex(&epoch, casebus_bytes(self->epoch, sizeof self->epoch));
    const size_t size = epoch.size;
    const bool ours = last != NULL && size > 0 && strncmp(last, text_get(&epoch), size) == 0 &&
                      last[size] == '-' && flag_number(last + size + 1, mark);
    text_free(&epoch);
    return ours;
}

static void begin_at(struct listener *self, const char *last)
{
    const struct channel *const channel = self->channel;
    uint64_t mark;
    self->at = channel->end;
    if (!channel->begun) {
        return; /* the first message is the whole list */
    }
    if (!read_last(channel->channels, last, &mark) || channel->lost_mark >= mark ||
        channel->first == channel->end) {
        self->whole = true;
        return;
    }
    while (self->at > channel->first && (*slot_of(channel, self->at - 1))->mark >= mark) {
        self->at--;
    }
}

int listener_open(struct listener *self, struct channels *channels, const char *name,
                  const char *last)
{
    const int rc = find_or_open(channels, name, &self->channel);
    if (rc != 0) {
        self->channel = NULL;
        return rc;
    }
    struct channel *const channel = self->channel;
    self->next = channel->listeners;
    self->back = &channel->listeners;
    if (self->next != NULL) {
        self->next->back = &self->next;
    }
    channel->listeners = self;
    channel->idle_since = INT64_MAX;
    channels->stats.listeners++;
    begin_at(self, last);
    return 0;
}

void listener_close(struct listener *self)
{
    struct channel *const channel = self->channel;
    if (channel == NULL) {
        return;
    }
    *self->back = self->next;
    if (self->next != NULL) {
        self->next->back = self->back;
    }
    if (channel->listeners == NULL) {
        channel->idle_since = now_ms();
    }
    channel->channels->stats.listeners--;
    self->channel = NULL;
}

uint64_t listener_next(const struct listener *self, uint64_t *mark)
{
    const struct channel *const channel = self->channel;
    *mark = channel->channels->mark;
    if (self->whole || self->at < channel->first) {
        return 0;
    }
    if (self->at == channel->end) {
        return UINT64_MAX;
    }
    const struct message *const message = *slot_of(channel, self->at);
    *mark = message->mark;
    return message->order;
}

struct message *listener_take(struct listener *self)
{
    struct channel *const channel = self->channel;
    if (self->whole || self->at < channel->first) {
        struct message *const message = whole_list(channel);
        self->whole = message == NULL;
        self->at = channel->end;
        channel->channels->stats.resets++;
        return message;
    }
    return self->at < channel->end ? hold(*slot_of(channel, self->at++)) : NULL;
}

struct message *listener_take_state(struct listener *self)
{
    const struct channel *const channel = self->channel;
    if (self->session != channel->about_number) {
        self->session = channel->about_number;
        return hold(channel->about);
    }
    if (self->state != channel->state_number) {
        self->state = channel->state_number;
        return hold(channel->state);
    }
    return NULL;
}

void listener_repeat(struct listener *self)
{
    self->state = self->channel->state_number - 1;
}
