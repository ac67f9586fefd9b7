/* Where each stream ends: a sorted array. Every second all of it is named, and mostly nothing
 * has moved; what has is found here once, however many views there are. */
#include "streams.h"

#include <stdlib.h>

#define STREAMS_MAX (CASEBUS_AGENCIES_MAX * 32) /* twice the kinds of event there are */

void streams_clear(struct streams *self)
{
    free(self->stream);
    *self = (struct streams){0};
}

static struct casebus_bytes name_of(const struct watch *watch)
{
    return casebus_bytes(watch->name, watch->size);
}

/* Where it is, or where it belongs. */
static size_t place_of(const struct streams *self, struct casebus_bytes name)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (casebus_bytes_compare(name_of(&self->stream[middle].name), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool insert(struct streams *self, size_t at, struct casebus_bytes name, uint64_t head)
{
    if (name.size == 0 || name.size > STREAM_NAME_MAX || self->count == STREAMS_MAX) {
        return false;
    }
    if (self->count == self->room) {
        const size_t room = self->room == 0 ? 64 : self->room * 2;
        struct stream *wider = realloc(self->stream, room * sizeof *wider);
        if (wider == NULL) {
            return false;
        }
        self->stream = wider;
        self->room = room;
    }
    struct stream *stream = &self->stream[at];
    memmove(stream + 1, stream, (self->count - at) * sizeof *stream);
    *stream = (struct stream){.name.size = (unsigned char)name.size, .head = head};
    memcpy(stream->name.name, name.data, name.size);
    self->count++;
    return true;
}

bool streams_move(struct streams *self, struct casebus_bytes name, uint64_t head)
{
    const size_t at = place_of(self, name);
    if (at == self->count || !casebus_bytes_equal(name_of(&self->stream[at].name), name)) {
        return insert(self, at, name, head);
    }
    const bool moved = head > self->stream[at].head;
    self->stream[at].head = moved ? head : self->stream[at].head;
    return moved;
}

bool watch_covers(const struct watch *watches, size_t count, struct casebus_bytes name)
{
    for (size_t i = 0; i < count; i++) {
        if (watches[i].size <= name.size &&
            memcmp(watches[i].name, name.data, watches[i].size) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t streams_head(const struct streams *self, const struct watch *watches, size_t count)
{
    uint64_t head = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct stream *stream = &self->stream[i];
        if (stream->head > head && watch_covers(watches, count, name_of(&stream->name))) {
            head = stream->head;
        }
    }
    return head;
}
