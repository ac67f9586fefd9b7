/* The bytes of an outbox.
 *
 *   state     one record under the key "state": the version and what outbox_state has; fixed
 *             places, big-endian
 *   report    by number, 8 bytes big-endian: check (8), hash (16), why it is a void (1), size
 *             of the topic (2), topic, body as sent
 *   refusal   by a running number: one msgpack map
 *
 * LMDB has no checksums, so each value ends with a digest of the rest of it (BLAKE2b-128); what
 * does not match is damaged and not used. Before a byte of this changes, VERSION does. */
#include "outbox_pack.h"

#include <string.h>

#define VERSION 1

static void digest_of(const void *data, size_t size, unsigned char digest[OUTBOX_DIGEST])
{
    casebus_report_hash(casebus_bytes(NULL, 0), casebus_bytes(data, size), 0, digest);
}

static bool digest_matches(struct casebus_bytes bytes)
{
    unsigned char digest[OUTBOX_DIGEST];
    const unsigned char *data = bytes.data;
    if (bytes.size < OUTBOX_DIGEST) {
        return false;
    }
    digest_of(data, bytes.size - OUTBOX_DIGEST, digest);
    return memcmp(digest, data + bytes.size - OUTBOX_DIGEST, OUTBOX_DIGEST) == 0;
}

static uint64_t get_number(const unsigned char *at)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) {
        n = n << 8 | at[i];
    }
    return n;
}

/* --- state -------------------------------------------------------------------------------- */

/* Both ways through the same list of places. */
struct places {
    unsigned char *out;
    const unsigned char *in;
};

static void place_bytes(struct places *p, void *value, size_t size)
{
    if (p->out) {
        memcpy(p->out, value, size);
        p->out += size;
    } else {
        memcpy(value, p->in, size);
        p->in += size;
    }
}

static void place_number(struct places *p, uint64_t *value)
{
    unsigned char bytes[8];
    (void)casebus_put_big_endian(bytes, *value, 8);
    place_bytes(p, bytes, sizeof bytes);
    *value = get_number(bytes);
}

static void place_settled(struct places *p, struct outbox_settled *settled)
{
    uint64_t known = settled->broker.known;
    place_number(p, &settled->through);
    place_bytes(p, settled->check, sizeof settled->check);
    place_number(p, &known);
    place_bytes(p, settled->broker.epoch, sizeof settled->broker.epoch);
    place_number(p, &settled->broker.entry);
    for (int i = 0; i < CASEBUS_OUTCOME_COUNT; i++) {
        place_number(p, &settled->outcomes[i]);
    }
    place_number(p, &settled->taken);
    settled->broker.known = known != 0;
}

static void place_state(struct places *p, uint64_t *version, struct outbox_state *state)
{
    place_number(p, version);
    place_bytes(p, state->id, sizeof state->id);
    place_number(p, &state->base);
    place_number(p, &state->last);
    place_bytes(p, state->next_check, sizeof state->next_check);
    place_number(p, &state->bytes);
    place_number(p, &state->voids);
    place_number(p, &state->refusals);
    place_settled(p, &state->settled);
    place_bytes(p, state->split.id, sizeof state->split.id);
    place_number(p, &state->split.first);
    place_number(p, &state->split.last);
}

_Static_assert(OUTBOX_STATE_SIZE == 8 + (CASEBUS_PUBLISHER_SIZE + 5 * 8 + CASEBUS_CHECK_SIZE) +
                                        (4 * 8 + CASEBUS_CHECK_SIZE + CASEBUS_EPOCH_SIZE) +
                                        CASEBUS_OUTCOME_COUNT * 8 +
                                        (CASEBUS_PUBLISHER_SIZE + 2 * 8) + OUTBOX_DIGEST,
               "the state's places fill it");

static bool state_is_sound(const struct outbox_state *state)
{
    return state->base <= state->settled.through && state->settled.through <= state->last;
}

void outbox_pack_state(const struct outbox_state *state, unsigned char out[OUTBOX_STATE_SIZE])
{
    struct outbox_state copy = *state;
    struct places places = {.out = out};
    uint64_t version = VERSION;
    place_state(&places, &version, &copy);
    digest_of(out, OUTBOX_STATE_SIZE - OUTBOX_DIGEST, out + OUTBOX_STATE_SIZE - OUTBOX_DIGEST);
}

int outbox_unpack_state(struct casebus_bytes bytes, struct outbox_state *state)
{
    uint64_t version = 0;
    if (bytes.size >= 8 && get_number(bytes.data) != VERSION && digest_matches(bytes)) {
        return CASEBUS_ESCHEMA;
    }
    if (bytes.size != OUTBOX_STATE_SIZE || !digest_matches(bytes)) {
        return CASEBUS_ECORRUPT;
    }
    struct places places = {.in = bytes.data};
    *state = (struct outbox_state){0};
    place_state(&places, &version, state);
    return state_is_sound(state) ? 0 : CASEBUS_ECORRUPT;
}

/* --- reports ------------------------------------------------------------------------------ */

