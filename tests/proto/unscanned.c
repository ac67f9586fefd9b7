/* Reports that are read in one walk: whatever byte of one is another, it is accepted only where
 * the scan passes it, with the fields that are read behind the scan, and refused as by it. */
#include "proto/test.h"

#include <casebus/report.h>
#include <string.h>

#define TOPIC "case:scraped:hse:4812345:"

static struct casebus_bytes offender(void)
{
    return build("{name:'Offender Ltd',postcode:'AB12 3CD',business_type:'plc',town:nil}");
}

static struct casebus_bytes whole(void)
{
    struct casebus_bytes offences =
        build("[{number:1,fine_pence:900,hearing_date:'2024-02-29'},{part:'2(1)'}]");
    struct casebus_bytes ext =
        build("{area:'North',more:{a:[1,-2,nil,true],b:%f,c:%b}}", 1.5, BYTES("\xff\x00"));
    return build("{v:1,session:'s1',sent_at:%u,data:{case_reference:'R-1',offender:%r,"
                 "offence_action_date:'2024-01-02',offence_fine_pence:%u,offence_breaches:%t,"
                 "regulator_function:'Caf\xc3\xa9',offences:%r,related_cases:['hse:1','ea:2'],"
                 "url:'https://example.org/case',ext:%r,source:{page:7,fetched_at:%u}}}",
                 UINT64_C(1764000000000000), offender(), (uint64_t)UINT32_MAX,
                 repeat("Failed to ensure. ", 4), offences, ext, UINT64_C(1764000000000000));
}

/* --- what decides ----------------------------------------------------------------------- */

static const char *without_data(const char *field)
{
    return strncmp(field, "data.", 5) == 0 ? field + 5 : field;
}

static void check_accepted(const struct casebus_report *report)
{
    struct casebus_record again;
    assert_int_equal(casebus_record_parse(report->record.encoded, true, &again, NULL), 0);
    assert_memory_equal(&again, &report->record, sizeof again);
}

/* Is it accepted? */
static bool decide(struct casebus_bytes body)
{
    struct casebus_report report;
    struct casebus_report_head head;
    struct casebus_fault fault = {0}, scanned = {0};
    int error = casebus_report_decode(casebus_cstr(TOPIC), body, &report, &fault);
    if (casebus_report_head_decode(body, &head) != 0) {
        assert_int_not_equal(error, 0);
    } else if (casebus_scan(body, casebus_scan_limits(), &scanned) != 0) {
        assert_fault(&fault, scanned.code, without_data(scanned.field));
    } else if (error == 0) {
        check_accepted(&report);
    }
    return error == 0;
}

static bool decide_data(struct casebus_bytes data)
{
    return decide(build("{v:1,data:%r}", data));
}

/* --- the facts -------------------------------------------------------------------------- */

static void every_other_byte_is_judged_as_by_the_scan(void **state)
{
    (void)state;
    struct casebus_bytes body = whole();
    unsigned char *bytes = (unsigned char *)(uintptr_t)body.data;
    unsigned accepted = 0;
    assert_true(decide(body));
    for (size_t at = 0; at < body.size; at++) {
        const unsigned char was = bytes[at];
        for (unsigned other = 0; other < 256; other++) {
            bytes[at] = (unsigned char)other;
            accepted += decide(body);
        }
        bytes[at] = was;
    }
    assert_true(accepted > body.size); /* other letters, digits, names of keys */
}

static void every_cut_is_judged_as_by_the_scan(void **state)
{
    (void)state;
    struct casebus_bytes body = whole();
    for (size_t size = 0; size < body.size; size++) {
        assert_false(decide(keep(body.data, size)));
    }
    assert_false(decide(join(body, BYTES("\xc0"))));
}

static void fields_may_come_in_any_order(void **state)
{
    (void)state;
    assert_true(
        decide_data(build("{url:'https://a.org',case_reference:'R',offender:%r}", offender())));
    assert_true(decide_data(build("{source:{row:1,page:2},case_reference:'R'}")));
}

static void a_field_named_twice_is_refused_wherever_it_is(void **state)
{
    (void)state;
    assert_false(decide_data(build("{case_reference:'R',case_reference:'R'}")));
    assert_false(decide_data(build("{url:nil,case_reference:'R',offender:{},url:nil}")));
    assert_false(decide_data(build("{url:nil,case_reference:'R',case_reference:'R'}")));
    assert_false(decide_data(build("{offender:{name:'A',town:'B',name:'A'}}")));
    assert_false(decide_data(build("{offences:[{number:1,number:1}]}")));
    assert_false(decide_data(build("{ext:{a:1,b:{c:1,c:1}}}")));
    assert_false(decide(build("{v:1,data:{},data:{}}")));
    assert_false(decide(build("{v:1,session:'s',data:{},session:'s'}")));
    assert_false(decide(build("{v:1,v:1,data:{}}")));
}

static void keys_that_nobody_knows_are_accepted_if_they_are_keys(void **state)
{
    (void)state;
    assert_true(decide_data(build("{case_reference:'R',new:{a:[]}}")));
    assert_false(decide_data(build("{case_reference:'R',new:1,new:1}")));
    assert_true(decide(build("{v:1,data:{},later:1}")));
    assert_false(decide(build("{v:1,data:{},later:1,later:2}")));
}

static struct casebus_bytes nested(unsigned levels)
{
    struct casebus_bytes inner = build("{}");
    while (--levels > 0) {
        inner = build("{a:%r}", inner);
    }
    return inner;
}

static void ext_is_as_deep_as_a_body_may_be(void **state)
{
    (void)state;
    assert_true(decide_data(build("{ext:%r}", nested(CASEBUS_DEPTH_MAX - 2))));
    assert_false(decide_data(build("{ext:%r}", nested(CASEBUS_DEPTH_MAX - 1))));
}

static void text_is_utf8_wherever_it_is(void **state)
{
    (void)state;
    struct casebus_bytes bad = BYTES("\xc3(");
    assert_false(decide_data(build("{case_reference:%t}", bad)));
    assert_false(decide_data(build("{offender:{name:%t}}", bad)));
    assert_false(decide_data(build("{url:%t}", join(BYTES("https://a.org/"), bad))));
    assert_false(decide_data(build("{related_cases:[%t]}", join(BYTES("hse:"), bad))));
    assert_false(decide_data(build("{ext:{a:%t}}", bad)));
    assert_false(
        decide_data(build("{offence_breaches:%t}", join(repeat("All of it. ", 40), bad))));
    assert_false(decide(build("{v:1,session:%t,data:{}}", bad)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_byte_is_judged_as_by_the_scan),
        cmocka_unit_test(every_cut_is_judged_as_by_the_scan),
        cmocka_unit_test(fields_may_come_in_any_order),
        cmocka_unit_test(a_field_named_twice_is_refused_wherever_it_is),
        cmocka_unit_test(keys_that_nobody_knows_are_accepted_if_they_are_keys),
        cmocka_unit_test(ext_is_as_deep_as_a_body_may_be),
        cmocka_unit_test(text_is_utf8_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
