/* Server-Sent Events: one stream a page, several views on it.
 *
 * Nothing is queued for a browser. A stream is a listener on each of its channels, and the one
 * message that is being written, of which it holds a reference; a browser that does not read
 * therefore costs what it cost before, and when it reads again it gets what the rings still
 * have, or the lists whole. libmicrohttpd asks for content when the socket takes some; where
 * there is none the connection sleeps until a channel wakes it.
 *
 * The id of an event says up to where its reader has everything, over all views of the stream.
 * It is put before each message here, for a list that is sent whole overtakes what is pending
 * in other channels: its id is then that of the pending. */
#include "streams.h"

#include "../deadline.h"
#include "channel.h"
#include "routes.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BEAT_MS 15000
#define SOCKET_BYTES (64 * 1024) /* what the system keeps for who does not read */
#define BLOCK (4 * 1024)
#define PATIENCE_SECONDS 60u /* a socket that takes nothing for so long is closed */

struct stream {
    struct stream *next, **back;
    struct streams *streams;
    struct MHD_Connection *connection;
    unsigned char address[16]; /* the key of its peer */
    uint64_t login;            /* the person's */
    bool over;                 /* he has signed out */
    bool asleep;
    int64_t beat_at;
    bool beat;     /* a comment is due */
    char head[64]; /* stands before the message: its id, or a comment */
    size_t head_size, head_done;
    struct message *message;
    size_t done;
    unsigned count;
    struct listener listener[];
};

struct streams {
    struct dashboard *dashboard;
    struct stream *first;
    unsigned count;
    uint64_t ended; /* logins, when they were last looked at */
};

/* --- what is written next ----------------------------------------------------------------- */

static void set_head(struct stream *self, const char *words)
{
    self->head_size = strlen(words);
    self->head_done = 0;
    memcpy(self->head, words, self->head_size);
}

/* The listener whose message comes first, and the mark up to which nothing is pending after
 * it. */
static struct listener *first_listener(struct stream *self, uint64_t *mark)
{
    struct listener *found = NULL;
    uint64_t first = UINT64_MAX;
    *mark = UINT64_MAX;
    for (unsigned i = 0; i < self->count; i++) {
        uint64_t its;
        const uint64_t order = listener_next(&self->listener[i], &its);
        if (order == UINT64_MAX) {
            continue;
        }
        *mark = its < *mark ? its : *mark;
        if (order < first) {
            first = order;
            found = &self->listener[i];
        }
    }
    return found;
}

static void set_id(struct stream *self, uint64_t mark)
{
    struct text id = {0};
    text_add(&id, "id: ");
    text_add_hex(&id, casebus_bytes(self->message->epoch, sizeof self->message->epoch));
    text_format(&id, "-%llu\n", (unsigned long long)mark);
    set_head(self, text_get(&id));
    text_free(&id);
}

/* False: there is nothing to write now. */
static bool next_piece(struct stream *self)
{
    uint64_t mark;
    message_drop(&self->message);
    self->done = 0;
    if (self->beat) {
        self->beat = false;
        set_head(self, ":\n\n");
        return true;
    }
    struct listener *const first = first_listener(self, &mark);
    if (first != NULL) {
        self->message = listener_take(first);
        if (self->message != NULL) {
            set_id(self, mark);
            return true;
        }
    }
    for (unsigned i = 0; i < self->count; i++) {
        self->message = listener_take_state(&self->listener[i]);
        if (self->message != NULL) {
            return true;
        }
    }
    return false;
}

static size_t copy(char *to, size_t room, const char *from, size_t size, size_t *done)
{
    const size_t left = size - *done;
    const size_t count = left < room ? left : room;
    memcpy(to, from + *done, count);
    *done += count;
    return count;
}

static size_t write_piece(struct stream *self, char *to, size_t room)
{
    size_t count = copy(to, room, self->head, self->head_size, &self->head_done);
    if (self->message != NULL) {
        count += copy(to + count, room - count, self->message->data, self->message->size,
                      &self->done);
    }
    return count;
}

/* The socket takes something. */
static ssize_t give(void *arg, uint64_t position, char *to, size_t room)
{
    struct stream *const self = arg;
    size_t count = 0;
    (void)position;
    while (!self->over && count < room) {
        const size_t more = write_piece(self, to + count, room - count);
        count += more;
        if (more == 0 && !next_piece(self)) {
            break;
        }
    }
    if (count > 0) {
        return (ssize_t)count;
    }
    if (self->streams->dashboard->ending || self->over) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    self->asleep = true;
    MHD_suspend_connection(self->connection);
    return 0;
}

static void wake(void *arg)
{
    struct stream *const self = arg;
    if (self->asleep) {
        self->asleep = false;
        MHD_resume_connection(self->connection);
    }
}

/* --- opened and closed -------------------------------------------------------------------- */

static void stream_free(void *arg)
{
    struct stream *const self = arg;
    for (unsigned i = 0; i < self->count; i++) {
        listener_close(&self->listener[i]);
    }
    message_drop(&self->message);
    *self->back = self->next;
    if (self->next != NULL) {
        self->next->back = self->back;
    }
    self->streams->count--;
    free(self);
}

static uint64_t count_address(const struct stream *self)
{
    uint64_t count = 0;
    for (const struct stream *at = self->streams->first; at != NULL; at = at->next) {
        count += memcmp(at->address, self->address, sizeof at->address) == 0;
    }
    return count;
}

