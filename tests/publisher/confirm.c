/* What the publisher asks, and what it makes of answers, wrong ones included. */
#include "test.h"

#include "confirm.h"
#include "refusal.h"

#include <string.h>

static const unsigned char me[CASEBUS_PUBLISHER_SIZE] = "me me me me me ";
static const struct casebus_bytes none = {NULL, 0};
static const unsigned char check[CASEBUS_CHECK_SIZE] = "checked";

struct draft {
    const unsigned char *publisher;
    size_t check_size;
    bool more;
    uint64_t want;
    int error;
    unsigned stops; /* so many sessions are to stop */
    bool stop_is_text;
};

static void pack_refusal(msgpack_packer *pk, uint64_t number, const char *outcome,
                         const char *code)
{
    msgpack_pack_map(pk, code ? 6 : 5);
    casebus_pack_text(pk, "number");
    msgpack_pack_uint64(pk, number);
    casebus_pack_text(pk, "outcome");
    casebus_pack_text(pk, outcome);
    if (code) {
        casebus_pack_text(pk, "code");
        casebus_pack_text(pk, code);
    }
    casebus_pack_text(pk, "field");
    casebus_pack_text(pk, "offender.name");
    casebus_pack_text(pk, "topic");
    casebus_pack_text(pk, "case:scraped:hse:1:");
    casebus_pack_text(pk, "quarantine");
    msgpack_pack_uint64(pk, 77);
}

static void pack_result(msgpack_packer *pk, const struct draft *draft)
{
    size_t pairs = 5;
    pairs += draft->more ? 1 : 0;
    pairs += draft->want ? 1 : 0;
    pairs += draft->stops || draft->stop_is_text ? 1 : 0;
    msgpack_pack_map(pk, pairs);
    casebus_pack_text(pk, "publisher");
    casebus_pack_bin(pk, casebus_bytes(draft->publisher, CASEBUS_PUBLISHER_SIZE));
    casebus_pack_text(pk, "decided");
    msgpack_pack_uint64(pk, 12);
    casebus_pack_text(pk, "check");
    casebus_pack_bin(pk, casebus_bytes(check, draft->check_size));
    casebus_pack_text(pk, "counts");
    msgpack_pack_map(pk, 3);
    casebus_pack_text(pk, "created");
    msgpack_pack_uint64(pk, 9);
    casebus_pack_text(pk, "from_a_later_version");
    msgpack_pack_uint64(pk, 1);
    casebus_pack_text(pk, "void");
    msgpack_pack_uint64(pk, 2);
    casebus_pack_text(pk, "refusals");
    msgpack_pack_array(pk, 2);
    pack_refusal(pk, 3, "rejected", "missing");
    pack_refusal(pk, 5, "conflict", NULL);
    if (draft->more) {
        casebus_pack_text(pk, "more");
        msgpack_pack_true(pk);
    }
    if (draft->want) {
        casebus_pack_text(pk, "want");
        msgpack_pack_uint64(pk, draft->want);
    }
    if (draft->stop_is_text) {
        casebus_pack_text(pk, "stop");
        casebus_pack_text(pk, "all of them");
    } else if (draft->stops) {
        casebus_pack_text(pk, "stop");
        msgpack_pack_array(pk, draft->stops);
        for (unsigned i = 0; i < draft->stops; i++) {
            msgpack_pack_map(pk, 0);
        }
    }
}

static msgpack_sbuffer reply_bytes;

/* An answer as the draft says, its bytes valid until the next. */
static struct casebus_bytes make_reply(struct draft draft)
{
    msgpack_sbuffer result;
    msgpack_packer pk;
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&pk, &result, msgpack_sbuffer_write);
    pack_result(&pk, &draft);
    struct casebus_reply reply = {.seq = 40,
                                  .entry = 30,
                                  .epoch = "epoch 7",
                                  .error = draft.error,
                                  .result = casebus_bytes(result.data, result.size)};
    reply_bytes.size = 0;
    assert_int_equal(casebus_reply_encode(&reply, &reply_bytes), 0);
    msgpack_sbuffer_destroy(&result);
    return casebus_bytes(reply_bytes.data, reply_bytes.size);
}

static struct draft good(void)
{
    return (struct draft){.publisher = me, .check_size = CASEBUS_CHECK_SIZE};
}

static int clear_reply(void **state)
{
    (void)state;
    msgpack_sbuffer_destroy(&reply_bytes);
    msgpack_sbuffer_init(&reply_bytes);
    return 0;
}

/* --- the poll ----------------------------------------------------------------------------- */

