/* An HTTP request on its way through.
 *
 * Contract: a request that waits is suspended and kept until its last fetch is here, whatever
 * has become of the browser meanwhile; libmicrohttpd frees it through server.c. */
#include "request.h"

#include "door.h"
#include "server.h"
#include "template.h"

#include <stdlib.h>
#include <string.h>

struct request *request_new(struct dashboard *dashboard, struct MHD_Connection *connection,
                            const char *target)
{
    struct request *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->dashboard = dashboard;
    self->connection = connection;
    self->url_error = url_parse(&self->url, target, URL_TARGET_MAX);
    if (dashboard->people != NULL) {
        self->target = strdup(target);
    }
    return self;
}

static void forget(struct request *self)
{
    for (unsigned i = 0; i < FETCHES_MAX; i++) {
        struct fetch *const fetch = &self->fetch[i];
        if (fetch->asked && !fetch->here) {
            asker_forget(self->dashboard->asker, fetch);
        }
        free(fetch->body);
    }
}

void request_free(struct request *self)
{
    if (self == NULL) {
        return;
    }
    forget(self);
    door_forget(self);
    if (self->response != NULL) {
        MHD_destroy_response(self->response);
    }
    text_free(&self->body);
    text_free(&self->upload);
    text_free(&self->location);
    text_free(&self->cookie);
    free(self->target);
    url_free(&self->url);
    free(self);
}

void request_run(struct request *self)
{
    while (!self->answered && self->waiting == 0) {
        self->route->run(self);
        self->step++;
    }
}

void request_go_on(struct request *self)
{
    request_run(self);
    if (self->answered && self->suspended) {
        server_wake(self);
    }
}

/* --- asking ----------------------------------------------------------------------------- */

struct casebus_call *request_call(struct request *self, enum casebus_op op)
{
    casebus_call_begin(self->dashboard->call, op);
    if (self->person.login != 0) {
        casebus_call_text(self->dashboard->call, "on_behalf", self->person.actor);
    }
    return self->dashboard->call;
}

void request_pass_text(struct request *self, struct casebus_call *call, const char *name)
{
    const char *const value = request_parameter(self, name);
    if (value != NULL) {
        casebus_call_text(call, name, value);
    }
}

static bool add_token(struct casebus_call *call, const char *hex)
{
    unsigned char token[512];
    size_t size;
    if (!text_read_hex(hex, token, sizeof token, &size)) {
        return false;
    }
    casebus_call_bin(call, "next", casebus_bytes(token, size));
    return true;
}

static bool pass_number(struct request *self, struct casebus_call *call, const char *name)
{
    const char *const text = request_parameter(self, name);
    uint64_t number;
    if (text == NULL) {
        return true;
    }
    if (!text_read_number(text, &number)) {
        request_refuse(self, 400, "bad_argument", casebus_cstr("not a number"),
                       casebus_cstr(name));
        return false;
    }
    casebus_call_uint(call, name, number);
    return true;
}

bool request_pass_page(struct request *self, struct casebus_call *call)
{
    const char *const next = request_parameter(self, "next");
    if (!pass_number(self, call, "limit") || !pass_number(self, call, "as_of")) {
        return false;
    }
    if (next != NULL && !add_token(call, next)) {
        request_refuse(self, 400, "bad_argument",
                       casebus_cstr("not the token of a page before"), casebus_cstr("next"));
        return false;
    }
    return true;
}

/* The reply, in memory of its own. */
static void keep_reply(struct fetch *fetch, struct casebus_bytes body)
{
    struct casebus_fault fault;
    fetch->body = malloc(body.size);
    if (fetch->body == NULL) {
        fetch->error = CASEBUS_ENOMEM;
        return;
    }
    memcpy(fetch->body, body.data, body.size);
    casebus_reply_decode(casebus_bytes(fetch->body, body.size), &fetch->reply, &fault);
}

