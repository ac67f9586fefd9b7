/* A heap of work for several hands: each item once, and what was begun is done. */
#include "crew.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ITEMS 1000
#define FOREVER INT64_MAX

struct heap {
    atomic_uint done[ITEMS];
    atomic_uint by_hand[HANDS_MAX];
    bool waits_for_help;
    pthread_mutex_t lock;
    pthread_cond_t came;
};

static unsigned hands_that_came(struct heap *heap)
{
    unsigned n = 0;
    for (unsigned i = 0; i < HANDS_MAX; i++) {
        n += atomic_load(&heap->by_hand[i]) > 0;
    }
    return n;
}

static void do_item(void *arg, unsigned hand, unsigned item)
{
    struct heap *heap = arg;
    atomic_fetch_add(&heap->done[item], 1);
    atomic_fetch_add(&heap->by_hand[hand], 1);
    if (heap->waits_for_help) {
        pthread_mutex_lock(&heap->lock);
        pthread_cond_broadcast(&heap->came);
        while (hands_that_came(heap) < 2) {
            pthread_cond_wait(&heap->came, &heap->lock);
        }
        pthread_mutex_unlock(&heap->lock);
    }
}

static void assert_done(struct heap *heap, unsigned count)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        assert_int_equal(atomic_load(&heap->done[i]), i < count ? 1 : 0);
    }
}

static struct crew *crew_for(struct heap *heap)
{
    struct crew *crew = crew_new(HANDS_MAX, do_item, heap);
    assert_non_null(crew);
    alarm(30); /* who waits for a hand that never comes waits for ever */
    return crew;
}

static void each_item_is_done_once(void **state)
{
    (void)state;
    struct heap heap = {.waits_for_help = false};
    struct crew *crew = crew_for(&heap);
    for (unsigned count = 1; count <= ITEMS; count += 7) {
        for (unsigned i = 0; i < ITEMS; i++) {
            atomic_store(&heap.done[i], 0);
        }
        assert_int_equal(crew_do(crew, count, HANDS_MAX, FOREVER), count);
        assert_done(&heap, count);
    }
    crew_destroy(&crew);
    assert_null(crew);
}

static void one_hand_is_the_callers(void **state)
{
    (void)state;
    struct heap heap = {.waits_for_help = false};
    struct crew *crew = crew_for(&heap);
    assert_int_equal(crew_do(crew, ITEMS, 1, FOREVER), ITEMS);
    assert_int_equal(atomic_load(&heap.by_hand[0]), ITEMS);
    crew_destroy(&crew);
}

static void no_more_hands_come_than_are_wanted(void **state)
{
    (void)state;
    struct heap heap = {.waits_for_help = false};
    struct crew *crew = crew_for(&heap);
    assert_int_equal(crew_do(crew, ITEMS, 2, FOREVER), ITEMS);
    assert_int_equal(atomic_load(&heap.by_hand[0]) + atomic_load(&heap.by_hand[1]), ITEMS);
    crew_destroy(&crew);
}

static void helpers_work_beside_the_caller(void **state)
{
    (void)state;
    struct heap heap = {.waits_for_help = true,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .came = PTHREAD_COND_INITIALIZER};
    struct crew *crew = crew_for(&heap);
    assert_int_equal(crew_do(crew, ITEMS, HANDS_MAX, FOREVER), ITEMS);
    assert_done(&heap, ITEMS);
    assert_in_range(hands_that_came(&heap), 2, crew_hands(crew));
    crew_destroy(&crew);
}

static void past_its_time_only_the_first_are_begun_and_they_are_done(void **state)
{
    (void)state;
    struct heap heap = {.waits_for_help = false};
    struct crew *crew = crew_for(&heap);
    unsigned begun = crew_do(crew, ITEMS, HANDS_MAX, 0);
    assert_in_range(begun, 1, crew_hands(crew));
    assert_done(&heap, begun);
    crew_destroy(&crew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_done_once),
        cmocka_unit_test(one_hand_is_the_callers),
        cmocka_unit_test(no_more_hands_come_than_are_wanted),
        cmocka_unit_test(helpers_work_beside_the_caller),
        cmocka_unit_test(past_its_time_only_the_first_are_begun_and_they_are_done),
    };
    return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
