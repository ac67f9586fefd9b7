/* A view: what of its source it shows, how that has changed, and what it says of itself.
 *
 * A view has rows of its own list, held, not copied. When its source has another snapshot the
 * next list is made by policy, compared with the one shown, told, and put in its place.
 *
 * Keep, and pages, are queries "as of": the rows that existed at a moment, with their values of
 * now. What a view keeps is always among them, so its values stay live however many rows come;
 * what they no longer have is gone from the store, or from the list. Its place is kept, not
 * what it said: it may be redacted, now or later, and nobody would be told here.
 *
 * Contract: callbacks come from view_visit() alone; a view that is closed in one of its own is
 * freed when it returns. */
#include "view_private.h"

#include <stdlib.h>

#define WINDOW_MS 5000
#define BYTES_MAX (16 * 1024 * 1024)
#define PAGES_MAX 10000 /* that can be turned back */

struct casebus_view_options casebus_view_options(void)
{
    return (struct casebus_view_options){.policy = CASEBUS_VIEW_MERGE,
                                         .refetch_window_ms = WINDOW_MS,
                                         .initial = true,
                                         .bytes_max = BYTES_MAX};
}

/* --- its source --------------------------------------------------------------------------- */

/* Goes over to the source of a page. `seed`: it shows what the view has taken. */
static int use_page(struct casebus_view *self, const struct page *page, bool seed)
{
    const struct want want = {.query = self->query,
                              .page = *page,
                              .window_ms = self->options.refetch_window_ms,
                              .interval_ms = self->options.refetch_interval_ms,
                              .bytes_max = self->options.bytes_max,
                              .watches = self->watches,
                              .watch_count = self->watch_count,
                              .watches_quiet = self->watches_quiet};
    struct source *source;
    const int rc = source_join(&source, self->hub, &want);
    if (rc != 0) {
        return rc;
    }
    if (view_is_awake(self)) {
        source_wake(source);
        if (self->source != NULL) {
            self->source->awake--;
        }
    }
    if (seed) {
        source_seed(source, self->source);
    }
    if (self->begun) {
        source_load(source);
    }
    source_leave(&self->source);
    self->source = source;
    self->page = *page;
    self->hub->news = true;
    return 0;
}

/* Skips what the source has now; the view waits for its next snapshot. */
static void pass_over(struct casebus_view *self)
{
    snapshot_drop(&self->old);
    self->old = self->source->now;
    if (self->old != NULL) {
        self->old->refs++;
    }
}

/* A list that is going to be kept begins with what there is now; what its source has may be of
 * long ago, where all who share it were paused. */
static void begin_kept(struct casebus_view *self)
{
    if (self->options.policy == CASEBUS_VIEW_KEEP && source_is_behind(self->source)) {
        pass_over(self);
    }
}

/* Lets the view ask, from here on. */
static void begin(struct casebus_view *self)
{
    if (!self->begun) {
        self->begun = true;
        if (!self->paused) {
            source_wake(self->source);
        }
    }
}

/* --- opened and closed -------------------------------------------------------------------- */

static int read_patterns(struct casebus_view *self, const char **why)
{
    struct watch watches[CASEBUS_PATTERNS_MAX];
    const struct casebus_view_options *options = &self->options;
    size_t count = options->pattern_count;
    memset(watches, 0, sizeof watches);
    if (options->patterns == NULL) {
        count = query_watches(&self->query, watches);
        self->watches_quiet = query_watches_quiet(&self->query);
    } else if (count < 1 || count > CASEBUS_PATTERNS_MAX) {
        return CASEBUS_EINVAL;
    }
    for (size_t i = 0; options->patterns != NULL && i < count; i++) {
        const int rc = query_watch(options->patterns[i], &watches[i], why);
        if (rc != 0) {
            return rc;
        }
    }
    self->watches = malloc(count * sizeof *watches);
    if (self->watches == NULL) {
        return CASEBUS_ENOMEM;
    }
    memcpy(self->watches, watches, count * sizeof *watches);
    self->watch_count = count;
    self->options.patterns = NULL; /* they are the caller's */
    return 0;
}

static void link_view(struct casebus_view *self)
{
    self->next = self->hub->views;
    if (self->next != NULL) {
        self->next->previous = self;
    }
    self->hub->views = self;
}

static void unlink_view(struct casebus_view *self)
{
    if (self->hub->visiting == self) {
        self->hub->visiting = self->next;
    }
    if (self->next != NULL) {
        self->next->previous = self->previous;
    }
    if (self->previous != NULL) {
        self->previous->next = self->next;
    } else {
        self->hub->views = self->next;
    }
}

static void free_view(struct casebus_view *self)
{
    snapshot_drop(&self->taken);
    snapshot_drop(&self->old);
    rows_clear(&self->shown);
    free(self->trail);
    free(self->watches);
    free(self);
}

