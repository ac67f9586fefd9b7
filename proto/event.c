/* Events: written by the broker, read by everybody.
 *
 * A reader takes the keys in any order and ignores what it does not know, so that a later
 * broker can add to an event; the order of this file's own writer is tried first. `changed` and
 * `payload` stay encoded: most readers look at a few names. */
#include "fault.h"
#include "sink.h"
#include "wire.h"

#include <casebus/event.h>
#include <stdlib.h>
#include <string.h>

/* --- decoding ------------------------------------------------------------------------- */

struct reading {
    struct casebus_reader r;
    struct casebus_event *event;
    unsigned seen; /* a bit for each of `keys` */
    uint32_t left; /* pairs, the one being read counted */
    uint64_t version;
    struct casebus_bytes word;
};

static int read_uint(struct reading *in, uint64_t *number)
{
    *number = casebus_read_uint(&in->r);
    return in->r.error;
}

static int read_v(struct reading *in)
{
    int error = read_uint(in, &in->version);
    return error ? error : in->version == CASEBUS_PROTOCOL_VERSION ? 0 : CASEBUS_EVERSION;
}

static int read_epoch(struct reading *in)
{
    struct casebus_bytes epoch = casebus_read_bin(&in->r);
    if (in->r.error || epoch.size != CASEBUS_EPOCH_SIZE) {
        return in->r.error ? in->r.error : CASEBUS_EVALUE;
    }
    memcpy(in->event->epoch, epoch.data, CASEBUS_EPOCH_SIZE);
    return 0;
}

static int read_event(struct reading *in)
{
    in->word = casebus_read_str(&in->r);
    if (in->r.error) {
        return in->r.error;
    }
    return casebus_bytes_equal(in->word, in->event->topic.segment[1]) ? 0 : CASEBUS_EVALUE;
}

static int read_seq(struct reading *in)
{
    return read_uint(in, &in->event->seq);
}

static int read_prev(struct reading *in)
{
    return read_uint(in, &in->event->prev);
}

static int read_prev_topic(struct reading *in)
{
    return read_uint(in, &in->event->prev_topic);
}

static int read_at(struct reading *in)
{
    return read_uint(in, &in->event->at);
}

static int read_actor(struct reading *in)
{
    in->event->actor = casebus_read_str(&in->r);
    return in->r.error;
}

static int read_session(struct reading *in)
{
    in->event->session = casebus_read_str(&in->r);
    return in->r.error;
}

static int read_version(struct reading *in)
{
    return read_uint(in, &in->event->version);
}

/* A map or an array. The last value is all that is left: a payload, usually, and long to walk
 * through. */
static struct casebus_bytes read_whole(struct reading *in)
{
    const unsigned char *begin = in->r.at;
    if (in->left > 1) {
        return casebus_read_raw(&in->r);
    }
    in->r.at = in->r.end;
    return casebus_bytes(begin, (size_t)(in->r.end - begin));
}

static int read_changed(struct reading *in)
{
    if (casebus_peek(&in->r) != CASEBUS_ARRAY) {
        return CASEBUS_ETYPE;
    }
    in->event->changed = read_whole(in);
    return in->r.error;
}

/* Does a map begin here? Records have about twelve fields, so its head is of one byte or of
 * three. */
static inline bool begins_map(const struct casebus_reader *r)
{
    const size_t left = (size_t)(r->end - r->at);
    return (left > 0 && (*r->at & 0xf0) == 0x80) || (left > 2 && *r->at == 0xde) ||
           casebus_peek(r) == CASEBUS_MAP;
}

static int read_payload(struct reading *in)
{
    if (!begins_map(&in->r)) {
        return CASEBUS_ETYPE;
    }
    in->event->payload = read_whole(in);
    return in->r.error;
}

static int read_thin(struct reading *in)
{
    in->event->thin = casebus_read_bool(&in->r);
    return in->r.error;
}

#define KEY(name, read)                                                                        \
    {                                                                                          \
        name, sizeof name - 1, read                                                            \
    }
static const struct {
    const char *name;
    size_t size;
    int (*read)(struct reading *);
} keys[] = {
    KEY("v", read_v),
    KEY("epoch", read_epoch),
    KEY("event", read_event),
    KEY("seq", read_seq),
    KEY("prev", read_prev),
    KEY("prev_topic", read_prev_topic),
    KEY("at", read_at),
    KEY("actor", read_actor),
    KEY("session", read_session),
    KEY("version", read_version),
    KEY("changed", read_changed),
    KEY("payload", read_payload),
    KEY("thin", read_thin),
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])
#define IN_EVERY_EVENT 8 /* the first of them */

