/* What each response says beside its body. */
#include "headers.h"

#include <stdio.h>

static const struct {
    const char *name, *value;
} always[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "same-origin"}, /* without one a form's Origin is "null" */
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

void headers_add(const struct request *request, struct MHD_Response *response)
{
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        MHD_add_response_header(response, always[i].name, always[i].value);
    }
    if (request->type != NULL) {
        MHD_add_response_header(response, "Content-Type", request->type);
    }
    if (MHD_get_response_header(response, "Cache-Control") == NULL) {
        MHD_add_response_header(response, "Cache-Control", "no-store");
    }
    if (request->status == 405) {
        MHD_add_response_header(response, "Allow", request->allow);
    }
    if (request->status == 401) {
        MHD_add_response_header(response, "WWW-Authenticate", "Login realm=\"casebus\"");
    }
    if (request->status == 503 || request->retry_after > 0) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u",
                 request->retry_after > 0 ? request->retry_after : 2);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (request->location.size > 0) {
        MHD_add_response_header(response, "Location", text_get(&request->location));
    }
    if (request->cookie.size > 0) {
        MHD_add_response_header(response, "Set-Cookie", text_get(&request->cookie));
    }
}
