/* Reports: the first keys, the rest, and what is decided where the two disagree. */
#include "proto/test.h"

#include <casebus/report.h>
#include <string.h>

#define TOPIC "case:scraped:hse:4812345:"
#define PUBLISHER "0123456789abcdef"
#define CHECK "\x01\x02\x03\x04\x05\x06\x07\x08"
#define HASH "fedcba9876543210"

/* What a test varies: the rest of the map behind the numbering. */
#define NUMBERED(rest)                                                                         \
    "{v:1,publisher:%b,number:7,check:%b" rest "}", BYTES(PUBLISHER), BYTES(CHECK)

static struct casebus_report decoded(const char *topic, struct casebus_bytes body)
{
    struct casebus_report report;
    struct casebus_fault fault = {0};
    int error = casebus_report_decode(keep(topic, strlen(topic)), body, &report, &fault);
    if (error) {
        fail_msg("%s at \"%s\"", casebus_strerror(error), fault.field);
    }
    return report;
}

static struct casebus_report refused(const char *topic, struct casebus_bytes body, int code,
                                     const char *field)
{
    struct casebus_report report;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_report_decode(keep(topic, strlen(topic)), body, &report, NULL),
                     code);
    assert_int_equal(casebus_report_decode(keep(topic, strlen(topic)), body, &report, &fault),
                     code);
    assert_fault(&fault, code, field);
    return report;
}

static void head_refused(struct casebus_bytes body, int code)
{
    struct casebus_report_head head;
    assert_int_equal(casebus_report_head_decode(body, &head), code);
    assert_false(head.numbered);
}

/* --- the first keys --------------------------------------------------------------------- */

static void the_head_is_read_from_the_first_keys(void **state)
{
    (void)state;
    struct casebus_report_head head;
    struct casebus_bytes body = build(NUMBERED(",data:{}"));
    assert_int_equal(casebus_report_head_decode(body, &head), 0);
    assert_int_equal(head.version, 1);
    assert_true(head.numbered);
    assert_memory_equal(head.publisher, PUBLISHER, CASEBUS_PUBLISHER_SIZE);
    assert_int_equal(head.number, 7);
    assert_memory_equal(head.check, CHECK, CASEBUS_CHECK_SIZE);
    assert_memory_equal(body.data + head.check_at,
                        "\xa5"
                        "check\xc4\x08" CHECK,
                        16);
}

static void an_unnumbered_head_has_only_a_version(void **state)
{
    (void)state;
    struct casebus_report_head head;
    assert_int_equal(casebus_report_head_decode(build("{v:1,data:{}}"), &head), 0);
    assert_false(head.numbered);
    assert_int_equal(head.check_at, 0);
}

static void the_head_is_read_where_the_rest_is_damaged(void **state)
{
    (void)state;
    struct casebus_report_head head;
    struct casebus_bytes body =
        join(build(NUMBERED(",data:%r"), BYTES("\xc1\xc1\xc1")), BYTES("trailing"));
    assert_int_equal(casebus_report_head_decode(body, &head), 0);
    assert_int_equal(head.number, 7);
}

static void another_version_is_told_with_the_numbering(void **state)
{
    (void)state;
    struct casebus_report_head head;
    struct casebus_bytes body =
        build("{v:2,publisher:%b,number:9,check:%b,new:1}", BYTES(PUBLISHER), BYTES(CHECK));
    assert_int_equal(casebus_report_head_decode(body, &head), CASEBUS_EVERSION);
    assert_int_equal(head.version, 2);
    assert_true(head.numbered);
    assert_int_equal(head.number, 9);
}

static void another_version_may_be_numbered_otherwise(void **state)
{
    (void)state;
    head_refused(build("{v:3,publisher:'me',more:1,new:2}"), CASEBUS_EVERSION);
    head_refused(build("{v:%u,data:{}}", UINT64_MAX), CASEBUS_EVERSION);
}

static void a_head_without_a_version_is_refused(void **state)
{
    (void)state;
    head_refused(build("{}"), CASEBUS_EMISSING);
    head_refused(build("{data:{},v:1}"), CASEBUS_EMISSING);
    head_refused(build("{x:1}"), CASEBUS_EMISSING);
    head_refused(build("{vv:1}"), CASEBUS_EMISSING);
    head_refused(build("{v:'1'}"), CASEBUS_ETYPE);
    head_refused(build("{v:-1}"), CASEBUS_ETYPE);
}

