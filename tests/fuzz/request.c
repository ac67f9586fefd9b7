/* Requests: what is taken names an operation and is a map whose arguments can be looked up. */
#include "fuzz.h"

#include <casebus/request.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const arguments[] = {"id", "ids", "load", "next", "after", "patterns"};
    struct casebus_request request;
    struct casebus_fault fault = {0};
    int error = casebus_request_decode(casebus_bytes(data, size), &request, &fault);
    if (error) {
        fuzz_refusal(error, &fault);
        HOLDS(request.op == CASEBUS_OP_COUNT);
        return 0;
    }
    HOLDS(request.op < CASEBUS_OP_COUNT && request.version == CASEBUS_PROTOCOL_VERSION);
    HOLDS(casebus_bytes_is(casebus_as_str(casebus_map_get(request.map, "op")),
                           casebus_op_name(request.op)));
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        struct casebus_bytes raw = casebus_map_get(request.map, arguments[i]);
        HOLDS(!raw.data || casebus_value_equal(raw, raw));
        (void)casebus_as_str(raw);
        (void)casebus_as_bin(raw);
        (void)casebus_as_uint(raw, 0);
    }
    return 0;
}