static void take_reply(void *arg, int error, const struct casebus_reply *reply,
                       struct casebus_bytes body)
{
    struct fetch *const fetch = arg;
    struct request *const self = fetch->request;
    (void)reply;
    fetch->here = true;
    fetch->error = error;
    if (body.size > 0 && error != CASEBUS_EPROTO) {
        keep_reply(fetch, body);
    }
    self->waiting--;
    if (self->refilled != NULL) {
        self->refilled(self);
        return;
    }
    request_go_on(self);
}

void request_fetch(struct request *self, unsigned slot, struct casebus_call *call)
{
    struct fetch *const fetch = &self->fetch[slot];
    struct casebus_bytes encoded;
    free(fetch->body);
    *fetch = (struct fetch){.request = self, .asked = true};
    const bool refills = self->refilled != NULL; /* no status can tell that it must wait */
    const int patience = refills ? REFILL_MS : FETCH_MS;
    int rc = casebus_call_encoded(call, &encoded);
    if (rc == 0) {
        rc = asker_ask(self->dashboard->asker, encoded, patience, refills, take_reply, fetch);
    }
    if (rc != 0) {
        fetch->here = true;
        fetch->error = rc;
        return;
    }
    self->waiting++;
}

struct casebus_bytes request_result(const struct request *self, unsigned slot, const char *key)
{
    const struct fetch *const fetch = &self->fetch[slot];
    return fetch->here && fetch->error == 0 ? casebus_map_get(fetch->reply.result, key)
                                            : casebus_bytes(NULL, 0);
}

/* --- answering -------------------------------------------------------------------------- */

bool request_is_api(const struct request *self)
{
    return self->url.segment_count > 0 && (strcmp(self->url.segment[0], "api") == 0 ||
                                           strcmp(self->url.segment[0], "events") == 0);
}

void request_answer(struct request *self, unsigned status, const char *type)
{
    self->answered = true;
    self->status = status;
    self->type = type;
}

static void put_text(struct json *json, const char *key, struct casebus_bytes text)
{
    if (text.size > 0) {
        json_key(json, casebus_cstr(key));
        json_str(json, text);
    }
}

static void write_error(struct request *self, const char *code, struct casebus_bytes text,
                        struct casebus_bytes field)
{
    struct json json = json_begin(&self->body, false);
    json_open(&json, '{');
    json_key(&json, casebus_cstr("error"));
    json_open(&json, '{');
    put_text(&json, "code", casebus_cstr(code));
    put_text(&json, "text", text);
    put_text(&json, "field", field);
    json_close(&json, '}');
    json_close(&json, '}');
    text_add(&self->body, "\n");
}

/* What the broker says of an argument begins with its name; what is said here does not. */
static bool names_field(struct casebus_bytes text, struct casebus_bytes field)
{
    return text.size > field.size && memcmp(text.data, field.data, field.size) == 0 &&
           text.data[field.size] == ':';
}

static void write_error_page(struct request *self, unsigned status, const char *code,
                             struct casebus_bytes text, struct casebus_bytes field)
{
    struct slots slots = {0};
    text_format(slot_get(&slots, "status"), "%u", status);
    slot_words(&slots, "code", casebus_cstr(code));
    if (field.size > 0 && !names_field(text, field)) {
        slot_words(&slots, "text", field);
        text_add(slot_get(&slots, "text"), ": ");
    }
    slot_words(&slots, "text", text);
    request_fill_person(self, &slots);
    template_page("error", casebus_cstr("Nothing to show"), &slots, &self->body);
}

void request_refuse(struct request *self, unsigned status, const char *code,
                    struct casebus_bytes text, struct casebus_bytes field)
{
    text_clear(&self->body);
    if (request_is_api(self)) {
        write_error(self, code, text, field);
        request_answer(self, status, "application/json");
    } else {
        write_error_page(self, status, code, text, field);
        request_answer(self, status, "text/html; charset=utf-8");
    }
}

void request_refuse_text(struct request *self, unsigned status, const char *code,
                         const char *text)
{
    request_refuse(self, status, code, casebus_cstr(text), casebus_bytes(NULL, 0));
}

