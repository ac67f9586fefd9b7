/* Equality: a value is equal to itself with every map turned round and every integer encoded
 * anew, and two values are as equal as the same two the other way round. */
#include "fuzz.h"

#include <casebus/limits.h>

static void turn(struct casebus_reader *r, msgpack_packer *pk);

static void turn_map(struct casebus_reader *r, msgpack_packer *pk)
{
    struct casebus_reader pairs[CASEBUS_KEYS_MAX];
    uint32_t count = casebus_read_map(r);
    for (uint32_t i = 0; i < count; i++) {
        pairs[i] = *r;
        casebus_skip(r);
        casebus_skip(r);
    }
    msgpack_pack_map(pk, count);
    while (count-- > 0) {
        casebus_pack_str(pk, casebus_read_str(&pairs[count]));
        turn(&pairs[count], pk);
    }
}

static void turn(struct casebus_reader *r, msgpack_packer *pk)
{
    switch (casebus_peek(r)) {
    case CASEBUS_MAP:
        turn_map(r, pk);
        break;
    case CASEBUS_ARRAY: {
        uint32_t count = casebus_read_array(r);
        msgpack_pack_array(pk, count);
        while (count-- > 0) {
            turn(r, pk);
        }
        break;
    }
    case CASEBUS_UINT:
        msgpack_pack_fix_uint64(pk, casebus_read_uint(r));
        break;
    case CASEBUS_FLOAT:
        msgpack_pack_double(pk, casebus_read_float(r));
        break;
    default:
        casebus_pack_raw(pk, casebus_read_raw(r));
    }
}

/* Neighbours in the outermost map or array, compared both ways. */
static void compare_neighbours(struct casebus_bytes whole)
{
    struct casebus_reader r;
    casebus_reader_init(&r, whole);
    bool map = casebus_peek(&r) == CASEBUS_MAP;
    uint32_t count = map ? casebus_read_map(&r) : casebus_read_array(&r);
    struct casebus_bytes last = casebus_bytes(NULL, 0);
    for (; count > 0 && !r.error; count--) {
        if (map) {
            casebus_skip(&r);
        }
        struct casebus_bytes value = casebus_read_raw(&r);
        HOLDS(casebus_value_equal(value, last) == casebus_value_equal(last, value));
        last = value;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_bytes value = casebus_bytes(data, size);
    if (casebus_scan(value, casebus_scan_limits(), NULL) != 0) {
        return 0;
    }
    msgpack_sbuffer out;
    msgpack_packer pk;
    struct casebus_reader r;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    casebus_reader_init(&r, value);
    turn(&r, &pk);
    struct casebus_bytes turned = casebus_bytes(out.data, out.size);
    HOLDS(casebus_scan(turned, casebus_scan_limits(), NULL) == 0);
    HOLDS(casebus_value_equal(value, turned) && casebus_value_equal(turned, value));
    compare_neighbours(value);
    msgpack_sbuffer_destroy(&out);
    return 0;
}