int casebus_view_open(struct casebus_view **self_p, struct casebus_views *views,
                      struct casebus_query query, struct casebus_view_options options,
                      const char **why)
{
    static const struct page first = {.pinned = false};
    const char *reason;
    why = why != NULL ? why : &reason;
    *self_p = NULL;
    *why = NULL;
    if (query_check(&query) != 0 || (unsigned)options.policy > CASEBUS_VIEW_LOSE ||
        (options.policy == CASEBUS_VIEW_KEEP && !query_can_be_kept(&query))) {
        return CASEBUS_EINVAL;
    }
    struct casebus_view *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->hub = views;
    self->query = query;
    self->options = options;
    self->begun = options.initial;
    self->base.seq = UINT64_MAX;
    self->fresh = true;
    int rc = read_patterns(self, why);
    rc = rc == 0 ? use_page(self, &first, false) : rc;
    if (rc != 0) {
        free_view(self);
        return rc;
    }
    begin_kept(self);
    link_view(self);
    self->told = view_look(self);
    *self_p = self;
    return 0;
}

void casebus_view_close(struct casebus_view **self_p)
{
    struct casebus_view *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    unlink_view(self);
    self->source->awake -= view_is_awake(self) ? 1 : 0;
    source_leave(&self->source);
    if (self->visited) {
        self->closed = true;
    } else {
        free_view(self);
    }
}

/* --- another snapshot --------------------------------------------------------------------- */

static int add_all(struct rows *rows, const struct rows *from)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < from->count; i++) {
        rc = rows_add(rows, from->held[i], false);
    }
    return rc;
}

/* A row that is shown and not there any more: marked, and with no more than may be kept. */
static int keep_gone(const struct casebus_view *self, struct rows *rows,
                     const struct casebus_row *row, int error)
{
    msgpack_sbuffer left;
    msgpack_sbuffer_init(&left);
    query_left(&self->query, error, row->data, &left);
    struct held *held = left.data != NULL ? held_new(casebus_cstr(row->key),
                                                     casebus_bytes(left.data, left.size))
                                          : NULL;
    msgpack_sbuffer_destroy(&left);
    if (held == NULL) {
        return CASEBUS_ENOMEM;
    }
    const int rc = rows_add(rows, held, true);
    held_drop(held);
    return rc;
}

/* Behind the last row that a cut snapshot has, it says nothing of what is shown. */
static size_t known_of(const struct casebus_view *self, const struct snapshot *from)
{
    size_t known = self->shown.count;
    while (from->cut && known > 0 &&
           rows_find(&from->rows, self->shown.row[known - 1].key) == SIZE_MAX) {
        known--;
    }
    return known;
}

/* The rows that are shown, in their order, with what the snapshot has of them. What was cut off
 * behind them is shown when it fits again. */
static int keep_all(const struct casebus_view *self, struct rows *rows,
                    const struct snapshot *from)
{
    const size_t known = known_of(self, from);
    size_t behind = self->taken->cut ? 0 : from->rows.count;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < known; i++) {
        const size_t at = rows_find(&from->rows, self->shown.row[i].key);
        behind = at != SIZE_MAX && at >= behind ? at + 1 : behind;
        rc = at != SIZE_MAX ? rows_add(rows, from->rows.held[at], false)
                            : keep_gone(self, rows, &self->shown.row[i], from->error);
    }
    while (rc == 0 && behind < from->rows.count && rows->count < self->query.limit) {
        rc = rows_add(rows, from->rows.held[behind++], false);
    }
    return rc;
}

static void tell_diff(struct casebus_view *self, const struct rows *old,
                      const struct casebus_change *changes, size_t count, bool reset)
{
    const struct casebus_diff diff = {.old = old->row,
                                      .now = self->shown.row,
                                      .old_count = old->count,
                                      .now_count = self->shown.count,
                                      .changes = changes,
                                      .change_count = count,
                                      .reset = reset};
    if (self->options.after_fetch != NULL && (reset || count > 0)) {
        self->options.after_fetch(self->options.arg, self, &diff);
    }
}

/* Once something is shown under policy keep, what is asked for is the list of that moment. */
static int pin(struct casebus_view *self)
{
    if (self->options.policy != CASEBUS_VIEW_KEEP || self->page.pinned ||
        self->shown.count == 0 || !query_has_as_of(&self->query)) {
        return 0;
    }
    struct page page = self->page;
    page.pinned = true;
    page.as_of = self->taken->as_of;
    return use_page(self, &page, true);
}

static int take(struct casebus_view *self, struct snapshot *snapshot)
{
    struct rows old = self->shown, now = {0};
    struct casebus_change *changes = NULL;
    size_t count = 0;
    const bool reset = self->fresh || self->options.policy == CASEBUS_VIEW_LOSE;
    const bool keeps =
        self->options.policy == CASEBUS_VIEW_KEEP && !reset && self->shown.count > 0;
    int rc = keeps ? keep_all(self, &now, snapshot) : add_all(&now, &snapshot->rows);
    if (rc == 0 && !reset) {
        rc = rows_diff(&old, &now, &changes, &count);
    }
    if (rc != 0) {
        rows_clear(&now);
        return rc;
    }
    snapshot_drop(&self->taken);
    snapshot_drop(&self->old);
    self->taken = snapshot;
    snapshot->refs++;
    self->hub->stats.saved += snapshot->takers++ > 0 ? 1 : 0;
    self->shown = now;
    self->fresh = false;
    rc = pin(self);
    tell_diff(self, &old, changes, count, reset);
    free(changes);
    rows_clear(&old);
    return rc;
}

