/* What a reader has.
 *
 * Every event names the event before it, in its stream (`prev`) and with its topic
 * (`prev_topic`); a position that lies below that one has a hole in front of it. What got lost
 * at the very end shows in heads, which name each stream's last event. A reader of whole
 * streams needs only that. A reader of one topic sees a stream's head move for other topics'
 * sake, so for it a head is no proof but a doubt, which the log settles: events up to the heads
 * message's own seq were all sent before it, so one of those that the log has and the reader
 * has not is lost; a later one may still be on its way and proves nothing.
 *
 * The table is open addressing over the streams' names, at most as many as there can be kinds
 * and agencies; a stream that is not in it stands at the base. Events mostly come in runs of
 * one stream, so the last one is looked at before the table is. */
#include "have.h"

#include <stdlib.h>
#include <string.h>

enum {
    STREAM_SIZE = 64, /* the longest, "session:progressed:" and an agency, has 52 bytes */
    STREAMS_MAX = CASEBUS_EVENT_KIND_COUNT * CASEBUS_AGENCIES_MAX,
    SLOTS_FIRST = 64
};

struct stream {
    uint8_t size; /* of the name; 0: an empty slot */
    bool covered; /* by a pattern of whole streams */
    char name[STREAM_SIZE];
    uint64_t have;
};

struct topic {
    char name[CASEBUS_TOPIC_MAX];
    char pattern[CASEBUS_TOPIC_MAX]; /* the name without its last colon */
    size_t size, stream_size;
    uint32_t hash;
    bool in_stream; /* a pattern of whole streams covers it already */
    uint64_t position;
    uint64_t proof;    /* above position: in doubt, up to here */
    bool asked;        /* the doubt has been asked about, from this position */
    uint64_t lost;     /* the last lost event the answer named; 0: none */
    uint64_t answered; /* the position once the lost ones are named */
};

struct wide {
    char prefix[CASEBUS_TOPIC_MAX];
    size_t size;
};

struct have {
    uint64_t base;
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

/* NULL where the name cannot be a stream's, or one more is too many. */
static struct stream *stream_find(struct have *self, struct casebus_bytes name)
{
    if (name.size == 0 || name.size > STREAM_SIZE) {
        return NULL;
    }
    struct stream *stream = slot_of(self->slots, self->room, name);
    if (stream->size != 0) {
        return stream;
    }
    if (self->used == STREAMS_MAX) {
        return NULL;
    }
    if (self->used * 2 >= self->room) {
        if (!grow(self)) {
            return NULL;
        }
        stream = slot_of(self->slots, self->room, name);
    }
    self->used++;
    stream->size = (uint8_t)name.size;
    memcpy(stream->name, name.data, name.size);
    stream->have = self->base;
    stream->covered = is_covered(self, name);
    return stream;
}

/* The stream of an event. A topic that is longer than its stream's name has all three segments
 * in it, so whatever begins with that name is of the same stream. */
static struct stream *stream_of_event(struct have *self, struct casebus_bytes topic)
{
    struct stream *last = self->last;
    if (last != NULL && begins_with(topic, last->name, last->size)) {
        return last;
    }
    const struct casebus_bytes name = stream_of(topic);
    struct stream *stream = stream_find(self, name);
    self->last = name.size < topic.size ? stream : NULL;
    return stream;
}

static struct topic *topic_find(struct have *self, struct casebus_bytes name)
{
    const uint32_t hash = hash_of(name);
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        if (topic->hash == hash && topic->size == name.size &&
            memcmp(topic->name, name.data, name.size) == 0) {
            return topic;
        }
    }
    return NULL;
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
    if (topic_find(self, name) != NULL) {
        return 0;
    }
    if (self->topic_count == CASEBUS_PATTERNS_MAX) {
        return CASEBUS_ETOOMANY;
    }
    struct topic *topic = &self->topics[self->topic_count++];
    memset(topic, 0, sizeof *topic);
    memcpy(topic->name, name.data, name.size);
    memcpy(topic->pattern, name.data, name.size - 1); /* a NUL follows */
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

void casebus_have_reset(struct have *self, uint64_t base)
{
    self->base = base;
    self->used = 0;
    self->last = NULL;
    memset(self->slots, 0, self->room * sizeof *self->slots);
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        topic->position = base;
        topic->proof = topic->lost = 0;
        topic->asked = false;
    }
    mark_covered_topics(self);
}

