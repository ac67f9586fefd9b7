/* A bundle that a publisher has sent, taken apart: whatever its bytes are, each part lies in
 * its frame, and each batch pays for that once and keeps it, also when the bundle has ended. */
#include "fuzz.h"

#include "../../broker/unbundle.h"

#define BATCH 7 /* parts of it, before another batch begins */

static struct casebus_bytes filled(zmq_msg_t *frame, const void *data, size_t size)
{
    HOLDS(zmq_msg_init_size(frame, size) == 0);
    if (size > 0) {
        memcpy(zmq_msg_data(frame), data, size);
    }
    return casebus_bytes(zmq_msg_data(frame), size);
}

static bool is_within(struct casebus_bytes part, struct casebus_bytes frame)
{
    const uintptr_t at = (uintptr_t)part.data, begin = (uintptr_t)frame.data;
    return at >= begin && at + part.size <= begin + frame.size;
}

/* How many parts it has, which pay for all of its bytes; `kept` is what the last batch keeps of
 * them. */
static uint32_t take_apart(struct unbundling *self, struct casebus_bytes frame, zmq_msg_t *kept)
{
    struct batch batch = {.frame = NULL};
    struct item part;
    bool rest = false; /* all that is no report comes as one, and last */
    uint32_t parts = 0;
    size_t paid = 0;
    while (unbundle_next(self, &part)) {
        paid += self->share;
        HOLDS(!rest && is_within(part.entry.body, frame));
        rest = !is_within(part.entry.topic, frame);
        HOLDS(!rest || casebus_bytes_is(part.entry.topic, CASEBUS_TOPIC_BUNDLE));
        const bool first = parts++ % BATCH == 0;
        batch.frame = first ? NULL : batch.frame;
        HOLDS(unbundle_keep(self, &batch, &part) == (first ? frame.size : 0));
        if (first) {
            zmq_msg_move(kept, &part.body);
        }
        zmq_msg_close(&part.topic);
        zmq_msg_close(&part.body);
    }
    HOLDS(paid == frame.size);
    return parts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unbundling bundle = {.open = false};
    struct item item;
    item.entry.topic = filled(&item.topic, CASEBUS_TOPIC_BUNDLE, CASEBUS_TOPIC_BUNDLE_SIZE);
    const struct casebus_bytes frame = item.entry.body = filled(&item.body, data, size);
    if (unbundle_begin(&bundle, &item)) {
        const uint32_t said = bundle.frames.left;
        zmq_msg_t kept;
        zmq_msg_init(&kept);
        HOLDS(said > 0 && said <= CASEBUS_BUNDLED_MAX && size <= CASEBUS_REPORT_BUNDLE_MAX);
        const uint32_t parts = take_apart(&bundle, frame, &kept);
        HOLDS(!bundle.open && parts > 0 && parts <= said + 1);
        HOLDS(zmq_msg_data(&kept) == frame.data && memcmp(frame.data, data, size) == 0);
        zmq_msg_close(&kept);
    } else {
        HOLDS(!bundle.open && zmq_msg_data(&item.body) == frame.data);
    }
    zmq_msg_close(&item.topic);
    zmq_msg_close(&item.body);
    return 0;
}
