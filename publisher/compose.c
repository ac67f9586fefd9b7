/* Writing a report down, once: in the memory that the window keeps and the socket sends.
 *
 * Sending is the hot path, and what it does to bytes is this: everything in front of the data
 * is written into scratch space, which says how large the message is, and then both are copied
 * into it. Of a topic mostly the key alone differs from the one before, so the rest is kept.
 *
 * Contract: the messages made are the caller's, to push or to close. */
#include "compose.h"

#include <stdlib.h>
#include <string.h>

/* Of a body, everything in front of the data but the session's text: 99 bytes where
 * the numbers are at their longest. */
#define HEAD_MAX 128

void casebus_composer_clear(struct composer *self)
{
    free(self->head);
    *self = (struct composer){0};
}

int casebus_fault_at(struct casebus_fault *fault, const char *field, int code)
{
    fault->code = code;
    fault->field[0] = '\0';
    strncat(fault->field, field, sizeof fault->field - 1);
    return code;
}

/* --- topics ------------------------------------------------------------------------------- */

static int segment_fault(struct casebus_bytes text)
{
    return text.size == 0                    ? CASEBUS_EMISSING
           : text.size > CASEBUS_SEGMENT_MAX ? CASEBUS_ETOOLONG
           : !casebus_utf8_valid(text)       ? CASEBUS_EUTF8
                                             : CASEBUS_EVALUE;
}

/* Of a topic that is invalid: its part at fault, and the code. */
static int topic_fault(bool is_case, struct casebus_bytes agency, struct casebus_bytes key,
                       struct casebus_fault *fault)
{
    if (agency.size == 0 || !casebus_agency_valid(agency)) {
        return casebus_fault_at(fault, "agency", segment_fault(agency));
    }
    return casebus_fault_at(fault, is_case ? "regulator_id" : "session_id", segment_fault(key));
}

/* Has the topic that was composed last the same kind and agency as this one? */
static bool has_stem(const struct composer *self, enum casebus_report_kind kind,
                     struct casebus_bytes agency)
{
    size_t size = agency.size + 1; /* and its colon; the word before it ends with another */
    return self->kind == kind && agency.size > 0 && self->stem > size &&
           self->topic[self->stem - size - 1] == ':' &&
           memcmp(self->topic + self->stem - size, agency.data, agency.size) == 0;
}

static int build_topic(struct composer *self, enum casebus_report_kind kind,
                       struct casebus_bytes agency, struct casebus_bytes key,
                       struct casebus_fault *fault)
{
    bool is_case = kind < CASEBUS_REPORT_SESSION_STARTED;
    int size = -1;
    self->stem = self->topic_size = 0;
    if (agency.size > 0 && key.size > 0) {
        size =
            casebus_topic_build(self->topic, sizeof self->topic, is_case ? "case" : "session",
                                casebus_report_kind_word(kind), agency, key);
    }
    if (size <= 0) {
        return topic_fault(is_case, agency, key, fault);
    }
    self->topic_size = (size_t)size;
    self->stem = self->topic_size - key.size - 1;
    self->kind = kind;
    return 0;
}

int casebus_compose_topic(struct composer *self, enum casebus_report_kind kind,
                          struct casebus_bytes agency, struct casebus_bytes key,
                          struct casebus_fault *fault)
{
    if (kind >= CASEBUS_REPORT_KIND_COUNT) {
        return casebus_fault_at(fault, "topic", CASEBUS_ETOPIC);
    }
    if (!has_stem(self, kind, agency) || !casebus_segment_valid(key)) {
        return build_topic(self, kind, agency, key, fault);
    }
    memcpy(self->topic + self->stem, key.data, key.size); /* valid parts always have room */
    self->topic_size = self->stem + key.size;
    self->topic[self->topic_size++] = ':';
    return 0;
}

/* --- bodies ------------------------------------------------------------------------------- */

static unsigned char *put_bin(unsigned char *at, const void *data, unsigned char size)
{
    *at++ = 0xc4;
    *at++ = size;
    return casebus_put_raw(at, casebus_bytes(data, size));
}

static unsigned char *put_numbering(unsigned char *at, const struct casebus_report_parts *parts,
                                    unsigned char **check)
{
    at = put_bin(casebus_put_text(at, "publisher"), parts->publisher, CASEBUS_PUBLISHER_SIZE);
    at = casebus_put_uint(casebus_put_text(at, "number"), parts->number);
    *check = at;
    return put_bin(casebus_put_text(at, "check"), parts->check, CASEBUS_CHECK_SIZE);
}

/* Everything in front of the data; the byte behind it. */
static unsigned char *put_head(unsigned char *at, const struct casebus_report_parts *parts,
                               unsigned char **check)
{
    at = casebus_put_map(at, 4u + (parts->session.data ? 1u : 0) + (parts->sent_at ? 1u : 0) +
                                 (parts->data.data ? 1u : 0));
    at = casebus_put_uint(casebus_put_text(at, "v"), CASEBUS_PROTOCOL_VERSION);
    at = put_numbering(at, parts, check);
    if (parts->session.data) {
        at = casebus_put_str(casebus_put_text(at, "session"), parts->session);
    }
    if (parts->sent_at) {
        at = casebus_put_uint(casebus_put_text(at, "sent_at"), parts->sent_at);
    }
    return parts->data.data ? casebus_put_text(at, "data") : at;
}

