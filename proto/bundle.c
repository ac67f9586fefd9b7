/* Bundles; see casebus/bundle.h. Their count of messages has two bytes from the beginning,
 * which are written over as messages are added. */
#include "sink.h"

#include <casebus/bundle.h>

#define HEAD "\202\241v\001\250messages\334\0" /* in octal: {"v": 1, "messages": [16 bits */
#define HEAD_SIZE sizeof HEAD /* with the NUL behind it, the count's last byte */
#define COUNT_MAX 0xffff

bool casebus_topic_is_bundle(struct casebus_bytes topic)
{
    return topic.size >= CASEBUS_TOPIC_BUNDLE_SIZE &&
           memcmp(topic.data, CASEBUS_TOPIC_BUNDLE, CASEBUS_TOPIC_BUNDLE_SIZE) == 0;
}

/* --- reading ------------------------------------------------------------------------------ */

bool casebus_frames_init(struct casebus_frames *self, struct casebus_bytes array)
{
    *self = (struct casebus_frames){0};
    casebus_reader_init(&self->at, array);
    self->left = casebus_read_array(&self->at);
    return self->at.error == 0;
}

/* The messages, mostly nearly all of the body, are not walked through where they come last. */
bool casebus_bundle_read(struct casebus_frames *self, struct casebus_bytes body)
{
    struct casebus_bytes messages = casebus_bytes(NULL, 0);
    struct casebus_reader r;
    uint64_t version = 0;
    *self = (struct casebus_frames){0};
    casebus_reader_init(&r, body);
    for (uint32_t left = casebus_read_map(&r); left > 0; left--) {
        const struct casebus_bytes key = casebus_read_str(&r);
        if (casebus_bytes_is(key, "v")) {
            version = casebus_read_uint(&r);
        } else if (casebus_bytes_is(key, "messages")) {
            messages =
                left == 1 ? casebus_bytes(r.at, (size_t)(r.end - r.at)) : casebus_read_raw(&r);
        } else {
            casebus_skip(&r);
        }
    }
    return version == CASEBUS_PROTOCOL_VERSION && r.error == 0 &&
           casebus_frames_init(self, messages);
}

int casebus_frames_next(struct casebus_frames *self, struct casebus_bytes *topic,
                        struct casebus_bytes *body)
{
    struct casebus_reader r;
    if (self->left == 0) {
        return 0;
    }
    casebus_reader_init(&r, casebus_read_raw(&self->at));
    self->left = self->at.error == 0 ? self->left - 1 : 0;
    const uint32_t count = casebus_read_array(&r);
    *topic = casebus_read_str(&r);
    *body = casebus_read_bin(&r);
    return count == 2 && r.error == 0 ? 1 : CASEBUS_EMALFORMED;
}

/* --- writing ------------------------------------------------------------------------------ */

/* Room for all of it at once: growing would copy what is there. */
static int reserve(msgpack_sbuffer *out, size_t most)
{
    char *data = out->alloc < most ? realloc(out->data, most) : out->data;
    if (!data) {
        return CASEBUS_ENOMEM;
    }
    out->alloc = out->alloc < most ? most : out->alloc;
    out->data = data;
    return 0;
}

int casebus_bundle_begin(msgpack_sbuffer *out, size_t most)
{
    msgpack_sbuffer_clear(out);
    if (reserve(out, most) != 0) {
        return CASEBUS_ENOMEM;
    }
    return msgpack_sbuffer_write(out, HEAD, HEAD_SIZE) == 0 ? 0 : CASEBUS_ENOMEM;
}

unsigned casebus_bundle_count(const msgpack_sbuffer *out)
{
    const unsigned char *behind = (const unsigned char *)out->data + HEAD_SIZE;
    return (unsigned)(behind[-2] << 8 | behind[-1]);
}

bool casebus_bundle_has_room(const msgpack_sbuffer *out, struct casebus_bytes topic,
                             struct casebus_bytes body, size_t most)
{
    const unsigned count = casebus_bundle_count(out);
    const size_t size = out->size + 2 * CASEBUS_PUT_MAX + topic.size + body.size;
    return count == 0 || (count < COUNT_MAX && size <= most);
}

int casebus_bundle_add(msgpack_sbuffer *out, struct casebus_bytes topic,
                       struct casebus_bytes body)
{
    struct sink sink;
    msgpack_packer pk;
    sink_begin(&sink, &pk, out);
    (void)msgpack_pack_array(&pk, 2);
    casebus_pack_str(&pk, topic);
    casebus_pack_bin(&pk, body);
    const int rc = sink_end(&sink, 0);
    if (rc == 0) {
        casebus_put_big_endian((unsigned char *)out->data + HEAD_SIZE - 2,
                               casebus_bundle_count(out) + 1, 2);
    }
    return rc;
}
