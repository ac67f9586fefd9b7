/* Events and heads. */
#include "proto/test.h"

#include <casebus/event.h>
#include <string.h>

#define TOPIC "case:updated:hse:4812345:"
#define EPOCH "\x01\x02\x03\x04\x05\x06\x07\x08"

/* Everything an event needs, with places for what a test varies. */
#define EVENT(word, seq, prev, prev_topic, rest)                                               \
    "{v:1,epoch:%b,event:'" word "',seq:" seq ",prev:" prev ",prev_topic:" prev_topic          \
    ",at:1710243123456789,actor:'local'" rest "}",                                             \
        BYTES(EPOCH)

static struct casebus_event decoded(const char *topic, struct casebus_bytes body)
{
    struct casebus_event event;
    struct casebus_fault fault = {0};
    int error = casebus_event_decode(keep(topic, strlen(topic)), body, &event, &fault);
    if (error) {
        fail_msg("%s at \"%s\"", casebus_strerror(error), fault.field);
    }
    return event;
}

static void refused(const char *topic, struct casebus_bytes body, int code, const char *field)
{
    struct casebus_event event;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_event_decode(keep(topic, strlen(topic)), body, &event, &fault),
                     code);
    assert_fault(&fault, code, field);
}

static struct casebus_bytes encoded(const struct casebus_event *event, int thin)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    int error =
        thin ? casebus_event_encode_thin(event, &out) : casebus_event_encode(event, &out);
    assert_int_equal(error, 0);
    struct casebus_bytes body = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return body;
}

/* --- events ----------------------------------------------------------------------------- */

static void an_event_is_taken_apart(void **state)
{
    (void)state;
    struct casebus_event event =
        decoded(TOPIC, build(EVENT("updated", "9", "7", "5",
                                   ",session:'s1',version:3,changed:[{field:'url'}],"
                                   "payload:{id:'hse:4812345'}")));
    assert_text(event.topic_text, TOPIC);
    assert_int_equal(event.kind, CASEBUS_EVENT_UPDATED);
    assert_text(event.topic.segment[3], "4812345");
    assert_memory_equal(event.epoch, EPOCH, CASEBUS_EPOCH_SIZE);
    assert_int_equal(event.seq, 9);
    assert_int_equal(event.prev, 7);
    assert_int_equal(event.prev_topic, 5);
    assert_int_equal(event.at, UINT64_C(1710243123456789));
    assert_text(event.actor, "local");
    assert_text(event.session, "s1");
    assert_int_equal(event.version, 3);
    assert_bytes(event.changed, build("[{field:'url'}]"));
    assert_bytes(event.payload, build("{id:'hse:4812345'}"));
    assert_false(event.thin);
}

/* What reading makes of a body, and then checking. */
static void halves(struct casebus_bytes body, int read, int check, const char *field)
{
    struct casebus_event event;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_event_read(keep(TOPIC, strlen(TOPIC)), body, &event, &fault),
                     read);
    if (read == 0) {
        assert_int_equal(casebus_event_check(&event, &fault), check);
    }
    if (read != 0 || check != 0) {
        assert_fault(&fault, read ? read : check, field);
    }
}

static void what_is_inside_is_checked_by_who_looks_inside(void **state)
{
    (void)state;
    halves(build(EVENT("updated", "1", "0", "0", ",changed:[],payload:{a:{b:1}}")), 0, 0, "");
    halves(build(EVENT("updated", "1", "0", "0", ",payload:{a:{b:1,b:2}}")), 0,
           CASEBUS_EDUPLICATE, "payload.a.b");
    halves(build(EVENT("updated", "1", "0", "0", ",changed:[{a:1,a:2}],payload:{}")), 0,
           CASEBUS_EDUPLICATE, "changed[0].a");
    struct casebus_bytes cut = build(EVENT("updated", "1", "0", "0", ",payload:{a:'long'}"));
    cut.size -= 2;
    halves(cut, 0, CASEBUS_EMALFORMED, "payload.a");
}

static void the_envelope_is_checked_by_who_reads_it(void **state)
{
    (void)state;
    halves(build(EVENT("updated", "1", "0", "0", ",seq:2")), CASEBUS_EDUPLICATE, 0, "seq");
    halves(build(EVENT("updated", "1", "0", "0", ",payload:[]")), CASEBUS_ETYPE, 0, "payload");
    struct casebus_bytes whole = build(EVENT("updated", "1", "0", "0", ",payload:{},later:1"));
    unsigned char more[512];
    memcpy(more, whole.data, whole.size);
    more[whole.size] = 0xc0;
    halves(casebus_bytes(more, whole.size + 1), CASEBUS_EMALFORMED, 0, "");
}

