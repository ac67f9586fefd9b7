/* Channels: changes in words, as they are sent. */
#include "channel_private.h"
#include "pages.h"

#include <stdlib.h>
#include <string.h>

struct message *message_of_scratch(const struct channels *channels)
{
    const struct text *const text = &channels->scratch;
    struct message *self = text->failed ? NULL : malloc(sizeof *self + text->size);
    if (self != NULL) {
        *self = (struct message){.refs = 1, .size = text->size};
        memcpy(self->data, text_get(text), text->size);
    }
    return self;
}

static void put_name(struct json *json, const struct channel *self)
{
    json_key(json, casebus_cstr("view"));
    json_str(json, casebus_cstr(self->name));
}

static void put_uint(struct json *json, const char *key, uint64_t number)
{
    json_key(json, casebus_cstr(key));
    json_uint(json, number);
}

static void put_bool(struct json *json, const char *key, bool value)
{
    json_key(json, casebus_cstr(key));
    json_bool(json, value);
}

struct message *words_of_rows(struct channel *self, const struct casebus_row *rows,
                              size_t count, const bool *wanted)
{
    struct text *const out = &self->channels->scratch;
    text_clear(out);
    text_add(out, "event: rows\ndata: ");
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    put_name(&json, self);
    put_uint(&json, "seq", self->seq);
    put_bool(&json, "reset", wanted == NULL);
    json_key(&json, casebus_cstr("order"));
    json_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        json_str(&json, casebus_cstr(rows[i].key));
    }
    json_close(&json, ']');
    json_key(&json, casebus_cstr("rows"));
    json_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        if (wanted == NULL || wanted[i]) {
            json_row(&json, rows[i].key, rows[i].data);
        }
    }
    json_close(&json, ']');
    put_uint(&json, "newer", self->newer);
    put_bool(&json, "cut", self->cut);
    json_close(&json, '}');
    text_add(out, "\n\n");
    struct message *const message = json.broken ? NULL : message_of_scratch(self->channels);
    if (message != NULL) {
        message->mark = self->channels->mark;
        memcpy(message->epoch, self->channels->epoch, sizeof message->epoch);
        self->channels->stats.messages++;
    }
    return message;
}

/* Does the list hold all rows there are, and not only the newest? */
static bool is_a_whole(const struct channel *self)
{
    return strcmp(self->name, "sessions") == 0 || strcmp(self->name, "quarantine") == 0;
}

static void put_words(struct json *json, const struct channel *self, bool more)
{
    struct text words = {0};
    text_add(&words, casebus_view_words(self->view));
    text_add(&words, more ? PAGE_MORE : "");
    json_str(json, casebus_cstr(text_get(&words)));
    text_free(&words);
}

void write_state(struct channel *self)
{
    struct text *const out = &self->channels->scratch;
    struct casebus_view_status status;
    casebus_view_status(self->view, &status);
    text_clear(out);
    text_add(out, "event: state\ndata: ");
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    put_name(&json, self);
    json_key(&json, casebus_cstr("state"));
    json_str(&json, casebus_cstr(casebus_view_state_word(status.state)));
    json_key(&json, casebus_cstr("words"));
    put_words(&json, self, status.has_next && is_a_whole(self));
    put_uint(&json, "through", status.through);
    put_uint(&json, "newer", status.newer);
    put_bool(&json, "more", status.has_next);
    json_close(&json, '}');
    text_add(out, "\n\n");
}

bool write_session(struct channel *self, struct casebus_bytes session)
{
    struct text *const out = &self->channels->scratch;
    text_clear(out);
    text_add(out, "event: session\ndata: ");
    struct json json = json_begin(out, false);
    json_open(&json, '{');
    put_name(&json, self);
    json_key(&json, casebus_cstr("session"));
    json_value(&json, session);
    json_close(&json, '}');
    text_add(out, "\n\n");
    return !json.broken;
}
