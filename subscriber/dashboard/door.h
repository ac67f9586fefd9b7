/* The door: what stands between a request and everything else where there are accounts. */
#ifndef CASEBUS_DASHBOARD_DOOR_H
#define CASEBUS_DASHBOARD_DOOR_H

#include "request.h"

/* Finds out who asks, by the cookie; where nobody has signed in and the route is not an open
 * one, the request is answered: a page leads to /login, anything else gets 401. */
void door_check(struct request *request);
/* When the body is here too, which may take a while: a login that has ended since is none. */
void door_check_again(struct request *request);
/* The request is over. */
void door_forget(struct request *request);

#endif
