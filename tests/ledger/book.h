/* The ledger of one driver: lines of JSON that outlive a kill -9 (ledger.py says which).
 *
 * A line is written whole, with one write(2), when it is flushed: what the kernel has taken
 * stays when the process is killed. */
#ifndef TESTS_LEDGER_BOOK_H
#define TESTS_LEDGER_BOOK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct book {
    int fd;
    char *data;
    size_t size, room;
};

/* Opens to append; a half line that a killed process left is ended. Ends the program on
 * failure. */
void book_open(struct book *self, const char *path);
void book_close(struct book *self);
/* Adds text to what is flushed next. */
void book_add(struct book *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
void book_add_hex(struct book *self, const unsigned char *data, size_t size);
void book_flush(struct book *self);

/* What to do about a failure of the test's own: say it, and leave with 70. */
_Noreturn void give_up(const char *what, const char *why);
/* A number of the command line; ends the program where it is none. */
uint64_t number_of(const char *text);
uint64_t now_us(void); /* CLOCK_MONOTONIC */
/* SIGTERM and SIGINT set it. */
extern volatile int stopping;
void catch_stop(void);

#endif
