/* msgpack values and events as JSON. */
#ifndef CASEBUS_JSON_H
#define CASEBUS_JSON_H

#include <casebus/event.h>
#include <jansson.h>

#include "text.h"

/* An encoded value: bytes become lowercase hex, an integer that JSON numbers cannot hold its
 * digits as text. NULL where it is no value, or memory fails. The caller owns it. */
json_t *json_from_value(struct casebus_bytes encoded);
/* An event under the protocol's names, with `topic`; what is absent is absent. */
json_t *json_from_event(const struct casebus_event *event);
/* Bytes as lowercase hex. */
json_t *json_from_hex(struct casebus_bytes bytes);
/* Takes the value: object[key] = value, unless the value is NULL; then, and where memory fails,
 * false. */
bool json_put(json_t *object, const char *key, json_t *value);

/* Appends the value, on one line or indented, safe for a terminal. */
void json_write(const json_t *value, bool indented, struct text *out);

#endif
