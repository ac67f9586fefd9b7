/* Events of every kind from one body; decode, encode, decode is stable. */
#include "fuzz.h"

#include <casebus/event.h>

static const char *const topics[] = {
#define X(symbol, resource, event) resource ":" event ":hse:T/H/2005 02:",
    CASEBUS_EVENT_KINDS(X)
#undef X
};

typedef int encoder(const struct casebus_event *, msgpack_sbuffer *);

static void round_trip(struct casebus_bytes topic, const struct casebus_event *event,
                       encoder *encode)
{
    msgpack_sbuffer once, twice;
    struct casebus_event again;
    msgpack_sbuffer_init(&once);
    msgpack_sbuffer_init(&twice);
    if (encode(event, &once) == 0) { /* thin fails where `changed` is not what it should be */
        struct casebus_bytes body = casebus_bytes(once.data, once.size);
        HOLDS(casebus_event_decode(topic, body, &again, NULL) == 0);
        HOLDS(again.seq == event->seq && again.kind == event->kind);
        HOLDS(encode(&again, &twice) == 0);
        HOLDS(casebus_bytes_equal(body, casebus_bytes(twice.data, twice.size)));
    }
    msgpack_sbuffer_destroy(&once);
    msgpack_sbuffer_destroy(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < CASEBUS_EVENT_KIND_COUNT; i++) {
        struct casebus_bytes topic = casebus_cstr(topics[i]);
        struct casebus_event event;
        struct casebus_fault fault = {0};
        struct casebus_bytes body = casebus_bytes(data, size);
        int halves = casebus_event_read(topic, body, &event, &fault);
        halves = halves ? halves : casebus_event_check(&event, &fault);
        int error = casebus_event_decode(topic, body, &event, &fault);
        if (error) {
            fuzz_refusal(error, &fault);
        } else {
            HOLDS(halves == 0);
            HOLDS(event.kind == i && event.prev < event.seq);
            round_trip(topic, &event, casebus_event_encode);
            round_trip(topic, &event, casebus_event_encode_thin);
        }
    }
    return 0;
}
