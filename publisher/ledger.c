/* Which number is which line. The broker names what it refuses by number, people by line; and
 * what a session needs is numbered as well, but not counted with the records.
 *
 * No more than a window is ever unconfirmed, so a window's worth of lines is all there is to
 * remember. */
#include "ledger.h"

void ledger_note(struct ledger *self, uint64_t number, unsigned long line)
{
    self->line[number % CASEBUS_PUBLISHER_WINDOW] = line;
    self->sent += line ? 1 : 0;
}

void ledger_confirm(struct ledger *self, uint64_t through)
{
    while (self->through < through) {
        self->through++;
        self->confirmed += ledger_line(self, self->through) ? 1 : 0;
    }
}

unsigned long ledger_line(const struct ledger *self, uint64_t number)
{
    return self->line[number % CASEBUS_PUBLISHER_WINDOW];
}