/* Which key this is; an encoder's order makes it the one behind the last. */
static size_t find(struct casebus_bytes name, size_t next)
{
    size_t i = next < KEY_COUNT ? next : 0;
    for (size_t n = 0; n < KEY_COUNT; n++) {
        if (name.size == keys[i].size &&
            wire_same(name.data, (const unsigned char *)keys[i].name, name.size)) {
            return i;
        }
        i = i + 1 < KEY_COUNT ? i + 1 : 0;
    }
    return KEY_COUNT;
}

static int read_keys(struct reading *in, struct casebus_fault *fault)
{
    size_t next = 0;
    for (in->left = casebus_read_map(&in->r); in->left > 0; in->left--) {
        size_t i = find(wire_read_name(&in->r), next);
        if (i == KEY_COUNT) {
            casebus_skip(&in->r);
            continue;
        }
        int error = in->seen & 1u << i ? CASEBUS_EDUPLICATE : keys[i].read(in);
        if (error) {
            return casebus_fault_set(fault, error, keys[i].name);
        }
        in->seen |= 1u << i;
        next = i + 1;
    }
    if (in->r.error || in->r.at != in->r.end) { /* not a map, or more than one */
        return casebus_fault_set(fault, CASEBUS_EMALFORMED, "");
    }
    for (size_t i = 0; i < IN_EVERY_EVENT; i++) {
        if (!(in->seen & 1u << i)) {
            return casebus_fault_set(fault, CASEBUS_EMISSING, keys[i].name);
        }
    }
    return 0;
}

/* --- as a broker writes it -------------------------------------------------------------- */

/* Passes these bytes, if they are what comes next. A literal, so that it costs a comparison or
 * two; heads in octal, which is not taken for longer than it is: \24n is a text of n. */
#define PASS(r, literal)                                                                       \
    ((size_t)((r)->end - (r)->at) >= sizeof literal - 1 &&                                     \
     memcmp((r)->at, literal, sizeof literal - 1) == 0 &&                                      \
     ((r)->at += sizeof literal - 1, true))

static inline bool pass_uint(struct casebus_reader *r, uint64_t *number)
{
    size_t size = wire_uint(r->at, r->end, number);
    r->at += size;
    return size > 0;
}

static inline bool pass_short(struct casebus_reader *r, struct casebus_bytes *text)
{
    size_t size = wire_short(r->at, r->end);
    if (size == 0) {
        return false;
    }
    *text = casebus_bytes(r->at + 1, size);
    r->at += 1 + size;
    return true;
}

static inline bool pass_epoch(struct casebus_reader *r, unsigned char *epoch)
{
    _Static_assert(CASEBUS_EPOCH_SIZE == 8, "c4 08 is before it");
    if ((size_t)(r->end - r->at) < CASEBUS_EPOCH_SIZE) {
        return false;
    }
    memcpy(epoch, r->at, CASEBUS_EPOCH_SIZE);
    r->at += CASEBUS_EPOCH_SIZE;
    return true;
}

/* The keys in every event: what they say of the message, and of the event. */
static inline bool pass_first(struct reading *in)
{
    struct casebus_reader *r = &in->r;
    struct casebus_event *event = in->event;
    return PASS(r, "\241v") && pass_uint(r, &in->version) &&
           in->version == CASEBUS_PROTOCOL_VERSION && PASS(r, "\245epoch\304\010") &&
           pass_epoch(r, event->epoch) && PASS(r, "\245event") && pass_short(r, &in->word) &&
           casebus_bytes_equal(in->word, event->topic.segment[1]);
}

static inline bool pass_numbers(struct casebus_reader *r, struct casebus_event *event)
{
    return PASS(r, "\243seq") && pass_uint(r, &event->seq) && PASS(r, "\244prev") &&
           pass_uint(r, &event->prev) && PASS(r, "\252prev_topic") &&
           pass_uint(r, &event->prev_topic) && PASS(r, "\242at") && pass_uint(r, &event->at) &&
           PASS(r, "\245actor") && pass_short(r, &event->actor);
}

