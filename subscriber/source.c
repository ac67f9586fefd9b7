/* A source: a query that is asked once for all views that show it.
 *
 * It is asked when a stream that it watches ends behind its snapshot, or something that makes
 * no event (a refused report) came behind it: at once where the last fetch began a window ago
 * or longer, otherwise when the window is over. So there is one time at which it is due,
 * however many events there were, and never more fetches than windows. While an answer is on
 * its way nothing more is asked: what moved meanwhile shows when the answer has come, as a head
 * above the answer's seq, or an entry above its entry.
 *
 * An answer that is too large for one reply comes in parts. Its seq is that of the first, the
 * rows of the others are of that moment or newer; where anything moved in between, a head is
 * above that seq and it is all asked again.
 *
 * Contract: a snapshot is never changed once it is shown; its rows are those of the one before
 * where they are the same, so that views compare pointers. */
#include "view_private.h"

#include <stdlib.h>

#define BEHIND_MS 100 /* before a broker that is behind is asked again */
#define BUSY_MS 500
#define REFUSED_MS 5000 /* before what was refused is asked again */
#define PARTS_MAX 1000  /* of an answer; each is bounded work for the broker */

static struct snapshot *snapshot_new(void)
{
    struct snapshot *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->refs = 1;
    }
    return self;
}

void snapshot_drop(struct snapshot **self_p)
{
    struct snapshot *self = *self_p;
    *self_p = NULL;
    if (self != NULL && --self->refs == 0) {
        rows_clear(&self->rows);
        free(self);
    }
}

/* --- one for all that want the same ------------------------------------------------------- */

static int identify(struct casebus_views *hub, const struct want *want, msgpack_sbuffer *out)
{
    struct casebus_bytes request;
    msgpack_packer pk;
    query_encode(&want->query, &want->page, 0, hub->call);
    const int rc = casebus_call_encoded(hub->call, &request);
    if (rc != 0) {
        return rc;
    }
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    msgpack_pack_uint64(&pk, want->window_ms);
    msgpack_pack_uint64(&pk, want->interval_ms);
    msgpack_pack_uint64(&pk, want->bytes_max);
    msgpack_pack_uint64(&pk, want->watches_quiet);
    casebus_pack_raw(&pk, request);
    return msgpack_sbuffer_write(out, (const char *)want->watches,
                                 want->watch_count * sizeof *want->watches) == 0
               ? 0
               : CASEBUS_ENOMEM;
}

static struct source *find(struct casebus_views *hub, const msgpack_sbuffer *identity)
{
    struct source *source = hub->sources;
    while (source != NULL && (source->identity_size != identity->size ||
                              memcmp(source->identity, identity->data, identity->size) != 0)) {
        source = source->next;
    }
    return source;
}

static void free_source(struct source *self)
{
    free(self->identity);
    free(self->watches);
    free(self);
}

static struct source *make(struct casebus_views *hub, const struct want *want,
                           const msgpack_sbuffer *identity)
{
    struct source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    *self = (struct source){.next = hub->sources,
                            .hub = hub,
                            .identity = malloc(identity->size),
                            .identity_size = identity->size,
                            .query = want->query,
                            .page = want->page,
                            .window_ms = want->window_ms,
                            .interval_ms = want->interval_ms,
                            .bytes_max = want->bytes_max,
                            .watches = malloc(want->watch_count * sizeof *self->watches),
                            .watch_count = want->watch_count,
                            .watches_quiet = want->watches_quiet,
                            .began = hub_now(hub),
                            .moved_at = INT64_MAX};
    if (self->identity == NULL || self->watches == NULL) {
        free_source(self);
        return NULL;
    }
    memcpy(self->identity, identity->data, identity->size);
    memcpy(self->watches, want->watches, want->watch_count * sizeof *self->watches);
    self->watched = (struct moment){
        .seq = streams_head(&hub->streams, self->watches, self->watch_count),
        .entry = self->watches_quiet ? hub->quiet : 0,
    };
    hub->sources = self;
    return self;
}

int source_join(struct source **self_p, struct casebus_views *hub, const struct want *want)
{
    msgpack_sbuffer identity;
    msgpack_sbuffer_init(&identity);
    int rc = identify(hub, want, &identity);
    *self_p = rc == 0 ? find(hub, &identity) : NULL;
    if (rc == 0 && *self_p == NULL) {
        *self_p = make(hub, want, &identity);
        rc = *self_p != NULL ? 0 : CASEBUS_ENOMEM;
    }
    msgpack_sbuffer_destroy(&identity);
    if (rc == 0) {
        (*self_p)->users++;
    }
    return rc;
}

