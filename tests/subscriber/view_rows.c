/* What views show: policies, differences, pages, and answers that come in parts. */
#include "viewing.h"

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

#define CREATED "case:created:hse:"

/* Opened with these rows as of seq 10, and no window. */
static struct casebus_view *open_with(const char *rows, enum casebus_view_policy policy)
{
    struct casebus_view_options options = watching(0);
    options.policy = policy;
    struct casebus_view *view = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer(10, rows, "'as_of': 10");
    assert_true(seen.reset);
    assert_string_equal(seen.rows, rows);
    return view;
}

/* Something moves to `seq`, and these rows are the answer; the request that was made. */
static struct casebus_bytes become(uint64_t seq, const char *rows, const char *more)
{
    move_stream(CREATED, seq);
    const struct casebus_bytes request = asked("case.recent");
    answer(seq, rows, more);
    return request;
}

/* --- merge and lose --------------------------------------------------------------------- */

static void merge_tells_what_came_changed_moved_and_went(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3=a 2=a 1=a", CASEBUS_VIEW_MERGE);
    become(11, "4=a 3=a 2=a", NULL);
    assert_false(seen.reset);
    assert_string_equal(seen.changes, "-1@2 +4@0");
    become(12, "4=a 3=b 2=a", NULL);
    assert_string_equal(seen.changes, "~3:1>1");
    become(13, "2=a 4=a 3=b", NULL);
    assert_string_equal(seen.changes, "^2:2>0");
    become(14, "3=c 2=a 4=a", NULL);
    assert_string_equal(seen.changes, "~3:2>0");
    become(15, "", NULL);
    assert_string_equal(seen.changes, "-3@0 -2@1 -4@2");
    become(16, "9", NULL);
    assert_string_equal(seen.changes, "+9@0");
    close_view(&view);
}

static void an_answer_that_changes_nothing_is_not_told(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3=a 2=a 1=a", CASEBUS_VIEW_MERGE);
    become(11, "3=a 2=a 1=a", NULL);
    assert_int_equal(seen.count, 1);
    assert_int_equal(status_of(view).through, 11);
    close_view(&view);
}

static void an_empty_list_shows_its_first_row(void **state)
{
    (void)state;
    static const enum casebus_view_policy policies[] = {CASEBUS_VIEW_MERGE, CASEBUS_VIEW_KEEP,
                                                        CASEBUS_VIEW_LOSE};
    for (size_t i = 0; i < 3; i++) {
        struct casebus_view *view = open_with("", policies[i]);
        become(11, "1", "'as_of': 11");
        assert_string_equal(seen.rows, "1");
        close_view(&view);
    }
}

static void lose_is_a_new_list_each_time(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3 2 1", CASEBUS_VIEW_LOSE);
    become(11, "4 3 2", NULL);
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "4 3 2");
    close_view(&view);
}

/* --- keep ------------------------------------------------------------------------------- */

static void keep_shows_its_rows_live_and_counts_the_others(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3=a 2=a 1=a", CASEBUS_VIEW_KEEP);
    assert_int_equal(
        asked_number(become(11, "3=a 2=b 1=a", "'as_of': 10, 'newer': 1"), "as_of"), 10);
    assert_false(seen.reset);
    assert_string_equal(seen.changes, "~2:1>1");
    assert_int_equal(status_of(view).newer, 1);
    become(12, "3=a 2=b 1=a", "'as_of': 10, 'newer': 2"); /* one more: no row has changed */
    assert_int_equal(seen.count, 2);
    assert_int_equal(status_of(view).newer, 2);
    close_view(&view);
}

static void keep_marks_what_is_gone_and_lets_nobody_take_its_place(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3=a 2=a 1=a", CASEBUS_VIEW_KEEP);
    become(11, "3=a 1=b 0=a", "'as_of': 10");
    assert_string_equal(seen.rows, "3=a 2! 1=b");
    assert_string_equal(seen.changes, "~2:1>1 ~1:2>2");
    become(12, "1=b 0=a", "'as_of': 10");
    assert_string_equal(seen.changes, "~3:0>0");
    assert_string_equal(seen.rows, "3! 2! 1=b");
    close_view(&view);
}