/* One message of two runs of bytes. */
static int join(zmq_msg_t *message, struct casebus_bytes head, struct casebus_bytes rest)
{
    if (zmq_msg_init_size(message, head.size + rest.size)) {
        return CASEBUS_ENOMEM;
    }
    unsigned char *at = zmq_msg_data(message);
    (void)casebus_put_raw(casebus_put_raw(at, head), rest);
    return 0;
}

/* Room for the head of a body with this session. */
static int make_room(struct composer *self, size_t session_size)
{
    size_t room = HEAD_MAX + session_size;
    if (self->head_room < room) {
        unsigned char *head = realloc(self->head, room);
        if (!head) {
            return CASEBUS_ENOMEM;
        }
        self->head = head;
        self->head_room = room;
    }
    return 0;
}

static int make_body(struct composer *self, const struct casebus_report_parts *parts,
                     zmq_msg_t *body, size_t *check_at)
{
    if (parts->session.size > CASEBUS_REPORT_MAX || parts->data.size > CASEBUS_REPORT_MAX) {
        return CASEBUS_ETOOLARGE;
    }
    int error = make_room(self, parts->session.size);
    if (error) {
        return error;
    }
    unsigned char *check, *end = put_head(self->head, parts, &check);
    struct casebus_bytes head = casebus_bytes(self->head, (size_t)(end - self->head));
    *check_at = (size_t)(check - self->head);
    return head.size + parts->data.size > CASEBUS_REPORT_MAX ? CASEBUS_ETOOLARGE
                                                             : join(body, head, parts->data);
}

int casebus_compose_report(struct composer *self, const struct casebus_report_parts *parts,
                           struct kept *kept, size_t *check_at)
{
    kept->cause = KEPT_WHOLE;
    int error = make_body(self, parts, &kept->body, check_at);
    if (!error && join(&kept->topic, composer_topic(self), casebus_bytes(NULL, 0))) {
        zmq_msg_close(&kept->body);
        error = CASEBUS_ENOMEM;
    }
    return error;
}

void casebus_compose_tie(struct kept *kept, size_t check_at,
                         const unsigned char check[CASEBUS_CHECK_SIZE],
                         unsigned char next_check[CASEBUS_CHECK_SIZE])
{
    casebus_report_hash(kept_topic(kept), kept_body(kept), check_at, kept->hash);
    memmove(next_check, check, CASEBUS_CHECK_SIZE);
    casebus_check_next(next_check, kept->hash);
}

/* --- what is not new ---------------------------------------------------------------------- */

int casebus_compose_copy(struct casebus_bytes topic, struct casebus_bytes body,
                         struct kept *kept)
{
    struct casebus_bytes nothing = casebus_bytes(NULL, 0);
    if (join(&kept->topic, topic, nothing)) {
        return CASEBUS_ENOMEM;
    }
    if (join(&kept->body, body, nothing)) {
        zmq_msg_close(&kept->topic);
        return CASEBUS_ENOMEM;
    }
    return 0;
}

int casebus_compose_void(struct casebus_bytes topic, const struct casebus_report_parts *parts,
                         struct kept *kept)
{
    /* The topic of a void for a report that cannot be read any more, not even its topic. */
    static const char nobody[] = "case:scraped:unknown:unknown:";
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    int error = casebus_report_encode(parts, &body);
    if (!error) {
        error = casebus_compose_copy(topic.data ? topic : casebus_cstr(nobody),
                                     casebus_bytes(body.data, body.size), kept);
        memcpy(kept->hash, parts->void_hash, CASEBUS_HASH_SIZE);
    }
    msgpack_sbuffer_destroy(&body);
    return error;
}

/* Everything up to and with the check's pair is written anew, in the same order; what follows
 * it stays as it is. */
static int renumbered_body(struct casebus_bytes old, const struct casebus_report_parts *parts,
                           zmq_msg_t *body, size_t *check_at)
{
    struct casebus_report_head head;
    unsigned char front[HEAD_MAX], *check;
    if (casebus_report_head_decode(old, &head) || !head.numbered || old.data[0] < 0x80 ||
        old.data[0] > 0x8f) {
        return CASEBUS_ECORRUPT;
    }
    size_t behind = head.check_at + (CASEBUS_CHECK_KEY_SIZE + CASEBUS_CHECK_SIZE);
    unsigned char *end = casebus_put_map(front, old.data[0] & 0x0fu);
    end = casebus_put_uint(casebus_put_text(end, "v"), CASEBUS_PROTOCOL_VERSION);
    end = put_numbering(end, parts, &check);
    *check_at = (size_t)(check - front);
    return join(body, casebus_bytes(front, (size_t)(end - front)),
                casebus_bytes(old.data + behind, old.size - behind));
}

int casebus_compose_again(const struct kept *old, const struct casebus_report_parts *parts,
                          struct kept *kept, unsigned char next_check[CASEBUS_CHECK_SIZE])
{
    size_t check_at;
    *kept = (struct kept){.cause = old->cause};
    int error = renumbered_body(kept_body(old), parts, &kept->body, &check_at);
    if (error) {
        return error;
    }
    if (join(&kept->topic, kept_topic(old), casebus_bytes(NULL, 0))) {
        zmq_msg_close(&kept->body);
        return CASEBUS_ENOMEM;
    }
    if (old->cause == KEPT_WHOLE) {
        casebus_compose_tie(kept, check_at, parts->check, next_check);
    } else { /* a void keeps the hash of the report it stands for */
        memcpy(kept->hash, old->hash, CASEBUS_HASH_SIZE);
        memmove(next_check, parts->check, CASEBUS_CHECK_SIZE);
        casebus_check_next(next_check, kept->hash);
    }
    return 0;
}
