/* Answers who may connect; see zap.h.
 *
 * Refusing is done with status 300: libzmq then closes the connection, and the peer's libzmq
 * tries again a second later. With 400 it would never try again, and a worker whose key is
 * registered after it has started would stay silent for ever. */
#include "zap.h"

#include "connections.h"
#include "log.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define FRAMES_MAX 7 /* version, request id, domain, address, identity, mechanism, key */
#define RAW_KEY_SIZE 32
#define REFUSALS_PER_S 100

enum door_kind {
    DOOR_INGEST,   /* for who has a report verb, of some agency */
    DOOR_QUERY,    /* for every actor: requests are checked one by one */
    DOOR_FANOUT,   /* of one stream for all who connect: for who may watch all agencies */
    DOOR_AUDIENCE, /* for who is of the audience */
};

struct door {
    char domain[DOMAIN_SIZE];
    enum door_kind kind;
    const struct audience *audience;
};

struct zap {
    struct zap_options *options;
    void *socket;
    struct door door[DOORS_MAX];
    unsigned doors;
    const struct actor_table *table;
    struct quota *quota;
    struct connections *connections;
    uint64_t number; /* of the connection that was let in last */
    struct log_limit refusals;
};

struct asked {
    unsigned count;
    zmq_msg_t frame[FRAMES_MAX];
};

static struct casebus_bytes frame(struct asked *a, unsigned index)
{
    return index < a->count
               ? casebus_bytes(zmq_msg_data(&a->frame[index]), zmq_msg_size(&a->frame[index]))
               : casebus_bytes("", 0);
}

static void asked_close(struct asked *a)
{
    for (unsigned i = 0; i < a->count; i++) {
        zmq_msg_close(&a->frame[i]);
    }
}

/* -1: the socket has failed. More frames than a request has are read and make it none. */
static int receive(struct zap *self, struct asked *a)
{
    int more = 1, rc = 0;
    a->count = 0;
    for (bool extra = false; more && rc >= 0;) {
        zmq_msg_t *into = &a->frame[a->count], spare;
        extra = a->count == FRAMES_MAX;
        into = extra ? &spare : into;
        zmq_msg_init(into);
        rc = zmq_msg_recv(into, self->socket, 0);
        more = rc >= 0 && zmq_msg_more(into);
        if (extra || rc < 0) {
            zmq_msg_close(into);
        } else {
            a->count++;
        }
    }
    return rc < 0 ? -1 : 0;
}

static void add_door(struct zap *self, enum door_kind kind, const char *domain,
                     const struct audience *audience)
{
    struct door *door = &self->door[self->doors++];
    *door = (struct door){.kind = kind, .audience = audience};
    snprintf(door->domain, sizeof door->domain, "%s", domain);
}

static void add_doors(struct zap *self)
{
    const struct audiences *audiences = self->options->audiences;
    char domain[DOMAIN_SIZE];
    add_door(self, DOOR_INGEST, "ingest", NULL);
    add_door(self, DOOR_QUERY, "query", NULL);
    audience_domain(NULL, domain);
    add_door(self, DOOR_FANOUT, domain, NULL);
    for (unsigned i = 0; i < audiences->count; i++) {
        audience_domain(audiences->audience[i].name, domain);
        add_door(self, DOOR_AUDIENCE, domain, &audiences->audience[i]);
    }
}

static const struct door *find_door(const struct zap *self, struct casebus_bytes domain)
{
    for (unsigned i = 0; i < self->doors; i++) {
        if (casebus_bytes_is(domain, self->door[i].domain)) {
            return &self->door[i];
        }
    }
    return NULL;
}

/* Who it is, under the name the connection gets; NULL: nobody. */
static const struct actor *find_actor(struct zap *self, struct asked *a,
                                      char id[CASEBUS_KEY_SIZE + 1])
{
    struct casebus_bytes key = frame(a, 6);
    id[0] = '\0';
    if (casebus_bytes_is(frame(a, 5), "CURVE") && key.size == RAW_KEY_SIZE) {
        zmq_z85_encode(id, key.data, key.size);
        return actor_by_key(self->table, id);
    }
    if (casebus_bytes_is(frame(a, 5), "NULL")) {
        snprintf(id, CASEBUS_KEY_SIZE + 1, "%s", ACTOR_LOCAL);
        return actor_by_name(self->table, casebus_cstr(ACTOR_LOCAL));
    }
    return NULL;
}

