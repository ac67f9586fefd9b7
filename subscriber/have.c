/* What a reader has, and what it is missing.
 *
 * A place is a stream or, for a pattern of four segments, a topic. It has a position, up to
 * which all of it is there, and a head, up to which it is known to go. Two numbers hold for all
 * places: `base`, below which nothing is missing anywhere (so a stream that was never heard of
 * is there up to the base), and `claim`, up to which every head has been named. The base is
 * what a reader of many streams rests on: it is the claim, or the lowest position of a place
 * that lacks something.
 *
 * A topic is not known to lack something because its stream's head has moved: the event may be
 * another topic's. It is then in doubt, and keeps the base down until the log was asked.
 *
 * Contract: positions, heads, base and claim never fall, but by a reset. */
#include "have.h"

#include <stdlib.h>
#include <string.h>

enum {
    STREAM_SIZE = 64, /* the longest, "session:progressed:" and an agency, has 52 bytes */
    STREAMS_MAX = CASEBUS_EVENT_KIND_COUNT * CASEBUS_AGENCIES_MAX,
    SLOTS_FIRST = 64
};

struct place {
    uint64_t have, head;
    bool lacking; /* head is above the position */
    bool hole;    /* and that is known to be of this place; always so for a stream */
    bool asked;   /* of the log, until the answer */
};

struct stream {
    struct place place;
    bool covered;           /* by a pattern of whole streams */
    uint8_t size;           /* of the name; 0: an empty slot */
    char name[STREAM_SIZE]; /* with a NUL behind it: it is a pattern too */
};

struct topic {
    struct place place;
    char name[CASEBUS_TOPIC_MAX + 1]; /* the same */
    size_t size, stream_size;
    uint32_t hash;
    bool in_stream; /* a pattern of whole streams covers it already */
};

struct wide {
    char prefix[CASEBUS_TOPIC_MAX];
    size_t size;
};

struct have {
    uint64_t base, claim;
    size_t lacking; /* streams that are */
    struct stream *slots;
    size_t room, used;   /* room: a power of two */
    struct stream *last; /* of the last event; NULL: none that can be told by its name */
    struct wide wides[CASEBUS_PATTERNS_MAX];
    struct topic topics[CASEBUS_PATTERNS_MAX];
    size_t wide_count, topic_count;
};

int casebus_have_new(struct have **self_p)
{
    *self_p = NULL;
    struct have *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->room = SLOTS_FIRST;
    self->slots = calloc(self->room, sizeof *self->slots);
    if (self->slots == NULL) {
        casebus_have_destroy(&self);
        return CASEBUS_ENOMEM;
    }
    *self_p = self;
    return 0;
}

void casebus_have_destroy(struct have **self_p)
{
    struct have *self = *self_p;
    *self_p = NULL;
    if (self != NULL) {
        free(self->slots);
        free(self);
    }
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

/* The first three segments of a topic, or of as much of one as there is. */
static struct casebus_bytes stream_of(struct casebus_bytes topic)
{
    unsigned colons = 0;
    for (size_t i = 0; i < topic.size; i++) {
        colons += topic.data[i] == ':';
        if (colons == 3) {
            return casebus_bytes(topic.data, i + 1);
        }
    }
    return topic;
}

static bool is_covered(const struct have *self, struct casebus_bytes stream)
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

static bool grow(struct have *self)
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

/* Where the stream is, or belongs; NULL where the name cannot be a stream's. */
static struct stream *stream_seek(struct have *self, struct casebus_bytes name)
{
    if (name.size == 0 || name.size >= STREAM_SIZE) {
        return NULL;
    }
    return slot_of(self->slots, self->room, name);
}

/* Gives an empty slot to the stream; NULL: no memory. */
static struct stream *stream_add(struct have *self, struct stream *slot,
                                 struct casebus_bytes name)
{
    if (self->used * 2 >= self->room) {
        if (!grow(self)) {
            return NULL;
        }
        slot = slot_of(self->slots, self->room, name);
    }
    self->used++;
    *slot = (struct stream){.covered = is_covered(self, name), .size = (uint8_t)name.size};
    memcpy(slot->name, name.data, name.size);
    return slot;
}

/* HAVE_NEW and the stream, HAVE_FOREIGN or HAVE_NO_MEMORY. */
static enum have_verdict stream_find(struct have *self, struct casebus_bytes name,
                                     struct stream **stream)
{
    *stream = stream_seek(self, name);
    if (*stream == NULL || ((*stream)->size == 0 && self->used == STREAMS_MAX)) {
        return HAVE_FOREIGN;
    }
    if ((*stream)->size == 0) {
        *stream = stream_add(self, *stream, name);
    }
    return *stream != NULL ? HAVE_NEW : HAVE_NO_MEMORY;
}

/* The stream of an event. A topic that is longer than its stream's name has all three segments
 * in it, so whatever begins with that name is of the same stream. */
static enum have_verdict stream_of_event(struct have *self, struct casebus_bytes topic,
                                         struct stream **stream)
{
    struct stream *last = self->last;
    if (last != NULL && begins_with(topic, last->name, last->size)) {
        *stream = last;
        return HAVE_NEW;
    }
    const struct casebus_bytes name = stream_of(topic);
    const enum have_verdict verdict = stream_find(self, name, stream);
    self->last = verdict == HAVE_NEW && name.size < topic.size ? *stream : NULL;
    return verdict;
}

static struct topic *topic_find(struct have *self, struct casebus_bytes name)
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

/* The place of an event: HAVE_NEW, HAVE_FOREIGN or HAVE_NO_MEMORY. */
static enum have_verdict place_of_event(struct have *self, struct casebus_bytes topic,
                                        struct place **place, bool *is_topic)
{
    struct stream *stream;
    const enum have_verdict verdict = stream_of_event(self, topic, &stream);
    if (verdict != HAVE_NEW) {
        return verdict;
    }
    *is_topic = !stream->covered;
    if (stream->covered) {
        *place = &stream->place;
        return HAVE_NEW;
    }
    struct topic *found = topic_find(self, topic);
    *place = found != NULL ? &found->place : NULL;
    return found != NULL ? HAVE_NEW : HAVE_FOREIGN;
}

/* --- patterns --------------------------------------------------------------------------- */

static void mark_covered_topics(struct have *self)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        topic->in_stream = is_covered(self, casebus_bytes(topic->name, topic->stream_size));
    }
}