static void what_is_cut_off_is_not_gone(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.policy = CASEBUS_VIEW_KEEP;
    options.bytes_max = 60; /* three of 18 */
    struct casebus_view *view = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer(10, "3=a 2=a 1=a", "'as_of': 10");
    become(11, "3=aaaaaaaa 2=a 1=a", "'as_of': 10");
    assert_string_equal(seen.rows, "3=aaaaaaaa 2=a");
    assert_string_equal(seen.changes, "-1@2 ~3:0>0");
    assert_true(status_of(view).cut);
    become(12, "3=a 2=a 1=b", "'as_of': 10"); /* all of it fits again */
    assert_string_equal(seen.rows, "3=a 2=a 1=b");
    assert_false(status_of(view).cut);
    become(13, "3=a 1=b 0=a", "'as_of': 10");
    assert_string_equal(seen.rows, "3=a 2! 1=b");
    close_view(&view);
}

/* Of a row that is gone under keep, what is left of it: as JSON has it, in msgpack. */
static void assert_left(const struct casebus_view *view, const char *left, size_t size)
{
    size_t count;
    const struct casebus_row *rows = casebus_view_rows(view, &count);
    assert_true(count > 0 && rows[0].gone);
    assert_int_equal(rows[0].data.size, size);
    assert_memory_equal(rows[0].data.data, left, size);
}
#define ASSERT_LEFT(view, left) assert_left(view, left, sizeof(left) - 1)

static void what_a_redacted_case_said_is_not_kept(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.policy = CASEBUS_VIEW_KEEP;
    struct casebus_view *list = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer_json(10, "{'as_of': 10, 'newer': 0, 'rows': [{'agency': 'hse', 'id': 'hse:1', "
                    "'regulator_id': '1', 'offender': {'name': 'Acme'}}]}");
    move_stream("case:redacted:hse:", 11);
    asked("case.recent");
    answer(11, "", "'as_of': 10");
    ASSERT_LEFT(list, "\x83\xa2id\xa5hse:1\xa6"
                      "agency\xa3hse\xac"
                      "regulator_id\xa1"
                      "1");
    close_view(&list);

    struct casebus_view *one = open_view(casebus_query_case("hse:1"), options);
    asked("case.get");
    answer_json(11, "{'case': {'id': 'hse:1', 'offender': {'name': 'Acme'}}}");
    move_stream("case:redacted:hse:", 12);
    asked("case.get");
    refuse(12, CASEBUS_EREDACTED);
    ASSERT_LEFT(one, "\x80");
    close_view(&one);

    struct casebus_view *reports = open_view(casebus_query_quarantine(NULL, 3), options);
    asked("quarantine.list");
    answer_json(12, "{'as_of': 12, 'newer': 0, 'rows': [{'quarantine': 7, 'id': 'hse:1', "
                    "'reported': {'offender': {'name': 'Acme'}}}]}");
    move_stream("case:redacted:hse:", 13);
    asked("quarantine.list");
    answer_json(13, "{'as_of': 12, 'newer': 0, 'rows': []}");
    ASSERT_LEFT(reports, "\x82\xa2id\xa5hse:1\xaa"
                         "quarantine\x07");
    close_view(&reports);
}

static void what_is_not_to_be_seen_any_more_is_not_kept(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.policy = CASEBUS_VIEW_KEEP;
    struct casebus_view *view = open_view(casebus_query_sessions("hse", "active", 3), options);
    asked("session.list");
    answer_json(10, "{'as_of': 10, 'newer': 0, 'rows': [{'agency': 'hse', 'session_id': 'b', "
                    "'worker': 'w'}]}");
    move_stream("session:progressed:hse:", 11);
    asked("session.list");
    refuse(11, CASEBUS_EDENIED);
    ASSERT_LEFT(view, "\x82\xa6"
                      "agency\xa3hse\xaasession_id\xa1"
                      "b");
    close_view(&view);
}

