/* What views share: one connection for heads, one for requests, and whose turn it is.
 *
 * Heads are all that is subscribed to. A stream that ends further than before is shown to every
 * source that watches it, and so is an entry that changed something without an event; a source
 * whose snapshot is older than that asks again in its time. So nothing rests on a message that
 * could get lost: the next heads name the same again.
 *
 * Heads of another history prove nothing, they may be late: the broker is asked which stands.
 * Any answer that names another one ends the history: all that is known of it is void, and
 * everything is loaded anew.
 *
 * Contract: views are only told of anything while their hub is stepped, after all that has come
 * was taken in; so they may be opened and closed from there. */
#include "view_private.h"

#include "deadline.h"
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STALE_MS 3000
#define REQUESTS 8
#define DOUBT_MS 1000     /* between questions which history stands */
#define HEADS_A_STEP 1000 /* taken at most; then others have their turn */
#define REPLIES_A_STEP 16

struct casebus_views_options casebus_views_options(void)
{
    return (struct casebus_views_options){.fanout = CASEBUS_FANOUT_DEFAULT,
                                          .query = CASEBUS_QUERY_DEFAULT,
                                          .audience = NULL,
                                          .context = NULL,
                                          .requests = REQUESTS,
                                          .stale_ms = STALE_MS};
}

int64_t hub_now(const struct casebus_views *self)
{
    return self->clock();
}

/* --- made and ended ----------------------------------------------------------------------- */

static int open_sockets(struct casebus_views *self)
{
    static const char *const topics[] = {CASEBUS_TOPIC_HEADS_BATCH, CASEBUS_TOPIC_HEADS_ALL};
    const struct link_keys keys = {self->options.secret, self->options.server};
    int rc = casebus_link_open(&self->sub, self->zmq, ZMQ_SUB, keys);
    rc = rc ? rc : casebus_link_open(&self->dealer, self->zmq, ZMQ_DEALER, keys);
    rc = rc ? rc : casebus_link_set(self->dealer, ZMQ_IMMEDIATE, 1);
    for (size_t i = 0; rc == 0 && i < sizeof topics / sizeof *topics; i++) {
        if (zmq_setsockopt(self->sub, ZMQ_SUBSCRIBE, topics[i], strlen(topics[i])) != 0) {
            rc = casebus_link_error();
        }
    }
    rc = rc ? rc : casebus_link_connect(self->sub, self->fanout);
    return rc ? rc : casebus_link_connect(self->dealer, self->query);
}

static int open_parts(struct casebus_views *self)
{
    self->fanout = strdup(self->options.fanout);
    self->query = strdup(self->options.query);
    self->zmq = self->options.context != NULL ? self->options.context : zmq_ctx_new();
    self->zmq_is_mine = self->options.context == NULL;
    if (self->fanout == NULL || self->query == NULL || self->zmq == NULL ||
        casebus_call_new(&self->call) != 0 ||
        casebus_call_audience(self->call, self->options.audience) != 0) {
        return CASEBUS_ENOMEM;
    }
    return open_sockets(self);
}

int casebus_views_new(struct casebus_views **self_p, struct casebus_views_options options)
{
    *self_p = NULL;
    if (options.fanout == NULL || options.query == NULL || options.requests < 1) {
        return CASEBUS_EINVAL;
    }
    struct casebus_views *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->options = options;
    self->clock = clock_mono_ms;
    self->opened = self->quiet_since = hub_now(self);
    self->heard = INT64_MIN;
    zmq_msg_init(&self->reply);
    const int rc = open_parts(self);
    if (rc != 0) {
        casebus_views_destroy(&self);
        return rc;
    }
    *self_p = self;
    return 0;
}

void casebus_views_destroy(struct casebus_views **self_p)
{
    struct casebus_views *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    zmq_msg_close(&self->reply);
    if (self->sub != NULL) {
        zmq_close(self->sub);
    }
    if (self->dealer != NULL) {
        zmq_close(self->dealer);
    }
    if (self->zmq_is_mine && self->zmq != NULL) {
        casebus_link_end(self->zmq);
    }
    ask_end(&self->doubt_ask);
    streams_clear(&self->streams);
    casebus_call_destroy(&self->call);
    free(self->fanout);
    free(self->query);
    free(self);
}

/* --- histories ---------------------------------------------------------------------------- */

/* The broker's history is this one, from here on. */
static void begin_history(struct casebus_views *self, const unsigned char *epoch)
{
    struct casebus_view *next;
    if (self->joined) {
        self->stats.epochs++;
        for (struct casebus_view *view = self->views; view != NULL; view = next) {
            next = view->next;
            view_forget(view);
        }
        for (struct source *source = self->sources; source != NULL; source = source->next) {
            source_forget(source);
        }
        streams_clear(&self->streams);
    }
    memcpy(self->epoch, epoch, sizeof self->epoch);
    self->joined = true;
    self->head = self->quiet = self->claim = 0;
    self->doubt = false;
    ask_done(self, &self->doubt_ask);
    self->news = true;
}

