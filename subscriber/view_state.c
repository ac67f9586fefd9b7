/* What a view says of itself: its state, how far its rows are complete, and the words for it.
 *
 * It is true of the last step: what changes by time alone makes a step due (view_due()). */
#include "view_private.h"

#include "clock.h"

#include <stdio.h>
#include <time.h>

#define OVERDUE_MS 1000 /* an answer may take so long before a view is said to be behind */

/* Is it an error that passes by itself? Then the query is asked again in a while. */
static bool is_passing(int error)
{
    return error == 0 || casebus_error_passes(error) || error == CASEBUS_ETIMEDOUT ||
           error == CASEBUS_ENOMEM;
}

/* The times at which, if nothing comes, it is stale or behind; INT64_MAX: never. */
struct limits {
    int64_t unheard, unanswered, overdue;
};

static struct limits limits_of(const struct casebus_view *self)
{
    const struct casebus_views *hub = self->hub;
    const struct source *source = self->source;
    const int64_t heard = hub->heard != INT64_MIN ? hub->heard : hub->opened;
    struct limits limits = {.unheard = heard + hub->options.stale_ms,
                            .unanswered = INT64_MAX,
                            .overdue = INT64_MAX};
    if (view_is_awake(self) && source->ask.token != 0) {
        limits.unanswered = source->ask.since + hub->options.stale_ms;
    }
    if (view_is_awake(self) && source->moved_at != INT64_MAX) {
        limits.overdue = source->moved_at + self->options.refetch_window_ms + OVERDUE_MS;
    }
    return limits;
}

int64_t view_due(const struct casebus_view *self)
{
    const struct limits limits = limits_of(self);
    const int64_t now = hub_now(self->hub),
                  times[] = {limits.unheard, limits.unanswered, limits.overdue};
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        due = times[i] > now && times[i] < due ? times[i] : due;
    }
    return due;
}

/* Its state; where it is stale, since when on the hub's clock and why. */
static enum casebus_view_state find_state(const struct casebus_view *self, int64_t *since,
                                          int *error)
{
    const struct limits limits = limits_of(self);
    const int64_t now = hub_now(self->hub);
    const int refused = self->source->error;
    *error = self->taken != NULL ? self->taken->error : 0;
    if (self->hub->heard == INT64_MIN && (self->taken == NULL || now < limits.unheard)) {
        *error = now < limits.unheard ? *error : CASEBUS_EUNREACHABLE;
        return CASEBUS_VIEW_CONNECTING;
    }
    if (now >= limits.unheard || now >= limits.unanswered) {
        *since = now >= limits.unheard ? limits.unheard : limits.unanswered;
        *since -= self->hub->options.stale_ms;
        *error = CASEBUS_EUNREACHABLE;
        return CASEBUS_VIEW_STALE;
    }
    if (view_is_awake(self) && !is_passing(refused)) {
        *since = self->source->began;
        *error = refused;
        return CASEBUS_VIEW_STALE;
    }
    if (self->fresh && self->begun) {
        return CASEBUS_VIEW_LOADING;
    }
    const bool behind = view_is_awake(self) && (refused != 0 || now >= limits.overdue);
    return behind ? CASEBUS_VIEW_CATCHING_UP : CASEBUS_VIEW_LIVE;
}

static uint64_t find_through(const struct casebus_view *self)
{
    struct moment has = {0};
    if (self->taken != NULL) {
        has = self->taken->moment;
    } else if (!self->begun && self->base.seq != UINT64_MAX) {
        has = self->base;
    }
    const bool all =
        moment_reaches(has, self->source->watched) && (self->taken != NULL || !self->begun);
    return all && self->hub->claim > has.seq ? self->hub->claim : has.seq;
}

static int64_t utc_of(const struct casebus_view *self, int64_t then)
{
    return (int64_t)clock_utc_us() - (hub_now(self->hub) - then) * 1000;
}

struct casebus_view_status view_look(const struct casebus_view *self)
{
    struct casebus_view_status now = {.paused = self->paused};
    int64_t since = 0;
    now.state = find_state(self, &since, &now.error);
    now.through = find_through(self);
    if (now.state == CASEBUS_VIEW_STALE) {
        const bool was = self->told.state == CASEBUS_VIEW_STALE;
        now.since = was ? self->told.since : utc_of(self, since);
    }
    return now;
}

void casebus_view_status(const struct casebus_view *self, struct casebus_view_status *status)
{
    const struct snapshot *taken = self->taken;
    *status = self->told;
    status->paused = self->paused;
    status->has_previous = self->depth > 0;
    if (taken != NULL) {
        status->seq = taken->moment.seq;
        status->entry = taken->moment.entry;
        status->newer = self->page.pinned ? taken->newer : 0;
        status->floor = taken->floor;
        status->cut = taken->cut;
        status->has_next = taken->has_next;
    }
}

/* --- words -------------------------------------------------------------------------------- */

const char *casebus_view_state_word(enum casebus_view_state state)
{
    static const char *const words[] = {
        [CASEBUS_VIEW_CONNECTING] = "connecting",
        [CASEBUS_VIEW_LOADING] = "loading",
        [CASEBUS_VIEW_LIVE] = "live",
        [CASEBUS_VIEW_CATCHING_UP] = "catching up",
        [CASEBUS_VIEW_STALE] = "stale",
    };
    return words[state];
}

static void write_stale(struct casebus_view *self)
{
    const struct casebus_view_status *told = &self->told;
    const time_t seconds = (time_t)(told->since / 1000000);
    struct tm local;
    char at[16] = "";
    if (localtime_r(&seconds, &local) != NULL) {
        (void)strftime(at, sizeof at, "%H:%M:%S", &local);
    }
    snprintf(self->words, sizeof self->words, "stale since %s (%s)", at,
             casebus_strerror(told->error));
}

const char *casebus_view_words(struct casebus_view *self)
{
    const struct casebus_view_status *told = &self->told;
    const char *held = casebus_views_held(self->hub);
    const char *word = self->paused ? "paused" : casebus_view_state_word(told->state);
    const bool complete =
        told->state == CASEBUS_VIEW_LIVE || told->state == CASEBUS_VIEW_CATCHING_UP;
    if (told->state == CASEBUS_VIEW_STALE) {
        write_stale(self);
    } else if (complete && told->error == CASEBUS_EDENIED) {
        snprintf(self->words, sizeof self->words, "%s (%s)", word,
                 casebus_strerror(told->error));
    } else if (complete) {
        snprintf(self->words, sizeof self->words, "%s, complete through #%llu", word,
                 (unsigned long long)told->through);
    } else if (told->error != 0) {
        snprintf(self->words, sizeof self->words, "%s (%s)", word,
                 casebus_strerror(told->error));
    } else {
        snprintf(self->words, sizeof self->words, "%s", word);
    }
    const size_t size = strlen(self->words);
    if (held != NULL) {
        snprintf(self->words + size, sizeof self->words - size, "; %s", held);
    }
    return self->words;
}
