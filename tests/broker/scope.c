/* Scopes: what a reader may see, and what is left of an event and of a record for him. */
#include "scope.h"

#include "desk.h"

static struct scope of(const char *agency)
{
    struct scope s = {.form = FORM_FULL};
    assert_null(scope_add_agency(&s, casebus_cstr(agency)));
    return s;
}

static struct scope thin(void)
{
    return (struct scope){.form = FORM_THIN};
}

static struct scope without(const char *field)
{
    struct scope s = {.form = FORM_FULL};
    assert_null(scope_hide(&s, casebus_cstr(field)));
    return s;
}

static msgpack_sbuffer packed(const char *json)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    desk_pack(json, &out);
    return out;
}

static struct casebus_bytes bytes_of(const msgpack_sbuffer *b)
{
    return casebus_bytes(b->data, b->size);
}

typedef void pack_fn(const struct scope *scope, struct casebus_bytes map, msgpack_packer *pk);

/* What is shown of the first, as the scope packs it, is the second. */
static void assert_shown(const struct scope *scope, pack_fn *pack, const char *map,
                         const char *shown)
{
    msgpack_sbuffer in = packed(map), expected = packed(shown), out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    pack(scope, bytes_of(&in), &pk);
    assert_int_equal(out.size, expected.size);
    assert_memory_equal(out.data, expected.data, out.size);
    msgpack_sbuffer_destroy(&in);
    msgpack_sbuffer_destroy(&expected);
    msgpack_sbuffer_destroy(&out);
}

#define RECORD                                                                                 \
    "{'id': 'hse:1', 'agency': 'hse', 'regulator_id': '1', 'offender': {'name': 'A', 'town': " \
    "'B'}, 'offence_fine_pence': 7, 'offences': [{'number': 1, 'fine_pence': 7}], 'version': " \
    "2, 'created_seq': 3, 'colour': 'red'}"

/* --- agencies --------------------------------------------------------------------------- */

static void a_scope_without_agencies_covers_all(void **unused)
{
    (void)unused;
    assert_true(scope_covers(&scope_everything, casebus_cstr("hse")));
    assert_true(scope_covers_topic(&scope_everything, casebus_cstr("case:created:hse:1:")));
    assert_true(scope_covers_id(&scope_everything, casebus_cstr("hse:1")));
    assert_true(scope_is_everything(&scope_everything));
}

static void a_scope_covers_its_agencies_and_no_other(void **unused)
{
    (void)unused;
    struct scope s = of("hse");
    assert_null(scope_add_agency(&s, casebus_cstr("ea")));
    assert_true(scope_covers(&s, casebus_cstr("hse")));
    assert_true(scope_covers(&s, casebus_cstr("ea")));
    assert_false(scope_covers(&s, casebus_cstr("hs")));
    assert_false(scope_covers(&s, casebus_cstr("hsex")));
    assert_false(scope_covers(&s, casebus_bytes(NULL, 0)));
    assert_false(scope_is_everything(&s));
    assert_true(scope_is_full(&s));
}

static void topics_streams_and_ids_are_of_their_agency(void **unused)
{
    (void)unused;
    struct scope s = of("hse");
    assert_true(scope_covers_topic(&s, casebus_cstr("case:created:hse:1:")));
    assert_true(scope_covers_topic(&s, casebus_cstr("session:ended:hse:")));
    assert_false(scope_covers_topic(&s, casebus_cstr("case:created:ea:hse:")));
    assert_false(scope_covers_topic(&s, casebus_cstr("case:created:")));
    assert_false(scope_covers_topic(&s, casebus_cstr("hse")));
    assert_true(scope_covers_id(&s, casebus_cstr("hse:1")));
    assert_false(scope_covers_id(&s, casebus_cstr("ea:hse")));
    assert_false(scope_covers_id(&s, casebus_cstr("hse")));
}

