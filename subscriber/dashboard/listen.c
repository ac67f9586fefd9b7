/* The address to serve on: loopback only, unless there are accounts and a proxy in front that
 * speaks TLS. Without accounts whoever reaches the port may read and decide everything; without
 * TLS passwords and cookies would go over the network as they are.
 *
 * The socket is bound here and not by libmicrohttpd, which does not say why it could not. */
#include "listen.h"

#include "peer.h"

#include <casebus/errors.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* host:port; false: it is none. */
static bool split(const char *text, char *host, size_t room, uint16_t *port)
{
    const char *const colon = strrchr(text, ':');
    char *end;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= room) {
        return false;
    }
    const unsigned long number = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || number > 65535) {
        return false;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *port = (uint16_t)number;
    return true;
}

/* 0: not an address. */
static socklen_t read_address(const char *text, union address *out, char *host, size_t room)
{
    uint16_t port;
    if (!split(text, host, room, &port)) {
        return 0;
    }
    memset(out, 0, sizeof *out);
    if (strcmp(host, "localhost") == 0) {
        snprintf(host, room, "127.0.0.1");
    }
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return sizeof out->v4;
    }
    const size_t size = strlen(host);
    char inner[64];
    if (host[0] != '[' || host[size - 1] != ']') {
        return 0;
    }
    snprintf(inner, sizeof inner, "%.*s", (int)(size - 2), host + 1);
    if (inet_pton(AF_INET6, inner, &out->v6.sin6_addr) != 1) {
        return 0;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    return sizeof out->v6;
}

static int bind_to(struct listening *self, union address *address, socklen_t size)
{
    const int on = 1;
    self->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->fd < 0) {
        return CASEBUS_EIO;
    }
    setsockopt(self->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(self->fd, &address->any, size) != 0 || listen(self->fd, BACKLOG) != 0) {
        return errno == EADDRINUSE ? CASEBUS_ELOCKED : CASEBUS_EIO;
    }
    if (getsockname(self->fd, &address->any, &size) != 0) {
        return CASEBUS_EIO;
    }
    self->port =
        ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
    snprintf(self->address, sizeof self->address, "%s:%u", self->host, self->port);
    return 0;
}

int listen_on(struct listening *self, const char *address, bool beyond, const char **why)
{
    union address bound;
    *self = (struct listening){.fd = -1};
    const socklen_t size = read_address(address, &bound, self->host, sizeof self->host);
    if (size == 0) {
        *why = "not an address and a port, like 127.0.0.1:7480 or [::1]:7480";
        return CASEBUS_EINVAL;
    }
    if (!beyond && !peer_is_loopback(&bound.any)) {
        *why = "beyond loopback only with accounts and behind a proxy that speaks TLS: "
               "--accounts and --behind-proxy";
        return CASEBUS_EINVAL;
    }
    const int rc = bind_to(self, &bound, size);
    if (rc != 0) {
        const int kept = errno;
        listen_close(self);
        errno = kept;
    }
    return rc;
}

void listen_close(struct listening *self)
{
    if (self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
}
