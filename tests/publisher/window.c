/* The window keeps what may have to be sent again, and nothing longer; and what is made in it
 * (compose.c) has the bytes of the protocol. */
#include "test.h"

#include "compose.h"

#include <stdio.h>
#include <string.h>

#define PLACES 4
#define BYTES 100

static int setup(void **state)
{
    static struct window window;
    *state = &window;
    return casebus_window_init(&window, PLACES, BYTES);
}

static int teardown(void **state)
{
    casebus_window_clear(*state);
    return 0;
}

static void make_message(zmq_msg_t *message, const char *text, size_t size)
{
    assert_int_equal(zmq_msg_init_size(message, size), 0);
    memcpy(zmq_msg_data(message), text, size);
}

/* Pushes reports until `last`, each with its number as topic, body and the check after it. */
static void push_to(struct window *window, uint64_t last)
{
    while (window_last(window) < last) {
        char text[16];
        unsigned char check[CASEBUS_CHECK_SIZE] = {0};
        check[0] = (unsigned char)(window_last(window) + 1);
        int size =
            snprintf(text, sizeof text, "%llu", (unsigned long long)window_last(window) + 1);
        struct kept *kept = casebus_window_next(window);
        make_message(&kept->topic, text, (size_t)size);
        make_message(&kept->body, text, (size_t)size);
        casebus_window_push(window, check);
    }
}

static void the_first_number_is_one(void **state)
{
    push_to(*state, 1);
    assert_non_null(casebus_window_at(*state, 1));
    assert_int_equal(window_last(*state), 1);
}

static void a_kept_report_has_the_bytes_it_came_with(void **state)
{
    push_to(*state, 3);
    struct kept *kept = casebus_window_at(*state, 2);
    assert_non_null(kept);
    assert_int_equal(zmq_msg_size(&kept->body), 1);
    assert_memory_equal(zmq_msg_data(&kept->body), "2", 1);
    assert_memory_equal(zmq_msg_data(&kept->topic), "2", 1);
}

static void numbers_outside_are_not_kept(void **state)
{
    push_to(*state, 3);
    casebus_window_drop(*state, 1);
    assert_null(casebus_window_at(*state, 0));
    assert_null(casebus_window_at(*state, 1));
    assert_null(casebus_window_at(*state, 4));
}

static void the_check_of_the_first_is_zero(void **state)
{
    static const unsigned char zero[CASEBUS_CHECK_SIZE];
    assert_memory_equal(casebus_window_check(*state, 1), zero, sizeof zero);
}

static void the_check_behind_the_last_is_known(void **state)
{
    push_to(*state, 2);
    assert_int_equal(casebus_window_check(*state, 3)[0], 2);
    assert_null(casebus_window_check(*state, 4));
}

static void the_check_behind_the_dropped_is_known(void **state)
{
    push_to(*state, 2);
    casebus_window_drop(*state, 2);
    assert_int_equal(casebus_window_check(*state, 3)[0], 2);
    assert_null(casebus_window_check(*state, 2));
}

static void places_are_bounded(void **state)
{
    push_to(*state, PLACES - 1);
    assert_true(casebus_window_has_room(*state, 1));
    push_to(*state, PLACES);
    assert_false(casebus_window_has_room(*state, 1));
}

static void dropping_makes_room(void **state)
{
    push_to(*state, PLACES);
    casebus_window_drop(*state, 1);
    assert_true(casebus_window_has_room(*state, 1));
}

static void bytes_are_bounded(void **state)
{
    push_to(*state, 1);
    assert_true(casebus_window_has_room(*state, BYTES - 2));
    assert_false(casebus_window_has_room(*state, BYTES - 1));
}

static void an_empty_window_has_room_for_any_report(void **state)
{
    assert_true(casebus_window_has_room(*state, BYTES * 10));
}

