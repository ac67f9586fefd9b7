/* Where each stream ends, as heads have said it. Private to views. */
#ifndef CASEBUS_STREAMS_H
#define CASEBUS_STREAMS_H

#include <casebus/event.h>

/* "session:progressed:" and an agency with its colon, 52, is the longest. */
#define STREAM_NAME_MAX 63

/* What a view watches: streams whose name begins with it. */
struct watch {
    unsigned char size;
    char name[STREAM_NAME_MAX];
};

struct stream {
    struct watch name;
    uint64_t head;
};

/* All zero is none. */
struct streams {
    struct stream *stream; /* sorted by name */
    size_t count, room;
};

void streams_clear(struct streams *self);
/* True: it ends there now, which is further than was known. A name that is no stream's, or one
 * more than there can be, is not taken. No memory is no promise broken: it is named again. */
bool streams_move(struct streams *self, struct casebus_bytes name, uint64_t head);
/* The highest head of those watched. */
uint64_t streams_head(const struct streams *self, const struct watch *watches, size_t count);

bool watch_covers(const struct watch *watches, size_t count, struct casebus_bytes name);

#endif
