/* Required keys of heads, requests and replies, in any order.
 *
 * Looking each key up costs a walk over the map's top level; these maps have a handful of keys,
 * and the messages they open are no faster than a round trip. */
#include "envelope.h"
#include "fault.h"

#include <casebus/limits.h>
#include <string.h>

int casebus_envelope_scan(struct casebus_bytes body, struct casebus_scan_limits limits,
                          struct casebus_fault *fault)
{
    struct casebus_reader r;
    int error = casebus_scan(body, limits, fault);
    if (error) {
        return error;
    }
    casebus_reader_init(&r, body);
    return casebus_peek(&r) == CASEBUS_MAP ? 0
                                           : casebus_fault_set(fault, CASEBUS_EMALFORMED, "");
}

static int find(struct casebus_bytes map, const char *key, struct casebus_reader *value,
                struct casebus_fault *fault)
{
    struct casebus_bytes raw = casebus_map_get(map, key);
    casebus_reader_init(value, raw);
    return raw.data ? 0 : casebus_fault_set(fault, CASEBUS_EMISSING, key);
}

int casebus_envelope_uint(struct casebus_bytes map, const char *key, uint64_t *number,
                          struct casebus_fault *fault)
{
    struct casebus_reader value;
    int error = find(map, key, &value, fault);
    if (error) {
        return error;
    }
    *number = casebus_read_uint(&value);
    return value.error ? casebus_fault_set(fault, value.error, key) : 0;
}

int casebus_envelope_str(struct casebus_bytes map, const char *key, struct casebus_bytes *text,
                         struct casebus_fault *fault)
{
    struct casebus_reader value;
    int error = find(map, key, &value, fault);
    if (error) {
        return error;
    }
    *text = casebus_read_str(&value);
    return value.error ? casebus_fault_set(fault, value.error, key) : 0;
}

int casebus_envelope_map(struct casebus_bytes map, const char *key, struct casebus_bytes *inner,
                         struct casebus_fault *fault)
{
    struct casebus_reader value;
    int error = find(map, key, &value, fault);
    if (!error && casebus_peek(&value) != CASEBUS_MAP) {
        error = casebus_fault_set(fault, CASEBUS_ETYPE, key);
    }
    if (!error) {
        *inner = casebus_read_raw(&value);
    }
    return error;
}

int casebus_envelope_bin(struct casebus_bytes map, const char *key, size_t size,
                         struct casebus_bytes *bin, struct casebus_fault *fault)
{
    struct casebus_reader value;
    int error = find(map, key, &value, fault);
    if (error) {
        return error;
    }
    *bin = casebus_read_bin(&value);
    if (value.error || bin->size != size) {
        return casebus_fault_set(fault, value.error ? value.error : CASEBUS_EVALUE, key);
    }
    return 0;
}

int casebus_envelope_epoch(struct casebus_bytes map, unsigned char *epoch,
                           struct casebus_fault *fault)
{
    struct casebus_bytes bin;
    int error = casebus_envelope_bin(map, "epoch", CASEBUS_EPOCH_SIZE, &bin, fault);
    if (!error) {
        memcpy(epoch, bin.data, CASEBUS_EPOCH_SIZE);
    }
    return error;
}

int casebus_envelope_version(struct casebus_bytes map, unsigned *version,
                             struct casebus_fault *fault)
{
    uint64_t number = 0;
    int error = casebus_envelope_uint(map, "v", &number, fault);
    *version = number > UINT16_MAX ? UINT16_MAX : (unsigned)number;
    if (!error && number != CASEBUS_PROTOCOL_VERSION) {
        error = casebus_fault_set(fault, CASEBUS_EVERSION, "v");
    }
    return error;
}
