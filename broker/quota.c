/* What actors have used of their limits; see quota.h.
 *
 * Accounts stand in sets, by a hash of the name: the place in it that was at rest for longest
 * is taken for a newcomer. There are four times as many places as there may be actors, so that
 * one who owes something, or waits, loses his by a chance of millions to one, and then begins
 * anew. */
#include "quota.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAYS 16
#define SETS (4 * ACTORS_MAX / WAYS)
#define SECOND INT64_C(1000000000) /* ns */
#define LINES_PER_S 1000           /* of all actors */

struct quota {
    struct counters *counters;
    struct log_limit lines;
    struct account account[SETS * WAYS];
};

static const struct {
    const char *name, *what;
} words[LIMIT_COUNT] = {
#define X(limit, name, type, preset, what, help) [limit] = {name, what},
    LIMITS(X)
#undef X
};

const char *limit_name(enum limit limit)
{
    return words[limit].name;
}

const char *limit_say(enum limit limit, uint64_t value, char text[LIMIT_TEXT_SIZE])
{
    snprintf(text, LIMIT_TEXT_SIZE, "over its limit of %llu %s (%s)", (unsigned long long)value,
             words[limit].what, words[limit].name);
    return text;
}

struct quota *quota_new(struct counters *counters)
{
    struct quota *self = calloc(1, sizeof *self);
    if (self) {
        self->counters = counters;
        self->lines.per_s = LINES_PER_S;
    }
    return self;
}

void quota_destroy(struct quota **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

int64_t quota_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* --- accounts ---------------------------------------------------------------------------- */

static uint64_t hash(const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
    }
    return h ^ h >> 32;
}

/* The instant from which on the account owes nothing; 0: it is nobody's. */
static int64_t at_rest(const struct account *a)
{
    int64_t latest = a->waiting > 0 ? INT64_MAX : 0;
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        latest = a->paid_until[i] > latest ? a->paid_until[i] : latest;
    }
    return latest;
}

struct account *quota_account(struct quota *self, const char *actor)
{
    struct account *set = &self->account[hash(actor) % SETS * WAYS], *longest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (strcmp(set[i].actor, actor) == 0) {
            return &set[i];
        }
        longest = at_rest(&set[i]) < at_rest(longest) ? &set[i] : longest;
    }
    *longest = (struct account){.waiting = 0};
    snprintf(longest->actor, sizeof longest->actor, "%s", actor);
    return longest;
}

/* --- rates ------------------------------------------------------------------------------- */

static int64_t period_of(enum limit limit)
{
    return limit == LIMIT_CONNECTIONS ? 60 * SECOND : SECOND;
}

/* How much of its time it takes, ns. */
static int64_t cost(enum limit limit, uint64_t more, uint64_t value)
{
    return (int64_t)(more * (uint64_t)period_of(limit) / value);
}

/* Has he less than one left? */
static bool is_over(struct account *self, enum limit limit, uint64_t value, int64_t now)
{
    if (self->value[limit] !=
        value) { /* changed: what was owed by the old limit is forgotten */
        self->value[limit] = value;
        self->paid_until[limit] = 0;
    }
    return self->paid_until[limit] - now > period_of(limit) - cost(limit, 1, value);
}

static void pay(struct account *self, enum limit limit, uint64_t more, int64_t now)
{
    const int64_t from = self->paid_until[limit] > now ? self->paid_until[limit] : now;
    self->paid_until[limit] = from + cost(limit, more, self->value[limit]);
}

enum limit account_take(struct account *self, const struct limits *limits,
                        const uint64_t more[LIMIT_COUNT], int64_t now)
{
    uint64_t value[LIMIT_COUNT];
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        value[i] = more[i] > 0 ? limit_of(limits, (enum limit)i) : 0;
        if (value[i] > 0 && is_over(self, (enum limit)i, value[i], now)) {
            return (enum limit)i;
        }
    }
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        if (value[i] > 0) {
            pay(self, (enum limit)i, more[i], now);
        }
    }
    return LIMIT_COUNT;
}

/* --- refusing ---------------------------------------------------------------------------- */

void quota_refuse(struct quota *self, struct account *account, enum limit limit, uint64_t value,
                  int64_t now, const char *where)
{
    count_refusal(self->counters, CASEBUS_ELIMITED);
    account->unsaid[limit]++;
    if (account->said_at[limit] != 0 && now - account->said_at[limit] < SECOND) {
        return;
    }
    log_limited(&self->lines, LEVEL_AUDIT, "limited actor=%s limit=%s value=%llu times=%llu %s",
                account->actor, limit_name(limit), (unsigned long long)value,
                (unsigned long long)account->unsaid[limit], where);
    account->unsaid[limit] = 0;
    account->said_at[limit] = now;
}
