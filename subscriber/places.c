/* Where events belong.
 *
 * Streams are a hash table that grows as they are met: 13 kinds of 256 agencies can be. Topics
 * that are patterns are a list, looked through where no pattern of whole streams covers an
 * event.
 *
 * Contract: a place stays where it is until the next that is found. */
#include "places.h"

#include <stdlib.h>
#include <string.h>

enum {
    STREAMS_MAX = CASEBUS_EVENT_KIND_COUNT * CASEBUS_AGENCIES_MAX,
    SLOTS_FIRST = 64
};

int places_init(struct places *self)
{
    self->room = SLOTS_FIRST;
    self->slots = calloc(self->room, sizeof *self->slots);
    return self->slots != NULL ? 0 : CASEBUS_ENOMEM;
}

void places_end(struct places *self)
{
    free(self->slots);
    self->slots = NULL;
}

/* --- names ------------------------------------------------------------------------------ */

static uint32_t hash_of(struct casebus_bytes name) /* FNV-1a */
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ name.data[i]) * 16777619u;
    }
    return hash;
}

static bool begins_with(struct casebus_bytes text, const char *prefix, size_t size)
{
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

bool places_cover_stream(const struct places *self, struct casebus_bytes stream)
{
    for (size_t i = 0; i < self->wide_count; i++) {
        if (begins_with(stream, self->wides[i].prefix, self->wides[i].size)) {
            return true;
        }
    }
    return false;
}

/* --- the table -------------------------------------------------------------------------- */

/* The stream's slot, or the empty one where it belongs. */
static struct stream *slot_of(struct stream *slots, size_t room, struct casebus_bytes name)
{
    size_t at = hash_of(name) & (room - 1);
    while (slots[at].size != 0 &&
           (slots[at].size != name.size || memcmp(slots[at].name, name.data, name.size) != 0)) {
        at = (at + 1) & (room - 1);
    }
    return &slots[at];
}

static bool grow(struct places *self)
{
    const size_t room = self->room * 2;
    struct stream *slots = calloc(room, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < self->room; i++) {
        const struct stream *old = &self->slots[i];
        if (old->size != 0) {
            *slot_of(slots, room, casebus_bytes(old->name, old->size)) = *old;
        }
    }
    free(self->slots);
    self->slots = slots;
    self->room = room;
    self->last = NULL;
    return true;
}

/* The stream, which is met with that. */
static enum place_found find_stream(struct places *self, struct casebus_bytes name,
                                    struct stream **stream)
{
    if (name.size == 0 || name.size >= PLACES_NAME_SIZE) {
        return PLACE_NONE;
    }
    *stream = slot_of(self->slots, self->room, name);
    if ((*stream)->size != 0) {
        return PLACE_FOUND;
    }
    if (self->used == STREAMS_MAX) {
        return PLACE_NONE;
    }
    if (self->used * 2 >= self->room) {
        if (!grow(self)) {
            return PLACE_NO_MEMORY;
        }
        *stream = slot_of(self->slots, self->room, name);
    }
    self->used++;
    **stream =
        (struct stream){.covered = places_cover_stream(self, name), .size = (uint8_t)name.size};
    memcpy((*stream)->name, name.data, name.size);
    return PLACE_FOUND;
}

/* The stream of an event. A topic that is longer than its stream's name has all three segments
 * in it, so whatever begins with that name is of the same stream. */
static enum place_found stream_of_event(struct places *self, struct casebus_bytes topic,
                                        struct stream **stream)
{
    struct stream *last = self->last;
    if (last != NULL && begins_with(topic, last->name, last->size)) {
        *stream = last;
        return PLACE_FOUND;
    }
    const struct casebus_bytes name = casebus_topic_stream(topic);
    const enum place_found found = find_stream(self, name, stream);
    self->last = found == PLACE_FOUND && name.size < topic.size ? *stream : NULL;
    return found;
}

static struct topic *find_topic(struct places *self, struct casebus_bytes name)
{
    const uint32_t hash = hash_of(name);
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        if (topic->hash == hash && topic->size == name.size && !topic->in_stream &&
            memcmp(topic->name, name.data, name.size) == 0) {
            return topic;
        }
    }
    return NULL;
}

/* --- finding ---------------------------------------------------------------------------- */

