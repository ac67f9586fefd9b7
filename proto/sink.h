/* A buffer that remembers that it could not grow (private to proto): the packing helpers return
 * nothing, and an encoder asks once, at its end. */
#ifndef CASEBUS_SINK_H
#define CASEBUS_SINK_H

#include <casebus/msgpack.h>

struct sink {
    msgpack_sbuffer *out;
    size_t begin; /* where this message begins in `out` */
    bool failed;
};

static inline int sink_write(void *self, const char *data, size_t size)
{
    struct sink *sink = self;
    if (sink->failed || (size > 0 && msgpack_sbuffer_write(sink->out, data, size) != 0)) {
        sink->failed = true;
        return -1;
    }
    return 0;
}

static inline void sink_begin(struct sink *sink, msgpack_packer *pk, msgpack_sbuffer *out)
{
    *sink = (struct sink){.out = out, .begin = out->size};
    msgpack_packer_init(pk, sink, sink_write);
}

/* 0; or, with what was appended taken back, `error` or CASEBUS_ENOMEM. */
static inline int sink_end(struct sink *sink, int error)
{
    if (sink->failed) {
        error = CASEBUS_ENOMEM;
    }
    if (error) {
        sink->out->size = sink->begin;
    }
    return error;
}

static inline void sink_pair_uint(msgpack_packer *pk, const char *key, uint64_t number)
{
    casebus_pack_text(pk, key);
    (void)msgpack_pack_uint64(pk, number);
}

static inline void sink_pair_bin(msgpack_packer *pk, const char *key, const void *data,
                                 size_t size)
{
    casebus_pack_text(pk, key);
    casebus_pack_bin(pk, casebus_bytes(data, size));
}

static inline void sink_pair_str(msgpack_packer *pk, const char *key, struct casebus_bytes text)
{
    casebus_pack_text(pk, key);
    casebus_pack_str(pk, text);
}

static inline void sink_pair_raw(msgpack_packer *pk, const char *key, struct casebus_bytes raw)
{
    casebus_pack_text(pk, key);
    casebus_pack_raw(pk, raw);
}

#endif