static void the_ring_goes_round(void **state)
{
    for (uint64_t last = PLACES; last < 5 * PLACES; last++) {
        push_to(*state, last);
        casebus_window_drop(*state, last - 2);
    }
    push_to(*state, 5 * PLACES);
    struct kept *kept = casebus_window_at(*state, 5 * PLACES);
    assert_memory_equal(zmq_msg_data(&kept->body), "20", 2);
}

static void the_next_place_is_free_in_a_full_window(void **state)
{
    push_to(*state, PLACES);
    struct kept *next = casebus_window_next(*state);
    for (uint64_t number = 1; number <= PLACES; number++) {
        assert_ptr_not_equal(casebus_window_at(*state, number), next);
    }
}

static void the_next_place_stays_while_others_are_dropped(void **state)
{
    push_to(*state, PLACES);
    struct kept *next = casebus_window_next(*state);
    casebus_window_drop(*state, 2);
    assert_ptr_equal(casebus_window_next(*state), next);
}

static void bytes_are_given_back(void **state)
{
    struct window *window = *state;
    push_to(window, 3);
    casebus_window_drop(window, 3);
    assert_int_equal(window->bytes, 0);
}

/* --- what is kept is made by compose.c --------------------------------------------------- */

static const unsigned char publisher[CASEBUS_PUBLISHER_SIZE] = "a publisher's id";
static const unsigned char check_value[CASEBUS_CHECK_SIZE] = "\1\2\3\4\5\6\7";
static const unsigned char data[] = {0x81, 0xa3, 'e', 'x', 't', 0x80};

static struct casebus_report_parts parts_of(uint64_t number, struct casebus_bytes session)
{
    return (struct casebus_report_parts){
        .publisher = publisher,
        .number = number,
        .check = check_value,
        .session = session,
        .sent_at = 1710243123456789,
        .data = casebus_bytes(data, sizeof data),
    };
}

static int compose(const struct casebus_report_parts *parts, struct kept *kept,
                   size_t *check_at)
{
    struct composer composer = {0};
    struct casebus_fault fault;
    assert_int_equal(casebus_compose_topic(&composer, CASEBUS_REPORT_SCRAPED,
                                           casebus_cstr("hse"), casebus_cstr("1"), &fault),
                     0);
    int error = casebus_compose_report(&composer, parts, kept, check_at);
    casebus_composer_clear(&composer);
    return error;
}

static void assert_as_encoded(struct casebus_report_parts parts)
{
    struct kept kept;
    size_t check_at;
    msgpack_sbuffer encoded;
    msgpack_sbuffer_init(&encoded);
    assert_int_equal(casebus_report_encode(&parts, &encoded), 0);
    assert_int_equal(compose(&parts, &kept, &check_at), 0);
    assert_int_equal(zmq_msg_size(&kept.body), encoded.size);
    assert_memory_equal(zmq_msg_data(&kept.body), encoded.data, encoded.size);
    assert_int_equal(zmq_msg_size(&kept.topic), strlen("case:scraped:hse:1:"));
    assert_memory_equal(zmq_msg_data(&kept.topic),
                        "case:scraped:hse:1:", zmq_msg_size(&kept.topic));
    kept_close(&kept);
    msgpack_sbuffer_destroy(&encoded);
}

static void a_body_is_what_the_protocol_encodes(void **state)
{
    (void)state;
    for (uint64_t number = 1; number < UINT64_C(1) << 53; number = number * 3 + 1) {
        assert_as_encoded(parts_of(number, casebus_cstr("s1")));
    }
}

static void a_body_may_be_without_session_and_data(void **state)
{
    (void)state;
    struct casebus_report_parts parts = parts_of(7, casebus_bytes(NULL, 0));
    parts.data = casebus_bytes(NULL, 0);
    parts.sent_at = 0;
    assert_as_encoded(parts);
}

