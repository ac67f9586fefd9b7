/* Session lists: what they ask, what they show, and what was cleared. */
#include "viewing.h"

#include <casebus/session_list.h>

#include <stdio.h>

static struct casebus_session_list *list;
static struct casebus_session_list_options options;
static unsigned changes;

static void changed(void *arg, struct casebus_session_list *self)
{
    (void)arg;
    assert_ptr_equal(self, list);
    changes++;
}

static int setup(void **state)
{
    options = casebus_session_list_options();
    options.rows = 3;
    options.refetch_window_ms = 0;
    options.clear_at_end = false;
    options.changed = changed;
    changes = 0;
    return viewing_setup(state);
}

static int teardown(void **state)
{
    casebus_session_list_close(&list);
    return viewing_teardown(state);
}

/* Answers what the list asks: its rows, JSON with ' for ", and its session; in either order. */
static void give(uint64_t seq, const char *rows, const char *session)
{
    char json[2048];
    for (int i = 0; i < 2; i++) {
        assert_true(peer_is_asked(peer, 0));
        const struct casebus_bytes op =
            casebus_as_str(casebus_map_get(peer_request(peer), "op"));
        if (casebus_bytes_is(op, "session.cases")) {
            snprintf(json, sizeof json, "{'floor': 0, 'rows': [%s]}", rows);
        } else {
            assert_bytes_are(op, "session.get");
            snprintf(json, sizeof json, "{'session': {'agency': 'hse', 'session_id': 's', %s}}",
                     session);
        }
        answer_json(seq, json);
    }
}

static void open_with(const char *rows, const char *session)
{
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options), 0);
    loop();
    give(10, rows, session);
}

static void become(uint64_t seq, const char *rows, const char *session)
{
    move_stream("case:created:hse:", seq);
    give(seq, rows, session);
}

static const struct casebus_met *row(size_t at)
{
    size_t count;
    const struct casebus_met *rows = casebus_session_list_rows(list, &count);
    assert_true(at < count);
    return &rows[at];
}

static size_t count(void)
{
    size_t count;
    casebus_session_list_rows(list, &count);
    return count;
}

#define RUNNING "'status': 'running', 'cases_found': 213"
#define CREATED "{'seq': 9, 'id': 'hse:1', 'outcome': 'created', 'at': 7, 'times': 1}"
#define REFUSED "{'seq': 10, 'outcome': 'rejected', 'at': 8, 'reject': 4, 'code': 'missing'}"

static void it_asks_for_each_case_once_with_what_belongs_to_it(void **state)
{
    (void)state;
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options), 0);
    loop();
    struct casebus_bytes request = peer_request(peer);
    if (!casebus_bytes_is(casebus_as_str(casebus_map_get(request, "op")), "session.cases")) {
        request = peer_request(peer);
    }
    assert_bytes_are(casebus_as_str(casebus_map_get(request, "session_id")), "s");
    assert_int_equal(casebus_map_get(request, "once").data[0], 0xc3);
    assert_int_equal(casebus_map_get(request, "load").data[0], 0x92);
    assert_int_equal(asked_number(request, "limit"), 3);
}

static void its_rows_are_read(void **state)
{
    (void)state;
    open_with(REFUSED ", {'seq': 9, 'id': 'hse:1', 'outcome': 'updated', 'at': 7, 'times': 3, "
                      "'page': 12, 'case': {'id': 'hse:1'}, 'offender_record': {'cases': 2}}",
              RUNNING);
    assert_int_equal(count(), 2);
    assert_string_equal(row(0)->case_id, "#4");
    assert_string_equal(row(0)->outcome, "rejected");
    assert_null(row(0)->record.data);
    assert_string_equal(row(1)->case_id, "hse:1");
    assert_string_equal(row(1)->outcome, "updated");
    assert_int_equal(row(1)->seq, 9);
    assert_int_equal(row(1)->at, 7);
    assert_int_equal(row(1)->times, 3);
    assert_int_equal(row(1)->page, 12);
    assert_bytes_are(casebus_as_str(casebus_map_get(row(1)->record, "id")), "hse:1");
    assert_int_equal(casebus_as_uint(casebus_map_get(row(1)->offender, "cases"), 0), 2);
    assert_null(row(1)->agency.data);
    assert_int_equal(casebus_session_list_total(list), 213);
    assert_true(changes > 0);
    assert_string_equal(casebus_session_list_words(list), "live, complete through #10");
}

static void an_outcome_of_a_later_broker_is_other(void **state)
{
    (void)state;
    open_with("{'seq': 9, 'id': 'hse:1', 'outcome': 'praised', 'at': 7}", RUNNING);
    assert_string_equal(row(0)->outcome, "other");
}

static void what_is_cleared_stays_away_until_it_is_met_again(void **state)
{
    (void)state;
    open_with(CREATED, RUNNING);
    casebus_session_list_clear(list);
    assert_int_equal(count(), 0);
    become(11, "{'seq': 11, 'id': 'hse:2', 'outcome': 'created', 'at': 9}, " CREATED, RUNNING);
    assert_int_equal(count(), 1);
    assert_string_equal(row(0)->case_id, "hse:2");
    become(12, "{'seq': 12, 'id': 'hse:1', 'outcome': 'existing', 'at': 9}", RUNNING);
    assert_string_equal(row(0)->case_id, "hse:1");
}

static void a_refusal_after_a_clear_is_shown_though_its_seq_is_cleared(void **state)
{
    (void)state;
    open_with(REFUSED ", " CREATED, RUNNING);
    casebus_session_list_clear(list);
    become(11,
           "{'seq': 10, 'outcome': 'rejected', 'at': 9, 'reject': 5}, " REFUSED ", " CREATED,
           RUNNING);
    assert_int_equal(count(), 1);
    assert_string_equal(row(0)->case_id, "#5");
}

