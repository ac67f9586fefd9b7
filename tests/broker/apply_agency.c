/* Settings of agencies, beside the totals that reports make. */
#include "desk.h"

#include <string.h>

static struct desk d;

#define HSE                                                                                    \
    "{'agency': 'hse', 'name': 'Health', 'base_url': 'https://hse.example/', 'enabled': "      \
    "false}"
#define SCRAPED "case:scraped:hse:1:"
#define ACME "{'offender': {'name': 'Acme'}, 'offence_fine_pence': 5}"

static void assert_text(struct casebus_bytes text, const char *expected)
{
    assert_true(expected ? casebus_bytes_is(text, expected) : text.size == 0);
}

/* What is kept of hse. */
static void assert_hse(const char *name, const char *base_url, bool enabled)
{
    struct agency_entry agency;
    assert_true(desk_agency(&d, "hse", &agency));
    assert_text(agency.name, name);
    assert_text(agency.base_url, base_url);
    assert_int_equal(agency.disabled, !enabled);
}

static void assert_refused(const char *settings, int code, const char *field)
{
    uint64_t before = desk_entries(&d, TREE_AGENCY);
    desk_set(&d, settings);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_REJECTED);
    assert_int_equal(d.result.fault.code, code);
    assert_string_equal(d.result.fault.field, field);
    assert_int_equal(desk_entries(&d, TREE_AGENCY), before);
}

static void an_agency_nobody_knew_is_made(void **state)
{
    (void)state;
    desk_set(&d, HSE);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    assert_hse("Health", "https://hse.example/", false);
    assert_int_equal(desk_state(&d).agencies, 1);
    assert_int_equal(desk_state(&d).entry, 1);
    assert_int_equal(desk_state(&d).seq, 0); /* no event comes of it */
}

static void setting_it_again_changes_nothing(void **state)
{
    (void)state;
    struct agency_entry first, again;
    desk_set(&d, HSE);
    desk_agency(&d, "hse", &first);
    desk_set(&d, HSE);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SYNCED);
    desk_agency(&d, "hse", &again);
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(desk_state(&d).agencies, 1);
}

