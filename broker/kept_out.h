/* Who is kept out of the endpoints for events for a while. Used by several threads. */
#ifndef BROKER_KEPT_OUT_H
#define BROKER_KEPT_OUT_H

#include <stdint.h>

struct kept_out;

/* NULL: out of memory. */
struct kept_out *kept_out_new(void);
void kept_out_destroy(struct kept_out **self_p);
/* Until then, monotonic ms. Where there are more than fit, the one that would end first ends.
 */
void kept_out_add(struct kept_out *self, const char *actor, int64_t until);
/* How many ms longer; 0: he is not. */
int64_t kept_out_for(struct kept_out *self, const char *actor, int64_t now);

#endif
