/* Who may be asking.
 *
 * A dashboard on loopback is reached by every page that a browser on this machine shows. Two
 * checks keep those pages out: the Host header must be a name of ours, or a page could have its
 * own name resolve to 127.0.0.1 and read us as if we were its server; and what changes anything
 * must say that it comes from our own page, or a form anywhere could post to us. */
#include "guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the port begins; the end where there is none. "[::1]" has colons of its own. */
static const char *port_of(const char *host)
{
    const char *const bracket = strrchr(host, ']');
    const char *const from = bracket != NULL ? bracket : host;
    return from + strcspn(from, ":");
}

static bool is_port(const char *text)
{
    return *text == '\0' || (text[1] != '\0' && strlen(text) <= 6 &&
                             text[1 + strspn(text + 1, "0123456789")] == '\0');
}

static bool is_among(const char *const *names, size_t count, const char *host, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == size && strncasecmp(names[i], host, size) == 0) {
            return true;
        }
    }
    return false;
}

bool guard_host(const struct guard *self, const char *host)
{
    if (host == NULL) {
        return false;
    }
    const char *const port = port_of(host);
    const size_t size = (size_t)(port - host);
    if (!is_port(port)) {
        return false;
    }
    if (is_among(self->allowed, self->allowed_count, host, size)) {
        return true;
    }
    const unsigned long number = *port == '\0' ? 80 : strtoul(port + 1, NULL, 10);
    return number == self->port && is_among(self->own, self->own_count, host, size);
}

bool guard_same_origin(const char *host, const char *origin, const char *fetch_site, bool tls)
{
    if (origin == NULL) {
        return fetch_site != NULL && strcmp(fetch_site, "same-origin") == 0;
    }
    const char *const start = strncmp(origin, "http://", 7) == 0 && !tls ? origin + 7
                              : strncmp(origin, "https://", 8) == 0      ? origin + 8
                                                                         : NULL;
    return start != NULL && host != NULL && strcasecmp(start, host) == 0;
}

static bool is_type(const char *content_type, const char *type)
{
    const size_t size = strlen(type);
    if (content_type == NULL || strncasecmp(content_type, type, size) != 0) {
        return false;
    }
    const char *const rest = content_type + size + strspn(content_type + size, " \t");
    return *rest == '\0' || *rest == ';';
}

bool guard_is_json(const char *content_type)
{
    return is_type(content_type, "application/json");
}

bool guard_is_form(const char *content_type)
{
    return is_type(content_type, "application/x-www-form-urlencoded");
}
