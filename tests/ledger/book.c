/* Writes ledgers; book.h has the contract. */
#include "book.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile int stopping;

void give_up(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(70);
}

uint64_t number_of(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        give_up(text, "not a number");
    }
    return n;
}

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

void catch_stop(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

void book_open(struct book *self, const char *path)
{
    *self = (struct book){.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    if (self->fd < 0) {
        give_up(path, strerror(errno));
    }
    if (lseek(self->fd, 0, SEEK_END) > 0) {
        book_add(self, "\n");
    }
}

void book_close(struct book *self)
{
    book_flush(self);
    close(self->fd);
    free(self->data);
    *self = (struct book){.fd = -1};
}

static void make_room(struct book *self, size_t more)
{
    if (self->room - self->size >= more) {
        return;
    }
    self->room = (self->size + more) * 2;
    self->data = realloc(self->data, self->room);
    if (!self->data) {
        give_up("ledger", "out of memory");
    }
}

void book_add(struct book *self, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    make_room(self, (size_t)size + 1);
    vsnprintf(self->data + self->size, (size_t)size + 1, format, again);
    self->size += (size_t)size;
    va_end(again);
    va_end(args);
}

void book_add_hex(struct book *self, const unsigned char *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    make_room(self, 2 * size);
    for (size_t i = 0; i < size; i++) {
        self->data[self->size++] = digits[data[i] >> 4];
        self->data[self->size++] = digits[data[i] & 15];
    }
}

void book_flush(struct book *self)
{
    size_t done = 0;
    while (done < self->size) {
        ssize_t n = write(self->fd, self->data + done, self->size - done);
        if (n < 0 && errno != EINTR) {
            give_up("ledger", strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    self->size = 0;
}
