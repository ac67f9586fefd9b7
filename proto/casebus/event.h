/* Events: what the broker publishes once a report is committed; and heads.
 *
 * An event's body is a map: v, epoch, event, seq, prev, prev_topic, at, actor, and where they
 * apply session, version, changed, payload, thin. */
#ifndef CASEBUS_EVENT_H
#define CASEBUS_EVENT_H

#include <casebus/topic.h>

struct casebus_event {
    struct casebus_bytes topic_text; /* the first frame */
    struct casebus_topic topic;
    enum casebus_event_kind kind;
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t seq, prev, prev_topic;
    uint64_t at; /* microseconds UTC, the broker's; never goes back */
    struct casebus_bytes actor;
    struct casebus_bytes session; /* session id; absent: NULL */
    uint64_t version;             /* of the case; 0: absent */
    struct casebus_bytes changed; /* encoded array of maps {field, old, new}; absent: NULL */
    struct casebus_bytes payload; /* encoded map; absent: NULL */
    bool thin;                    /* payload and changed shortened: ask for the case */
};

/* 0, or a code with the key at fault. Everything is borrowed from the frames. */
int casebus_event_decode(struct casebus_bytes topic, struct casebus_bytes body,
                         struct casebus_event *event, struct casebus_fault *fault);
/* The two halves of it. Reading takes what the event says of itself and costs the same however
 * long the record is: what is inside `changed` and `payload` is not looked at, and readers of
 * them keep their bounds whatever it is. Checking looks into both: who passes them on to
 * something that trusts them does that first. */
int casebus_event_read(struct casebus_bytes topic, struct casebus_bytes body,
                       struct casebus_event *event, struct casebus_fault *fault);
int casebus_event_check(const struct casebus_event *event, struct casebus_fault *fault);
/* Writes the body at `out`, which has room for casebus_event_bound(); the byte behind it. */
size_t casebus_event_bound(const struct casebus_event *event);
unsigned char *casebus_event_put(const struct casebus_event *event, unsigned char *out);
/* The same up to where the payload begins, of an event that is not thin and has none yet: the
 * caller writes it there, once and in its place, and that is the end of the body. */
unsigned char *casebus_event_put_open(const struct casebus_event *event, unsigned char *out);
/* Appends the body to out: 0 or CASEBUS_ENOMEM. */
int casebus_event_encode(const struct casebus_event *event, msgpack_sbuffer *out);
/* The same with the thin form of an event: the maps of `changed` keep `field` only, `payload`
 * keeps `id` only. Also a code for a `changed` that is none. */
int casebus_event_encode_thin(const struct casebus_event *event, msgpack_sbuffer *out);

/* A heads message: sys:heads:all: names every stream, sys:heads:batch: those a batch touched.
 */
struct casebus_heads {
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t seq;    /* the newest event committed and sent before this message */
    uint64_t before; /* batch only: seq after the batch before */
    bool is_batch;
    struct casebus_bytes streams; /* encoded map: stream ("case:created:hse:") to head */
    uint64_t quiet;               /* the entry that last changed something without an event
                                   * (a refused report); 0: none is known */
    struct casebus_bytes held;    /* why nothing is stored for now; absent: it is */
};
/* As casebus_event_decode(). */
int casebus_heads_decode(struct casebus_bytes topic, struct casebus_bytes body,
                         struct casebus_heads *heads, struct casebus_fault *fault);
/* Appends the body to out: 0 or CASEBUS_ENOMEM. */
int casebus_heads_encode(const struct casebus_heads *heads, msgpack_sbuffer *out);
/* Keeps what they say of `held`, or as much of it as has room, terminated; "" where reports are
 * stored. A batch's say nothing of it, and leave `held` as it is. */
void casebus_heads_keep_held(const struct casebus_heads *heads, char *held, size_t size);

#endif
