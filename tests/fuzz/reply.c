/* Replies; decode, encode, decode is stable. */
#include "fuzz.h"

#include <casebus/request.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_reply reply, again;
    struct casebus_fault fault = {0};
    int error = casebus_reply_decode(casebus_bytes(data, size), &reply, &fault);
    if (error) {
        fuzz_refusal(error, &fault);
        return 0;
    }
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    HOLDS((reply.error == 0) == (reply.result.data != NULL));
    HOLDS(casebus_reply_encode(&reply, &out) == 0);
    HOLDS(casebus_reply_decode(casebus_bytes(out.data, out.size), &again, &fault) == 0);
    HOLDS(again.seq == reply.seq && again.entry == reply.entry && again.error == reply.error);
    HOLDS(casebus_bytes_equal(again.result, reply.result));
    HOLDS(casebus_bytes_equal(again.error_field, reply.error_field));
    msgpack_sbuffer_destroy(&out);
    return 0;
}
