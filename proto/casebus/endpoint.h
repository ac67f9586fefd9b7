/* Endpoints: tcp://ADDRESS:PORT or ipc://PATH.
 *
 * libzmq takes a port modulo 65536 and says of most others only that an argument is invalid;
 * these say what is wrong. Static texts that end a sentence beginning with the endpoint; NULL:
 * nothing is. */
#ifndef CASEBUS_ENDPOINT_H
#define CASEBUS_ENDPOINT_H

/* Of one to bind or to connect to: a port may be one that the system chooses. */
const char *casebus_endpoint_fault(const char *endpoint);
/* Of one to connect to. That somebody is there it does not say. */
const char *casebus_endpoint_connect_fault(const char *endpoint);

#endif
