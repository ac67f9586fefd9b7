/* Requests without packing by hand.
 *
 * A request's map says first how many pairs it has, so the arguments are collected on their own
 * and the whole is put together when it is asked for. Failures stay until the next begin: a
 * caller looks once, at the end. */
#include <casebus/client.h>

#include <stdlib.h>
#include <string.h>

struct casebus_call {
    char *audience; /* NULL: none */
    enum casebus_op op;
    unsigned count; /* of arguments */
    int error;
    msgpack_sbuffer arguments, encoded;
    msgpack_packer pk; /* into arguments */
};

/* The packer's writer: remembers that memory failed, for the packing calls do not give its
 * result. */
static int keep(void *data, const char *bytes, size_t size)
{
    struct casebus_call *self = data;
    if (msgpack_sbuffer_write(&self->arguments, bytes, size) != 0) {
        self->error = CASEBUS_ENOMEM;
    }
    return 0;
}

int casebus_call_new(struct casebus_call **self_p)
{
    struct casebus_call *self = calloc(1, sizeof *self);
    *self_p = self;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    msgpack_sbuffer_init(&self->arguments);
    msgpack_sbuffer_init(&self->encoded);
    msgpack_packer_init(&self->pk, self, keep);
    self->error = CASEBUS_EINVAL; /* until begun */
    return 0;
}

void casebus_call_destroy(struct casebus_call **self_p)
{
    struct casebus_call *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    msgpack_sbuffer_destroy(&self->arguments);
    msgpack_sbuffer_destroy(&self->encoded);
    free(self->audience);
    free(self);
}

int casebus_call_audience(struct casebus_call *self, const char *audience)
{
    char *const kept = audience != NULL ? strdup(audience) : NULL;
    if (audience != NULL && kept == NULL) {
        return CASEBUS_ENOMEM;
    }
    free(self->audience);
    self->audience = kept;
    return 0;
}

void casebus_call_begin(struct casebus_call *self, enum casebus_op op)
{
    self->op = op;
    self->count = 0;
    self->error = (unsigned)op < CASEBUS_OP_COUNT ? 0 : CASEBUS_EINVAL;
    msgpack_sbuffer_clear(&self->arguments);
    if (self->audience != NULL) {
        casebus_call_text(self, "audience", self->audience);
    }
}

static void argument(struct casebus_call *self, const char *key)
{
    casebus_pack_text(&self->pk, key);
    self->count++;
}

void casebus_call_str(struct casebus_call *self, const char *key, struct casebus_bytes text)
{
    argument(self, key);
    casebus_pack_str(&self->pk, text);
}

void casebus_call_text(struct casebus_call *self, const char *key, const char *text)
{
    casebus_call_str(self, key, casebus_cstr(text));
}

void casebus_call_bin(struct casebus_call *self, const char *key, struct casebus_bytes data)
{
    argument(self, key);
    casebus_pack_bin(&self->pk, data);
}

void casebus_call_uint(struct casebus_call *self, const char *key, uint64_t value)
{
    argument(self, key);
    msgpack_pack_uint64(&self->pk, value);
}

void casebus_call_bool(struct casebus_call *self, const char *key, bool value)
{
    argument(self, key);
    if (value) {
        msgpack_pack_true(&self->pk);
    } else {
        msgpack_pack_false(&self->pk);
    }
}

void casebus_call_texts(struct casebus_call *self, const char *key, const char *const *texts,
                        size_t count)
{
    argument(self, key);
    msgpack_pack_array(&self->pk, count);
    for (size_t i = 0; i < count; i++) {
        casebus_pack_text(&self->pk, texts[i]);
    }
}

int casebus_call_encoded(struct casebus_call *self, struct casebus_bytes *request)
{
    if (self->error != 0) {
        return self->error;
    }
    msgpack_sbuffer *out = &self->encoded;
    msgpack_packer pk;
    msgpack_sbuffer_clear(out);
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    casebus_request_begin(&pk, self->op, self->count);
    if (self->arguments.size > 0 &&
        msgpack_sbuffer_write(out, self->arguments.data, self->arguments.size) != 0) {
        return CASEBUS_ENOMEM;
    }
    if (out->size > CASEBUS_REQUEST_MAX) {
        return CASEBUS_ETOOLARGE;
    }
    *request = casebus_bytes(out->data, out->size);
    return 0;
}

int casebus_call_send(struct casebus_call *self, struct casebus_client *client,
                      struct casebus_reply *reply, int timeout_ms)
{
    struct casebus_bytes request;
    *reply = (struct casebus_reply){0};
    int rc = casebus_call_encoded(self, &request);
    return rc != 0 ? rc : casebus_client_call(client, request, reply, timeout_ms);
}
