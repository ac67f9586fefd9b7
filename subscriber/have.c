/* What a reader has, and what it is missing.
 *
 * A place (places.h) has a position, up to which all of it is there, and a head, up to which it
 * is known to go. Two numbers hold for all places: `base`, below which nothing is missing
 * anywhere (so a stream that was never heard of is there up to the base), and `claim`, up to
 * which every head has been named: by heads, or by an event that is the very next one, so that
 * there is no other between. The base is what a reader of many streams rests on: it is
 * the claim, or the lowest position of a place that lacks something.
 *
 * A topic is not known to lack something because its stream's head has moved: the event may be
 * another topic's. It is then in doubt, and keeps the base down until the log was asked.
 *
 * Contract: positions, heads, base and claim never fall, but by a reset. */
#include "have.h"

#include "places.h"

#include <stdlib.h>

struct have {
    uint64_t base, claim;
    size_t lacking, lacking_topics, topic_holes; /* streams, topics, and topics with a hole */
    struct places places;
};

int casebus_have_new(struct have **self_p)
{
    *self_p = NULL;
    struct have *self = calloc(1, sizeof *self);
    if (self == NULL || places_init(&self->places) != 0) {
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
        places_end(&self->places);
        free(self);
    }
}

int casebus_have_cover(struct have *self, struct casebus_bytes prefix)
{
    const int rc = places_cover(&self->places, prefix);
    casebus_have_reset(self, self->base);
    return rc;
}

bool casebus_have_covers(const struct have *self, struct casebus_bytes stream)
{
    return places_cover_stream(&self->places, stream);
}

bool casebus_have_is_one(const struct have *self)
{
    return places_are_one(&self->places);
}

void casebus_have_reset(struct have *self, uint64_t base)
{
    self->base = self->claim = base;
    self->lacking = self->lacking_topics = self->topic_holes = 0;
    places_clear(&self->places);
}

/* --- places ----------------------------------------------------------------------------- */

static uint64_t position_of(const struct have *self, const struct place *place)
{
    return place->have > self->base ? place->have : self->base;
}

static void raise_head(struct have *self, struct place *place, uint64_t head)
{
    if (head <= position_of(self, place)) {
        return;
    }
    place->head = head > place->head ? head : place->head;
    if (!place->lacking) {
        place->lacking = true;
        place->hole = !place->is_topic;
        self->lacking += !place->is_topic;
        self->lacking_topics += place->is_topic;
    }
}

static void mark_hole(struct have *self, struct place *place)
{
    if (!place->hole) { /* a topic: of a stream it is one already */
        place->hole = true;
        self->topic_holes++;
    }
}

static void raise_have(struct have *self, struct place *place, uint64_t seq)
{
    place->have = seq > place->have ? seq : place->have;
    if (place->lacking && place->have >= place->head) {
        self->lacking -= !place->is_topic;
        self->lacking_topics -= place->is_topic;
        self->topic_holes -= place->is_topic && place->hole;
        place->lacking = place->hole = false;
    }
}

/* The lacking places one after the other; begin with *at 0; NULL: no more. */
static struct place *next_lacking(struct have *self, size_t *at, struct casebus_bytes *name)
{
    struct place *place;
    /* Streams can be many, topics come first. */
    while ((*at < self->places.topic_count || self->lacking > 0) &&
           (place = places_next(&self->places, at, name)) != NULL) {
        if (place->lacking) {
            return place;
        }
    }
    return NULL;
}

static enum have_verdict no_place(enum place_found found)
{
    return found == PLACE_NO_MEMORY ? HAVE_NO_MEMORY : HAVE_FOREIGN;
}

/* --- what arrives ----------------------------------------------------------------------- */

enum have_verdict casebus_have_event(struct have *self, const struct casebus_event *event)
{
    struct place *place;
    const enum place_found found = places_of_event(&self->places, event->topic_text, &place);
    if (found != PLACE_FOUND) {
        return no_place(found);
    }
    const uint64_t position = position_of(self, place);
    if (event->seq <= position) {
        return HAVE_DUPLICATE;
    }
    if ((place->is_topic ? event->prev_topic : event->prev) > position) {
        raise_head(self, place, event->seq);
        mark_hole(self, place);
        return HAVE_HOLE;
    }
    raise_have(self, place, event->seq);
    self->claim += event->seq == self->claim + 1;
    return HAVE_NEW;
}

int casebus_have_head(struct have *self, struct casebus_bytes stream, uint64_t head)
{
    struct place *place;
    size_t at = 0;
    switch (places_of_stream(&self->places, stream, &place)) {
    case PLACE_FOUND:
        raise_head(self, place, head);
        return 0;
    case PLACE_NO_MEMORY:
        return CASEBUS_ENOMEM;
    case PLACE_NONE:
    default:
        while ((place = places_in_stream(&self->places, stream, &at)) != NULL) {
            raise_head(self, place, head);
        }
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
    struct casebus_bytes name;
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
    return self->lacking + self->topic_holes;
}

size_t casebus_have_doubts(const struct have *self)
{
    return self->lacking_topics - self->topic_holes;
}

size_t casebus_have_ask(struct have *self, size_t limit, bool doubts_too,
                        const char *patterns[], uint64_t *after)
{
    struct place *place;
    struct casebus_bytes name;
    size_t count = 0, at = 0;
    *after = UINT64_MAX;
    while (count < limit && (place = next_lacking(self, &at, &name)) != NULL) {
        if (place->hole || doubts_too) {
            const uint64_t position = position_of(self, place);
            place->asked = true;
            patterns[count++] = (const char *)name.data;
            *after = position < *after ? position : *after;
        }
    }
    return count;
}

enum have_verdict casebus_have_logged(struct have *self, const struct casebus_event *event)
{
    struct place *place;
    const enum place_found found = places_of_event(&self->places, event->topic_text, &place);
    if (found != PLACE_FOUND) {
        return no_place(found);
    }
    if (!place->asked || event->seq <= position_of(self, place)) {
        return HAVE_DUPLICATE;
    }
    raise_have(self, place, event->seq);
    return HAVE_NEW;
}

/* The places that are asked for, as next_lacking(). One that was asked for may have stopped
 * lacking since, by events that came. */
static struct place *next_asked(struct have *self, size_t *at, struct casebus_bytes *name)
{
    struct place *place;
    while ((place = places_next(&self->places, at, name)) != NULL && !place->asked) {
    }
    return place;
}

bool casebus_have_gone(struct have *self, uint64_t gone, struct casebus_gap *gap)
{
    struct casebus_bytes name;
    size_t at = 0;
    struct place *place = next_asked(self, &at, &name);
    if (place == NULL || position_of(self, place) >= gone) {
        return false;
    }
    *gap = (struct casebus_gap){
        .stream = name, .after = position_of(self, place), .through = gone};
    raise_have(self, place, gone);
    return true;
}

void casebus_have_answered(struct have *self, uint64_t through)
{
    struct casebus_bytes name;
    struct place *place;
    size_t at = 0;
    while ((place = next_asked(self, &at, &name)) != NULL) {
        place->asked = false;
        raise_have(self, place, through);
    }
}