static void what_an_event_leaves_out_is_absent(void **state)
{
    (void)state;
    struct casebus_event event = decoded(TOPIC, build(EVENT("updated", "1", "0", "0", "")));
    assert_null(event.session.data);
    assert_int_equal(event.version, 0);
    assert_null(event.changed.data);
    assert_null(event.payload.data);
}

static void keys_come_in_any_order_and_may_be_new(void **state)
{
    (void)state;
    struct casebus_event event =
        decoded(TOPIC, build("{new:{},actor:'local',at:1,prev_topic:0,prev:0,seq:1,later:5,"
                             "event:'updated',epoch:%b,v:1}",
                             BYTES(EPOCH)));
    assert_int_equal(event.seq, 1);
    assert_text(event.actor, "local");
}

static void every_key_that_all_events_have_is_demanded(void **state)
{
    (void)state;
    static const char *const keys[] = {"v",    "epoch",      "event", "seq",
                                       "prev", "prev_topic", "at",    "actor"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct casebus_bytes whole = build(EVENT("updated", "1", "0", "0", ""));
        char key[16] = {(char)(0xa0 | strlen(keys[i]))};
        memcpy(key + 1, keys[i], strlen(keys[i]));
        unsigned char *found = memmem(whole.data, whole.size, key, strlen(key));
        assert_non_null(found);
        found[1] = 'X';
        refused(TOPIC, whole, CASEBUS_EMISSING, keys[i]);
    }
}

static void the_word_is_the_topics(void **state)
{
    (void)state;
    refused(TOPIC, build(EVENT("created", "1", "0", "0", "")), CASEBUS_EVALUE, "event");
}

static void a_topic_that_is_no_event_is_refused(void **state)
{
    (void)state;
    refused("case:scraped:hse:1:", build(EVENT("scraped", "1", "0", "0", "")), CASEBUS_ETOPIC,
            "topic");
}

static void another_version_is_refused(void **state)
{
    (void)state;
    refused(TOPIC, build("{v:2}"), CASEBUS_EVERSION, "v");
}

static void numbers_go_up(void **state)
{
    (void)state;
    refused(TOPIC, build(EVENT("updated", "0", "0", "0", "")), CASEBUS_EVALUE, "seq");
    refused(TOPIC, build(EVENT("updated", "5", "5", "0", "")), CASEBUS_EVALUE, "prev");
    refused(TOPIC, build(EVENT("updated", "5", "3", "4", "")), CASEBUS_EVALUE, "prev_topic");
}

static void an_event_has_its_types(void **state)
{
    (void)state;
    refused(TOPIC, build(EVENT("updated", "'1'", "0", "0", "")), CASEBUS_ETYPE, "seq");
    refused(TOPIC, build(EVENT("updated", "1", "0", "0", ",payload:[]")), CASEBUS_ETYPE,
            "payload");
    refused(TOPIC, build(EVENT("updated", "1", "0", "0", ",changed:{}")), CASEBUS_ETYPE,
            "changed");
    refused(TOPIC, build(EVENT("updated", "1", "0", "0", ",session:nil")), CASEBUS_ETYPE,
            "session");
    refused(TOPIC, build(EVENT("updated", "1", "0", "0", ",thin:1")), CASEBUS_ETYPE, "thin");
    refused(TOPIC, build("[]"), CASEBUS_EMALFORMED, "");
    refused(TOPIC, BYTES(""), CASEBUS_EMALFORMED, "");
    struct casebus_bytes body = build("{v:1,epoch:%b}", BYTES("short"));
    refused(TOPIC, body, CASEBUS_EVALUE, "epoch");
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    struct casebus_bytes body =
        build(EVENT("updated", "9", "7", "5",
                    ",session:'s1',version:3,changed:[{field:'url',new:'http://x'}],"
                    "payload:{id:'hse:4812345',url:'http://x'},thin:true"));
    struct casebus_event event = decoded(TOPIC, body);
    assert_true(event.thin);
    assert_bytes(encoded(&event, 0), body);
}

/* With a key nobody knows before all others: not in the order in which events are written. */
static struct casebus_bytes otherwise(struct casebus_bytes body)
{
    struct casebus_bytes out =
        join(BYTES("\x80\xa3new\xc0"), keep(body.data + 1, body.size - 1));
    *(unsigned char *)(uintptr_t)out.data = (unsigned char)(body.data[0] + 1);
    return out;
}

