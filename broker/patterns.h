/* How many patterns each connection has subscribed to. One thread.
 *
 * A connection goes by its descriptor and a number of its own: libzmq does not say when one
 * ends, so another number at the same descriptor is a new one, which begins with none. What was
 * subscribed to twice counts once, and taking back what was not subscribed to changes nothing:
 * a hash is kept of each pattern, eight bytes and as much again in room. */
#ifndef BROKER_PATTERNS_H
#define BROKER_PATTERNS_H

#include <casebus/msgpack.h>

struct patterns;

/* NULL: out of memory. */
struct patterns *patterns_new(void);
void patterns_destroy(struct patterns **self_p);
struct connection {
    int descriptor;
    uint64_t number; /* of its own, from 1 */
};
/* It has subscribed, or no longer does. True: with this one it has more than `limit`, or cannot
 * be watched for want of memory; said once of a connection, of which nothing is kept from then
 * on. */
bool patterns_subscribe(struct patterns *self, struct connection from,
                        struct casebus_bytes pattern, uint64_t limit);
void patterns_unsubscribe(struct patterns *self, struct connection from,
                          struct casebus_bytes pattern);

#endif