static struct casebus_request encoded(msgpack_sbuffer *out, const struct broker_state *seen)
{
    struct confirm_poll poll = {.publisher = me, .after = 11, .wait_ms = 250, .state = seen};
    struct casebus_request request;
    struct casebus_fault fault;
    msgpack_sbuffer_init(out);
    casebus_confirm_encode(&poll, out);
    assert_int_equal(
        casebus_request_decode(casebus_bytes(out->data, out->size), &request, &fault), 0);
    return request;
}

static void a_poll_says_who_asks_and_after_what(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    struct casebus_request request = encoded(&out, &(struct broker_state){0});
    struct casebus_bytes id = casebus_as_bin(casebus_map_get(request.map, "publisher"));
    assert_int_equal(request.op, CASEBUS_OP_PUBLISHER_CONFIRM);
    assert_true(casebus_bytes_equal(id, casebus_bytes(me, sizeof me)));
    assert_int_equal(casebus_as_uint(casebus_map_get(request.map, "after"), 0), 11);
    assert_int_equal(casebus_as_uint(casebus_map_get(request.map, "wait_ms"), 0), 250);
    msgpack_sbuffer_destroy(&out);
}

static void the_first_poll_names_no_epoch(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    struct casebus_request request = encoded(&out, &(struct broker_state){0});
    assert_null(casebus_map_get(request.map, "epoch").data);
    assert_null(casebus_map_get(request.map, "entry").data);
    msgpack_sbuffer_destroy(&out);
}

static void a_later_poll_names_epoch_and_entry(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    struct broker_state seen = {.known = true, .epoch = "epoch 7", .entry = 30};
    struct casebus_request request = encoded(&out, &seen);
    struct casebus_bytes epoch = casebus_as_bin(casebus_map_get(request.map, "epoch"));
    assert_true(casebus_bytes_equal(epoch, casebus_bytes("epoch 7", CASEBUS_EPOCH_SIZE)));
    assert_int_equal(casebus_as_uint(casebus_map_get(request.map, "entry"), 0), 30);
    msgpack_sbuffer_destroy(&out);
}

static bool says_outbox(bool outbox)
{
    struct confirm_poll poll = {
        .publisher = me, .outbox = outbox, .state = &(struct broker_state){0}};
    msgpack_sbuffer out;
    struct casebus_request request;
    struct casebus_fault fault;
    struct casebus_reader r;
    msgpack_sbuffer_init(&out);
    casebus_confirm_encode(&poll, &out);
    assert_int_equal(
        casebus_request_decode(casebus_bytes(out.data, out.size), &request, &fault), 0);
    casebus_reader_init(&r, casebus_map_get(request.map, "outbox"));
    bool said = casebus_read_bool(&r);
    assert_int_equal(r.error, 0);
    msgpack_sbuffer_destroy(&out);
    return said;
}

static void a_poll_says_whether_the_id_outlives_the_process(void **state)
{
    (void)state;
    assert_true(says_outbox(true));
    assert_false(says_outbox(false));
}

static struct casebus_bytes sessions_of_poll(msgpack_sbuffer *out, const struct heard *sessions,
                                             size_t count, bool known)
{
    struct broker_state seen = {.known = known};
    struct confirm_poll poll = {
        .publisher = me, .state = &seen, .sessions = sessions, .session_count = count};
    struct casebus_request request;
    struct casebus_fault fault;
    out->size = 0;
    casebus_confirm_encode(&poll, out);
    assert_int_equal(
        casebus_request_decode(casebus_bytes(out->data, out->size), &request, &fault), 0);
    return casebus_map_get(request.map, "sessions");
}

static void a_poll_names_the_sessions_that_are_open(void **state)
{
    (void)state;
    static const struct heard open[] = {{.agency = "hse", .id = "s1"},
                                        {.agency = "ea", .id = "s2", .stopping = true}};
    msgpack_sbuffer out;
    struct casebus_reader r;
    msgpack_sbuffer_init(&out);
    for (int known = 0; known < 2; known++) {
        casebus_reader_init(&r, sessions_of_poll(&out, open, 2, known));
        assert_int_equal(casebus_read_array(&r), 2);
        for (size_t i = 0; i < 2; i++) {
            struct casebus_bytes map = casebus_read_raw(&r);
            struct casebus_reader flag;
            assert_true(casebus_bytes_is(casebus_as_str(casebus_map_get(map, "agency")),
                                         open[i].agency));
            assert_true(casebus_bytes_is(casebus_as_str(casebus_map_get(map, "session_id")),
                                         open[i].id));
            casebus_reader_init(&flag, casebus_map_get(map, "stopping"));
            assert_int_equal(casebus_read_bool(&flag), open[i].stopping);
            assert_int_equal(flag.error, 0);
        }
        assert_int_equal(r.error, 0);
    }
    msgpack_sbuffer_destroy(&out);
}