void outbox_pack_report(const struct kept *kept, const unsigned char *check, unsigned char *out)
{
    unsigned char *at = casebus_put_raw(out, casebus_bytes(check, CASEBUS_CHECK_SIZE));
    at = casebus_put_raw(at, casebus_bytes(kept->hash, CASEBUS_HASH_SIZE));
    *at++ = (unsigned char)kept->cause;
    at = casebus_put_big_endian(at, kept_topic(kept).size, 2);
    at = casebus_put_raw(casebus_put_raw(at, kept_topic(kept)), kept_body(kept));
    digest_of(out, (size_t)(at - out), at);
}

int outbox_unpack_report(struct casebus_bytes bytes, struct outbox_report *report)
{
    const unsigned char *at = bytes.data;
    *report = (struct outbox_report){0};
    if (bytes.size < OUTBOX_REPORT_HEAD + OUTBOX_DIGEST) {
        return CASEBUS_ECORRUPT;
    }
    memcpy(report->check, at, CASEBUS_CHECK_SIZE);
    memcpy(report->hash, at + CASEBUS_CHECK_SIZE, CASEBUS_HASH_SIZE);
    size_t topic = (size_t)at[25] << 8 | at[26];
    size_t size = bytes.size - OUTBOX_REPORT_HEAD - OUTBOX_DIGEST;
    if (topic > size) {
        return CASEBUS_ECORRUPT;
    }
    report->topic = casebus_bytes(at + OUTBOX_REPORT_HEAD, topic);
    if (at[24] > KEPT_WITHDRAWN || !digest_matches(bytes)) {
        struct casebus_topic parts;
        enum casebus_report_kind kind;
        if (casebus_topic_report(report->topic, &parts, &kind)) {
            report->topic = casebus_bytes(NULL, 0);
        }
        return CASEBUS_ECORRUPT;
    }
    report->cause = (enum kept_cause)at[24];
    at += OUTBOX_REPORT_HEAD;
    report->body = casebus_bytes(at + topic, size - topic);
    return 0;
}

/* --- refusals ----------------------------------------------------------------------------- */

static void pack_text(msgpack_packer *pk, const char *key, struct casebus_bytes text)
{
    casebus_pack_text(pk, key);
    casebus_pack_str(pk, text);
}

void outbox_pack_refusal(const struct casebus_refusal *refusal, msgpack_sbuffer *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    const struct casebus_bytes *texts[] = {&refusal->field, &refusal->reason, &refusal->topic,
                                           &refusal->session};
    static const char *const names[] = {"field", "reason", "topic", "session"};
    uint32_t count = 4 + (refusal->data.data ? 1u : 0);
    for (int i = 0; i < 4; i++) {
        count += texts[i]->data ? 1 : 0;
    }
    msgpack_pack_map(&pk, count);
    casebus_pack_text(&pk, "number");
    msgpack_pack_uint64(&pk, refusal->number);
    casebus_pack_text(&pk, "outcome");
    casebus_pack_text(&pk, casebus_outcome_word(refusal->outcome));
    casebus_pack_text(&pk, "code");
    casebus_pack_text(&pk, refusal->code ? casebus_error_word(refusal->code) : "");
    casebus_pack_text(&pk, "quarantine");
    msgpack_pack_uint64(&pk, refusal->quarantine);
    for (int i = 0; i < 4; i++) {
        if (texts[i]->data) {
            pack_text(&pk, names[i], *texts[i]);
        }
    }
    if (refusal->data.data) {
        casebus_pack_text(&pk, "data");
        casebus_pack_bin(&pk, refusal->data);
    }
    unsigned char digest[OUTBOX_DIGEST];
    digest_of(out->data, out->size, digest);
    msgpack_sbuffer_write(out, (const char *)digest, sizeof digest);
}

void outbox_unpack_refusal(struct casebus_bytes bytes, struct casebus_refusal *refusal)
{
    if (!digest_matches(bytes)) {
        *refusal = (struct casebus_refusal){.outcome = CASEBUS_OUTCOME_REJECTED,
                                            .code = CASEBUS_ECORRUPT,
                                            .reason = casebus_cstr(OUTBOX_DAMAGED)};
        return;
    }
    struct casebus_bytes map = casebus_bytes(bytes.data, bytes.size - OUTBOX_DIGEST);
    struct casebus_bytes code = casebus_as_str(casebus_map_get(map, "code"));
    *refusal = (struct casebus_refusal){
        .number = casebus_as_uint(casebus_map_get(map, "number"), 0),
        .outcome = casebus_outcome_from_word(casebus_as_str(casebus_map_get(map, "outcome"))),
        .code = code.size ? casebus_error_from_word((const char *)code.data, code.size) : 0,
        .field = casebus_as_str(casebus_map_get(map, "field")),
        .reason = casebus_as_str(casebus_map_get(map, "reason")),
        .topic = casebus_as_str(casebus_map_get(map, "topic")),
        .quarantine = casebus_as_uint(casebus_map_get(map, "quarantine"), 0),
        .session = casebus_as_str(casebus_map_get(map, "session")),
        .data = casebus_as_bin(casebus_map_get(map, "data")),
    };
}
