/* msgpack values and events as JSON.
 *
 * No tree in between: a watch on a busy broker writes a hundred thousand lines a second, and
 * keeps keys in the order in which they came and integers as large as they are. What a terminal
 * would take for more than text is escaped (text.h).
 *
 * Contract: values were scanned when they were received; one that cannot be read all the same
 * makes the document `broken`, and then it is not to be shown. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64 /* beyond what any scan lets through */

struct json json_begin(struct text *out, bool indented)
{
    return (struct json){.out = out, .indented = indented, .first = true};
}

static void begin_line(struct json *self)
{
    text_add(self->out, "\n");
    for (unsigned i = 0; i < self->depth; i++) {
        text_add(self->out, "  ");
    }
}

/* What stands before a key, or before a value without one. */
static void separate(struct json *self)
{
    if (self->keyed) {
        self->keyed = false;
        return;
    }
    if (!self->first) {
        text_add(self->out, self->indented ? "," : ", ");
    }
    if (self->indented && self->depth > 0) {
        begin_line(self);
    }
    self->first = false;
}

void json_open(struct json *self, char bracket)
{
    separate(self);
    text_add_bytes(self->out, &bracket, 1);
    self->depth++;
    self->first = true;
}

void json_close(struct json *self, char bracket)
{
    self->depth--;
    if (self->indented && !self->first) {
        begin_line(self);
    }
    text_add_bytes(self->out, &bracket, 1);
    self->first = false;
}

void json_key(struct json *self, struct casebus_bytes key)
{
    separate(self);
    text_add_json(self->out, key);
    text_add(self->out, ": ");
    self->keyed = true;
}

void json_str(struct json *self, struct casebus_bytes text)
{
    separate(self);
    text_add_json(self->out, text);
}

void json_uint(struct json *self, uint64_t number)
{
    separate(self);
    text_add_uint(self->out, number);
}

void json_hex(struct json *self, struct casebus_bytes bytes)
{
    separate(self);
    text_add(self->out, "\"");
    text_add_hex(self->out, bytes);
    text_add(self->out, "\"");
}

static void add_word(struct json *self, const char *word)
{
    separate(self);
    text_add(self->out, word);
}

void json_bool(struct json *self, bool value)
{
    add_word(self, value ? "true" : "false");
}

/* With a point or an exponent, so that it stays what it is. */
static void add_float(struct json *self, double number)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.17g", number);
    add_word(self, isfinite(number) ? digits : "null");
    if (isfinite(number) && strpbrk(digits, ".e") == NULL) {
        text_add(self->out, ".0");
    }
}

static void add_int(struct json *self, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    add_word(self, digits);
}

static void read_value(struct json *self, struct casebus_reader *r);

static void read_array(struct json *self, struct casebus_reader *r)
{
    json_open(self, '[');
    for (uint32_t left = casebus_read_array(r); left > 0 && !self->broken; left--) {
        read_value(self, r);
    }
    json_close(self, ']');
}

static void read_pairs(struct json *self, struct casebus_reader *r)
{
    for (uint32_t left = casebus_read_map(r); left > 0 && !self->broken; left--) {
        json_key(self, casebus_read_str(r));
        read_value(self, r);
    }
}

static void read_map(struct json *self, struct casebus_reader *r)
{
    json_open(self, '{');
    read_pairs(self, r);
    json_close(self, '}');
}

static void read_value(struct json *self, struct casebus_reader *r)
{
    if (self->depth == DEPTH_MAX) {
        self->broken = true;
        return;
    }
    switch (casebus_peek(r)) {
    case CASEBUS_NIL:
        casebus_read_nil(r);
        add_word(self, "null");
        break;
    case CASEBUS_BOOL:
        json_bool(self, casebus_read_bool(r));
        break;
    case CASEBUS_UINT:
        json_uint(self, casebus_read_uint(r));
        break;
    case CASEBUS_INT:
        add_int(self, casebus_read_int(r));
        break;
    case CASEBUS_FLOAT:
        add_float(self, casebus_read_float(r));
        break;
    case CASEBUS_STR:
        json_str(self, casebus_read_str(r));
        break;
    case CASEBUS_BIN:
        json_hex(self, casebus_read_bin(r));
        break;
    case CASEBUS_ARRAY:
        read_array(self, r);
        break;
    case CASEBUS_MAP:
        read_map(self, r);
        break;
    case CASEBUS_NONE:
    default:
        self->broken = true;
        break;
    }
}

void json_value(struct json *self, struct casebus_bytes encoded)
{
    struct casebus_reader r;
    casebus_reader_init(&r, encoded);
    read_value(self, &r);
    self->broken = self->broken || r.error != 0;
}

void json_pairs(struct json *self, struct casebus_bytes map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    read_pairs(self, &r);
    self->broken = self->broken || r.error != 0;
}

static void put_str(struct json *self, const char *key, struct casebus_bytes text)
{
    json_key(self, casebus_cstr(key));
    json_str(self, text);
}

static void put_uint(struct json *self, const char *key, uint64_t number)
{
    json_key(self, casebus_cstr(key));
    json_uint(self, number);
}

static void put_value(struct json *self, const char *key, struct casebus_bytes encoded)
{
    if (encoded.data != NULL) {
        json_key(self, casebus_cstr(key));
        json_value(self, encoded);
    }
}

void json_event(struct json *self, const struct casebus_event *event)
{
    json_open(self, '{');
    put_str(self, "topic", event->topic_text);
    json_key(self, casebus_cstr("epoch"));
    json_hex(self, casebus_bytes(event->epoch, sizeof event->epoch));
    put_str(self, "event", casebus_cstr(casebus_event_kind_word(event->kind)));
    put_uint(self, "seq", event->seq);
    put_uint(self, "prev", event->prev);
    put_uint(self, "prev_topic", event->prev_topic);
    put_uint(self, "at", event->at);
    put_str(self, "actor", event->actor);
    if (event->session.data != NULL) {
        put_str(self, "session", event->session);
    }
    if (event->version != 0) {
        put_uint(self, "version", event->version);
    }
    put_value(self, "changed", event->changed);
    put_value(self, "payload", event->payload);
    if (event->thin) {
        json_key(self, casebus_cstr("thin"));
        add_word(self, "true");
    }
    json_close(self, '}');
}

void json_row(struct json *self, const char *key, struct casebus_bytes row)
{
    json_open(self, '{');
    json_key(self, casebus_cstr("key"));
    json_str(self, casebus_cstr(key));
    json_key(self, casebus_cstr("row"));
    json_value(self, row);
    json_close(self, '}');
}