/* The broker refuses it; a publisher that does not verify leaves that to it. */
static void a_long_session_is_encoded_all_the_same(void **state)
{
    (void)state;
    static char session[70000];
    memset(session, 's', sizeof session);
    assert_as_encoded(parts_of(7, casebus_bytes(session, 31)));
    assert_as_encoded(parts_of(7, casebus_bytes(session, 300)));
    assert_as_encoded(parts_of(7, casebus_bytes(session, sizeof session)));
}

static void the_check_is_where_it_is_said_to_be(void **state)
{
    (void)state;
    struct casebus_report_parts parts = parts_of(70000, casebus_cstr("s1"));
    struct casebus_report_head head;
    struct kept kept;
    size_t check_at;
    assert_int_equal(compose(&parts, &kept, &check_at), 0);
    assert_int_equal(
        casebus_report_head_decode(
            casebus_bytes(zmq_msg_data(&kept.body), zmq_msg_size(&kept.body)), &head),
        0);
    assert_int_equal(head.check_at, check_at);
    kept_close(&kept);
}

static void a_body_above_the_limit_is_too_large(void **state)
{
    (void)state;
    static unsigned char much[CASEBUS_REPORT_MAX];
    struct casebus_report_parts parts = parts_of(1, casebus_bytes(NULL, 0));
    struct kept kept;
    size_t check_at;
    parts.data = casebus_bytes(much, sizeof much - 1);
    assert_int_equal(compose(&parts, &kept, &check_at), CASEBUS_ETOOLARGE);
    parts.session = casebus_bytes(much, SIZE_MAX);
    assert_int_equal(compose(&parts, &kept, &check_at), CASEBUS_ETOOLARGE);
}

static void assert_topic(struct composer *composer, enum casebus_report_kind kind,
                         const char *agency, const char *key, const char *topic)
{
    struct casebus_fault fault;
    assert_int_equal(
        casebus_compose_topic(composer, kind, casebus_cstr(agency), casebus_cstr(key), &fault),
        0);
    assert_true(casebus_bytes_is(composer_topic(composer), topic));
}

static void topics_follow_each_other(void **state)
{
    (void)state;
    struct composer composer = {0};
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "hse", "1", "case:scraped:hse:1:");
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "hse", "12", "case:scraped:hse:12:");
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "hse", "3", "case:scraped:hse:3:");
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "se", "3", "case:scraped:se:3:");
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "hse", "se", "case:scraped:hse:se:");
    assert_topic(&composer, CASEBUS_REPORT_EDITED, "hse", "se", "case:edited:hse:se:");
    assert_topic(&composer, CASEBUS_REPORT_SESSION_ENDED, "hse", "s", "session:ended:hse:s:");
}

static void a_bad_topic_leaves_nothing_behind(void **state)
{
    (void)state;
    struct composer composer = {0};
    struct casebus_fault fault;
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "hse", "1", "case:scraped:hse:1:");
    assert_int_equal(casebus_compose_topic(&composer, CASEBUS_REPORT_SCRAPED,
                                           casebus_cstr("hse"), casebus_cstr("1:2"), &fault),
                     CASEBUS_EVALUE);
    assert_int_equal(composer_topic(&composer).size, 0);
    assert_topic(&composer, CASEBUS_REPORT_SCRAPED, "hse", "2", "case:scraped:hse:2:");
}

static void what_is_popped_was_never_pushed(void **state)
{
    struct window *window = *state;
    unsigned char before[CASEBUS_CHECK_SIZE];
    push_to(window, 2);
    memcpy(before, window->next_check, sizeof before);
    size_t bytes = window->bytes;
    push_to(window, 3);
    casebus_window_pop(window);
    assert_int_equal(window_last(window), 2);
    assert_int_equal(window->bytes, bytes);
    assert_memory_equal(window->next_check, before, sizeof before);
    push_to(window, 3);
}