static void a_head_that_is_not_a_map_is_refused(void **state)
{
    (void)state;
    head_refused(build("[1]"), CASEBUS_EMALFORMED);
    head_refused(BYTES(""), CASEBUS_EMALFORMED);
    head_refused(BYTES("\xc1"), CASEBUS_EMALFORMED);
}

static void publisher_number_and_check_come_together(void **state)
{
    (void)state;
    head_refused(build("{v:1,publisher:%b,data:{},other:1}", BYTES(PUBLISHER)),
                 CASEBUS_EMISSING);
    head_refused(build("{v:1,publisher:%b,number:7,data:{}}", BYTES(PUBLISHER)),
                 CASEBUS_EMISSING);
    head_refused(build("{v:1,publisher:%b}", BYTES(PUBLISHER)), CASEBUS_EMISSING);
}

static void their_sizes_are_fixed(void **state)
{
    (void)state;
    head_refused(build("{v:1,publisher:%b,number:7,check:%b}", BYTES("short"), BYTES(CHECK)),
                 CASEBUS_ETYPE);
    head_refused(build("{v:1,publisher:%s,number:7,check:%b}", PUBLISHER, BYTES(CHECK)),
                 CASEBUS_ETYPE);
    head_refused(
        build("{v:1,publisher:%b,number:7,check:%b}", BYTES(PUBLISHER), BYTES("short")),
        CASEBUS_EMISSING);
}

