/* HTTP: the daemon of libmicrohttpd, driven by our loop. */
#ifndef CASEBUS_DASHBOARD_SERVER_H
#define CASEBUS_DASHBOARD_SERVER_H

#include "dashboard.h"

struct request;

/* Listens and prepares to serve. 0; CASEBUS_EINVAL: *why says what is wrong with the address;
 * CASEBUS_ELOCKED: the port is taken; CASEBUS_EIO, CASEBUS_ENOMEM. */
int server_new(struct server **self_p, struct dashboard *dashboard, const char **why);
/* Streams must have been ended, and all that slept woken. */
void server_destroy(struct server **self_p);

/* "127.0.0.1:7480", as it is bound. */
const char *server_address(const struct server *self);

/* For zmq_poll(), ZMQ_POLLIN. */
int server_descriptor(const struct server *self);
int server_timeout(const struct server *self);
void server_step(struct server *self);

/* Before the end: those that wait for the broker get no answer any more. */
void server_wake_all(struct server *self);
/* The request's connection sleeps until it is woken: from its handler or its content reader. */
void server_sleep(struct request *request);
void server_wake(struct request *request);

#endif