static int cover_topic(struct have *self, struct casebus_bytes name)
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
    topic->size = name.size;
    topic->stream_size = stream_of(name).size;
    topic->hash = hash_of(name);
    return 0;
}

static int cover_streams(struct have *self, struct casebus_bytes prefix)
{
    if (self->wide_count == CASEBUS_PATTERNS_MAX) {
        return CASEBUS_ETOOMANY;
    }
    struct wide *wide = &self->wides[self->wide_count++];
    memcpy(wide->prefix, prefix.data, prefix.size);
    wide->size = prefix.size;
    return 0;
}

int casebus_have_cover(struct have *self, struct casebus_bytes prefix)
{
    if (prefix.size == 0 || prefix.size > CASEBUS_TOPIC_MAX ||
        prefix.data[prefix.size - 1] != ':') {
        return CASEBUS_EINVAL;
    }
    bool one_topic = stream_of(prefix).size < prefix.size;
    int rc = one_topic ? cover_topic(self, prefix) : cover_streams(self, prefix);
    casebus_have_reset(self, self->base); /* who covers what may be another now */
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

bool casebus_have_is_one(const struct have *self)
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

void casebus_have_reset(struct have *self, uint64_t base)
{
    self->base = self->claim = base;
    self->lacking = self->used = 0;
    self->last = NULL;
    memset(self->slots, 0, self->room * sizeof *self->slots);
    for (size_t i = 0; i < self->topic_count; i++) {
        self->topics[i].place = (struct place){0};
    }
    mark_covered_topics(self);
}

/* --- places ----------------------------------------------------------------------------- */

static uint64_t position_of(const struct have *self, const struct place *place)
{
    return place->have > self->base ? place->have : self->base;
}

/* `lacking` counts the streams; topics are few enough to be looked through. */
static void raise_head(struct have *self, struct place *place, uint64_t head, bool is_topic)
{
    if (head <= position_of(self, place)) {
        return;
    }
    place->head = head > place->head ? head : place->head;
    if (!place->lacking) {
        place->lacking = true;
        place->hole = !is_topic;
        self->lacking += !is_topic;
    }
}

static void raise_have(struct have *self, struct place *place, uint64_t seq, bool is_topic)
{
    place->have = seq > place->have ? seq : place->have;
    if (place->lacking && place->have >= place->head) {
        place->lacking = place->hole = false;
        self->lacking -= !is_topic;
    }
}

/* The lacking places one after the other; begin with *at 0; NULL: no more. */
static struct place *next_lacking(struct have *self, size_t *at, const char **name)
{
    for (; self->lacking > 0 && *at < self->room; ++*at) {
        struct stream *stream = &self->slots[*at];
        if (stream->place.lacking) {
            ++*at;
            *name = stream->name;
            return &stream->place;
        }
    }
    *at = *at < self->room ? self->room : *at;
    while (*at < self->room + self->topic_count) {
        struct topic *topic = &self->topics[(*at)++ - self->room];
        if (topic->place.lacking) {
            *name = topic->name;
            return &topic->place;
        }
    }
    return NULL;
}

/* --- what arrives ----------------------------------------------------------------------- */

enum have_verdict casebus_have_event(struct have *self, const struct casebus_event *event)
{
    struct place *place;
    bool is_topic;
    const enum have_verdict verdict =
        place_of_event(self, event->topic_text, &place, &is_topic);
    if (verdict != HAVE_NEW) {
        return verdict;
    }
    const uint64_t position = position_of(self, place);
    if (event->seq <= position) {
        return HAVE_DUPLICATE;
    }
    if ((is_topic ? event->prev_topic : event->prev) > position) {
        raise_head(self, place, event->seq, is_topic);
        place->hole = true;
        return HAVE_HOLE;
    }
    raise_have(self, place, event->seq, is_topic);
    return HAVE_NEW;
}

static void doubt_topics(struct have *self, struct casebus_bytes stream, uint64_t head)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        if (topic->stream_size == stream.size && !topic->in_stream &&
            memcmp(topic->name, stream.data, stream.size) == 0) {
            raise_head(self, &topic->place, head, true);
        }
    }
}