/* Reads an event whose keys are in the order of casebus_event_put(), as nearly all are. False:
 * they are not, or something is wrong, and it is to be read key by key. */
static bool read_as_written(struct reading *in)
{
    struct casebus_reader *r = &in->r;
    in->left = casebus_read_map(r);
    if (in->left <= IN_EVERY_EVENT || !pass_first(in) || !pass_numbers(r, in->event)) {
        return false;
    }
    in->left -= IN_EVERY_EVENT;
    if (in->left > 1 && PASS(r, "\247session")) {
        if (!pass_short(r, &in->event->session)) {
            return false;
        }
        in->left--;
    }
    if (in->left > 1 && PASS(r, "\247version")) {
        if (!pass_uint(r, &in->event->version)) {
            return false;
        }
        in->left--;
    }
    if (in->left > 1 && PASS(r, "\247changed")) {
        if (read_changed(in) != 0) {
            return false;
        }
        in->left--;
    }
    return in->left == 1 && PASS(r, "\247payload") && read_payload(in) == 0;
}

/* Numbers go up: an event lies behind the one before it, and its topic is part of its
 * stream. */
static int check_order(const struct casebus_event *event, struct casebus_fault *fault)
{
    if (event->seq == 0) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, "seq");
    }
    if (event->prev >= event->seq) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, "prev");
    }
    if (event->prev_topic > event->prev) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, "prev_topic");
    }
    return 0;
}

int casebus_event_decode(struct casebus_bytes topic, struct casebus_bytes body,
                         struct casebus_event *event, struct casebus_fault *fault)
{
    struct casebus_topic parts;
    enum casebus_event_kind kind;
    if (casebus_topic_event(topic, &parts, &kind) != 0) {
        return casebus_fault_set(fault, CASEBUS_ETOPIC, "topic");
    }
    int error = casebus_scan(body, casebus_scan_limits_reply(), fault);
    return error ? error : casebus_event_read(topic, body, event, fault);
}

int casebus_event_read(struct casebus_bytes topic, struct casebus_bytes body,
                       struct casebus_event *event, struct casebus_fault *fault)
{
    struct reading in = {.event = event};
    memset(event, 0, sizeof *event);
    event->topic_text = topic;
    if (casebus_topic_event(topic, &event->topic, &event->kind) != 0) {
        return casebus_fault_set(fault, CASEBUS_ETOPIC, "topic");
    }
    casebus_reader_init(&in.r, body);
    if (read_as_written(&in)) {
        return check_order(event, fault);
    }
    *event =
        (struct casebus_event){.topic_text = topic, .topic = event->topic, .kind = event->kind};
    casebus_reader_init(&in.r, body);
    int error = read_keys(&in, fault);
    return error ? error : check_order(event, fault);
}

static int check_text(struct casebus_bytes text, const char *name, struct casebus_fault *fault)
{
    return casebus_utf8_valid(text) ? 0 : casebus_fault_set(fault, CASEBUS_EUTF8, name);
}

static int check_part(struct casebus_bytes part, const char *name, struct casebus_fault *fault)
{
    int error = part.data ? casebus_scan(part, casebus_scan_limits_reply(), fault) : 0;
    if (error) {
        casebus_fault_under(fault, casebus_cstr(name));
    }
    return error;
}

int casebus_event_check(const struct casebus_event *event, struct casebus_fault *fault)
{
    int error = check_text(event->actor, "actor", fault);
    error = error ? error : check_text(event->session, "session", fault);
    error = error ? error : check_part(event->changed, "changed", fault);
    return error ? error : check_part(event->payload, "payload", fault);
}

/* --- encoding ------------------------------------------------------------------------- */

size_t casebus_event_bound(const struct casebus_event *event)
{
    return 192 + event->actor.size + event->session.size + event->changed.size +
           event->payload.size;
}

CASEBUS_INLINE unsigned char *put_number(unsigned char *at, const char *key, uint64_t number)
{
    return casebus_put_uint(casebus_put_text(at, key), number);
}

static unsigned char *put_epoch(unsigned char *at, const unsigned char *epoch)
{
    at = casebus_put_text(at, "epoch");
    *at++ = 0xc4;
    *at++ = CASEBUS_EPOCH_SIZE;
    return casebus_put_raw(at, casebus_bytes(epoch, CASEBUS_EPOCH_SIZE));
}