static void what_there_was_is_cleared_though_it_was_not_there_yet(void **state)
{
    (void)state;
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options), 0);
    casebus_session_list_clear(list);
    loop();
    give(10, REFUSED ", " CREATED, RUNNING);
    assert_int_equal(count(), 0);
    become(11, "{'seq': 11, 'id': 'hse:2', 'outcome': 'created', 'at': 9}, " CREATED, RUNNING);
    assert_int_equal(count(), 1);
    assert_string_equal(row(0)->case_id, "hse:2");
}

static void a_list_that_was_empty_when_it_was_cleared_shows_what_comes(void **state)
{
    (void)state;
    open_with("", RUNNING);
    casebus_session_list_clear(list);
    become(11, "{'seq': 11, 'id': 'hse:2', 'outcome': 'created', 'at': 9}", RUNNING);
    assert_int_equal(count(), 1);
}

static void a_clear_can_be_remembered(void **state)
{
    (void)state;
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options), 0);
    casebus_session_list_clear_through(list, 9);
    loop();
    give(10, "{'seq': 10, 'id': 'hse:2', 'outcome': 'created', 'at': 9}, " CREATED, RUNNING);
    assert_int_equal(count(), 1);
    assert_string_equal(row(0)->case_id, "hse:2");
}

static void another_history_shows_all_again(void **state)
{
    (void)state;
    open_with(CREATED, RUNNING);
    casebus_session_list_clear(list);
    peer->epoch = "epoch-2";
    heads(9);
    asked("heads");
    answer_json(9, "{'heads': {}}");
    give(9, CREATED, RUNNING);
    assert_int_equal(count(), 1);
}

static void it_is_empty_when_its_session_has_ended(void **state)
{
    (void)state;
    options.clear_at_end = true;
    open_with(CREATED, RUNNING);
    assert_int_equal(count(), 1);
    become(11, CREATED, "'status': 'completed', 'cases_found': 1");
    assert_int_equal(count(), 0);
    assert_bytes_are(
        casebus_as_str(casebus_map_get(casebus_session_list_session(list), "status")),
        "completed");
}

static void a_session_that_is_not_there_is_an_empty_list(void **state)
{
    (void)state;
    struct casebus_view_status status;
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options), 0);
    loop();
    for (int i = 0; i < 2; i++) {
        peer_request(peer);
        refuse(10, CASEBUS_ENOTFOUND);
    }
    casebus_session_list_status(list, &status);
    assert_int_equal(status.state, CASEBUS_VIEW_LIVE);
    assert_int_equal(status.error, CASEBUS_ENOTFOUND);
    assert_null(casebus_session_list_session(list).data);
    assert_int_equal(casebus_session_list_total(list), 0);
}

static void an_instant_is_turned_into_a_seq_once(void **state)
{
    (void)state;
    assert_int_equal(casebus_session_list_open_since(&list, views, 1700000000000000, options),
                     0);
    loop();
    struct casebus_bytes request = asked("log.cases");
    assert_int_equal(asked_number(request, "since"), 1700000000000000);
    assert_null(casebus_map_get(request, "after").data);
    answer_json(10, "{'after': 8, 'floor': 0, 'rows': [" CREATED "]}");
    assert_string_equal(row(0)->case_id, "hse:1");
    assert_int_equal(casebus_session_list_total(list), 1);
    move_stream("case:created:hse:", 11);
    assert_int_equal(asked_number(asked("log.cases"), "after"), 8);
}

static void close_it(void *arg, struct casebus_session_list *self)
{
    (void)arg;
    (void)self;
    changes++;
    casebus_session_list_close(&list);
}

static void it_may_be_closed_from_its_callback(void **state)
{
    (void)state;
    options.changed = close_it;
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options), 0);
    loop();
    peer_request(peer);
    refuse(10, CASEBUS_ENOTFOUND);
    assert_int_equal(changes, 1);
    assert_null(list);
}

static void lists_out_of_range_are_refused(void **state)
{
    (void)state;
    options.rows = 0;
    assert_int_equal(casebus_session_list_open(&list, views, "hse", "s", options),
                     CASEBUS_EINVAL);
    options.rows = 3;
    assert_int_equal(casebus_session_list_open(&list, views, "HSE", "s", options),
                     CASEBUS_EINVAL);
    assert_int_equal(casebus_session_list_open(&list, views, NULL, NULL, options),
                     CASEBUS_EINVAL);
    assert_int_equal(casebus_session_list_open_since(&list, views, 0, options), CASEBUS_EINVAL);
    assert_null(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_asks_for_each_case_once_with_what_belongs_to_it),
        TEST(its_rows_are_read),
        TEST(an_outcome_of_a_later_broker_is_other),
        TEST(what_is_cleared_stays_away_until_it_is_met_again),
        TEST(a_refusal_after_a_clear_is_shown_though_its_seq_is_cleared),
        TEST(what_there_was_is_cleared_though_it_was_not_there_yet),
        TEST(a_list_that_was_empty_when_it_was_cleared_shows_what_comes),
        TEST(a_clear_can_be_remembered),
        TEST(another_history_shows_all_again),
        TEST(it_is_empty_when_its_session_has_ended),
        TEST(a_session_that_is_not_there_is_an_empty_list),
        TEST(an_instant_is_turned_into_a_seq_once),
        TEST(it_may_be_closed_from_its_callback),
        TEST(lists_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