static bool is_foreign(const struct casebus_views *self, const unsigned char *epoch)
{
    return memcmp(self->epoch, epoch, sizeof self->epoch) != 0;
}

static int ask_history(struct casebus_views *self)
{
    casebus_call_begin(self->call, CASEBUS_OP_HEADS);
    self->doubt_at = hub_now(self) + DOUBT_MS;
    return ask_begin(self, &self->doubt_ask, self->call);
}

/* --- heads -------------------------------------------------------------------------------- */

static void move_streams(struct casebus_views *self, struct casebus_bytes streams)
{
    struct casebus_reader r;
    casebus_reader_init(&r, streams);
    for (uint32_t left = casebus_read_map(&r); left > 0 && r.error == 0; left--) {
        const struct casebus_bytes name = casebus_read_str(&r);
        const uint64_t head = casebus_read_uint(&r);
        bool watched = false;
        if (!streams_move(&self->streams, name, head)) {
            continue;
        }
        for (struct source *source = self->sources; source != NULL; source = source->next) {
            if (watch_covers(source->watches, source->watch_count, name)) {
                source_moved(source, (struct moment){.seq = head});
                watched = true;
            }
        }
        self->stats.moves += watched ? 1 : 0;
    }
}

static void move_quiet(struct casebus_views *self, uint64_t entry)
{
    bool watched = false;
    if (entry <= self->quiet) {
        return;
    }
    self->quiet = entry;
    for (struct source *source = self->sources; source != NULL; source = source->next) {
        if (source->watches_quiet) {
            source_moved(source, (struct moment){.entry = entry});
            watched = true;
        }
    }
    self->stats.moves += watched ? 1 : 0;
}

static void take_heads(struct casebus_views *self, const struct casebus_heads *heads)
{
    self->stats.heads++;
    if (!self->joined) {
        begin_history(self, heads->epoch);
    } else if (is_foreign(self, heads->epoch)) {
        self->doubt = true;
        return;
    }
    self->heard = hub_now(self);
    self->head = heads->seq > self->head ? heads->seq : self->head;
    if (heads->seq > self->claim && (!heads->is_batch || heads->before <= self->claim)) {
        self->claim = heads->seq;
    }
    casebus_heads_keep_held(heads, self->held, sizeof self->held);
    move_streams(self, heads->streams);
    move_quiet(self, heads->quiet);
    self->news = true;
}

/* Takes one message off the socket: its number of frames, 0 none, or a code. */
static int receive(struct casebus_views *self, zmq_msg_t *topic, zmq_msg_t *body)
{
    if (zmq_msg_recv(topic, self->sub, ZMQ_DONTWAIT) < 0) {
        const int error = zmq_errno();
        return error == EAGAIN || error == EINTR ? 0 : casebus_link_error();
    }
    int frames = 1;
    for (bool more = zmq_msg_more(topic); more; more = zmq_msg_more(body)) {
        const int rc = casebus_link_frame(self->sub, body);
        if (rc != 0) {
            return rc;
        }
        frames += frames < 3 ? 1 : 0;
    }
    return frames;
}

static int read_heads(struct casebus_views *self)
{
    zmq_msg_t topic, body;
    int frames = 0;
    zmq_msg_init(&topic);
    zmq_msg_init(&body);
    for (int i = 0; i < HEADS_A_STEP && (frames = receive(self, &topic, &body)) > 0; i++) {
        struct casebus_heads heads;
        struct casebus_fault fault;
        self->quiet_since = hub_now(self);
        if (frames == 2 &&
            casebus_heads_decode(casebus_bytes(zmq_msg_data(&topic), zmq_msg_size(&topic)),
                                 casebus_bytes(zmq_msg_data(&body), zmq_msg_size(&body)),
                                 &heads, &fault) == 0) {
            take_heads(self, &heads);
        } else {
            self->stats.undecodable++;
        }
    }
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    return frames < 0 ? frames : 0;
}

/* A connection over which nothing comes may be dead without anybody knowing: it is made
 * again. */
static int connect_again(struct casebus_views *self)
{
    if (hub_now(self) - self->quiet_since < LINK_QUIET_MS) {
        return 0;
    }
    self->quiet_since = hub_now(self);
    return casebus_link_reconnect(self->sub, self->fanout);
}

/* --- replies ------------------------------------------------------------------------------ */

static struct source *asker(struct casebus_views *self, uint64_t token)
{
    struct source *source = self->sources;
    while (source != NULL && source->ask.token != token) {
        source = source->next;
    }
    return source;
}

static int take_reply(struct casebus_views *self, uint64_t token,
                      const struct casebus_reply *reply)
{
    struct source *source = asker(self, token);
    const bool is_doubt = self->doubt_ask.token == token;
    if (source == NULL && !is_doubt) {
        return 0; /* the request was answered before, or is not waited for any more */
    }
    if (!self->joined || is_foreign(self, reply->epoch)) {
        const bool first = !self->joined;
        begin_history(self, reply->epoch);
        if (!first) {
            return 0;
        }
    }
    if (is_doubt) {
        ask_done(self, &self->doubt_ask);
        self->doubt = false;
        return 0;
    }
    return source_answer(source, reply);
}

