/* Files of records, NDJSON and CSV: reading ends, every record stands on a later line than the
 * one before, and what becomes of one is well-formed. The first byte says which kind. */
#include "fuzz.h"

#include "encode.h"
#include "input.h"

static bool not_idle(void *arg)
{
    (void)arg;
    return true;
}

static void check_record(const json_t *record)
{
    struct row_fault fault = {{0}, {0}};
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    if (encode_record(record, &out, &fault) == 0) {
        struct casebus_reader r;
        casebus_reader_init(&r, casebus_bytes(out.data, out.size));
        HOLDS(casebus_peek(&r) == CASEBUS_MAP);
        casebus_skip(&r);
        HOLDS(!r.error && r.at == r.end);
    } else {
        HOLDS(fault.field[0] && fault.reason[0]);
    }
    msgpack_sbuffer_destroy(&out);
}

static void read_all(struct input *input)
{
    struct row row;
    unsigned long line = 0;
    int rc;
    while ((rc = input_next(input, &row)) == 1) {
        HOLDS(row.line > line);
        line = row.line;
        if (row.record) {
            HOLDS(json_is_object(row.record));
            check_record(row.record);
        } else {
            HOLDS(row.fault.field[0] && row.fault.reason[0]);
        }
    }
    HOLDS(rc == 0 && input_next(input, &row) == 0 && input_share(input) <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct column_name names[] = {{"Case No", "regulator_id"}, {"Notes", ""}};
    struct input *input;
    struct row_fault why = {{0}, {0}};
    if (size == 0) {
        return 0;
    }
    struct input_options options = {
        .path = fuzz_file(data + 1, size - 1),
        .is_csv = data[0] & 1,
        .names = names,
        .name_count = data[0] & 2 ? 2 : 0,
        .idle = not_idle,
    };
    if (input_open(&input, &options, &why) == 0) {
        read_all(input);
        input_close(&input);
    } else {
        HOLDS(input == NULL && why.field[0] && why.reason[0]);
    }
    return 0;
}
