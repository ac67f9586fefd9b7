/* Scan, then walk: what the scan lets through, the reader reads to its end without an error. */
#include "fuzz.h"

static void walk(struct casebus_reader *r)
{
    switch (casebus_peek(r)) {
    case CASEBUS_MAP:
        for (uint32_t left = casebus_read_map(r); left > 0 && !r->error; left--) {
            HOLDS(casebus_read_str(r).size > 0);
            walk(r);
        }
        break;
    case CASEBUS_ARRAY:
        for (uint32_t left = casebus_read_array(r); left > 0 && !r->error; left--) {
            walk(r);
        }
        break;
    case CASEBUS_STR:
        HOLDS(casebus_utf8_valid(casebus_read_str(r)));
        break;
    default:
        casebus_skip(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_bytes bytes = casebus_bytes(data, size);
    struct casebus_fault fault = {0};
    struct casebus_reader r;
    int error = casebus_scan(bytes, casebus_scan_limits(), &fault);
    casebus_reader_init(&r, bytes);
    if (error) {
        fuzz_refusal(error, &fault);
        casebus_skip(&r); /* unscanned bytes are read without harm, too */
        (void)casebus_value_equal(bytes, bytes);
        (void)casebus_map_get(bytes, "data");
        return 0;
    }
    walk(&r);
    HOLDS(!r.error && r.at == r.end);
    HOLDS(casebus_scan(bytes, casebus_scan_limits_reply(), NULL) == 0);
    HOLDS(casebus_value_equal(bytes, bytes));
    return 0;
}
