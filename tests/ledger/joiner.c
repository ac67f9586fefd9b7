/* Views that join in the middle of a burst, one after the other, and write at the end what they
 * show.
 *
 *   joiner --folder DIR --fanout E --query E --count N --every MS [--after MS]
 *
 * View k joins at `after` + k * `every` milliseconds, as PROTOCOL.md says: subscribe, wait for
 * heads, ask for the rows (S), apply the events above S. It says when all have joined. At
 * SIGTERM each follows up to where the broker is then, and writes its ledger (ledger.py): the
 * version of each case as it knows it. */
#include "book.h"

#include <casebus/client.h>
#include <casebus/subscriber.h>

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ROWS_MAX 4096 /* keys are NAME-cNNNNNN: one row for each name and number */
#define KEY_SIZE 40
#define TURN 100 /* events a view takes before the next has its turn */

struct row {
    char id[KEY_SIZE];
    uint64_t version;
};

enum stage {
    WAITING,
    JOINING,
    ASKING,
    FOLLOWING,
    ENDING,
    DONE
};

struct view {
    enum stage stage;
    uint64_t joins_at;
    struct casebus_subscriber *subscriber;
    struct casebus_client *client;
    struct casebus_call *call;
    bool snapped;      /* S is known */
    uint64_t snapshot; /* S */
    uint64_t end;      /* follow up to here */
    struct casebus_cursor joined;
    struct row *rows;
    size_t count;
};

struct joiner {
    const char *folder, *fanout, *query;
    uint64_t count, every, after;
    void *zmq;
    struct view *views;
};

/* --- rows --------------------------------------------------------------------------------- */

static void show(struct view *self, struct casebus_bytes id, uint64_t version)
{
    size_t i = 0;
    while (i < self->count && !casebus_bytes_is(id, self->rows[i].id)) {
        i++;
    }
    if (i == self->count) {
        if (self->count == ROWS_MAX || id.size >= KEY_SIZE) {
            give_up("view", "more rows, or longer ids, than it was made for");
        }
        memcpy(self->rows[i].id, id.data, id.size);
        self->count++;
    }
    if (version > self->rows[i].version) { /* a row takes only what is newer */
        self->rows[i].version = version;
    }
}

static void show_rows(struct view *self, struct casebus_bytes rows)
{
    struct casebus_reader reader;
    casebus_reader_init(&reader, rows);
    for (uint32_t n = casebus_read_array(&reader); n > 0; n--) {
        struct casebus_bytes record = casebus_read_raw(&reader);
        show(self, casebus_as_str(casebus_map_get(record, "id")),
             casebus_as_uint(casebus_map_get(record, "version"), 0));
    }
}

static void show_event(struct view *self, const struct casebus_event *event)
{
    if (event->seq > self->snapshot) {
        show(self, casebus_as_str(casebus_map_get(event->payload, "id")), event->version);
    }
}

/* --- the way of a view -------------------------------------------------------------------- */

static void must(int rc, const char *what)
{
    if (rc < 0) {
        give_up(what, casebus_strerror(rc));
    }
}

static void subscribe(struct joiner *joiner, struct view *self)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    options.fanout = joiner->fanout;
    options.query = joiner->query;
    options.context = joiner->zmq;
    must(casebus_subscriber_new(&self->subscriber, options), "subscriber");
    must(casebus_subscriber_subscribe(self->subscriber, "case:*", NULL), "subscribe");
    must(casebus_subscriber_start(self->subscriber), "start");
    struct casebus_client_options client = casebus_client_options();
    client.query = joiner->query;
    client.context = joiner->zmq;
    must(casebus_client_new(&self->client, client), "client");
    must(casebus_call_new(&self->call), "call");
    self->rows = calloc(ROWS_MAX, sizeof *self->rows);
    if (!self->rows) {
        give_up("view", "out of memory");
    }
    self->stage = JOINING;
}

static void ask(struct view *self, enum casebus_op op, struct casebus_bytes next,
                uint64_t as_of)
{
    struct casebus_bytes request;
    casebus_call_begin(self->call, op);
    if (op == CASEBUS_OP_CASE_RECENT) {
        casebus_call_uint(self->call, "limit", CASEBUS_PAGE_MAX);
    }
    if (next.data) {
        casebus_call_bin(self->call, "next", next);
        casebus_call_uint(self->call, "as_of", as_of);
    }
    must(casebus_call_encoded(self->call, &request), "request");
    must(casebus_client_send(self->client, request), "send");
}

/* A page of the snapshot, once it has come. The first page's seq is S: what later pages know
 * more, the events tell too. */
static void take_page(struct view *self)
{
    struct casebus_reply reply;
    int rc = casebus_client_receive(self->client, &reply, 0);
    if (rc == CASEBUS_ETIMEDOUT || rc == CASEBUS_EINTR || rc == CASEBUS_EUNREACHABLE) {
        return;
    }
    must(rc, "rows");
    if (!self->snapped) {
        self->snapped = true;
        self->snapshot = reply.seq;
    }
    show_rows(self, casebus_map_get(reply.result, "rows"));
    struct casebus_bytes next = casebus_as_bin(casebus_map_get(reply.result, "next"));
    if (next.data) {
        ask(self, CASEBUS_OP_CASE_RECENT, next,
            casebus_as_uint(casebus_map_get(reply.result, "as_of"), 0));
    } else {
        self->stage = FOLLOWING;
    }
}