static void refresh_shows_the_list_of_now_under_keep(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3 2 1", CASEBUS_VIEW_KEEP);
    become(11, "3 2 1", "'as_of': 10, 'newer': 1");
    casebus_view_refresh(view);
    loop();
    assert_int_equal(asked_number(asked("case.recent"), "as_of"), UINT64_MAX);
    answer(11, "4 3 2", "'as_of': 11");
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "4 3 2");
    assert_int_equal(status_of(view).newer, 0);
    assert_int_equal(asked_number(become(12, "4 3 2", "'as_of': 11, 'newer': 1"), "as_of"), 11);
    close_view(&view);
}

static void refresh_waits_for_a_newer_list_than_another_shows(void **state)
{
    (void)state;
    struct casebus_view *view = open_with("3 2 1", CASEBUS_VIEW_KEEP);
    struct casebus_view *other = open_view(casebus_query_recent(3), watching(0));
    asked("case.recent");
    answer(10, "3 2 1", "'as_of': 10");
    move_stream(CREATED, 11);
    casebus_view_refresh(view);
    loop();
    assert_string_equal(seen.rows, "3 2 1");
    asked("case.recent");
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LOADING);
    close_view(&view);
    close_view(&other);
}

static void a_kept_list_is_of_now_where_others_were_paused(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    struct casebus_view *other = open_with("3 2 1", CASEBUS_VIEW_MERGE);
    casebus_view_pause(other);
    move_stream(CREATED, 11);
    assert_not_asked();
    options.policy = CASEBUS_VIEW_KEEP;
    struct casebus_view *view = open_view(casebus_query_recent(3), options);
    assert_int_equal(seen.count, 1);
    assert_int_equal(asked_number(asked("case.recent"), "as_of"), UINT64_MAX);
    answer(11, "4 3 2", "'as_of': 11");
    assert_string_equal(seen.rows, "4 3 2");
    assert_int_equal(asked_number(become(12, "4 3 2", "'as_of': 11"), "as_of"), 11);
    close_view(&view);
    close_view(&other);
}

static void a_case_that_is_gone_stays_under_keep(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.policy = CASEBUS_VIEW_KEEP;
    struct casebus_view *view = open_view(casebus_query_case("hse:1"), options);
    asked("case.get");
    answer_json(10, "{'case': {'id': 'hse:1'}}");
    move_stream("case:deleted:hse:", 11);
    asked("case.get");
    refuse(11, CASEBUS_EDELETED);
    assert_string_equal(seen.rows, "1!");
    assert_int_equal(status_of(view).error, CASEBUS_EDELETED);
    close_view(&view);
}

static void a_decided_report_stays_under_keep(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.policy = CASEBUS_VIEW_KEEP;
    struct casebus_view *view = open_view(casebus_query_quarantine(NULL, 3), options);
    asked("quarantine.list");
    answer_json(10,
                "{'as_of': 10, 'newer': 0, 'rows': [{'quarantine': 7}, {'quarantine': 4}]}");
    move_stream("case:resolved:hse:", 12);
    assert_int_equal(asked_number(asked("quarantine.list"), "as_of"), 10);
    answer_json(12, "{'as_of': 10, 'newer': 1, 'rows': [{'quarantine': 4}]}");
    assert_string_equal(seen.changes, "~7:0>0");
    assert_string_equal(seen.rows, "7! 4");
    assert_int_equal(status_of(view).newer, 1);
    close_view(&view);
}

