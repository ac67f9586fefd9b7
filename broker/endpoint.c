/* Endpoints to bind: what may be one, where it may be, and whether two are one place. */
#include "endpoint.h"

#include <casebus/endpoint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without keys nothing is encrypted, so nothing may leave the machine. */
static bool is_local(const char *endpoint)
{
    static const char *const hosts[] = {"tcp://127.",
                                        "tcp://localhost:", "tcp://[::1]:", "ipc://"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (strncmp(endpoint, hosts[i], strlen(hosts[i])) == 0) {
            return true;
        }
    }
    return false;
}

const char *endpoint_fault(const char *value, size_t size)
{
    const char *fault = casebus_endpoint_fault(value);
    return !fault && strlen(value) >= size ? "is too long" : fault;
}

/* Whoever may enter the folder may connect, and plain ipc is `local`. */
static const char *folder_fault(const char *endpoint)
{
    const char *path = endpoint + strlen("ipc://"), *slash = strrchr(path, '/');
    char folder[256];
    struct stat st;
    if (path[0] == '@' || strcmp(path, "*") == 0) {
        return "must be a path where --secret is given, in a folder of our own with mode 0700";
    }
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1,
             slash ? path : ".");
    if (stat(folder[0] ? folder : "/", &st) != 0 || !S_ISDIR(st.st_mode)) {
        return "has no folder to be in";
    }
    return st.st_uid != geteuid() || (st.st_mode & 077)
               ? "must be in a folder of our own with mode 0700, where --secret is given: who "
                 "connects there needs no key"
               : NULL;
}

const char *endpoint_place_fault(const char *endpoint, bool keyed)
{
    if (!keyed) {
        return is_local(endpoint)
                   ? NULL
                   : "must be on this machine, tcp://127.0.0.1:PORT or ipc://PATH: without "
                     "--secret endpoints are not encrypted";
    }
    return strncmp(endpoint, "ipc://", 6) == 0 ? folder_fault(endpoint) : NULL;
}

/* Does it ask for any free port (0, *) or path (*)? */
static bool is_any_free_one(const char *endpoint)
{
    const char *last = strrchr(endpoint, ':') + 1;
    return strncmp(endpoint, "ipc://", 6) == 0
               ? strcmp(endpoint, "ipc://*") == 0
               : strcmp(last, "*") == 0 || strcmp(last, "0") == 0;
}

/* Do these hosts, of so many bytes each, share an address? A name is taken as it is spelt. */
static bool is_same_host(const char *a, size_t size_a, const char *b, size_t size_b)
{
    static const char *const all[] = {"*", "0.0.0.0", "[::]"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t size = strlen(all[i]);
        if ((size == size_a && memcmp(a, all[i], size) == 0) ||
            (size == size_b && memcmp(b, all[i], size) == 0)) {
            return true;
        }
    }
    return size_a == size_b && memcmp(a, b, size_a) == 0;
}

bool endpoint_same_place(const char *a, const char *b)
{
    static const char tcp[] = "tcp://";
    size_t head = sizeof tcp - 1;
    if (is_any_free_one(a) || is_any_free_one(b)) {
        return false;
    }
    if (strncmp(a, tcp, head) != 0 || strncmp(b, tcp, head) != 0) {
        return strcmp(a, b) == 0;
    }
    const char *port_a = strrchr(a + head, ':'), *port_b = strrchr(b + head, ':');
    return port_a && port_b && strcmp(port_a, port_b) == 0 &&
           is_same_host(a + head, (size_t)(port_a - a) - head, b + head,
                        (size_t)(port_b - b) - head);
}
