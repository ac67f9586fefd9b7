/* Connections and failed handshakes; see connections.h. */
#include "connections.h"

#include "log.h"
#include "ports.h"

#include <czmq.h>

#define REFUSALS_PER_S 100

struct watched {
    char domain[DOMAIN_SIZE];
    void *monitor;
};

struct connections {
    struct counters *counters;
    struct watched socket[DOORS_MAX];
    unsigned sockets;
    /* By descriptor: the number of the socket whose connection it is, from 1; 0: nobody's.
     * libzmq does not tell of every end (an endpoint that is unbound ends all its connections):
     * that one has ended shows when its descriptor comes up again. */
    unsigned char *owner;
    size_t descriptors;
    struct log_limit refusals;
};

struct connections *connections_new(struct counters *counters)
{
    struct connections *self = calloc(1, sizeof *self);
    if (self) {
        self->counters = counters;
        self->refusals.per_s = REFUSALS_PER_S;
    }
    return self;
}

void connections_destroy(struct connections **self_p)
{
    struct connections *self = *self_p;
    if (self) {
        for (unsigned i = 0; i < self->sockets; i++) {
            zmq_close(self->socket[i].monitor);
        }
        free(self->owner);
        free(self);
        *self_p = NULL;
    }
}

bool connections_watch(struct connections *self, const char *domain)
{
    struct watched *socket = &self->socket[self->sockets];
    /* Unlimited: libzmq's own thread would wait for this one where the queue is full. */
    int unlimited = 0, none = 0;
    char endpoint[PORT_MONITOR_SIZE];
    snprintf(socket->domain, sizeof socket->domain, "%s", domain);
    snprintf(endpoint, sizeof endpoint, PORT_MONITOR, domain);
    socket->monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (!socket->monitor) {
        return false;
    }
    self->sockets++;
    return zmq_setsockopt(socket->monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited) == 0 &&
           zmq_setsockopt(socket->monitor, ZMQ_LINGER, &none, sizeof none) == 0 &&
           zmq_connect(socket->monitor, endpoint) == 0;
}

int connections_poll_items(const struct connections *self, zmq_pollitem_t items[DOORS_MAX])
{
    for (unsigned i = 0; i < self->sockets; i++) {
        items[i] = (zmq_pollitem_t){self->socket[i].monitor, 0, ZMQ_POLLIN, 0};
    }
    return (int)self->sockets;
}

/* --- who is there ------------------------------------------------------------------------- */

static bool has_place(struct connections *self, size_t fd)
{
    if (fd < self->descriptors) {
        return true;
    }
    size_t more = 2 * fd + 64;
    unsigned char *owner = realloc(self->owner, more);
    if (!owner) {
        return false; /* it is not counted among those that are open */
    }
    memset(owner + self->descriptors, 0, more - self->descriptors);
    self->owner = owner;
    self->descriptors = more;
    return true;
}

static void set_owner(struct connections *self, size_t fd, unsigned char owner)
{
    atomic_uint_fast64_t *open = &self->counters->connections_open;
    if (has_place(self, fd)) {
        atomic_fetch_add(open, (owner != 0) - (self->owner[fd] != 0));
        self->owner[fd] = owner;
    }
}

static bool owns(const struct connections *self, size_t fd, unsigned char owner)
{
    return fd < self->descriptors && self->owner[fd] == owner;
}

static void forget_all(struct connections *self, unsigned char owner)
{
    for (size_t fd = 0; fd < self->descriptors; fd++) {
        if (self->owner[fd] == owner) {
            set_owner(self, fd, 0);
        }
    }
}

/* --- events ------------------------------------------------------------------------------- */

/* A peer without a key, or with another broker's public key, fails in libzmq's handshake. */
static void refuse(struct connections *self, const struct watched *socket)
{
    count_refusal(self->counters, CASEBUS_EDENIED);
    log_limited(&self->refusals, LEVEL_AUDIT,
                "refused actor=- key=- door=%s: no key, not for this broker's, or of another "
                "session",
                socket->domain);
}

static void take_in(struct connections *self, unsigned index, uint16_t event, size_t fd)
{
    const unsigned char owner = (unsigned char)(index + 1);
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        count(&self->counters->connections_opened, 1);
        set_owner(self, fd, owner);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        if (owns(self, fd, owner)) {
            set_owner(self, fd, 0);
        }
        break;
    case ZMQ_EVENT_CLOSED: /* the endpoint, and with it all connections there are */
        forget_all(self, owner);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        count(&self->counters->handshakes_unfinished, 1);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        refuse(self, &self->socket[index]);
        break;
    default:
        break;
    }
}

/* An event and its value, as one frame, and then the endpoint. */
static void read_one(struct connections *self, unsigned index)
{
    struct {
        uint16_t event;
        uint32_t value;
    } __attribute__((packed)) frame;
    char ignored[256];
    void *monitor = self->socket[index].monitor;
    int size;
    while ((size = zmq_recv(monitor, &frame, sizeof frame, ZMQ_DONTWAIT)) >= 0) {
        zmq_recv(monitor, ignored, sizeof ignored, ZMQ_DONTWAIT);
        if (size == sizeof frame) {
            take_in(self, index, frame.event, frame.value);
        }
    }
}

void connections_read(struct connections *self)
{
    for (unsigned i = 0; i < self->sockets; i++) {
        read_one(self, i);
    }
}