int casebus_have_head(struct have *self, struct casebus_bytes stream, uint64_t head)
{
    struct stream *known = stream_seek(self, stream);
    if (known == NULL) {
        return 0;
    }
    if (known->size == 0 ? !is_covered(self, stream) : !known->covered) {
        doubt_topics(self, stream, head);
        return 0;
    }
    switch (stream_find(self, stream, &known)) {
    case HAVE_NEW:
        raise_head(self, &known->place, head, false);
        return 0;
    case HAVE_NO_MEMORY:
        return CASEBUS_ENOMEM;
    default:
        return 0;
    }
}

void casebus_have_claim(struct have *self, uint64_t before, uint64_t seq)
{
    if (before <= self->claim && seq > self->claim) {
        self->claim = seq;
    }
}

uint64_t casebus_have_base(struct have *self)
{
    uint64_t proved = self->claim;
    const struct place *place;
    const char *name;
    size_t at = 0;
    while (proved > self->base && (place = next_lacking(self, &at, &name)) != NULL) {
        const uint64_t position = position_of(self, place);
        proved = position < proved ? position : proved;
    }
    self->base = proved > self->base ? proved : self->base;
    return self->base;
}

/* --- what is missing -------------------------------------------------------------------- */

size_t casebus_have_holes(const struct have *self)
{
    size_t count = self->lacking;
    for (size_t i = 0; i < self->topic_count; i++) {
        count += self->topics[i].place.hole;
    }
    return count;
}

size_t casebus_have_doubts(const struct have *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->topic_count; i++) {
        count += self->topics[i].place.lacking && !self->topics[i].place.hole;
    }
    return count;
}

size_t casebus_have_ask(struct have *self, size_t limit, bool doubts_too,
                        const char *patterns[], uint64_t *after)
{
    struct place *place;
    const char *name;
    size_t count = 0, at = 0;
    *after = UINT64_MAX;
    while (count < limit && (place = next_lacking(self, &at, &name)) != NULL) {
        if (place->hole || doubts_too) {
            const uint64_t position = position_of(self, place);
            place->asked = true;
            patterns[count++] = name;
            *after = position < *after ? position : *after;
        }
    }
    return count;
}

enum have_verdict casebus_have_logged(struct have *self, const struct casebus_event *event)
{
    struct place *place;
    bool is_topic;
    const enum have_verdict verdict =
        place_of_event(self, event->topic_text, &place, &is_topic);
    if (verdict != HAVE_NEW) {
        return verdict;
    }
    if (!place->asked || event->seq <= position_of(self, place)) {
        return HAVE_DUPLICATE;
    }
    raise_have(self, place, event->seq, is_topic);
    return HAVE_NEW;
}

/* The places that are asked for, as next_lacking(). One that was asked for may have stopped
 * lacking since, by events that came. */
static struct place *next_asked(struct have *self, size_t *at, struct casebus_bytes *name,
                                bool *is_topic)
{
    for (; *at < self->room; ++*at) {
        struct stream *stream = &self->slots[*at];
        if (stream->place.asked) {
            ++*at;
            *name = casebus_bytes(stream->name, stream->size);
            *is_topic = false;
            return &stream->place;
        }
    }
    while (*at < self->room + self->topic_count) {
        struct topic *topic = &self->topics[(*at)++ - self->room];
        if (topic->place.asked) {
            *name = casebus_bytes(topic->name, topic->size);
            *is_topic = true;
            return &topic->place;
        }
    }
    return NULL;
}

bool casebus_have_gone(struct have *self, uint64_t gone, struct casebus_gap *gap)
{
    struct casebus_bytes name;
    bool is_topic;
    size_t at = 0;
    struct place *place = next_asked(self, &at, &name, &is_topic);
    if (place == NULL || position_of(self, place) >= gone) {
        return false;
    }
    *gap = (struct casebus_gap){
        .stream = name, .after = position_of(self, place), .through = gone};
    raise_have(self, place, gone, is_topic);
    return true;
}

void casebus_have_answered(struct have *self, uint64_t through)
{
    struct casebus_bytes name;
    struct place *place;
    bool is_topic;
    size_t at = 0;
    while ((place = next_asked(self, &at, &name, &is_topic)) != NULL) {
        place->asked = false;
        raise_have(self, place, through, is_topic);
    }
}
