/* Requests and replies: one frame each, a map.
 *
 * A request is {v, op, …arguments}; a reply is {v, epoch, seq, entry, result} or
 * {v, epoch, seq, entry, error: {code, text, field}}. The table of operations is the dispatch
 * table's order in the broker and the list in PROTOCOL.md. */
#ifndef CASEBUS_REQUEST_H
#define CASEBUS_REQUEST_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

/* X(symbol, name) */
#define CASEBUS_OPS(X)                                                                         \
    X(CASEBUS_OP_CASE_GET, "case.get")                                                         \
    X(CASEBUS_OP_CASE_GET_MANY, "case.get_many")                                               \
    X(CASEBUS_OP_CASE_KNOWN, "case.known")                                                     \
    X(CASEBUS_OP_CASE_RECENT, "case.recent")                                                   \
    X(CASEBUS_OP_CASE_LIST, "case.list")                                                       \
    X(CASEBUS_OP_CASE_HISTORY, "case.history")                                                 \
    X(CASEBUS_OP_OFFENDER_GET, "offender.get")                                                 \
    X(CASEBUS_OP_AGENCY_LIST, "agency.list")                                                   \
    X(CASEBUS_OP_AGENCY_SET, "agency.set")                                                     \
    X(CASEBUS_OP_LOG_REPLAY, "log.replay")                                                     \
    X(CASEBUS_OP_LOG_CASES, "log.cases")                                                       \
    X(CASEBUS_OP_HEADS, "heads")                                                               \
    X(CASEBUS_OP_SESSION_GET, "session.get")                                                   \
    X(CASEBUS_OP_SESSION_LIST, "session.list")                                                 \
    X(CASEBUS_OP_SESSION_CASES, "session.cases")                                               \
    X(CASEBUS_OP_SESSION_STOP, "session.stop")                                                 \
    X(CASEBUS_OP_QUARANTINE_LIST, "quarantine.list")                                           \
    X(CASEBUS_OP_QUARANTINE_ACCEPT, "quarantine.accept")                                       \
    X(CASEBUS_OP_QUARANTINE_REJECT, "quarantine.reject")                                       \
    X(CASEBUS_OP_PUBLISHER_CONFIRM, "publisher.confirm")                                       \
    X(CASEBUS_OP_REJECTS_LIST, "rejects.list")                                                 \
    X(CASEBUS_OP_STORE_VERIFY, "store.verify")                                                 \
    X(CASEBUS_OP_STORE_BACKUP, "store.backup")                                                 \
    X(CASEBUS_OP_BROKER_STATUS, "broker.status")                                               \
    X(CASEBUS_OP_ACTOR_WHOAMI, "actor.whoami")                                                 \
    X(CASEBUS_OP_ACTOR_CAN, "actor.can")

enum casebus_op {
#define X(symbol, name) symbol,
    CASEBUS_OPS(X)
#undef X
    CASEBUS_OP_COUNT
};
const char *casebus_op_name(enum casebus_op op);
/* The operation of that name, or CASEBUS_OP_COUNT. */
enum casebus_op casebus_op_find(struct casebus_bytes name);

struct casebus_request {
    unsigned version;
    enum casebus_op op;
    struct casebus_bytes map; /* the whole map: arguments by casebus_map_get() */
};
/* Scans and reads the envelope of a request. 0, or a code with the key at fault, of which
 * CASEBUS_EUNKNOWN_OP: no operation has this name. */
int casebus_request_decode(struct casebus_bytes body, struct casebus_request *request,
                           struct casebus_fault *fault);
/* Begins a request map with `args` argument pairs to follow: v, op. */
void casebus_request_begin(msgpack_packer *pk, enum casebus_op op, unsigned args);

struct casebus_reply {
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    uint64_t seq;   /* newest event committed */
    uint64_t entry; /* newest entry applied */
    int error;      /* 0, or the code whose word the reply carries */
    struct casebus_bytes error_text, error_field;
    struct casebus_bytes result; /* encoded; absent on error */
};
/* Scans and reads a reply, one that carries an error as well. 0: it is one (see reply->error);
 * or a code with the key at fault. Texts and result are borrowed from the body. */
int casebus_reply_decode(struct casebus_bytes body, struct casebus_reply *reply,
                         struct casebus_fault *fault);
/* Appends a reply up to its result, which is to be packed behind it: epoch, seq and entry. 0 or
 * CASEBUS_ENOMEM; so the next. */
int casebus_reply_begin(const struct casebus_reply *reply, msgpack_sbuffer *out);
/* Appends a reply. With reply->error the code's word, error_text (or the code's sentence) and
 * error_field; otherwise result. */
int casebus_reply_encode(const struct casebus_reply *reply, msgpack_sbuffer *out);

#endif