static void same_reading(struct casebus_bytes body, struct casebus_bytes other)
{
    struct casebus_event a, b;
    struct casebus_fault fa = {0}, fb = {0};
    int error = casebus_event_read(casebus_cstr(TOPIC), body, &a, &fa);
    assert_int_equal(casebus_event_read(casebus_cstr(TOPIC), other, &b, &fb), error);
    if (error) {
        assert_fault(&fa, fb.code, fb.field);
        return;
    }
    assert_memory_equal(a.epoch, b.epoch, sizeof a.epoch);
    assert_true(a.seq == b.seq && a.prev == b.prev && a.prev_topic == b.prev_topic);
    assert_true(a.at == b.at && a.version == b.version && a.thin == b.thin);
    assert_bytes(a.actor, b.actor);
    assert_bytes(a.session, b.session);
    assert_bytes(a.changed, b.changed);
    assert_bytes(a.payload, b.payload);
}

static void an_event_reads_the_same_in_the_order_it_is_written_in(void **state)
{
    (void)state;
    struct casebus_bytes body = build(EVENT("updated", "900", "70000", "5",
                                            ",session:'s1',version:3,changed:[{field:'url'}],"
                                            "payload:{id:'hse:4812345'}"));
    struct casebus_bytes other = otherwise(body);
    for (size_t size = 1; size <= body.size; size++) {
        same_reading(keep(body.data, size), otherwise(keep(body.data, size)));
    }
    const size_t behind = other.size - body.size;
    for (size_t at = 1; at < body.size; at++) {
        unsigned char *a = (unsigned char *)(uintptr_t)body.data + at;
        unsigned char *b = (unsigned char *)(uintptr_t)other.data + behind + at;
        const unsigned char was = *a;
        for (unsigned byte = 0; byte < 256; byte++) {
            *a = *b = (unsigned char)byte;
            same_reading(body, other);
        }
        *a = *b = was;
    }
}

/* A value that is missing: the key behind it is not taken for one, as it stands there. */
static void what_stands_for_a_value_is_no_key(void **state)
{
    (void)state;
    struct casebus_bytes body = build(EVENT(
        "updated", "9", "7", "5", ",version:3,changed:[{field:'url'}],payload:{id:'hse:1'}"));
    const unsigned char *value =
        (const unsigned char *)memmem(body.data, body.size, "version", 7) + 7;
    size_t before = (size_t)(value - body.data);
    struct casebus_bytes less =
        join(keep(body.data, before), keep(value + 1, body.size - before - 1));
    *(unsigned char *)(uintptr_t)less.data = (unsigned char)(body.data[0] - 1);
    struct casebus_event event;
    struct casebus_fault fault;
    assert_int_equal(casebus_event_read(casebus_cstr(TOPIC), less, &event, &fault),
                     CASEBUS_ETYPE);
    assert_fault(&fault, CASEBUS_ETYPE, "version");
}

static void a_payload_may_be_written_behind_the_rest(void **state)
{
    (void)state;
    struct casebus_event event =
        decoded(TOPIC, build(EVENT("updated", "9", "7", "5",
                                   ",session:'s1',version:3,changed:[{field:'url'}],"
                                   "payload:{id:'hse:4812345'}")));
    struct casebus_bytes whole = encoded(&event, 0), payload = event.payload;
    unsigned char out[512];
    assert_true(whole.size < sizeof out);
    event.payload = casebus_bytes(NULL, 0);
    unsigned char *end = casebus_put_raw(casebus_event_put_open(&event, out), payload);
    assert_int_equal(end - out, whole.size);
    assert_memory_equal(out, whole.data, whole.size);
}

static void the_thin_form_keeps_names_and_id(void **state)
{
    (void)state;
    struct casebus_event event = decoded(
        TOPIC, build(EVENT("updated", "9", "7", "5",
                           ",version:3,changed:[{field:'url',old:'http://y',new:'http://x'},"
                           "{new:1,field:'offender.name'}],"
                           "payload:{url:'http://x',id:'hse:4812345',offender:{name:'A'}}")));
    assert_bytes(encoded(&event, 1),
                 build(EVENT("updated", "9", "7", "5",
                             ",version:3,changed:[{field:'url'},{field:'offender.name'}],"
                             "payload:{id:'hse:4812345'},thin:true")));
}

