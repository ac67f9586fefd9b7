/* cmocka, with what it wants included before it; and events, made by hand. */
#ifndef TESTS_SUBSCRIBER_TEST_H
#define TESTS_SUBSCRIBER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <casebus/event.h>

/* An event of a topic with its place in the log; everything else is the same in all of them. */
static inline struct casebus_event make_event(const char *topic, uint64_t seq, uint64_t prev,
                                              uint64_t prev_topic)
{
    struct casebus_event event = {.topic_text = casebus_cstr(topic),
                                  .epoch = "epoch-1",
                                  .seq = seq,
                                  .prev = prev,
                                  .prev_topic = prev_topic,
                                  .at = 1700000000000000,
                                  .actor = casebus_cstr("local")};
    assert_int_equal(casebus_topic_event(event.topic_text, &event.topic, &event.kind), 0);
    return event;
}

static inline void assert_bytes_are(struct casebus_bytes bytes, const char *text)
{
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.size);
}

#endif
