/* Bundles of reports, taken apart.
 *
 * To the broker a report in a bundle is one that came alone: it is admitted, counted, decided
 * and told of by itself. Only its bytes stay where they are, in the bundle's frame, which the
 * first report of it that stays in a batch keeps for all that do, until the batch is cleared.
 * There may be more of them than a batch has room for, so a bundle stays open from one batch to
 * the next.
 *
 * What is no bundle is a report with a topic that none may have, and is refused as such; so is,
 * all together, what stands in one from where something is not a topic and a body: a peer has
 * no more refused for his bytes than by messages. */
#include "unbundle.h"

/* Do copies of the frame share its bytes? Those of a short frame do not: libzmq keeps it in the
 * message itself. No bundle is that short. */
static bool is_shared(zmq_msg_t *frame)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    zmq_msg_copy(&copy, frame);
    const bool same = zmq_msg_data(&copy) == zmq_msg_data(frame);
    zmq_msg_close(&copy);
    return same;
}

static bool is_bundle(struct casebus_frames *frames, const struct item *item)
{
    return casebus_bytes_is(item->entry.topic, CASEBUS_TOPIC_BUNDLE) &&
           item->entry.body.size <= CASEBUS_REPORT_BUNDLE_MAX &&
           casebus_bundle_read(frames, item->entry.body) && frames->left > 0 &&
           frames->left <= CASEBUS_BUNDLED_MAX;
}

bool unbundle_begin(struct unbundling *self, struct item *item)
{
    if (!is_bundle(&self->frames, item) || !is_shared(&item->body)) {
        return false;
    }
    self->unpaid = item->entry.body.size;
    zmq_msg_init(&self->topic);
    zmq_msg_init(&self->body);
    zmq_msg_move(&self->topic, &item->topic);
    zmq_msg_move(&self->body, &item->body);
    self->open = true;
    return true;
}

/* What comes next; the topic is absent where that is no report, but all that is left. */
static bool next_part(struct casebus_frames *frames, struct casebus_bytes *topic,
                      struct casebus_bytes *body)
{
    const struct casebus_bytes rest =
        casebus_bytes(frames->at.at, (size_t)(frames->at.end - frames->at.at));
    const int rc = casebus_frames_next(frames, topic, body);
    if (rc == 1) {
        return true;
    }
    *topic = casebus_bytes(NULL, 0);
    *body = rest;
    frames->left = 0;
    frames->at.at = frames->at.end;
    return rc != 0 || rest.size > 0;
}

bool unbundle_next(struct unbundling *self, struct item *item)
{
    struct casebus_bytes topic, body;
    if (!self->open) {
        return false;
    }
    if (!next_part(&self->frames, &topic, &body)) {
        unbundle_end(self);
        return false;
    }
    self->share = self->unpaid / (self->frames.left + 1); /* the last has what is left */
    self->unpaid -= self->share;
    zmq_msg_init(&item->topic);
    zmq_msg_init(&item->body);
    item->entry.topic = topic.data ? topic : casebus_cstr(CASEBUS_TOPIC_BUNDLE);
    item->entry.body = body;
    return true;
}

size_t unbundle_keep(struct unbundling *self, struct batch *batch, struct item *item)
{
    const void *frame = zmq_msg_data(&self->body);
    if (batch->frame == frame) {
        return 0;
    }
    batch->frame = frame;
    zmq_msg_copy(&item->body, &self->body);
    return zmq_msg_size(&self->body);
}

void unbundle_end(struct unbundling *self)
{
    if (self->open) {
        zmq_msg_close(&self->topic);
        zmq_msg_close(&self->body);
        self->open = false;
    }
}
