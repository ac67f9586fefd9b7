/* JSON text to msgpack, so that a test can say what it means: {"old": 1, "raw": "0xff00"}; a
 * text that begins with 0x becomes bytes. */
#ifndef TESTS_SUBSCRIBER_PACK_H
#define TESTS_SUBSCRIBER_PACK_H

#include "test.h"

#include <jansson.h>

static inline unsigned char pack_nibble(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static inline void pack_hex(msgpack_packer *pk, const char *hex)
{
    unsigned char bytes[64];
    size_t size = 0;
    for (; hex[2 * size] != '\0'; size++) {
        bytes[size] =
            (unsigned char)(pack_nibble(hex[2 * size]) << 4 | pack_nibble(hex[2 * size + 1]));
    }
    casebus_pack_bin(pk, casebus_bytes(bytes, size));
}

static inline void pack_json(msgpack_packer *pk, json_t *value)
{
    const char *key;
    size_t index;
    json_t *inner;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        msgpack_pack_map(pk, json_object_size(value));
        json_object_foreach(value, key, inner)
        {
            casebus_pack_text(pk, key);
            pack_json(pk, inner);
        }
        break;
    case JSON_ARRAY:
        msgpack_pack_array(pk, json_array_size(value));
        json_array_foreach(value, index, inner)
        {
            pack_json(pk, inner);
        }
        break;
    case JSON_STRING:
        if (strncmp(json_string_value(value), "0x", 2) == 0) {
            pack_hex(pk, json_string_value(value) + 2);
        } else {
            casebus_pack_str(
                pk, casebus_bytes(json_string_value(value), json_string_length(value)));
        }
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        break;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        break;
    case JSON_NULL:
    default:
        msgpack_pack_nil(pk);
        break;
    }
}

/* Appends the value to `out`; what was appended. */
static inline struct casebus_bytes pack(msgpack_sbuffer *out, const char *json)
{
    json_error_t error;
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    const size_t start = out->size;
    msgpack_packer pk;
    assert_non_null(value);
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    pack_json(&pk, value);
    json_decref(value);
    return casebus_bytes(out->data + start, out->size - start);
}

#endif