void request_redirect(struct request *self, const char *location)
{
    text_clear(&self->body);
    text_add(&self->location, location);
    request_answer(self, 303, "text/plain; charset=utf-8");
}

void request_fill_person(const struct request *self, struct slots *slots)
{
    struct slots name = {0};
    if (self->person.login != 0) {
        slot_words(&name, "name", casebus_cstr(self->person.name));
        template_fill("person", &name, slot_get(slots, "person"));
        slots_free(&name);
    }
}

/* What is not here is 400: an argument is not what it can be. */
static const struct {
    int code;
    unsigned status;
} statuses[] = {
    {CASEBUS_ENOTFOUND, 404},   {CASEBUS_EUNKNOWN_CASE, 404}, {CASEBUS_EUNKNOWN_SESSION, 404},
    {CASEBUS_EDELETED, 410},    {CASEBUS_EREDACTED, 410},     {CASEBUS_EDECIDED, 409},
    {CASEBUS_EDENIED, 403},     {CASEBUS_ELIMITED, 429},      {CASEBUS_EENDED, 409},
    {CASEBUS_EBUSY, 503},       {CASEBUS_EBEHIND, 503},       {CASEBUS_EUNREACHABLE, 503},
    {CASEBUS_ETIMEDOUT, 504},   {CASEBUS_EPROTO, 502},        {CASEBUS_EINTERNAL, 502},
    {CASEBUS_EUNKNOWN_OP, 501}, {CASEBUS_ENOSPC, 507},        {CASEBUS_ENOMEM, 503},
    {CASEBUS_ETOOLARGE, 413},
};

unsigned request_status(const struct fetch *fetch)
{
    const int code = fetch->error;
    if (code == 0) {
        return 200;
    }
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].code == code) {
            return statuses[i].status;
        }
    }
    return 400;
}

/* What we ask on behalf of: people know it as their account. */
static bool is_nobody(const struct fetch *fetch)
{
    return fetch->error == CASEBUS_EDENIED &&
           casebus_bytes_is(fetch->reply.error_field, "on_behalf");
}

struct casebus_bytes request_reason(const struct fetch *fetch)
{
    const bool said = fetch->reply.error == fetch->error && fetch->reply.error_text.size > 0;
    if (is_nobody(fetch)) {
        return casebus_cstr("this account is not known to the broker, or not any more");
    }
    return said ? fetch->reply.error_text : casebus_cstr(casebus_strerror(fetch->error));
}

void request_refuse_fetch(struct request *self, unsigned slot)
{
    const struct fetch *const fetch = &self->fetch[slot];
    request_refuse(self, request_status(fetch), casebus_error_word(fetch->error),
                   request_reason(fetch),
                   is_nobody(fetch) ? casebus_bytes(NULL, 0) : fetch->reply.error_field);
}

bool request_begin_result(struct request *self, struct json *json)
{
    const struct casebus_reply *const reply = &self->fetch[0].reply;
    if (self->fetch[0].error != 0) {
        request_refuse_fetch(self, 0);
        return false;
    }
    *json = json_begin(&self->body, false);
    json_open(json, '{');
    json_key(json, casebus_cstr("epoch"));
    json_hex(json, casebus_bytes(reply->epoch, sizeof reply->epoch));
    json_key(json, casebus_cstr("seq"));
    json_uint(json, reply->seq);
    json_pairs(json, reply->result);
    return true;
}

void request_end_result(struct request *self, struct json *json)
{
    json_close(json, '}');
    text_add(&self->body, "\n");
    if (json->broken) {
        request_refuse_text(self, 502, "protocol", casebus_strerror(CASEBUS_EPROTO));
    } else {
        request_answer(self, 200, "application/json");
    }
}

void request_answer_result(struct request *self)
{
    struct json json;
    if (request_begin_result(self, &json)) {
        request_end_result(self, &json);
    }
}