static void follow(struct view *self)
{
    const struct casebus_event *event;
    int rc = 1;
    for (unsigned n = 0; n < TURN && rc == 1; n++) {
        rc = casebus_subscriber_next(self->subscriber, &event, 0);
        if (rc == 1) {
            show_event(self, event);
        }
    }
    if (rc != CASEBUS_EINTR) {
        must(rc, "next");
    }
    if (stopping && self->stage == FOLLOWING) {
        self->stage = ENDING;
        ask(self, CASEBUS_OP_HEADS, casebus_bytes(NULL, 0), 0);
    }
}

static void end(struct view *self)
{
    struct casebus_reply reply;
    struct casebus_cursor at = {.seq = 0};
    if (self->end == 0 && casebus_client_receive(self->client, &reply, 0) == 0) {
        self->end = reply.seq;
    }
    must(casebus_subscriber_cursor(self->subscriber, &at), "cursor");
    if (self->end > 0 && at.seq >= self->end) {
        self->stage = DONE;
    }
}

static void step(struct joiner *joiner, struct view *self, uint64_t now)
{
    if (self->stage == WAITING && now >= self->joins_at) {
        subscribe(joiner, self);
    }
    if (self->stage == JOINING && casebus_subscriber_join(self->subscriber, 0) == 1) {
        must(casebus_subscriber_cursor(self->subscriber, &self->joined), "cursor");
        ask(self, CASEBUS_OP_CASE_RECENT, casebus_bytes(NULL, 0), 0);
        self->stage = ASKING;
    }
    if (self->stage == ASKING) {
        take_page(self);
    }
    if (self->stage == FOLLOWING || self->stage == ENDING) {
        follow(self);
    }
    if (self->stage == ENDING) {
        end(self);
    }
}

/* --- all of them -------------------------------------------------------------------------- */

static void write_view(const struct joiner *joiner, const struct view *self, size_t index)
{
    char path[4096];
    struct book book;
    snprintf(path, sizeof path, "%s/v%03zu.reader", joiner->folder, index);
    book_open(&book, path);
    book_add(&book, "{\"run\": 1, \"reader\": \"v%03zu\", \"patterns\": [\"case:*\"]}\n",
             index);
    book_add(&book, "{\"joined\": %llu, \"snapshot\": %llu, \"epoch\": \"",
             (unsigned long long)self->joined.seq, (unsigned long long)self->snapshot);
    book_add_hex(&book, self->joined.epoch, CASEBUS_EPOCH_SIZE);
    book_add(&book, "\"}\n{\"view\": {");
    for (size_t i = 0; i < self->count; i++) {
        book_add(&book, "%s\"%s\": %llu", i ? ", " : "", self->rows[i].id,
                 (unsigned long long)self->rows[i].version);
    }
    book_add(&book, "}, \"seq\": %llu}\n", (unsigned long long)self->end);
    book_close(&book);
}

static size_t past(const struct joiner *self, enum stage stage)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        count += self->views[i].stage > stage;
    }
    return count;
}

static void run(struct joiner *self)
{
    bool said = false;
    while (past(self, ENDING) < self->count) {
        uint64_t now = now_us();
        for (size_t i = 0; i < self->count; i++) {
            step(self, &self->views[i], now);
        }
        if (!said && past(self, ASKING) == self->count) {
            said = true;
            puts("all joined");
            fflush(stdout);
        }
        zmq_poll(NULL, 0, 1);
    }
}

static void read_options(struct joiner *self, int argc, char **argv)
{
    static const struct option options[] = {{"folder", required_argument, NULL, 'd'},
                                            {"fanout", required_argument, NULL, 'f'},
                                            {"query", required_argument, NULL, 'q'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"every", required_argument, NULL, 'e'},
                                            {"after", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    *self = (struct joiner){.folder = NULL};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'd':
            self->folder = optarg;
            break;
        case 'f':
            self->fanout = optarg;
            break;
        case 'q':
            self->query = optarg;
            break;
        case 'c':
            self->count = number_of(optarg);
            break;
        case 'e':
            self->every = number_of(optarg);
            break;
        case 'a':
            self->after = number_of(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (!self->folder || !self->fanout || !self->query || self->count == 0) {
        give_up("joiner", "--folder, --fanout, --query and --count are needed");
    }
}

int main(int argc, char **argv)
{
    struct joiner self;
    read_options(&self, argc, argv);
    catch_stop();
    self.zmq = zmq_ctx_new();
    self.views = calloc(self.count, sizeof *self.views);
    if (!self.zmq || !self.views) {
        give_up("joiner", "out of memory");
    }
    uint64_t now = now_us();
    for (size_t i = 0; i < self.count; i++) {
        self.views[i].joins_at = now + (self.after + i * self.every) * 1000u;
    }
    run(&self);
    for (size_t i = 0; i < self.count; i++) {
        struct view *view = &self.views[i];
        write_view(&self, view, i);
        casebus_subscriber_destroy(&view->subscriber);
        casebus_client_destroy(&view->client);
        casebus_call_destroy(&view->call);
        free(view->rows);
    }
    free(self.views);
    zmq_ctx_term(self.zmq);
    return 0;
}
