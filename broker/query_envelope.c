/* The way back to who asked: what comes before a request, and goes before its reply. */
#include "query_loop.h"

void envelope_close(struct envelope *e)
{
    for (unsigned i = 0; i < e->count; i++) {
        zmq_msg_close(&e->frame[i]);
    }
    e->count = 0;
}

bool envelope_receive(struct inlet *router, struct envelope *e, zmq_msg_t *body)
{
    bool too_many = false;
    size_t size = 0;
    e->count = 0;
    zmq_msg_init(body);
    if (!inlet_receive(router, body)) {
        zmq_msg_close(body);
        return false;
    }
    while (zmq_msg_more(body)) {
        size += e->count > 0 ? zmq_msg_size(body) : 0; /* the first is the asker's name */
        if (e->count < ENVELOPE_FRAMES && size <= ENVELOPE_BYTES) {
            zmq_msg_init(&e->frame[e->count]);
            zmq_msg_move(&e->frame[e->count++], body);
        } else {
            too_many = true;
        }
        if (zmq_msg_recv(body, router->socket, 0) < 0) {
            too_many = true;
            break;
        }
    }
    if (too_many) {
        envelope_close(e);
    }
    return true;
}

struct casebus_bytes envelope_asker(struct envelope *e)
{
    return casebus_bytes(zmq_msg_data(&e->frame[0]), zmq_msg_size(&e->frame[0]));
}

void envelope_move(struct envelope *to, struct envelope *from)
{
    for (unsigned i = 0; i < from->count; i++) {
        zmq_msg_init(&to->frame[i]);
        zmq_msg_move(&to->frame[i], &from->frame[i]);
        zmq_msg_close(&from->frame[i]);
    }
    to->count = from->count;
    from->count = 0;
}

/* Where it cannot be sent the asker is gone. */
void envelope_send(struct queries *self, struct envelope *e, zmq_msg_t *reply)
{
    struct inlet *router = &self->inlets[ROUTER];
    bool sent = true;
    inlet_used(router);
    for (unsigned i = 0; sent && i < e->count; i++) {
        sent = zmq_msg_send(&e->frame[i], router->socket, ZMQ_SNDMORE) >= 0;
    }
    if (!sent || zmq_msg_send(reply, router->socket, 0) < 0) {
        zmq_msg_close(reply);
    }
    envelope_close(e);
}
