/* The head of every stream, in memory, for the heads messages. At most a few thousand. */
#ifndef BROKER_HEADS_H
#define BROKER_HEADS_H

#include "scope.h"
#include "store.h"

struct heads;

/* Reads them from the store. */
int heads_new(struct heads **self_p, struct store *store);
void heads_destroy(struct heads **self_p);
/* An event of this topic got this seq; `stream` is the number of its stream, which it keeps. 0
 * or CASEBUS_ENOMEM. */
int heads_move(struct heads *self, struct casebus_bytes topic, uint64_t seq, size_t *stream);
/* How many streams there are: their numbers are below. */
size_t heads_streams(const struct heads *self);
/* Packs a map of stream to head: those that the scope covers, all of them or those moved since
 * the last heads_settle(). */
void heads_pack(const struct heads *self, bool moved_only, const struct scope *scope,
                msgpack_packer *pk);
void heads_settle(struct heads *self);

#endif
