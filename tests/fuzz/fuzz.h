/* What every target has: the entry point's name is libFuzzer's, there is no header for it. */
#ifndef CASEBUS_TESTS_FUZZ_H
#define CASEBUS_TESTS_FUZZ_H

#include <casebus/msgpack.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion that no build switches off. */
#define HOLDS(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

/* A refusal is one of the table's codes, told twice the same, with a name that can be shown. */
static inline void fuzz_refusal(int error, const struct casebus_fault *fault)
{
    HOLDS(error < 0 && fault->code == error);
    HOLDS(casebus_utf8_valid(casebus_cstr(fault->field)));
}

#endif
