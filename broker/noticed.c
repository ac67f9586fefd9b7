/* What is known of a publisher's reports; see noticed.h.
 *
 * A publisher sends again from the first that is undecided, in order. So what was not taken in
 * its last round is known from the time on when the first of it came, and with that decided the
 * next one is what its polls have to tell of. */
#include "noticed.h"

static void forget_decided(struct noticed *self)
{
    for (int i = 0; i < 2 && self->first.number <= self->decided; i++) {
        self->first = self->then;
        self->then.number = 0;
    }
}

static void add_untaken(struct noticed *self, const struct untaken *more)
{
    if (more->number <= self->decided) {
        return;
    }
    if (self->first.number == 0 || more->number <= self->first.number) {
        self->first = *more;
        self->then.number = 0;
    } else if (self->then.number == 0 || more->number <= self->then.number) {
        self->then = *more;
    }
}

void noticed_add(struct noticed *self, const struct noticed *more)
{
    if (more->decided > 0) {
        self->decided = more->decided;
    }
    forget_decided(self);
    add_untaken(self, &more->first);
    add_untaken(self, &more->then);
}
