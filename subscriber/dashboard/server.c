/* HTTP by libmicrohttpd, on our loop.
 *
 * The daemon runs in the mode in which its epoll descriptor is an item of our own poll: no
 * thread of its own, nothing blocks. What it does not do is done here: a whole request must
 * come within ten seconds, however slowly it drips (its own timeout begins anew with each
 * byte).
 *
 * Contract: one thread. A request that waits for the broker is suspended; server_wake() lets it
 * go on. */
#include "server.h"

#include "../deadline.h"
#include "door.h"
#include "headers.h"
#include "listen.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMORY_PER_CONNECTION (16 * 1024) /* request line and headers must fit into it */
#define IDLE_SECONDS 30                   /* nothing moves on a connection for so long */
#define REQUEST_MS 10000                  /* from the first byte, or none, to the last */
#define SWEEP_MS 1000
#define SPARE_CONNECTIONS 256 /* beside streams */

/* A TCP connection. */
struct visitor {
    struct visitor *next, **back;
    int fd;
    int64_t due; /* its request must be here by then */
};

struct server {
    struct dashboard *dashboard;
    struct MHD_Daemon *daemon;
    int epoll;
    struct listening listening;
    struct guard guard;
    struct visitor *visitors;
    struct request *asleep; /* requests that wait for the broker */
    int64_t sweep_at;
};

/* --- one request ------------------------------------------------------------------------ */

static const char *header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result count_host(void *arg, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    (void)kind;
    (void)value;
    *(unsigned *)arg += strcasecmp(key, "Host") == 0;
    return MHD_YES;
}

struct last {
    const char *name, *value;
};

static enum MHD_Result keep_last(void *arg, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    struct last *const last = arg;
    (void)kind;
    if (strcasecmp(key, last->name) == 0) {
        last->value = value;
    }
    return MHD_YES;
}

/* The last of the headers of this name: a proxy adds its own at the end. */
static const char *last_header(const struct request *request, const char *name)
{
    struct last last = {name, NULL};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, keep_last, &last);
    return last.value;
}

static void check_peer(struct request *request)
{
    const union MHD_ConnectionInfo *const info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *const wrong = peer_read(
        &request->peer, info->client_addr, request->dashboard->settings.behind_proxy,
        last_header(request, "X-Forwarded-For"), last_header(request, "X-Forwarded-Proto"));
    if (wrong != NULL) {
        request_refuse_text(request, 403, "no_proxy", wrong);
    }
}

/* Before anything else is looked at. */
static void check_sender(const struct server *self, struct request *request, bool post)
{
    unsigned hosts = 0;
    const char *const host = header(request, "Host");
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_host, &hosts);
    if (hosts > 1 || !guard_host(&self->guard, host)) {
        request_refuse_text(request, 421, "bad_host",
                            "this server does not go by that name (--allow-host adds one)");
    } else if (post &&
               !guard_same_origin(host, header(request, "Origin"),
                                  header(request, "Sec-Fetch-Site"), request->peer.tls)) {
        request_refuse_text(request, 403, "cross_site",
                            "only this server's own pages may change anything: Origin, or "
                            "Sec-Fetch-Site where there is none, must say so");
    }
}

static void check_type(struct request *request)
{
    const char *const type = header(request, "Content-Type");
    if (request->route->form && !guard_is_form(type)) {
        request_refuse_text(request, 415, "wrong_type", "the body must be a form's");
    } else if (request->route->post && !request->route->form && !guard_is_json(type)) {
        request_refuse_text(request, 415, "wrong_type",
                            "the body must be JSON (Content-Type: application/json)");
    }
}

static void refuse_method(struct request *request, const char *allow)
{
    request->allow = allow;
    request_refuse_text(request, 405, "bad_method", "not by this method");
}

static void check_arguments(struct request *request)
{
    struct text why = {0};
    const char *const name = route_wrong_argument(request->route, &request->url, &why);
    if (name != NULL) {
        request_refuse(request, 400, "bad_argument", casebus_cstr(text_get(&why)),
                       casebus_cstr(name));
    }
    text_free(&why);
}

static void choose_route(struct request *request, const char *method)
{
    const bool post = strcmp(method, "POST") == 0, head = strcmp(method, "HEAD") == 0;
    const bool known = post || head || strcmp(method, "GET") == 0;
    if (request->url_error != 0) {
        request_refuse_text(request, request->url_error == CASEBUS_ENOMEM ? 503 : 400,
                            casebus_error_word(request->url_error),
                            "the address cannot be read");
        return;
    }
    const char *const allow = route_methods(&request->url);
    request->route = known ? route_find(&request->url, post) : NULL;
    if (allow == NULL) {
        request_refuse_text(request, 404, "not_found", "there is no such page");
    } else if (request->route == NULL || (request->route->stream && head)) {
        refuse_method(request, allow);
    } else {
        check_type(request);
        if (!request->answered) {
            check_arguments(request);
        }
    }
}

