/* Bundles: several messages in one.
 *
 * Where messages are many and small, each costs more on its way than its bytes do: in every
 * queue, for every reader. A bundle has the topic "bundle:" and what its messages have in
 * common; its body is a map of `v` and `messages`, an array of arrays of two, topic (text) and
 * body (bin), each as it is sent alone. Events go out in bundles of one stream and one commit,
 * under "bundle:" and the stream's name. PROTOCOL.md, "Bundles".
 *
 * Contract: what is read is borrowed from the body; nothing here allocates, but that a buffer
 * grows that is written to. */
#ifndef CASEBUS_BUNDLE_H
#define CASEBUS_BUNDLE_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

#define CASEBUS_TOPIC_BUNDLE "bundle:"
#define CASEBUS_TOPIC_BUNDLE_SIZE (sizeof CASEBUS_TOPIC_BUNDLE - 1)

/* Is it a bundle's topic, or the prefix of some and of nothing else? */
bool casebus_topic_is_bundle(struct casebus_bytes topic);

/* --- reading ------------------------------------------------------------------------------ */

/* An encoded array of arrays of two, topic and body, read from one to the next. */
struct casebus_frames {
    struct casebus_reader at;
    uint32_t left;
};
/* False, and none are left: it is no array. */
bool casebus_frames_init(struct casebus_frames *self, struct casebus_bytes array);
/* The same for a bundle's body: false where it is none, or of another version. */
bool casebus_bundle_read(struct casebus_frames *self, struct casebus_bytes body);
/* 1, and the next two frames; 0: none is left; CASEBUS_EMALFORMED: what comes next is something
 * else, and is passed; go on. */
int casebus_frames_next(struct casebus_frames *self, struct casebus_bytes *topic,
                        struct casebus_bytes *body);

/* --- writing ------------------------------------------------------------------------------ */

/* Makes `out` the body of an empty bundle, whatever was in it, with memory for `most` bytes
 * (CASEBUS_EVENT_BUNDLE_MAX, CASEBUS_REPORT_BUNDLE_MAX). 0 or CASEBUS_ENOMEM; so the next,
 * which then has changed nothing. */
int casebus_bundle_begin(msgpack_sbuffer *out, size_t most);
int casebus_bundle_add(msgpack_sbuffer *out, struct casebus_bytes topic,
                       struct casebus_bytes body);
unsigned casebus_bundle_count(const msgpack_sbuffer *out);
/* Would it be within `most` bytes with this message? An empty one has room for any. */
bool casebus_bundle_has_room(const msgpack_sbuffer *out, struct casebus_bytes topic,
                             struct casebus_bytes body, size_t most);

#endif