static void what_is_moved_keeps_number_bytes_and_check(void **state)
{
    struct window *from = *state, to;
    unsigned char check[CASEBUS_CHECK_SIZE];
    assert_int_equal(casebus_window_init(&to, PLACES, BYTES), 0);
    push_to(from, 3);
    memcpy(check, casebus_window_check(from, 2), sizeof check);
    casebus_window_move(from, &to);
    casebus_window_move(from, &to);
    assert_int_equal(from->count, 1);
    assert_int_equal(from->first, 3);
    assert_int_equal(window_last(&to), 2);
    assert_memory_equal(casebus_window_at(&to, 2)->check, check, sizeof check);
    assert_memory_equal(kept_body(casebus_window_at(&to, 2)).data, "2", 1);
    assert_memory_equal(to.next_check, casebus_window_check(from, 3), sizeof check);
    casebus_window_clear(&to);
}

/* --- ties --------------------------------------------------------------------------------- */

static const unsigned char publisher_id[CASEBUS_PUBLISHER_SIZE] = "a publisher";

/* The next report, with any check: its number times some bytes of text. */
static void push_untied(struct window *window)
{
    static struct composer composer;
    static const unsigned char any[CASEBUS_CHECK_SIZE] = "whatever";
    unsigned char bytes[1024] = {0x81, 0xa1, 'x', 0xda};
    const uint64_t number = window_last(window) + 1, size = number * 21 % 1000;
    struct casebus_fault fault;
    size_t check_at;
    (void)casebus_put_big_endian(bytes + 4, size, 2);
    memset(bytes + 6, 'x', size);
    struct casebus_report_parts parts = {.publisher = publisher_id,
                                         .number = number,
                                         .check = any,
                                         .data = casebus_bytes(bytes, 6 + size)};
    assert_int_equal(casebus_compose_topic(&composer, CASEBUS_REPORT_SCRAPED,
                                           casebus_cstr("hse"), casebus_cstr("1"), &fault),
                     0);
    assert_int_equal(
        casebus_compose_report(&composer, &parts, casebus_window_next(window), &check_at), 0);
    casebus_window_push_untied(window, check_at);
    casebus_composer_clear(&composer);
}

/* Each carries the check of all before it. */
static void assert_tied(struct window *window, uint64_t last)
{
    unsigned char check[CASEBUS_CHECK_SIZE] = {0};
    for (uint64_t n = 1; n <= last; n++) {
        struct casebus_report_head head;
        unsigned char hash[CASEBUS_HASH_SIZE];
        struct kept *kept = casebus_window_at(window, n);
        assert_int_equal(casebus_report_head_decode(kept_body(kept), &head), 0);
        assert_memory_equal(head.check, check, sizeof check);
        assert_memory_equal(kept->check, check, sizeof check);
        assert_memory_equal(casebus_window_check(window, n), check, sizeof check);
        casebus_report_hash(kept_topic(kept), kept_body(kept), head.check_at, hash);
        assert_memory_equal(kept->hash, hash, sizeof hash);
        casebus_check_next(check, hash);
    }
    assert_memory_equal(casebus_window_check(window, last + 1), check, sizeof check);
}

static void with_ties(void (*fact)(struct window *window))
{
    struct window window;
    assert_int_equal(casebus_window_init(&window, 200, 1 << 20), 0);
    fact(&window);
    casebus_window_clear(&window);
}

static void many_at_once(struct window *window)
{
    while (window_last(window) < 100) { /* more than are hashed together */
        push_untied(window);
    }
    assert_tied(window, 100);
}

static void as_they_come(struct window *window)
{
    while (window_last(window) < 100) {
        push_untied(window);
        if (window_last(window) % 7 == 0) {
            assert_non_null(casebus_window_at(window, window_last(window)));
        }
    }
    assert_tied(window, 100);
}