/* All that stands before the payload, in a map with so many pairs more. */
static unsigned char *put_head(const struct casebus_event *event, unsigned more,
                               unsigned char *at)
{
    at = casebus_put_map(at, 8u + (event->session.data ? 1u : 0) + (event->version ? 1u : 0) +
                                 (event->changed.data ? 1u : 0) + more);
    at = put_number(at, "v", CASEBUS_PROTOCOL_VERSION);
    at = put_epoch(at, event->epoch);
    at = casebus_put_text(at, "event");
    at = casebus_put_text(at, casebus_event_kind_word(event->kind));
    at = put_number(at, "seq", event->seq);
    at = put_number(at, "prev", event->prev);
    at = put_number(at, "prev_topic", event->prev_topic);
    at = put_number(at, "at", event->at);
    at = casebus_put_str(casebus_put_text(at, "actor"), event->actor);
    if (event->session.data) {
        at = casebus_put_str(casebus_put_text(at, "session"), event->session);
    }
    if (event->version) {
        at = put_number(at, "version", event->version);
    }
    if (event->changed.data) {
        at = casebus_put_raw(casebus_put_text(at, "changed"), event->changed);
    }
    return at;
}

unsigned char *casebus_event_put_open(const struct casebus_event *event, unsigned char *at)
{
    return casebus_put_text(put_head(event, 1, at), "payload");
}

unsigned char *casebus_event_put(const struct casebus_event *event, unsigned char *at)
{
    at = put_head(event, (event->payload.data ? 1u : 0) + (event->thin ? 1u : 0), at);
    if (event->payload.data) {
        at = casebus_put_raw(casebus_put_text(at, "payload"), event->payload);
    }
    if (event->thin) {
        at = casebus_put_text(at, "thin");
        *at++ = 0xc3;
    }
    return at;
}

/* Room for `size` more bytes in out, or NULL. */
static unsigned char *room(msgpack_sbuffer *out, size_t size)
{
    if (out->alloc - out->size < size) {
        char *data = realloc(out->data, out->size + size);
        if (!data) {
            return NULL;
        }
        out->data = data;
        out->alloc = out->size + size;
    }
    return (unsigned char *)out->data + out->size;
}

int casebus_event_encode(const struct casebus_event *event, msgpack_sbuffer *out)
{
    unsigned char *begin = room(out, casebus_event_bound(event));
    if (!begin) {
        return CASEBUS_ENOMEM;
    }
    out->size += (size_t)(casebus_event_put(event, begin) - begin);
    return 0;
}

/* A map that keeps one pair of `map`, or none where it has no such key. */
static void pack_only(msgpack_packer *pk, struct casebus_bytes map, const char *key)
{
    struct casebus_bytes value = casebus_map_get(map, key);
    (void)msgpack_pack_map(pk, value.data ? 1 : 0);
    if (value.data) {
        sink_pair_raw(pk, key, value);
    }
}

static int pack_changed_names(msgpack_packer *pk, struct casebus_bytes changed)
{
    struct casebus_reader r;
    casebus_reader_init(&r, changed);
    uint32_t count = casebus_read_array(&r);
    (void)msgpack_pack_array(pk, count);
    for (; count > 0; count--) {
        pack_only(pk, casebus_read_raw(&r), "field");
    }
    return r.error;
}

int casebus_event_encode_thin(const struct casebus_event *event, msgpack_sbuffer *out)
{
    struct casebus_event thin = *event;
    struct sink sink;
    msgpack_sbuffer short_parts;
    msgpack_packer pk;
    size_t changed_size = 0;
    int error = 0;
    msgpack_sbuffer_init(&short_parts);
    sink_begin(&sink, &pk, &short_parts);
    if (event->changed.data) {
        error = pack_changed_names(&pk, event->changed);
        changed_size = short_parts.size;
    }
    if (event->payload.data) {
        pack_only(&pk, event->payload, "id");
    }
    error = sink_end(&sink, error);
    if (!error) {
        const unsigned char *parts = (const unsigned char *)short_parts.data;
        thin.thin = true;
        if (event->changed.data) {
            thin.changed = casebus_bytes(parts, changed_size);
        }
        if (event->payload.data) {
            thin.payload = casebus_bytes(parts + changed_size, short_parts.size - changed_size);
        }
        error = casebus_event_encode(&thin, out);
    }
    msgpack_sbuffer_destroy(&short_parts);
    return error;
}
