/* Who is at the other end.
 *
 * What a request says of itself is believed from one address only, the declared proxy's; and of
 * X-Forwarded-For only the last element, which that proxy wrote: what stands before came from
 * the browser. Beyond loopback nothing is served that did not come through the proxy over TLS,
 * for passwords and cookies go along. */
#include "peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool read_text(const char *text, struct in6_addr *out)
{
    char mapped[INET6_ADDRSTRLEN + 8];
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) != 1) {
        return inet_pton(AF_INET6, text, out) == 1;
    }
    snprintf(mapped, sizeof mapped, "::ffff:%s", text);
    return inet_pton(AF_INET6, mapped, out) == 1;
}

bool peer_is_address(const char *text)
{
    struct in6_addr unused;
    return read_text(text, &unused);
}

/* Both families as one: IPv4 mapped into IPv6. */
static struct in6_addr address_of(const struct sockaddr *from)
{
    struct in6_addr out = {0};
    if (from->sa_family == AF_INET6) {
        return ((const struct sockaddr_in6 *)from)->sin6_addr;
    }
    out.s6_addr[10] = out.s6_addr[11] = 0xff;
    memcpy(&out.s6_addr[12], &((const struct sockaddr_in *)from)->sin_addr, 4);
    return out;
}

bool peer_is_loopback(const struct sockaddr *address)
{
    const struct in6_addr any = address_of(address);
    return IN6_IS_ADDR_V4MAPPED(&any) ? any.s6_addr[12] == 127
                                      : IN6_IS_ADDR_LOOPBACK(&any) != 0;
}

static void set_address(struct peer *self, const struct in6_addr *address)
{
    const bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    inet_ntop(v4 ? AF_INET : AF_INET6,
              v4 ? (const void *)&address->s6_addr[12] : (const void *)address, self->address,
              sizeof self->address);
    memset(self->key, 0, sizeof self->key);
    memcpy(self->key, address, v4 ? 16 : 8);
}

static bool read_last(const char *list, struct in6_addr *out)
{
    char last[INET6_ADDRSTRLEN];
    const char *const comma = strrchr(list, ',');
    const char *at = comma != NULL ? comma + 1 : list;
    at += strspn(at, " \t");
    const size_t size = strcspn(at, " \t");
    if (size >= sizeof last) {
        return false;
    }
    memcpy(last, at, size);
    last[size] = '\0';
    return read_text(last, out);
}

const char *peer_read(struct peer *self, const struct sockaddr *from, const char *proxy,
                      const char *forwarded_for, const char *forwarded_proto)
{
    struct in6_addr address = address_of(from), trusted, browser;
    *self = (struct peer){.tls = false};
    set_address(self, &address);
    if (proxy == NULL) {
        return NULL;
    }
    if (!read_text(proxy, &trusted) || memcmp(&address, &trusted, sizeof address) != 0) {
        return peer_is_loopback(from) ? NULL : "this server is reached through its proxy only";
    }
    if (forwarded_proto == NULL || strcmp(forwarded_proto, "https") != 0) {
        return "the proxy must be reached over TLS, and say so (X-Forwarded-Proto: https)";
    }
    if (forwarded_for == NULL || !read_last(forwarded_for, &browser)) {
        return "the proxy must say for whom it asks (X-Forwarded-For)";
    }
    set_address(self, &browser);
    self->tls = true;
    return NULL;
}
