/* Heads: where every stream ends, so that a reader knows what it has not got. */
#include "envelope.h"
#include "fault.h"
#include "sink.h"

#include <casebus/event.h>
#include <string.h>

/* Streams are only names here: one of an unknown kind comes from a later broker. */
static int check_streams(struct casebus_bytes streams, uint64_t seq,
                         struct casebus_fault *fault)
{
    struct casebus_reader r;
    casebus_reader_init(&r, streams);
    for (uint32_t count = casebus_read_map(&r); count > 0; count--) {
        struct casebus_bytes stream = casebus_read_str(&r);
        uint64_t head = casebus_read_uint(&r);
        if (r.error || head > seq) {
            int error = r.error ? r.error : CASEBUS_EVALUE;
            casebus_fault_set(fault, error, "");
            casebus_fault_under(fault, stream);
            casebus_fault_under(fault, casebus_cstr("heads"));
            return error;
        }
    }
    return 0;
}

static int read_body(struct casebus_bytes body, struct casebus_heads *heads,
                     struct casebus_fault *fault)
{
    unsigned version;
    int error = casebus_envelope_version(body, &version, fault);
    if (!error) {
        error = casebus_envelope_epoch(body, heads->epoch, fault);
    }
    if (!error) {
        error = casebus_envelope_uint(body, "seq", &heads->seq, fault);
    }
    if (!error && heads->is_batch) {
        error = casebus_envelope_uint(body, "before", &heads->before, fault);
    }
    if (!error && heads->before > heads->seq) {
        error = casebus_fault_set(fault, CASEBUS_EVALUE, "before");
    }
    if (!error) {
        error = casebus_envelope_map(body, "heads", &heads->streams, fault);
    }
    if (!error && casebus_map_get(body, "quiet").data) {
        error = casebus_envelope_uint(body, "quiet", &heads->quiet, fault);
    }
    if (!error && casebus_map_get(body, "held").data) {
        error = casebus_envelope_str(body, "held", &heads->held, fault);
    }
    return error ? error : check_streams(heads->streams, heads->seq, fault);
}

int casebus_heads_decode(struct casebus_bytes topic, struct casebus_bytes body,
                         struct casebus_heads *heads, struct casebus_fault *fault)
{
    memset(heads, 0, sizeof *heads);
    heads->is_batch = casebus_bytes_is(topic, CASEBUS_TOPIC_HEADS_BATCH);
    if (!heads->is_batch && !casebus_bytes_is(topic, CASEBUS_TOPIC_HEADS_ALL)) {
        return casebus_fault_set(fault, CASEBUS_ETOPIC, "topic");
    }
    int error = casebus_envelope_scan(body, casebus_scan_limits_reply(), fault);
    return error ? error : read_body(body, heads, fault);
}

int casebus_heads_encode(const struct casebus_heads *heads, msgpack_sbuffer *out)
{
    struct sink sink;
    msgpack_packer pk;
    sink_begin(&sink, &pk, out);
    (void)msgpack_pack_map(&pk, 4u + (heads->is_batch ? 1u : 0u) + (heads->quiet ? 1u : 0u) +
                                    (heads->held.data ? 1u : 0u));
    sink_pair_uint(&pk, "v", CASEBUS_PROTOCOL_VERSION);
    sink_pair_bin(&pk, "epoch", heads->epoch, CASEBUS_EPOCH_SIZE);
    sink_pair_uint(&pk, "seq", heads->seq);
    if (heads->is_batch) {
        sink_pair_uint(&pk, "before", heads->before);
    }
    sink_pair_raw(&pk, "heads", heads->streams);
    if (heads->quiet) {
        sink_pair_uint(&pk, "quiet", heads->quiet);
    }
    if (heads->held.data) {
        sink_pair_str(&pk, "held", heads->held);
    }
    return sink_end(&sink, 0);
}

void casebus_heads_keep_held(const struct casebus_heads *heads, char *held, size_t size)
{
    const size_t kept = heads->held.size < size ? heads->held.size : size - 1;
    if (heads->is_batch) {
        return;
    }
    if (kept > 0) {
        memcpy(held, heads->held.data, kept);
    }
    held[kept] = '\0';
}