static void a_poll_without_sessions_names_none(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    assert_null(sessions_of_poll(&out, NULL, 0, true).data);
    msgpack_sbuffer_destroy(&out);
}

/* --- answers ------------------------------------------------------------------------------ */

static void an_answer_says_what_is_decided(void **state)
{
    (void)state;
    struct confirm_answer answer;
    assert_int_equal(casebus_confirm_decode(make_reply(good()), me, &answer), 0);
    assert_int_equal(answer.decided, 12);
    assert_memory_equal(answer.check, check, sizeof check);
    assert_int_equal(answer.state.entry, 30);
    assert_memory_equal(answer.state.epoch, "epoch 7", CASEBUS_EPOCH_SIZE);
}

static void outcomes_of_a_later_version_are_left_out(void **state)
{
    (void)state;
    struct confirm_answer answer;
    assert_int_equal(casebus_confirm_decode(make_reply(good()), me, &answer), 0);
    assert_int_equal(answer.outcomes[CASEBUS_OUTCOME_CREATED], 9);
    assert_int_equal(answer.outcomes[CASEBUS_OUTCOME_VOID], 2);
}

static void nothing_is_wanted_where_want_is_absent(void **state)
{
    (void)state;
    struct confirm_answer answer;
    assert_int_equal(casebus_confirm_decode(make_reply(good()), me, &answer), 0);
    assert_int_equal(answer.want, 0);
    assert_false(answer.more);
}

static void want_and_more_are_read(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct draft draft = good();
    draft.want = 13;
    draft.more = true;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), 0);
    assert_int_equal(answer.want, 13);
    assert_true(answer.more);
}

static void sessions_that_are_to_stop_are_given_on(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct draft draft = good();
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), 0);
    assert_null(answer.stop.data);
    draft.stops = CASEBUS_SESSIONS_PER_POLL;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), 0);
    assert_non_null(answer.stop.data);
}

static void more_of_them_than_a_poll_names_are_no_answer(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct draft draft = good();
    draft.stops = CASEBUS_SESSIONS_PER_POLL + 1;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), CASEBUS_EPROTO);
    draft.stop_is_text = true;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), CASEBUS_EPROTO);
}

static void an_answer_to_somebody_else_is_no_answer(void **state)
{
    (void)state;
    static const unsigned char other[CASEBUS_PUBLISHER_SIZE] = "somebody else  ";
    struct confirm_answer answer;
    struct draft draft = good();
    draft.publisher = other;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), CASEBUS_EPROTO);
}

static void a_check_of_another_size_is_no_answer(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct draft draft = good();
    draft.check_size = CASEBUS_CHECK_SIZE - 1;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), CASEBUS_EPROTO);
}

static void the_brokers_error_is_given_on(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct draft draft = good();
    draft.error = CASEBUS_EBUSY;
    assert_int_equal(casebus_confirm_decode(make_reply(draft), me, &answer), CASEBUS_EBUSY);
}

static void no_part_of_an_answer_is_an_answer(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct casebus_bytes whole = make_reply(good());
    for (size_t size = 0; size < whole.size; size++) {
        assert_true(casebus_confirm_decode(casebus_bytes(whole.data, size), me, &answer) < 0);
    }
}

/* --- refusals ----------------------------------------------------------------------------- */

static void refusals_come_one_by_one(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct refusal_reader reader;
    struct casebus_refusal refusal;
    assert_int_equal(casebus_confirm_decode(make_reply(good()), me, &answer), 0);
    assert_int_equal(casebus_refusals_begin(&reader, answer.refusals), 0);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 1);
    assert_int_equal(refusal.number, 3);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 1);
    assert_int_equal(refusal.number, 5);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 0);
}

static void a_refusal_says_what_and_why(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct refusal_reader reader;
    struct casebus_refusal refusal;
    assert_int_equal(casebus_confirm_decode(make_reply(good()), me, &answer), 0);
    assert_int_equal(casebus_refusals_begin(&reader, answer.refusals), 0);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 1);
    assert_int_equal(refusal.outcome, CASEBUS_OUTCOME_REJECTED);
    assert_int_equal(refusal.code, CASEBUS_EMISSING);
    assert_true(casebus_bytes_is(refusal.field, "offender.name"));
    assert_true(casebus_bytes_is(refusal.topic, "case:scraped:hse:1:"));
    assert_null(refusal.reason.data);
}

