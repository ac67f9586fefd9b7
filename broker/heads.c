/* A sorted array of streams; the one that moved last is tried first, as it mostly moves again.
 */
#include "heads.h"

#include <stdlib.h>
#include <string.h>

struct stream {
    char name[CASEBUS_TOPIC_MAX];
    size_t size, number;
    uint64_t seq;
    bool moved;
};

struct heads {
    struct stream *streams;
    size_t count, capacity, last;
};

static struct casebus_bytes name_of(const struct stream *s)
{
    return casebus_bytes(s->name, s->size);
}

/* Where the stream is, or where it belongs. */
static size_t place_of(const struct heads *self, struct casebus_bytes name)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (casebus_bytes_compare(name_of(&self->streams[middle]), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int insert(struct heads *self, size_t at, struct casebus_bytes name)
{
    if (self->count == self->capacity) {
        size_t wider = self->capacity ? self->capacity * 2 : 64;
        struct stream *p = realloc(self->streams, wider * sizeof *p);
        if (!p) {
            return CASEBUS_ENOMEM;
        }
        self->streams = p;
        self->capacity = wider;
    }
    struct stream *s = &self->streams[at];
    memmove(s + 1, s, (self->count - at) * sizeof *s);
    memset(s, 0, sizeof *s);
    s->size = name.size < sizeof s->name ? name.size : sizeof s->name;
    memcpy(s->name, name.data, s->size);
    s->number = self->count++;
    return 0;
}

int heads_move(struct heads *self, struct casebus_bytes topic, uint64_t seq, size_t *stream)
{
    struct casebus_bytes name = casebus_topic_stream(topic);
    size_t at = self->last;
    if (at >= self->count || !casebus_bytes_equal(name_of(&self->streams[at]), name)) {
        at = place_of(self, name);
        if (at == self->count || !casebus_bytes_equal(name_of(&self->streams[at]), name)) {
            int rc = insert(self, at, name);
            if (rc != 0) {
                return rc;
            }
        }
    }
    self->streams[at].seq = seq;
    self->streams[at].moved = true;
    self->last = at;
    *stream = self->streams[at].number;
    return 0;
}

size_t heads_streams(const struct heads *self)
{
    return self->count;
}

void heads_settle(struct heads *self)
{
    for (size_t i = 0; i < self->count; i++) {
        self->streams[i].moved = false;
    }
}

static bool is_packed(const struct stream *s, bool moved_only, const struct scope *scope)
{
    return (!moved_only || s->moved) && scope_covers_topic(scope, name_of(s));
}

void heads_pack(const struct heads *self, bool moved_only, const struct scope *scope,
                msgpack_packer *pk)
{
    size_t n = 0;
    for (size_t i = 0; i < self->count; i++) {
        n += is_packed(&self->streams[i], moved_only, scope);
    }
    msgpack_pack_map(pk, n);
    for (size_t i = 0; i < self->count; i++) {
        const struct stream *s = &self->streams[i];
        if (is_packed(s, moved_only, scope)) {
            casebus_pack_str(pk, name_of(s));
            msgpack_pack_uint64(pk, s->seq);
        }
    }
}

static int read_heads(struct heads *self, struct txn *txn)
{
    struct cursor c;
    int rc = 0;
    cursor_open(&c, txn, TREE_HEAD);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1)); at && rc == 0; at = cursor_next(&c)) {
        struct head_entry head;
        size_t stream;
        rc = entry_decode(ENTRY_HEAD, c.value, &head);
        if (rc == 0) {
            rc = heads_move(self, c.key, head.seq, &stream);
        }
    }
    cursor_close(&c);
    heads_settle(self);
    return rc != 0 ? rc : txn_error(txn);
}

int heads_new(struct heads **self_p, struct store *store)
{
    struct txn *txn = NULL;
    *self_p = calloc(1, sizeof **self_p);
    int rc = *self_p ? txn_new_read(store, &txn) : CASEBUS_ENOMEM;
    if (rc == 0) {
        rc = txn_begin(txn);
    }
    if (rc == 0) {
        rc = read_heads(*self_p, txn);
    }
    txn_destroy(&txn);
    if (rc != 0) {
        heads_destroy(self_p);
    }
    return rc;
}

void heads_destroy(struct heads **self_p)
{
    if (*self_p) {
        free((*self_p)->streams);
        free(*self_p);
        *self_p = NULL;
    }
}