static void a_session_that_ends_stays_under_keep(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.policy = CASEBUS_VIEW_KEEP;
    struct casebus_view *view = open_view(casebus_query_sessions("hse", "active", 3), options);
    asked("session.list");
    answer_json(10, "{'as_of': 10, 'newer': 0, 'rows': [{'agency': 'hse', 'session_id': 'b', "
                    "'value': 'x'}, {'agency': 'hse', 'session_id': 'a'}]}");
    move_stream("session:ended:hse:", 11);
    assert_int_equal(asked_number(asked("session.list"), "as_of"), 10);
    answer_json(11,
                "{'as_of': 10, 'newer': 0, 'rows': [{'agency': 'hse', 'session_id': 'a'}]}");
    assert_string_equal(seen.rows, "b=x! a");
    close_view(&view);
}

static void assert_not_kept(struct casebus_query query)
{
    struct casebus_view_options options = watching(0);
    struct casebus_view *view;
    options.policy = CASEBUS_VIEW_KEEP;
    assert_int_equal(casebus_view_open(&view, views, query, options, NULL), CASEBUS_EINVAL);
}

static void keep_is_for_lists_of_a_moment(void **state)
{
    (void)state;
    static const char *const comes_and_goes[] = {"running", "stopping",  "lost",
                                                 "failed",  "completed", "stopped"};
    assert_not_kept(casebus_query_session_cases("hse", "s", 5));
    assert_not_kept(casebus_query_cases_since(1, 5));
    for (size_t i = 0; i < sizeof comes_and_goes / sizeof *comes_and_goes; i++) {
        assert_not_kept(casebus_query_sessions(NULL, comes_and_goes[i], 5));
    }
}

/* --- pages ------------------------------------------------------------------------------ */

static void pages_are_of_one_moment(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(2), watching(0));
    asked("case.recent");
    answer(10, "5 4", "'as_of': 10, 'next': '0x04'");
    assert_true(status_of(view).has_next);
    assert_false(status_of(view).has_previous);
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_NEXT), 0);
    loop();
    assert_int_equal(status_of(view).state, CASEBUS_VIEW_LOADING);
    struct casebus_bytes request = asked("case.recent");
    assert_int_equal(asked_number(request, "as_of"), 10);
    assert_int_equal(casebus_as_bin(casebus_map_get(request, "next")).data[0], 4);
    answer(12, "3 2", "'as_of': 10, 'newer': 2, 'next': '0x02'");
    assert_true(seen.reset);
    assert_string_equal(seen.rows, "3 2");
    assert_int_equal(status_of(view).newer, 2);
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_NEXT), 0);
    loop();
    asked("case.recent");
    answer(12, "1", "'as_of': 10, 'newer': 2");
    assert_false(status_of(view).has_next);
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_NEXT), CASEBUS_ENOTFOUND);
    close_view(&view);
}

static void pages_can_be_turned_back_to_the_live_one(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(2), watching(0));
    asked("case.recent");
    answer(10, "3 2", "'as_of': 10, 'next': '0x02'");
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_PREVIOUS), CASEBUS_ENOTFOUND);
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_NEXT), 0);
    loop();
    asked("case.recent");
    answer(10, "1", "'as_of': 10");
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_PREVIOUS), 0);
    loop();
    assert_int_equal(asked_number(asked("case.recent"), "as_of"), 10);
    answer(11, "3 2", "'as_of': 10, 'newer': 1");
    assert_int_equal(status_of(view).newer, 1);
    assert_false(status_of(view).has_previous);
    assert_int_equal(casebus_view_turn(view, CASEBUS_PAGE_FIRST), 0);
    loop();
    assert_int_equal(asked_number(asked("case.recent"), "as_of"), UINT64_MAX);
    answer(11, "4 3", "'as_of': 11, 'next': '0x03'");
    assert_string_equal(seen.rows, "4 3");
    assert_int_equal(status_of(view).newer, 0);
    close_view(&view);
}

/* --- parts ------------------------------------------------------------------------------ */

