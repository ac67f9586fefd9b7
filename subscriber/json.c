/* msgpack values and events as JSON.
 *
 * The order of keys is kept, so a document reads as the protocol lists its fields. Values have
 * been scanned when they were received; a reader that fails all the same gives no document,
 * never half of one. */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64 /* beyond what any scan lets through */

static json_t *read_value(struct casebus_reader *r, unsigned depth);

json_t *json_from_hex(struct casebus_bytes bytes)
{
    struct text hex = {0};
    text_add_hex(&hex, bytes);
    json_t *value = hex.failed ? NULL : json_string(text_get(&hex));
    text_free(&hex);
    return value;
}

static json_t *from_text(struct casebus_bytes text)
{
    return json_stringn((const char *)text.data, text.size);
}

static json_t *from_uint(uint64_t number)
{
    if (number <= INT64_MAX) {
        return json_integer((json_int_t)number);
    }
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    return json_string(digits);
}

static json_t *read_array(struct casebus_reader *r, unsigned depth)
{
    json_t *array = json_array();
    for (uint32_t left = casebus_read_array(r); left > 0 && r->error == 0; left--) {
        if (json_array_append_new(array, read_value(r, depth)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *read_map(struct casebus_reader *r, unsigned depth)
{
    json_t *object = json_object();
    for (uint32_t left = casebus_read_map(r); left > 0 && r->error == 0; left--) {
        const struct casebus_bytes key = casebus_read_str(r);
        json_t *value = read_value(r, depth);
        if (json_object_setn_new(object, (const char *)key.data, key.size, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *read_value(struct casebus_reader *r, unsigned depth)
{
    if (depth == DEPTH_MAX) {
        return NULL;
    }
    switch (casebus_peek(r)) {
    case CASEBUS_NIL:
        casebus_read_nil(r);
        return json_null();
    case CASEBUS_BOOL:
        return json_boolean(casebus_read_bool(r));
    case CASEBUS_UINT:
        return from_uint(casebus_read_uint(r));
    case CASEBUS_INT:
        return json_integer((json_int_t)casebus_read_int(r));
    case CASEBUS_FLOAT:
        return json_real(casebus_read_float(r));
    case CASEBUS_STR:
        return from_text(casebus_read_str(r));
    case CASEBUS_BIN:
        return json_from_hex(casebus_read_bin(r));
    case CASEBUS_ARRAY:
        return read_array(r, depth + 1);
    case CASEBUS_MAP:
        return read_map(r, depth + 1);
    case CASEBUS_NONE:
    default:
        return NULL;
    }
}

json_t *json_from_value(struct casebus_bytes encoded)
{
    struct casebus_reader r;
    casebus_reader_init(&r, encoded);
    json_t *value = read_value(&r, 0);
    if (r.error != 0) {
        json_decref(value);
        return NULL;
    }
    return value;
}

bool json_put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

json_t *json_from_event(const struct casebus_event *event)
{
    json_t *object = json_object();
    bool good =
        json_put(object, "topic", from_text(event->topic_text)) &&
        json_put(object, "epoch",
                 json_from_hex(casebus_bytes(event->epoch, sizeof event->epoch))) &&
        json_put(object, "event", json_string(casebus_event_kind_word(event->kind))) &&
        json_put(object, "seq", from_uint(event->seq)) &&
        json_put(object, "prev", from_uint(event->prev)) &&
        json_put(object, "prev_topic", from_uint(event->prev_topic)) &&
        json_put(object, "at", from_uint(event->at)) &&
        json_put(object, "actor", from_text(event->actor)) &&
        (event->session.data == NULL ||
         json_put(object, "session", from_text(event->session))) &&
        (event->version == 0 || json_put(object, "version", from_uint(event->version))) &&
        (event->changed.data == NULL ||
         json_put(object, "changed", json_from_value(event->changed))) &&
        (event->payload.data == NULL ||
         json_put(object, "payload", json_from_value(event->payload))) &&
        (!event->thin || json_put(object, "thin", json_true()));
    if (!good) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void json_write(const json_t *value, bool indented, struct text *out)
{
    char *json = json_dumps(value, JSON_ENCODE_ANY | (indented ? JSON_INDENT(2) : 0));
    if (json == NULL) {
        out->failed = true;
        return;
    }
    text_add_json(out, json, strlen(json));
    free(json);
}
