/* The golden messages: what protocol version 1 looks like in bytes. */
#ifndef CASEBUS_TESTS_PROTO_GOLDEN_H
#define CASEBUS_TESTS_PROTO_GOLDEN_H

#include <casebus/msgpack.h>

enum message {
    REPORT,
    EVENT,
    BUNDLE,
    HEADS,
    REQUEST,
    REPLY
};

struct golden {
    const char *name; /* of the file, without ".bin" */
    enum message message;
    const char *topic; /* "" where there is none */
    int code;          /* 0: must decode; otherwise refused with this code */
    const char *field; /* of the refusal */
    struct casebus_bytes body;
};

enum {
    GOLDEN_MAX = 200
};
/* Makes every message anew, with our encoders; how many. */
size_t golden_make(struct golden *list);
/* Those that must be refused; called by golden_make(). */
void golden_add_refused(void);
void golden_add(const char *name, enum message message, const char *topic, int code,
                const char *field, struct casebus_bytes body);

#endif