static void an_answer_in_parts_is_asked_for_to_its_end(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(5), watching(1000));
    asked("case.recent");
    answer(10, "5 4", "'as_of': 10, 'next': '0x04'");
    struct casebus_bytes request = asked("case.recent");
    assert_int_equal(asked_number(request, "as_of"), 10);
    assert_int_equal(asked_number(request, "limit"), 3);
    assert_int_equal(asked_number(request, "after_seq"), 10);
    answer(11, "", "'as_of': 10, 'next': '0x03'"); /* much work, no row */
    assert_int_equal(seen.count, 0);
    asked("case.recent");
    answer(12, "2 1", "'as_of': 10");
    assert_string_equal(seen.rows, "5 4 2 1");
    assert_int_equal(status_of(view).seq, 10);
    assert_false(status_of(view).has_next);
    close_view(&view);
}

static void what_moves_between_parts_is_asked_anew(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(5), watching(1000));
    asked("case.recent");
    answer(10, "5 4", "'as_of': 10, 'next': '0x04'");
    asked("case.recent");
    move_stream(CREATED, 11);
    answer(11, "3", "'as_of': 10");
    assert_int_equal(status_of(view).through, 10);
    pass(1000);
    assert_int_equal(asked_number(asked("case.recent"), "after_seq"), 11);
    close_view(&view);
}

static void a_part_of_a_broker_that_is_behind_is_not_taken(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(5), watching(1000));
    asked("case.recent");
    answer(10, "5 4", "'as_of': 10, 'next': '0x04'");
    asked("case.recent");
    answer(9, "3", "'as_of': 10");
    assert_int_equal(seen.count, 0);
    pass(100);
    assert_int_equal(casebus_map_get(asked("case.recent"), "next").size, 0);
    answer(10, "5 4 3", "'as_of': 10");
    assert_string_equal(seen.rows, "5 4 3");
    close_view(&view);
}

static void rows_stay_within_their_bytes(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    options.bytes_max = 40; /* a row has 16 */
    struct casebus_view *view = open_view(casebus_query_recent(5), options);
    asked("case.recent");
    answer(10, "3=aa 2=bb 1=cc", "'next': '0x01'");
    assert_not_asked();
    assert_string_equal(seen.rows, "3=aa 2=bb");
    assert_true(status_of(view).cut);
    assert_false(status_of(view).has_next);
    close_view(&view);
}

static void a_row_comes_once_a_list(void **state)
{
    (void)state;
    struct casebus_view *view = open_view(casebus_query_recent(5), watching(0));
    asked("case.recent");
    answer(10, "2=a 1=a 2=b", NULL);
    assert_string_equal(seen.rows, "2=a 1=a");
    close_view(&view);
}

/* --- callbacks -------------------------------------------------------------------------- */

static struct casebus_view *victim, *opened;
static unsigned calls;

static void close_it(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    (void)arg;
    assert_ptr_equal(view, victim);
    casebus_view_close(&victim);
    assert_int_equal(diff->now_count, 1); /* still there */
    assert_string_equal(diff->now[0].key, "hse:1");
    calls++;
}

static void a_callback_may_close_its_view(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    calls = 0;
    options.after_fetch = close_it;
    victim = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer(10, "1", NULL);
    assert_int_equal(calls, 1);
    assert_null(victim);
    move_stream(CREATED, 11);
    assert_not_asked();
}

static void open_one(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    (void)arg;
    (void)view;
    (void)diff;
    casebus_view_close(&victim);
    if (opened == NULL) {
        assert_int_equal(
            casebus_view_open(&opened, views, casebus_query_recent(4), watching(0), NULL), 0);
    }
}

static void a_callback_may_close_others_and_open_some(void **state)
{
    (void)state;
    struct casebus_view_options options = watching(0);
    struct casebus_view *first;
    opened = NULL;
    victim = open_view(casebus_query_recent(3), watching(0));
    options.after_fetch = open_one;
    first = open_view(casebus_query_recent(3), options);
    asked("case.recent");
    answer(10, "1", NULL);
    assert_null(victim);
    assert_non_null(opened);
    assert_int_equal(asked_number(asked("case.recent"), "limit"), 4);
    close_view(&first);
    close_view(&opened);
}