static void behind_a_void(struct window *window)
{
    push_untied(window);
    push_untied(window);
    struct kept *kept = casebus_window_next(window);
    unsigned char check[CASEBUS_CHECK_SIZE] = "behind";
    make_message(&kept->topic, "t", 1);
    make_message(&kept->body, "b", 1);
    casebus_window_push(window, check);
    push_untied(window);
    assert_tied(window, 2);
    assert_memory_equal(casebus_window_at(window, 3)->check, casebus_window_check(window, 3),
                        sizeof check);
    assert_memory_equal(casebus_window_at(window, 4)->check, check, sizeof check);
}

static void behind_one_that_was_popped(struct window *window)
{
    push_untied(window);
    push_untied(window);
    casebus_window_pop(window);
    push_untied(window);
    assert_tied(window, 2);
}

static void behind_those_that_were_moved(struct window *window)
{
    struct window to;
    assert_int_equal(casebus_window_init(&to, 200, 1 << 20), 0);
    for (unsigned i = 0; i < 5; i++) {
        push_untied(window);
    }
    for (unsigned i = 0; i < 5; i++) {
        casebus_window_move(window, &to);
    }
    push_untied(window);
    casebus_window_move(window, &to);
    assert_tied(&to, 6);
    casebus_window_clear(&to);
}

static void behind_those_that_were_dropped(struct window *window)
{
    struct window whole;
    assert_int_equal(casebus_window_init(&whole, 200, 1 << 20), 0);
    for (unsigned i = 0; i < 5; i++) {
        push_untied(window);
        push_untied(&whole);
    }
    casebus_window_drop(window, 3);
    assert_memory_equal(casebus_window_check(window, 6), casebus_window_check(&whole, 6),
                        CASEBUS_CHECK_SIZE);
    casebus_window_clear(&whole);
}

static void what_is_untied_is_tied_when_it_is_looked_at(void **state)
{
    (void)state;
    with_ties(many_at_once);
    with_ties(as_they_come);
    with_ties(behind_a_void);
    with_ties(behind_one_that_was_popped);
    with_ties(behind_those_that_were_moved);
    with_ties(behind_those_that_were_dropped);
}

static void a_window_that_restarts_goes_on_from_there(void **state)
{
    struct window *window = *state;
    const unsigned char check[CASEBUS_CHECK_SIZE] = "another";
    push_to(window, 3);
    casebus_window_restart(window, 70, check);
    assert_int_equal(window_last(window), 69);
    assert_int_equal(window->bytes, 0);
    push_to(window, 70);
    assert_memory_equal(casebus_window_at(window, 70)->check, check, sizeof check);
    assert_null(casebus_window_at(window, 3));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_popped_was_never_pushed),
        T(what_is_moved_keeps_number_bytes_and_check),
        T(a_window_that_restarts_goes_on_from_there),
        cmocka_unit_test(what_is_untied_is_tied_when_it_is_looked_at),
        T(the_first_number_is_one),
        T(a_kept_report_has_the_bytes_it_came_with),
        T(numbers_outside_are_not_kept),
        T(the_check_of_the_first_is_zero),
        T(the_check_behind_the_last_is_known),
        T(the_check_behind_the_dropped_is_known),
        T(places_are_bounded),
        T(dropping_makes_room),
        T(bytes_are_bounded),
        T(an_empty_window_has_room_for_any_report),
        T(the_ring_goes_round),
        T(bytes_are_given_back),
        T(the_next_place_is_free_in_a_full_window),
        T(the_next_place_stays_while_others_are_dropped),
        cmocka_unit_test(a_body_is_what_the_protocol_encodes),
        cmocka_unit_test(a_body_may_be_without_session_and_data),
        cmocka_unit_test(a_long_session_is_encoded_all_the_same),
        cmocka_unit_test(the_check_is_where_it_is_said_to_be),
        cmocka_unit_test(a_body_above_the_limit_is_too_large),
        cmocka_unit_test(topics_follow_each_other),
        cmocka_unit_test(a_bad_topic_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