static void the_thin_form_has_nothing_the_event_had_not(void **state)
{
    (void)state;
    struct casebus_event event = decoded(TOPIC, build(EVENT("updated", "9", "7", "5", "")));
    assert_bytes(encoded(&event, 1), build(EVENT("updated", "9", "7", "5", ",thin:true")));
}

static void damaged_changes_are_not_encoded_thin(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    struct casebus_event event = decoded(TOPIC, build(EVENT("updated", "9", "7", "5", "")));
    event.changed = BYTES("\x92\x80");
    assert_int_not_equal(casebus_event_encode_thin(&event, &out), 0);
    assert_int_equal(out.size, 0);
    msgpack_sbuffer_destroy(&out);
}

/* --- heads ------------------------------------------------------------------------------ */

static void heads_refused(const char *topic, struct casebus_bytes body, int code,
                          const char *field)
{
    struct casebus_heads heads;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_heads_decode(keep(topic, strlen(topic)), body, &heads, &fault),
                     code);
    assert_fault(&fault, code, field);
}

static void heads_come_back(const char *topic, struct casebus_bytes body)
{
    struct casebus_heads heads;
    msgpack_sbuffer out;
    assert_int_equal(casebus_heads_decode(keep(topic, strlen(topic)), body, &heads, NULL), 0);
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_heads_encode(&heads, &out), 0);
    assert_bytes(casebus_bytes(out.data, out.size), body);
    msgpack_sbuffer_destroy(&out);
}

static void heads_of_every_stream_are_read(void **state)
{
    (void)state;
    struct casebus_heads heads;
    struct casebus_bytes streams = join(BYTES("\x81\xb1"
                                              "case:created:hse:"),
                                        build("7"));
    struct casebus_bytes body = build("{v:1,epoch:%b,seq:9,heads:%r}", BYTES(EPOCH), streams);
    assert_int_equal(casebus_heads_decode(BYTES(CASEBUS_TOPIC_HEADS_ALL), body, &heads, NULL),
                     0);
    assert_false(heads.is_batch);
    assert_int_equal(heads.seq, 9);
    assert_bytes(heads.streams, streams);
    heads_come_back(CASEBUS_TOPIC_HEADS_ALL, body);
}

static void heads_of_a_batch_say_what_was_before(void **state)
{
    (void)state;
    struct casebus_heads heads;
    struct casebus_bytes body =
        build("{v:1,epoch:%b,seq:9,before:4,heads:{a:9}}", BYTES(EPOCH));
    assert_int_equal(casebus_heads_decode(BYTES(CASEBUS_TOPIC_HEADS_BATCH), body, &heads, NULL),
                     0);
    assert_true(heads.is_batch);
    assert_int_equal(heads.before, 4);
    heads_come_back(CASEBUS_TOPIC_HEADS_BATCH, body);
    heads_refused(CASEBUS_TOPIC_HEADS_BATCH,
                  build("{v:1,epoch:%b,seq:9,heads:{}}", BYTES(EPOCH)), CASEBUS_EMISSING,
                  "before");
    heads_refused(CASEBUS_TOPIC_HEADS_BATCH,
                  build("{v:1,epoch:%b,seq:9,before:10,heads:{}}", BYTES(EPOCH)),
                  CASEBUS_EVALUE, "before");
}

static void heads_say_why_nothing_is_stored(void **state)
{
    (void)state;
    struct casebus_heads heads;
    struct casebus_bytes body =
        build("{v:1,epoch:%b,seq:9,heads:{},held:'read-only: no space'}", BYTES(EPOCH));
    assert_int_equal(casebus_heads_decode(BYTES(CASEBUS_TOPIC_HEADS_ALL), body, &heads, NULL),
                     0);
    assert_bytes(heads.held, BYTES("read-only: no space"));
    heads_come_back(CASEBUS_TOPIC_HEADS_ALL, body);
    heads_refused(CASEBUS_TOPIC_HEADS_ALL,
                  build("{v:1,epoch:%b,seq:9,heads:{},held:1}", BYTES(EPOCH)), CASEBUS_ETYPE,
                  "held");
}

