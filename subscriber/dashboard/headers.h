/* The headers of responses. */
#ifndef CASEBUS_DASHBOARD_HEADERS_H
#define CASEBUS_DASHBOARD_HEADERS_H

#include "request.h"

/* Those that keep a browser from doing more with any response than show it, and those that this
 * request's answer needs. */
void headers_add(const struct request *request, struct MHD_Response *response);

#endif
