/* Which sessions a poll names, and who is told to stop. */
#include "test.h"

#include "sessions.h"

#include <stdio.h>
#include <string.h>

static struct sessions sessions;
static struct casebus_publisher_options options;

static struct {
    unsigned count;
    char agency[40], session[136];
} told;

static void on_stop(void *arg, const char *agency, const char *session)
{
    assert_ptr_equal(arg, &told);
    told.count++;
    snprintf(told.agency, sizeof told.agency, "%s", agency);
    snprintf(told.session, sizeof told.session, "%s", session);
}

static int setup(void **state)
{
    (void)state;
    memset(&told, 0, sizeof told);
    options = casebus_publisher_options();
    options.stop = on_stop;
    options.stop_arg = &told;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    casebus_sessions_clear(&sessions);
    return 0;
}

static void add(const char *agency, const char *id)
{
    assert_int_equal(casebus_sessions_reserve(&sessions), 0);
    casebus_sessions_add(&sessions, agency, id);
}

static void end(const char *id)
{
    casebus_sessions_end(&sessions, "hse", id, 7);
    casebus_sessions_confirmed(&sessions, 7);
}

static void add_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%u", i);
        add("hse", id);
    }
}

/* --- shares ------------------------------------------------------------------------------- */

static void nobody_is_named_where_there_is_none(void **state)
{
    (void)state;
    size_t count;
    (void)casebus_sessions_share(&sessions, &count);
    assert_int_equal(count, 0);
    assert_int_equal(casebus_sessions_wait_ms(&sessions), CASEBUS_POLL_MAX_MS);
}

static void each_poll_names_the_few_there_are(void **state)
{
    (void)state;
    size_t count;
    add("hse", "s1");
    add("ea", "s1");
    for (int i = 0; i < 3; i++) {
        const struct heard *share = casebus_sessions_share(&sessions, &count);
        assert_int_equal(count, 2);
        assert_string_equal(share[0].agency, "hse");
        assert_string_equal(share[1].agency, "ea");
    }
}

static void one_added_twice_is_named_once(void **state)
{
    (void)state;
    size_t count;
    add("hse", "s1");
    add("hse", "s1");
    (void)casebus_sessions_share(&sessions, &count);
    assert_int_equal(count, 1);
}

static void many_are_named_in_turn_by_polls_that_wait_less(void **state)
{
    (void)state;
    const unsigned most = 3 * CASEBUS_SESSIONS_PER_POLL - 5;
    bool named[3 * CASEBUS_SESSIONS_PER_POLL] = {false};
    add_many(most);
    assert_in_range(3 * casebus_sessions_wait_ms(&sessions), 1, CASEBUS_POLL_MAX_MS);
    for (int poll = 0; poll < 3; poll++) {
        size_t count;
        const struct heard *share = casebus_sessions_share(&sessions, &count);
        assert_in_range(count, 1, CASEBUS_SESSIONS_PER_POLL);
        for (size_t i = 0; i < count; i++) {
            unsigned number;
            assert_int_equal(sscanf(share[i].id, "s%u", &number), 1);
            named[number] = true;
        }
    }
    for (unsigned i = 0; i < most; i++) {
        assert_true(named[i]);
    }
}

static void an_end_makes_nobody_be_passed_over(void **state)
{
    (void)state;
    size_t count;
    add_many(CASEBUS_SESSIONS_PER_POLL + 2);
    (void)casebus_sessions_share(&sessions, &count);
    end("s0");
    end("not-there");
    const struct heard *share = casebus_sessions_share(&sessions, &count);
    assert_int_equal(count, 2);
    assert_string_equal(share[0].id, "s64");
    share = casebus_sessions_share(&sessions, &count);
    assert_int_equal(count, CASEBUS_SESSIONS_PER_POLL);
    assert_string_equal(share[0].id, "s1");
}

static void one_is_named_until_its_end_is_confirmed(void **state)
{
    (void)state;
    size_t count;
    add("hse", "s1");
    add("hse", "s2");
    casebus_sessions_end(&sessions, "hse", "s1", 7);
    casebus_sessions_confirmed(&sessions, 6);
    (void)casebus_sessions_share(&sessions, &count);
    assert_int_equal(count, 2);
    casebus_sessions_confirmed(&sessions, 7);
    const struct heard *share = casebus_sessions_share(&sessions, &count);
    assert_int_equal(count, 1);
    assert_string_equal(share[0].id, "s2");
}

