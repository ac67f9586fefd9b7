/* msgpack values and events as JSON, written straight into a text. */
#ifndef CASEBUS_JSON_H
#define CASEBUS_JSON_H

#include <casebus/event.h>

#include "text.h"

/* A document being written. Commas, blanks and lines come by themselves. */
struct json {
    struct text *out;
    bool indented; /* over lines, for people; otherwise one line */
    unsigned depth;
    bool first;  /* the innermost container has nothing in it yet */
    bool keyed;  /* a key was written, its value follows */
    bool broken; /* a value was no value: the document is worth nothing */
};
struct json json_begin(struct text *out, bool indented);

void json_open(struct json *self, char bracket);  /* '{' or '[' */
void json_close(struct json *self, char bracket); /* '}' or ']' */
void json_key(struct json *self, struct casebus_bytes key);

void json_str(struct json *self, struct casebus_bytes text);
void json_uint(struct json *self, uint64_t number);
void json_bool(struct json *self, bool value);
void json_hex(struct json *self, struct casebus_bytes bytes); /* lowercase, as text */
/* An encoded value; its bytes become hex. */
void json_value(struct json *self, struct casebus_bytes encoded);
/* The pairs of an encoded map, into the object that is open. */
void json_pairs(struct json *self, struct casebus_bytes map);
/* A row of a view: {"key": …, "row": …}. */
void json_row(struct json *self, const char *key, struct casebus_bytes row);
/* An event under the protocol's names, with `topic`; what is absent is absent. */
void json_event(struct json *self, const struct casebus_event *event);

#endif
