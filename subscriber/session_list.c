/* The list of what a scrape does: two views, of the session's cases and of the session itself.
 *
 * The broker orders the cases, counts how often each was met and loads what belongs to it, all
 * in the one request that a window costs; here rows are only read. What somebody has cleared is
 * remembered as a seq, and not shown: the view below stays as it is, shared with everybody who
 * looks at the same session. A refused report has the seq of the newest event before it, which
 * may be one that was cleared; the number of its refusal tells the two apart.
 *
 * Contract: what is handed out points into the view's rows and lives as long as they do. */
#include <casebus/session_list.h>

#include <stdlib.h>

#define ROWS 50
#define WINDOW_MS 1000
#define BYTES_MAX (4 * 1024 * 1024)

struct casebus_session_list {
    struct casebus_session_list_options options;
    struct casebus_views *views;
    struct casebus_view *cases, *session; /* session: NULL in a list since an instant */
    struct casebus_met *met;              /* what is shown */
    size_t count, room;
    uint64_t newest_refusal; /* of all the view has */
    uint64_t cleared, cleared_refusal;
    unsigned char cleared_epoch[CASEBUS_EPOCH_SIZE];
    bool epoch_known;  /* of what was cleared */
    bool loaded;       /* there were rows, or there were none */
    bool clears_first; /* it was cleared before that: what comes first is what there was */
    bool ended;
};

struct casebus_session_list_options casebus_session_list_options(void)
{
    return (struct casebus_session_list_options){.rows = ROWS,
                                                 .refetch_window_ms = WINDOW_MS,
                                                 .bytes_max = BYTES_MAX,
                                                 .clear_at_end = true};
}

/* --- its rows ----------------------------------------------------------------------------- */

static const char *outcome_of(struct casebus_bytes word)
{
    static const char *const words[] = {"created",  "updated", "existing", "conflict",
                                        "rejected", "deleted", "redacted", "resolved"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (casebus_bytes_is(word, words[i])) {
            return words[i];
        }
    }
    return "other"; /* of a later broker */
}

static uint64_t number(struct casebus_bytes row, const char *name)
{
    return casebus_as_uint(casebus_map_get(row, name), 0);
}

static struct casebus_met read_met(const struct casebus_row *row)
{
    return (struct casebus_met){
        .case_id = row->key,
        .seq = number(row->data, "seq"),
        .at = number(row->data, "at"),
        .outcome = outcome_of(casebus_as_str(casebus_map_get(row->data, "outcome"))),
        .times = number(row->data, "times"),
        .page = number(row->data, "page"),
        .record = casebus_map_get(row->data, "case"),
        .agency = casebus_map_get(row->data, "agency_record"),
        .offender = casebus_map_get(row->data, "offender_record"),
        .row = row->data,
    };
}

static bool is_cleared(const struct casebus_session_list *self, const struct casebus_met *met)
{
    return met->seq <= self->cleared && self->cleared > 0 &&
           number(met->row, "reject") <= self->cleared_refusal;
}

/* A seq of another history clears nothing. */
static void check_cleared(struct casebus_session_list *self)
{
    const unsigned char *epoch = casebus_views_epoch(self->views);
    if (self->cleared == 0 || epoch == NULL) {
        return;
    }
    if (!self->epoch_known) {
        memcpy(self->cleared_epoch, epoch, sizeof self->cleared_epoch);
        self->epoch_known = true;
    } else if (memcmp(epoch, self->cleared_epoch, sizeof self->cleared_epoch) != 0) {
        self->cleared = self->cleared_refusal = 0;
    }
}

static void read_rows(struct casebus_session_list *self)
{
    size_t count;
    const struct casebus_row *rows = casebus_view_rows(self->cases, &count);
    check_cleared(self);
    self->count = 0;
    self->newest_refusal = 0;
    for (size_t i = 0; i < count && i < self->room; i++) {
        const struct casebus_met met = read_met(&rows[i]);
        const uint64_t refusal = number(met.row, "reject");
        self->newest_refusal = refusal > self->newest_refusal ? refusal : self->newest_refusal;
        if (!is_cleared(self, &met) && !(self->ended && self->options.clear_at_end)) {
            self->met[self->count++] = met;
        }
    }
}

static void read_session(struct casebus_session_list *self)
{
    const struct casebus_bytes session = casebus_session_list_session(self);
    const struct casebus_bytes status = casebus_as_str(casebus_map_get(session, "status"));
    self->ended = casebus_bytes_is(status, "completed") || casebus_bytes_is(status, "failed") ||
                  casebus_bytes_is(status, "stopped");
}