static void heads_name_what_made_no_event(void **state)
{
    (void)state;
    struct casebus_heads heads;
    struct casebus_bytes body =
        build("{v:1,epoch:%b,seq:9,before:9,heads:{},quiet:12}", BYTES(EPOCH));
    assert_int_equal(casebus_heads_decode(BYTES(CASEBUS_TOPIC_HEADS_BATCH), body, &heads, NULL),
                     0);
    assert_int_equal(heads.quiet, 12);
    heads_come_back(CASEBUS_TOPIC_HEADS_BATCH, body);
    body = build("{v:1,epoch:%b,seq:9,heads:{}}", BYTES(EPOCH)); /* of an earlier broker */
    assert_int_equal(casebus_heads_decode(BYTES(CASEBUS_TOPIC_HEADS_ALL), body, &heads, NULL),
                     0);
    assert_int_equal(heads.quiet, 0);
    heads_refused(CASEBUS_TOPIC_HEADS_ALL,
                  build("{v:1,epoch:%b,seq:9,heads:{},quiet:'1'}", BYTES(EPOCH)), CASEBUS_ETYPE,
                  "quiet");
}

static void heads_have_two_topics(void **state)
{
    (void)state;
    heads_refused("sys:heads:", build("{}"), CASEBUS_ETOPIC, "topic");
    heads_refused("sys:heads:all", build("{}"), CASEBUS_ETOPIC, "topic");
}

static void a_head_is_not_above_the_seq(void **state)
{
    (void)state;
    heads_refused(CASEBUS_TOPIC_HEADS_ALL,
                  build("{v:1,epoch:%b,seq:9,heads:{a:9,b:10}}", BYTES(EPOCH)), CASEBUS_EVALUE,
                  "heads.b");
    heads_refused(CASEBUS_TOPIC_HEADS_ALL,
                  build("{v:1,epoch:%b,seq:9,heads:{a:'9'}}", BYTES(EPOCH)), CASEBUS_ETYPE,
                  "heads.a");
}

static void what_heads_must_have_is_demanded(void **state)
{
    (void)state;
    heads_refused(CASEBUS_TOPIC_HEADS_ALL, build("{}"), CASEBUS_EMISSING, "v");
    heads_refused(CASEBUS_TOPIC_HEADS_ALL, build("{v:1}"), CASEBUS_EMISSING, "epoch");
    heads_refused(CASEBUS_TOPIC_HEADS_ALL, build("{v:1,epoch:%b}", BYTES(EPOCH)),
                  CASEBUS_EMISSING, "seq");
    heads_refused(CASEBUS_TOPIC_HEADS_ALL, build("{v:1,epoch:%b,seq:1}", BYTES(EPOCH)),
                  CASEBUS_EMISSING, "heads");
    heads_refused(CASEBUS_TOPIC_HEADS_ALL, build("5"), CASEBUS_EMALFORMED, "");
    heads_refused(CASEBUS_TOPIC_HEADS_ALL, build("{v:9}"), CASEBUS_EVERSION, "v");
}

static void a_batch_without_events_has_the_seq_before(void **state)
{
    (void)state;
    struct casebus_bytes body = build("{v:1,epoch:%b,seq:9,before:9,heads:{}}", BYTES(EPOCH));
    heads_come_back(CASEBUS_TOPIC_HEADS_BATCH, body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_taken_apart),
        cmocka_unit_test(what_is_inside_is_checked_by_who_looks_inside),
        cmocka_unit_test(the_envelope_is_checked_by_who_reads_it),
        cmocka_unit_test(what_an_event_leaves_out_is_absent),
        cmocka_unit_test(keys_come_in_any_order_and_may_be_new),
        cmocka_unit_test(every_key_that_all_events_have_is_demanded),
        cmocka_unit_test(the_word_is_the_topics),
        cmocka_unit_test(a_topic_that_is_no_event_is_refused),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(numbers_go_up),
        cmocka_unit_test(an_event_has_its_types),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(an_event_reads_the_same_in_the_order_it_is_written_in),
        cmocka_unit_test(what_stands_for_a_value_is_no_key),
        cmocka_unit_test(a_payload_may_be_written_behind_the_rest),
        cmocka_unit_test(the_thin_form_keeps_names_and_id),
        cmocka_unit_test(the_thin_form_has_nothing_the_event_had_not),
        cmocka_unit_test(damaged_changes_are_not_encoded_thin),
        cmocka_unit_test(heads_of_every_stream_are_read),
        cmocka_unit_test(heads_of_a_batch_say_what_was_before),
        cmocka_unit_test(heads_say_why_nothing_is_stored),
        cmocka_unit_test(heads_name_what_made_no_event),
        cmocka_unit_test(heads_have_two_topics),
        cmocka_unit_test(a_head_is_not_above_the_seq),
        cmocka_unit_test(what_heads_must_have_is_demanded),
        cmocka_unit_test(a_batch_without_events_has_the_seq_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
