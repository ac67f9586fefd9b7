/* What a program says to the service manager that started it: systemd's notify protocol
 * (sd_notify(3)), a datagram of lines like READY=1 to the socket named by NOTIFY_SOCKET. Where
 * nobody asked for it nothing is said.
 *
 * For the two programs that serve, and no part of the protocol or its library. One thread. */
#ifndef CASEBUS_NOTIFY_H
#define CASEBUS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd;           /* -1: nobody listens */
    int64_t every_ms; /* the watchdog wants to hear so often; 0: there is none */
    int64_t due_at;   /* monotonic ms */
};

/* From the environment. The socket is connected now, so that a sandbox may close the way to it
 * later. */
void notify_open(struct notify *self);
void notify_close(struct notify *self);
/* "READY=1\nSTATUS=serving". What cannot be sent is lost: the manager then acts on silence. */
void notify_say(const struct notify *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How long the watchdog may be left alone, as poll() takes it; -1: for ever. */
int notify_timeout(const struct notify *self);
/* True when it is to hear again, which is twice in the time it waits: whoever serves then says
 * WATCHDOG=1, if all is well. */
bool notify_due(struct notify *self);

#endif
