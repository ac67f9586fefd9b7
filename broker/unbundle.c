/* Bundles of reports, taken apart.
 *
 * To the broker a report in a bundle is one that came alone: it is admitted, counted, decided
 * and told of by itself. Only its bytes stay where they are: each report has copies of the
 * bundle's frames, which libzmq makes by counting who has them, and which name the sender as
 * the frames do. There may be more of them than a batch has room for, so a bundle stays open
 * from one batch to the next.
 *
 * What is no bundle is a report with a topic that none may have, and is refused as such; so is
 * what stands in a bundle and is not a topic and a body. */
#include "unbundle.h"

static struct casebus_bytes bytes_of(zmq_msg_t *m)
{
    return casebus_bytes(zmq_msg_data(m), zmq_msg_size(m));
}

bool unbundle_begin(struct unbundling *self, struct item *item)
{
    if (!casebus_bytes_is(item->entry.topic, CASEBUS_TOPIC_BUNDLE) ||
        !casebus_bundle_read(&self->frames, item->entry.body) || self->frames.left == 0) {
        return false;
    }
    zmq_msg_init(&self->topic);
    zmq_msg_init(&self->body);
    zmq_msg_move(&self->topic, &item->topic);
    zmq_msg_move(&self->body, &item->body);
    (void)casebus_bundle_read(&self->frames, bytes_of(&self->body)); /* short ones have moved */
    self->holder = NULL;
    self->open = true;
    return true;
}

/* The same bytes in a copy of the frame they are in. */
static struct casebus_bytes in_copy(struct casebus_bytes part, zmq_msg_t *frame,
                                    zmq_msg_t *copy)
{
    const struct casebus_bytes whole = bytes_of(frame);
    return casebus_bytes(bytes_of(copy).data + (part.data - whole.data), part.size);
}

/* What comes next; the topic is absent where that is no report: something else, or all that is
 * left where it is cut off or stands behind the last. */
static bool next_part(struct casebus_frames *frames, struct casebus_bytes *topic,
                      struct casebus_bytes *body)
{
    const struct casebus_bytes rest =
        casebus_bytes(frames->at.at, (size_t)(frames->at.end - frames->at.at));
    const int rc = casebus_frames_next(frames, topic, body);
    if (rc == 1) {
        return true;
    }
    const bool known = rc != 0 && frames->at.error == 0; /* where it ends */
    *topic = casebus_bytes(NULL, 0);
    *body = known ? casebus_bytes(rest.data, (size_t)(frames->at.at - rest.data)) : rest;
    frames->at.at = known ? frames->at.at : frames->at.end;
    return rc != 0 || (frames->at.error == 0 && rest.size > 0);
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
    zmq_msg_init(&item->topic);
    zmq_msg_init(&item->body);
    zmq_msg_copy(&item->topic, &self->topic);
    zmq_msg_copy(&item->body, &self->body);
    item->entry.topic =
        topic.data ? in_copy(topic, &self->body, &item->body) : bytes_of(&item->topic);
    item->entry.body = in_copy(body, &self->body, &item->body);
    return true;
}

size_t unbundle_weight(struct unbundling *self, const struct batch *batch)
{
    const bool held = self->holder == batch;
    self->holder = batch;
    return held ? 0 : zmq_msg_size(&self->body);
}

void unbundle_end(struct unbundling *self)
{
    if (self->open) {
        zmq_msg_close(&self->topic);
        zmq_msg_close(&self->body);
        self->open = false;
    }
}