/* --- events and heads ------------------------------------------------------------------- */

static enum have_verdict judge(uint64_t *position, uint64_t seq, uint64_t prev,
                               struct casebus_bytes name, struct casebus_gap *gap)
{
    if (seq <= *position) {
        return HAVE_DUPLICATE;
    }
    if (prev >= seq) {
        prev = seq - 1; /* nonsense must not lift the position above the event */
    }
    if (prev > *position) {
        *gap = (struct casebus_gap){.stream = name, .after = *position, .through = prev};
        *position = prev;
        return HAVE_HOLE;
    }
    *position = seq;
    return HAVE_NEW;
}

enum have_verdict casebus_have_event(struct have *self, const struct casebus_event *event,
                                     struct casebus_gap *gap)
{
    struct stream *stream = stream_of_event(self, event->topic_text);
    if (stream == NULL) {
        return HAVE_FOREIGN;
    }
    if (stream->covered) {
        return judge(&stream->have, event->seq, event->prev,
                     casebus_bytes(stream->name, stream->size), gap);
    }
    struct topic *topic = topic_find(self, event->topic_text);
    if (topic == NULL) {
        return HAVE_FOREIGN;
    }
    /* Its own prev_topic tells from here on what was lost: no answer about before is needed. */
    topic->asked = false;
    return judge(&topic->position, event->seq, event->prev_topic,
                 casebus_bytes(topic->name, topic->size), gap);
}

static void doubt_topics(struct have *self, struct casebus_bytes stream, uint64_t head,
                         uint64_t seq)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        if (head > topic->position && topic->stream_size == stream.size &&
            memcmp(topic->name, stream.data, stream.size) == 0) {
            topic->proof = seq;
        }
    }
}

enum have_verdict casebus_have_head(struct have *self, struct casebus_bytes stream,
                                    uint64_t head, uint64_t seq, struct casebus_gap *gap)
{
    if (!is_covered(self, stream)) {
        doubt_topics(self, stream, head, seq);
        return HAVE_NEW;
    }
    struct stream *known = stream_find(self, stream);
    if (known == NULL || head <= known->have) {
        return HAVE_NEW;
    }
    *gap = (struct casebus_gap){.stream = casebus_bytes(known->name, known->size),
                                .after = known->have,
                                .through = head};
    known->have = head;
    return HAVE_HOLE;
}

/* --- doubts ----------------------------------------------------------------------------- */

size_t casebus_have_doubts(struct have *self, const char *patterns[], uint64_t *after)
{
    size_t count = 0;
    *after = UINT64_MAX;
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        topic->asked = topic->proof > topic->position && !topic->in_stream;
        if (topic->asked) {
            patterns[count++] = topic->pattern;
            *after = topic->position < *after ? topic->position : *after;
        }
    }
    return count;
}

void casebus_have_found(struct have *self, struct casebus_bytes name, uint64_t seq)
{
    struct topic *topic = topic_find(self, name);
    if (topic != NULL && topic->asked && seq > topic->position && seq <= topic->proof) {
        topic->lost = seq;
    }
}

void casebus_have_answered(struct have *self, uint64_t through)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        if (!topic->asked) {
            topic->lost = 0;
            continue;
        }
        topic->asked = false;
        topic->answered = through < topic->proof ? through : topic->proof;
        if (topic->lost == 0 && topic->answered > topic->position) {
            topic->position = topic->answered;
        }
    }
}

bool casebus_have_missed(struct have *self, struct casebus_gap *gap)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        struct topic *topic = &self->topics[i];
        if (topic->lost != 0) {
            *gap = (struct casebus_gap){.stream = casebus_bytes(topic->name, topic->size),
                                        .after = topic->position,
                                        .through = topic->lost};
            topic->position = topic->answered;
            topic->lost = 0;
            return true;
        }
    }
    return false;
}
