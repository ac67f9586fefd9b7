/* What may be an endpoint, by its text alone; see casebus/endpoint.h. */
#include <casebus/endpoint.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define EXAMPLE "tcp://127.0.0.1:7401"

static const char *const no_endpoint =
    "must be an endpoint, tcp://ADDRESS:PORT or ipc://PATH, as " EXAMPLE;

/* What is behind the scheme; NULL: it has another. */
static const char *behind(const char *endpoint, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncmp(endpoint, scheme, size) == 0 ? endpoint + size : NULL;
}

static const char *path_fault(const char *path)
{
    return path[0] == '\0'                                             ? no_endpoint
           : strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path ? "has too long a path"
                                                                       : NULL;
}

const char *casebus_endpoint_fault(const char *endpoint)
{
    const char *path = behind(endpoint, "ipc://"), *address = behind(endpoint, "tcp://");
    if (!address) {
        return path ? path_fault(path) : no_endpoint;
    }
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address) {
        return no_endpoint;
    }
    return strtoul(colon + 1, NULL, 10) > 65535 ? "has a port above 65535" : NULL;
}

/* libzmq takes no other characters in an address that it connects to. */
static bool is_address(const char *text, const char *end)
{
    for (; text < end; text++) {
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        if (!letter && !strchr("0123456789.-_:;%[]", *text)) {
            return false;
        }
    }
    return true;
}

static bool is_port(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0' && strtoul(text, NULL, 10) > 0;
}

const char *casebus_endpoint_connect_fault(const char *endpoint)
{
    const char *fault = casebus_endpoint_fault(endpoint);
    const char *address = behind(endpoint, "tcp://");
    if (fault || !address) {
        return fault;
    }
    const char *colon = strrchr(address, ':');
    if (address[0] == '*') {
        return "is where a broker binds: to connect give its address, as " EXAMPLE;
    }
    if (!is_address(address, colon)) {
        return no_endpoint;
    }
    return is_port(colon + 1) ? NULL : "needs a port from 1 to 65535, as " EXAMPLE;
}
