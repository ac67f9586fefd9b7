/* Who may be asking: what a request's headers must say before anything is done for it. */
#ifndef CASEBUS_DASHBOARD_GUARD_H
#define CASEBUS_DASHBOARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#define GUARD_NAMES_MAX 16

/* The names under which this server is spoken to. */
struct guard {
    const char *own[GUARD_NAMES_MAX]; /* with our port behind them */
    size_t own_count;
    const char *allowed[GUARD_NAMES_MAX]; /* --allow-host: with any port; a proxy has its own */
    size_t allowed_count;
    unsigned port;
};

/* "localhost:7480", "[::1]:7480"; a port that is left out is 80. */
bool guard_host(const struct guard *self, const char *host);
/* A write may come from our own pages only: Origin names the host the request went to, or,
 * where a browser sends none, Sec-Fetch-Site says so. NULL: header absent. `tls`: the request
 * came over TLS, so its page must have, too. */
bool guard_same_origin(const char *host, const char *origin, const char *fetch_site, bool tls);
/* application/json, whatever parameters follow. */
bool guard_is_json(const char *content_type);
/* application/x-www-form-urlencoded, in the same way. */
bool guard_is_form(const char *content_type);

#endif
