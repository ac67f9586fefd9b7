/* Both heads messages; decode, encode, decode is stable. */
#include "fuzz.h"

#include <casebus/event.h>

static void round_trip(struct casebus_bytes topic, struct casebus_bytes body)
{
    struct casebus_heads heads, again;
    struct casebus_fault fault = {0};
    int error = casebus_heads_decode(topic, body, &heads, &fault);
    if (error) {
        fuzz_refusal(error, &fault);
        return;
    }
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    HOLDS(casebus_heads_encode(&heads, &out) == 0);
    HOLDS(casebus_heads_decode(topic, casebus_bytes(out.data, out.size), &again, NULL) == 0);
    HOLDS(again.seq == heads.seq && again.before == heads.before);
    HOLDS(again.quiet == heads.quiet);
    HOLDS(casebus_bytes_equal(again.streams, heads.streams));
    HOLDS(casebus_bytes_equal(again.held, heads.held));
    msgpack_sbuffer_destroy(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    round_trip(casebus_cstr(CASEBUS_TOPIC_HEADS_ALL), casebus_bytes(data, size));
    round_trip(casebus_cstr(CASEBUS_TOPIC_HEADS_BATCH), casebus_bytes(data, size));
    return 0;
}