static int read_replies(struct casebus_views *self)
{
    int rc = 0;
    for (int i = 0; i < REPLIES_A_STEP && rc == 0; i++) {
        struct casebus_reply reply;
        uint64_t token;
        rc = ask_receive(self, &token, &reply);
        if (rc <= 0) {
            return rc;
        }
        rc = take_reply(self, token, &reply);
    }
    return rc;
}

/* --- questions ---------------------------------------------------------------------------- */

/* The one that has waited longest, of those that may ask now; the last in the list is the
 * oldest. */
static struct source *first_in_turn(struct casebus_views *self)
{
    struct source *first = NULL;
    for (struct source *source = self->sources; source != NULL; source = source->next) {
        if (source_wants(source) &&
            (first == NULL || source_due(source) <= source_due(first))) {
            first = source;
        }
    }
    return first;
}

static int ask_all(struct casebus_views *self)
{
    int rc = ask_again(self, &self->doubt_ask);
    struct source *source;
    for (source = self->sources; rc == 0 && source != NULL; source = source->next) {
        rc = ask_again(self, &source->ask);
    }
    if (rc == 0 && self->doubt && self->doubt_ask.token == 0 &&
        hub_now(self) >= self->doubt_at) {
        rc = ask_history(self);
    }
    while (rc == 0 && self->on_way < self->options.requests &&
           (source = first_in_turn(self)) != NULL) {
        rc = source_fetch(source);
    }
    return rc;
}

/* --- a step ------------------------------------------------------------------------------- */

/* Lets every view take and tell. One that is opened meanwhile is visited in the next step. */
static int visit_views(struct casebus_views *self)
{
    if (!self->news && hub_now(self) < self->look_at) {
        return 0;
    }
    int rc = 0;
    self->news = false;
    self->visiting = self->views;
    while (self->visiting != NULL) {
        struct casebus_view *view = self->visiting;
        self->visiting = view->next;
        const int failed = view_visit(view);
        rc = rc == 0 ? failed : rc;
    }
    self->news = self->news || rc != 0;
    return rc;
}

/* When time alone changes what a view says. */
static void plan_look(struct casebus_views *self)
{
    self->look_at = INT64_MAX;
    for (struct casebus_view *view = self->views; view != NULL; view = view->next) {
        const int64_t due = view_due(view);
        self->look_at = due < self->look_at ? due : self->look_at;
    }
}

int casebus_views_step(struct casebus_views *self)
{
    int rc = read_heads(self);
    rc = rc == 0 ? connect_again(self) : rc;
    rc = rc == 0 ? read_replies(self) : rc;
    rc = rc == 0 ? ask_all(self) : rc;
    const int failed = visit_views(self);
    if (rc == 0 && failed == 0) {
        rc = ask_all(self); /* what the views wanted meanwhile */
    }
    plan_look(self);
    return rc != 0 ? rc : failed;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int casebus_views_timeout(const struct casebus_views *self)
{
    int64_t due = earlier(self->quiet_since + LINK_QUIET_MS, ask_due(&self->doubt_ask));
    due = self->news ? INT64_MIN : earlier(due, self->look_at);
    if (self->doubt && self->doubt_ask.token == 0) {
        due = earlier(due, self->doubt_at);
    }
    const bool full = self->on_way >= self->options.requests;
    for (const struct source *source = self->sources; source != NULL; source = source->next) {
        if (!full || source->ask.token != 0) {
            due = earlier(due, source_due(source));
        }
    }
    const int64_t now = hub_now(self);
    return due <= now ? 0 : (int)(due - now);
}

int casebus_views_wait(struct casebus_views *self, int timeout_ms)
{
    const int due = casebus_views_timeout(self);
    zmq_pollitem_t items[] = {{.socket = self->sub, .events = ZMQ_POLLIN},
                              {.socket = self->dealer, .events = ZMQ_POLLIN}};
    const int left = timeout_ms < 0 || due < timeout_ms ? due : timeout_ms;
    if (zmq_poll(items, sizeof items / sizeof *items, left) < 0) {
        return casebus_link_error();
    }
    return casebus_views_step(self);
}

/* --- what is told ------------------------------------------------------------------------- */

bool hub_is_stale(const struct casebus_views *self)
{
    const int64_t since = self->heard != INT64_MIN ? self->heard : self->opened;
    return hub_now(self) - since >= self->options.stale_ms;
}

void *casebus_views_socket(const struct casebus_views *self, int which)
{
    return which == 0 ? self->sub : self->dealer;
}

void casebus_views_stats(const struct casebus_views *self, struct casebus_views_stats *stats)
{
    *stats = self->stats;
}

const unsigned char *casebus_views_epoch(const struct casebus_views *self)
{
    return self->joined ? self->epoch : NULL;
}

uint64_t casebus_views_head(const struct casebus_views *self)
{
    return self->head;
}

const char *casebus_views_held(const struct casebus_views *self)
{
    return self->held[0] != '\0' ? self->held : NULL;
}
