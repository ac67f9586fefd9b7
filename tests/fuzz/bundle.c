/* A bundle's messages, written into another, are the same again. */
#include "fuzz.h"

#include <casebus/bundle.h>

static void same_again(struct casebus_frames frames, const msgpack_sbuffer *out)
{
    struct casebus_bytes topic, body, again_topic, again_body;
    struct casebus_frames again;
    int rc;
    HOLDS(casebus_bundle_read(&again, casebus_bytes(out->data, out->size)));
    while ((rc = casebus_frames_next(&frames, &topic, &body)) != 0) {
        if (rc == 1) {
            HOLDS(casebus_frames_next(&again, &again_topic, &again_body) == 1);
            HOLDS(casebus_bytes_equal(topic, again_topic));
            HOLDS(casebus_bytes_equal(body, again_body));
        }
    }
    HOLDS(casebus_frames_next(&again, &again_topic, &again_body) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_frames frames, first;
    struct casebus_bytes topic, body;
    msgpack_sbuffer out;
    int rc;
    if (!casebus_bundle_read(&frames, casebus_bytes(data, size)) || frames.left > 0xffff) {
        return 0;
    }
    first = frames;
    msgpack_sbuffer_init(&out);
    HOLDS(casebus_bundle_begin(&out, CASEBUS_EVENT_BUNDLE_MAX) == 0);
    while ((rc = casebus_frames_next(&frames, &topic, &body)) != 0) {
        HOLDS(rc == 1 || rc == CASEBUS_EMALFORMED);
        HOLDS(rc != 1 || casebus_bundle_add(&out, topic, body) == 0);
    }
    same_again(first, &out);
    msgpack_sbuffer_destroy(&out);
    return 0;
}