static void numbers_begin_at_one(void **state)
{
    (void)state;
    head_refused(build("{v:1,publisher:%b,number:0,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)),
                 CASEBUS_EVALUE);
    head_refused(build("{v:1,publisher:%b,number:-1,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)),
                 CASEBUS_ETYPE);
    head_refused(build("{v:1,publisher:%b,number:%u,check:%b}", BYTES(PUBLISHER),
                       UINT64_C(1) << 53, BYTES(CHECK)),
                 CASEBUS_EVALUE);
}

static void every_cut_of_the_head_is_refused(void **state)
{
    (void)state;
    struct casebus_bytes body = build(NUMBERED(""));
    for (size_t size = 0; size < body.size; size++) {
        struct casebus_report_head head;
        assert_int_not_equal(casebus_report_head_decode(keep(body.data, size), &head), 0);
        assert_false(head.numbered);
    }
}

/* --- the whole -------------------------------------------------------------------------- */

static void a_report_is_taken_apart(void **state)
{
    (void)state;
    struct casebus_report report =
        decoded(TOPIC, build(NUMBERED(",session:'s1',sent_at:99,data:{offender:{name:'A'}}")));
    assert_int_equal(report.kind, CASEBUS_REPORT_SCRAPED);
    assert_text(report.topic.segment[2], "hse");
    assert_text(report.topic.segment[3], "4812345");
    assert_int_equal(report.head.number, 7);
    assert_text(report.session, "s1");
    assert_int_equal(report.sent_at, 99);
    assert_bytes(report.data, build("{offender:{name:'A'}}"));
    assert_bytes(report.record.field[CASEBUS_CASE_OFFENDER], build("{name:'A'}"));
    assert_null(report.void_reason.data);
}

static void the_other_keys_come_in_any_order(void **state)
{
    (void)state;
    struct casebus_report report =
        decoded(TOPIC, build(NUMBERED(",data:{url:'http://x'},new:[1],session:'s1'")));
    assert_bytes(report.data, build("{url:'http://x'}"));
    assert_text(report.session, "s1");
}

static void what_is_left_out_is_absent(void **state)
{
    (void)state;
    struct casebus_report report = decoded(TOPIC, build("{v:1}"));
    assert_null(report.session.data);
    assert_int_equal(report.sent_at, 0);
    assert_null(report.data.data);
    assert_bytes(report.record.encoded, build("{}"));
}

static void a_report_has_a_size(void **state)
{
    (void)state;
    struct casebus_bytes filler = repeat("x", CASEBUS_REPORT_MAX);
    struct casebus_bytes body = build("{v:1,data:{a:%t}}", casebus_bytes(filler.data, 20));
    size_t around = body.size - 20 + 4; /* text of that size has a header four bytes longer */
    body = build("{v:1,data:{a:%t}}", casebus_bytes(filler.data, CASEBUS_REPORT_MAX - around));
    assert_int_equal(body.size, CASEBUS_REPORT_MAX);
    decoded(TOPIC, body);
    body = build(NUMBERED(",data:{a:%t}"), filler);
    struct casebus_report report = refused(TOPIC, body, CASEBUS_ETOOLARGE, "");
    assert_int_equal(report.head.number, 7);
}

static void a_topic_that_is_no_report_is_refused(void **state)
{
    (void)state;
    struct casebus_bytes body = build(NUMBERED(",data:{}"));
    assert_int_equal(refused("case:created:hse:1:", body, CASEBUS_ETOPIC, "topic").head.number,
                     7);
    refused("case:scraped:HSE:1:", body, CASEBUS_ETOPIC, "topic");
    refused("", body, CASEBUS_ETOPIC, "topic");
}

static void a_fault_in_data_is_named_as_its_writer_knows_it(void **state)
{
    (void)state;
    refused(TOPIC, build("{v:1,data:{offender:{name:'\xff'}}}"), CASEBUS_EUTF8,
            "offender.name");
    refused(TOPIC, build("{v:1,data:{offender:{name:5}}}"), CASEBUS_ETYPE, "offender.name");
    refused(TOPIC, build("{v:1,data:5}"), CASEBUS_ETYPE, "data");
}

static void the_number_of_a_refused_report_is_known(void **state)
{
    (void)state;
    struct casebus_report report =
        refused(TOPIC, build(NUMBERED(",data:{url:5}")), CASEBUS_ETYPE, "url");
    assert_true(report.head.numbered);
    assert_int_equal(report.head.number, 7);
    report = refused(TOPIC, join(build(NUMBERED("")), BYTES("x")), CASEBUS_EMALFORMED, "");
    assert_int_equal(report.head.number, 7);
}

static void a_fault_of_the_head_names_its_key(void **state)
{
    (void)state;
    refused(TOPIC, build("{data:{}}"), CASEBUS_EMISSING, "v");
    refused(TOPIC, build("{v:2}"), CASEBUS_EVERSION, "v");
    refused(TOPIC, build("{v:1,publisher:5,number:1,check:2}"), CASEBUS_ETYPE, "publisher");
    refused(TOPIC,
            build("{v:1,publisher:%b,number:0,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)),
            CASEBUS_EVALUE, "number");
    refused(TOPIC, build("{v:1,publisher:%b,number:1,check:5}", BYTES(PUBLISHER)),
            CASEBUS_EMISSING, "check");
}

static void numbering_in_another_place_is_refused(void **state)
{
    (void)state;
    refused(
        TOPIC,
        build("{v:1,data:{},publisher:%b,number:7,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)),
        CASEBUS_EVALUE, "publisher");
    refused(TOPIC, build("{v:1,number:7,data:{}}"), CASEBUS_EVALUE, "number");
    refused(TOPIC, build("{v:1,check:7}"), CASEBUS_EVALUE, "check");
}

static void session_and_clock_have_their_types(void **state)
{
    (void)state;
    refused(TOPIC, build("{v:1,session:5}"), CASEBUS_ETYPE, "session");
    refused(TOPIC, build("{v:1,session:nil}"), CASEBUS_ETYPE, "session");
    refused(TOPIC, build("{v:1,session:''}"), CASEBUS_EVALUE, "session");
    refused(TOPIC, build("{v:1,session:%s}", "a:b"), CASEBUS_EVALUE, "session");
    refused(TOPIC, build("{v:1,sent_at:'now'}"), CASEBUS_ETYPE, "sent_at");
    refused(TOPIC, build("{v:1,sent_at:-1}"), CASEBUS_EVALUE, "sent_at");
    refused(TOPIC, build("{v:1,sent_at:%u}", UINT64_C(1) << 53), CASEBUS_EVALUE, "sent_at");
}

static void an_identity_that_is_named_is_the_topics(void **state)
{
    (void)state;
    decoded(TOPIC, build("{v:1,data:{agency:'hse',regulator_id:'4812345'}}"));
    refused(TOPIC, build("{v:1,data:{agency:'ea'}}"), CASEBUS_EVALUE, "agency");
    refused(TOPIC, build("{v:1,data:{regulator_id:'481234'}}"), CASEBUS_EVALUE, "regulator_id");
}

static void an_edit_is_checked_like_a_scrape(void **state)
{
    (void)state;
    struct casebus_report report =
        decoded("case:edited:hse:1:", build("{v:1,data:{url:'http://x'}}"));
    assert_int_equal(report.kind, CASEBUS_REPORT_EDITED);
    assert_non_null(report.record.field[CASEBUS_CASE_URL].data);
    refused("case:edited:hse:1:", build("{v:1,data:{url:5}}"), CASEBUS_ETYPE, "url");
}

static void data_of_a_deletion_or_redaction_is_ignored(void **state)
{
    (void)state;
    decoded("case:deleted:hse:1:", build("{v:1,data:{url:5}}"));
    struct casebus_report report = decoded("case:redacted:hse:1:", build("{v:1,data:{url:5}}"));
    assert_null(report.record.field[CASEBUS_CASE_URL].data);
}

static void data_of_a_session_has_its_own_tables(void **state)
{
    (void)state;
    decoded("session:started:hse:s1:",
            build("{v:1,data:{database:'convictions',start_page:1}}"));
    decoded("session:started:hse:s1:", build("{v:1}"));
    decoded("session:progressed:hse:s1:", build("{v:1,data:{page:3}}"));
    refused("session:progressed:hse:s1:", build("{v:1,data:{page:'3'}}"), CASEBUS_ETYPE,
            "page");
    decoded("session:ended:hse:s1:", build("{v:1,data:{status:'completed'}}"));
    refused("session:ended:hse:s1:", build("{v:1}"), CASEBUS_EMISSING, "status");
    refused("session:started:hse:s1:", build("{v:1,data:{database:nil}}"), CASEBUS_ETYPE,
            "database");
}

static void a_void_stands_for_a_hash(void **state)
{
    (void)state;
    struct casebus_report report =
        decoded(TOPIC, build(NUMBERED(",void:{reason:'withdrawn',hash:%b}"), BYTES(HASH)));
    assert_text(report.void_reason, "withdrawn");
    assert_memory_equal(report.void_hash, HASH, CASEBUS_HASH_SIZE);
    assert_null(report.data.data);
}

static void a_void_of_a_session_needs_no_status(void **state)
{
    (void)state;
    decoded("session:ended:hse:s1:", build(NUMBERED(",void:{reason:'',hash:%b}"), BYTES(HASH)));
}

static void a_void_needs_reason_and_hash(void **state)
{
    (void)state;
    refused(TOPIC, build(NUMBERED(",void:{hash:%b}"), BYTES(HASH)), CASEBUS_EMISSING,
            "void.reason");
    refused(TOPIC, build(NUMBERED(",void:{reason:'x'}")), CASEBUS_EMISSING, "void.hash");
    refused(TOPIC, build(NUMBERED(",void:{reason:5,hash:%b}"), BYTES(HASH)), CASEBUS_ETYPE,
            "void.reason");
    refused(TOPIC, build(NUMBERED(",void:{reason:'x',hash:'text'}")), CASEBUS_ETYPE,
            "void.hash");
    refused(TOPIC, build(NUMBERED(",void:{reason:'x',hash:%b}"), BYTES("short")),
            CASEBUS_EVALUE, "void.hash");
    refused(TOPIC, build(NUMBERED(",void:true")), CASEBUS_ETYPE, "void");
}

static void the_reason_of_a_void_has_256_bytes(void **state)
{
    (void)state;
    decoded(TOPIC, build(NUMBERED(",void:{reason:%t,hash:%b}"), repeat("x", 256), BYTES(HASH)));
    refused(TOPIC, build(NUMBERED(",void:{reason:%t,hash:%b}"), repeat("x", 257), BYTES(HASH)),
            CASEBUS_ETOOLONG, "void.reason");
}

static void a_void_is_numbered_and_has_no_data(void **state)
{
    (void)state;
    refused(TOPIC, build("{v:1,void:{reason:'x',hash:%b}}", BYTES(HASH)), CASEBUS_EVALUE,
            "void");
    refused(TOPIC, build(NUMBERED(",data:{},void:{reason:'x',hash:%b}"), BYTES(HASH)),
            CASEBUS_EVALUE, "void");
}

static void every_cut_of_a_report_is_refused(void **state)
{
    (void)state;
    struct casebus_bytes body =
        build(NUMBERED(",session:'s1',data:{offender:{name:'A'},offences:[{number:1}]}"));
    for (size_t size = 0; size < body.size; size++) {
        struct casebus_report report;
        assert_int_not_equal(
            casebus_report_decode(BYTES(TOPIC), keep(body.data, size), &report, NULL), 0);
    }
}

/* --- encoding --------------------------------------------------------------------------- */

static struct casebus_bytes encoded(const struct casebus_report_parts *parts)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_report_encode(parts, &out), 0);
    struct casebus_bytes body = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return body;
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    struct casebus_report_parts parts = {
        .publisher = (const unsigned char *)PUBLISHER,
        .number = 1000000,
        .check = (const unsigned char *)CHECK,
        .session = BYTES("s1"),
        .sent_at = 1710243123456789,
        .data = build("{url:'http://x'}"),
    };
    struct casebus_report report = decoded(TOPIC, encoded(&parts));
    assert_memory_equal(report.head.publisher, PUBLISHER, CASEBUS_PUBLISHER_SIZE);
    assert_memory_equal(report.head.check, CHECK, CASEBUS_CHECK_SIZE);
    assert_int_equal(report.head.number, 1000000);
    assert_text(report.session, "s1");
    assert_int_equal(report.sent_at, parts.sent_at);
    assert_bytes(report.data, parts.data);
}

static void an_empty_report_is_only_a_version(void **state)
{
    (void)state;
    struct casebus_report_parts parts = {0};
    assert_bytes(encoded(&parts), build("{v:1}"));
}

static void a_void_is_encoded_in_place_of_data(void **state)
{
    (void)state;
    struct casebus_report_parts parts = {
        .publisher = (const unsigned char *)PUBLISHER,
        .number = 7,
        .check = (const unsigned char *)CHECK,
        .data = build("{}"),
        .void_reason = BYTES("damaged"),
        .void_hash = (const unsigned char *)HASH,
    };
    assert_bytes(encoded(&parts),
                 build(NUMBERED(",void:{reason:'damaged',hash:%b}"), BYTES(HASH)));
}

static void a_report_of_the_largest_size_is_encoded(void **state)
{
    (void)state;
    struct casebus_report_parts parts = {
        .data = build("{a:%t}", repeat("x", CASEBUS_REPORT_MAX - 17))};
    assert_int_equal(encoded(&parts).size, CASEBUS_REPORT_MAX);
}

static void a_report_too_large_is_not_encoded(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    msgpack_sbuffer_write(&out, "before", 6);
    struct casebus_report_parts parts = {.data =
                                             build("{a:%t}", repeat("x", CASEBUS_REPORT_MAX))};
    assert_int_equal(casebus_report_encode(&parts, &out), CASEBUS_ETOOLARGE);
    assert_int_equal(out.size, 6);
    msgpack_sbuffer_destroy(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_is_read_from_the_first_keys),
        cmocka_unit_test(an_unnumbered_head_has_only_a_version),
        cmocka_unit_test(the_head_is_read_where_the_rest_is_damaged),
        cmocka_unit_test(another_version_is_told_with_the_numbering),
        cmocka_unit_test(another_version_may_be_numbered_otherwise),
        cmocka_unit_test(a_head_without_a_version_is_refused),
        cmocka_unit_test(a_head_that_is_not_a_map_is_refused),
        cmocka_unit_test(publisher_number_and_check_come_together),
        cmocka_unit_test(their_sizes_are_fixed),
        cmocka_unit_test(numbers_begin_at_one),
        cmocka_unit_test(every_cut_of_the_head_is_refused),
        cmocka_unit_test(a_report_is_taken_apart),
        cmocka_unit_test(the_other_keys_come_in_any_order),
        cmocka_unit_test(what_is_left_out_is_absent),
        cmocka_unit_test(a_report_has_a_size),
        cmocka_unit_test(a_topic_that_is_no_report_is_refused),
        cmocka_unit_test(a_fault_in_data_is_named_as_its_writer_knows_it),
        cmocka_unit_test(the_number_of_a_refused_report_is_known),
        cmocka_unit_test(a_fault_of_the_head_names_its_key),
        cmocka_unit_test(numbering_in_another_place_is_refused),
        cmocka_unit_test(session_and_clock_have_their_types),
        cmocka_unit_test(an_identity_that_is_named_is_the_topics),
        cmocka_unit_test(an_edit_is_checked_like_a_scrape),
        cmocka_unit_test(data_of_a_deletion_or_redaction_is_ignored),
        cmocka_unit_test(data_of_a_session_has_its_own_tables),
        cmocka_unit_test(a_void_stands_for_a_hash),
        cmocka_unit_test(a_void_of_a_session_needs_no_status),
        cmocka_unit_test(a_void_needs_reason_and_hash),
        cmocka_unit_test(the_reason_of_a_void_has_256_bytes),
        cmocka_unit_test(a_void_is_numbered_and_has_no_data),
        cmocka_unit_test(every_cut_of_a_report_is_refused),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(an_empty_report_is_only_a_version),
        cmocka_unit_test(a_void_is_encoded_in_place_of_data),
        cmocka_unit_test(a_report_of_the_largest_size_is_encoded),
        cmocka_unit_test(a_report_too_large_is_not_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