/* What the system keeps for a browser that does not read is bounded too. */
static void bound_socket(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int bytes = SOCKET_BYTES;
    if (info != NULL) {
        setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, PATIENCE_SECONDS);
}

static struct stream *stream_new(struct streams *streams, const struct request *request,
                                 unsigned views)
{
    struct stream *const self = calloc(1, sizeof *self + views * sizeof self->listener[0]);
    if (self == NULL) {
        return NULL;
    }
    self->streams = streams;
    self->connection = request->connection;
    self->login = request->person.login;
    memcpy(self->address, request->peer.key, sizeof self->address);
    self->beat_at = deadline_after(BEAT_MS);
    self->next = streams->first;
    self->back = &streams->first;
    if (self->next != NULL) {
        self->next->back = &self->next;
    }
    streams->first = self;
    streams->count++;
    set_head(self, "retry: 2000\n\n");
    return self;
}

/* Opens its views; false after a refusal. */
static bool listen_to_views(struct stream *self, struct request *request, const char *last)
{
    const struct url *const url = &request->url;
    for (unsigned i = 0; i < url->parameter_count; i++) {
        if (strcmp(url->parameter[i].name, "view") != 0) {
            continue;
        }
        struct listener *const listener = &self->listener[self->count];
        listener->woken = wake;
        listener->arg = self;
        const int rc = listener_open(listener, request->dashboard->channels,
                                     request->person.actor, url->parameter[i].value, last);
        if (rc != 0) {
            request_refuse(request, rc == CASEBUS_EVALUE ? 404 : 503,
                           casebus_error_word(rc == CASEBUS_EVALUE ? CASEBUS_ENOTFOUND : rc),
                           casebus_cstr(rc == CASEBUS_EVALUE ? "there is no such view"
                                                             : casebus_strerror(rc)),
                           casebus_cstr("view"));
            return false;
        }
        self->count++;
    }
    return true;
}

static unsigned count_views(const struct request *request)
{
    unsigned count = 0;
    for (unsigned i = 0; i < request->url.parameter_count; i++) {
        count += strcmp(request->url.parameter[i].name, "view") == 0;
    }
    return count;
}

/* A stream for the request; NULL after a refusal. */
static struct stream *begin(struct streams *streams, struct request *request, unsigned views)
{
    const struct settings *const settings = &request->dashboard->settings;
    /* A browser that reconnects by itself repeats the address; its header is newer. */
    const char *last =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID");
    if (last == NULL) {
        last = request_parameter(request, "last");
    }
    struct stream *self =
        streams->count < settings->streams ? stream_new(streams, request, views) : NULL;
    if (self == NULL) {
        request_refuse_text(request, 503, "busy", "too many pages are open here");
        return NULL;
    }
    if (count_address(self) > settings->streams_per_address) {
        request_refuse_text(request, 503, "busy", "too many pages are open from this address");
    } else if (listen_to_views(self, request, last)) {
        return self;
    }
    stream_free(self);
    return NULL;
}

void events_stream(struct request *request)
{
    struct streams *const streams = request->dashboard->streams;
    const unsigned views = count_views(request);
    if (views == 0 || views > STREAM_VIEWS_MAX) {
        request_refuse(request, 400, views == 0 ? "missing" : "too_many",
                       casebus_cstr(views == 0 ? "which view?" : "at most eight on a stream"),
                       casebus_cstr("view"));
        return;
    }
    struct stream *const self = begin(streams, request, views);
    if (self == NULL) {
        return;
    }
    request->response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, give, self, stream_free);
    if (request->response == NULL) {
        stream_free(self);
        request_refuse_text(request, 503, "no_memory", "out of memory");
        return;
    }
    bound_socket(request->connection);
    request_answer(request, 200, "text/event-stream");
}

/* --- all of them -------------------------------------------------------------------------- */

int streams_new(struct streams **self_p, struct dashboard *dashboard)
{
    struct streams *const self = calloc(1, sizeof *self);
    *self_p = self;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->dashboard = dashboard;
    return 0;
}

void streams_destroy(struct streams **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

/* What a person sees ends with his login. */
static void end_of_logins(struct streams *self)
{
    const struct people *const people = self->dashboard->people;
    if (people_ended(people) == self->ended) {
        return;
    }
    self->ended = people_ended(people);
    for (struct stream *stream = self->first; stream != NULL; stream = stream->next) {
        if (!people_has(people, stream->login)) {
            stream->over = true;
            wake(stream);
        }
    }
}

void streams_step(struct streams *self)
{
    end_of_logins(self);
    const int64_t now = clock_mono_ms();
    for (struct stream *stream = self->first; stream != NULL; stream = stream->next) {
        if (now >= stream->beat_at) {
            stream->beat_at = now + BEAT_MS;
            stream->beat = true;
            listener_repeat(&stream->listener[0]);
            wake(stream);
        }
    }
}

int streams_timeout(const struct streams *self)
{
    int64_t due = INT64_MAX;
    for (const struct stream *stream = self->first; stream != NULL; stream = stream->next) {
        due = stream->beat_at < due ? stream->beat_at : due;
    }
    return deadline_left(due);
}

void streams_end(struct streams *self)
{
    for (struct stream *stream = self->first; stream != NULL; stream = stream->next) {
        wake(stream);
    }
}

unsigned streams_count(const struct streams *self)
{
    return self->count;
}
