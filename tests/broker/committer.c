/* The committer's thread: what it is given last is committed, and it ends. */
#include "committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void it_ends_with_a_batch_it_has_just_been_given(void **state)
{
    (void)state;
    struct store *store;
    struct batch *batch;
    char dir[] = "/tmp/casebus-XXXXXX", why[4500], command[64];
    struct store_options options = {.map_bytes = 64u << 20};
    options.dir = mkdtemp(dir);
    assert_int_equal(store_open(&store, &options, why, sizeof why), 0);
    assert_int_equal(batch_new(&batch, store), 0);
    alarm(30); /* it would wait for ever */
    for (int i = 0; i < 200; i++) {
        struct committer *committer;
        assert_int_equal(committer_new(&committer), 0);
        batch->result = -1;
        committer_give(committer, batch);
        committer_destroy(&committer);
        assert_int_equal(batch->result, 0);
    }
    alarm(0);
    batch_destroy(&batch);
    store_close(&store);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_with_a_batch_it_has_just_been_given),
    };
    return cmocka_run_group_tests_name("committer", tests, NULL, NULL);
}