static void agencies_are_checked(void **unused)
{
    (void)unused;
    struct scope s = of("hse");
    char code[8];
    assert_non_null(scope_add_agency(&s, casebus_cstr("HSE")));
    assert_non_null(scope_add_agency(&s, casebus_cstr("")));
    assert_non_null(scope_add_agency(&s, casebus_cstr("hse")));
    for (unsigned i = 1; i < CASEBUS_AGENCIES_MAX; i++) {
        snprintf(code, sizeof code, "a%u", i);
        assert_null(scope_add_agency(&s, casebus_cstr(code)));
    }
    assert_non_null(scope_add_agency(&s, casebus_cstr("more")));
    assert_true(scope_covers(&s, casebus_cstr("a255")));
}

/* --- fields ----------------------------------------------------------------------------- */

static void only_what_was_reported_can_be_hidden(void **unused)
{
    (void)unused;
    static const char *const good[] = {"url",           "offender",
                                       "offender.name", "ext",
                                       "ext.any",       "offences.fine_pence",
                                       "end_reason",    "offence_fine_pence",
                                       "requested_by"};
    static const char *const bad[] = {"",        "urls",       "id",     "agency",
                                      "version", "offender.",  "url.x",  "offender.nam",
                                      "ext.",    "session_id", "status", "worker.x"};
    struct scope s = {.form = FORM_FULL};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(scope_hide(&s, casebus_cstr(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(scope_hide(&s, casebus_cstr(bad[i])));
    }
    assert_int_equal(s.hidden, sizeof good / sizeof *good);
}

static void so_many_fields_can_be_hidden_and_no_more(void **unused)
{
    (void)unused;
    struct scope s = {.form = FORM_FULL};
    char name[16];
    for (unsigned i = 0; i < SCOPE_HIDDEN_MAX; i++) {
        snprintf(name, sizeof name, "ext.%u", i);
        assert_null(scope_hide(&s, casebus_cstr(name)));
    }
    assert_non_null(scope_hide(&s, casebus_cstr("url")));
}

static void a_hidden_member_hides_its_field_from_searches(void **unused)
{
    (void)unused;
    struct scope s = without("offender.name"), all = without("offender"), short_form = thin();
    assert_false(scope_shows(&s, "offender"));
    assert_false(scope_shows(&s, "offender.name"));
    assert_true(scope_shows(&s, "offender.postcode"));
    assert_true(scope_shows(&s, "url"));
    assert_false(scope_shows(&all, "offender.name"));
    assert_false(scope_shows(&short_form, "url"));
    assert_true(scope_shows(&scope_everything, "offender.name"));
}

static void a_record_loses_hidden_fields(void **unused)
{
    (void)unused;
    struct scope s = without("offender.name");
    assert_null(scope_hide(&s, casebus_cstr("offence_fine_pence")));
    assert_null(scope_hide(&s, casebus_cstr("offences.fine_pence")));
    assert_shown(&s, scope_pack_case, RECORD,
                 "{'id': 'hse:1', 'agency': 'hse', 'regulator_id': '1', 'offender': {'town': "
                 "'B'}, 'offences': [{'number': 1}], 'version': 2, 'created_seq': 3, 'colour': "
                 "'red'}");
}

static void a_hidden_map_goes_with_all_its_members(void **unused)
{
    (void)unused;
    struct scope s = without("offender");
    assert_shown(&s, scope_pack_case, "{'offender': {'name': 'A'}, 'url': 'http://a'}",
                 "{'url': 'http://a'}");
}

static void of_a_thin_record_is_left_what_the_store_says(void **unused)
{
    (void)unused;
    struct scope s = thin();
    assert_shown(&s, scope_pack_case, RECORD,
                 "{'id': 'hse:1', 'agency': 'hse', 'regulator_id': '1', 'version': 2, "
                 "'created_seq': 3}");
}

static void of_a_thin_session_is_left_what_the_broker_says(void **unused)
{
    (void)unused;
    struct scope s = thin(), named = without("requested_by");
    const char *session =
        "{'session_id': 's', 'agency': 'hse', 'requested_by': 'ann', 'odd': 1, "
        "'status': 'running', 'cases_found': 3, 'end_reason': 'x'}";
    assert_shown(&s, scope_pack_session, session,
                 "{'session_id': 's', 'agency': 'hse', 'status': 'running', 'cases_found': 3}");
    assert_shown(&named, scope_pack_session, session,
                 "{'session_id': 's', 'agency': 'hse', 'odd': 1, 'status': 'running', "
                 "'cases_found': 3, 'end_reason': 'x'}");
}

/* --- events ----------------------------------------------------------------------------- */

/* An event of this topic as the scope sends it: its `changed` and `payload`. */
static void assert_sent(const struct scope *scope, const char *topic, const char *changed,
                        const char *payload, const char *shown_changed,
                        const char *shown_payload)
{
    msgpack_sbuffer parts[] = {packed(changed), packed(payload), packed(shown_changed),
                               packed(shown_payload)};
    msgpack_sbuffer body, out;
    struct casebus_bytes sent;
    struct casebus_fault fault;
    struct casebus_event before = {.seq = 9, .prev = 5, .prev_topic = 2, .at = 1, .version = 4};
    struct casebus_event after;
    msgpack_sbuffer_init(&body);
    msgpack_sbuffer_init(&out);
    before.actor = casebus_cstr("ann");
    before.changed = bytes_of(&parts[0]);
    before.payload = bytes_of(&parts[1]);
    assert_int_equal(casebus_topic_event(casebus_cstr(topic), &before.topic, &before.kind), 0);
    assert_int_equal(casebus_event_encode(&before, &body), 0);
    assert_int_equal(scope_event(scope, casebus_cstr(topic), bytes_of(&body), &out, &sent), 0);
    assert_int_equal(casebus_event_decode(casebus_cstr(topic), sent, &after, &fault), 0);
    assert_int_equal(after.seq, 9);
    assert_int_equal(after.prev, 5);
    assert_int_equal(after.prev_topic, 2);
    assert_int_equal(after.version, 4);
    assert_true(casebus_bytes_equal(after.changed, bytes_of(&parts[2])));
    assert_true(casebus_bytes_equal(after.payload, bytes_of(&parts[3])));
    assert_int_equal(after.thin, scope->form == FORM_THIN);
    for (size_t i = 0; i < 4; i++) {
        msgpack_sbuffer_destroy(&parts[i]);
    }
    msgpack_sbuffer_destroy(&body);
    msgpack_sbuffer_destroy(&out);
}

#define CHANGED                                                                                \
    "[{'field': 'offender.name', 'old': 'A', 'new': 'B'}, {'field': 'url', 'new': "            \
    "'http://b'}, "                                                                            \
    "{'field': 'offences', 'old': [{'number': 1, 'result': 'x'}], 'new': []}]"

static void a_form_changes_bytes_and_no_number(void **unused)
{
    (void)unused;
    struct scope hidden = without("offender.name"), short_form = thin(), hse = of("hse");
    assert_null(scope_hide(&hidden, casebus_cstr("offences.result")));
    assert_sent(
        &hidden, "case:updated:hse:1:", CHANGED, "{'id': 'hse:1', 'offender': {'name': 'B'}}",
        "[{'field': 'url', 'new': 'http://b'}, {'field': 'offences', 'old': [{'number': "
        "1}], 'new': []}]",
        "{'id': 'hse:1', 'offender': {}}");
    assert_sent(&short_form, "case:updated:hse:1:", CHANGED,
                "{'id': 'hse:1', 'url': 'http://b'}",
                "[{'field': 'offender.name'}, {'field': 'url'}, {'field': 'offences'}]",
                "{'id': 'hse:1'}");
    assert_sent(&hse, "case:updated:hse:1:", CHANGED, "{'id': 'hse:1'}", CHANGED,
                "{'id': 'hse:1'}");
}

static void a_whole_field_hides_what_changed_in_it(void **unused)
{
    (void)unused;
    struct scope s = without("offender");
    assert_sent(&s,
                "case:updated:hse:1:", "[{'field': 'offender.name', 'old': 'A', 'new': 'B'}]",
                "{'id': 'hse:1'}", "[]", "{'id': 'hse:1'}");
}

static void the_case_of_another_agency_is_not_named(void **unused)
{
    (void)unused;
    struct scope hse = of("hse");
    assert_sent(&hse, "case:resolved:hse:1:", "[]",
                "{'id': 'hse:1', 'quarantine': 3, 'decision': 'accept', 'as': 'ea:1'}", "[]",
                "{'id': 'hse:1', 'quarantine': 3, 'decision': 'accept'}");
    assert_sent(&hse, "case:resolved:hse:1:", "[]",
                "{'id': 'hse:1', 'quarantine': 3, 'decision': 'accept', 'as': 'hse:2'}", "[]",
                "{'id': 'hse:1', 'quarantine': 3, 'decision': 'accept', 'as': 'hse:2'}");
}

static void related_cases_of_other_agencies_are_not_named(void **unused)
{
    (void)unused;
    struct scope hse = of("hse");
    assert_shown(&hse, scope_pack_case, "{'id': 'hse:1', 'related_cases': ['ea:99', 'hse:2']}",
                 "{'id': 'hse:1', 'related_cases': ['hse:2']}");
    assert_shown(&scope_everything, scope_pack_case, "{'related_cases': ['ea:99', 'hse:2']}",
                 "{'related_cases': ['ea:99', 'hse:2']}");
    assert_sent(
        &hse, "case:updated:hse:1:",
        "[{'field': 'related_cases', 'old': ['ea:99'], 'new': ['hse:2', 'ea:99']}, {'field': "
        "'url', 'new': 'related_cases'}]",
        "{'id': 'hse:1', 'related_cases': ['hse:2', 'ea:99']}",
        "[{'field': 'related_cases', 'old': [], 'new': ['hse:2']}, {'field': 'url', 'new': "
        "'related_cases'}]",
        "{'id': 'hse:1', 'related_cases': ['hse:2']}");
}

static void what_is_no_event_is_not_sent(void **unused)
{
    (void)unused;
    struct scope s = thin();
    msgpack_sbuffer out;
    struct casebus_bytes sent;
    msgpack_sbuffer_init(&out);
    assert_int_equal(scope_event(&s, casebus_cstr("case:created:hse:1:"),
                                 casebus_bytes("\x81\xa1v", 3), &out, &sent),
                     CASEBUS_ECORRUPT);
    msgpack_sbuffer_destroy(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_without_agencies_covers_all),
        cmocka_unit_test(a_scope_covers_its_agencies_and_no_other),
        cmocka_unit_test(topics_streams_and_ids_are_of_their_agency),
        cmocka_unit_test(agencies_are_checked),
        cmocka_unit_test(only_what_was_reported_can_be_hidden),
        cmocka_unit_test(so_many_fields_can_be_hidden_and_no_more),
        cmocka_unit_test(a_hidden_member_hides_its_field_from_searches),
        cmocka_unit_test(a_record_loses_hidden_fields),
        cmocka_unit_test(a_hidden_map_goes_with_all_its_members),
        cmocka_unit_test(of_a_thin_record_is_left_what_the_store_says),
        cmocka_unit_test(of_a_thin_session_is_left_what_the_broker_says),
        cmocka_unit_test(a_form_changes_bytes_and_no_number),
        cmocka_unit_test(a_whole_field_hides_what_changed_in_it),
        cmocka_unit_test(the_case_of_another_agency_is_not_named),
        cmocka_unit_test(related_cases_of_other_agencies_are_not_named),
        cmocka_unit_test(what_is_no_event_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