static void check_length(struct request *request)
{
    const char *const length = header(request, "Content-Length");
    if (length != NULL && strtoull(length, NULL, 10) > BODY_MAX) {
        request_refuse_text(request, 413, "too_large", "a body has at most 65,536 bytes");
    }
}

static void begin(struct server *self, struct request *request, const char *method)
{
    request->checked = true;
    check_peer(request);
    if (!request->answered) {
        check_sender(self, request, strcmp(method, "POST") == 0);
    }
    if (!request->answered) {
        choose_route(request, method);
    }
    if (!request->answered) {
        door_check(request);
    }
    if (!request->answered) {
        check_length(request);
    }
}

static enum MHD_Result queue(struct request *request)
{
    struct MHD_Response *response = request->response;
    if (response == NULL) {
        if (request->body.failed) {
            return MHD_NO;
        }
        response = MHD_create_response_from_buffer(request->body.size, request->body.data,
                                                   MHD_RESPMEM_MUST_FREE);
        if (response == NULL) {
            return MHD_NO;
        }
        request->body = (struct text){0};
        request->response = response;
    }
    headers_add(request, response);
    return MHD_queue_response(request->connection, request->status, response);
}

/* A part of the body. Past the limit it is counted and dropped; past twice that nobody is
 * listened to any more. */
static enum MHD_Result take_upload(struct request *request, const char *data, size_t *size)
{
    request->upload_size += *size;
    if (request->upload_size <= BODY_MAX) {
        text_add_bytes(&request->upload, data, *size);
    } else {
        text_free(&request->upload);
    }
    *size = 0;
    return request->upload_size <= 2 * BODY_MAX ? MHD_YES : MHD_NO;
}

static struct visitor *visitor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

void server_sleep(struct request *request)
{
    struct server *const self = request->dashboard->server;
    request->suspended = true;
    request->next = self->asleep;
    request->back = &self->asleep;
    if (request->next != NULL) {
        request->next->back = &request->next;
    }
    self->asleep = request;
    MHD_suspend_connection(request->connection);
}

void server_wake(struct request *request)
{
    request->suspended = false;
    *request->back = request->next;
    if (request->next != NULL) {
        request->next->back = request->back;
    }
    MHD_resume_connection(request->connection);
}

void server_wake_all(struct server *self)
{
    while (self->asleep != NULL) {
        struct request *const request = self->asleep;
        if (!request->answered) {
            request_refuse_text(request, 503, "busy", "this server is being ended");
        }
        server_wake(request);
    }
}

/* The whole request is here. */
static enum MHD_Result go(struct request *request)
{
    struct visitor *const visitor = visitor_of(request->connection);
    if (visitor != NULL) {
        visitor->due = INT64_MAX;
    }
    if (!request->answered && request->upload_size > BODY_MAX) {
        request_refuse_text(request, 413, "too_large", "a body has at most 65,536 bytes");
    }
    if (!request->answered) { /* nor run: what slept is resumed with its answer */
        door_check_again(request);
    }
    if (!request->answered) {
        request_run(request);
    }
    if (request->answered) {
        return queue(request);
    }
    server_sleep(request);
    return MHD_YES;
}

/* Called when the headers are here, for each part of the body, when all is here, and again when
 * a connection is resumed. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    struct request *const request = *context;
    (void)connection;
    (void)url;
    (void)version;
    if (request == NULL) {
        return MHD_NO; /* no memory */
    }
    if (!request->checked) {
        begin(arg, request, method);
        return request->answered ? queue(request) : MHD_YES;
    }
    return *upload_size > 0 ? take_upload(request, upload, upload_size) : go(request);
}

static void *begin_request(void *arg, const char *target, struct MHD_Connection *connection)
{
    const struct server *const self = arg;
    return request_new(self->dashboard, connection, target);
}

static void end_request(void *arg, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct visitor *const visitor = visitor_of(connection);
    (void)arg;
    (void)code;
    request_free(*context);
    *context = NULL;
    if (visitor != NULL) {
        visitor->due = deadline_after(REQUEST_MS);
    }
}

/* --- connections ------------------------------------------------------------------------ */

static int descriptor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