static void drop(struct source *self)
{
    struct source **at = &self->hub->sources;
    while (*at != self) {
        at = &(*at)->next;
    }
    *at = self->next;
    ask_done(self->hub, &self->ask);
    ask_end(&self->ask);
    snapshot_drop(&self->now);
    snapshot_drop(&self->making);
    free_source(self);
}

void source_leave(struct source **self_p)
{
    struct source *self = *self_p;
    *self_p = NULL;
    if (self != NULL && --self->users == 0) {
        drop(self);
    }
}

/* --- when it is asked --------------------------------------------------------------------- */

bool source_is_behind(const struct source *self)
{
    return self->forced || self->moved_at != INT64_MAX;
}

/* Notes since when there is more than it has. */
static void look(struct source *self, int64_t since)
{
    const struct moment none = {0}, has = self->now != NULL ? self->now->moment : none;
    if (moment_reaches(has, self->watched)) {
        self->moved_at = INT64_MAX;
    } else if (self->moved_at == INT64_MAX) {
        self->moved_at = since;
    }
}

void source_moved(struct source *self, struct moment to)
{
    struct moment *const watched = &self->watched;
    watched->seq = to.seq > watched->seq ? to.seq : watched->seq;
    watched->entry = to.entry > watched->entry ? to.entry : watched->entry;
    look(self, hub_now(self->hub));
}

/* While all its users slept it did not ask. What it had then is shown to nobody anew once it is
 * older than a window; those who show it do so until the answer comes. */
void source_wake(struct source *self)
{
    if (self->awake++ == 0 && self->moved_at != INT64_MAX &&
        self->began + self->window_ms <= hub_now(self->hub)) {
        snapshot_drop(&self->now);
    }
}

void source_force(struct source *self)
{
    self->forced = true;
}

void source_load(struct source *self)
{
    self->forced = self->forced || (self->now == NULL && self->ask.token == 0);
}

void source_seed(struct source *self, const struct source *from)
{
    if (self->now == NULL && from->now != NULL) {
        self->now = from->now;
        self->now->refs++;
        self->fetched = true;
        self->began = from->began;
        look(self, hub_now(self->hub));
    }
}

void source_forget(struct source *self)
{
    ask_done(self->hub, &self->ask);
    snapshot_drop(&self->now);
    snapshot_drop(&self->making);
    self->watched = (struct moment){0};
    self->after = 0;
    self->moved_at = INT64_MAX;
    self->fetched = false;
    self->began = hub_now(self->hub);
    self->retry_at = 0;
    self->forced = true;
}

/* When it will want to ask; INT64_MAX: not before something moves. */
static int64_t wanted_at(const struct source *self)
{
    int64_t at = INT64_MAX;
    if (self->awake == 0) {
        return at;
    }
    if (self->retry_at != 0) {
        return self->retry_at;
    }
    const int64_t window_over = self->began + (self->fetched ? self->window_ms : 0);
    if (source_is_behind(self)) {
        at = window_over;
    } else if (self->interval_ms > 0 && self->fetched) {
        at = self->began + self->interval_ms;
        at = at < window_over ? window_over : at;
    }
    return at;
}

bool source_wants(const struct source *self)
{
    return self->ask.token == 0 && wanted_at(self) <= hub_now(self->hub);
}

int64_t source_due(const struct source *self)
{
    return self->ask.token != 0 ? ask_due(&self->ask) : wanted_at(self);
}

/* --- asking ------------------------------------------------------------------------------- */

static int send_question(struct source *self, const struct page *page)
{
    struct casebus_call *call = self->hub->call;
    struct casebus_query query = self->query;
    uint64_t least = self->watched.seq;
    if (self->making != NULL) {
        query.limit -= (unsigned)self->making->rows.count;
        least = self->making->moment.seq;
    }
    query_encode(&query, page, self->after, call);
    casebus_call_uint(call, "after_seq", least);
    return ask_begin(self->hub, &self->ask, call);
}

int source_fetch(struct source *self)
{
    const int rc = send_question(self, &self->page);
    if (self->ask.token != 0) {
        self->fetched = true;
        self->began = hub_now(self->hub);
        self->retry_at = 0;
        self->forced = false;
    }
    return rc;
}

/* --- answers ------------------------------------------------------------------------------ */

static void give_up(struct source *self, int error, int after_ms)
{
    snapshot_drop(&self->making);
    self->error = error;
    self->retry_at = hub_now(self->hub) + after_ms;
    self->forced = true;
    self->hub->news = true;
}

/* The row that is held already, or the new one. */
static struct held *hold(const struct source *self, const char *key, struct casebus_bytes row)
{
    const struct rows *before = self->now != NULL ? &self->now->rows : NULL;
    const size_t at = before != NULL ? rows_find(before, key) : SIZE_MAX;
    if (at != SIZE_MAX && casebus_bytes_equal(before->row[at].data, row)) {
        return held_keep(before->held[at]);
    }
    return held_new(casebus_cstr(key), row);
}

