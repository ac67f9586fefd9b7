/* The publisher of sender.h. */
#include "sender.h"

#include <string.h>

void sender_encode(const struct sender *s, uint64_t number, const char *data,
                   msgpack_sbuffer *body)
{
    msgpack_sbuffer packed;
    msgpack_sbuffer_init(&packed);
    desk_pack(data, &packed);
    struct casebus_report_parts parts = {
        .publisher = s->publisher,
        .number = number,
        .check = s->check,
        .data = casebus_bytes(packed.data, packed.size),
    };
    assert_int_equal(casebus_report_encode(&parts, body), 0);
    msgpack_sbuffer_destroy(&packed);
}

void sender_advance(struct sender *s, const char *topic, struct casebus_bytes body)
{
    struct casebus_report_head head;
    unsigned char hash[CASEBUS_HASH_SIZE];
    assert_int_equal(casebus_report_head_decode(body, &head), 0);
    casebus_report_hash(casebus_cstr(topic), body, head.check_at, hash);
    casebus_check_next(s->check, hash);
    s->number++;
}

void sender_apply(struct desk *d, const struct sender *s, const char *topic,
                  const msgpack_sbuffer *body)
{
    struct apply_entry entry = {
        .kind = APPLY_REPORT,
        .at = d->clock += 1000000,
        .actor = casebus_cstr(s->actor),
        .topic = desk_keep(d, casebus_cstr(topic)),
        .body = desk_keep(d, casebus_bytes(body->data, body->size)),
    };
    desk_apply(d, &entry);
}

void sender_next(struct desk *d, struct sender *s, const char *topic, const char *data)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    sender_encode(s, s->number + 1, data, &body);
    sender_apply(d, s, topic, &body);
    sender_advance(s, topic, casebus_bytes(body.data, body.size));
    msgpack_sbuffer_destroy(&body);
}

void sender_again(struct desk *d, const struct sender *s, uint64_t number, const char *topic,
                  const char *data)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    sender_encode(s, number, data, &body);
    sender_apply(d, s, topic, &body);
    msgpack_sbuffer_destroy(&body);
}

static void apply_map(struct desk *d, enum apply_kind kind, const char *actor,
                      msgpack_sbuffer *body)
{
    struct apply_entry entry = {
        .kind = kind,
        .at = d->clock,
        .actor = casebus_cstr(actor),
        .topic = casebus_bytes("", 0),
        .body = desk_keep(d, casebus_bytes(body->data, body->size)),
    };
    msgpack_sbuffer_destroy(body);
    desk_apply(d, &entry);
}

void sender_ack(struct desk *d, const struct sender *s, uint64_t after, bool outbox)
{
    msgpack_sbuffer body;
    msgpack_packer pk;
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 3);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, casebus_bytes(s->publisher, sizeof s->publisher));
    casebus_pack_text(&pk, "after");
    msgpack_pack_uint64(&pk, after);
    casebus_pack_text(&pk, "outbox");
    if (outbox) {
        msgpack_pack_true(&pk);
    } else {
        msgpack_pack_false(&pk);
    }
    apply_map(d, APPLY_ACK, s->actor, &body);
}

void sender_retire(struct desk *d, const struct sender *s)
{
    msgpack_sbuffer body;
    msgpack_packer pk;
    struct key key = key_publisher(casebus_cstr(s->actor), s->publisher);
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 1);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, key_bytes(&key));
    apply_map(d, APPLY_RETIRE, "broker", &body);
}

struct publisher_entry sender_progress(struct desk *d, const struct sender *s)
{
    struct publisher_entry p = {.decided = 0};
    struct txn *txn;
    struct key key = key_publisher(casebus_cstr(s->actor), s->publisher);
    assert_int_equal(txn_new_read(d->store, &txn), 0);
    assert_int_equal(txn_begin(txn), 0);
    txn_load(txn, TREE_PUBLISHER, &key, ENTRY_PUBLISHER, &p);
    txn_destroy(&txn);
    return p;
}