static void there_are_only_so_many(void **state)
{
    (void)state;
    add_many(CASEBUS_SESSIONS_MAX);
    assert_int_equal(casebus_sessions_reserve(&sessions), CASEBUS_ETOOMANY);
    end("s7");
    assert_int_equal(casebus_sessions_reserve(&sessions), 0);
}

/* --- being asked to stop ------------------------------------------------------------------ */

static void pack_name(msgpack_packer *pk, const char *agency, const char *id)
{
    msgpack_pack_map(pk, 2);
    casebus_pack_text(pk, "agency");
    casebus_pack_text(pk, agency);
    casebus_pack_text(pk, "session_id");
    casebus_pack_text(pk, id);
}

static void stop(const char *agency, const char *id)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 3);
    msgpack_pack_uint64(&pk, 7); /* no session */
    pack_name(&pk, "ea", "another");
    pack_name(&pk, agency, id);
    casebus_sessions_stop(&sessions, casebus_bytes(out.data, out.size), &options);
    msgpack_sbuffer_destroy(&out);
}

static bool is_stopping(size_t at)
{
    size_t count;
    const struct heard *share = casebus_sessions_share(&sessions, &count);
    assert_true(at < count);
    return share[at].stopping;
}

static void the_caller_is_told_once(void **state)
{
    (void)state;
    add("hse", "s1");
    add("hse", "s2");
    stop("hse", "s2");
    stop("hse", "s2");
    assert_int_equal(told.count, 1);
    assert_string_equal(told.agency, "hse");
    assert_string_equal(told.session, "s2");
    assert_false(is_stopping(0));
    assert_true(is_stopping(1));
}

static void sessions_of_others_are_nothing_to_us(void **state)
{
    (void)state;
    add("hse", "s1");
    stop("ea", "s1");
    stop("hse", "s");
    stop("hse", "s11");
    stop("", "");
    end("s1");
    stop("hse", "s1"); /* ended meanwhile */
    assert_int_equal(told.count, 0);
}

static void what_is_no_list_tells_nobody(void **state)
{
    (void)state;
    static const unsigned char cut_off[] = {0x92, 0x81, 0xa6, 'a', 'g'};
    add("hse", "s1");
    casebus_sessions_stop(&sessions, casebus_bytes(NULL, 0), &options);
    casebus_sessions_stop(&sessions, casebus_bytes("\xc0", 1), &options);
    casebus_sessions_stop(&sessions, casebus_bytes(cut_off, sizeof cut_off), &options);
    assert_int_equal(told.count, 0);
    assert_false(is_stopping(0));
}

static void who_does_not_want_to_know_is_not_asked_again(void **state)
{
    (void)state;
    options.stop = NULL;
    add("hse", "s1");
    stop("hse", "s1");
    assert_true(is_stopping(0)); /* else the broker would answer each poll at once */
}

static void of_one_that_is_about_to_end_nobody_is_told(void **state)
{
    (void)state;
    add("hse", "s1");
    casebus_sessions_end(&sessions, "hse", "s1", 7);
    stop("hse", "s1");
    assert_int_equal(told.count, 0);
    assert_true(is_stopping(0));
}

static void one_that_starts_again_can_be_told_again(void **state)
{
    (void)state;
    add("hse", "s1");
    stop("hse", "s1");
    end("s1");
    add("hse", "s1");
    stop("hse", "s1");
    assert_int_equal(told.count, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(nobody_is_named_where_there_is_none),
        T(each_poll_names_the_few_there_are),
        T(one_added_twice_is_named_once),
        T(many_are_named_in_turn_by_polls_that_wait_less),
        T(an_end_makes_nobody_be_passed_over),
        T(one_is_named_until_its_end_is_confirmed),
        T(there_are_only_so_many),
        T(the_caller_is_told_once),
        T(sessions_of_others_are_nothing_to_us),
        T(what_is_no_list_tells_nobody),
        T(who_does_not_want_to_know_is_not_asked_again),
        T(of_one_that_is_about_to_end_nobody_is_told),
        T(one_that_starts_again_can_be_told_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