/* 1 it was added, 0 it has no room, or CASEBUS_ENOMEM. */
static int add_row(struct source *self, const char *key, struct casebus_bytes row)
{
    struct snapshot *making = self->making;
    if (rows_find(&making->rows, key) != SIZE_MAX) {
        return 1; /* another page's row of the same case, an older one */
    }
    if (self->bytes + row.size > self->bytes_max) {
        making->cut = true;
        return 0;
    }
    struct held *held = hold(self, key, row);
    if (held == NULL) {
        return CASEBUS_ENOMEM;
    }
    const int rc = rows_add(&making->rows, held, false);
    held_drop(held);
    self->bytes += row.size;
    return rc == 0 ? 1 : rc;
}

static int add_rows(struct source *self, struct casebus_bytes result)
{
    struct row_reader reader = {.begun = false};
    struct casebus_bytes row;
    char key[QUERY_KEY_MAX + 1];
    int rc;
    while ((rc = query_row(&self->query, result, &reader, &row, key)) == 1) {
        rc = self->making->rows.count < self->query.limit ? add_row(self, key, row) : 0;
        if (rc <= 0) {
            return rc;
        }
    }
    return rc;
}

/* What a result says beside its rows. 0 or CASEBUS_EPROTO. */
static int read_place(struct source *self, struct casebus_bytes result)
{
    struct snapshot *making = self->making;
    const struct casebus_bytes next = casebus_as_bin(casebus_map_get(result, "next"));
    if (next.size > sizeof making->next.next) {
        return CASEBUS_EPROTO;
    }
    if (self->parts == 1) {
        making->as_of = casebus_as_uint(casebus_map_get(result, "as_of"), 0);
        making->newer = casebus_as_uint(casebus_map_get(result, "newer"), 0);
    }
    making->floor = casebus_as_uint(casebus_map_get(result, "floor"), 0);
    if (self->query.kind == CASEBUS_QUERY_CASES_SINCE) {
        self->after = casebus_as_uint(casebus_map_get(result, "after"), 0);
    }
    making->has_next = next.size > 0 && !making->cut; /* it lies behind what was cut off */
    making->next = (struct page){.pinned = query_has_as_of(&self->query),
                                 .as_of = making->as_of,
                                 .next_size = next.size};
    if (next.size > 0) {
        memcpy(making->next.next, next.data, next.size);
    }
    return 0;
}

static void show(struct source *self)
{
    snapshot_drop(&self->now);
    self->now = self->making;
    self->making = NULL;
    self->error = 0;
    look(self, self->began);
    self->hub->news = true;
}

static int take_part(struct source *self, const struct casebus_reply *reply)
{
    if (self->making == NULL) {
        self->making = snapshot_new();
        if (self->making == NULL) {
            return CASEBUS_ENOMEM;
        }
        self->making->moment = (struct moment){.seq = reply->seq, .entry = reply->entry};
        self->bytes = self->parts = 0;
    }
    struct snapshot *making = self->making;
    self->parts++;
    making->error = reply->error;
    int rc = reply->error == 0 ? add_rows(self, reply->result) : 0;
    rc = rc == 0 && reply->error == 0 ? read_place(self, reply->result) : rc;
    if (rc != 0) {
        return rc;
    }
    if (making->has_next && !making->cut && making->rows.count < self->query.limit) {
        if (self->parts < PARTS_MAX) {
            return send_question(self, &making->next);
        }
        making->cut = true;
    }
    show(self);
    return 0;
}

int source_answer(struct source *self, const struct casebus_reply *reply)
{
    const uint64_t least = self->making != NULL ? self->making->moment.seq : 0;
    ask_done(self->hub, &self->ask);
    if (reply->error == CASEBUS_EBEHIND || (reply->error == 0 && reply->seq < least)) {
        give_up(self, CASEBUS_EBEHIND, BEHIND_MS);
        return 0;
    }
    if (reply->error != 0 && !query_is_empty(&self->query, reply->error)) {
        const bool busy =
            casebus_error_passes(reply->error) || reply->error == CASEBUS_ETIMEDOUT;
        give_up(self, reply->error, busy ? BUSY_MS : REFUSED_MS);
        return 0;
    }
    if (reply->error != 0) {
        snapshot_drop(&self->making); /* parts that came before are none of an empty answer */
    }
    const int rc = take_part(self, reply);
    if (rc != 0) {
        self->hub->stats.undecodable += rc == CASEBUS_EPROTO ? 1 : 0;
        give_up(self, rc, BUSY_MS);
    }
    return rc == CASEBUS_EPROTO ? 0 : rc;
}