static void a_conflict_names_its_place_in_quarantine(void **state)
{
    (void)state;
    struct confirm_answer answer;
    struct refusal_reader reader;
    struct casebus_refusal refusal;
    assert_int_equal(casebus_confirm_decode(make_reply(good()), me, &answer), 0);
    assert_int_equal(casebus_refusals_begin(&reader, answer.refusals), 0);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 1);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 1);
    assert_int_equal(refusal.outcome, CASEBUS_OUTCOME_CONFLICT);
    assert_int_equal(refusal.code, 0);
    assert_int_equal(refusal.quarantine, 77);
}

static void a_code_of_a_later_version_is_internal(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    msgpack_packer pk;
    struct refusal_reader reader;
    struct casebus_refusal refusal;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 1);
    pack_refusal(&pk, 3, "rejected", "from_a_later_version");
    assert_int_equal(casebus_refusals_begin(&reader, casebus_bytes(out.data, out.size)), 0);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), 1);
    assert_int_equal(refusal.code, CASEBUS_EINTERNAL);
    msgpack_sbuffer_destroy(&out);
}

static void a_refusal_without_a_number_is_out_of_protocol(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x91, 0x80}; /* one refusal, an empty map */
    struct refusal_reader reader;
    struct casebus_refusal refusal;
    assert_int_equal(casebus_refusals_begin(&reader, casebus_bytes(bytes, sizeof bytes)), 0);
    assert_int_equal(casebus_refusals_next(&reader, &refusal), CASEBUS_EPROTO);
}

static struct casebus_bytes refusals_of(msgpack_sbuffer *out, uint64_t a, uint64_t b)
{
    msgpack_packer pk;
    out->size = 0;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 2);
    pack_refusal(&pk, a, "rejected", "missing");
    pack_refusal(&pk, b, "conflict", NULL);
    return casebus_bytes(out->data, out->size);
}

static void refusals_out_of_order_or_ahead_are_no_answer(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    uint64_t last;
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_refusals_check(refusals_of(&out, 3, 5), 5, &last), 0);
    assert_int_equal(last, 5);
    assert_int_equal(casebus_refusals_check(refusals_of(&out, 3, 5), 4, &last), CASEBUS_EPROTO);
    assert_int_equal(casebus_refusals_check(refusals_of(&out, 5, 3), 9, &last), CASEBUS_EPROTO);
    assert_int_equal(casebus_refusals_check(refusals_of(&out, 3, 3), 9, &last), CASEBUS_EPROTO);
    assert_int_equal(casebus_refusals_check(none, 9, &last), 0);
    assert_int_equal(last, 0);
    msgpack_sbuffer_destroy(&out);
}

static void a_walk_meets_each_refusal_once(void **state)
{
    (void)state;
    msgpack_sbuffer out;
    struct refusal_walk walk;
    msgpack_sbuffer_init(&out);
    casebus_walk_begin(&walk, refusals_of(&out, 3, 5));
    for (uint64_t n = 1; n <= 7; n++) {
        assert_int_equal(casebus_walk_at(&walk, n), n == 3 || n == 5);
    }
    casebus_walk_begin(&walk, none);
    assert_false(casebus_walk_at(&walk, 1));
    msgpack_sbuffer_destroy(&out);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, clear_reply)
    const struct CMUnitTest tests[] = {
        T(a_poll_says_who_asks_and_after_what),
        T(the_first_poll_names_no_epoch),
        T(a_later_poll_names_epoch_and_entry),
        T(a_poll_says_whether_the_id_outlives_the_process),
        T(a_poll_names_the_sessions_that_are_open),
        T(a_poll_without_sessions_names_none),
        T(an_answer_says_what_is_decided),
        T(outcomes_of_a_later_version_are_left_out),
        T(nothing_is_wanted_where_want_is_absent),
        T(want_and_more_are_read),
        T(sessions_that_are_to_stop_are_given_on),
        T(more_of_them_than_a_poll_names_are_no_answer),
        T(an_answer_to_somebody_else_is_no_answer),
        T(a_check_of_another_size_is_no_answer),
        T(the_brokers_error_is_given_on),
        T(no_part_of_an_answer_is_an_answer),
        T(refusals_come_one_by_one),
        T(a_refusal_says_what_and_why),
        T(a_conflict_names_its_place_in_quarantine),
        T(a_code_of_a_later_version_is_internal),
        T(a_refusal_without_a_number_is_out_of_protocol),
        T(refusals_out_of_order_or_ahead_are_no_answer),
        T(a_walk_meets_each_refusal_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
