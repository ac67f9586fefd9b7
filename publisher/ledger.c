/* Which number is which line. The broker names what it refuses by number, people by line; and
 * what a session needs is numbered as well, but not counted with the records.
 *
 * Only what is not confirmed yet is remembered: as much as the publisher keeps, which is a
 * window or an outbox. */
#include "ledger.h"

#include <casebus/errors.h>
#include <stdbool.h>
#include <stdlib.h>

#define ROOM_LEAST 8192

void ledger_begin(struct ledger *self, uint64_t through)
{
    *self = (struct ledger){.through = through, .last = through};
}

void ledger_end(struct ledger *self)
{
    free(self->line);
    *self = (struct ledger){.line = NULL};
}

static int grow(struct ledger *self)
{
    uint64_t room = self->room ? self->room * 2 : ROOM_LEAST;
    unsigned long *line = calloc(room, sizeof *line);
    if (!line) {
        return CASEBUS_ENOMEM;
    }
    for (uint64_t n = self->through + 1; n <= self->last; n++) {
        line[n % room] = self->line[n % self->room];
    }
    free(self->line);
    self->line = line;
    self->room = room;
    return 0;
}

int ledger_note(struct ledger *self, uint64_t number, unsigned long line)
{
    while (number - self->through > self->room) {
        int error = grow(self);
        if (error) {
            return error;
        }
    }
    self->line[number % self->room] = line;
    self->last = number;
    self->sent += line ? 1 : 0;
    return 0;
}

void ledger_confirm(struct ledger *self, uint64_t through)
{
    while (self->through < through && self->through < self->last) {
        self->confirmed += ledger_line(self, self->through + 1) ? 1 : 0;
        self->through++;
    }
}

void ledger_forget(struct ledger *self, uint64_t above)
{
    for (; self->last > above && self->last > self->through; self->last--) {
        self->sent -= ledger_line(self, self->last) ? 1 : 0;
    }
}

unsigned long ledger_line(const struct ledger *self, uint64_t number)
{
    bool is_open = number > self->through && number <= self->last;
    return is_open ? self->line[number % self->room] : 0;
}
