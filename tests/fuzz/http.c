/* What browsers ask and what the broker answers, through the routes of the dashboard: every
 * request ends in an answer, and one that is JSON is JSON.
 *
 * The bytes are a method ('P' for POST), the target and a NUL, the body and a NUL, and what the
 * broker answers to whatever it is asked. */
#include "fuzz.h"

#include "channel.h"
#include "request.h"
#include "streams.h"
#include "view_names.h"

#include <jansson.h>
#include <zmq.h>

static struct dashboard dashboard = {
    .settings = {.fanout = "inproc://heads",
                 .query = "inproc://broker",
                 .ring = 4,
                 .streams = 4},
};
static void *broker; /* its end of the requests */

static void start(void)
{
    if (broker) {
        return;
    }
    dashboard.zmq = zmq_ctx_new();
    broker = zmq_socket(dashboard.zmq, ZMQ_ROUTER);
    HOLDS(broker && zmq_bind(broker, dashboard.settings.query) == 0);
    HOLDS(casebus_call_new(&dashboard.call) == 0);
    HOLDS(asker_new(&dashboard.asker, dashboard.zmq, dashboard.settings.query, NULL, NULL) ==
          0);
    HOLDS(channels_new(&dashboard.channels, &dashboard) == 0);
    HOLDS(streams_new(&dashboard.streams, &dashboard) == 0);
}

/* What the dashboard asks is a request as the broker takes them. */
static void check_request(struct casebus_bytes bytes)
{
    struct casebus_request request;
    HOLDS(casebus_request_decode(bytes, &request, NULL) == 0);
}

/* Every request that has come gets the same answer. */
static void answer_all(struct casebus_bytes reply)
{
    zmq_msg_t peer, frame;
    for (;;) {
        zmq_msg_init(&peer);
        if (zmq_msg_recv(&peer, broker, ZMQ_DONTWAIT) < 0) {
            return;
        }
        zmq_msg_send(&peer, broker, ZMQ_SNDMORE);
        for (int more = 1; more;) {
            zmq_msg_init(&frame);
            HOLDS(zmq_msg_recv(&frame, broker, 0) >= 0);
            more = zmq_msg_more(&frame);
            if (more) {
                zmq_msg_send(&frame, broker, ZMQ_SNDMORE);
            } else {
                check_request(casebus_bytes(zmq_msg_data(&frame), zmq_msg_size(&frame)));
                zmq_msg_close(&frame);
            }
        }
        zmq_send(broker, reply.data, reply.size, 0);
    }
}

static void check_answer(const struct request *request)
{
    HOLDS(request->status >= 200 && request->status < 600);
    if (!request->response && strcmp(request->type, "application/json") == 0) {
        json_error_t error; /* keys with a NUL are JSON too, but not to jansson */
        json_t *json = json_loadb(request->body.data, request->body.size,
                                  JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
        HOLDS(json_is_object(json) ||
              (!json && json_error_code(&error) == json_error_null_byte_in_key));
        json_decref(json);
    }
}

/* Streams have no end, and need a connection: of them, what they are to show. */
static void check_views(const struct url *url)
{
    struct view_name name;
    for (unsigned i = 0; i < url->parameter_count; i++) {
        int rc = view_name_read(&name, url->parameter[i].value);
        HOLDS(rc == 0 || rc == CASEBUS_EVALUE);
    }
}

static void go(struct request *request, struct casebus_bytes body, struct casebus_bytes reply)
{
    if (body.size > 0) {
        text_add_bytes(&request->upload, (const char *)body.data, body.size);
    }
    request_run(request);
    while (!request->answered) {
        HOLDS(request->waiting > 0);
        answer_all(reply);
        asker_step(dashboard.asker);
    }
    check_answer(request);
}

/* As the server does before anything else; where not, it says why not. */
static bool takes_arguments(const struct request *request)
{
    struct text why = {0};
    const bool good = route_wrong_argument(request->route, &request->url, &why) == NULL;
    HOLDS(good || text_get(&why)[0] != '\0');
    text_free(&why);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char target[URL_TARGET_MAX + 2];
    bool post = size > 0 && data[0] == 'P';
    struct casebus_bytes rest = casebus_bytes(data + (size > 0), size - (size > 0));
    struct casebus_bytes wanted = fuzz_part(&rest, '\0'), body = fuzz_part(&rest, '\0');
    if (wanted.size >= sizeof target) {
        return 0;
    }
    start();
    snprintf(target, sizeof target, "%.*s", (int)wanted.size, (const char *)wanted.data);
    struct request *request = request_new(&dashboard, NULL, target);
    HOLDS(request != NULL);
    if (request->url_error == 0) {
        request->route = route_find(&request->url, post);
        const char *const methods = route_methods(&request->url);
        HOLDS(!request->route || strstr(methods, post ? "POST" : "GET") != NULL);
    }
    if (request->route && request->route->stream) {
        check_views(&request->url);
    } else if (request->route && takes_arguments(request)) {
        go(request, body, rest);
    }
    request_free(request);
    return 0;
}