/* Why this actor may not enter by this door; NULL: he may. */
static const char *stop_at(const struct zap *self, const struct door *door,
                           const struct actor *actor)
{
    switch (door->kind) {
    case DOOR_INGEST:
        return actor->somewhere & VERBS_REPORT ? NULL : "may not report";
    case DOOR_FANOUT:
        return actor_may(self->table, actor, VERB_WATCH, casebus_bytes(NULL, 0))
                   ? NULL
                   : "may not watch all agencies";
    case DOOR_AUDIENCE:
        return audience_admits(door->audience, self->table, actor)
                   ? NULL
                   : "has no role of this audience";
    case DOOR_QUERY:
        break;
    }
    return NULL;
}

/* Why the connection is refused; NULL: it is let in. */
static const char *refuse(struct zap *self, struct asked *a, const struct actor *actor,
                          const char *id)
{
    const struct door *door = find_door(self, frame(a, 2));
    if (a->count < 6 || !casebus_bytes_is(frame(a, 0), "1.0") || !door) {
        return "not a request of this broker's sockets";
    }
    if (!actor && strcmp(id, ACTOR_LOCAL) == 0 && door->kind == DOOR_QUERY) {
        return NULL; /* each of his requests is refused with a sentence */
    }
    return actor ? stop_at(self, door, actor) : "no actor has this key";
}

static void send_text(struct zap *self, const char *text, int more)
{
    zmq_send(self->socket, text, strlen(text), more);
}

static void say_refused(struct zap *self, struct asked *a, const struct actor *actor,
                        const char *id, const char *why)
{
    struct casebus_bytes domain = frame(a, 2), address = frame(a, 3);
    count_refusal(self->options->counters, CASEBUS_EDENIED);
    log_limited(&self->refusals, LEVEL_AUDIT, "refused actor=%s key=%s door=%.*s from=%.*s: %s",
                actor ? actor->name : "-", id[0] ? id : "-", (int)domain.size,
                (const char *)domain.data, (int)address.size, (const char *)address.data, why);
}

/* Not while he is kept out, nor more than he may open. */
static enum limit over_limit(struct zap *self, struct casebus_bytes domain,
                             struct account *account, int64_t now, int64_t *kept_ms)
{
    const struct door *door = find_door(self, domain);
    const uint64_t more[LIMIT_COUNT] = {[LIMIT_CONNECTIONS] = 1};
    const bool counts = (door->kind == DOOR_FANOUT || door->kind == DOOR_AUDIENCE) &&
                        limit_of(self->options->limits, LIMIT_PATTERNS) > 0;
    *kept_ms =
        counts ? kept_out_for(self->options->kept_out, account->actor, zclock_mono()) : 0;
    return *kept_ms > 0 ? LIMIT_PATTERNS
                        : account_take(account, self->options->limits, more, now);
}

/* Which of the actor's limits the connection would be over, as a sentence; NULL: none. */
static const char *check_limits(struct zap *self, struct asked *a, const struct actor *actor,
                                char text[LIMIT_TEXT_SIZE])
{
    struct casebus_bytes domain = frame(a, 2), address = frame(a, 3);
    const int64_t now = quota_now();
    struct account *account = quota_account(self->quota, actor->name);
    int64_t kept_ms;
    enum limit over = over_limit(self, domain, account, now, &kept_ms);
    char where[DOMAIN_SIZE + 128], again[32] = "";
    if (over == LIMIT_COUNT) {
        return NULL;
    }
    uint64_t value = limit_of(self->options->limits, over);
    if (kept_ms > 0) {
        snprintf(again, sizeof again, ": again in %lld s", (long long)(kept_ms + 999) / 1000);
    }
    snprintf(where, sizeof where, "door=%.*s from=%.*s%s", (int)domain.size,
             (const char *)domain.data, (int)address.size, (const char *)address.data, again);
    quota_refuse(self->quota, account, over, value, now, where);
    return limit_say(over, value, text);
}

/* What goes with a connection that is let in: "\x0cX-Connection" and the number's text behind
 * its size, as ZMTP has properties. */
