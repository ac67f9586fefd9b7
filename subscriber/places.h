/* Where events belong: a place for each stream that a pattern covers, and for each topic that
 * is a pattern by itself. Private to have.c. */
#ifndef CASEBUS_PLACES_H
#define CASEBUS_PLACES_H

#include <casebus/event.h>

/* The longest stream, "session:progressed:" and an agency, has 52. */
#define PLACES_NAME_SIZE 64

struct place {
    uint64_t have, head; /* all of it is there up to; it goes up to, at least */
    bool is_topic;
    bool lacking; /* head is above the position */
    bool hole;    /* and that is known to be of this place; always so for a stream */
    bool asked;   /* of the log, until the answer */
};

struct stream {
    struct place place;
    bool covered;                /* by a pattern of whole streams */
    uint8_t size;                /* of the name; 0: an empty slot */
    char name[PLACES_NAME_SIZE]; /* with a NUL behind it: it is a pattern too */
};

struct topic {
    struct place place;
    char name[CASEBUS_TOPIC_MAX + 1]; /* the same */
    size_t size, stream_size;
    uint32_t hash;
    bool in_stream; /* a pattern of whole streams covers it already: its place is not used */
};

struct wide {
    char prefix[CASEBUS_TOPIC_MAX];
    size_t size;
};

struct places {
    struct stream *slots;
    size_t room, used;   /* room: a power of two */
    struct stream *last; /* of the last event; NULL: none that can be told by its name */
    struct wide wides[CASEBUS_PATTERNS_MAX];
    struct topic topics[CASEBUS_PATTERNS_MAX];
    size_t wide_count, topic_count;
};

enum place_found {
    PLACE_FOUND,
    PLACE_NONE, /* no pattern covers it, or there are more streams than can be */
    PLACE_NO_MEMORY
};

/* All zero before. 0 or CASEBUS_ENOMEM. */
int places_init(struct places *self);
void places_end(struct places *self);
/* As casebus_have_cover(); all places are new after it. */
int places_cover(struct places *self, struct casebus_bytes prefix);
/* Does a pattern of whole streams cover it? */
bool places_cover_stream(const struct places *self, struct casebus_bytes stream);
bool places_are_one(const struct places *self);
/* Forgets what is known of all places. */
void places_clear(struct places *self);

enum place_found places_of_event(struct places *self, struct casebus_bytes topic,
                                 struct place **place);
/* Of a stream that a pattern covers. */
enum place_found places_of_stream(struct places *self, struct casebus_bytes stream,
                                  struct place **place);
/* The places of single topics in a stream, one after the other; begin with *at 0; NULL: no
 * more. */
struct place *places_in_stream(struct places *self, struct casebus_bytes stream, size_t *at);
/* All places, topics first, in the same way; a name ends with a NUL. */
struct place *places_next(struct places *self, size_t *at, struct casebus_bytes *name);

#endif
