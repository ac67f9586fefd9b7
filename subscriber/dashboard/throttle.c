/* How often something may be tried. A key has one number, the time at which all its tries will
 * have been paid for: each puts it off by the refill time, and it may lie ahead by a burst.
 *
 * A table has sets of eight, and the least owing of a set leaves for a newcomer. So what a key
 * owes is forgotten only where the seven others of its set owe as much, and nobody can choose
 * who these are. A try that was given back owes nothing, however many there are of them; one
 * that was not is an address's, which has few, and who wants many addresses in the table needs
 * a network for each. */
#include "throttle.h"

#include <casebus/errors.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SETS 512
#define WAYS 8
#define KEY_HASH 16

struct place {
    unsigned char key[KEY_HASH];
    int64_t paid_at;
};

struct throttle {
    unsigned char secret[crypto_generichash_KEYBYTES]; /* nobody chooses who he collides with */
    int64_t ahead_max, refill_ms;
    struct place place[SETS][WAYS];
};

int throttle_new(struct throttle **self_p, unsigned burst, int64_t refill_ms)
{
    struct throttle *const self = calloc(1, sizeof *self);
    *self_p = self;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    randombytes_buf(self->secret, sizeof self->secret);
    self->refill_ms = refill_ms;
    self->ahead_max = (burst - 1) * refill_ms;
    return 0;
}

void throttle_destroy(struct throttle **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

/* The key's place, or the one of its set that goes for it. */
static struct place *find(struct throttle *self, const void *key, size_t size)
{
    unsigned char hash[KEY_HASH];
    crypto_generichash(hash, sizeof hash, key, size, self->secret, sizeof self->secret);
    struct place *const set = self->place[(hash[0] | hash[1] << 8) % SETS];
    struct place *least = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (memcmp(set[i].key, hash, sizeof hash) == 0) {
            return &set[i];
        }
        least = set[i].paid_at < least->paid_at ? &set[i] : least;
    }
    memcpy(least->key, hash, sizeof hash);
    least->paid_at = 0;
    return least;
}

int64_t throttle_try(struct throttle *self, const void *key, size_t size, int64_t now)
{
    struct place *const place = find(self, key, size);
    const int64_t ahead = place->paid_at - now;
    if (ahead > self->ahead_max) {
        return ahead - self->ahead_max;
    }
    place->paid_at = (ahead > 0 ? place->paid_at : now) + self->refill_ms;
    return 0;
}

void throttle_give_back(struct throttle *self, const void *key, size_t size)
{
    find(self, key, size)->paid_at -= self->refill_ms;
}