/* --- differences ------------------------------------------------------------------------ */

/* Random lists: applying the changes to the old one gives the new one. */
static void add_random(struct rows *rows, unsigned *seed)
{
    for (int i = 0, count = rand_r(seed) % 12; i < count; i++) {
        char key[8], data[2] = {(char)(rand_r(seed) % 2), 0};
        snprintf(key, sizeof key, "%d", rand_r(seed) % 12);
        if (rows_find(rows, key) != SIZE_MAX) {
            continue;
        }
        struct held *held = held_new(casebus_cstr(key), casebus_bytes(data, 1));
        assert_int_equal(rows_add(rows, held, rand_r(seed) % 4 == 0), 0);
        held_drop(held);
    }
}

static void check_places(const struct rows *old, const struct rows *now,
                         const struct casebus_change *changes, size_t count)
{
    const struct casebus_row *placed[16] = {NULL};
    bool told[16] = {false};
    for (size_t i = 0; i < count; i++) {
        if (changes[i].from != SIZE_MAX) {
            told[changes[i].from] = true;
            assert_ptr_equal(changes[i].old, &old->row[changes[i].from]);
        }
        if (changes[i].to != SIZE_MAX) {
            placed[changes[i].to] = changes[i].now;
        }
    }
    size_t at = 0; /* what is not told of keeps its order, in the places that are left */
    for (size_t i = 0; i < old->count; i++) {
        if (!told[i]) {
            while (placed[at] != NULL) {
                at++;
            }
            placed[at] = &old->row[i];
        }
    }
    for (size_t i = 0; i < now->count; i++) {
        assert_string_equal(placed[i]->key, now->row[i].key);
        assert_int_equal(placed[i]->gone, now->row[i].gone);
        assert_true(casebus_bytes_equal(placed[i]->data, now->row[i].data));
    }
}

static void changes_lead_from_one_list_to_the_other(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int i = 0; i < 3000; i++) {
        struct rows old = {0}, now = {0};
        struct casebus_change *changes;
        size_t count;
        add_random(&old, &seed);
        add_random(&now, &seed);
        assert_int_equal(rows_diff(&old, &now, &changes, &count), 0);
        check_places(&old, &now, changes, count);
        free(changes);
        rows_clear(&old);
        rows_clear(&now);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, viewing_setup, viewing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(merge_tells_what_came_changed_moved_and_went),
        TEST(an_answer_that_changes_nothing_is_not_told),
        TEST(an_empty_list_shows_its_first_row),
        TEST(lose_is_a_new_list_each_time),
        TEST(keep_shows_its_rows_live_and_counts_the_others),
        TEST(keep_marks_what_is_gone_and_lets_nobody_take_its_place),
        TEST(what_is_cut_off_is_not_gone),
        TEST(what_a_redacted_case_said_is_not_kept),
        TEST(what_is_not_to_be_seen_any_more_is_not_kept),
        TEST(refresh_shows_the_list_of_now_under_keep),
        TEST(refresh_waits_for_a_newer_list_than_another_shows),
        TEST(a_kept_list_is_of_now_where_others_were_paused),
        TEST(a_case_that_is_gone_stays_under_keep),
        TEST(a_decided_report_stays_under_keep),
        TEST(a_session_that_ends_stays_under_keep),
        TEST(keep_is_for_lists_of_a_moment),
        TEST(pages_are_of_one_moment),
        TEST(pages_can_be_turned_back_to_the_live_one),
        TEST(an_answer_in_parts_is_asked_for_to_its_end),
        TEST(what_moves_between_parts_is_asked_anew),
        TEST(a_part_of_a_broker_that_is_behind_is_not_taken),
        TEST(rows_stay_within_their_bytes),
        TEST(a_row_comes_once_a_list),
        TEST(a_callback_may_close_its_view),
        TEST(a_callback_may_close_others_and_open_some),
        cmocka_unit_test(changes_lead_from_one_list_to_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