/* --- visits --------------------------------------------------------------------------------
 */

static void tell_state(struct casebus_view *self)
{
    const struct casebus_view_status now = view_look(self);
    const bool changed = now.state != self->told.state || now.through != self->told.through ||
                         now.error != self->told.error || now.paused != self->told.paused;
    self->told = now;
    if (changed && self->options.state_changed != NULL) {
        self->options.state_changed(self->options.arg, self);
    }
}

/* It was opened to be silent until something moves. */
static void begin_if_moved(struct casebus_view *self)
{
    if (self->begun || self->hub->heard == INT64_MIN) {
        return;
    }
    if (self->base.seq == UINT64_MAX) {
        self->base = (struct moment){.seq = self->hub->head, .entry = self->hub->quiet};
    } else if (!moment_reaches(self->base, self->source->watched)) {
        begin(self);
        begin_kept(self);
        source_load(self->source);
    }
}

/* Is there a snapshot of its source for it to take now? */
static bool can_take(const struct casebus_view *self)
{
    const struct snapshot *now = self->source->now;
    return view_is_awake(self) && now != NULL && now != self->old &&
           (self->fresh || now != self->taken);
}

int view_visit(struct casebus_view *self)
{
    int rc = 0;
    self->visited = true;
    begin_if_moved(self);
    if (can_take(self)) {
        rc = take(self, self->source->now);
    }
    if (!self->closed) {
        tell_state(self);
    }
    self->visited = false;
    if (self->closed) {
        free_view(self);
    }
    return rc;
}

/* --- what callers do ---------------------------------------------------------------------- */

const struct casebus_row *casebus_view_rows(const struct casebus_view *self, size_t *count)
{
    *count = self->shown.count;
    return self->shown.row;
}

void casebus_view_pause(struct casebus_view *self)
{
    if (!self->paused) {
        self->source->awake -= view_is_awake(self) ? 1 : 0;
        self->paused = true;
        self->hub->news = true;
    }
}

void casebus_view_resume(struct casebus_view *self)
{
    if (self->paused) {
        self->paused = false;
        if (view_is_awake(self)) {
            source_wake(self->source);
        }
        self->hub->news = true;
    }
}

static int begin_list(struct casebus_view *self)
{
    static const struct page first = {.pinned = false};
    const int rc = use_page(self, &first, false);
    if (rc == 0) {
        self->depth = 0;
        self->fresh = true;
        begin_kept(self);
    }
    return rc;
}

void casebus_view_refresh(struct casebus_view *self)
{
    begin(self);
    if (self->options.policy == CASEBUS_VIEW_KEEP && begin_list(self) == 0) {
        pass_over(self); /* a list once shown stays: that of now is waited for */
    }
    source_force(self->source);
    self->hub->news = true;
}

void view_forget(struct casebus_view *self)
{
    snapshot_drop(&self->taken);
    (void)begin_list(self); /* no memory: the page of the old history is empty, or refused */
    self->fresh = true;
    begin(self);
}

static int keep_page(struct casebus_view *self)
{
    if (self->depth == PAGES_MAX) {
        return CASEBUS_ETOOMANY;
    }
    if (self->depth == self->room) {
        const size_t room = self->room == 0 ? 8 : self->room * 2;
        struct page *trail = realloc(self->trail, room * sizeof *trail);
        if (trail == NULL) {
            return CASEBUS_ENOMEM;
        }
        self->trail = trail;
        self->room = room;
    }
    struct page page = self->page;
    if (query_has_as_of(&self->query)) {
        page.pinned = true;
        page.as_of = self->taken->as_of;
    }
    self->trail[self->depth] = page;
    return 0;
}

int casebus_view_turn(struct casebus_view *self, enum casebus_view_page page)
{
    int rc = 0;
    if (page == CASEBUS_PAGE_FIRST) {
        return begin_list(self);
    }
    if (page == CASEBUS_PAGE_PREVIOUS) {
        rc = self->depth > 0 ? use_page(self, &self->trail[self->depth - 1], false)
                             : CASEBUS_ENOTFOUND;
        self->depth -= rc == 0 ? 1 : 0;
    } else {
        if (self->fresh || self->taken == NULL || !self->taken->has_next) {
            return CASEBUS_ENOTFOUND;
        }
        rc = keep_page(self);
        rc = rc == 0 ? use_page(self, &self->taken->next, false) : rc;
        self->depth += rc == 0 ? 1 : 0;
    }
    self->fresh = self->fresh || rc == 0;
    return rc;
}