static void visit(struct server *self, struct MHD_Connection *connection, void **context)
{
    struct visitor *const visitor = calloc(1, sizeof *visitor);
    *context = visitor;
    if (visitor == NULL) {
        return; /* libmicrohttpd's own timeout has to do */
    }
    visitor->fd = descriptor_of(connection);
    visitor->due = deadline_after(REQUEST_MS);
    visitor->next = self->visitors;
    visitor->back = &self->visitors;
    if (visitor->next != NULL) {
        visitor->next->back = &visitor->next;
    }
    self->visitors = visitor;
}

static void leave(void **context)
{
    struct visitor *const visitor = *context;
    *context = NULL;
    if (visitor != NULL) {
        *visitor->back = visitor->next;
        if (visitor->next != NULL) {
            visitor->next->back = visitor->back;
        }
        free(visitor);
    }
}

static void notice(void *arg, struct MHD_Connection *connection, void **context,
                   enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        visit(arg, connection, context);
    } else {
        leave(context);
    }
}

/* Those who have not sent their request in time. */
static void sweep(struct server *self)
{
    const int64_t now = clock_mono_ms();
    if (now < self->sweep_at) {
        return;
    }
    self->sweep_at = now + SWEEP_MS;
    for (struct visitor *visitor = self->visitors; visitor != NULL; visitor = visitor->next) {
        if (visitor->due <= now && visitor->fd >= 0) {
            shutdown(visitor->fd, SHUT_RDWR); /* the daemon sees it closed, and frees it */
            visitor->due = INT64_MAX;
        }
    }
}

/* --- the daemon ------------------------------------------------------------------------- */

static void complain(void *arg, const char *format, va_list args)
{
    /* What browsers do wrong is theirs; what concerns us comes back as a code. */
    (void)arg;
    (void)format;
    (void)args;
}

static int start(struct server *self)
{
    const struct settings *const settings = &self->dashboard->settings;
    const intptr_t streams = (intptr_t)settings->streams;
    const intptr_t per_address = settings->behind_proxy != NULL
                                     ? streams /* the proxy is one address for all */
                                     : (intptr_t)settings->streams_per_address;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)complain, NULL},
        {MHD_OPTION_LISTEN_SOCKET, self->listening.fd, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CONNECTION, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, streams + SPARE_CONNECTIONS, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_address + SPARE_CONNECTIONS, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)begin_request, self},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)end_request, self},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)notice, self},
        {MHD_OPTION_END, 0, NULL},
    };
    self->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
                         NULL, handle, self, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (self->daemon == NULL) {
        return CASEBUS_EIO;
    }
    self->listening.fd = -1; /* the daemon's now */
    const union MHD_DaemonInfo *const info =
        MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        return CASEBUS_EIO;
    }
    self->epoll = info->epoll_fd;
    return 0;
}

static void name_ourselves(struct server *self)
{
    struct guard *const guard = &self->guard;
    const struct settings *const settings = &self->dashboard->settings;
    guard->port = self->listening.port;
    guard->own[guard->own_count++] = self->listening.host;
    guard->own[guard->own_count++] = "localhost";
    guard->own[guard->own_count++] = "127.0.0.1";
    guard->own[guard->own_count++] = "[::1]";
    for (size_t i = 0; i < settings->allow_hosts.count; i++) {
        guard->allowed[guard->allowed_count++] = settings->allow_hosts.name[i];
    }
}

int server_new(struct server **self_p, struct dashboard *dashboard, const char **why)
{
    struct server *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->dashboard = dashboard;
    int rc =
        listen_on(&self->listening, dashboard->settings.http,
                  dashboard->people != NULL && dashboard->settings.behind_proxy != NULL, why);
    if (rc == 0) {
        name_ourselves(self);
        rc = start(self);
    }
    if (rc != 0) {
        server_destroy(&self);
    }
    *self_p = self;
    return rc;
}

void server_destroy(struct server **self_p)
{
    struct server *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    if (self->daemon != NULL) {
        MHD_stop_daemon(self->daemon);
    }
    listen_close(&self->listening);
    free(self);
}

const char *server_address(const struct server *self)
{
    return self->listening.address;
}

int server_descriptor(const struct server *self)
{
    return self->epoll;
}

int server_timeout(const struct server *self)
{
    unsigned long long timeout;
    const int until_sweep = self->visitors != NULL ? deadline_left(self->sweep_at) : -1;
    if (MHD_get_timeout(self->daemon, &timeout) != MHD_YES) {
        return until_sweep;
    }
    const int wanted = timeout > INT_MAX ? INT_MAX : (int)timeout;
    return until_sweep < 0 || wanted < until_sweep ? wanted : until_sweep;
}

void server_step(struct server *self)
{
    sweep(self);
    MHD_run(self->daemon);
}