static void what_is_not_named_stays(void **state)
{
    (void)state;
    desk_set(&d, HSE);
    desk_set(&d, "{'agency': 'hse', 'name': 'Safety'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    assert_hse("Safety", "https://hse.example/", false);
    desk_set(&d, "{'agency': 'hse', 'enabled': true}");
    assert_hse("Safety", "https://hse.example/", true);
    desk_set(&d, "{'agency': 'hse', 'base_url': 'http://other.example'}");
    assert_hse("Safety", "http://other.example", true);
}

static void an_empty_text_takes_it_away(void **state)
{
    (void)state;
    desk_set(&d, HSE);
    desk_set(&d, "{'agency': 'hse', 'name': ''}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    assert_hse(NULL, "https://hse.example/", false);
    desk_set(&d, "{'agency': 'hse', 'base_url': '', 'name': ''}");
    assert_hse(NULL, NULL, false);
    desk_set(&d, "{'agency': 'hse', 'name': ''}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_SYNCED);
}

static void reports_and_settings_leave_each_other_alone(void **state)
{
    (void)state;
    struct agency_entry agency;
    desk_report(&d, SCRAPED, ACME);
    desk_set(&d, HSE);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED); /* the case has made it */
    desk_report(&d, SCRAPED, "{'offence_fine_pence': 7}");
    desk_report(&d, "case:scraped:hse:2:", ACME);
    assert_int_equal(d.result.outcome,
                     CASEBUS_OUTCOME_CREATED); /* it is disabled all the same */
    desk_report(&d, "case:deleted:hse:1:", NULL);
    desk_report(&d, "session:started:hse:s1:", NULL);
    assert_hse("Health", "https://hse.example/", false);
    assert_true(desk_agency(&d, "hse", &agency));
    assert_int_equal(agency.cases, 1);
    assert_int_equal(agency.fine_pence, 5);
}

static void in_one_batch_each_sees_what_came_before(void **state)
{
    (void)state;
    desk_begin(&d);
    desk_set(&d, HSE);
    desk_report(&d, SCRAPED, ACME);
    desk_set(&d, "{'agency': 'hse', 'name': 'Safety'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    desk_end(&d);
    assert_hse("Safety", "https://hse.example/", false);
    desk_reopen(&d);
    assert_hse("Safety", "https://hse.example/", false);
}

static void what_cannot_be_set_is_refused_by_name(void **state)
{
    (void)state;
    desk_set(&d, HSE);
    assert_refused("{'agency': 'HSE', 'name': 'x'}", CASEBUS_EVALUE, "agency");
    assert_refused("{'agency': 5, 'name': 'x'}", CASEBUS_EVALUE, "agency");
    assert_refused("{'name': 'x'}", CASEBUS_EVALUE, "agency");
    assert_refused("{'agency': 'hse'}", CASEBUS_EMISSING, "");
    assert_refused("{'agency': 'ea', 'name': 5}", CASEBUS_ETYPE, "name");
    assert_refused("{'agency': 'ea', 'name': null}", CASEBUS_ETYPE, "name");
    assert_refused("{'agency': 'ea', 'name': 'a\\u0007b'}", CASEBUS_EVALUE, "name");
    assert_refused("{'agency': 'ea', 'base_url': 'ftp://x'}", CASEBUS_EVALUE, "base_url");
    assert_refused("{'agency': 'ea', 'base_url': 'https://a b'}", CASEBUS_EVALUE, "base_url");
    assert_refused("{'agency': 'ea', 'base_url': true}", CASEBUS_ETYPE, "base_url");
    assert_refused("{'agency': 'ea', 'enabled': 1}", CASEBUS_ETYPE, "enabled");
    assert_refused("{'agency': 'ea', 'name': 'x', 'enabled': 'no'}", CASEBUS_ETYPE, "enabled");
    assert_hse("Health", "https://hse.example/", false);
}

/* A text of so many bytes behind `begin`, as the one setting of hse. */
static void set_long(const char *name, const char *begin, int size)
{
    char text[4200], settings[4400];
    memset(text, 'x', sizeof text);
    memcpy(text, begin, strlen(begin));
    snprintf(settings, sizeof settings, "{'agency': 'hse', '%s': '%.*s'}", name, size, text);
    desk_set(&d, settings);
}

static void texts_are_so_long_at_most(void **state)
{
    (void)state;
    set_long("name", "", 257);
    assert_int_equal(d.result.fault.code, CASEBUS_ETOOLONG);
    assert_string_equal(d.result.fault.field, "name");
    set_long("base_url", "https://", 2049);
    assert_int_equal(d.result.fault.code, CASEBUS_ETOOLONG);
    assert_string_equal(d.result.fault.field, "base_url");
    assert_int_equal(desk_state(&d).agencies, 0);
    set_long("name", "", 256);
    set_long("base_url", "https://", 2048);
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
}

static void one_agency_too_many_is_refused(void **state)
{
    (void)state;
    char settings[100];
    desk_begin(&d);
    for (int i = 0; i < CASEBUS_AGENCIES_MAX; i++) {
        snprintf(settings, sizeof settings, "{'agency': 'a%d', 'enabled': true}", i);
        desk_set(&d, settings);
        assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_CREATED);
    }
    desk_end(&d);
    assert_refused("{'agency': 'another', 'name': 'x'}", CASEBUS_ETOOMANY, "agency");
    desk_report(&d, "case:scraped:another:1:", ACME);
    assert_int_equal(d.result.fault.code, CASEBUS_ETOOMANY);
    desk_set(&d, "{'agency': 'a7', 'name': 'x'}");
    assert_int_equal(d.result.outcome, CASEBUS_OUTCOME_UPDATED);
    assert_int_equal(desk_state(&d).agencies, CASEBUS_AGENCIES_MAX);
}

/* A batch that failed on it comes again like this. */
static void one_that_the_store_refused_changes_nothing(void **state)
{
    (void)state;
    struct apply_entry entry = {
        .kind = APPLY_AGENCY, .at = d.clock, .refused = true, .actor = casebus_cstr("ann")};
    desk_apply(&d, &entry);
    assert_int_equal(d.result.fault.code, CASEBUS_EINTERNAL);
    assert_int_equal(desk_state(&d).agencies, 0);
}

static void verify_names_what_cannot_have_been_set(void **state)
{
    (void)state;
    static const struct agency_entry wrong[] = {
        {.disabled = 2},
        {.name = {(const unsigned char *)"a\x07", 2}},
        {.base_url = {(const unsigned char *)"ftp://x", 7}},
    };
    struct key key = key_text(casebus_cstr("hse"));
    desk_set(&d, HSE);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(txn_begin(d.txn), 0);
        txn_save(d.txn, TREE_AGENCY, &key, ENTRY_AGENCY, &wrong[i]);
        assert_int_equal(txn_commit(d.txn), 0);
        txn_end(d.txn);
        assert_int_equal(desk_findings(&d), 1);
    }
    desk_set(&d, "{'agency': 'hse', 'base_url': ''}");
}

#define TEST(name)                                                                             \
    cmocka_unit_test_prestate_setup_teardown(name, desk_set_up, desk_tear_down, &d)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_agency_nobody_knew_is_made),
        TEST(setting_it_again_changes_nothing),
        TEST(what_is_not_named_stays),
        TEST(an_empty_text_takes_it_away),
        TEST(reports_and_settings_leave_each_other_alone),
        TEST(in_one_batch_each_sees_what_came_before),
        TEST(what_cannot_be_set_is_refused_by_name),
        TEST(texts_are_so_long_at_most),
        TEST(one_agency_too_many_is_refused),
        TEST(one_that_the_store_refused_changes_nothing),
        TEST(verify_names_what_cannot_have_been_set),
    };
    return cmocka_run_group_tests_name("apply: agencies", tests, NULL, NULL);
}