static void send_number(struct zap *self)
{
    unsigned char frame[sizeof CONNECTION_NUMBER + 4 + 20] = {sizeof CONNECTION_NUMBER - 1};
    unsigned char *at = frame + 1;
    memcpy(at, CONNECTION_NUMBER, sizeof CONNECTION_NUMBER - 1);
    at += sizeof CONNECTION_NUMBER - 1;
    char text[21];
    int size = snprintf(text, sizeof text, "%llu", (unsigned long long)++self->number);
    memcpy(at, (unsigned char[4]){0, 0, 0, (unsigned char)size}, 4);
    memcpy(at + 4, text, (size_t)size);
    zmq_send(self->socket, frame, (size_t)(at + 4 + size - frame), 0);
}

static void answer(struct zap *self, struct asked *a)
{
    char id[CASEBUS_KEY_SIZE + 1], text[LIMIT_TEXT_SIZE];
    const struct actor *actor = find_actor(self, a, id);
    const char *refused = refuse(self, a, actor, id);
    struct casebus_bytes request = frame(a, 1);
    if (refused) {
        say_refused(self, a, actor, id, refused);
    } else if (actor) {
        refused = check_limits(self, a, actor, text);
    }
    send_text(self, "1.0", ZMQ_SNDMORE);
    zmq_send(self->socket, request.data, request.size, ZMQ_SNDMORE);
    send_text(self, refused ? "300" : "200", ZMQ_SNDMORE);
    send_text(self, refused ? refused : "", ZMQ_SNDMORE);
    send_text(self, refused ? "" : id, ZMQ_SNDMORE);
    if (refused) {
        send_text(self, "", 0);
    } else {
        send_number(self);
    }
}

/* False: zmq_errno() says why not. */
static bool watch_doors(struct zap *self)
{
    bool good = (self->connections = connections_new(self->options->counters)) != NULL;
    for (unsigned i = 0; good && i < self->doors; i++) {
        good = connections_watch(self->connections, self->door[i].domain);
    }
    return good;
}

/* --- the loop ---------------------------------------------------------------------------- */

/* Until told to end (true), or the socket fails. */
static bool serve(struct zap *self, zsock_t *pipe)
{
    zmq_pollitem_t items[2 + DOORS_MAX] = {
        {zsock_resolve(pipe), 0, ZMQ_POLLIN, 0},
        {self->socket, 0, ZMQ_POLLIN, 0},
    };
    const int count = 2 + connections_poll_items(self->connections, items + 2);
    for (;;) {
        if (zmq_poll(items, count, -1) < 0) {
            if (zmq_errno() != EINTR) {
                return false;
            }
            continue;
        }
        if (items[0].revents & ZMQ_POLLIN) {
            return true;
        }
        connections_read(self->connections);
        struct asked a;
        if (items[1].revents & ZMQ_POLLIN) {
#ifdef CASEBUS_TEST_ZAP
            if (getenv("CASEBUS_TEST_ZAP")) {
                return false;
            }
#endif
            if (receive(self, &a) != 0) {
                return false;
            }
            actors_refresh(self->options->actors, &self->table);
            answer(self, &a);
            asked_close(&a);
        }
    }
}

static void await_end(zsock_t *pipe)
{
    char *command = zstr_recv(pipe); /* nothing else is ever sent to it */
    zstr_free(&command);
}

void zap_actor(zsock_t *pipe, void *args)
{
    struct zap self = {.options = args, .refusals = {.per_s = REFUSALS_PER_S}};
    log_name_thread("zap");
    actors_refresh(self.options->actors, &self.table);
    zsock_t *socket = zsock_new(ZMQ_REP);
    add_doors(&self);
    self.quota = quota_new(self.options->counters);
    if (self.quota && watch_doors(&self) && socket && zsock_bind(socket, ZAP_ENDPOINT) == 0) {
        self.socket = zsock_resolve(socket);
        atomic_store(&self.options->serving, true);
    } else {
        snprintf(self.options->why, sizeof self.options->why, "no handler of keys: %s",
                 zmq_strerror(zmq_errno()));
    }
    zsock_signal(pipe, 0);
    if (self.socket && !serve(&self, pipe)) {
        log_error("the handler of keys has failed; nobody gets in any more: %s",
                  zmq_strerror(zmq_errno()));
        atomic_store(&self.options->serving, false);
        zsock_signal(pipe, 1);
        await_end(pipe);
    }
    connections_destroy(&self.connections);
    zsock_destroy(&socket);
    quota_destroy(&self.quota);
    actor_table_release(self.table);
    atomic_store(&self.options->serving, false);
}
