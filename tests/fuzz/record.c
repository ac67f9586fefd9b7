/* Records: fields are pieces of the map, and what a stored record may be, a report may name. */
#include "fuzz.h"

#include <casebus/schema.h>

static void check(struct casebus_bytes map, bool from_report)
{
    struct casebus_record record;
    struct casebus_fault fault = {0};
    int error = casebus_record_parse(map, from_report, &record, &fault);
    if (error) {
        fuzz_refusal(error, &fault);
        return;
    }
    for (unsigned i = 0; i < CASEBUS_CASE_FIELD_COUNT; i++) {
        struct casebus_bytes field = record.field[i];
        HOLDS(!field.data || (field.data > map.data && field.size > 0 &&
                              field.data + field.size <= map.data + map.size));
        HOLDS(casebus_bytes_equal(field, casebus_map_get(map, casebus_case_schema[i].name)));
        HOLDS(!field.data ||
              casebus_value_check(field, &casebus_case_schema[i], from_report, NULL) == 0);
    }
    error = casebus_record_complete(&record, &fault);
    HOLDS(error == 0 || error == CASEBUS_EMISSING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_bytes map = casebus_bytes(data, size);
    if (casebus_scan(map, casebus_scan_limits(), NULL) == 0) {
        struct casebus_bytes inner = casebus_map_get(map, "data"); /* a golden report's */
        check(inner.data ? inner : map, true);
        check(inner.data ? inner : map, false);
    } else {
        struct casebus_record record;
        (void)casebus_record_parse(map, true, &record, NULL); /* no harm, if no sense */
    }
    return 0;
}