/* The last thing that is done in a callback of a view: it may close the list. */
static void tell(struct casebus_session_list *self)
{
    if (self->options.changed != NULL) {
        self->options.changed(self->options.arg, self);
    }
}

static void rows_changed(void *arg, struct casebus_view *view, const struct casebus_diff *diff)
{
    struct casebus_session_list *self = arg;
    (void)diff;
    if (view == self->session) {
        read_session(self);
    }
    read_rows(self);
    if (view == self->cases) {
        self->loaded = true;
        if (self->clears_first) {
            casebus_session_list_clear(self);
        }
    }
    tell(self);
}

static void state_changed(void *arg, struct casebus_view *view)
{
    struct casebus_session_list *self = arg;
    if (view == self->cases) {
        tell(self);
    }
}

/* --- opened and closed -------------------------------------------------------------------- */

static int open_view(struct casebus_session_list *self, struct casebus_view **view,
                     struct casebus_query query)
{
    struct casebus_view_options options = casebus_view_options();
    options.refetch_window_ms = self->options.refetch_window_ms;
    options.bytes_max = self->options.bytes_max;
    options.after_fetch = rows_changed;
    options.state_changed = state_changed;
    options.arg = self;
    return casebus_view_open(view, self->views, query, options, NULL);
}

static int open_list(struct casebus_session_list **self_p, struct casebus_views *views,
                     struct casebus_query cases, const struct casebus_query *session,
                     struct casebus_session_list_options options)
{
    *self_p = NULL;
    if (options.rows < 1 || options.rows > CASEBUS_PAGE_MAX) {
        return CASEBUS_EINVAL;
    }
    struct casebus_session_list *self = calloc(1, sizeof *self);
    struct casebus_met *met = calloc(options.rows, sizeof *met);
    if (self == NULL || met == NULL) {
        free(self);
        free(met);
        return CASEBUS_ENOMEM;
    }
    self->options = options;
    self->views = views;
    self->met = met;
    self->room = options.rows;
    int rc = open_view(self, &self->cases, cases);
    if (rc == 0 && session != NULL) {
        rc = open_view(self, &self->session, *session);
    }
    if (rc != 0) {
        casebus_session_list_close(&self);
    }
    *self_p = self;
    return rc;
}

int casebus_session_list_open(struct casebus_session_list **self_p, struct casebus_views *views,
                              const char *agency, const char *session_id,
                              struct casebus_session_list_options options)
{
    const struct casebus_query session = casebus_query_session(agency, session_id);
    return open_list(self_p, views,
                     casebus_query_session_cases(agency, session_id, options.rows), &session,
                     options);
}

int casebus_session_list_open_since(struct casebus_session_list **self_p,
                                    struct casebus_views *views, uint64_t since,
                                    struct casebus_session_list_options options)
{
    return open_list(self_p, views, casebus_query_cases_since(since, options.rows), NULL,
                     options);
}

void casebus_session_list_close(struct casebus_session_list **self_p)
{
    struct casebus_session_list *self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    casebus_view_close(&self->cases);
    casebus_view_close(&self->session);
    free(self->met);
    free(self);
}

/* --- what is told ------------------------------------------------------------------------- */

const struct casebus_met *casebus_session_list_rows(const struct casebus_session_list *self,
                                                    size_t *count)
{
    *count = self->count;
    return self->met;
}

struct casebus_bytes casebus_session_list_session(const struct casebus_session_list *self)
{
    size_t count = 0;
    const struct casebus_row *rows =
        self->session != NULL ? casebus_view_rows(self->session, &count) : NULL;
    return count > 0 ? rows[0].data : casebus_bytes(NULL, 0);
}

uint64_t casebus_session_list_total(const struct casebus_session_list *self)
{
    const struct casebus_bytes session = casebus_session_list_session(self);
    return session.data != NULL ? number(session, "cases_found") : self->count;
}

static void clear_to(struct casebus_session_list *self, uint64_t seq, uint64_t refusal)
{
    self->cleared = seq;
    self->cleared_refusal = refusal;
    self->epoch_known = false;
    read_rows(self);
}

void casebus_session_list_clear(struct casebus_session_list *self)
{
    struct casebus_view_status status;
    casebus_view_status(self->cases, &status);
    self->clears_first = !self->loaded;
    clear_to(self, status.seq, self->newest_refusal);
}

void casebus_session_list_clear_through(struct casebus_session_list *self, uint64_t seq)
{
    self->clears_first = false;
    clear_to(self, seq, UINT64_MAX);
}

void casebus_session_list_status(const struct casebus_session_list *self,
                                 struct casebus_view_status *status)
{
    casebus_view_status(self->cases, status);
}

const char *casebus_session_list_words(struct casebus_session_list *self)
{
    return casebus_view_words(self->cases);
}