enum place_found places_of_event(struct places *self, struct casebus_bytes topic,
                                 struct place **place)
{
    struct stream *stream;
    const enum place_found found = stream_of_event(self, topic, &stream);
    if (found != PLACE_FOUND) {
        return found;
    }
    if (stream->covered) {
        *place = &stream->place;
        return PLACE_FOUND;
    }
    struct topic *single = find_topic(self, topic);
    *place = single != NULL ? &single->place : NULL;
    return single != NULL ? PLACE_FOUND : PLACE_NONE;
}

enum place_found places_of_stream(struct places *self, struct casebus_bytes stream,
                                  struct place **place)
{
    struct stream *known;
    if (!places_cover_stream(self, stream)) {
        return PLACE_NONE;
    }
    const enum place_found found = find_stream(self, stream, &known);
    *place = found == PLACE_FOUND ? &known->place : NULL;
    return found;
}

struct place *places_in_stream(struct places *self, struct casebus_bytes stream, size_t *at)
{
    while (*at < self->topic_count) {
        struct topic *topic = &self->topics[(*at)++];
        if (topic->stream_size == stream.size && !topic->in_stream &&
            memcmp(topic->name, stream.data, stream.size) == 0) {
            return &topic->place;
        }
    }
    return NULL;
}

struct place *places_next(struct places *self, size_t *at, struct casebus_bytes *name)
{
    if (*at < self->topic_count) {
        struct topic *topic = &self->topics[(*at)++];
        *name = casebus_bytes(topic->name, topic->size);
        return &topic->place;
    }
    while (*at < self->topic_count + self->room) {
        struct stream *stream = &self->slots[(*at)++ - self->topic_count];
        if (stream->size != 0) {
            *name = casebus_bytes(stream->name, stream->size);
            return &stream->place;
        }
    }
    return NULL;
}

/* --- patterns --------------------------------------------------------------------------- */

static void mark_covered_topics(struct places *self)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        topic->in_stream =
            places_cover_stream(self, casebus_bytes(topic->name, topic->stream_size));
    }
}

static int cover_topic(struct places *self, struct casebus_bytes name)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        if (casebus_bytes_is(name, self->topics[i].name)) {
            return 0;
        }
    }
    if (self->topic_count == CASEBUS_PATTERNS_MAX) {
        return CASEBUS_ETOOMANY;
    }
    struct topic *topic = &self->topics[self->topic_count++];
    memset(topic, 0, sizeof *topic);
    memcpy(topic->name, name.data, name.size);
    topic->place.is_topic = true;
    topic->size = name.size;
    topic->stream_size = casebus_topic_stream(name).size;
    topic->hash = hash_of(name);
    return 0;
}

static int cover_streams(struct places *self, struct casebus_bytes prefix)
{
    if (self->wide_count == CASEBUS_PATTERNS_MAX) {
        return CASEBUS_ETOOMANY;
    }
    struct wide *wide = &self->wides[self->wide_count++];
    memcpy(wide->prefix, prefix.data, prefix.size);
    wide->size = prefix.size;
    return 0;
}

int places_cover(struct places *self, struct casebus_bytes prefix)
{
    if (prefix.size == 0 || prefix.size > CASEBUS_TOPIC_MAX ||
        prefix.data[prefix.size - 1] != ':') {
        return CASEBUS_EINVAL;
    }
    bool one_topic = casebus_topic_stream(prefix).size < prefix.size;
    int rc = one_topic ? cover_topic(self, prefix) : cover_streams(self, prefix);
    mark_covered_topics(self);
    places_clear(self); /* other patterns may cover the streams now */
    return rc;
}

static bool is_whole_stream(const struct wide *wide)
{
    unsigned colons = 0;
    for (size_t i = 0; i < wide->size; i++) {
        colons += wide->prefix[i] == ':';
    }
    return colons == 3;
}

bool places_are_one(const struct places *self)
{
    size_t topics = 0;
    for (size_t i = 0; i < self->topic_count; i++) {
        topics += !self->topics[i].in_stream;
    }
    for (size_t i = 0; i < self->wide_count; i++) {
        const struct wide *first = &self->wides[0], *wide = &self->wides[i];
        if (!is_whole_stream(wide) || wide->size != first->size ||
            memcmp(wide->prefix, first->prefix, first->size) != 0) {
            return false;
        }
    }
    return topics + (self->wide_count > 0) == 1;
}

void places_clear(struct places *self)
{
    self->used = 0;
    self->last = NULL;
    memset(self->slots, 0, self->room * sizeof *self->slots);
    for (size_t i = 0; i < self->topic_count; i++) {
        self->topics[i].place = (struct place){.is_topic = true};
    }
}
