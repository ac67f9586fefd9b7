/* An HTTP request on its way through: what was asked, what the broker is asked for it, and the
 * answer.
 *
 * A route is a function that is called again and again: it either asks the broker, and is
 * called when all it asked for has come, or answers. Meanwhile the connection sleeps. */
#ifndef CASEBUS_DASHBOARD_REQUEST_H
#define CASEBUS_DASHBOARD_REQUEST_H

#include "../json.h"
#include "dashboard.h"
#include "people.h"
#include "url.h"

#include <microhttpd.h>

#define BODY_MAX (64 * 1024)
#define FETCHES_MAX 8
#define FETCH_MS 2000   /* somebody looks at an empty page meanwhile */
#define REFILL_MS 30000 /* and here at what came before: better late than cut off */

struct fetch {
    struct request *request;
    bool asked, here;
    int error; /* 0 or a code; then reply.error_text may say more */
    struct casebus_reply reply;
    unsigned char *body; /* what the reply points into */
};

struct attempt;
struct slots;

struct request {
    struct request *next, **back; /* of those that sleep: the server's */
    struct dashboard *dashboard;
    struct MHD_Connection *connection;
    char *target; /* as it came; NULL without people */
    struct url url;
    int url_error;
    struct peer peer;
    struct person person;    /* who asks, where there are people */
    struct attempt *attempt; /* to sign in: the door's */
    const struct route *route;
    unsigned step; /* times the route was called */

    bool checked, suspended;
    struct text upload;
    size_t upload_size; /* of all that came, kept or not */

    struct fetch fetch[FETCHES_MAX];
    unsigned waiting; /* fetches that are not here */

    bool answered;
    unsigned status;
    const char *type, *allow;     /* allow: with 405 */
    unsigned retry_after;         /* seconds; 0: not said */
    struct text location, cookie; /* headers, where they are not empty */
    struct text body;
    size_t body_done;                          /* of a body that is given in pieces */
    void (*refilled)(struct request *request); /* a fetch is here, after the answer began */
    struct MHD_Response *response;             /* instead of a body */
};

struct route {
    bool post;
    const char *path; /* "/cases/" "*": a segment that may be anything */
    bool stream;      /* the answer has no end: nothing for HEAD */
    void (*run)(struct request *request);
    bool open;         /* for everybody, signed in or not */
    bool form;         /* the body is a form's */
    bool file;         /* no page: nothing to lead on to /login from */
    const char *takes; /* names of arguments, separated by blanks; NULL: any */
};
/* By method and path; NULL: none. */
const struct route *route_find(const struct url *url, bool post);
/* What the path takes, as `Allow` says it; NULL: there is no such path. */
const char *route_methods(const struct url *url);
/* The first argument that the route does not take, which would widen what is answered to all
 * there is, or that is there twice; NULL: none. */
const char *route_wrong_argument(const struct route *route, const struct url *url,
                                 struct text *why);

/* The n-th segment of the path, from 0. */
static inline const char *request_segment(const struct request *self, unsigned n)
{
    return self->url.segment[n];
}
static inline const char *request_parameter(const struct request *self, const char *name)
{
    return url_parameter(&self->url, name);
}

/* --- asking ------------------------------------------------------------------------------- */

/* Begins a request to the broker, on behalf of the person who asks; arguments by
 * casebus_call_…() on what it returns. */
struct casebus_call *request_call(struct request *self, enum casebus_op op);
/* The same names in the query string and in the call: texts as they are, where they are given.
 * `limit` (1 to 500) and `next` (hex) by their own; false after an answer that says what is
 * wrong. */
void request_pass_text(struct request *self, struct casebus_call *call, const char *name);
bool request_pass_page(struct request *self, struct casebus_call *call);
/* Sends the call; what comes back is in fetch[slot]. */
void request_fetch(struct request *self, unsigned slot, struct casebus_call *call);
/* A value of the result in a slot; absent where it has failed. */
struct casebus_bytes request_result(const struct request *self, unsigned slot, const char *key);

/* --- answering ---------------------------------------------------------------------------- */

bool request_is_api(const struct request *self);
/* The body is self->body. */
void request_answer(struct request *self, unsigned status, const char *type);
/* A sentence: a page or JSON, as the path is. */
void request_refuse(struct request *self, unsigned status, const char *code,
                    struct casebus_bytes text, struct casebus_bytes field);
void request_refuse_text(struct request *self, unsigned status, const char *code,
                         const char *text);
/* 303, see there: a path of ours. */
void request_redirect(struct request *self, const char *location);
/* Who asks, for the top of a page; nobody where there are no accounts. */
void request_fill_person(const struct request *self, struct slots *slots);
/* Why there is no result, for people. */
struct casebus_bytes request_reason(const struct fetch *fetch);
/* The HTTP status of what came back: 200, or that of its error. */
unsigned request_status(const struct fetch *fetch);
/* What the broker said, or that it said nothing. */
void request_refuse_fetch(struct request *self, unsigned slot);
/* Begins an answer with the result in slot 0, {"epoch", "seq", …, and ends it; false after a
 * refusal. */
bool request_begin_result(struct request *self, struct json *json);
void request_end_result(struct request *self, struct json *json);
/* Both, for routes that add nothing. */
void request_answer_result(struct request *self);

/* --- for the server ----------------------------------------------------------------------- */

struct request *request_new(struct dashboard *dashboard, struct MHD_Connection *connection,
                            const char *target);
void request_free(struct request *self);
/* Calls the route until it has answered or waits. */
void request_run(struct request *self);
/* The same for one that sleeps, when something it waits for is here. */
void request_go_on(struct request *self);

#endif
