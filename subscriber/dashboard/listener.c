/* Listeners: places in the rings of channels.
 *
 * Contract: a listener that fell out of its ring is told so by getting the list whole; nothing
 * is kept for it meanwhile. */
#include "channel_private.h"

#include "../deadline.h"

#include <stdlib.h>
#include <string.h>

static struct message *hold(struct message *self)
{
    if (self != NULL) {
        self->refs++;
    }
    return self;
}

/* The list as it is, in words that are kept until it changes. */
static struct message *whole_list(struct channel *self)
{
    size_t count;
    if (self->whole == NULL) {
        const struct casebus_row *const rows = casebus_view_rows(self->view, &count);
        self->whole = words_of_rows(self, rows, count, NULL);
    }
    return hold(self->whole);
}

/* "0123456789abcdef-42": false where it is of another history, or none at all. */
static bool read_last(const struct channels *self, const char *last, uint64_t *mark)
{
    struct text epoch = {0};
    text_add_hex(&epoch, casebus_bytes(self->epoch, sizeof self->epoch));
    const size_t size = epoch.size;
    const bool ours = last != NULL && size > 0 && strncmp(last, text_get(&epoch), size) == 0 &&
                      last[size] == '-' && text_read_number(last + size + 1, mark);
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

int listener_open(struct listener *self, struct channels *channels, const char *actor,
                  const char *name, const char *last)
{
    const int rc = channel_find(channels, actor, name, &self->channel);
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
        channel->idle_since = clock_mono_ms();
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
