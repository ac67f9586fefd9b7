/* Asking a casebus broker.
 *
 *   struct casebus_client *client;
 *   struct casebus_call *call;
 *   struct casebus_reply reply;
 *   casebus_client_new(&client, casebus_client_options());
 *   casebus_call_new(&call);
 *   casebus_call_begin(call, CASEBUS_OP_CASE_GET);
 *   casebus_call_text(call, "id", "hse:4812345");
 *   if (casebus_call_send(call, client, &reply, 5000) == 0) {
 *       record = casebus_map_get(reply.result, "case");
 *   }
 *
 * Every operation is safe to repeat, and within its time a request is repeated until something
 * answers it. A handle belongs to one thread. Times are in milliseconds; negative: no limit. */
#ifndef CASEBUS_CLIENT_H
#define CASEBUS_CLIENT_H

#include <casebus/request.h>

struct casebus_client;

struct casebus_client_options {
    const char *query;  /* the broker's endpoint for requests */
    const char *secret; /* file of our own key pair, see casebus/keys.h; NULL: plain */
    const char *server; /* file of the broker's public key; with `secret` */
    void *context;      /* a ZeroMQ context to share; NULL: one of its own */
};
/* The defaults: this machine, plain, a context of its own. */
struct casebus_client_options casebus_client_options(void);

/* Does not wait for the broker. 0, CASEBUS_EINVAL (an impossible endpoint), CASEBUS_EKEY (a key
 * file; casebus_credentials_read() says why), CASEBUS_ENOMEM, CASEBUS_EIO. */
int casebus_client_new(struct casebus_client **self_p, struct casebus_client_options options);
void casebus_client_destroy(struct casebus_client **self_p);

/* Sends an encoded request and waits for its reply, which is borrowed until the next call.
 * 0; or the broker's refusal, which is in reply->error too, with its text; or, with
 * reply->error 0: CASEBUS_EUNREACHABLE (there was nobody to send it to), CASEBUS_ETIMEDOUT
 * (sent, not answered), CASEBUS_EINTR, CASEBUS_EPROTO (what came back is not a reply),
 * CASEBUS_EINVAL (an empty request), CASEBUS_ETOOLARGE, CASEBUS_ENOMEM, CASEBUS_EIO. */
int casebus_client_call(struct casebus_client *self, struct casebus_bytes request,
                        struct casebus_reply *reply, int timeout_ms);

/* The same in two steps, for a caller with a loop of its own. The request is copied, and takes
 * the place of one that still waits. When casebus_client_receive() runs out of time the request
 * goes on waiting: call it again. It sends again when it must, so call it now and then. Its
 * results are those of casebus_client_call(); CASEBUS_EINVAL: no request waits. */
int casebus_client_send(struct casebus_client *self, struct casebus_bytes request);
int casebus_client_receive(struct casebus_client *self, struct casebus_reply *reply,
                           int timeout_ms);
/* For zmq_poll() with ZMQ_POLLIN: something may have come. Not to be read from. */
void *casebus_client_socket(const struct casebus_client *self);

/* --- building requests ------------------------------------------------------------------ */

/* One object serves any number of requests. Arguments are copied. Adding never fails: what went
 * wrong is the result of casebus_call_encoded() or casebus_call_send(). */
struct casebus_call;
/* 0 or CASEBUS_ENOMEM. */
int casebus_call_new(struct casebus_call **self_p);
void casebus_call_destroy(struct casebus_call **self_p);

/* Requests begun from now on are answered as a reader of this audience of the broker may know
 * (PROTOCOL.md, "Audiences"); NULL: with all that the asker may see. Copied; 0 or
 * CASEBUS_ENOMEM. */
int casebus_call_audience(struct casebus_call *self, const char *audience);
void casebus_call_begin(struct casebus_call *self, enum casebus_op op);
void casebus_call_text(struct casebus_call *self, const char *key, const char *text);
void casebus_call_str(struct casebus_call *self, const char *key, struct casebus_bytes text);
void casebus_call_bin(struct casebus_call *self, const char *key, struct casebus_bytes data);
void casebus_call_uint(struct casebus_call *self, const char *key, uint64_t value);
void casebus_call_bool(struct casebus_call *self, const char *key, bool value);
void casebus_call_texts(struct casebus_call *self, const char *key, const char *const *texts,
                        size_t count);

/* The request, borrowed until the next call. 0, CASEBUS_ENOMEM, CASEBUS_ETOOLARGE, or
 * CASEBUS_EINVAL: none was begun. */
int casebus_call_encoded(struct casebus_call *self, struct casebus_bytes *request);
/* casebus_client_call() with it; it may be sent again, also with more arguments. */
int casebus_call_send(struct casebus_call *self, struct casebus_client *client,
                      struct casebus_reply *reply, int timeout_ms);

#endif
