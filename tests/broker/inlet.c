/* Sockets that are waited for by their descriptors: no message is slept through. */
#include "inlet.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 60000

struct pair {
    void *context, *far;
    struct inlet near, *nears;
};

static int set_up(void **state)
{
    static struct pair pair;
    pair.context = zmq_ctx_new();
    pair.far = zmq_socket(pair.context, ZMQ_PAIR);
    void *near = zmq_socket(pair.context, ZMQ_PAIR);
    *state = &pair;
    alarm(30); /* a message that is slept through is never found */
    if (zmq_bind(near, "inproc://near") != 0 || zmq_connect(pair.far, "inproc://near") != 0) {
        return -1;
    }
    pair.near = inlet_of(near);
    pair.nears = &pair.near;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    zmq_close(pair->far);
    zmq_close(pair->near.socket);
    zmq_ctx_term(pair->context);
    return 0;
}

static bool receive(struct inlet *inlet)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool received = inlet_receive(inlet, &frame);
    zmq_msg_close(&frame);
    return received;
}

static void a_new_inlet_may_have_a_message(void **state)
{
    struct pair *pair = *state;
    zmq_send(pair->far, "", 0, 0);
    inlets_wait(&pair->nears, 1, LONG_MS);
    assert_true(pair->near.may_have);
    assert_true(receive(&pair->near));
}

static void it_has_none_when_a_receive_has_found_none(void **state)
{
    struct pair *pair = *state;
    assert_false(receive(&pair->near));
    assert_false(pair->near.may_have);
    inlets_wait(&pair->nears, 1, 1);
    assert_false(pair->near.may_have);
}

static void a_message_that_comes_ends_the_wait(void **state)
{
    struct pair *pair = *state;
    assert_false(receive(&pair->near));
    zmq_send(pair->far, "", 0, 0);
    inlets_wait(&pair->nears, 1, LONG_MS);
    assert_true(receive(&pair->near));
    assert_false(receive(&pair->near));
}

static void of_several_messages_each_ends_a_wait(void **state)
{
    struct pair *pair = *state;
    assert_false(receive(&pair->near));
    for (int i = 0; i < 3; i++) {
        zmq_send(pair->far, "", 0, 0);
    }
    for (int i = 0; i < 3; i++) {
        inlets_wait(&pair->nears, 1, LONG_MS);
        assert_true(receive(&pair->near));
    }
    assert_false(receive(&pair->near));
}

/* A send takes in what has happened to its socket, where that was last done a while ago; the
 * descriptor then tells nothing any more. */
static void a_message_whose_sign_a_send_has_taken_is_found(void **state)
{
    struct pair *pair = *state;
    struct pollfd fd = {.fd = pair->near.fd, .events = POLLIN};
    assert_false(receive(&pair->near));
    zmq_send(pair->far, "", 0, 0);
    while (poll(&fd, 1, 0) != 0) {
        assert_int_equal(zmq_send(pair->near.socket, "", 0, ZMQ_DONTWAIT), 0);
        inlet_used(&pair->near);
        char frame[1];
        zmq_recv(pair->far, frame, sizeof frame, 0);
    }
    inlets_wait(&pair->nears, 1, LONG_MS);
    assert_true(receive(&pair->near));
}

static void fill(void *socket)
{
    while (zmq_send(socket, "", 0, ZMQ_DONTWAIT) == 0) {
    }
}

static void drain(void *socket)
{
    char frame[1];
    while (zmq_recv(socket, frame, sizeof frame, ZMQ_DONTWAIT) >= 0) {
    }
}

static void who_is_blocked_waits_until_there_is_room(void **state)
{
    struct pair *pair = *state;
    fill(pair->near.socket);
    inlet_blocked(&pair->near);
    inlets_wait(&pair->nears, 1, 0);
    assert_false(pair->near.may_have);
    drain(pair->far);
    inlets_wait(&pair->nears, 1, LONG_MS);
    assert_true(pair->near.may_have);
}

static void who_looks_when_there_is_room_does_not_wait(void **state)
{
    struct pair *pair = *state;
    fill(pair->near.socket);
    drain(pair->far);
    inlet_blocked(&pair->near); /* takes the descriptor's sign */
    assert_true(pair->near.may_have);
}

static void a_descriptor_of_no_socket_ends_the_wait(void **state)
{
    (void)state;
    struct inlet inlet, *inlets = &inlet;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    inlet = inlet_of_descriptor(ends[0]);
    inlet.may_have = false;
    inlets_wait(&inlets, 1, 1);
    assert_false(inlet.may_have);
    assert_int_equal(write(ends[1], "", 1), 1);
    inlets_wait(&inlets, 1, LONG_MS);
    assert_true(inlet.may_have);
    close(ends[0]);
    close(ends[1]);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(a_new_inlet_may_have_a_message),
        FACT(it_has_none_when_a_receive_has_found_none),
        FACT(a_message_that_comes_ends_the_wait),
        FACT(of_several_messages_each_ends_a_wait),
        FACT(a_message_whose_sign_a_send_has_taken_is_found),
        FACT(who_is_blocked_waits_until_there_is_room),
        FACT(who_looks_when_there_is_room_does_not_wait),
        FACT(a_descriptor_of_no_socket_ends_the_wait),
    };
    return cmocka_run_group_tests_name("inlet", tests, NULL, NULL);
}
