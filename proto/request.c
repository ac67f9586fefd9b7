/* Requests and replies: the envelope only. What an operation's arguments mean is its
 * handler's. */
#include "envelope.h"
#include "fault.h"
#include "sink.h"

#include <casebus/request.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} ops[CASEBUS_OP_COUNT] = {
#define X(symbol, name) [symbol] = {name, sizeof name - 1},
    CASEBUS_OPS(X)
#undef X
};

const char *casebus_op_name(enum casebus_op op)
{
    return (unsigned)op < CASEBUS_OP_COUNT ? ops[op].name : "unknown";
}

enum casebus_op casebus_op_find(struct casebus_bytes name)
{
    int op = 0;
    while (op < CASEBUS_OP_COUNT &&
           !casebus_bytes_equal(name, casebus_bytes(ops[op].name, ops[op].size))) {
        op++;
    }
    return (enum casebus_op)op;
}

/* --- requests ------------------------------------------------------------------------- */

int casebus_request_decode(struct casebus_bytes body, struct casebus_request *request,
                           struct casebus_fault *fault)
{
    struct casebus_bytes name;
    *request = (struct casebus_request){.op = CASEBUS_OP_COUNT, .map = body};
    if (body.size > CASEBUS_REQUEST_MAX) {
        return casebus_fault_set(fault, CASEBUS_ETOOLARGE, "");
    }
    int error = casebus_envelope_scan(body, casebus_scan_limits(), fault);
    if (!error) {
        error = casebus_envelope_version(body, &request->version, fault);
    }
    if (!error) {
        error = casebus_envelope_str(body, "op", &name, fault);
    }
    if (error) {
        return error;
    }
    request->op = casebus_op_find(name);
    return request->op < CASEBUS_OP_COUNT ? 0
                                          : casebus_fault_set(fault, CASEBUS_EUNKNOWN_OP, "op");
}

void casebus_request_begin(msgpack_packer *pk, enum casebus_op op, unsigned args)
{
    (void)msgpack_pack_map(pk, 2 + (size_t)args);
    sink_pair_uint(pk, "v", CASEBUS_PROTOCOL_VERSION);
    sink_pair_str(pk, "op", casebus_cstr(casebus_op_name(op)));
}

/* --- replies -------------------------------------------------------------------------- */

/* A word of a later broker is an error all the same. */
static int error_of_word(struct casebus_bytes word)
{
    int error = casebus_error_from_word((const char *)word.data, word.size);
    return error == CASEBUS_EPROTO && !casebus_bytes_is(word, casebus_error_word(error))
               ? CASEBUS_EINTERNAL
               : error;
}

static int read_error(struct casebus_bytes map, struct casebus_reply *reply,
                      struct casebus_fault *fault)
{
    struct casebus_bytes word;
    int error = casebus_envelope_str(map, "code", &word, fault);
    if (error) {
        casebus_fault_under(fault, casebus_cstr("error"));
        return error;
    }
    reply->error = error_of_word(word);
    reply->error_text = casebus_as_str(casebus_map_get(map, "text"));
    reply->error_field = casebus_as_str(casebus_map_get(map, "field"));
    return 0;
}

int casebus_reply_decode(struct casebus_bytes body, struct casebus_reply *reply,
                         struct casebus_fault *fault)
{
    unsigned version;
    memset(reply, 0, sizeof *reply);
    int error = casebus_envelope_scan(body, casebus_scan_limits_reply(), fault);
    if (!error) {
        error = casebus_envelope_version(body, &version, fault);
    }
    if (!error) {
        error = casebus_envelope_epoch(body, reply->epoch, fault);
    }
    if (!error) {
        error = casebus_envelope_uint(body, "seq", &reply->seq, fault);
    }
    if (!error) {
        error = casebus_envelope_uint(body, "entry", &reply->entry, fault);
    }
    if (error) {
        return error;
    }
    if (!casebus_map_get(body, "error").data) {
        return casebus_envelope_map(body, "result", &reply->result, fault);
    }
    struct casebus_bytes map;
    error = casebus_envelope_map(body, "error", &map, fault);
    return error ? error : read_error(map, reply, fault);
}

static void pack_error(msgpack_packer *pk, const struct casebus_reply *reply)
{
    struct casebus_bytes text = reply->error_text;
    if (!text.data) {
        text = casebus_cstr(casebus_strerror(reply->error));
    }
    casebus_pack_text(pk, "error");
    (void)msgpack_pack_map(pk, reply->error_field.data ? 3 : 2);
    sink_pair_str(pk, "code", casebus_cstr(casebus_error_word(reply->error)));
    sink_pair_str(pk, "text", text);
    if (reply->error_field.data) {
        sink_pair_str(pk, "field", reply->error_field);
    }
}

static void pack_result(msgpack_packer *pk, const struct casebus_reply *reply)
{
    casebus_pack_text(pk, "result");
    if (reply->result.data) {
        casebus_pack_raw(pk, reply->result);
    } else {
        (void)msgpack_pack_map(pk, 0);
    }
}

static void pack_head(msgpack_packer *pk, const struct casebus_reply *reply)
{
    (void)msgpack_pack_map(pk, 5);
    sink_pair_uint(pk, "v", CASEBUS_PROTOCOL_VERSION);
    sink_pair_bin(pk, "epoch", reply->epoch, CASEBUS_EPOCH_SIZE);
    sink_pair_uint(pk, "seq", reply->seq);
    sink_pair_uint(pk, "entry", reply->entry);
}

int casebus_reply_begin(const struct casebus_reply *reply, msgpack_sbuffer *out)
{
    struct sink sink;
    msgpack_packer pk;
    sink_begin(&sink, &pk, out);
    pack_head(&pk, reply);
    casebus_pack_text(&pk, "result");
    return sink_end(&sink, 0);
}

int casebus_reply_encode(const struct casebus_reply *reply, msgpack_sbuffer *out)
{
    struct sink sink;
    msgpack_packer pk;
    sink_begin(&sink, &pk, out);
    pack_head(&pk, reply);
    if (reply->error) {
        pack_error(&pk, reply);
    } else {
        pack_result(&pk, reply);
    }
    return sink_end(&sink, 0);
}
