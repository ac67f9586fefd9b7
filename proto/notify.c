/* The notify protocol of notify.h: so little of it is used that a library would be more. */
#include "notify.h"

#include "clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or a name of the abstract kind, which is written with @ for its NUL. */
static int connect_to(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = name ? strlen(name) : 0;
    if (size < 2 || size > sizeof to.sun_path || (name[0] != '/' && name[0] != '@')) {
        return -1;
    }
    memcpy(to.sun_path, name, size);
    if (to.sun_path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, length) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Half of what the watchdog waits, if it is our watchdog. */
static int64_t half_of_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtoll(pid, NULL, 10) != getpid())) {
        return 0;
    }
    unsigned long long us = strtoull(usec, NULL, 10);
    return us >= 2000 && us < INT64_MAX ? (int64_t)(us / 2000) : 0;
}

void notify_open(struct notify *self)
{
    self->fd = connect_to(getenv("NOTIFY_SOCKET"));
    self->every_ms = self->fd >= 0 ? half_of_watchdog() : 0;
    self->due_at = clock_mono_ms() + self->every_ms;
}

void notify_close(struct notify *self)
{
    if (self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
}

void notify_say(const struct notify *self, const char *format, ...)
{
    char text[512];
    va_list args;
    if (self->fd < 0) {
        return;
    }
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size > 0) {
        size_t sent = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
        (void)!send(self->fd, text, sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

int notify_timeout(const struct notify *self)
{
    if (self->every_ms == 0) {
        return -1;
    }
    int64_t left = self->due_at - clock_mono_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

bool notify_due(struct notify *self)
{
    int64_t now = clock_mono_ms();
    if (self->every_ms == 0 || now < self->due_at) {
        return false;
    }
    self->due_at = now + self->every_ms;
    return true;
}
