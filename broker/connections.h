/* Who comes and goes at the keyed sockets, by libzmq's monitors: connections are counted, and
 * handshakes that fail before the handler of keys is asked have their audit lines too. Used by
 * that handler's thread alone (zap.h).
 *
 * What libzmq does not tell: why a connection ended. A peer that is cut off for a frame over
 * its limit is counted as one that has left. */
#ifndef BROKER_CONNECTIONS_H
#define BROKER_CONNECTIONS_H

#include "audience.h"
#include "counters.h"

#include <stdbool.h>
#include <zmq.h>

#define DOORS_MAX (3 + AUDIENCES_MAX)

struct connections;

/* NULL: no memory. */
struct connections *connections_new(struct counters *counters);
void connections_destroy(struct connections **self_p);
/* Watches the socket of that domain (ports.h); before it is bound. False: zmq_errno() says why
 * not. At most DOORS_MAX. */
bool connections_watch(struct connections *self, const char *domain);
/* Fills in what to poll for and says how many they are; then takes in what there is. */
int connections_poll_items(const struct connections *self, zmq_pollitem_t items[DOORS_MAX]);
void connections_read(struct connections *self);

#endif
